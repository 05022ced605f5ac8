"""Boundary IoU: how well regions agree along their borders.

    IoU_d = |G_d and P_d| / |G_d or P_d|

G_d are the pixels of the true region from which a pixel outside of it is at most d
steps away, diagonal ones too; P_d likewise of the predicted region. What lies beyond
the image is outside. The pixels of all images are added up first; the mean is over the
classes that occur.

The other numbers of segmentation follow from the confusion matrix of the pixels:
`mean_iou`, and Dice's coefficient, which is `f1`.

Shapes: B images, H height, W width, K classes.

References:
    Cheng, Girshick, Dollar, Berg and Kirillov, "Boundary IoU: improving object-centric
    image segmentation evaluation", CVPR 2021, https://arxiv.org/abs/2103.16562
"""

import jax
import jax.numpy as jnp

from zoo.metrics import checks


def boundary_overlap(
    truth: jax.Array,
    predicted: jax.Array,
    classes: int,
    distance: int,
    weight: jax.Array | None = None,
) -> tuple[jax.Array, jax.Array]:
    """Pixels along the borders of each class: in both regions, and in either.

    Args:
        truth: classes of the pixels, int [B, H, W]; those not from 0 to K - 1 are of
            no class.
        predicted: likewise.
        classes: K.
        distance: d, in pixels.
        weight: [B]; 0 leaves an image out.

    Returns:
        Two arrays [K] that add over batches and devices; of the weights' type, else
        of JAX's own float.

    Raises:
        ValueError: arrays that do not fit; a distance below 1; weights that are
            negative or not finite.
    """
    checks.size("classes", classes)
    checks.size("distance", distance)
    truth, predicted = (
        checks.labels(name, x)
        for name, x in (("truth", truth), ("predicted", predicted))
    )
    if truth.ndim != 3 or truth.shape != predicted.shape:
        raise ValueError(
            f"truth and predicted must be [B, H, W], got {truth.shape} and "
            f"{predicted.shape}"
        )
    weight = checks.weights(weight, truth.shape[:1], jnp.zeros(0).dtype)
    t, p = (_borders(x, classes, distance) for x in (truth, predicted))
    count = lambda x: x.sum((1, 2), dtype=jnp.int32).astype(weight.dtype)  # [B, K]
    return tuple(weight @ count(x) for x in (t & p, t | p))


def boundary_iou(overlap: tuple[jax.Array, jax.Array]) -> jax.Array:
    """The mean over the classes that occur in either.

    Args:
        overlap: from `boundary_overlap`, two arrays [K].

    Returns:
        A scalar from 0 to 1.

    Raises:
        ValueError: no pixel of any class.
    """
    both, either = (checks.floats("overlap", x) for x in overlap)
    none = either <= 0
    empty = checks.refuse(none.all(), lambda: "overlap must count borders, got none")
    each = jnp.where(none, 0, both / jnp.where(none, 1, either))
    mean = each.sum() / jnp.maximum((~none).sum(), 1).astype(each.dtype)
    return jnp.where(empty, jnp.nan, mean)


def _borders(labels, classes, distance):
    """[B, H, W] -> bool [B, H, W, K]."""
    of = labels[..., None] == jnp.arange(classes, dtype=labels.dtype).reshape(
        1, 1, 1, -1
    )
    inner = of
    for axis in (1, 2):  # a pixel is inside if all within `distance` are
        pads = [(0, 0)] * 4
        pads[axis] = (distance, distance)
        padded, size = jnp.pad(inner, pads), labels.shape[axis]
        inner = jnp.ones_like(of)
        for shift in range(2 * distance + 1):
            inner &= jax.lax.slice_in_dim(padded, shift, shift + size, axis=axis)
    return of & ~inner
