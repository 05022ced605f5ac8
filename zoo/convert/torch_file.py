"""PyTorch's files of weights, read without PyTorch and without executing anything.

Both forms hold a pickled dict from names to tensors, and the tensors' numbers beside
it. A tensor is a view of a storage: an offset, sizes and strides, in elements.

    zip      ROOT/data.pkl, ROOT/data/KEY for each storage     since PyTorch 1.6
    legacy   pickles of a magic number, a version, the system, the dict and the list of
             keys; then, for each key, the count (int64) and the storage

The pickle may name what rebuilds a tensor and the types of storages; each leads to a
stand-in (`zoo.data.unpickle`). Every other name, such as the class of a whole pickled
model, is refused without being looked up. TorchScript archives carry code: refused.

References:
    PyTorch, torch/serialization.py and torch/_utils.py,
    https://github.com/pytorch/pytorch
"""

import io
import math
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from zoo.data.formats import DataError
from zoo.data.unpickle import Kept, load

MAGIC = 0x1950A86A20F9469CFC6C  # of the legacy form
LEGACY = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."  # the same, pickled
TYPES = {
    "DoubleStorage": np.dtype("<f8"),
    "FloatStorage": np.dtype("<f4"),
    "HalfStorage": np.dtype("<f2"),
    "BFloat16Storage": np.dtype(ml_dtypes.bfloat16),
    "LongStorage": np.dtype("<i8"),
    "IntStorage": np.dtype("<i4"),
    "ShortStorage": np.dtype("<i2"),
    "CharStorage": np.dtype("i1"),
    "ByteStorage": np.dtype("u1"),
    "BoolStorage": np.dtype("?"),
}
ALLOWED = {
    ("collections", "OrderedDict"): "dict",
    ("torch._utils", "_rebuild_tensor_v2"): "tensor",
    ("torch._utils", "_rebuild_parameter"): "parameter",
    **{("torch", name): name for name in TYPES},
}
EXPECTED = "tensors, dicts, lists, strings and numbers"
WITHIN = ("state_dict", "model_state_dict", "model")  # where a checkpoint has them


def read_torch(path: str | Path) -> dict[str, np.ndarray]:
    """The tensors of a file that `torch.save` wrote of a state dict.

    Args:
        path: the file: a dict of tensors, or one that has such a dict as its
            `state_dict`, `model_state_dict` or `model`.

    Returns:
        Arrays by name, in the types of the file. A prefix `module.` that all names
        have, from training on several devices, is taken off.

    Raises:
        DataError: for a file that carries code (it is not executed), is damaged or
            holds no tensors.
    """
    try:
        with open(path, "rb") as file:
            legacy = file.read(len(LEGACY)) == LEGACY
        found, storage = (_legacy if legacy else _zip)(Path(path))
        return {name: _array(value, storage) for name, value in _tensors(found).items()}
    except DataError as error:
        raise DataError(f"{path}: {str(error).removeprefix(f'{path}: ')}") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    except Exception as error:  # a damaged pickle may fail in any way
        raise DataError(
            f"{path}: not PyTorch's file of tensors, or damaged: {error or 'truncated'}"
        ) from error


Storage = Callable[[Kept], np.ndarray]  # the numbers that a stand-in speaks of


def _zip(path: Path) -> tuple[Any, Storage]:
    with zipfile.ZipFile(path) as archive:
        members = {m.filename: m for m in archive.infolist()}
        (pickled,) = (m for m in members if m.split("/")[1:] == ["data.pkl"])
        root = pickled.removesuffix("data.pkl")
        if f"{root}constants.pkl" in members:
            raise DataError("refused; a TorchScript archive carries code")
        if archive.read(pickled)[:1] != b"\x80":
            raise DataError("data.pkl is no pickle")
        if f"{root}byteorder" in members:
            _little(archive.read(f"{root}byteorder") == b"little")
        found = load(io.BytesIO(archive.read(pickled)), path, ALLOWED, EXPECTED)
        read = {
            m.removeprefix(f"{root}data/"): archive.read(m)
            for m in members
            if m.startswith(f"{root}data/")
        }

    def storage(kept: Kept) -> np.ndarray:
        dtype, key, count = _about(kept)
        return _numbers(read[key], dtype, count)

    return found, storage


