"""Region proposals: the boxes in which an object may be, whatever it is.

    proposals   of each map the best `before` anchors, moved by t and cut off at the
                border; of all together those `after` that suppression leaves
    learned     L = 1/n sum over the sample of  BCE(o_i, [i is on an object])
                  + 1/n sum over its positives of  smooth_{1/9}(t_i - t*_i)

An anchor is on an object if they share `high` or more, or if it is the best there is
for that object; it is not if it shares less than `low` with each. n is the size of the
sample. All is of one image: `jax.vmap` it over a batch.

Differs from torchvision: suppression compares the scores themselves, not their
logistic values, where large ones are equal; the loss is an image's own, so that each
image counts the same, where n there is that of the batch.

Shapes: N anchors of all maps, G objects, K proposals.

References:
    Ren et al., "Faster R-CNN", NeurIPS 2015, https://arxiv.org/abs/1506.01497
"""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from zoo.detection.boxes import clip, iou, large
from zoo.detection.codec import decode, encode
from zoo.detection.matching import Sample, match, sample
from zoo.detection.suppression import nms

BETA = 1 / 9  # of the smooth distance
LEAST = 1e-3  # pixels of a proposal's side


@dataclasses.dataclass(frozen=True)
class Proposing:
    """How regions are proposed.

    Attributes:
        high, low: of the IoU, for `match`.
        samples: anchors of an image that are learned from.
        share: of positives among these.
        before, after: proposals of a map, and of an image, in training and in use.
        threshold: of the suppression.
    """

    high: float = 0.7
    low: float = 0.3
    samples: int = 256
    share: float = 0.5
    before: tuple[int, int] = (2000, 1000)
    after: tuple[int, int] = (2000, 1000)
    threshold: float = 0.7


class Proposals(NamedTuple):
    """Boxes in which an object may be, by falling score.

    Attributes:
        boxes: [K, 4]; 0 where there is none.
        scores: [K], logits.
        present: bool [K].
    """

    boxes: jax.Array
    scores: jax.Array
    present: jax.Array


def propose(
    objectness: Sequence[jax.Array],
    t: Sequence[jax.Array],
    anchors: Sequence[jax.Array],
    size: tuple[int, int],
    how: Proposing,
    train: bool = False,
) -> Proposals:
    """The proposals of an image; no gradient goes through them.

    Args:
        objectness: logits of each map's anchors, [n] each.
        t: for `decode`, [n, 4] each.
        anchors: [n, 4] each.
        size: (H, W) of the image.
        how: see `Proposing`.
        train: whether as many as in training.

    Returns:
        K = how.after of them.
    """
    boxes, scores, levels = [], [], []
    before, after = (pair[0 if train else 1] for pair in (how.before, how.after))
    for i, (o, d, a) in enumerate(zip(objectness, t, anchors, strict=True)):
        o, d = jax.lax.stop_gradient((o, d))
        best, index = jax.lax.top_k(o, min(before, len(o)))
        made = clip(decode(d[index], jnp.asarray(a, d.dtype)[index]), size)
        boxes.append(made)
        scores.append(jnp.where(large(made, LEAST), best, -jnp.inf))
        levels.append(jnp.full(index.shape, i))
    boxes, scores, levels = map(jnp.concatenate, (boxes, scores, levels))
    kept = nms(boxes, scores, after, how.threshold, labels=levels)
    chosen = jnp.where(kept.present[:, None], boxes[kept.index], 0)
    return Proposals(chosen, kept.scores, kept.present)


def match_anchors(
    anchors: jax.Array,
    boxes: jax.Array,
    present: jax.Array,
    high: float,
    low: float,
) -> jax.Array:
    """Each anchor's object, as of `match` with rescue; [N, 4], [G, 4], [G] -> [N]."""
    return match(iou(boxes, anchors), present, high, low, rescue=True)


def rpn_losses(
    objectness: jax.Array,
    t: jax.Array,
    anchors: jax.Array,
    boxes: jax.Array,
    matched: jax.Array,
    drawn: Sample,
) -> tuple[jax.Array, jax.Array]:
    """The two terms above.

    Args:
        objectness: of all maps, [N].
        t: [N, 4].
        anchors: [N, 4].
        boxes: of the objects, [G, 4].
        matched: as from `match_anchors`, [N].
        drawn: as from `zoo.detection.sample`.

    Returns:
        Scalars; 0 of an empty sample.
    """
    anchors, boxes = jnp.asarray(anchors), jnp.asarray(boxes)
    index, own = drawn.index, matched[drawn.index]
    n = jnp.maximum(drawn.present.sum(), 1).astype(t.dtype)
    each = optax.sigmoid_binary_cross_entropy(
        objectness[index], drawn.positive.astype(t.dtype)
    )
    score = jnp.where(drawn.present, each, 0).sum() / n
    target = encode(boxes[jnp.maximum(own, 0)], anchors[index])
    return score, smooth(t[index], target, drawn.positive) / n


def rpn_terms(
    key: jax.Array,
    objectness: jax.Array,
    t: jax.Array,
    anchors: jax.Array,
    boxes: jax.Array,
    present: jax.Array,
    how: Proposing,
) -> tuple[jax.Array, jax.Array]:
    """Matches, draws a sample by the key, and gives `rpn_losses`."""
    matched = match_anchors(anchors, boxes, present, how.high, how.low)
    drawn = sample(key, matched, how.samples, how.share)
    return rpn_losses(objectness, t, anchors, boxes, matched, drawn)


def smooth(t: jax.Array, target: jax.Array, mask: jax.Array) -> jax.Array:
    """The sum of smooth distances of those in the mask; [n, 4], [n, 4], [n]."""
    each = optax.huber_loss(t, jax.lax.stop_gradient(target), delta=BETA) / BETA
    return jnp.where(mask[:, None], each, 0).sum()
