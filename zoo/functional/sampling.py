"""Bilinear sampling: an image's values between its pixels.

    y(u, v) = sum over pixels (i, j) of  x[i, j] max(0, 1 - |u - i|) max(0, 1 - |v - j|)

At most four pixels have a weight. A pixel's weight is its nearness, not its distance:
at v = 3.5 between x[3] = 4 and x[4] = 8 it is 6, at v = 3.25 it is 5. A Spatial
Transformer, deformable convolution, RoIAlign and warping by flow all stand on this one
function, with other coordinates.

Coordinates are in pixels, (row, column), and pixel (0, 0) has its centre at (0, 0).
What lies outside of the image:

    zeros      pixels of zero; beyond one pixel from the border all is zero
    edge       the pixel at the border; the coordinate is clamped
    reflect    mirrored at the centres of the pixels at the border: c b | a b c | b a
    symmetric  mirrored at the outer edges of these pixels:         b a | a b c | c b

Normalised coordinates are (x, y), thus (column, row), in [-1, 1]. With
`align_corners` -1 and 1 are the centres of the first and the last pixel, without it
the outer edges of these pixels:

    aligned   p = (g + 1) (n - 1) / 2          else   p = ((g + 1) n - 1) / 2

PyTorch's `reflection` is `reflect` with aligned corners and `symmetric` without.

Gradients: to the image the weights; to a coordinate the difference of the two
neighbours, which at a pixel's centre is the one towards larger coordinates. Where a
coordinate is clamped, and on the border itself, it is 0, as in PyTorch.

Shapes: H height, W width, C channels; ... any axes of points.

References:
    Jaderberg et al., "Spatial transformer networks", NeurIPS 2015,
    https://arxiv.org/abs/1506.02025 (equations 1 and 5 to 7)
"""

import jax
import jax.numpy as jnp

BORDERS = ("zeros", "edge", "reflect", "symmetric")


def bilinear_sample(
    image: jax.Array, coordinates: jax.Array, border: str = "zeros"
) -> jax.Array:
    """Values of an image at any points; `jax.vmap` it over a batch.

    Args:
        image: floats, [H, W, C].
        coordinates: (row, column) in pixels, finite floats, [..., 2].
        border: "zeros", "edge", "reflect" or "symmetric".

    Returns:
        [..., C], of the image's type. A coordinate of infinity is as far outside as
        any where the border is zeros or edge, NaN where it is mirrored; a NaN is NaN.

    Raises:
        ValueError: shapes, types or a border other than these.
    """
    if image.ndim != 3 or 0 in image.shape[:2]:
        raise ValueError(f"image must be [H, W, C] with pixels, got {image.shape}")
    if coordinates.ndim < 1 or coordinates.shape[-1] != 2:
        raise ValueError(f"coordinates must be [..., 2], got {coordinates.shape}")
    for name, array in (("image", image), ("coordinates", coordinates)):
        if not jnp.issubdtype(array.dtype, jnp.floating):
            raise ValueError(f"{name} must be floats, got {array.dtype}")
    if border not in BORDERS:
        raise ValueError(f"border must be one of {', '.join(BORDERS)}, got {border!r}")
    if border == "zeros":  # a ring of them, which beyond goes on as an edge does
        image = jnp.pad(image, ((1, 1), (1, 1), (0, 0)))
        coordinates = coordinates + 1
    corners = []  # for rows, then columns: the two neighbours and their weights
    for axis in (0, 1):
        size = image.shape[axis]
        p = _inside(coordinates[..., axis], size, border)
        low = jnp.clip(jnp.floor(p).astype(jnp.int32), 0, size - 1)
        high = jnp.minimum(low + 1, size - 1)
        far = (p - low.astype(p.dtype)).astype(image.dtype)[..., None]
        corners.append(((low, 1 - far), (high, far)))
    return sum(
        w * v * image.at[i, j].get(mode="promise_in_bounds")
        for i, w in corners[0]
        for j, v in corners[1]
    )


def _inside(p: jax.Array, size: int, border: str) -> jax.Array:
    """Coordinates along an axis, moved to where they are found in 0..size - 1."""
    last = size - 1
    if border == "reflect" and last:  # a triangle wave of period 2 last
        p = last - abs(jnp.mod(p, 2 * last) - last)
    elif border == "symmetric":
        p = size - abs(jnp.mod(p + 0.5, 2 * size) - size) - 0.5
    # Not jnp.clip alone: on the border its gradient is one half.
    clamped = jax.lax.stop_gradient(jnp.clip(p, 0, last))
    return jnp.where((p > 0) & (p < last), p, clamped)


def grid_to_pixels(
    grid: jax.Array, size: tuple[int, int], align_corners: bool = False
) -> jax.Array:
    """Normalised points as coordinates for `bilinear_sample`.

    Args:
        grid: (x, y), -1 to 1 within the image, floats, [..., 2].
        size: (H, W) of the image that is sampled.
        align_corners: whether -1 and 1 are centres of pixels, or outer edges.

    Returns:
        (row, column) in pixels, [..., 2]: the order is turned round.

    Raises:
        ValueError: a grid that is not [..., 2].
    """
    if grid.ndim < 1 or grid.shape[-1] != 2:
        raise ValueError(f"grid must be [..., 2], got {grid.shape}")
    x, y = grid[..., 0], grid[..., 1]
    axes = [
        (g + 1) * ((n - 1) / 2) if align_corners else ((g + 1) * n - 1) / 2
        for g, n in zip((y, x), size, strict=True)
    ]
    return jnp.stack(axes, axis=-1)


def affine_grid(
    theta: jax.Array, size: tuple[int, int], align_corners: bool = False
) -> jax.Array:
    """Where each pixel of the output looks in the input, under an affine map.

        (x, y)_input = theta (x, y, 1)_output

    Args:
        theta: [2, 3]; the identity is [[1, 0, 0], [0, 1, 0]].
        size: (H, W) of the output.
        align_corners: whether -1 and 1 are centres of pixels, or outer edges.

    Returns:
        Normalised points (x, y), [H, W, 2], for `grid_to_pixels`.

    Raises:
        ValueError: theta that is not [2, 3]; a size below 1.
    """
    if theta.shape != (2, 3):
        raise ValueError(f"theta must be [2, 3], got {theta.shape}")
    if min(size) < 1:
        raise ValueError(f"size must be (H, W) of 1 or more, got {size}")

    def centres(n):  # of n pixels; a single one lies in the middle either way
        reach = (n - 1 if align_corners else n) or 1
        return (2 * jnp.arange(n, dtype=theta.dtype) - (n - 1)) / reach

    y, x = jnp.meshgrid(*map(centres, size), indexing="ij")
    points = jnp.stack([x, y, jnp.ones_like(x)], axis=-1)  # [H, W, 3]
    return jnp.matmul(points, theta.T, precision="highest")
