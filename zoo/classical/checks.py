"""What classical learners ask of their arguments; each error names the argument.

Values can be read only where they are concrete; under tracing nothing is asked of
them.
"""

import jax
import jax.numpy as jnp
import numpy as np


def finite(name: str, array: jax.typing.ArrayLike) -> None:
    """All values are finite, and there are some.

    Raises:
        ValueError: an empty array; a concrete value that is NaN or infinite.
    """
    if 0 in jnp.shape(array):
        raise ValueError(f"{name} must not be empty, got {list(jnp.shape(array))}")
    if isinstance(array, jax.core.Tracer):
        return
    bad = ~np.isfinite(np.asarray(array))
    if bad.any():
        at = tuple(int(i) for i in np.argwhere(bad)[0])
        raise ValueError(
            f"{name} must be finite, got {np.asarray(array)[at]} at {list(at)}"
        )


def labels(name: str, y: jax.typing.ArrayLike) -> None:
    """Labels are integers from 0 on, [N].

    Raises:
        ValueError: another type or shape; a concrete label below 0.
    """
    kind = jnp.result_type(y)
    whole = jnp.issubdtype(kind, jnp.integer) or jnp.issubdtype(kind, jnp.bool_)
    if jnp.ndim(y) != 1 or not whole:
        raise ValueError(
            f"{name} must be integers [N], got {kind} {list(jnp.shape(y))}"
        )
    if not isinstance(y, jax.core.Tracer) and np.min(y, initial=0) < 0:
        raise ValueError(f"{name} must be 0 or more, got {np.min(y)}")


def at_most(name: str, value: int, high: int, what: str) -> None:
    """A static whole number from 1 to high, which is the number of `what`.

    Raises:
        ValueError: another thing, or a number out of range.
    """
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not whole or not 1 <= value <= high:
        raise ValueError(
            f"{name} must be an integer from 1 to the {high} {what}, got {value!r}"
        )
