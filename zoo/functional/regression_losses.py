"""Losses of numbers: quadratic, absolute, and smooth between the two.

    quadratic   sum_i d_i^2 / 2
    absolute    sum_i |d_i|
    smooth L1   sum_i d_i^2 / (2 b) where |d_i| < b, else |d_i| - b / 2

d = outputs - y runs over the components of an example. Twice the quadratic loss with
`components="mean"` is the mean squared error, b times smooth L1 is Huber's loss, and
as b falls to 0 smooth L1 becomes the absolute loss, whose gradient at d = 0 is 0.

All keep the protocol of `zoo.functional.losses`: (outputs, batch) -> (sum, weight).

Shapes: B examples.

References:
    Huber, "Robust estimation of a location parameter", Annals of Mathematical
    Statistics 1964, https://doi.org/10.1214/aoms/1177703732
    Girshick, "Fast R-CNN", ICCV 2015, https://arxiv.org/abs/1504.08083 (smooth L1)
"""

from typing import Any

import jax
import jax.numpy as jnp

from zoo.functional.losses import Pair, outputs_and_targets, over_components, weighted


def quadratic(
    outputs: jax.Array, batch: dict[str, Any], components: str = "sum"
) -> Pair:
    """Half of the squared distance to the target.

    Args:
        outputs: [B] or [B, ...].
        batch: `y` of that shape; optionally `weight`, [B].
        components: `sum` or `mean` over the components of an example.

    Returns:
        The weighted sum over the batch and the sum of the weights.

    Raises:
        ValueError: outputs and `y` of different shapes; weights that are not [B];
            components that are neither word.
    """
    x, y = outputs_and_targets(outputs, batch)
    return weighted(over_components((x - y) ** 2 / 2, components), batch)


def absolute(
    outputs: jax.Array, batch: dict[str, Any], components: str = "sum"
) -> Pair:
    """The distance to the target along the axes; its least is at the median.

    Args:
        outputs: [B] or [B, ...].
        batch: `y` of that shape; optionally `weight`, [B].
        components: `sum` or `mean` over the components of an example.

    Returns:
        The weighted sum over the batch and the sum of the weights.

    Raises:
        ValueError: outputs and `y` of different shapes; weights that are not [B];
            components that are neither word.
    """
    x, y = outputs_and_targets(outputs, batch)
    d = x - y
    each = d * jnp.sign(d)  # not jnp.abs, whose gradient at 0 is 1
    return weighted(over_components(each, components), batch)


def smooth_l1(
    outputs: jax.Array,
    batch: dict[str, Any],
    beta: float = 1.0,
    components: str = "sum",
) -> Pair:
    """Quadratic near the target, absolute away from it.

    Args:
        outputs: [B] or [B, ...].
        batch: `y` of that shape; optionally `weight`, [B].
        beta: b, the distance at which one becomes the other.
        components: `sum` or `mean` over the components of an example.

    Returns:
        The weighted sum over the batch and the sum of the weights.

    Raises:
        ValueError: outputs and `y` of different shapes; weights that are not [B];
            components that are neither word; a beta that is not positive.
    """
    if not beta > 0:
        raise ValueError(f"beta must be positive, got {beta}")
    x, y = outputs_and_targets(outputs, batch)
    d = jnp.abs(x - y)
    each = jnp.where(d < beta, d**2 / (2 * beta), d - beta / 2)
    return weighted(over_components(each, components), batch)
