"""Resizing images: a small matrix for the rows, another for the columns.

    y = R x C^T,  R [H', H] and C [W', W] sparse, each row summing to 1

Output i of m looks at the input's coordinate u(i), of n pixels, and takes the pixels
around it with weights k(u - j). What would lie outside is the pixel at the border.

    half_pixel   u = (i + 1/2) n / m - 1/2     both images cover the same rectangle
    aligned      u = i (n - 1) / (m - 1)       first on first, last on last pixel
    asymmetric   u = i n / m                   first on first

    nearest        pixel floor(u + 1/2), computed in integers
    nearest_floor  pixel floor(u)
    bilinear       k(t) = max(0, 1 - |t|)
    bicubic        k(t) = (a + 2) |t|^3 - (a + 3) |t|^2 + 1          for |t| <= 1
                          a |t|^3 - 5 a |t|^2 + 8 a |t| - 4 a        for |t| < 2

Who does which: half_pixel is the default of PyTorch (`align_corners=False`), OpenCV
and scikit-image. Their nearest differ: PyTorch's `nearest` and OpenCV's INTER_NEAREST
are nearest_floor, asymmetric; PyTorch's `nearest-exact`, OpenCV's INTER_NEAREST_EXACT,
scikit-image's order 0 and `jax.image.resize` are nearest, half_pixel. Where u (there u
+ 1/2) is an integer they follow the rounding of their own coordinate, here it is exact.
nearest, asymmetric is the rule floor(i n / m + 1/2); enlarging, it may reach pixel n,
and the last is taken.

Bicubic's a is -0.75 in PyTorch and OpenCV, -0.5 (for which the rule is of third order)
in `jax.image.resize` and Pillow, which also leave out what lies outside instead of
repeating the border.

Nothing is smoothed before shrinking, as in PyTorch and OpenCV: half_pixel bilinear
enlarges as `jax.image.resize` does and shrinks as it does with `antialias=False`.
To shrink photos take `jax.image.resize`, whose `antialias=True` is the default.

A loop over pixels that takes floor(u) and ceil(u) as the two neighbours gives both of
them weight 0 where u is an integer, and an index of -1 wraps round: here the second
neighbour is floor(u) + 1, and indices are clamped.

Enlarging by a whole factor f can be learned from here: it is a transposed convolution
of stride f, with SAME padding and the kernel of `bilinear_kernel`. This is half_pixel
bilinear with zeros outside: up to floor(f / 2) pixels from the border it is darker,
elsewhere it is equal.

Shapes: B examples, H height, W width, C channels; H', W' of the output.

References:
    Keys, "Cubic convolution interpolation for digital image processing", IEEE TASSP
    1981, https://doi.org/10.1109/TASSP.1981.1163711 (equation 15 is a = -1/2)
    Long, Shelhamer and Darrell, "Fully convolutional networks for semantic
    segmentation", CVPR 2015, https://arxiv.org/abs/1411.4038 (section 3.3)
"""

import jax
import jax.numpy as jnp
import numpy as np

METHODS = ("nearest", "nearest_floor", "bilinear", "bicubic")
COORDINATES = ("half_pixel", "aligned", "asymmetric")


def resize(
    x: jax.Array,
    size: tuple[int, int],
    method: str = "bilinear",
    coordinates: str = "half_pixel",
    a: float = -0.75,
) -> jax.Array:
    """Images of another height and width, without smoothing.

    Args:
        x: images, [..., H, W, C]; any type for nearest, floats for the others.
        size: (H', W').
        method: "nearest", "nearest_floor", "bilinear" or "bicubic".
        coordinates: "half_pixel", "aligned" or "asymmetric".
        a: slope of the bicubic kernel at 1.

    Returns:
        [..., H', W', C], of the type of x.

    Raises:
        ValueError: another word; a size below 1; no images, or integers where values
            are mixed.
    """
    if x.ndim < 3:
        raise ValueError(f"images must be [..., H, W, C], got {x.shape}")
    if method.startswith("nearest"):
        rows, columns = (
            _nearest(n, m, method, coordinates)
            for n, m in zip(x.shape[-3:-1], size, strict=True)
        )
        return jnp.take(jnp.take(x, rows, axis=-3), columns, axis=-2)
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise ValueError(f"images must be floats for {method}, got {x.dtype}")
    rows, columns = (
        jnp.asarray(interpolation_matrix(n, m, method, coordinates, a), x.dtype)
        for n, m in zip(x.shape[-3:-1], size, strict=True)
    )
    exact = jax.lax.Precision.HIGHEST
    x = jnp.einsum("ph,...hwc->...pwc", rows, x, precision=exact)
    return jnp.einsum("qw,...pwc->...pqc", columns, x, precision=exact)


