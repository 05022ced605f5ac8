"""Checks of what a caller gives to a stream; each error names the argument."""

import operator
from collections.abc import Mapping

import numpy as np


def arrays_of(
    data: Mapping[str, np.ndarray], reserved: tuple[str, ...] = ("index",)
) -> tuple[dict[str, np.ndarray], int]:
    """The arrays of `data`, and their common length.

    Args:
        data: arrays by name; the leading axis of each is examples.
        reserved: names that the stream makes itself.

    Raises:
        ValueError: for no array, a scalar, unequal lengths, or a name that is taken.
    """
    if not isinstance(data, Mapping) or not data:
        raise ValueError(f"data must be a dict of arrays, but is {data!r:.80}")
    arrays = {name: np.asarray(array) for name, array in data.items()}
    for name, array in arrays.items():
        if not isinstance(name, str):
            raise ValueError(f"data: names must be strings, but {name!r} is one")
        if name in reserved:
            raise ValueError(f"data: {name!r} is made by the stream; rename yours")
        if array.ndim == 0:
            raise ValueError(f"data[{name!r}] is a scalar; its first axis is examples")
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"data: lengths differ, {lengths}; they must be equal")
    return arrays, whole_number("examples", min(lengths.values()), 1, 2**31 - 1)


def whole_number(name: str, value: int, low: int, high: int | None = None) -> int:
    """`value` as an int.

    Raises:
        ValueError: if it is no integer, or is outside [low, high].
    """
    try:
        number = operator.index(value)
    except TypeError:
        number = None
    if number is None or number < low or (high is not None and number > high):
        allowed = f"at least {low}" if high is None else f"from {low} to {high}"
        raise ValueError(f"{name} must be an integer {allowed}, but is {value!r}")
    return number


def rows_within(start: int, stop: int, batch_size: int) -> None:
    """Raises a ValueError unless 0 <= start <= stop <= batch_size."""
    if not 0 <= start <= stop <= batch_size:
        raise ValueError(f"rows {start}:{stop} are not within a batch of {batch_size}")
