"""Pooling over windows of an image.

    max   y = max over the window of x          dy/dx_i = 1 at the maximum, else 0
    mean  y = mean over the window of x         dy/dx_i = 1 / n
    Lp    y = (sum over the window |x|^p)^(1/p)
                                       dy/dx_i = sign(x_i) (|x_i| / y)^(p - 1)

Lp is a sum: p = 1 is the sum of |x|, p = infinity their maximum, and the mean of the
p-th powers is y / n^(1/p). Its gradient is taken as 0 where x_i is 0, also in a window
of zeros. For negative x and odd p PyTorch differs: its `lp_pool2d` sums x^p, not
|x|^p, and takes 0 for a negative sum; its gradient in a window of zeros is NaN.

Windows may overlap (`stride`), reach beyond the border (`padding`), and count although
the image ends in them (`ceil`). Adaptive pooling asks for h x w outputs of any image:
the i-th of h windows reaches from floor(i H / h) to ceil((i + 1) H / h), as in PyTorch;
the global one for one output.

Where windows tile the image they are axes of a reshaped array. On a CPU the gradient
of that is four times faster than that of `reduce_window` (measured: 1.6 ms against
6.8 ms for a batch of 32 images of 32x32x32), and the maximum is faster still when it
is taken of one slice and the next (a step of LeNet-5: 6.9 ms against 8.6 ms). Other
maxima are there taken of the h w shifted images, and the place of the first is kept for
the gradient: 5 ms against 40 ms for 3x3 windows at every second pixel of the same
images. That gradient has no forward mode (`jax.jvp`).

The forms differ where a window holds its maximum twice: the gradient of the tiled
maximum is shared, half and half for each pair compared, that of the global and the
adaptive one equally; that of other windows goes to the first, as in PyTorch. All are
subgradients.

Shapes: B examples, H height, W width, C channels; n pixels of a window.

References:
    Krizhevsky, Sutskever and Hinton, "ImageNet classification with deep convolutional
    neural networks", NIPS 2012 (overlapping windows, section 3.4)
    Boureau, Ponce and LeCun, "A theoretical analysis of feature pooling in visual
    recognition", ICML 2010, https://icml.cc/Conferences/2010/papers/638.pdf (between
    mean and maximum)
    Lin, Chen and Yan, "Network in network", ICLR 2014,
    https://arxiv.org/abs/1312.4400 (global mean)
"""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from zoo.functional.convolution_forms import windows
from zoo.functional.distances import lp_norm

Pair = int | tuple[int, int]


def max_pool(
    x: jax.Array,
    window: Pair = 2,
    stride: Pair | None = None,
    padding: Pair = 0,
    ceil: bool = False,
) -> jax.Array:
    """Maximum over windows; a rest at the border is left out, unless `ceil`.

    AlexNet's is `max_pool(x, 3, 2)`, that of ResNet's stem `max_pool(x, 3, 2, 1)`,
    that of GoogLeNet and SqueezeNet `max_pool(x, 3, 2, ceil=True)`.

    Args:
        x: [B, H, W, C].
        window: height and width of a window, or one number for both.
        stride: from one window to the next; by default the window, so that they do
            not overlap.
        padding: pixels added on each side, less than or equal to half a window; none
            of them is a maximum.
        ceil: also the windows in which the image ends, if they begin in it.

    Returns:
        [B, H', W', C], H' = floor((H + 2 padding - window) / stride) + 1, or ceil.

    Raises:
        ValueError: no images; a window or stride that is not an integer from 1, or
            larger than the images; padding of more than half a window.
    """
    if (tiles := _tiles(x, window, stride, padding, ceil)) is not None:
        h, w = tiles.shape[2], tiles.shape[4]
        x = functools.reduce(_larger, (tiles[:, :, i] for i in range(h)))
        return functools.reduce(_larger, (x[:, :, :, j] for j in range(w)))
    window, stride, pads = _layout(x, window, stride, padding, ceil)
    if jax.default_backend() != "cpu":
        return nn.max_pool(x, window, stride, pads)
    x = jnp.pad(x, ((0, 0), *pads, (0, 0)), constant_values=-jnp.inf)
    return _first_maximum(x, window, stride, x.shape[1:3])


@jax.custom_jvp
def _larger(a, b):
    """The maximum; the shares of both in its gradient are 1 together, whatever happens.

    That of `jnp.maximum` asks whether the result equals a, and whether it equals b. A
    compiler may compute these once more, elsewhere and rounded otherwise; then neither
    does, and the gradient is lost (seen in VGG, XLA on a CPU without optimisation).
    """
    return jnp.maximum(a, b)


