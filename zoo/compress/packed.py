"""A packed file: the tensors of a compressed network, no larger than they need be.

    8 bytes   ZOOPACK and the version, 1
    4 bytes   length of the header, little-endian
    header    JSON: of each tensor its name, dtype, shape, form and its parts' lengths
    parts     one after the other
    32 bytes  SHA-256 of all that stands before

    form      parts
    raw       the bytes, little-endian
    dense     Huffman: symbols that occur, their code lengths, the message
    sparse    the same for the gaps between what is not 0 and for its values

Integers are written dense or sparse, whichever is shorter, of several widths of a gap
the best; floats raw. A file that is truncated or altered in any bit is refused. What is
read equals what was written, in value, shape and dtype. On the host, in NumPy.

References:
    Han, Mao and Dally, "Deep Compression", ICLR 2016, https://arxiv.org/abs/1510.00149
"""

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from zoo.compress import huffman
from zoo.compress.sparse import Sparse, from_sparse, to_sparse

MAGIC = b"ZOOPACK1"
GAP_BITS = (3, 4, 5, 6, 8)
DIGEST = 32


class PackedError(ValueError):
    """A packed file that cannot be believed; says what is wrong with it."""


def dumps(tensors: Mapping[str, np.ndarray]) -> bytes:
    """The packed tensors, as bytes.

    Args:
        tensors: arrays by name: floats, integers or booleans.

    Raises:
        ValueError: a tensor of another kind, or of no size.
    """
    header, parts = [], []
    for name, tensor in tensors.items():
        tensor = np.asarray(tensor)
        if tensor.dtype.kind not in "fiub" or not tensor.size:
            raise ValueError(
                f"{name} must be numbers, got {tensor.dtype} {tensor.shape}"
            )
        form, made = _pack(tensor)
        header.append([name, tensor.dtype.str, tensor.shape, form, *map(len, made)])
        parts += made
    text = json.dumps(header, separators=(",", ":")).encode()
    body = b"".join([MAGIC, len(text).to_bytes(4, "little"), text, *parts])
    return body + hashlib.sha256(body).digest()


def loads(data: bytes) -> dict[str, np.ndarray]:
    """The tensors of `dumps`, exactly.

    Raises:
        PackedError: not a packed file, truncated, or altered.
    """
    least = len(MAGIC) + 4 + DIGEST
    if len(data) < least or data[: len(MAGIC)] != MAGIC:
        raise PackedError(
            f"data must be a packed file, which begins with {MAGIC!r} and has {least} "
            f"bytes at least, got {len(data)} that begin with {data[:8]!r}"
        )
    body = data[:-DIGEST]
    if hashlib.sha256(body).digest() != data[-DIGEST:]:
        raise PackedError("data is truncated or altered: its checksum is another")
    at = len(MAGIC) + 4
    size = int.from_bytes(body[len(MAGIC) : at], "little")
    header, at = json.loads(body[at : at + size]), at + size
    tensors = {}
    for name, dtype, shape, form, *lengths in header:
        parts = []
        for length in lengths:
            parts.append(body[at : at + length])
            at += length
        tensors[name] = _unpack(form, parts, np.dtype(dtype), tuple(shape))
    return tensors


def save(path: str | Path, tensors: Mapping[str, np.ndarray]) -> int:
    """Writes a packed file, and gives its size in bytes.

    Raises:
        ValueError: as `dumps`.
    """
    data = dumps(tensors)
    Path(path).write_bytes(data)
    return len(data)


def load(path: str | Path) -> dict[str, np.ndarray]:
    """Reads a packed file.

    Raises:
        PackedError: as `loads`, naming the file.
    """
    try:
        return loads(Path(path).read_bytes())
    except PackedError as error:
        raise PackedError(f"{path}: {error}") from None


def _pack(tensor: np.ndarray) -> tuple[str, list[bytes]]:
    """The form and its parts, the shortest of those that there are."""
    raw = np.ascontiguousarray(tensor.astype(tensor.dtype.newbyteorder("<"))).tobytes()
    if tensor.dtype.kind == "f":
        return "raw", [raw]
    codes = tensor.astype(np.int64).ravel()
    forms = [("raw", [raw])]
    if len(np.unique(codes)) <= 1 << 12:
        forms.append(("dense", _coded(codes)))
        if codes.any() and (codes == 0).mean() > 0.5:
            for bits in GAP_BITS:
                sparse = to_sparse(codes, bits)
                parts = [*_coded(sparse.gaps), *_coded(sparse.values)]
                told = len(sparse.gaps).to_bytes(8, "little")
                forms.append(("sparse", [told, *parts]))
    return min(forms, key=lambda form: sum(map(len, form[1])))


def _unpack(form, parts, dtype, shape) -> np.ndarray:
    size = math.prod(shape)
    if form == "raw":
        return np.frombuffer(parts[0], dtype).reshape(shape).copy()
    if form == "dense":
        return _decoded(parts, size).astype(dtype).reshape(shape)
    count = int.from_bytes(parts[0], "little")
    sparse = Sparse(_decoded(parts[1:4], count), _decoded(parts[4:], count))
    return from_sparse(sparse, size).astype(dtype).reshape(shape)


def _coded(values: np.ndarray) -> list[bytes]:
    """What occurs (its least, and steps from each to the next), lengths, message."""
    found, symbols, counts = np.unique(
        values.astype(np.int64), return_inverse=True, return_counts=True
    )
    lengths = huffman.code_lengths(counts)
    steps = np.diff(found)
    if steps.size and steps.max() > 255:
        kind, table = b"q", found.astype("<i8").tobytes()
    else:
        kind, table = b"b", found[:1].astype("<i8").tobytes()
        table += steps.astype(np.uint8).tobytes()
    return [kind + table, lengths.tobytes(), huffman.encode(symbols, lengths)]


def _decoded(parts: list[bytes], count: int) -> np.ndarray:
    table, lengths, message = parts
    if table[:1] == b"q":
        found = np.frombuffer(table[1:], "<i8")
    else:
        steps = np.frombuffer(table[9:], np.uint8).astype(np.int64)
        first = np.frombuffer(table[1:9], "<i8")
        found = np.cumsum(np.concatenate([first, steps]))
    return found[huffman.decode(message, np.frombuffer(lengths, np.uint8), count)]
