"""Tables: features and a target, embedded ones by name and others by path.

A CSV file is comma-separated and may begin with a line of names; it does where a cell
of the first line other than the target is no number. All cells but the target's must
be finite numbers. The target is the last column or the one that is named. Whether it
is a class or a number:

    labels=True     its distinct values, sorted, are the classes 0 .. K-1
    labels=False    it is a number
    labels=None     classes if it is text, numbers if all of it is numbers

An npz file holds `x` [N, D] and `y` [N]; classes are then whole numbers or text.

References:
    Fisher, "The use of multiple measurements in taxonomic problems", Annals of
    Eugenics, 1936 (iris)
    Aeberhard, Coomans and de Vel, "Comparison of classifiers in high dimensional
    settings", Tech. Rep. 92-02, James Cook University, 1992 (wine)
    Street, Wolberg and Mangasarian, "Nuclear feature extraction for breast tumor
    diagnosis", SPIE 1905, 1993 (breast_cancer)
    Efron, Hastie, Johnstone and Tibshirani, "Least angle regression", Annals of
    Statistics, 2004, https://arxiv.org/abs/math/0406456 (diabetes)
"""

import csv
import io
from pathlib import Path
from typing import NamedTuple

import numpy as np

from zoo.data.formats import DataError, read_bytes, read_npz
from zoo.data.places import ASSETS
from zoo.data.sources import load
from zoo.errors import unknown

NAMES = ("breast_cancer", "diabetes", "digits", "iris", "wine")


class Table(NamedTuple):
    """Examples as rows."""

    x: np.ndarray  # float64 [N, D]
    y: np.ndarray  # int64 [N], classes 0 .. K-1; or float64 [N]
    features: tuple[str, ...]  # D names
    classes: tuple[str, ...]  # K names; none where the target is a number


def tabular(
    source: str | Path, target: str | None = None, labels: bool | None = None
) -> Table:
    """A table by name or by path.

    Args:
        source: one of `NAMES`, or a path that ends in .csv, .csv.gz or .npz.
        target: the name of the target's column; the last one by default.
        labels: whether the target is a class; None tells by its values.

    Returns:
        The table. `digits` are the 1,797 images in their order, 64 pixels from 0 to 16.

    Raises:
        ValueError: an unknown name.
        DataError: a file that is missing or no table of finite numbers; a target that
            is not there, or is text where numbers are asked for.

    >>> table = tabular("iris")
    >>> table.x.shape, table.classes
    ((150, 4), ('setosa', 'versicolor', 'virginica'))
    """
    if source == "digits":
        both = load("digits")
        x, y = (np.concatenate([part[k] for part in both[:2]]) for k in ("x", "y"))
        names = [f"pixel_{i}_{j}" for i in range(8) for j in range(8)]
        cells = x.reshape(len(x), -1).astype(float)
        return _table(cells, y, names, True if labels is None else labels, source)
    path = ASSETS / f"{source}.csv" if source in NAMES else Path(source).expanduser()
    if path.suffix == ".npz":
        return _npz(path, labels)
    if not path.name.endswith((".csv", ".csv.gz")):
        raise unknown("table", source, [*NAMES, "a path to .csv, .csv.gz or .npz"])
    rows = _rows(path)
    names, rows = _header(rows)
    if target is not None and target not in names:
        raise DataError(f"{path}: no column {target!r}; it has {', '.join(names)}")
    at = len(names) - 1 if target is None else names.index(target)
    x = np.empty((len(rows), len(names) - 1))
    for i, row in enumerate(rows):
        try:
            x[i] = [float(cell) for j, cell in enumerate(row) if j != at]
        except ValueError as error:
            raise DataError(f"{path}: row {i + 1} of the data: {error}") from error
    y = np.array([row[at].strip() for row in rows])
    return _table(x, y, [n for n in names if n != names[at]], labels, path)


def _rows(path):
    try:
        text = read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: no text: {error}") from error
    rows = [row for row in csv.reader(io.StringIO(text)) if row]
    if not rows or len(rows[0]) < 2:
        raise DataError(f"{path}: expected lines of at least two cells with commas")
    for i, row in enumerate(rows):
        if len(row) != len(rows[0]):
            raise DataError(
                f"{path}: line {i + 1} has {len(row)} cells, the first {len(rows[0])}"
            )
    return rows


def _header(rows):
    """Names of the columns, and the lines below."""
    if all(map(_is_number, rows[0][:-1])):
        return [f"x{i}" for i in range(len(rows[0]) - 1)] + ["y"], rows
    return [name.strip() for name in rows[0]], rows[1:]


def _is_number(cell):
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _npz(path, labels):
    held = read_npz(path, ["x", "y"])
    x, y = held["x"], held["y"]
    if x.ndim != 2 or y.shape != x.shape[:1] or x.dtype.kind not in "biuf":
        raise DataError(
            f"{path}: expected numbers x [N, D] and y [N], got {x.dtype} "
            f"{list(x.shape)} and {list(y.shape)}"
        )
    labels = y.dtype.kind in "biuUS" if labels is None else labels
    return _table(
        x.astype(float), y, [f"x{i}" for i in range(x.shape[1])], labels, path
    )


def _table(x, y, features, labels, source):
    if not x.size:
        raise DataError(f"{source}: no examples, or no features: {list(x.shape)}")
    if not np.isfinite(x).all():
        i, j = np.argwhere(~np.isfinite(x))[0]
        raise DataError(
            f"{source}: {features[j]} of row {i + 1} of the data is {x[i, j]}; all "
            "must be finite numbers"
        )
    numbers = None
    if y.dtype.kind in "biuf" or all(map(_is_number, y.tolist())):
        numbers = y.astype(float)
    if labels is None:
        labels = numbers is None
    if labels:
        values, codes = np.unique(
            y if numbers is None else numbers, return_inverse=True
        )
        whole = numbers is not None and np.all(values == np.round(values))
        names = tuple(str(int(v)) if whole else str(v) for v in values.tolist())
        return Table(x, codes.astype(np.int64), tuple(features), names)
    if numbers is None or not np.isfinite(numbers).all():
        raise DataError(f"{source}: the target must be finite numbers")
    return Table(x, numbers, tuple(features), ())
