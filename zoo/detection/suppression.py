"""Non-maximum suppression: of boxes that lie on each other the best one is kept.

    repeat   m = argmax s;  keep m;  s_m = -inf
             s_i <- s_i f(IoU(b_m, b_i))     for all others of m's class

    hard      f(u) = 0 where u > t, else 1
    linear    f(u) = 1 - u where u > t, else 1
    gaussian  f(u) = exp(-u^2 / sigma)

The output has a static length: the loop ends when so many are kept, or when no score
is left above the least that counts. Each round looks at all boxes at once, so it takes
O(kept N), and no N x N matrix is made.

Differs from torchvision: classes are compared, where it moves each class's boxes far
apart, which costs digits; an IoU of two boxes without area is 0.

Shapes: N boxes, K kept.

References:
    Bodla et al., "Soft-NMS: improving object detection with one line of code", ICCV
    2017, https://arxiv.org/abs/1704.04503
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from zoo.detection.boxes import check, iou

DECAYS = ("hard", "linear", "gaussian")


class Kept(NamedTuple):
    """What is left, by falling score.

    Attributes:
        index: int32 [K], numbers of boxes; 0 where there is none.
        scores: [K], the decayed ones of soft suppression; 0 where there is none.
        present: bool [K].
    """

    index: jax.Array
    scores: jax.Array
    present: jax.Array


def nms(
    boxes: jax.Array,
    scores: jax.Array,
    count: int,
    threshold: float = 0.5,
    *,
    labels: jax.Array | None = None,
    decay: str = "hard",
    sigma: float = 0.5,
    least: float = -float("inf"),
) -> Kept:
    """Boxes that are best where they are.

    Args:
        boxes: floats, [N, 4].
        scores: floats, [N]; a box of minus infinity is not there.
        count: K, how many are kept at most.
        threshold: t, the IoU above which boxes are the same.
        labels: the class of each, int [N]; boxes of different ones do not meet.
        decay: "hard", "linear" or "gaussian".
        sigma: of the Gaussian, > 0.
        least: boxes of no higher score are dropped; for soft suppression 0.001, say.

    Returns:
        The kept ones; of equal scores the first.

    Raises:
        ValueError: shapes that do not fit; a count, threshold, decay or sigma out of
            range.
    """
    check("boxes", boxes, pairs=True)
    if scores.shape != boxes.shape[:1] or (
        labels is not None and labels.shape != scores.shape
    ):
        raise ValueError(
            f"scores and labels must be [N] for boxes [N, 4], got {scores.shape} and "
            f"{None if labels is None else labels.shape} for {boxes.shape}"
        )
    if count < 1 or not 0 <= threshold <= 1 or not sigma > 0:
        raise ValueError(
            f"count must be from 1, threshold from 0 to 1, sigma above 0, got {count}, "
            f"{threshold} and {sigma}"
        )
    if decay not in DECAYS:
        raise ValueError(f"decay must be one of {', '.join(DECAYS)}, got {decay!r}")
    boxes, scores = jnp.asarray(boxes), jnp.asarray(scores)
    labels = None if labels is None else jnp.asarray(labels)
    none = jnp.full((), -jnp.inf, scores.dtype)
    if not len(boxes):
        index = jnp.zeros(count, jnp.int32)
        return Kept(index, jnp.zeros(count, scores.dtype), index > 0)

    def factor(u):
        if decay == "gaussian":
            return jnp.exp(-(u**2) / sigma)
        return jnp.where(u > threshold, 0 if decay == "hard" else 1 - u, 1)

    def unfinished(carry):
        i, left, _, _ = carry
        return (i < count) & (left.max() > -jnp.inf)

    def keep(carry):
        i, left, index, kept = carry
        m = left.argmax()
        index = index.at[i].set(m.astype(jnp.int32))
        kept = kept.at[i].set(left[m])
        u = iou(boxes[m][None], boxes)[0]
        if labels is not None:
            u = jnp.where(labels == labels[m], u, 0)
        if decay == "hard":  # a score may be a negative number
            left = jnp.where(u > threshold, none, left)
        else:
            left = jnp.where(left > -jnp.inf, left * factor(u), none)
        left = jnp.where(left > least, left, none).at[m].set(none)
        return i + 1, left, index, kept

    start = (
        jnp.int32(0),
        jnp.where(scores > least, scores, none),
        jnp.zeros(count, jnp.int32),
        jnp.zeros(count, scores.dtype),
    )
    number, _, index, kept = jax.lax.while_loop(unfinished, keep, start)
    return Kept(index, kept, jnp.arange(count) < number)
