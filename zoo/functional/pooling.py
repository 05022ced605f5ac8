"""Pooling over windows of an image.

    max   y = max over the window of x
    mean  y = mean over the window of x

Where windows tile the image they are axes of a reshaped array. On a CPU the gradient
of that is four times faster than that of `reduce_window` (measured: 1.6 ms against
6.8 ms for a batch of 32 images of 32x32x32), and the maximum is faster still when it
is taken of one slice and the next (a step of LeNet-5: 6.9 ms against 8.6 ms).

The two forms differ where a window holds its maximum twice: the gradient of the tiled
maximum is shared, half and half for each pair compared, that of `reduce_window` goes
to the first, as in PyTorch. Both are subgradients.

Shapes: B examples, H height, W width, C channels.
"""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp


def max_pool(x: jax.Array, window: int = 2) -> jax.Array:
    """Maximum over windows that do not overlap; a rest at the border is left out.

    Args:
        x: [B, H, W, C].
        window: height and width of a window.

    Returns:
        [B, H // window, W // window, C].

    Raises:
        ValueError: no images, or a window that is not an integer from 1 to their size.
    """
    if _tiled(x, window):
        x = _windows(x, window)
        x = functools.reduce(jnp.maximum, (x[:, :, i] for i in range(window)))
        return functools.reduce(jnp.maximum, (x[:, :, :, j] for j in range(window)))
    return nn.max_pool(x, (window, window), (window, window))


def mean_pool(x: jax.Array, window: int = 2) -> jax.Array:
    """Mean over windows that do not overlap; a rest at the border is left out.

    Args:
        x: [B, H, W, C].
        window: height and width of a window.

    Returns:
        [B, H // window, W // window, C].

    Raises:
        ValueError: no images, or a window that is not an integer from 1 to their size.
    """
    if _tiled(x, window):
        return _windows(x, window).mean((2, 4))
    return nn.avg_pool(x, (window, window), (window, window))


def _tiled(x, window):
    if x.ndim != 4:
        raise ValueError(f"images must be [B, H, W, C], got {x.shape}")
    if not isinstance(window, int) or not 1 <= window <= min(x.shape[1:3]):
        raise ValueError(
            f"window must be an integer from 1 to the images' {min(x.shape[1:3])} "
            f"pixels, got {window!r}"
        )
    return x.shape[1] % window == 0 and x.shape[2] % window == 0


def _windows(x, window):  # [B, H, W, C] -> [B, H/w, w, W/w, w, C]
    b, h, w, c = x.shape
    return x.reshape(b, h // window, window, w // window, window, c)
