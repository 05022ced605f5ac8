"""Data sets by name: `load` reads one into memory, `list_datasets` says what there is.

`digits` and `fashion_mnist_small` are embedded; `zoo.data.places` says where the
others are looked for, and `python -m zoo data fetch NAME` gets them.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from zoo.data.formats import DataError, read_npz
from zoo.data.places import search
from zoo.data.table import SOURCES, Source, Split
from zoo.errors import unknown

ARRAYS = ("x_train", "y_train", "x_test", "y_test")


class Dataset(NamedTuple):
    """Images and labels in memory."""

    train: Split  # x: uint8 [N, H, W, C], y: int32 [N]
    test: Split
    classes: tuple[str, ...]
    source: str  # the path that it was read from
    scale: float = 255.0  # the largest value of x; see to_float


class Listing(NamedTuple):
    """A row of `list_datasets`."""

    name: str
    shape: tuple[int, int, int]  # of an image: H, W, C
    classes: int
    examples: tuple[int, int]  # train and test, as published
    licence: str
    where: str  # "embedded", the path where it was found, or "not found"


def load(name: str, data_dir: str | Path | None = None) -> Dataset:
    """A data set, read into memory.

    Args:
        name: one of `list_datasets()`.
        data_dir: where to look first: the folder of the data set, a folder that holds
            it, or its file. Embedded data sets need none.

    Returns:
        The data set; x are uint8 as published, y are int32.

    Raises:
        UnknownName: for a name that is in no table.
        DataError: if the data set is nowhere, with the places that were looked at, or
            if its files are damaged or hold something else.
    """
    if name not in SOURCES:
        raise unknown("data set", name, SOURCES)
    source = SOURCES[name]
    path, looked = search(name, data_dir)
    if path is None:
        places = "\n".join(f"  {place}" for place in looked)
        raise DataError(
            f"data set {name!r} was not found. Looked at:\n{places}\n"
            f"Get it by `python -m zoo data fetch {name}`, or say where it is by "
            "`--data-dir`, data_dir=... or $ZOO_DATA."
        )
    if path.suffix == ".npz":
        arrays = read_npz(path, ARRAYS)
        train = {"x": arrays["x_train"], "y": arrays["y_train"]}
        test = {"x": arrays["x_test"], "y": arrays["y_test"]}
    else:
        train, test = source.read(path)
    return Dataset(
        train=_checked(train, source, f"{path}: train"),
        test=_checked(test, source, f"{path}: test"),
        classes=source.classes,
        source=str(path),
        scale=source.scale,
    )


def list_datasets(data_dir: str | Path | None = None) -> list[Listing]:
    """All data sets that `load` knows, and where each was found.

    Args:
        data_dir: as in `load`.
    """
    rows = []
    for name, source in sorted(SOURCES.items()):
        path, _ = search(name, data_dir)
        where = "embedded" if not source.folders else str(path or "not found")
        rows.append(
            Listing(
                name=name,
                shape=source.shape,
                classes=len(source.classes),
                examples=source.examples,
                licence=source.licence,
                where=where,
            )
        )
    return rows


def _checked(split: Split, source: Source, place: str) -> Split:
    x, y = split["x"], split["y"]
    if x.ndim == 3:
        x = x[..., None]  # [N, H, W] -> [N, H, W, 1]
    if x.dtype != np.uint8 or x.shape[1:] != source.shape or not len(x):
        raise DataError(
            f"{place}: images are {x.dtype} {list(x.shape)}, "
            f"expected uint8 [N, {', '.join(map(str, source.shape))}]"
        )
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]  # as some archives of CIFAR-10 have it
    if y.dtype.kind not in "iu" or y.shape != (len(x),):
        raise DataError(
            f"{place}: labels are {y.dtype} {list(y.shape)}, "
            f"expected integers [{len(x)}], one for each image"
        )
    if y.min() < 0 or y.max() >= len(source.classes):
        raise DataError(
            f"{place}: labels from {y.min()} to {y.max()}, "
            f"expected 0 to {len(source.classes) - 1}"
        )
    return {"x": x, "y": y.astype(np.int32)}
