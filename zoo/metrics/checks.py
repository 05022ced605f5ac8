"""What every metric asks of its arguments; each error names the argument.

Shapes and types are checked always. Values can be read only where they are concrete:
there a bad one is a ValueError; inside a traced function (jit, vmap, shard_map) it
makes the result NaN, which no sum hides.
"""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np


def refuse(bad: jax.Array, message: Callable[[], str]) -> jax.Array:
    """Whether any value is bad, for the caller to make its result NaN.

    Args:
        bad: bool, any shape.
        message: the error's text; called only when it is needed.

    Raises:
        ValueError: a bad value that is concrete.
    """
    found = jnp.any(bad)
    if not isinstance(found, jax.core.Tracer) and found:
        raise ValueError(message())
    return found


def first(values: jax.Array, bad: jax.Array) -> str:
    """The first of the bad values, for a message; "a value" where none can be read."""
    if isinstance(values, jax.core.Tracer):
        return "a value"
    return str(np.asarray(values)[np.broadcast_to(bad, values.shape)].flat[0])


def floats(name: str, values: jax.typing.ArrayLike) -> jax.Array:
    """The values as float32 or wider.

    Raises:
        ValueError: complex values, or what is no number.
    """
    values = jnp.asarray(values)
    if jnp.issubdtype(values.dtype, jnp.complexfloating):
        raise ValueError(f"{name} must be real, got {values.dtype}")
    wide = jnp.issubdtype(values.dtype, jnp.floating) and values.dtype.itemsize >= 4
    return values if wide else values.astype(jnp.float32)


def labels(name: str, values: jax.typing.ArrayLike) -> jax.Array:
    """Labels as integers of 32 bits or more.

    Raises:
        ValueError: floats.
    """
    values = jnp.asarray(values)
    if not jnp.issubdtype(values.dtype, jnp.integer) and values.dtype != bool:
        raise ValueError(f"{name} must be integers, got {values.dtype}")
    return values if values.dtype.itemsize >= 4 else values.astype(jnp.int32)


def size(name: str, value: int, least: int = 1) -> int:
    """A static whole number.

    Raises:
        ValueError: another thing, or too small a number.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(f"{name} must be an integer >= {least}, got {value!r}")
    return value


def weights(
    weight: jax.typing.ArrayLike | None, shape: tuple[int, ...], dtype
) -> jax.Array:
    """Weights as floats: those given, or ones.

    Args:
        weight: of `shape`, >= 0; bool, integers or floats; or None.
        shape: one weight for each of these.
        dtype: of the ones and of weights that are no floats.

    Returns:
        Floats; NaN everywhere if one is negative or NaN and cannot be read.

    Raises:
        ValueError: another shape; a weight that is negative or not finite.
    """
    if weight is None:
        return jnp.ones(shape, dtype)
    weight = jnp.asarray(weight)
    if weight.shape != shape:
        raise ValueError(
            f"weight must be one number for each of the {math.prod(shape)} examples, "
            f"of shape {list(shape)}, got {list(weight.shape)}"
        )
    floating = jnp.issubdtype(weight.dtype, jnp.floating)
    weight = floats("weight", weight) if floating else weight.astype(dtype)
    bad = ~(weight >= 0) | (weight == jnp.inf)
    found = refuse(
        bad, lambda: f"weight must be finite and >= 0, got {first(weight, bad)}"
    )
    return jnp.where(found, jnp.nan, weight)
