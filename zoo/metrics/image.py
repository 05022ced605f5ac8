"""Metrics of image quality: how near an image x is to its reference y.

    MSE   mean (x - y)^2
    SNR   10 log10( sum y^2 / sum (x - y)^2 )          decibels
    PSNR  10 log10( L^2 / MSE )                        decibels

    SSIM  mean over the windows of

          (2 mx my + c1) (2 sxy + c2)
          -----------------------------------          c1 = (0.01 L)^2
          (mx^2 + my^2 + c1) (sx^2 + sy^2 + c2)        c2 = (0.03 L)^2

where L is the range of the values (255, or 1), and mx, my, sx^2, sy^2, sxy are the
means, variances and the covariance in a window. Windows that reach beyond the image are
left out. Two kinds of window:

    gaussian  11 x 11 pixels, weights exp(-r^2 / (2 1.5^2)) (cut at 3.5 deviations),
              variances with these weights: the paper's
    uniform   7 x 7 pixels, variances divided by 48 instead of 49: scikit-image's own

Images of several channels: SSIM is taken of each channel, and averaged.

In float32 SSIM is good to 5e-6: a variance is a difference of squares there, and the
origin is moved to the mean of the reference, so that less cancels.

MSE, SNR and PSNR come from sums that add over batches and devices: they are those of
all images together. The mean PSNR of single images, which is another number (a mean of
logarithms), is that of `vmap` over batches of one.

Shapes: B images, H height, W width, C channels.

References:
    Wang, Bovik, Sheikh and Simoncelli, "Image quality assessment: from error visibility
    to structural similarity", IEEE Transactions on Image Processing 2004,
    https://doi.org/10.1109/TIP.2003.819861
"""

import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

from zoo.metrics import checks

K1, K2 = 0.01, 0.03
SIGMA, RADIUS = 1.5, 5  # of the Gaussian window; 5 = round(3.5 * 1.5)
SIDE = 7  # of the uniform window
WINDOWS = ("gaussian", "uniform")


class SquaredError(NamedTuple):
    """Sums over the values of images, weighted; they add."""

    error: jax.Array  # (x - y)^2
    signal: jax.Array  # y^2
    values: jax.Array  # 1: how many there are


def squared_error(
    images: jax.Array, reference: jax.Array, weight: jax.Array | None = None
) -> SquaredError:
    """The sums from which MSE, SNR and PSNR are computed.

    Args:
        images: x, [B, H, W, C], floats or integers.
        reference: y, [B, H, W, C].
        weight: [B]; 0 leaves an image out, whatever its values are.

    Returns:
        Scalars of float32 or wider. NaN for a value that is not finite and cannot be
        read.

    Raises:
        ValueError: arrays that are no images of one shape; a value that is not
            finite; weights that are not [B], negative or not finite.
    """
    images, reference, weight, spoil = _checked(images, reference, weight)
    values = jnp.asarray(math.prod(images.shape[1:]), weight.dtype)
    return SquaredError(
        error=_total((images - reference) ** 2) @ weight + spoil,
        signal=_total(reference**2) @ weight + spoil,
        values=weight.sum() * values,
    )


def mse(sums: SquaredError) -> jax.Array:
    """The mean squared error.

    Args:
        sums: from `squared_error`.

    Returns:
        A scalar, in the square of the images' unit.

    Raises:
        ValueError: sums of no image (traced: NaN).
    """
    return sums.error / _counted(sums)


def snr(sums: SquaredError) -> jax.Array:
    """The signal-to-noise ratio: the reference's energy to that of the difference.

    Args:
        sums: from `squared_error`.

    Returns:
        A scalar in decibels; infinite where the images are equal.

    Raises:
        ValueError: sums of no image (traced: NaN).
    """
    values = _counted(sums)
    return _decibels(sums.signal / values) - _decibels(sums.error / values)


def psnr(sums: SquaredError, peak: float) -> jax.Array:
    """The peak signal-to-noise ratio.

    Args:
        sums: from `squared_error`.
        peak: L, the range of the values: 255 for bytes, 1 for shares.

    Returns:
        A scalar in decibels; infinite where the images are equal.

    Raises:
        ValueError: a peak that is not positive; sums of no image (traced: NaN).
    """
    return 20 * math.log10(_range(peak)) - _decibels(mse(sums))


