"""What every classical learner asks of its data; each error names the argument.

Shapes and types are checked always; values only where they can be read: inside a traced
function (jit, vmap, shard_map) they pass.
"""

import jax
import jax.numpy as jnp
import numpy as np


def finite(name: str, array: jax.typing.ArrayLike) -> jax.Array:
    """Real numbers, at least one, none of them NaN or infinite, as floats.

    Args:
        name: the argument's name, for the message.
        array: any shape; integers become floats, floats below 32 bits float32.

    Raises:
        ValueError: complex values, no value at all, or one that is not finite.

    >>> finite("x", [1.0, float("nan")])
    Traceback (most recent call last):
        ...
    ValueError: x must be finite, got nan
    """
    values = array if hasattr(array, "dtype") else np.asarray(array)
    if not jnp.issubdtype(values.dtype, np.number) and values.dtype != bool:
        raise ValueError(f"{name} must be real numbers, got {values.dtype}")
    if jnp.issubdtype(values.dtype, jnp.complexfloating):
        raise ValueError(f"{name} must be real numbers, got {values.dtype}")
    if not values.size:
        raise ValueError(f"{name} must not be empty, got shape {values.shape}")
    values = jnp.asarray(values)
    if not jnp.issubdtype(values.dtype, jnp.floating):
        values = values.astype(jnp.result_type(float))
    elif values.dtype.itemsize < 4:
        values = values.astype(jnp.float32)
    if not isinstance(values, jax.core.Tracer):
        read = np.asarray(values)
        if not np.isfinite(read).all():
            raise ValueError(
                f"{name} must be finite, got {read[~np.isfinite(read)][0]}"
            )
    return values


def labels(name: str, y: jax.typing.ArrayLike) -> jax.Array:
    """Class labels of examples: integers 0, 1, ..., of two classes at least.

    Args:
        name: the argument's name, for the message.
        y: integers or bool, [N].

    Returns:
        int32 or wider, [N].

    Raises:
        ValueError: not integers [N]; no label; one below 0; all the same.

    >>> labels("y", [1, 1])
    Traceback (most recent call last):
        ...
    ValueError: y must hold two classes or more, got 1 only
    """
    values = y if hasattr(y, "dtype") else np.asarray(y)
    integers = jnp.issubdtype(values.dtype, jnp.integer) or values.dtype == bool
    if values.ndim != 1 or not integers:
        raise ValueError(
            f"{name} must be integers [N], got {values.dtype} {values.shape}"
        )
    if not values.size:
        raise ValueError(f"{name} must not be empty, got shape {values.shape}")
    if not isinstance(values, jax.core.Tracer):
        low, high = np.asarray(values).min(), np.asarray(values).max()
        if low < 0:
            raise ValueError(f"{name} must be labels from 0 on, got {low}")
        if low == high:
            raise ValueError(
                f"{name} must hold two classes or more, got {int(low)} only"
            )
    values = jnp.asarray(values)
    return values if values.dtype.itemsize >= 4 else values.astype(jnp.int32)


def at_least(name: str, value: int, low: int) -> int:
    """A static whole number with a lower bound.

    Args:
        name: the argument's name, for the message.
        value: what was given.
        low: the least that is allowed.

    Raises:
        ValueError: no integer, or too small.

    >>> at_least("rounds", 0, 1)
    Traceback (most recent call last):
        ...
    ValueError: rounds must be an integer >= 1, got 0
    """
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not whole or value < low:
        raise ValueError(f"{name} must be an integer >= {low}, got {value!r}")
    return int(value)


def at_most(name: str, value: int, high: int, what: str) -> int:
    """A static whole number from 1 to the number of something.

    Args:
        name: the argument's name, for the message.
        value: what was given.
        high: how many there are.
        what: of what, in the reader's words: "examples".

    Raises:
        ValueError: no integer, or out of range.

    >>> at_most("k", 5, 3, "examples")
    Traceback (most recent call last):
        ...
    ValueError: k must be an integer from 1 to 3, the number of examples, got 5
    """
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not whole or not 1 <= value <= high:
        raise ValueError(
            f"{name} must be an integer from 1 to {high}, the number of {what}, "
            f"got {value!r}"
        )
    return int(value)


def classes(y: jax.typing.ArrayLike, num_classes: int | None) -> int:
    """K, static: how many classes there are.

    Args:
        y: labels, 0 or more.
        num_classes: K, or None to count up to the largest label.

    Raises:
        ValueError: a label of K or more, or neither a K nor labels that can be read.

    >>> classes([0, 2], None)
    3
    """
    if isinstance(y, jax.core.Tracer):
        if num_classes is None:
            raise ValueError("num_classes must be given where y is traced, got None")
        return num_classes
    most = int(np.max(np.asarray(y), initial=0)) + 1
    if num_classes is not None and num_classes < most:
        raise ValueError(f"num_classes must be at least {most}, got {num_classes}")
    return most if num_classes is None else num_classes