def _legacy(path: Path) -> tuple[Any, Storage]:
    file = io.BytesIO(path.read_bytes())
    magic, _, system, found, keys = (
        load(file, path, ALLOWED, EXPECTED) for _ in range(5)
    )
    if magic != MAGIC:
        raise DataError(f"begins with {magic!r:.40}, expected the number of PyTorch")
    _little(system["little_endian"])
    # The length of a storage in bytes follows from its type, which only the dict says.
    types = {key: dtype for dtype, key, _ in map(_about, _storages(found))}
    read = {}
    for key in keys:
        count = int.from_bytes(file.read(8), "little")
        dtype = types[key]
        if count * dtype.itemsize > len(file.getbuffer()) - file.tell():
            raise DataError(f"truncated within storage {key}")
        read[key] = _numbers(file.read(count * dtype.itemsize), dtype, count)

    def storage(kept: Kept) -> np.ndarray:
        view = kept.args[5] if len(kept.args) > 5 else None
        if view is not None:  # a part of the storage of another
            _, offset, count = view
            return read[kept.args[2]][offset : offset + count]
        return read[kept.args[2]]

    return found, storage


def _storages(found: Any) -> list[Kept]:
    """All stand-ins for storages in an object."""
    if isinstance(found, Kept):
        if found.name == "elsewhere":
            return [found]
        return [s for item in found.args for s in _storages(item)]
    items = found.values() if isinstance(found, dict) else found
    inner = items if isinstance(found, dict | list | tuple) else ()
    return [s for item in inner for s in _storages(item)]


def _little(holds: bool) -> None:
    if not holds:
        raise DataError("written on a big-endian machine, which is not read here")


def _about(kept: Kept) -> tuple[np.dtype, str, int]:
    """Type, key and count of a storage."""
    what, kind, key, _, count, *_ = kept.args
    if kept.name != "elsewhere" or what != "storage" or str(kind) not in TYPES:
        raise DataError(f"has a {what!r:.40} of {kind!r:.40}, expected a storage")
    return TYPES[str(kind)], key, count


def _numbers(raw: bytes, dtype: np.dtype, count: int) -> np.ndarray:
    if len(raw) != count * dtype.itemsize:
        raise DataError(f"a storage of {count} numbers of {dtype} has {len(raw)} bytes")
    return np.frombuffer(raw, dtype)


def _tensors(found: Any) -> dict[str, Kept]:
    """The dict from names to stand-ins for tensors."""
    while isinstance(found, Mapping):
        tensors = {k: v for k, v in found.items() if isinstance(v, Kept)}
        if tensors:
            if not all(isinstance(name, str) for name in tensors):
                raise DataError("has names that are no strings")
            if all(name.startswith("module.") for name in tensors):
                return {k.removeprefix("module."): v for k, v in tensors.items()}
            return tensors
        within = [found[key] for key in WITHIN if key in found]
        found = within[0] if within else None
    raise DataError(
        f"holds no tensors by name, neither itself nor as {', '.join(WITHIN)}"
    )


def _array(kept: Kept, storage: Storage) -> np.ndarray:
    if kept.name == "parameter":
        kept = kept.args[0]
    if not isinstance(kept, Kept) or kept.name != "tensor":
        raise DataError("has something in the place of a tensor")
    kept, offset, size, strides, *_ = kept.args
    numbers = storage(kept)
    if not all(isinstance(n, int) and n >= 0 for n in (offset, *size, *strides)):
        raise DataError(f"has a tensor of shape {size} and strides {strides}")
    count = math.prod(size)
    reach = sum((n - 1) * s for n, s in zip(size, strides, strict=True)) + 1
    if count and (offset + reach > len(numbers) or count > len(numbers)):
        raise DataError(
            f"has a tensor of shape {size} in a storage of {len(numbers)} numbers"
        )
    if not count:
        return np.zeros(size, numbers.dtype)
    steps = [s * numbers.itemsize for s in strides]
    view = np.lib.stride_tricks.as_strided(numbers[offset:], size, steps)
    return np.array(view, order="C")
