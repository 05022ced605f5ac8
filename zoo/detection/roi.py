"""The second stage: which object a proposal is on, and what its box and mask are.

    learned     of a sample of n proposals, the objects themselves among them:
                L = 1/n sum CE(logits_i, class_i)
                  + 1/n sum over positives of smooth_{1/9}(t_i[class_i] - t*_i)
                  + mean over positives of mean BCE(mask_i[class_i], mask*_i)
    found       each proposal moved by each class's t: boxes that score above `score`,
                without those that lie on better ones of their class; the best `most`

Class 0 is the background; the classes of objects and of what is found are numbered from
0 without it. Mask targets are the object's mask under the proposal, by RoIAlign of two
points a bin (torchvision takes the more the larger a box is). All is of one image:
`jax.vmap` it over a batch; each image counts the same in a loss.

Shapes: N proposals, G objects, S the sample, K classes with the background, D found,
M x M a mask.

References:
    Girshick, "Fast R-CNN", ICCV 2015, https://arxiv.org/abs/1504.08083
    He et al., "Mask R-CNN", ICCV 2017, https://arxiv.org/abs/1703.06870
"""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from zoo.detection.boxes import clip, iou, large
from zoo.detection.codec import Weights, decode, encode
from zoo.detection.matching import BETWEEN, match, sample
from zoo.detection.regions import roi_align
from zoo.detection.rpn import smooth
from zoo.detection.suppression import nms

LEAST = 1e-2  # pixels of a side of what is found


@dataclasses.dataclass(frozen=True)
class Judging:
    """How proposals are judged.

    Attributes:
        high, low: of the IoU, for `match`.
        samples: proposals of an image that are learned from (S).
        share: of positives among these, at most.
        weights: of t.
        score: what is found must score more.
        threshold: of the suppression.
        most: found in an image (D).
    """

    high: float = 0.5
    low: float = 0.5
    samples: int = 512
    share: float = 0.25
    weights: Weights = (10.0, 10.0, 5.0, 5.0)
    score: float = 0.05
    threshold: float = 0.5
    most: int = 100


class Chosen(NamedTuple):
    """The sample of proposals, the positives first.

    Attributes:
        boxes: [S, 4].
        own: int32 [S], the number of the object.
        label: int32 [S], with the background, 0.
        positive, present: bool [S].
    """

    boxes: jax.Array
    own: jax.Array
    label: jax.Array
    positive: jax.Array
    present: jax.Array


class Detections(NamedTuple):
    """What is found, by falling score; all 0 where there is nothing.

    Attributes:
        boxes: [D, 4].
        scores: [D].
        labels: int32 [D], from 0.
        present: bool [D].
        masks: [D, M, M] from 0 to 1, or None; see `paste_masks`.
    """

    boxes: jax.Array
    scores: jax.Array
    labels: jax.Array
    present: jax.Array
    masks: jax.Array | None = None


def choose(
    key: jax.Array,
    proposals: jax.Array,
    proposed: jax.Array,
    boxes: jax.Array,
    labels: jax.Array,
    present: jax.Array,
    how: Judging,
) -> Chosen:
    """Proposals that are learned from.

    Args:
        key: of the draw.
        proposals: [N, 4].
        proposed: which there are, bool [N].
        boxes: of the objects, [G, 4]; they are proposals, too.
        labels: of the objects, from 0, int [G].
        present: which objects there are, bool [G].
        how: see `Judging`.

    Returns:
        The sample.
    """
    boxes, labels = jnp.asarray(boxes), jnp.asarray(labels)
    proposals = jax.lax.stop_gradient(jnp.concatenate([proposals, boxes]))
    proposed = jnp.concatenate([proposed, present])
    matched = match(iou(boxes, proposals), present, how.high, how.low)
    drawn = sample(key, jnp.where(proposed, matched, BETWEEN), how.samples, how.share)
    own = jnp.maximum(matched[drawn.index], 0)
    label = jnp.where(drawn.positive, labels[own] + 1, 0).astype(jnp.int32)
    return Chosen(proposals[drawn.index], own, label, drawn.positive, drawn.present)


def roi_losses(
    logits: jax.Array, t: jax.Array, chosen: Chosen, boxes: jax.Array, how: Judging
) -> tuple[jax.Array, jax.Array]:
    """The first two terms above.

    Args:
        logits: [S, K].
        t: [S, K, 4].
        chosen: as from `choose`.
        boxes: of the objects, [G, 4].
        how: see `Judging`.

    Returns:
        Scalars; 0 of an empty sample.
    """
    boxes, chosen = jax.tree.map(jnp.asarray, (boxes, chosen))
    n = jnp.maximum(chosen.present.sum(), 1).astype(t.dtype)
    each = optax.softmax_cross_entropy_with_integer_labels(logits, chosen.label)
    score = jnp.where(chosen.present, each, 0).sum() / n
    target = encode(boxes[chosen.own], chosen.boxes, how.weights)
    own = jnp.take_along_axis(t, chosen.label[:, None, None], 1)[:, 0]
    return score, smooth(own, target, chosen.positive) / n


