"""What the README shows: its tables, from the code, and its picture, from a run.

    python -m zoo.tables                  writes the tables into README.md
    python -m zoo.tables --check          status 1 if they are not what it would write
    python -m zoo.tables --picture RUN    the picture, from a run of compare_optimizers

A table stands between `<!-- table: NAME -->` and `<!-- end -->`; the rest of the file
is left as it is.
"""

import argparse
import ast
import csv
import inspect
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import jax

import zoo.classical
import zoo.functional
import zoo.generative
import zoo.metrics
from zoo.card import shapes
from zoo.catalog import MODELS
from zoo.data.table import SOURCES
from zoo.errors import unknown

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
RESULTS = ROOT / "benchmarks" / "results.csv"
PICTURE = ROOT / "pictures" / "compare_optimizers.png"
PANELS = ("lenet5_curves.png", "paths_rosenbrock.png")  # of a run's figures
PARITY = "parity."  # how the names of figures of benchmarks/parity.py begin
MARKED = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def markdown(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table that can be read as it is written: columns padded, numbers to the right.

    Args:
        headers: one for each column; a column whose header ends in `:` is of numbers.
        rows: cells, as Markdown.

    >>> print(markdown(["model", "size:"], [["mlp", "9"], ["lenet5", "12"]]))
    | model  | size |
    | ------ | ---: |
    | mlp    |    9 |
    | lenet5 |   12 |
    """
    right = [header.endswith(":") for header in headers]
    cells = [[h.removesuffix(":") for h in headers]]
    cells += [[cell.replace("|", "\\|") for cell in row] for row in rows]
    widths = [max(3, *map(len, column)) for column in zip(*cells, strict=True)]

    def line(row):
        pairs = zip(row, widths, right, strict=True)
        padded = [c.rjust(w) if r else c.ljust(w) for c, w, r in pairs]
        return f"| {' | '.join(padded)} |"

    rule = ["-" * (w - r) + ":" * r for w, r in zip(widths, right, strict=True)]
    return "\n".join(map(line, [cells[0], rule, *cells[1:]]))


def cite(reference: str) -> str:
    """A reference as authors and year, with a link if it has an address.

    >>> cite('Kingma and Ba, "Adam", ICLR 2015, https://arxiv.org/abs/1412.6980, p. 2')
    '[Kingma and Ba 2015](https://arxiv.org/abs/1412.6980)'
    >>> cite("Cox, Journal of the Royal Statistical Society B 1958")
    'Cox 1958'
    """
    text = " ".join(reference.split())
    address = re.search(r"https?://\S+[^\s,.]", text)
    authors, title, place = text.partition(', "')
    if not title:
        authors, _, place = text.partition(",")
    names = re.split(r", | and ", authors)
    who = f"{names[0]} et al." if len(names) > 2 else " and ".join(names)
    place = re.sub(r'^.*?"|https?://\S+', "", place)  # years stand in titles as well
    year = re.search(r"\b(1[89]|20)\d\d\b", place)
    label = f"{who} {year[0]}" if year else who
    return f"[{label}]({address[0]})" if address else label


def models() -> str:
    """Every model of the catalog."""
    rows = []
    for name, row in MODELS.items():
        inputs = jax.tree.map(lambda s: s.shape[1:], row.inputs(1))
        size = f"{row.parameters:,}"
        rows.append([f"`{name}`", shapes(inputs), size, cite(row.paper)])
    return markdown(["model", "input", "parameters:", "paper"], rows)


def optimizers() -> str:
    """Every optimizer, with the first line and the first reference of its file."""
    from optim.table import OPTIMIZERS

    rows = []
    for name, make in sorted(OPTIMIZERS.items()):
        text = inspect.getdoc(inspect.getmodule(make))
        _, _, references = text.partition("References:\n")
        # A reference begins at the margin of its section and goes on to its address.
        first = re.match(r".*?https?://\S+|.*", inspect.cleandoc(references), re.DOTALL)
        rows.append([f"`{name}`", text.splitlines()[0].rstrip("."), cite(first[0])])
    return markdown(["optimizer", "what it does", "paper"], rows)


def functions() -> str:
    """What `zoo.functional` and `zoo.metrics` show, by the file that it stands in."""
    rows = []
    for package in (zoo.functional, zoo.metrics):
        files: dict[str, list[str]] = {}
        for node in ast.parse(inspect.getsource(package)).body[1:]:
            for name in (alias.name for alias in node.names):
                if inspect.ismodule(value := getattr(package, name)):
                    shown = [f"`{name}.{f}`" for f in dir(value) if f.islower()]
                    shown = [f for f in shown if "._" not in f]
                    files[value.__name__] = shown
                else:
                    files.setdefault(node.module, []).append(f"`{name}`")
        for module, names in sorted(files.items()):
            what = sys.modules[module].__doc__.splitlines()[0].rstrip(".")
            path = f"{module.replace('.', '/')}.py"
            link = f"[{module.removeprefix('zoo.')}]({path})"
            rows.append([link, what, ", ".join(names)])
    return markdown(["file", "what it has", "functions"], rows)


def classical() -> str:
    """The modules of `zoo.classical`, and what each has to call."""
    return _modules(zoo.classical)


def generative() -> str:
    """The modules of `zoo.generative`, likewise."""
    return _modules(zoo.generative)


def _modules(package) -> str:
    rows, short = [], package.__name__.removeprefix("zoo.")
    for node in ast.parse(inspect.getsource(package)).body[1:]:
        if node.module != package.__name__:
            continue
        for name in (alias.name for alias in node.names):
            module = getattr(package, name)
            calls = inspect.getmembers(module, inspect.isfunction)
            own = [f for f, value in calls if value.__module__ == module.__name__]
            shown = ", ".join(f"`{f}`" for f in own if not f.startswith("_"))
            link = f"[{short}.{name}](zoo/{short}/{name}.py)"
            rows.append([link, module.__doc__.splitlines()[0].rstrip("."), shown])
    return markdown(["file", "what it has", "functions"], rows)


def experiments() -> str:
    """Every experiment with its claim."""
    from experiments.__main__ import claims

    rows = [
        [f"[`{name}`](experiments/{name}.py)", claim.rstrip(".")]
        for name, claim in claims().items()
    ]
    return markdown(["experiment", "what it shows"], rows)


def data() -> str:
    """Every data set; not where it lies, which is another place on each machine."""
    rows = []
    for name, source in sorted(SOURCES.items()):
        shape = "x".join(map(str, source.shape))
        train, test = source.examples
        here = "" if source.folders else "in the package"
        count = f"{train:,} + {test:,}"
        rows.append([f"`{name}`", shape, count, source.licence, here])
    return markdown(["data set", "image", "train + test:", "licence", ""], rows)


def parity() -> str:
    """Models that were compared with their references at full size."""
    rows = []
    for (name, _), row in sorted(_newest().items()):
        if name.startswith(PARITY):
            model = name.removeprefix(PARITY)
            rows.append([f"`{model}`", row["reference"], _span([row], "value")])
    if not rows:
        return "Nothing is compared yet: `make acceptance ARGS=parity` does that."
    return markdown(["model", "reference", "difference:"], rows)


def results() -> str:
    """The newest rows of benchmarks/results.csv, the seeds of a figure in one line."""
    if not RESULTS.exists():
        return "Nothing is measured yet: `make acceptance` and `make bench` do that."
    figures: dict[str, list[dict]] = {}
    for (name, _), row in sorted(_newest().items()):
        if not name.startswith(PARITY):  # they have a table of their own
            figures.setdefault(name, []).append(row)
    headers = ["figure", "value:", "reference", "ratio:", "claim"]
    return markdown(headers, map(_result, figures.values()))


def _newest() -> dict[tuple[str, str], dict]:
    """The last row of each figure and seed."""
    if not RESULTS.exists():
        return {}
    with RESULTS.open(newline="") as file:
        return {(row["name"], row["seed"]): row for row in csv.DictReader(file)}


def _result(rows: list[dict]) -> list[str]:
    last = rows[-1]
    unit = last["unit"] and f" {last['unit']}"
    what = last["what"].split(";")[0]
    value = _span(rows, "value")
    value = value + unit if value else "not measured"
    reference = last["reference"]
    if theirs := _span(rows, "reference_value"):
        reference += f": {theirs}{unit}"
    claim = last["claim"] and f"`{last['claim']}`"
    if "no" in (row["passed"] for row in rows):
        claim += ", **not kept**"
    return [what, value, reference, _span(rows, "ratio"), claim]


def _span(rows: list[dict], column: str) -> str:
    """One number, or the least and the largest over the seeds; "" without any."""
    values = sorted(float(row[column]) for row in rows if row[column])
    texts = [f"{v:,.0f}" if abs(v) >= 100 else f"{v:.3g}" for v in values]
    return " to ".join(dict.fromkeys(texts[:1] + texts[-1:]))


TABLES: dict[str, Callable[[], str]] = {
    "models": models,
    "parity": parity,
    "optimizers": optimizers,
    "functions": functions,
    "classical": classical,
    "generative": generative,
    "experiments": experiments,
    "data": data,
    "results": results,
}


def filled(text: str) -> str:
    """The text with its tables written anew.

    Raises:
        ValueError: a marked place for a table that there is not.
    """

    def write(match):
        if match[2] not in TABLES:
            raise unknown("table", match[2], TABLES)
        return f"{match[1]}\n{TABLES[match[2]]()}\n\n{match[3]}"

    return MARKED.sub(write, text)


def picture(run: Path, out: Path = PICTURE) -> Path:
    """Two figures of a run of compare_optimizers, side by side.

    Raises:
        ValueError: the run has no such figures.
    """
    from PIL import Image  # late: matplotlib's, only for those who draw

    paths = [run / "figures" / name for name in PANELS]
    for path in paths:
        if not path.exists():
            raise ValueError(f"RUN must be a run of compare_optimizers: no {path}")
    panels = [Image.open(path).convert("RGB") for path in paths]
    height = min(panel.height for panel in panels)
    panels = [p.resize((round(p.width * height / p.height), height)) for p in panels]
    whole = Image.new("RGB", (sum(p.width for p in panels), height), "white")
    left = 0
    for panel in panels:
        whole.paste(panel, (left, 0))
        left += panel.width
    out.parent.mkdir(exist_ok=True)
    whole.quantize(256).save(out, optimize=True)  # few colours, a third of the size
    return out


def main(argv: list[str] | None = None) -> int:
    """Runs the command; returns 1 for a stale README, 2 for input that is refused."""
    parser = argparse.ArgumentParser("python -m zoo.tables", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--check", action="store_true", help="write nothing")
    parser.add_argument("--picture", metavar="RUN", type=Path, help="a run folder")
    args = parser.parse_args(argv)
    try:
        if args.picture:
            print(picture(args.picture))
            return 0
        old = README.read_text()
        new = filled(old)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if args.check:
        if new != old:
            print("README.md is stale; write it by `make tables`", file=sys.stderr)
        return int(new != old)
    README.write_text(new)
    return 0


if __name__ == "__main__":
    sys.exit(main())
