"""Every figure that is quoted anywhere is a row of results.csv, written by a command.

    ratio   reference_value / value for a time, value / reference_value for a rate:
            how many times better than the reference, above 1 is better
    claim   `value >= 0.875` or `ratio >= 20`: a column, a comparison, a number
    passed  whether the row keeps its claim; empty without one

Rows are added and never changed; `latest` finds what holds now.
"""

import csv
import dataclasses
import datetime
import io
import operator
import os
from collections.abc import Iterable, Sequence
from importlib import metadata
from pathlib import Path

PATH = Path(__file__).parent / "results.csv"
PACKAGES = ("jax", "jaxlib", "flax", "optax", "numpy", "torch")
COMPARISONS = {">=": operator.ge, "<=": operator.le, "==": operator.eq}


@dataclasses.dataclass(frozen=True)
class Figure:
    """What is measured; the rest of a row is about when and where.

    Attributes:
        name: identifies it over time, with the seed: `loop.lenet5`.
        what: what the value is, for a reader.
        value: None if it could not be measured; `what` says why.
        unit: of the value.
        reference: what the reference is, in the form in which it ran.
        reference_value: in the same unit.
        ratio: see above.
        claim: see above.
        seed: of what is stochastic.
        device: where it ran; filled in by `here` if empty.

    Raises:
        ValueError: a claim that is not a column, a comparison and a number.
    """

    name: str
    what: str
    value: float | None
    unit: str = ""
    reference: str = ""
    reference_value: float | None = None
    ratio: float | None = None
    claim: str = ""
    seed: int | None = None
    device: str = ""

    def __post_init__(self):
        if self.claim:
            _parse(self.claim)

    @property
    def passed(self) -> bool | None:
        """Whether the claim holds; None without a claim."""
        if not self.claim:
            return None
        column, compare, bound = _parse(self.claim)
        value = getattr(self, column)
        return value is not None and bool(compare(value, bound))


COLUMNS = (
    *("date", "commit", "kind", "name", "what", "value", "unit", "reference"),
    *("reference_value", "ratio", "claim", "passed", "seed", "wall_seconds"),
    *("device", "versions"),
)
KINDS = ("benchmark", "acceptance")


def append(
    figures: Iterable[Figure],
    *,
    kind: str,
    commit: str,
    wall_seconds: float,
    path: Path = PATH,
) -> None:
    """Adds a row for each figure; the file is written whole or not at all.

    Args:
        figures: what was measured.
        kind: one of `KINDS`.
        commit: of the code that ran, with `+` if files differed from it.
        wall_seconds: that all of them took together.
        path: of the table.

    Raises:
        ValueError: a file with other columns, or an unknown kind.
    """
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
    read(path)  # refuses a file that is not ours
    old = path.read_text() if path.exists() else _line(COLUMNS)
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M")
    new = ""
    for figure in figures:
        row = {
            **{k: _text(v) for k, v in dataclasses.asdict(figure).items()},
            "date": now,
            "commit": commit,
            "kind": kind,
            "passed": {True: "yes", False: "no", None: ""}[figure.passed],
            "wall_seconds": f"{wall_seconds:.1f}",
            "device": figure.device or here(),
            "versions": versions(),
        }
        new += _line([row[column] for column in COLUMNS])
    temporary = path.with_suffix(".writing")
    temporary.write_text(old + new)
    os.replace(temporary, path)


def read(path: Path = PATH) -> list[dict[str, str]]:
    """All rows, oldest first; none if there is no file.

    Raises:
        ValueError: a file with other columns.
    """
    if not path.exists():
        return []
    with open(path, newline="") as file:
        reader = csv.reader(file)
        header = tuple(next(reader, ()))
        if header != COLUMNS:
            raise ValueError(f"{path} must have the columns {COLUMNS}, got {header}")
        rows = list(reader)
    for number, row in enumerate(rows, 2):
        if len(row) != len(COLUMNS):
            raise ValueError(
                f"{path}, row {number} must have {len(COLUMNS)} cells, got {len(row)}"
            )
    return [dict(zip(COLUMNS, row, strict=True)) for row in rows]


def latest(path: Path = PATH) -> dict[tuple[str, str, str], dict[str, str]]:
    """The newest row of each (kind, name, seed)."""
    return {(row["kind"], row["name"], row["seed"]): row for row in read(path)}


def here() -> str:
    """The devices and cores of this process, and the load of the machine."""
    import jax  # late: reading the table needs no device

    kinds = {f"{d.device_kind} x {jax.device_count()}" for d in jax.devices()}
    load = os.getloadavg()[0]
    return f"{', '.join(sorted(kinds))}; {os.cpu_count()} cores; load {load:.1f}"


def versions() -> str:
    """Versions of what the figures depend on, as far as it is installed."""
    found = []
    for name in PACKAGES:
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    return ", ".join(found)


def _parse(claim: str):
    try:
        column, comparison, bound = claim.split()
        if column not in ("value", "ratio"):
            raise ValueError(column)
        return column, COMPARISONS[comparison], float(bound)
    except (ValueError, KeyError):
        raise ValueError(
            f"claim must be 'value' or 'ratio', one of {' '.join(COMPARISONS)} and a "
            f"number, got {claim!r}"
        ) from None


def _text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return "" if value is None else str(value)


def _line(cells: Sequence[str]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerow(cells)
    return buffer.getvalue()