def ssim(
    images: jax.Array,
    reference: jax.Array,
    peak: float,
    window: str = "gaussian",
    weight: jax.Array | None = None,
) -> tuple[jax.Array, jax.Array]:
    """The structural similarity, as a pair.

    Args:
        images: x, [B, H, W, C], floats or integers.
        reference: y, [B, H, W, C].
        peak: L, the range of the values: 255 for bytes, 1 for shares.
        window: `gaussian` or `uniform`.
        weight: [B]; 0 leaves an image out, whatever its values are.

    Returns:
        The weighted sum over the images of their mean SSIM, each in [-1, 1], and the
        sum of the weights, scalars of float32 or wider. NaN for a value that is not
        finite and cannot be read. Differentiable everywhere.

    Raises:
        ValueError: arrays that are no images of one shape, or smaller than a window;
            a value that is not finite; weights that are not [B], negative or not
            finite; an unknown window; a peak that is not positive.
    """
    _range(peak)
    if window not in WINDOWS:
        raise ValueError(f"window must be one of {WINDOWS}, got {window!r}")
    images, reference, weight, spoil = _checked(images, reference, weight)
    taps, _ = _window(window)
    if min(images.shape[1:3]) < len(taps):
        raise ValueError(
            f"images must be at least {len(taps)} pixels high and wide for "
            f"window={window!r}, got {images.shape[1:3]}"
        )
    each = _mean_ssim(images, reference, peak, window)
    return each @ weight + spoil, weight.sum()


# Compiled as one: called as they stand, these are a hundred small operations.
@functools.partial(jax.jit, static_argnums=(2, 3))
def _mean_ssim(images, reference, peak, window):  # [B, H, W, C] -> [B]
    taps, correction = _window(window)
    # Variances do not change with the origin, and less is lost where it is near.
    origin = jax.lax.stop_gradient(reference.mean((1, 2), keepdims=True))
    x, y = images - origin, reference - origin
    mx, my, xx, yy, xy = _filter(jnp.stack([x, y, x * x, y * y, x * y]), taps)
    variances = correction * (xx - mx * mx + yy - my * my)
    covariance = correction * (xy - mx * my)
    mx, my = mx + origin, my + origin
    c1, c2 = (K1 * peak) ** 2, (K2 * peak) ** 2
    each = (2 * mx * my + c1) * (2 * covariance + c2)
    each /= (mx * mx + my * my + c1) * (variances + c2)
    return each.mean((1, 2, 3))


def _window(name):
    """The window's weights along one axis, and the correction of variances."""
    if name == "uniform":
        n = SIDE * SIDE
        return [1 / SIDE] * SIDE, n / (n - 1)
    taps = [math.exp(-((r / SIGMA) ** 2) / 2) for r in range(-RADIUS, RADIUS + 1)]
    return [tap / sum(taps) for tap in taps], 1.0


def _filter(x, taps):  # [..., H, W, C] -> [..., H - n + 1, W - n + 1, C]
    for axis in (-3, -2):
        axis += x.ndim
        stop = x.shape[axis] - len(taps) + 1
        moved = (
            jax.lax.slice_in_dim(x, i, i + stop, axis=axis) for i in range(len(taps))
        )
        x = sum(tap * part for tap, part in zip(taps, moved, strict=True))
    return x


def _total(x):  # [B, H, W, C] -> [B]
    return x.sum((1, 2, 3))


def _decibels(x):
    return 10 * jnp.log10(x)


def _counted(sums):
    none = checks.refuse(
        sums.values == 0, lambda: "sums must be of an image at least, got none"
    )
    return jnp.where(none, jnp.nan, sums.values)


def _range(peak):
    if not (math.isfinite(peak) and peak > 0):
        raise ValueError(f"peak must be positive, the values' range, got {peak}")
    return peak


def _checked(images, reference, weight):
    """Images without those of weight 0, weights, and NaN if a value is not finite."""
    images = checks.floats("images", images)
    reference = checks.floats("reference", reference)
    if images.ndim != 4 or images.shape != reference.shape or 0 in images.shape[1:]:
        raise ValueError(
            f"images and reference must be of one shape [B, H, W, C], got "
            f"{list(images.shape)} and {list(reference.shape)}"
        )
    weight = checks.weights(weight, images.shape[:1], images.dtype)
    kept = (weight != 0)[:, None, None, None]
    found = jnp.array(False)
    for name, values in (("images", images), ("reference", reference)):
        bad = ~jnp.isfinite(values) & kept
        found |= checks.refuse(
            bad,
            lambda name=name, values=values, bad=bad: (
                f"{name} must be finite, got {checks.first(values, bad)}"
            ),
        )
    images, reference = (jnp.where(kept, x, 0) for x in (images, reference))
    return images, reference, weight, jnp.where(found, jnp.nan, 0).astype(weight.dtype)
