"""Hinge losses: the right answer must win by a margin, and more is not asked.

    hinge              max(0, m - t z)^r,              t = 1 where y > 0, else -1
    multiclass, max    max(0, m + max_{k != y} z_k - z_y)
    multiclass, sum    sum_{k != y} max(0, m + z_k - z_y)

With two classes of which one has the score 0 the multiclass losses are the hinge. The
gradient at the corner is 0. PyTorch's multi_margin_loss is the sum divided by K.

All keep the protocol of `zoo.functional.losses`: (outputs, batch) -> (sum, weight).

Shapes: B examples, K classes, m margin, r power.

References:
    Cortes and Vapnik, "Support-vector networks", Machine Learning 1995,
    https://doi.org/10.1007/BF00994018
    Crammer and Singer, "On the algorithmic implementation of multiclass kernel-based
    vector machines", JMLR 2001, https://jmlr.org/papers/v2/crammer01a.html (max)
    Weston and Watkins, "Support vector machines for multi-class pattern recognition",
    ESANN 1999 (sum)
"""

from typing import Any

import jax
import jax.numpy as jnp

from zoo.functional.losses import (
    Pair,
    at_labels,
    counted,
    outputs_and_targets,
    over_components,
    weighted,
    wide,
    without_labels,
)


def hinge(
    outputs: jax.Array,
    batch: dict[str, Any],
    margin: float = 1.0,
    power: int = 1,
    components: str = "sum",
) -> Pair:
    """What a score lacks to the margin on its own side of 0.

    Args:
        outputs: scores, [B] or [B, ...].
        batch: `y` of that shape, the side: above 0, or not (so 0 and 1 and -1 and 1
            are both right); optionally `weight`, [B].
        margin: m.
        power: r; 2 is the squared hinge.
        components: `sum` or `mean` over the components of an example.

    Returns:
        The weighted sum over the batch and the sum of the weights.

    Raises:
        ValueError: outputs and `y` of different shapes; weights that are not [B];
            components that are neither word; a margin that is not positive; a power
            that is not 1 or 2.
    """
    _check_margin(margin)
    if power not in (1, 2):
        raise ValueError(f"power must be 1 or 2, got {power}")
    z, y = outputs_and_targets(outputs, batch)
    lack = jax.nn.relu(margin - jnp.where(y > 0, z, -z))
    return weighted(over_components(lack**power, components), batch)


def multiclass_hinge(
    outputs: jax.Array,
    batch: dict[str, Any],
    margin: float = 1.0,
    rivals: str = "max",
) -> Pair:
    """What the score of the right class lacks to the margin over its rivals.

    Args:
        outputs: scores, [B, K].
        batch: `y`, integer labels in 0..K-1, [B]; optionally `weight`, [B].
        margin: m.
        rivals: `max`, the best of them counts (Crammer and Singer); `sum`, each does
            (Weston and Watkins).

    Returns:
        The weighted sum over the batch and the sum of the weights. A label of K or
        more makes the sum NaN, unless its weight is 0.

    Raises:
        ValueError: outputs that are not [B, K] for labels [B]; weights that are not
            [B]; a margin that is not positive; rivals that are neither word.
    """
    _check_margin(margin)
    if rivals not in ("max", "sum"):
        raise ValueError(f"rivals must be 'max' or 'sum', got {rivals!r}")
    y = batch["y"]
    own = at_labels(wide(counted(outputs, batch)), y)
    rest = without_labels(wide(counted(outputs, batch)), y)  # [B, K]
    if rivals == "max":
        loss = jax.nn.relu(margin + rest.max(1) - own)
    else:
        lack = jnp.where(rest == -jnp.inf, 0, margin + rest - own[:, None])
        loss = jax.nn.relu(lack).sum(1)
    return weighted(loss, batch)


def _check_margin(margin):
    if not margin > 0:
        raise ValueError(f"margin must be positive, got {margin}")
