"""Images moved by a field: shifted, rotated, warped by an optical flow.

    warped(y, x)   = image(y + v, x + u)             flow (u, v) at the pixel (y, x)
    shifted(y, x)  = image(y - dy, x - dx)
    rotated(p)     = image(c + R (p - c)),  R = [cos a, sin a; -sin a, cos a] on (y, x)

Values between pixels are bilinear or, where so told, cubic: Keys's kernel with a =
-1/2, which is right for polynomials of degree 2. Bilinear values of a curved image lie
off by up to an eighth of its second difference. For optical flow that is much: with
them Horn and Schunck's pyramid misses a shift of a photo by 0.08 pixels, else by 0.02.

The centre c is ((H - 1) / 2, (W - 1) / 2), and a positive angle turns the picture
against the clock as it is seen (y points down), as in scikit-image and scipy. The flow
is in the order of the literature, u along x first; points of the sampler are (y, x),
the order of the array's axes.

Beyond the image lies, by the `border`:

    zeros     0 0 | a b c d | 0 0
    edge      a a | a b c d | d d
    reflect   c b | a b c d | c b

Shapes: H height, W width, C channels.

References:
    Keys, "Cubic convolution interpolation for digital image processing", IEEE
    Transactions on Acoustics, Speech, and Signal Processing 29(6), 1981,
    https://doi.org/10.1109/TASSP.1981.1163711
"""

import jax
import jax.numpy as jnp

from zoo.functional.sampling import bilinear_sample

BORDERS = ("zeros", "edge", "reflect")


def warp(
    image: jax.Array, flow: jax.Array, border: str = "edge", method: str = "linear"
) -> jax.Array:
    """The image seen through a flow: the second image of a pair, brought to the first.

    Args:
        image: floats, [H, W, C].
        flow: displacements (u, v) in pixels, u to the right, v down, [H, W, 2].
        border: what lies beyond the image: "zeros", "edge" or "reflect".
        method: of values between pixels, "linear" or "cubic".

    Returns:
        [H, W, C].

    Raises:
        ValueError: an image that is not floats [H, W, C], a flow of another size, a
            border or a method that there is not.
    """
    _check(image, border)
    if flow.shape != (*image.shape[:2], 2):
        raise ValueError(
            f"flow must be {[*image.shape[:2], 2]} for the image, got {flow.shape}"
        )
    if method not in ("linear", "cubic"):
        raise ValueError(f"method must be linear or cubic, got {method!r}")
    sample = _cubic_sample if method == "cubic" else bilinear_sample
    return sample(image, _pixels(image) + flow[..., ::-1], border)


def shift(image: jax.Array, offset: jax.Array, border: str = "zeros") -> jax.Array:
    """The image moved down and to the right.

    Args:
        image: floats, [H, W, C].
        offset: (dy, dx) in pixels, fractions allowed, [2].
        border: what comes in: "zeros", "edge" or "reflect".

    Returns:
        [H, W, C].

    Raises:
        ValueError: an image that is not floats [H, W, C], an offset that is not [2], a
            border that there is not.
    """
    _check(image, border)
    offset = jnp.asarray(offset, image.dtype)
    if offset.shape != (2,):
        raise ValueError(f"offset must be (dy, dx), got shape {offset.shape}")
    return bilinear_sample(image, _pixels(image) - offset[None, None], border)


def rotate(image: jax.Array, degrees: jax.Array, border: str = "zeros") -> jax.Array:
    """The image turned about its centre, in a frame of the same size.

    Args:
        image: floats, [H, W, C].
        degrees: the angle, against the clock.
        border: what comes in at the corners: "zeros", "edge" or "reflect".

    Returns:
        [H, W, C].

    Raises:
        ValueError: an image that is not floats [H, W, C], an angle that is no number,
            a border that there is not.
    """
    _check(image, border)
    degrees = jnp.asarray(degrees, image.dtype)
    if degrees.shape:
        raise ValueError(f"degrees must be one number, got shape {degrees.shape}")
    angle = jnp.deg2rad(degrees)
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    turn = jnp.stack([jnp.stack([cos, sin]), jnp.stack([-sin, cos])])  # on (y, x)
    center = (jnp.array(image.shape[:2], image.dtype) - 1) / 2
    from_center = _pixels(image) - center[None, None]
    points = jnp.einsum("ij,hwj->hwi", turn, from_center, precision="highest")
    return bilinear_sample(image, points + center[None, None], border)


def _cubic_sample(image, coordinates, border):
    """[H, W, C], [..., 2] of (y, x) -> [..., C], from 4x4 pixels each."""
    first = jnp.floor(coordinates)
    t = (coordinates - first)[..., None]
    weight = jnp.concatenate(
        [
            ((2 - t) * t - 1) * t / 2,
            ((3 * t - 5) * t * t + 2) / 2,
            ((4 - 3 * t) * t + 1) * t / 2,
            (t - 1) * t * t / 2,
        ],
        axis=-1,
    )  # [..., 2, 4]
    taps = jnp.arange(-1, 3, dtype=jnp.int32)
    index = first.astype(jnp.int32)[..., None] + taps.reshape((1,) * first.ndim + (4,))
    size = jnp.array(image.shape[:2], jnp.int32)
    size = size.reshape((1,) * (first.ndim - 1) + (2, 1))
    within = (index >= 0) & (index < size)
    if border == "zeros":
        weight = jnp.where(within, weight, 0)
    if border == "reflect":
        index = size - 1 - jnp.abs(index % jnp.maximum(2 * size - 2, 1) - (size - 1))
    index = jnp.clip(index, 0, size - 1)
    values = image[index[..., 0, :, None], index[..., 1, None, :]]  # [..., 4, 4, C]
    y, x = weight[..., 0, :], weight[..., 1, :]
    return jnp.einsum("...i,...j,...ijc->...c", y, x, values, precision="highest")


def _pixels(image):  # (y, x) of each pixel, [H, W, 2]
    axes = (jnp.arange(n, dtype=image.dtype) for n in image.shape[:2])
    return jnp.stack(jnp.meshgrid(*axes, indexing="ij"), axis=-1)


def _check(image, border):
    if image.ndim != 3 or not jnp.issubdtype(image.dtype, jnp.floating):
        raise ValueError(
            f"image must be floats [H, W, C], got {image.dtype} {image.shape}"
        )
    if border not in BORDERS:
        raise ValueError(f"border must be one of {', '.join(BORDERS)}, got {border!r}")
