"""The number of a pair (sum, weight), which is what a metric of a learner gives.

    mean = sum / weight

Both parts add over batches, micro-batches and devices, and are divided once.
"""

import jax
import jax.numpy as jnp

from zoo.metrics import checks


def ratio(pair: tuple[jax.Array, jax.Array]) -> jax.Array:
    """The weighted mean that a pair stands for.

    Args:
        pair: a sum and the sum of its weights, scalars.

    Returns:
        A scalar; NaN where nothing was counted and that cannot be read.

    Raises:
        ValueError: a weight of 0.
    """
    value, weight = checks.floats("pair[0]", pair[0]), checks.floats("pair[1]", pair[1])
    empty = checks.refuse(
        weight == 0, lambda: "pair must have a weight above 0, got 0: no example"
    )
    return jnp.where(empty, jnp.nan, value / weight)
