"""Backward passes by hand: convolution and pooling.

convolution, without padding, stride s
    y[p, q, o] = sum_{i, j, c} x[s p + i, s q + j, c] k[i, j, c, o] + b[o]
    dx = full convolution of dy with the kernel turned by 180 degrees, its input and
         output channels exchanged
    dk = valid convolution of x with dy, as if examples were channels
    db = sum of dy over examples and pixels
    With a stride, s - 1 zeros are first put between the pixels of dy.

pooling over windows of w x w pixels that do not overlap
    mean  y = sum of x / w^2             dx = dy / w^2
    max   y = x[i], i = argmax of x      dx[i] = dy, 0 elsewhere
    Lp    y = (sum |x|^p)^(1/p)          dx = dy sign(x) (|x| / y)^(p - 1)

Shapes: B examples, H height, W width, C channels, O output channels; h, w kernel.
Differs from others: where a window holds its maximum twice, all goes to the first, in
the order of rows, as in PyTorch (`zoo.functional.max_pool` shares). The Lp pool takes
the absolute value, so any p >= 1 is allowed; PyTorch's `lp_pool2d` takes x^p as it is,
the same for even p and for x >= 0. A window of zeros has the subgradient 0. `dx` of
the Lp pool is often written without sign(x): right only for x >= 0.

References:
    LeCun et al., "Backpropagation applied to handwritten zip code recognition",
    Neural Computation 1989, https://doi.org/10.1162/neco.1989.1.4.541
    Bouvrie, "Notes on convolutional neural networks", 2006,
    https://web-archive.southampton.ac.uk/cogprints.org/5869/
    Sermanet, Chintala and LeCun, "Convolutional neural networks applied to house
    numbers digit classification", ICPR 2012, https://arxiv.org/abs/1204.3968 (Lp)
"""

import functools

import jax
import jax.numpy as jnp


