"""Drawing the embedded data sets from what their owners publish.

    python -m zoo.data.embed OUT --fashion FOLDER --digits FILE --photo FILE \
        --tables FOLDER --moby FILE --cmudict FILE --nuclei FILE

`fashion_mnist_small.npz` holds the first 200 training and the first 50 test images of
each of the ten classes, in the order of the owner's files. `digits.npz` holds the
1,797 images of the UCI test set in their order, the last 360 as test. Both have
x_train, y_train, x_test, y_test; all arrays are uint8. `photo.npz` holds one, `photo`:
the middle of a photo of a flower, at half its size. The tables are CSV files with a
line of names, the numbers as their owners wrote them, and the target last.
`moby_dick.txt.gz` holds the first 70 chapters of the book, as UTF-8. `cmudict.txt.gz`
holds 10,000 words of letters, drawn by a fixed seed and sorted, each with its first
pronunciation, in the dictionary's own format. `nuclei.npz` holds the lower left quarter
of an image, `x`, and the numbers of its nuclei, `instances`.
"""

import argparse
import gzip
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from zoo.data.formats import DataError, read_bytes
from zoo.data.nuclei import nuclei, renumbered
from zoo.data.spellings import pronunciations
from zoo.data.table import SOURCES

NUCLEUS = [
    *("radius", "texture", "perimeter", "area", "smoothness", "compactness"),
    *("concavity", "concave_points", "symmetry", "fractal_dimension"),
]
FEATURES = {
    "iris": ["sepal_length", "sepal_width", "petal_length", "petal_width"],
    "wine": [
        *("alcohol", "malic_acid", "ash", "alcalinity_of_ash", "magnesium"),
        *("total_phenols", "flavanoids", "nonflavanoid_phenols", "proanthocyanins"),
        *("color_intensity", "hue", "od280_od315", "proline"),
    ],
    "breast_cancer": [
        f"{of}_{n}" for of in ("mean", "error", "worst") for n in NUCLEUS
    ],
    "diabetes": ["age", "sex", "bmi", "bp", "tc", "ldl", "hdl", "tch", "ltg", "glu"],
}


def first_of_each(y: np.ndarray, each: int) -> np.ndarray:
    """Positions of the first examples of each class, in ascending order.

    Args:
        y: labels [N].
        each: examples of each class.

    Returns:
        Positions [classes * each].

    Raises:
        ValueError: if a class has fewer examples.

    >>> first_of_each(np.array([1, 0, 1, 1, 0]), 2)
    array([0, 1, 2, 4])
    """
    found = [np.flatnonzero(y == label)[:each] for label in np.unique(y)]
    if min(map(len, found)) < each:
        raise ValueError(f"a class has {min(map(len, found))} examples, not {each}")
    return np.sort(np.concatenate(found))


def fashion(folder: Path, train: int = 200, test: int = 50) -> dict[str, np.ndarray]:
    """Class-balanced small Fashion-MNIST, from the owner's four files."""
    arrays = {}
    splits = SOURCES["fashion_mnist"].read(folder)
    for name, split, each in zip(("train", "test"), splits, (train, test), strict=True):
        chosen = first_of_each(split["y"], each)
        arrays[f"x_{name}"] = split["x"][chosen]
        arrays[f"y_{name}"] = split["y"][chosen].astype(np.uint8)
    return arrays


def digits(file: Path, test: int = 360) -> dict[str, np.ndarray]:
    """The 8x8 digits, from UCI's optdigits.tes or its copy in scikit-learn.

    Args:
        file: lines of 64 pixels, 0 to 16, and a label; gzipped or not.
        test: how many of the last lines are the test set.
    """
    lines = read_bytes(file).decode("latin1").splitlines()
    try:
        table = np.array([line.split(",") for line in lines], float)  # [N, 64 + 1]
        pixels, y = table[:, :-1], table[:, -1]
        right = pixels.shape[1] == 64 and pixels.min() >= 0 and pixels.max() <= 16
    except (ValueError, IndexError) as error:
        raise DataError(f"{file}: not a table of numbers: {error}") from error
    if not right:
        raise DataError(f"{file}: expected lines of 64 pixels from 0 to 16 and a label")
    x = pixels.astype(np.uint8).reshape(-1, 8, 8)
    y = y.astype(np.uint8)
    return {
        "x_train": x[:-test],
        "y_train": y[:-test],
        "x_test": x[-test:],
        "y_test": y[-test:],
    }


def photo(file: Path) -> dict[str, np.ndarray]:
    """The flower of scikit-learn's flower.jpg, each 2x2 pixels averaged to one."""
    from matplotlib.image import imread

    pixels = imread(file)
    if pixels.shape != (427, 640, 3) or pixels.dtype != np.uint8:
        raise DataError(
            f"{file}: expected 427x640 pixels of three bytes, got {pixels.dtype} "
            f"{list(pixels.shape)}"
        )
    flower = pixels[77:365, 164:452].astype(float)  # [288, 288, 3]
    half = flower.reshape(144, 2, 144, 2, 3).mean((1, 3))
    return {"photo": np.round(half).astype(np.uint8)}


