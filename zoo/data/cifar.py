"""Readers of CIFAR-10 as its owner publishes it, binary or pickled, packed or not.

    binary   records of 3,073 bytes: a label, then the 32 x 32 image as three planes
             (red, green, blue), each row by row
    python   pickled dicts: data uint8 [n, 3072] (planes as above), labels: list

Five training batches and one test batch, all of one length. The archives are read in
place; nothing is unpacked to the disk, and no pickle is executed.

References:
    Krizhevsky, "Learning multiple layers of features from tiny images", 2009,
    https://www.cs.toronto.edu/~kriz/cifar.html
"""

import io
import tarfile
import zlib
from pathlib import Path

import numpy as np

from zoo.data.formats import DataError, read_bytes
from zoo.data.unpickle import read_pickled_dict

BATCHES = tuple(f"data_batch_{i}" for i in range(1, 6)) + ("test_batch",)
PIXELS = 3 * 32 * 32
Split = dict[str, np.ndarray]


def read_cifar10(path: str | Path) -> tuple[Split, Split]:
    """CIFAR-10 from the owner's archive, or from the folder that it unpacks to.

    Args:
        path: `cifar-10-binary.tar.gz`, `cifar-10-python.tar.gz`, or a folder that
            holds all of `data_batch_1.bin` ... `test_batch.bin`, or all of
            `data_batch_1` ... `test_batch`.

    Returns:
        train and test, each {x: uint8 [N, 32, 32, 3], y: int32 [N]}.

    Raises:
        DataError: if a batch is missing, truncated, damaged or foreign, has another
            length than its siblings, has a label above 9, or asks to execute code.
    """
    path = Path(path)
    wanted = {name for stem in BATCHES for name in (stem, stem + ".bin")}
    if path.is_dir():
        files = {n: read_bytes(path / n) for n in wanted if (path / n).is_file()}
    else:
        files = _members(path, wanted)
    suffix = ".bin" if BATCHES[0] + ".bin" in files else ""
    missing = [stem + suffix for stem in BATCHES if stem + suffix not in files]
    if missing:
        raise DataError(
            f"{path}: not the whole of CIFAR-10; lacks {', '.join(missing)}"
        )
    read = _binary if suffix else _pickled
    parts = [read(files[stem + suffix], path / (stem + suffix)) for stem in BATCHES]
    lengths = [len(part["y"]) for part in parts]
    if len(set(lengths)) > 1:
        raise DataError(
            f"{path}: its batches hold {lengths} images, expected equal ones"
        )
    train = {name: np.concatenate([p[name] for p in parts[:-1]]) for name in "xy"}
    return train, parts[-1]


def _members(path: Path, wanted: set[str]) -> dict[str, bytes]:
    raw = read_bytes(path)
    try:
        with tarfile.open(fileobj=io.BytesIO(raw), mode="r:") as archive:
            files = {}
            for member in archive:
                name = member.name.rsplit("/", 1)[-1]
                if member.isfile() and name in wanted:
                    with archive.extractfile(member) as file:
                        files[name] = file.read()
            return files
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise DataError(f"{path}: not a tar archive, or damaged: {error}") from error


def _binary(raw: bytes, path: Path) -> Split:
    if not raw or len(raw) % (1 + PIXELS):
        raise DataError(
            f"{path}: {len(raw)} bytes, expected records of {1 + PIXELS}; "
            "truncated, or no batch of CIFAR-10"
        )
    records = np.frombuffer(raw, np.uint8).reshape(-1, 1 + PIXELS)
    return _split(records[:, 1:], records[:, 0], path)


def _pickled(raw: bytes, path: Path) -> Split:
    batch = read_pickled_dict(raw, path)
    missing = [name for name in ("data", "labels") if name not in batch]
    if missing:
        raise DataError(
            f"{path}: lacks {', '.join(missing)}; it holds {', '.join(sorted(batch))}"
        )
    data, labels = batch["data"], batch["labels"]
    if not (
        isinstance(data, np.ndarray)
        and data.dtype == np.uint8
        and data.ndim == 2
        and data.shape[1] == PIXELS
        and len(data)
    ):
        raise DataError(f"{path}: data is not uint8 [n, {PIXELS}]")
    whole = isinstance(labels, list) and all(type(y) is int for y in labels)
    if not whole or len(labels) != len(data):
        raise DataError(f"{path}: labels is not a list of {len(data)} integers")
    return _split(data, labels, path)


def _split(planes: np.ndarray, labels, path: Path) -> Split:
    low, high = min(labels), max(labels)
    if low < 0 or high > 9:
        raise DataError(f"{path}: labels from {low} to {high}, expected 0 to 9")
    x = planes.reshape(-1, 3, 32, 32).transpose(
        0, 2, 3, 1
    )  # [N, 3, H, W] -> [N, H, W, 3]
    return {"x": np.ascontiguousarray(x), "y": np.asarray(labels, np.int32)}