def mask_targets(
    instances: jax.Array, boxes: jax.Array, own: jax.Array, size: int
) -> jax.Array:
    """The masks of objects under boxes.

    Args:
        instances: numbers of pixels, 0 or that of an object from 1, int [H, W].
        boxes: [N, 4].
        own: the object of each box, from 0, int [N].
        size: M.

    Returns:
        Floats from 0 to 1, [N, M, M].
    """

    instances, own = jnp.asarray(instances), jnp.asarray(own)

    def one(box, number):
        mask = (instances == number + 1).astype(boxes.dtype)[..., None]
        return roi_align(mask, box[None], (size, size), aligned=False)[0, ..., 0]

    return jax.vmap(one)(boxes, own.astype(instances.dtype))


def mask_loss(
    logits: jax.Array, chosen: Chosen, instances: jax.Array, first: int
) -> jax.Array:
    """The third term above.

    Args:
        logits: of the first of the sample, [first, M, M, K].
        chosen: as from `choose`.
        instances: as for `mask_targets`, int [H, W].
        first: how many of the sample may be positive.

    Returns:
        A scalar; 0 without positives.
    """
    boxes, own, label, positive, _ = (jnp.asarray(part)[:first] for part in chosen)
    targets = mask_targets(instances, boxes, own, logits.shape[1])
    each = optax.sigmoid_binary_cross_entropy(mask_of(logits, label), targets)
    total = jnp.where(positive, each.mean((1, 2)), 0).sum()
    return total / jnp.maximum(positive.sum(), 1).astype(each.dtype)


def mask_of(logits: jax.Array, label: jax.Array) -> jax.Array:
    """Each one's mask of its own class; [N, M, M, K], int [N] -> [N, M, M]."""
    return jnp.take_along_axis(logits, label[:, None, None, None], 3)[..., 0]


def detections(
    logits: jax.Array,
    t: jax.Array,
    proposals: jax.Array,
    proposed: jax.Array,
    size: tuple[int, int],
    how: Judging,
) -> Detections:
    """What is found in an image.

    Args:
        logits: [N, K].
        t: [N, K, 4].
        proposals: [N, 4].
        proposed: bool [N].
        size: (H, W) of the image.
        how: see `Judging`.

    Returns:
        D = how.most of them, without masks.
    """
    (n, k), scores = logits.shape, jax.nn.softmax(logits, -1)[:, 1:]
    t = t[:, 1:]
    each = jnp.broadcast_to(proposals[:, None], t.shape)
    boxes = clip(decode(t, each, how.weights), size).reshape(-1, 4)
    there = jnp.repeat(proposed, k - 1) & large(boxes, LEAST)
    scores = jnp.where(there, scores.reshape(-1), -jnp.inf)
    labels = jnp.tile(jnp.arange(k - 1, dtype=jnp.int32), n)
    return best(boxes, scores, labels, how.most, how.threshold, how.score)


def best(boxes, scores, labels, most, threshold, least) -> Detections:
    """What suppression within a class leaves, as `Detections`."""
    kept = nms(boxes, scores, most, threshold, labels=labels, least=least)
    there, index = kept.present, kept.index
    return Detections(
        boxes=jnp.where(there[:, None], boxes[index], 0),
        scores=kept.scores,
        labels=jnp.where(there, labels[index], 0),
        present=there,
    )


def paste_masks(masks: jax.Array, boxes: jax.Array, size: tuple[int, int]) -> jax.Array:
    """Masks of boxes as masks of the image, as torchvision lays them there.

    A ring of zeros is put around a mask, and the box made larger by as much and whole;
    there the mask is enlarged bilinearly.

    Args:
        masks: from 0 to 1, [D, M, M].
        boxes: [D, 4].
        size: (H, W) of the image.

    Returns:
        [D, H, W], 0 outside of a box; a pixel belongs to the object from 0.5 on.
    """
    m = masks.shape[-1]
    masks = jnp.pad(masks, ((0, 0), (1, 1), (1, 1)))
    centre, half = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]) / 2
    half = half * (m + 2) / m
    low, high = jnp.trunc(centre - half), jnp.trunc(centre + half)
    sides = jnp.maximum(high - low + 1, 1)
    shares = []
    for axis in (1, 0):  # rows are y
        pixel = jnp.arange(size[1 - axis], dtype=boxes.dtype)[None]
        start, side = low[:, axis, None], sides[:, axis, None]
        at = jnp.clip((pixel - start + 0.5) * (m + 2) / side - 0.5, 0, m + 1)
        cell = jnp.arange(m + 2, dtype=boxes.dtype)[None, None]
        share = jnp.maximum(0, 1 - abs(at[..., None] - cell))  # [D, H, M + 2]
        inside = (pixel >= start) & (pixel < start + side)
        shares.append(jnp.where(inside[..., None], share, 0))
    return jnp.einsum("dhi,dij,dwj->dhw", shares[0], masks, shares[1])