@functools.partial(jax.custom_vjp, nondiff_argnums=(3,))
def conv(x: jax.Array, k: jax.Array, b: jax.Array, stride: int = 1) -> jax.Array:
    """Convolution without padding (strictly a correlation: k is not turned).

    Args:
        x: images, [B, H, W, C].
        k: kernel, [h, w, C, O].
        b: bias, [O].
        stride: pixels from one window to the next.

    Returns:
        [B, (H - h) // stride + 1, (W - w) // stride + 1, O].

    Raises:
        ValueError: shapes that do not fit, or a stride that is no positive integer.
    """
    if x.ndim != 4 or k.ndim != 4 or x.shape[3] != k.shape[2]:
        raise ValueError(
            f"x must be [B, H, W, C] for k of [h, w, C, O], got {x.shape} and {k.shape}"
        )
    if x.shape[1] < k.shape[0] or x.shape[2] < k.shape[1]:
        raise ValueError(f"k must fit into x of {x.shape}, got {k.shape}")
    if b.shape != k.shape[3:]:
        raise ValueError(f"b must be {k.shape[3:]} for k of {k.shape}, got {b.shape}")
    if not isinstance(stride, int) or stride < 1:
        raise ValueError(f"stride must be a positive integer, got {stride!r}")
    y = jax.lax.conv_general_dilated(
        x, k, (stride, stride), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    return y + b.reshape(1, 1, 1, -1)


def conv_backward(
    x: jax.Array, k: jax.Array, dy: jax.Array, stride: int = 1
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Backward pass of `conv`: two convolutions.

    Args:
        x: its input, [B, H, W, C].
        k: its kernel, [h, w, C, O].
        dy: dL/dy, [B, H', W', O].
        stride: as in the forward pass.

    Returns:
        dL/dx, dL/dk and dL/db, of the shapes of x, k and b.

    Raises:
        ValueError: shapes that are not those of the forward pass.
    """
    (h, w), (height, width) = k.shape[:2], x.shape[1:3]
    rows, columns = (height - h) // stride + 1, (width - w) // stride + 1
    _match("dy", dy, (len(x), rows, columns, k.shape[3]))
    # Rows and columns that the last window does not reach.
    rest = [(height - h) % stride, (width - w) % stride]
    dx = jax.lax.conv_general_dilated(
        dy,
        k[::-1, ::-1],
        (1, 1),
        [(h - 1, h - 1 + rest[0]), (w - 1, w - 1 + rest[1])],  # full
        lhs_dilation=(stride, stride),
        dimension_numbers=("NHWC", "HWOI", "NHWC"),
    )
    dk = jax.lax.conv_general_dilated(
        x[:, : height - rest[0], : width - rest[1]],
        dy,
        (1, 1),
        "VALID",
        rhs_dilation=(stride, stride),
        dimension_numbers=("CHWN", "IHWO", "HWNC"),
    )
    return dx, dk, dy.sum((0, 1, 2))


conv.defvjp(
    lambda x, k, b, stride: (conv(x, k, b, stride), (x, k)),
    lambda stride, saved, dy: conv_backward(*saved, dy, stride),
)


def mean_pool(x: jax.Array, window: int = 2) -> jax.Array:
    """Mean over windows that do not overlap; a rest at the border is left out.

    Args:
        x: images, [B, H, W, C].
        window: height and width of a window.

    Returns:
        [B, H // window, W // window, C].

    Raises:
        ValueError: no images, or a window that is not an integer from 1 to their size.
    """
    return _mean_pool(_whole(x, window), window)


def mean_pool_backward(dy: jax.Array, window: int = 2) -> jax.Array:
    """Backward pass of `mean_pool`: each pixel gets an equal share.

    Args:
        dy: dL/dy, [B, H', W', C].
        window: as in the forward pass.

    Returns:
        dL/dx, [B, H' window, W' window, C]; the rest at the border has gradient 0.
    """
    share = dy[:, :, :, None] / window**2  # -> [B, H', W', 1, C]
    shape = (*dy.shape[:3], window**2, dy.shape[3])
    return _image(jnp.broadcast_to(share, shape), window)


@functools.partial(jax.custom_vjp, nondiff_argnums=(1,))
def _mean_pool(x, window):
    return _windows(x, window).mean(3)


_mean_pool.defvjp(
    lambda x, window: (_mean_pool(x, window), None),
    lambda window, _, dy: (mean_pool_backward(dy, window),),
)


def max_pool(x: jax.Array, window: int = 2) -> jax.Array:
    """Maximum over windows that do not overlap; a rest at the border is left out.

    Args:
        x: images, [B, H, W, C].
        window: height and width of a window.

    Returns:
        [B, H // window, W // window, C].

    Raises:
        ValueError: no images, or a window that is not an integer from 1 to their size.
    """
    return _max_pool(_whole(x, window), window)


def max_pool_backward(x: jax.Array, dy: jax.Array, window: int = 2) -> jax.Array:
    """Backward pass of `max_pool`: all goes to the pixel that was the maximum.

    Args:
        x: its input without a rest at the border, [B, H, W, C].
        dy: dL/dy, [B, H / window, W / window, C].
        window: as in the forward pass.

    Returns:
        dL/dx, [B, H, W, C].

    Raises:
        ValueError: shapes that are not those of the forward pass.
    """
    _match("x", x, _size(dy, window))
    first = _windows(x, window).argmax(3)  # [B, H', W', C]
    chosen = jax.nn.one_hot(first, window**2, axis=3, dtype=dy.dtype)
    return _image(chosen * dy[:, :, :, None], window)


@functools.partial(jax.custom_vjp, nondiff_argnums=(1,))
def _max_pool(x, window):
    return _windows(x, window).max(3)


_max_pool.defvjp(
    lambda x, window: (_max_pool(x, window), x),
    lambda window, x, dy: (max_pool_backward(x, dy, window),),
)


def lp_pool(x: jax.Array, window: int = 2, p: float = 2.0) -> jax.Array:
    """The p-norm of windows that do not overlap; a rest at the border is left out.

    p = 1 is the sum of the absolute values; the limit of large p is their maximum.

    Args:
        x: images, [B, H, W, C].
        window: height and width of a window.
        p: the power, at least 1 and finite.

    Returns:
        [B, H // window, W // window, C].

    Raises:
        ValueError: no images, a window that is not an integer from 1 to their size, or
            a power out of range.
    """
    if not 1 <= p < float("inf"):
        raise ValueError(f"p must be at least 1 and finite, got {p}")
    return _lp_pool(_whole(x, window), window, p)


def lp_pool_backward(
    x: jax.Array, y: jax.Array, dy: jax.Array, window: int = 2, p: float = 2.0
) -> jax.Array:
    """Backward pass of `lp_pool`.

    Args:
        x: its input without a rest at the border, [B, H, W, C].
        y: its output, [B, H / window, W / window, C].
        dy: dL/dy, of the shape of y.
        window, p: as in the forward pass.

    Returns:
        dL/dx, [B, H, W, C].

    Raises:
        ValueError: shapes that are not those of the forward pass.
    """
    _match("x", x, _size(dy, window))
    _match("y", y, dy.shape)
    x, y, dy = _windows(x, window), y[:, :, :, None], dy[:, :, :, None]
    share = jnp.abs(x) / jnp.where(y == 0, 1, y)
    return _image(dy * jnp.sign(x) * share ** (p - 1), window)


@functools.partial(jax.custom_vjp, nondiff_argnums=(1, 2))
def _lp_pool(x, window, p):
    x = jnp.abs(_windows(x, window))
    top = x.max(3, keepdims=True)  # powers of at most 1 do not overflow
    top = jnp.where(top == 0, 1, top)
    return top[:, :, :, 0] * ((x / top) ** p).sum(3) ** (1 / p)


def _lp_pool_forward(x, window, p):
    y = _lp_pool(x, window, p)
    return y, (x, y)


_lp_pool.defvjp(
    _lp_pool_forward,
    lambda window, p, saved, dy: (lp_pool_backward(*saved, dy, window, p),),
)


def _match(name, array, shape):
    if array.shape != shape:
        raise ValueError(f"{name} must be {shape}, got {array.shape}")


def _size(dy, window):  # of the images whose windows gave dy
    b, h, w, c = dy.shape
    return b, h * window, w * window, c


def _whole(x, window):
    """The part of the images that the windows cover."""
    if x.ndim != 4:
        raise ValueError(f"x must be images [B, H, W, C], got {x.shape}")
    size = min(x.shape[1:3])
    if not isinstance(window, int) or not 1 <= window <= size:
        raise ValueError(
            f"window must be an integer from 1 to the images' {size} pixels, "
            f"got {window!r}"
        )
    rows, columns = (n - n % window for n in x.shape[1:3])
    return x[:, :rows, :columns]


def _windows(x, window):  # [B, H, W, C] -> [B, H/w, W/w, w w, C]
    b, h, w, c = x.shape
    x = x.reshape(b, h // window, window, w // window, window, c)
    x = x.transpose(0, 1, 3, 2, 4, 5)
    return x.reshape(b, h // window, w // window, window**2, c)


def _image(windows, window):  # [B, H/w, W/w, w w, C] -> [B, H, W, C]
    b, h, w, _, c = windows.shape
    x = windows.reshape(b, h, w, window, window, c).transpose(0, 1, 3, 2, 4, 5)
    return x.reshape(b, h * window, w * window, c)
