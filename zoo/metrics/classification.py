"""Metrics of classification, as what the learner adds up: (sum, weight).

Shapes: B examples, K classes.
"""

from typing import Any

import jax
import jax.numpy as jnp


def accuracy(outputs: jax.Array, batch: dict[str, Any]) -> tuple[jax.Array, jax.Array]:
    """The share of examples whose largest output is the label's.

    Args:
        outputs: scores, [B, K]; of equal ones the first counts as the largest.
        batch: `y`, integer labels, [B]; optionally `weight`, [B].

    Returns:
        The weighted number of hits and the sum of the weights, scalars.
    """
    hit = (outputs.argmax(-1) == batch["y"]).astype(jnp.float32)
    weight = batch.get("weight")
    if weight is None:
        return hit.sum(), jnp.float32(len(hit))
    return (hit * weight).sum(), jnp.sum(weight, dtype=jnp.float32)