@_larger.defjvp
def _larger_jvp(primals, tangents):
    (a, b), (da, db) = primals, tangents
    share = jnp.where(a > b, 1, jnp.where(a == b, 0.5, 0)).astype(a.dtype)
    return _larger(a, b), share * da + (1 - share) * db


@functools.partial(jax.custom_vjp, nondiff_argnums=(1, 2, 3))
def _first_maximum(x, window, stride, size):
    """Maximum of windows; the gradient goes to the first that has it."""
    return functools.reduce(jnp.maximum, windows(x, window, stride, (1, 1)))


def _first_maximum_forward(x, window, stride, size):
    y, *rest = windows(x, window, stride, (1, 1))
    first = jnp.zeros(y.shape, jnp.int32)
    for i, z in enumerate(rest, 1):
        first = jnp.where(z > y, i, first)
        y = jnp.maximum(y, z)
    return y, first


def _first_maximum_backward(window, stride, size, first, g):
    zero, gx = jnp.zeros((), g.dtype), 0
    for i in range(window[0] * window[1]):
        pads = [
            (at, n - at - s * (m - 1) - 1, s - 1)
            for at, n, s, m in zip(
                divmod(i, window[1]), size, stride, g.shape[1:3], strict=True
            )
        ]
        part = jnp.where(first == i, g, zero)
        gx += jax.lax.pad(part, zero, [(0, 0, 0), *pads, (0, 0, 0)])
    return (gx,)


_first_maximum.defvjp(_first_maximum_forward, _first_maximum_backward)


def mean_pool(
    x: jax.Array,
    window: Pair = 2,
    stride: Pair | None = None,
    padding: Pair = 0,
    ceil: bool = False,
    count_padding: bool = True,
) -> jax.Array:
    """Mean over windows; a rest at the border is left out, unless `ceil`.

    Args:
        x: [B, H, W, C].
        window: height and width of a window, or one number for both.
        stride: from one window to the next; by default the window, so that they do
            not overlap.
        padding: pixels of 0 added on each side, at most half a window.
        ceil: also the windows in which the image ends, if they begin in it. What they
            reach beyond image and padding never counts.
        count_padding: the padding counts in n, as in PyTorch; else n is the number of
            the image's own pixels.

    Returns:
        [B, H', W', C], as `max_pool`.

    Raises:
        ValueError: as `max_pool`.
    """
    if (tiles := _tiles(x, window, stride, padding, ceil)) is not None:
        return tiles.mean((2, 4))
    window, stride, pads = _layout(x, window, stride, padding, ceil)
    total = nn.pool(x, 0.0, jax.lax.add, window, stride, pads)
    counts = [
        _count(*each, count_padding)
        for each in zip(x.shape[1:3], window, stride, pads, _two(padding), strict=True)
    ]
    count = np.multiply.outer(*counts)[None, :, :, None]  # [1, H', W', 1]
    return total / jnp.asarray(count, x.dtype)


def lp_pool(
    x: jax.Array,
    window: Pair = 2,
    p: float = 2.0,
    stride: Pair | None = None,
    padding: Pair = 0,
    ceil: bool = False,
) -> jax.Array:
    """(sum over windows of |x|^p)^(1/p); a rest at the border is left out.

    Args:
        x: [B, H, W, C].
        window: height and width of a window, or one number for both.
        p: order, > 0; infinity is the maximum of |x|.
        stride: from one window to the next; by default the window.
        padding: pixels of 0 added on each side, at most half a window.
        ceil: also the windows in which the image ends, if they begin in it.

    Returns:
        [B, H', W', C], as `max_pool`.

    Raises:
        ValueError: as `max_pool`, or p not > 0.
    """
    if (tiles := _tiles(x, window, stride, padding, ceil)) is not None:
        return lp_norm(tiles, p, (2, 4))
    window, stride, pads = _layout(x, window, stride, padding, ceil)
    x = jnp.pad(x, ((0, 0), *pads, (0, 0)))
    return lp_norm(jnp.stack(windows(x, window, stride, (1, 1))), p, 0)


def global_mean_pool(x: jax.Array) -> jax.Array:
    """Mean over each channel; dy/dx_i = 1 / (H W).

    Args:
        x: [B, H, W, C].

    Returns:
        [B, C].

    Raises:
        ValueError: no images.
    """
    _check_images(x)
    return x.mean((1, 2))


