"""Features of regions: a map's part under each box, made one size.

    RoIPool    the box, rounded to whole cells, in P x Q bins; the maximum of each
    RoIAlign   n x n points in each of P x Q bins, not rounded; the mean of the
               bilinear samples there

A box in pixels times `scale` is one in cells. RoIAlign's points are those of cells
whose centres lie at whole coordinates: with `aligned` half a cell is subtracted, so
that box and features fit exactly; without it (legacy) they are half a cell apart, and
boxes are made at least one cell large. A point further than a cell outside the map
counts as 0, one that is nearer as the map's border.

Of equal maxima each has a share of RoIPool's gradient, where torchvision gives it all
to the first. RoIAlign has a gradient to the boxes too; who wants none, as Faster R-CNN,
stops it.

Shapes: H height, W width, C channels of the map; N boxes; P x Q bins; n points.

References:
    Girshick, "Fast R-CNN", ICCV 2015, https://arxiv.org/abs/1504.08083 (RoIPool)
    He et al., "Mask R-CNN", ICCV 2017, https://arxiv.org/abs/1703.06870 (RoIAlign)
"""

import jax
import jax.numpy as jnp

from zoo.detection.boxes import check
from zoo.functional.sampling import bilinear_sample


def roi_align(
    x: jax.Array,
    boxes: jax.Array,
    size: tuple[int, int],
    scale: float = 1.0,
    points: int = 2,
    aligned: bool = True,
) -> jax.Array:
    """Means of bilinear samples; `jax.vmap` it over a batch.

    Args:
        x: a map, floats, [H, W, C].
        boxes: in pixels, floats, [N, 4].
        size: (P, Q).
        scale: cells of a pixel.
        points: n, a bin's samples along each axis.
        aligned: see above.

    Returns:
        [N, P, Q, C].

    Raises:
        ValueError: shapes that do not fit; sizes, scale or points out of range.
    """
    _check(x, boxes, size, scale)
    if points < 1:
        raise ValueError(f"points must be from 1, got {points}")
    x, boxes = jnp.asarray(x), jnp.asarray(boxes) * scale
    boxes = boxes - (0.5 if aligned else 0.0)
    low, sides = boxes[:, :2], boxes[:, 2:] - boxes[:, :2]
    if not aligned:
        sides = jnp.maximum(sides, 1)
    axes, inside = [], []
    for axis, bins in ((1, size[0]), (0, size[1])):  # rows are y
        at = (jnp.arange(bins * points, dtype=boxes.dtype) + 0.5) / (bins * points)
        p = low[:, axis, None] + sides[:, axis, None] * at[None]  # [N, bins n]
        axes.append(p)
        inside.append((p >= -1) & (p <= x.shape[1 - axis]))
    rows = jnp.broadcast_to(axes[0][:, :, None], (*axes[0].shape, axes[1].shape[1]))
    columns = jnp.broadcast_to(axes[1][:, None], rows.shape)
    sampled = bilinear_sample(x, jnp.stack([rows, columns], -1), "edge")
    there = (inside[0][:, :, None] & inside[1][:, None])[..., None]
    sampled = jnp.where(there, sampled, 0)  # [N, P n, Q n, C]
    shape = (len(boxes), size[0], points, size[1], points, x.shape[2])
    return sampled.reshape(shape).mean((2, 4))


def roi_pool(
    x: jax.Array, boxes: jax.Array, size: tuple[int, int], scale: float = 1.0
) -> jax.Array:
    """Maxima over bins of whole cells; `jax.vmap` it over a batch.

    Args:
        x: a map, floats, [H, W, C].
        boxes: in pixels, floats, [N, 4]; both corners' cells belong to a box.
        size: (P, Q).
        scale: cells of a pixel.

    Returns:
        [N, P, Q, C]; 0 in a bin outside of the map.

    Raises:
        ValueError: shapes that do not fit; sizes or scale out of range.
    """
    _check(x, boxes, size, scale)
    x, boxes = jnp.asarray(x), jnp.asarray(boxes) * scale
    boxes = jnp.sign(boxes) * jnp.floor(abs(boxes) + 0.5)  # halves away from zero
    masks = []
    for axis, bins in ((1, size[0]), (0, size[1])):
        low, length = boxes[:, axis], x.shape[1 - axis]
        side = jnp.maximum(boxes[:, axis + 2] - low + 1, 1)[:, None]
        i = jnp.arange(bins, dtype=boxes.dtype)[None]
        # In this order of rounding a bin's end is the reference's own.
        each = side / bins
        first = jnp.floor(i * each) + low[:, None]
        last = jnp.ceil((i + 1) * each) + low[:, None]
        cell = jnp.arange(length, dtype=boxes.dtype)[None, None]
        masks.append((cell >= first[..., None]) & (cell < last[..., None]))

    def one(mask):  # of a box, [P, H] and [Q, W]
        rows, columns = mask
        y = jnp.where(rows[:, :, None, None], x[None], -jnp.inf).max(1)  # [P, W, C]
        y = jnp.where(columns[None, :, :, None], y[:, None], -jnp.inf).max(2)
        there = rows.any(1)[:, None, None] & columns.any(1)[None, :, None]
        return jnp.where(there, y, 0)

    return jax.lax.map(one, tuple(masks))


def _check(x, boxes, size, scale):
    check("boxes", boxes, pairs=True)
    if x.ndim != 3 or 0 in x.shape[:2]:
        raise ValueError(f"x must be a map [H, W, C] with cells, got {x.shape}")
    if min(size) < 1 or not scale > 0:
        raise ValueError(
            f"size must be (P, Q) from 1 and scale above 0, got {size} and {scale}"
        )
