"""Reading a pickle without executing anything, and a pickled dict of NumPy arrays.

A pickle is a program: it names Python functions and calls them. Here a name is never
looked up. The few that a caller allows (those that NumPy writes for an array) lead to
inert stand-ins that only keep their arguments; every other name is refused. The array
is then made from the kept bytes, after its type and its size were checked.

Reads what Python 2 and 3 and NumPy 1 and 2 write, all protocols.
"""

import io
import math
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from zoo.data.formats import DataError


class Kept:
    """What a permitted call got; made by NEWOBJ or REDUCE, filled by BUILD."""

    __slots__ = ("name", "args", "state")

    def __init__(self, name: str, args: tuple):
        self.name, self.args, self.state = name, args, None

    def __setstate__(self, state: Any):
        self.state = state


class KeptDict(dict):
    """An OrderedDict, without the attributes that a pickle would give it."""

    __slots__ = ()

    def __setstate__(self, state: Any):
        del state


class Call:
    """A permitted name; without a dict, so that a pickle can change nothing in it."""

    __slots__ = ("_name",)

    def __init__(self, name: str):
        object.__setattr__(self, "_name", name)

    def __setattr__(self, name: str, value: Any):
        raise pickle.UnpicklingError(f"changes {self._name}")

    def __str__(self) -> str:
        return self._name

    def __call__(self, *args: Any) -> "Kept | KeptDict | bytes":
        if self._name == "dict":
            if args:
                raise pickle.UnpicklingError("has a dict made from something else")
            return KeptDict()
        if self._name == "bytes":  # how protocols 0 to 2 of Python 3 write bytes
            text, encoding = args
            if not isinstance(text, str) or encoding != "latin1":
                raise pickle.UnpicklingError("has bytes in an encoding unknown here")
            return text.encode("latin1")
        return Kept(self._name, args)


ALLOWED = {
    ("_codecs", "encode"): "bytes",
    ("numpy", "dtype"): "dtype",
    ("numpy", "ndarray"): "ndarray",
    ("numpy.core.multiarray", "_reconstruct"): "array",
    ("numpy._core.multiarray", "_reconstruct"): "array",
    ("numpy.core.numeric", "_frombuffer"): "buffer",
    ("numpy._core.numeric", "_frombuffer"): "buffer",
}


def load(
    file: BinaryIO,
    path: str | Path,
    allowed: Mapping[tuple[str, str], str],
    expected: str,
) -> Any:
    """What one pickle holds, with stand-ins for what it would have called.

    Args:
        file: open for reading, at the pickle; afterwards it is behind it.
        path: the name of the file, for the errors.
        allowed: (module, name) -> the name that its stand-in has. `dict` stands for an
            OrderedDict, `bytes` for encoded bytes, all else for a `Kept`.
        expected: what such a file may hold, for the errors.

    Returns:
        The object. A call of a name is a `Kept` with its arguments; what the pickle
        says to be kept elsewhere is a `Kept` of the name `elsewhere`.

    Raises:
        DataError: for a name that is not allowed; it is not looked up.
        Exception: of any kind, for a damaged pickle.
    """

    class Unpickler(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> Call:
            if (module, name) not in allowed:
                raise DataError(
                    f"{path}: refused; this pickle wants to use {module}.{name}, "
                    f"expected {expected} only"
                )
            return Call(allowed[module, name])

        def persistent_load(self, pid: Any) -> Kept:
            return Kept("elsewhere", pid if isinstance(pid, tuple) else (pid,))

    return Unpickler(file, encoding="latin1").load()


def read_pickled_dict(raw: bytes, path: str | Path) -> dict[str, Any]:
    """The dict in a pickle, its arrays as NumPy arrays.

    Args:
        raw: the pickle.
        path: the name of its file, for the errors.

    Returns:
        The dict, its keys as str whichever Python wrote it; arrays among its values
        are NumPy arrays. Arrays deeper within stay unread.

    Raises:
        DataError: for a name other than those of NumPy's arrays (it is not looked
            up), for a damaged pickle, or for one that is no dict.
    """
    expected = "NumPy arrays, lists, strings and numbers"
    try:
        found = load(io.BytesIO(raw), path, ALLOWED, expected)
        if not isinstance(found, dict):
            raise DataError(f"{path}: holds a {type(found).__name__}, expected a dict")
        return {_text(key): _plain(value) for key, value in found.items()}
    except DataError:
        raise
    except Exception as error:  # a damaged pickle may fail in any way
        raise DataError(
            f"{path}: not a pickled dict of arrays, or damaged: {error or 'truncated'}"
        ) from error


def _text(key: Any) -> str:
    if isinstance(key, bytes):
        return key.decode("latin1")
    if isinstance(key, str):
        return key
    raise ValueError(f"a key is {key!r:.40}, expected a string")


def _plain(value: Any) -> Any:
    """The value, or the array that a stand-in keeps."""
    if not isinstance(value, Kept):
        return value
    if value.name == "array":
        _, shape, dtype, fortran, data = value.state
        order = "F" if fortran else "C"
    elif value.name == "buffer":
        data, dtype, shape, order = value.args
    else:
        raise ValueError(f"a lone {value.name}")
    dtype = _dtype(dtype)
    data = data.encode("latin1") if isinstance(data, str) else bytes(data)
    if math.prod(shape) * dtype.itemsize != len(data):
        raise ValueError(f"an array of shape {shape} has {len(data)} bytes")
    return np.frombuffer(data, dtype).reshape(shape, order=order).copy()


def _dtype(kept: Kept) -> np.dtype:
    """A plain number type, in the byte order that the pickle states."""
    code = _text(kept.args[0])
    if kept.name != "dtype" or code[:1] not in tuple("biuf"):
        raise ValueError(f"an array of {code!r:.40}, expected numbers")
    order = _text(kept.state[1]) if kept.state else "="
    return np.dtype(code).newbyteorder(order)
