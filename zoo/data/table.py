"""The table of data sets: what each holds, and what its owner's files are called.

References:
    Xiao, Rasul and Vollgraf, "Fashion-MNIST: a novel image dataset for benchmarking
    machine learning algorithms", 2017, https://arxiv.org/abs/1708.07747
    LeCun, Bottou, Bengio and Haffner, "Gradient-based learning applied to document
    recognition", Proc. IEEE 86(11), 1998, http://yann.lecun.com/exdb/mnist/
    Krizhevsky, "Learning multiple layers of features from tiny images", 2009,
    https://www.cs.toronto.edu/~kriz/cifar.html
    Alpaydin and Kaynak, "Optical recognition of handwritten digits", UCI machine
    learning repository, 1998, https://doi.org/10.24432/C50P49
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from zoo.data.cifar import BATCHES, read_cifar10
from zoo.data.formats import DataError, read_idx

MNIST_FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
Split = dict[str, np.ndarray]


class Source(NamedTuple):
    """A data set of labelled images; without folders it is embedded."""

    shape: tuple[int, int, int]  # of an image: H, W, C
    classes: tuple[str, ...]
    examples: tuple[int, int]  # train and test, as published
    licence: str
    folders: tuple[str, ...] = ()  # what its folder may be called
    archives: tuple[str, ...] = ()  # what the owner's single file is called
    find: Callable[[Path], Path | None] | None = None  # the owner's files in a folder
    read: Callable[[Path], tuple[Split, Split]] | None = None
    scale: float = 255.0


def _idx_paths(folder: Path) -> Iterator[Path | None]:
    for name in MNIST_FILES:
        names = (f"{name}.gz", name, name.replace("-idx", ".idx"))
        yield next((folder / n for n in names if (folder / n).is_file()), None)


def _find_idx(folder: Path) -> Path | None:
    return folder if all(_idx_paths(folder)) else None


def _read_idx_folder(folder: Path) -> tuple[Split, Split]:
    paths = list(_idx_paths(folder))
    if not all(paths):
        raise DataError(f"{folder}: expected a folder of {', '.join(MNIST_FILES)}")
    x_train, y_train, x_test, y_test = map(read_idx, paths)
    return {"x": x_train, "y": y_train}, {"x": x_test, "y": y_test}


def _find_cifar10(folder: Path) -> Path | None:
    for place in (folder / "cifar-10-batches-bin", folder / "cifar-10-batches-py"):
        if _holds_batches(place):
            return place
    return folder if _holds_batches(folder) else None


def _holds_batches(folder: Path) -> bool:
    return any(
        all((folder / (stem + suffix)).is_file() for stem in BATCHES)
        for suffix in (".bin", "")
    )


DIGITS = tuple("0123456789")
CLOTHES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
CIFAR10 = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)
SOURCES = {
    "digits": Source((8, 8, 1), DIGITS, (1437, 360), "CC BY 4.0", scale=16.0),
    "fashion_mnist_small": Source((28, 28, 1), CLOTHES, (2000, 500), "MIT"),
    "fashion_mnist": Source(
        shape=(28, 28, 1),
        classes=CLOTHES,
        examples=(60_000, 10_000),
        licence="MIT",
        folders=("fashion_mnist", "fashion-mnist", "FashionMNIST"),
        find=_find_idx,
        read=_read_idx_folder,
    ),
    "mnist": Source(
        shape=(28, 28, 1),
        classes=DIGITS,
        examples=(60_000, 10_000),
        licence="CC BY-SA 3.0",
        folders=("mnist", "MNIST"),
        find=_find_idx,
        read=_read_idx_folder,
    ),
    "cifar10": Source(
        shape=(32, 32, 3),
        classes=CIFAR10,
        examples=(50_000, 10_000),
        licence="none stated",
        folders=("cifar10", "cifar-10", "CIFAR10"),
        archives=("cifar-10-binary.tar.gz", "cifar-10-python.tar.gz"),
        find=_find_cifar10,
        read=read_cifar10,
    ),
}
