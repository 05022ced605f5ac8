"""Features of regions from a pyramid: each from the map that fits its size.

    level    floor(4 + log2(sqrt(area) / canonical) + 1e-6), within those there are

Map l has one cell for 2^l pixels; `canonical` is the side of a box that belongs to the
fourth, 224 pixels in the paper. The features are RoIAlign's, legacy as in torchvision,
computed in one of two ways, with equal results:

    products   the mean over a bin is a sum over rows, then over columns: two products
               with matrices of few numbers that are not 0; fast for small maps
    gather     each point's four cells, from all maps in one list of cells

There is no gradient to the boxes.

Shapes: L maps [H, W, C] of an image; N boxes; P x P bins; n points.

References:
    Lin et al., "Feature pyramid networks for object detection", CVPR 2017,
    https://arxiv.org/abs/1612.03144 (equation 1)
    He et al., "Mask R-CNN", ICCV 2017, https://arxiv.org/abs/1703.06870 (RoIAlign)
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from zoo.detection.boxes import area, check

FORMS = ("products", "gather")
FEW = 4096  # cells of all maps, up to which products are used


def roi_levels(
    boxes: jax.Array, first: int, last: int, canonical: float = 224
) -> jax.Array:
    """The map to which a box belongs.

    Args:
        boxes: in pixels, [..., 4].
        first, last: the levels that there are.
        canonical: side of a square that belongs to the fourth level.

    Returns:
        int32 [...], from first to last; boxes without area belong to the first.

    Raises:
        ValueError: boxes that are not [..., 4]; levels or canonical out of range.
    """
    if not 0 <= first <= last or not canonical > 0:
        raise ValueError(
            f"it must be 0 <= first <= last and canonical above 0, got {first}, "
            f"{last} and {canonical}"
        )
    side = jnp.sqrt(area(boxes))
    level = jnp.floor(4 + jnp.log2(side / canonical) + 1e-6)
    return jnp.clip(level, first, last).astype(jnp.int32)


def pyramid_align(
    maps: Sequence[jax.Array],
    boxes: jax.Array,
    bins: int,
    first: int = 2,
    canonical: float = 224,
    points: int = 2,
    form: str | None = None,
) -> jax.Array:
    """RoIAlign of boxes, each from its own map; `jax.vmap` it over a batch.

    Args:
        maps: of the levels first, first + 1, ..., [H, W, C] each.
        boxes: in pixels, [N, 4].
        bins: P.
        first: level of the first map.
        canonical: see above.
        points: n, a bin's samples along each axis.
        form: one of `FORMS`; None: by the size of the maps.

    Returns:
        [N, P, P, C].

    Raises:
        ValueError: maps or boxes of other shapes; an unknown form; numbers below 1.
    """
    check("boxes", boxes, pairs=True)
    if not maps or any(m.ndim != 3 or 0 in m.shape for m in maps):
        raise ValueError(
            f"maps must be [H, W, C] with cells, got {[m.shape for m in maps]}"
        )
    if min(bins, points) < 1:
        raise ValueError(f"bins and points must be from 1, got {bins} and {points}")
    cells = sum(m.shape[0] * m.shape[1] for m in maps)
    form = form or FORMS[cells > FEW]
    if form not in FORMS:
        raise ValueError(f"form must be one of {', '.join(FORMS)}, got {form!r}")
    boxes = jax.lax.stop_gradient(boxes)
    level = roi_levels(boxes, first, first + len(maps) - 1, canonical) - first
    at = (jnp.arange(bins * points, dtype=boxes.dtype) + 0.5) / (bins * points)

    def along(axis, scale):  # coordinates of points, [N, P n]; rows are 1
        low, high = boxes[:, axis] * scale, boxes[:, axis + 2] * scale
        return low[:, None] + jnp.maximum(high - low, 1)[:, None] * at[None]

    if form == "products":
        found = 0.0
        for i, x in enumerate(maps):
            own = (level == i)[:, None, None]
            rows, columns = (
                _shares(along(axis, 0.5 ** (first + i)), x.shape[1 - axis], points)
                for axis in (1, 0)
            )
            rows = jnp.where(own, rows, 0).astype(x.dtype)
            y = jnp.einsum("nph,hwc->npwc", rows, x)
            found += jnp.einsum("nqw,npwc->npqc", columns.astype(x.dtype), y)
        return found
    scale = jnp.asarray(0.5 ** (first + np.arange(len(maps))), boxes.dtype)[level]
    heights, widths = (np.array([m.shape[i] for m in maps], np.int32) for i in (0, 1))
    start = np.append(0, np.cumsum(heights * widths)[:-1]).astype(np.int32)
    table = jnp.concatenate([m.reshape(-1, m.shape[2]) for m in maps])
    wide, offset = (jnp.asarray(n)[level][:, None, None] for n in (widths, start))
    corners = [
        _corners(along(axis, scale), jnp.asarray(sizes)[level])
        for axis, sizes in ((1, heights), (0, widths))
    ]
    total = 0.0
    for i, u in corners[0]:
        for j, v in corners[1]:
            index = offset + i[:, :, None] * wide + j[:, None]
            weight = (u[:, :, None] * v[:, None])[..., None].astype(table.dtype)
            total += weight * table.at[index].get(mode="promise_in_bounds")
    shape = (len(boxes), bins, points, bins, points, table.shape[1])
    return total.reshape(shape).mean((2, 4))


def _shares(p, length, points):
    """What each cell counts for in a bin's mean; [N, P n] -> [N, P, length]."""
    inside = (p >= -1) & (p <= length)
    p = jnp.clip(p, 0, length - 1)
    cell = jnp.arange(length, dtype=p.dtype)[None, None]
    near = jnp.maximum(0, 1 - abs(p[..., None] - cell))
    near = jnp.where(inside[..., None], near, 0)
    return near.reshape(len(p), -1, points, length).mean(2)


def _corners(p, length):
    """Both neighbours of a point and their weights; a box's own `length` of map."""
    length = length[:, None]
    inside = (p >= -1) & (p <= length.astype(p.dtype))
    p = jnp.clip(p, 0, (length - 1).astype(p.dtype))
    low = jnp.floor(p).astype(jnp.int32)
    far = p - low.astype(p.dtype)
    high = jnp.minimum(low + 1, length - 1)
    return [
        (low, jnp.where(inside, 1 - far, 0)),
        (high, jnp.where(inside, far, 0)),
    ]
