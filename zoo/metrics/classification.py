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
        The weighted number of hits and the sum of the weights, float32 scalars.

    Raises:
        ValueError: scores that are not [B, K] for labels [B]; weights that are not
            [B].
    """
    y, weight = batch["y"], batch.get("weight")
    if outputs.ndim != 2 or outputs.shape[:1] != y.shape:
        raise ValueError(
            f"outputs must be scores [B, K] for labels [B], got {outputs.shape} for "
            f"labels {y.shape}"
        )
    hit = (outputs.argmax(1) == y).astype(jnp.float32)
    if weight is None:
        return hit.sum(), jnp.float32(len(hit))
    if weight.shape != y.shape:
        raise ValueError(
            f"weight must be one number for each of the {len(y)} examples, got shape "
            f"{weight.shape}"
        )
    weight = weight.astype(jnp.float32)
    return (hit * weight).sum(), weight.sum()