def table(lines: list[str], features: list[str], target: list[str], name: str) -> str:
    """A CSV file's text.

    Args:
        lines: numbers of an example each, between commas or spaces.
        features: names of the columns.
        target: of each example, as it is to be written.
        name: of the target's column.
    """
    rows = [line.replace(",", " ").split() for line in lines]
    whole = [features] + [[cell.strip() for cell in row] for row in rows]
    if any(len(row) != len(features) for row in whole):
        raise DataError(f"expected lines of {len(features)} numbers: {name}")
    last = [name, *target]
    joined = (",".join([*row, y]) for row, y in zip(whole, last, strict=True))
    return "\n".join(joined) + "\n"


def tables(folder: Path) -> dict[str, str]:
    """iris, wine, breast_cancer and diabetes, from scikit-learn's datasets/data.

    Classes are written by name. The features of diabetes are those that were measured,
    not the scaled ones.
    """
    lines = lambda name: read_bytes(folder / name).decode().split("\n")[:-1]
    found = {}
    for name, file in (
        ("iris", "iris.csv"),
        ("wine", "wine_data.csv"),
        ("breast_cancer", "breast_cancer.csv"),
    ):
        first, *rows = lines(file)
        classes = first.strip().split(",")[2:]
        x, y = zip(*(row.strip().rsplit(",", 1) for row in rows), strict=True)
        target = [classes[int(label)] for label in y]
        found[name] = table(list(x), FEATURES[name], target, "class")
    progression = [f"{float(y):g}" for y in lines("diabetes_target.csv.gz")]
    found["diabetes"] = table(
        lines("diabetes_data_raw.csv.gz"),
        FEATURES["diabetes"],
        progression,
        "progression",
    )
    return found


def chapters(file: Path, count: int = 70) -> bytes:
    """The first chapters of Moby Dick, from data.txt of stdlib's datasets.

    Args:
        file: the whole book; each chapter begins with a line "CHAPTER N. Title".
        count: how many.
    """
    book = read_bytes(file)
    end = re.search(rb"^CHAPTER %d\." % (count + 1), book, re.MULTILINE)
    if not book.startswith(b"CHAPTER 1.") or end is None:
        raise DataError(f"{file}: expected chapters 1 to {count + 1} and more")
    return book[: end.start()].rstrip() + b"\n"


def dictionary(file: Path, count: int = 10_000) -> bytes:
    """Words of the CMU pronouncing dictionary, drawn evenly, in alphabetical order.

    Args:
        file: cmudict.dict, the whole.
        count: how many words.
    """
    every = pronunciations(file)
    if len(every) < count:
        raise DataError(f"{file}: expected {count} words of letters, got {len(every)}")
    words = sorted(every)
    chosen = np.random.default_rng(0).choice(len(words), count, replace=False)
    lines = [" ".join([words[i], *every[words[i]]]) for i in sorted(chosen.tolist())]
    return "\n".join([*lines, ""]).encode()


def quarter(file: Path) -> dict[str, np.ndarray]:
    """The lower left quarter of StarDist's nuclei, numbered anew."""
    whole = nuclei(file)
    at = np.s_[len(whole.x) // 2 :, : whole.x.shape[1] // 2]
    found = renumbered(whole.instances[at])
    if found.max() > 255:
        raise DataError(f"{file}: expected at most 255 nuclei, got {found.max()}")
    return {"x": whole.x[at], "instances": found.astype(np.uint8)}


def main(argv: Sequence[str] | None = None) -> int:
    """Writes what was asked for; returns 0."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="folder for the npz files")
    parser.add_argument("--fashion", type=Path, help="folder of Fashion-MNIST")
    parser.add_argument("--digits", type=Path, help="optdigits.tes or digits.csv.gz")
    parser.add_argument("--photo", type=Path, help="scikit-learn's flower.jpg")
    parser.add_argument("--tables", type=Path, help="scikit-learn's datasets/data")
    parser.add_argument("--moby", type=Path, help="data.txt of stdlib's moby-dick")
    parser.add_argument("--cmudict", type=Path, help="cmudict.dict")
    parser.add_argument("--nuclei", type=Path, help="StarDist's wheel")
    args = parser.parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)
    if args.fashion:
        target = args.out / "fashion_mnist_small.npz"
        np.savez_compressed(target, **fashion(args.fashion))
    if args.digits:
        np.savez_compressed(args.out / "digits.npz", **digits(args.digits))
    if args.photo:
        np.savez_compressed(args.out / "photo.npz", **photo(args.photo))
    if args.tables:
        for name, text in tables(args.tables).items():
            (args.out / f"{name}.csv").write_text(text)
    if args.moby:
        packed = gzip.compress(chapters(args.moby), 9, mtime=0)
        (args.out / "moby_dick.txt.gz").write_bytes(packed)
    if args.cmudict:
        packed = gzip.compress(dictionary(args.cmudict), 9, mtime=0)
        (args.out / "cmudict.txt.gz").write_bytes(packed)
    if args.nuclei:
        np.savez_compressed(args.out / "nuclei.npz", **quarter(args.nuclei))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