def interpolation_matrix(
    inputs: int,
    outputs: int,
    method: str = "bilinear",
    coordinates: str = "half_pixel",
    a: float = -0.75,
) -> np.ndarray:
    """The matrix that resizes one axis.

    Args:
        inputs: pixels along the axis, n.
        outputs: pixels of the result, m.
        method, coordinates, a: as for `resize`.

    Returns:
        float64, [m, n]; each row sums to 1.

    Raises:
        ValueError: another word; a number below 1.
    """
    if method.startswith("nearest"):
        return np.eye(inputs)[_nearest(inputs, outputs, method, coordinates)]
    _check(inputs, outputs, method, coordinates)
    over, under = _coordinate(inputs, outputs, coordinates)
    whole, rest = over // under, over % under / under  # exact for whole coordinates
    taps = np.arange(0, 2) if method == "bilinear" else np.arange(-1, 3)
    weights = _weights(rest[:, None] - taps, method, a)  # [m, taps]
    matrix = np.zeros((outputs, inputs))
    at = np.clip(whole[:, None] + taps, 0, inputs - 1)
    np.add.at(matrix, (np.arange(outputs)[:, None], at), weights)
    return matrix


def bilinear_kernel(factor: int) -> np.ndarray:
    """The kernel with which a transposed convolution of stride f enlarges.

        k = w w^T,  w_i = 1 - |i - (len - 1) / 2| / f,  len = 2 f - f mod 2

    Args:
        factor: f, at least 1.

    Returns:
        float64, [2 f - f mod 2] squared; for f = 2 w is (1, 3, 3, 1) / 4.

    Raises:
        ValueError: a factor that is not an integer of 1 or more.
    """
    if not isinstance(factor, int) or factor < 1:
        raise ValueError(f"factor must be an integer of 1 or more, got {factor!r}")
    length = 2 * factor - factor % 2
    w = 1 - abs(np.arange(length) - (length - 1) / 2) / factor
    return np.outer(w, w)


def bilinear_deconvolution(x: jax.Array, factor: int = 2) -> jax.Array:
    """Images enlarged by a transposed convolution with the bilinear kernel.

    Args:
        x: images, floats, [B, H, W, C]; channels do not mix.
        factor: f, at least 1.

    Returns:
        [B, f H, f W, C].

    Raises:
        ValueError: images that are not [B, H, W, C]; a factor below 1.
    """
    if x.ndim != 4:
        raise ValueError(f"images must be [B, H, W, C], got {x.shape}")
    kernel = jnp.asarray(bilinear_kernel(factor), x.dtype)[:, :, None, None]
    b, h, w, c = x.shape
    x = x.transpose(0, 3, 1, 2).reshape(b * c, h, w, 1)  # each channel an image
    y = jax.lax.conv_transpose(
        x, kernel, (factor, factor), "SAME", precision=jax.lax.Precision.HIGHEST
    )
    return y.reshape(b, c, factor * h, factor * w).transpose(0, 2, 3, 1)


def _check(inputs, outputs, method, coordinates):
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
    if coordinates not in COORDINATES:
        raise ValueError(
            f"coordinates must be one of {', '.join(COORDINATES)}, got {coordinates!r}"
        )
    for name, n in (("inputs", inputs), ("outputs", outputs)):
        if not isinstance(n, int | np.integer) or n < 1:
            raise ValueError(f"{name} must be an integer of 1 or more, got {n!r}")


def _coordinate(n: int, m: int, coordinates: str) -> tuple[np.ndarray, int]:
    """u of each output as a fraction of integers: numerators [m], a denominator."""
    i = np.arange(m)
    if coordinates == "half_pixel":
        return (2 * i + 1) * n - m, 2 * m
    if coordinates == "aligned":
        return i * (n - 1), max(m - 1, 1)  # a single output is the first pixel
    return i * n, m


def _nearest(n: int, m: int, method: str, coordinates: str) -> np.ndarray:
    _check(n, m, method, coordinates)
    over, under = _coordinate(n, m, coordinates)
    if method == "nearest":
        over, under = 2 * over + under, 2 * under
    return np.clip(over // under, 0, n - 1)


def _weights(t: np.ndarray, method: str, a: float) -> np.ndarray:
    t = abs(t)
    if method == "bilinear":
        return np.maximum(0, 1 - t)
    near = ((a + 2) * t - (a + 3)) * t**2 + 1
    far = ((a * t - 5 * a) * t + 8 * a) * t - 4 * a
    return np.where(t <= 1, near, far)
