"""Boxes as what must be done to other boxes: the targets of box regression.

    t_x = w_x (x - x_a) / W_a     t_w = w_w log(W / W_a)
    t_y = w_y (y - y_a) / H_a     t_h = w_h log(H / H_a)

(x, y) is a box's centre, W and H its sides; those with an a are the anchor's or the
proposal's. Decoding cuts t_w / w_w and t_h / w_h off at log(1000 / 16), so that no
network can make a box so large that its numbers overflow.

References:
    Girshick et al., "Rich feature hierarchies for accurate object detection and
    semantic segmentation", CVPR 2014, https://arxiv.org/abs/1311.2524 (appendix C)
    Ren et al., "Faster R-CNN", NeurIPS 2015, https://arxiv.org/abs/1506.01497
"""

import math

import jax
import jax.numpy as jnp

from zoo.detection.boxes import check

Weights = tuple[float, float, float, float]
PLAIN: Weights = (1.0, 1.0, 1.0, 1.0)  # of proposals; heads have (10, 10, 5, 5)
LIMIT = math.log(1000 / 16)


def encode(boxes: jax.Array, anchors: jax.Array, weights: Weights = PLAIN) -> jax.Array:
    """What makes anchors to boxes, one for each.

    Args:
        boxes: [..., 4].
        anchors: [..., 4].
        weights: of x, y, width and height.

    Returns:
        [..., 4], finite: where a box or an anchor has no width or height, as padding
        may have none, it counts as one that has a pixel.

    Raises:
        ValueError: arrays that are not boxes of one shape; weights that are not four
            positive numbers.
    """
    _checked(boxes, anchors, weights)
    centre, sides = _centred(boxes)
    origin, base = _centred(anchors)
    sides, base = (jnp.where(s > 0, s, 1) for s in (sides, base))
    t = jnp.concatenate([(centre - origin) / base, jnp.log(sides / base)], -1)
    return t * jnp.asarray(weights, t.dtype).reshape((1,) * (t.ndim - 1) + (4,))


def decode(t: jax.Array, anchors: jax.Array, weights: Weights = PLAIN) -> jax.Array:
    """The boxes that anchors become; undoes `encode`.

    Args:
        t: [..., 4].
        anchors: [..., 4].
        weights: of x, y, width and height.

    Returns:
        [..., 4], not cut off at the image's border.

    Raises:
        ValueError: as `encode`.
    """
    _checked(t, anchors, weights)
    t = t / jnp.asarray(weights, t.dtype).reshape((1,) * (t.ndim - 1) + (4,))
    origin, base = _centred(anchors)
    centre = origin + t[..., :2] * base
    half = base * jnp.exp(jnp.minimum(t[..., 2:], LIMIT)) / 2
    return jnp.concatenate([centre - half, centre + half], -1)


def _centred(boxes):
    low, high = boxes[..., :2], boxes[..., 2:]
    return (low + high) / 2, high - low


def _checked(boxes, anchors, weights):
    check("anchors", anchors)
    if boxes.shape != anchors.shape:
        raise ValueError(
            f"there must be an anchor for each box, got {boxes.shape} and "
            f"{anchors.shape}"
        )
    if len(weights) != 4 or not min(weights) > 0:
        raise ValueError(f"weights must be four positive numbers, got {weights}")
