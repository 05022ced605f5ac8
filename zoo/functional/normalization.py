"""Normalizations, as functions of arrays: what the layers of the same names compute.

    batch, layer, instance, group:   y = scale (x - mean) / sqrt(variance + eps) + bias

They differ in what mean and variance are taken over:

    batch      each channel: over examples and positions; in use, moving averages
    layer      each example (or each position): over the axes that scale has
    instance   each example and channel: over positions
    group      each example and group of C / G channels: over these and positions

and two older ones, between neighbours:

    local response   y_c = x_c / (k + alpha sum_{|j - c| <= n / 2} x_j^2)^beta
    local contrast   v = x - sum_{i, p, q} w_pq x_{i, p, q}        (subtractive)
                     y = v / max(mean(sigma), sigma)               (divisive)
                     sigma = sqrt(sum_{i, p, q} w_pq v_{i, p, q}^2)

with a Gaussian window w around each position, whose sum over channels i, rows p and
columns q is 1, and the mean of sigma over the positions of the image.

Limits, all tested: group of 1 is layer over all of an example, group of C is instance,
batch of one example is instance. So the last four do not see the other examples.

The moving averages: new = momentum old + (1 - momentum) batch's. Their variance is the
unbiased one, times n / (n - 1), as in the paper and PyTorch; flax's BatchNorm keeps the
biased one (`unbiased=False`). The output is always normalized by the biased one.
PyTorch's momentum is 1 minus ours. Models use flax.linen's layers; these functions are
for what has no state of its own, and to check layers against.

Differs from the papers: PyTorch's local response divides alpha by n, the paper does
not: ours is alpha = 1e-4 where theirs is 5e-4. Jarrett et al. print neither the
Gaussian's width, here a quarter of the window, nor what happens at the border: here the
weights are those inside of the image, divided by their sum. Where the image is
constant sigma is 0: a floor of epsilon makes the result 0 instead of 0 / 0.

Shapes: B examples, H height, W width, C channels, G groups; n values averaged over.

References:
    Ioffe and Szegedy, "Batch normalization", ICML 2015,
    https://arxiv.org/abs/1502.03167
    Ba, Kiros and Hinton, "Layer normalization", 2016, https://arxiv.org/abs/1607.06450
    Ulyanov, Vedaldi and Lempitsky, "Instance normalization", 2016,
    https://arxiv.org/abs/1607.08022
    Wu and He, "Group normalization", ECCV 2018, https://arxiv.org/abs/1803.08494
    Krizhevsky, Sutskever and Hinton, "ImageNet classification with deep convolutional
    neural networks", NeurIPS 2012, section 3.3 (local response),
    https://papers.nips.cc/paper/4824-imagenet-classification-with-deep-convolutional-neural-networks
    Jarrett et al., "What is the best multi-stage architecture for object recognition?",
    ICCV 2009, section 2 (local contrast), https://doi.org/10.1109/ICCV.2009.5459469
"""

from math import prod

import jax
import jax.numpy as jnp
import numpy as np

from zoo.functional.losses import wide


