"""Boxes: their areas, how much two of them share, and the image's border.

    area            |b| = max(0, x2 - x1) max(0, y2 - y1)
    IoU             |a and b| / |a or b|,      |a or b| = |a| + |b| - |a and b|
    GIoU            IoU - |c without (a or b)| / |c|,   c the smallest box around both

A box is (x1, y1, x2, y2), the left upper and the right lower corner, in pixels whose
corners, not centres, are whole: the first pixel is (0, 0, 1, 1), and a box that ends
where another begins shares nothing with it. Lists of boxes have a static length and a
mask of those that are there; what is not there may be any finite box.

Differs from torchvision: two boxes without area have the IoU 0, not 0 / 0, and so do a
box and itself if it has none; their GIoU is not below -1. The area of an inverted box
is 0, not negative or twice negative. Whatever reads boxes refuses these
(`zoo.data.annotations`); here they must only do no harm.

Shapes: N and M boxes, [...] any axes.

References:
    Rezatofighi et al., "Generalized intersection over union", CVPR 2019,
    https://arxiv.org/abs/1902.09630
"""

import jax
import jax.numpy as jnp


def area(boxes: jax.Array) -> jax.Array:
    """Areas, 0 for inverted boxes.

    Args:
        boxes: [..., 4].

    Returns:
        [...].

    Raises:
        ValueError: boxes that are not [..., 4].
    """
    check("boxes", boxes)
    sides = jnp.maximum(boxes[..., 2:] - boxes[..., :2], 0)
    return sides[..., 0] * sides[..., 1]


def iou(a: jax.Array, b: jax.Array) -> jax.Array:
    """The share of what two boxes cover that both cover, for all pairs.

    Args:
        a: [N, 4].
        b: [M, 4].

    Returns:
        [N, M], from 0 to 1.

    Raises:
        ValueError: boxes that are not [N, 4].
    """
    both, either = _overlap(a, b)
    return _share(both, either)


def giou(a: jax.Array, b: jax.Array) -> jax.Array:
    """IoU less the share of the box around both that neither covers, for all pairs.

    Args:
        a: [N, 4].
        b: [M, 4].

    Returns:
        [N, M], from -1 to 1; unlike IoU it has a slope where boxes are apart.

    Raises:
        ValueError: boxes that are not [N, 4].
    """
    both, either = _overlap(a, b)
    low = jnp.minimum(a[:, None, :2], b[None, :, :2])
    high = jnp.maximum(a[:, None, 2:], b[None, :, 2:])
    around = area(jnp.concatenate([low, high], -1))
    return _share(both, either) - _share(around - either, around)


def clip(boxes: jax.Array, size: tuple[int, int]) -> jax.Array:
    """Boxes with what lies outside of the image cut off.

    Args:
        boxes: [..., 4].
        size: (H, W) of the image.

    Returns:
        [..., 4]; a box outside is left without area.

    Raises:
        ValueError: boxes that are not [..., 4].
    """
    check("boxes", boxes)
    height, width = size
    x, y = (jnp.clip(boxes[..., i::2], 0, n) for i, n in ((0, width), (1, height)))
    return jnp.stack([x[..., 0], y[..., 0], x[..., 1], y[..., 1]], -1)


def large(boxes: jax.Array, least: float) -> jax.Array:
    """Whether both sides of a box are at least so long; [..., 4] -> bool [...]."""
    check("boxes", boxes)
    return (boxes[..., 2:] - boxes[..., :2] >= least).all(-1)


def check(name: str, boxes: jax.Array, pairs: bool = False) -> None:
    """Refuses what are no boxes.

    Raises:
        ValueError: an array that is not [..., 4], or with `pairs` not [N, 4].
    """
    shape = jnp.shape(boxes)
    if not shape or shape[-1] != 4 or (pairs and len(shape) != 2):
        wanted = "[N, 4]" if pairs else "[..., 4]"
        raise ValueError(f"{name} must be boxes {wanted}, got {shape}")


def _overlap(a, b):
    """Areas of what both cover and of what either does, [N, M]."""
    check("a", a, pairs=True)
    check("b", b, pairs=True)
    low = jnp.maximum(a[:, None, :2], b[None, :, :2])  # [N, M, 2]
    high = jnp.minimum(a[:, None, 2:], b[None, :, 2:])
    both = area(jnp.concatenate([low, high], -1))
    return both, area(a)[:, None] + area(b)[None] - both


def _share(part, whole):
    none = whole <= 0
    return jnp.where(none, 0, part / jnp.where(none, 1, whole))
