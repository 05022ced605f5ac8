"""Readers of idx files (MNIST and its kin) and of npz archives.

An idx file, gzipped or not, all numbers big-endian:

    0 0 T D    two zero bytes, the type of the elements, the number of axes
    n_1 .. n_D uint32 each, the lengths of the axes
    elements   in C order, the last axis fastest

A file that is truncated, foreign or damaged is refused with a DataError that names
the file, what is wrong and what was expected.

References:
    LeCun, Cortes and Burges, "The MNIST database", section "File formats",
    http://yann.lecun.com/exdb/mnist/
"""

import gzip
import math
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np

IDX_TYPES = {
    0x08: ">u1",
    0x09: ">i1",
    0x0B: ">i2",
    0x0C: ">i4",
    0x0D: ">f4",
    0x0E: ">f8",
}


class DataError(ValueError):
    """A data file that cannot be what it should be, or a data set that is nowhere."""


def read_bytes(path: str | Path) -> bytes:
    """The bytes of a file, unzipped where it starts as gzip does.

    Raises:
        DataError: if it is missing, truncated or damaged.
    """
    try:
        raw = Path(path).read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    if raw[:2] != b"\x1f\x8b":
        return raw
    try:
        return gzip.decompress(raw)
    except EOFError as error:
        raise DataError(f"{path}: truncated; its gzip stream has no end") from error
    except (OSError, zlib.error) as error:
        raise DataError(f"{path}: damaged; gzip says: {error}") from error


def read_idx(path: str | Path) -> np.ndarray:
    """The array in an idx file, gzipped or not.

    Returns:
        An array of the file's shape and element type, in the machine's byte order.

    Raises:
        DataError: if the file is missing, not idx, truncated, or has bytes to spare.
    """
    raw = read_bytes(path)
    if len(raw) < 4 or raw[:2] != b"\0\0" or raw[2] not in IDX_TYPES:
        raise DataError(
            f"{path}: not an idx file; it starts with {raw[:4].hex(' ') or 'nothing'}, "
            "expected 00 00, a type (08 for bytes) and the number of axes"
        )
    dtype, axes = np.dtype(IDX_TYPES[raw[2]]), raw[3]
    start = 4 + 4 * axes
    if len(raw) < start:
        raise DataError(f"{path}: truncated within its header of {start} bytes")
    shape = tuple(int(n) for n in np.frombuffer(raw, ">u4", axes, offset=4))
    expected, found = math.prod(shape) * dtype.itemsize, len(raw) - start
    if found != expected:
        what = "truncated" if found < expected else "too long"
        raise DataError(
            f"{path}: {what}; {found} bytes follow the header, expected {expected} "
            f"for shape {shape}"
        )
    array = np.frombuffer(raw, dtype, offset=start).reshape(shape)
    return array.astype(dtype.newbyteorder("="))


def read_npz(path: str | Path, names: Iterable[str]) -> dict[str, np.ndarray]:
    """Named arrays of an npz archive; nothing in it is executed.

    Args:
        path: the file.
        names: the arrays wanted; others are left unread.

    Raises:
        DataError: if the file is missing, no npz or damaged, or lacks a name, or if
            an array holds Python objects.
    """
    path, names = Path(path), tuple(names)
    if not path.is_file():
        raise DataError(f"{path}: there is no such file")
    if not zipfile.is_zipfile(path):
        raise DataError(f"{path}: not an npz archive, or truncated")
    try:
        # np.load, given a path, leaves the file open if the archive is damaged.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in names if name in archive}
            held = sorted(archive.files)
    except Exception as error:  # a damaged archive may fail in any way
        raise DataError(
            f"{path}: not an npz archive of plain arrays, or damaged: {error}"
        ) from error
    missing = [name for name in names if name not in arrays]
    if missing:
        held = ", ".join(held) or "nothing"
        raise DataError(f"{path}: lacks {', '.join(missing)}; it holds {held}")
    foreign = [n for n, array in arrays.items() if not isinstance(array, np.ndarray)]
    if foreign:
        raise DataError(f"{path}: {', '.join(foreign)} is no array, or damaged")
    return arrays