def global_max_pool(x: jax.Array) -> jax.Array:
    """Maximum of each channel; equal maxima share the gradient.

    Args:
        x: [B, H, W, C].

    Returns:
        [B, C].

    Raises:
        ValueError: no images.
    """
    _check_images(x)
    return x.max((1, 2))


def adaptive_mean_pool(x: jax.Array, size: Pair) -> jax.Array:
    """Mean over h x w windows that cover the image, whatever its size.

    Args:
        x: [B, H, W, C].
        size: h and w, or one number for both; windows repeat pixels where it is
            larger than the image.

    Returns:
        [B, h, w, C].

    Raises:
        ValueError: no images, or a size that is not an integer from 1.
    """
    return _adaptive(x, size, jnp.mean)


def adaptive_max_pool(x: jax.Array, size: Pair) -> jax.Array:
    """Maximum over h x w windows that cover the image, whatever its size.

    Args:
        x: [B, H, W, C].
        size: h and w, or one number for both.

    Returns:
        [B, h, w, C].

    Raises:
        ValueError: no images, or a size that is not an integer from 1.
    """
    return _adaptive(x, size, jnp.max)


def _adaptive(x, size, reduce):
    _check_images(x)
    size = _two(size)
    if not all(isinstance(s, int) and s >= 1 for s in size):
        raise ValueError(f"size must be an integer from 1, or two, got {size}")
    for axis, count in zip((1, 2), size, strict=True):
        length = x.shape[axis]
        # Windows of all rows first, then of all columns: a rectangle's mean or maximum
        # is that of its rows' means or maxima.
        bounds = [
            (i * length // count, -(-(i + 1) * length // count)) for i in range(count)
        ]
        part = lambda lo, hi, x=x, axis=axis: jax.lax.slice_in_dim(x, lo, hi, axis=axis)
        x = jnp.stack([reduce(part(*b), axis=axis) for b in bounds], axis)
    return x


def _check_images(x):
    if x.ndim != 4:
        raise ValueError(f"images must be [B, H, W, C], got {x.shape}")


def _two(x):
    return tuple(x) if isinstance(x, tuple | list) else (x, x)


def _tiles(x, window, stride, padding, ceil):
    """[B, H/h, h, W/w, w, C] where windows tile the image, else None."""
    window, stride, pads = _layout(x, window, stride, padding, ceil)
    b, height, width, c = x.shape
    (h, w) = window
    if stride != window or pads != ((0, 0), (0, 0)) or height % h or width % w:
        return None
    return x.reshape(b, height // h, h, width // w, w, c)


def _layout(x, window, stride, padding, ceil):
    """Pairs for window and stride; padding before and after, that of `ceil` too."""
    _check_images(x)
    sizes, given = x.shape[1:3], window
    window, padding = _two(window), _two(padding)
    stride = window if stride is None else _two(stride)
    whole = lambda values, least: (
        len(values) == 2 and all(isinstance(v, int) and v >= least for v in values)
    )
    if not whole(window, 1) or any(
        w > s + 2 * p
        for w, s, p in zip(window, sizes, _two(padding), strict=True)
        if isinstance(p, int)
    ):
        raise ValueError(
            f"window must be an integer from 1 to the images' {min(sizes)} pixels and "
            f"their padding, or two of them, got {given!r}"
        )
    if not whole(stride, 1):
        raise ValueError(f"stride must be an integer from 1, or two, got {stride}")
    if not whole(padding, 0) or any(
        2 * p > w for p, w in zip(padding, window, strict=True)
    ):
        raise ValueError(
            f"padding must be an integer from 0 to half of the window {window}, or "
            f"two, got {padding}"
        )
    pads = []
    for size, w, s, p in zip(sizes, window, stride, padding, strict=True):
        more = -(size + 2 * p - w) % s if ceil else 0
        count = (size + 2 * p + more - w) // s + 1
        if more and (count - 1) * s >= size + p:  # it would begin beyond the image
            more = 0
        pads.append((p, p + more))
    return window, stride, tuple(pads)


def _count(size, window, stride, pads, padding, count_padding):
    """How many pixels each window along an axis has."""
    starts = np.arange(0, size + sum(pads) - window + 1, stride) - pads[0]
    low, high = (-padding, size + padding) if count_padding else (0, size)
    return np.minimum(starts + window, high) - np.maximum(starts, low)