def batch_norm(
    x: jax.Array,
    scale: jax.Array,
    bias: jax.Array,
    mean: jax.Array,
    variance: jax.Array,
    *,
    train: bool,
    momentum: float = 0.9,
    epsilon: float = 1e-5,
    unbiased: bool = True,
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Each channel by its statistics: the batch's in training, else moving averages.

    Args:
        x: [B, ..., C].
        scale, bias: [C].
        mean, variance: the moving averages, [C].
        train: normalize by the batch, and move the averages.
        momentum: the share of the old average, from 0 to 1.
        epsilon: is added to the variance; positive.
        unbiased: the moving variance takes the batch's times n / (n - 1).

    Returns:
        The result, [B, ..., C], and the averages after it, [C] each.

    Raises:
        ValueError: shapes other than these; numbers out of range; in training, a
            single value a channel, whose unbiased variance does not exist.
    """
    _check(x, 2, epsilon)
    _check_channels(x, scale=scale, bias=bias, mean=mean, variance=variance)
    if not 0 <= momentum <= 1:
        raise ValueError(f"momentum must be from 0 to 1, got {momentum}")
    if not train:
        y = (wide(x) - _along(mean, x)) * _along(_over_root(variance, epsilon), x)
        return _affine(y, scale, bias, x), mean, variance
    n = prod(x.shape[:-1])
    if unbiased and n < 2:
        raise ValueError(
            f"x must have two values a channel or more in training, got {x.shape}"
        )
    axes = tuple(range(x.ndim - 1))
    y, of_batch, spread = _standardize(x, axes, epsilon)
    moved = lambda old, new: (momentum * old + (1 - momentum) * new).astype(old.dtype)
    mean = moved(mean, of_batch.reshape(-1))
    variance = moved(variance, spread.reshape(-1) * (n / (n - 1) if unbiased else 1))
    return _affine(y, scale, bias, x), mean, variance


def layer_norm(
    x: jax.Array, scale: jax.Array, bias: jax.Array, *, epsilon: float = 1e-5
) -> jax.Array:
    """Each example, or each position of it, over the last axes: those of scale.

    Args:
        x: [..., C], or [B, H, W, C].
        scale, bias: [C], or of all the axes to normalize over: [H, W, C].
        epsilon: is added to the variance; positive.

    Returns:
        As x.

    Raises:
        ValueError: scale or bias without axes or not of the last axes of x; epsilon
            out of range.
    """
    _check(x, 1, epsilon)
    last = x.shape[-scale.ndim :] if scale.ndim else None
    for name, value in (("scale", scale), ("bias", bias)):
        if value.shape != last or scale.shape != last:
            raise ValueError(
                f"{name} must have the last axes of x, {x.shape}, got {value.shape}"
            )
    y, _, _ = _standardize(x, tuple(range(-scale.ndim, 0)), epsilon)
    return _affine(y, scale, bias, x)


def instance_norm(
    x: jax.Array, scale: jax.Array, bias: jax.Array, *, epsilon: float = 1e-5
) -> jax.Array:
    """Each channel of each example, over its positions.

    Args:
        x: [B, ..., C], with at least one axis of positions.
        scale, bias: [C].
        epsilon: is added to the variance; positive.

    Returns:
        As x.

    Raises:
        ValueError: shapes other than these; epsilon out of range.
    """
    _check(x, 3, epsilon)
    _check_channels(x, scale=scale, bias=bias)
    y, _, _ = _standardize(x, tuple(range(1, x.ndim - 1)), epsilon)
    return _affine(y, scale, bias, x)


def group_norm(
    x: jax.Array,
    scale: jax.Array,
    bias: jax.Array,
    groups: int,
    *,
    epsilon: float = 1e-5,
) -> jax.Array:
    """Each group of neighbouring channels of each example, over these and positions.

    Args:
        x: [B, ..., C].
        scale, bias: [C].
        groups: G, which divides C.
        epsilon: is added to the variance; positive.

    Returns:
        As x.

    Raises:
        ValueError: shapes other than these; groups that do not divide C; epsilon out
            of range.
    """
    _check(x, 2, epsilon)
    _check_channels(x, scale=scale, bias=bias)
    if not isinstance(groups, int) or groups < 1 or x.shape[-1] % groups:
        raise ValueError(
            f"groups must be a positive integer that divides the {x.shape[-1]} "
            f"channels, got {groups!r}"
        )
    y = x.reshape(*x.shape[:-1], groups, -1)  # [B, ..., C] -> [B, ..., G, C / G]
    y, _, _ = _standardize(y, (*range(1, y.ndim - 2), -1), epsilon)
    return _affine(y.reshape(x.shape), scale, bias, x)


def local_response_norm(
    x: jax.Array,
    *,
    size: int = 5,
    alpha: float = 1e-4,
    beta: float = 0.75,
    k: float = 2.0,
) -> jax.Array:
    """Each value by those at its position in neighbouring channels; AlexNet's.

    Args:
        x: [..., C].
        size: n, channels of the window, itself in the middle: an odd number.
        alpha: weight of the sum of squares, not negative.
        beta: the exponent.
        k: is added to the weighted sum; positive.

    Returns:
        As x.

    Raises:
        ValueError: x without axes; a number out of range.
    """
    _check(x, 1)
    _check_odd("size", size)
    if alpha < 0 or k <= 0:
        raise ValueError(f"alpha must be >= 0 and k > 0, got {alpha} and {k}")
    c, side = x.shape[-1], size // 2
    z = wide(x)
    squares = jnp.pad(z**2, ((0, 0),) * (x.ndim - 1) + ((side, side),))
    total = sum(squares[..., i : i + c] for i in range(size))
    return (z * (k + alpha * total) ** -beta).astype(x.dtype)


def local_contrast_norm(
    x: jax.Array,
    *,
    window: int = 9,
    deviation: float | None = None,
    epsilon: float = 1e-6,
) -> jax.Array:
    """Each value less the mean around it, over the deviation around it.

    Where the deviation is below its mean over the image, the mean divides instead, so
    that what is flat is not blown up.

    Args:
        x: [B, H, W, C].
        window: height and width of the window, an odd number of pixels.
        deviation: of the Gaussian, in pixels; by default a quarter of the window.
        epsilon: the least deviation to divide by, in the units of x; positive.

    Returns:
        As x.

    Raises:
        ValueError: no images; a number out of range.
    """
    _check(x, 4, epsilon)
    _check_odd("window", window)
    deviation = window / 4 if deviation is None else deviation
    if x.ndim != 4 or deviation <= 0:
        raise ValueError(
            f"x must be [B, H, W, C] and deviation positive, got {x.shape} and "
            f"{deviation}"
        )
    z = wide(x)
    rows, columns = (
        jnp.asarray(_blur(size, window, deviation), z.dtype) for size in x.shape[1:3]
    )
    # The window's sum over channels too; [B, H, W, C] -> [B, H, W, 1]
    blurred = lambda a: jnp.einsum("hp,bpq,wq->bhw", rows, a.mean(-1), columns)
    around = lambda a: blurred(a)[..., None]
    v = z - around(z)
    # The floor is under the root, so that the gradient of a flat image is finite.
    sigma = jnp.sqrt(jnp.maximum(around(v**2), epsilon**2))
    largest = jnp.maximum(sigma.mean((1, 2), keepdims=True), sigma)
    return (v / largest).astype(x.dtype)


def _blur(size: int, window: int, deviation: float) -> np.ndarray:
    """A matrix whose rows are windows around each place, cut at the ends; sums 1."""
    away = np.arange(size)[:, None] - np.arange(size)
    weights = np.exp(-((away / deviation) ** 2) / 2) * (abs(away) <= window // 2)
    return weights / weights.sum(1, keepdims=True)


def _standardize(x, axes, epsilon):
    """The result, in float32 or wider, and the mean and variance, which keep axes."""
    x = wide(x)
    mean = x.mean(axes, keepdims=True)
    away = x - mean
    variance = (away**2).mean(axes, keepdims=True)
    return away * _over_root(variance, epsilon), mean, variance


def _over_root(variance, epsilon):
    return jax.lax.rsqrt(variance + epsilon)


def _affine(y, scale, bias, x):
    return (y * _along(scale, x) + _along(bias, x)).astype(x.dtype)


def _along(value, x):  # of the last axes of x, for the arithmetic with it
    return wide(value).reshape((1,) * (x.ndim - value.ndim) + value.shape)


def _check(x, axes, epsilon=1.0):
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise ValueError(f"x must be floats, got {x.dtype}")
    if x.ndim < axes:
        raise ValueError(f"x must have {axes} axes or more, got shape {x.shape}")
    if not epsilon > 0:
        raise ValueError(f"epsilon must be positive, got {epsilon}")


def _check_channels(x, **values):
    for name, value in values.items():
        if value.shape != x.shape[-1:]:
            raise ValueError(
                f"{name} must be one number for each of the {x.shape[-1]} channels, "
                f"got shape {value.shape}"
            )


def _check_odd(name, size):
    if not isinstance(size, int) or size < 1 or size % 2 == 0:
        raise ValueError(f"{name} must be a positive odd integer, got {size!r}")
