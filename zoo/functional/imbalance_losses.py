"""Losses where few examples, or few pixels, are of the class that matters.

    focal          -a_y (1 - p_y)^g log p_y,  p = softmax(z)
    binary focal   -a_t (1 - p_t)^g log p_t,  p_t = sigmoid(t z),  t = 1 where y > 0,
                   else -1;  a_t = a where t = 1, else 1 - a
    Dice           1 - (2 sum_i p_i y_i + s) / (sum_i p_i + sum_i y_i + s)

Focal loss fades out what is already right: g = 0 is the cross-entropy. The power is
taken as exp(g log(1 - p)), with the logarithm from the logits, so that it is exact
where p rounds to 1, and its gradient is finite for every g.

Dice sums over the pixels of one example. It is 1 - F1 for answers of 0 and 1. With
more than two classes it is the mean over the classes. V-Net has the squares of p and y
below the fraction: `squared=True`. Where s = 0, a class that is neither there nor
predicted counts as found.

All keep the protocol of `zoo.functional.losses`: (outputs, batch) -> (sum, weight).

Shapes: B examples, K classes; g gamma, a alpha, s smooth.

References:
    Lin et al., "Focal loss for dense object detection", ICCV 2017,
    https://arxiv.org/abs/1708.02002
    Milletari, Navab and Ahmadi, "V-Net: fully convolutional neural networks for
    volumetric medical image segmentation", 3DV 2016, https://arxiv.org/abs/1606.04797
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


def focal(
    outputs: jax.Array,
    batch: dict[str, Any],
    gamma: float = 2.0,
    alpha: tuple[float, ...] | None = None,
) -> Pair:
    """Cross-entropy that fades where the right class is already probable, in nats.

    Args:
        outputs: logits, [B, K].
        batch: `y`, integer labels in 0..K-1, [B]; optionally `weight`, [B].
        gamma: g, how fast it fades.
        alpha: a weight for each of the K classes; None: 1. It belongs to the loss, so
            it does not count in the pair's weight.

    Returns:
        The weighted sum over the batch and the sum of the weights. A label of K or
        more makes the sum NaN, unless its weight is 0.

    Raises:
        ValueError: logits that are not [B, K] for labels [B]; weights that are not
            [B]; a negative gamma; an alpha that is not K numbers.
    """
    _check_gamma(gamma)
    z, y = wide(counted(outputs, batch)), batch["y"]
    log_p = at_labels(jax.nn.log_softmax(z), y)
    if gamma:
        rivals = without_labels(z, y)
        alone = (rivals == -jnp.inf).all(1)  # the logarithm of nothing has no slope
        rest = jax.nn.logsumexp(jnp.where(alone[:, None], z, rivals), 1)
        fading = jnp.exp(gamma * (rest - jax.nn.logsumexp(z, 1)))
        log_p = log_p * jnp.where(alone, 0, fading)
    if alpha is not None:
        if len(alpha) != z.shape[1]:
            raise ValueError(
                f"alpha must be a number for each of the {z.shape[1]} classes, got "
                f"{len(alpha)}"
            )
        log_p = log_p * jnp.asarray(alpha, z.dtype)[y]
    return weighted(-log_p, batch)


def binary_focal(
    outputs: jax.Array,
    batch: dict[str, Any],
    gamma: float = 2.0,
    alpha: float | None = 0.25,
    components: str = "sum",
) -> Pair:
    """Binary cross-entropy that fades where the answer is already right, in nats.

    Args:
        outputs: logits, [B] or [B, ...].
        batch: `y` of that shape, yes where it is above 0; optionally `weight`, [B].
        gamma: g, how fast it fades.
        alpha: a, the share of the positive answers, in (0, 1); None: 1 for both.
        components: `sum` or `mean` over the components of an example.

    Returns:
        The weighted sum over the batch and the sum of the weights. (The paper divides
        the sum by the number of positive examples.)

    Raises:
        ValueError: outputs and `y` of different shapes; weights that are not [B];
            components that are neither word; a negative gamma; an alpha outside (0, 1).
    """
    _check_gamma(gamma)
    if alpha is not None and not 0 < alpha < 1:
        raise ValueError(f"alpha must be in (0, 1), got {alpha}")
    z, y = outputs_and_targets(outputs, batch)
    right = jnp.where(y > 0, z, -z)
    each = jax.nn.softplus(-right)
    if gamma:
        each = each * jnp.exp(-gamma * jax.nn.softplus(right))
    if alpha is not None:
        each = each * jnp.where(y > 0, alpha, 1 - alpha).astype(z.dtype)
    return weighted(over_components(each, components), batch)


def dice(
    outputs: jax.Array,
    batch: dict[str, Any],
    smooth: float = 1.0,
    squared: bool = False,
    from_logits: bool = True,
) -> Pair:
    """What two regions lack to lying on each other: 0 the same, 1 apart.

    Args:
        outputs: logits, [B, ...] of one class against the rest, or [B, ..., K].
        batch: `y`, the share of the class in each pixel, [B, ...], or integer labels in
            0..K-1, of the shape of the outputs without its last axis; optionally
            `weight`, [B].
        smooth: s, pixels that are taken to lie on each other.
        squared: square p and y below the fraction.
        from_logits: if not, the outputs are probabilities.

    Returns:
        The weighted sum over the batch and the sum of the weights.

    Raises:
        ValueError: outputs and `y` that do not fit, or have no axis of pixels; weights
            that are not [B]; a negative smooth.
    """
    if not smooth >= 0:
        raise ValueError(f"smooth must not be negative, got {smooth}")
    y = batch["y"]
    x = wide(counted(outputs, batch))
    if x.ndim == y.ndim + 1 >= 3 and x.shape[:-1] == y.shape:
        if not jnp.issubdtype(y.dtype, jnp.integer):
            raise ValueError(f"labels must be integers, got {y.dtype}")
        p = jax.nn.softmax(x) if from_logits else x
        q = jax.nn.one_hot(counted(y, batch), x.shape[-1], dtype=x.dtype)
    elif x.ndim >= 2 and x.shape == y.shape:
        p = (jax.nn.sigmoid(x) if from_logits else x)[..., None]
        q = counted(y, batch).astype(x.dtype)[..., None]
    else:
        raise ValueError(
            f"outputs must be [B, ...] or [B, ..., K] for y [B, ...], with pixels, got "
            f"{x.shape} for {y.shape}"
        )
    pixels = tuple(range(1, p.ndim - 1))
    both = 2 * (p * q).sum(pixels) + smooth  # [B, ..., K] -> [B, K]
    power = 2 if squared else 1
    all_ = (p**power).sum(pixels) + (q**power).sum(pixels) + smooth
    overlap = jnp.where(all_ == 0, 1, both / jnp.where(all_ == 0, 1, all_))
    return weighted(1 - overlap.mean(1), batch)


def _check_gamma(gamma):
    if not gamma >= 0:
        raise ValueError(f"gamma must not be negative, got {gamma}")
