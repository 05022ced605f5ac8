"""RetinaNet: classes and boxes of all anchors, in one stage.

    L = 1/n sum over anchors i, classes c of  FL(logit_ic, [i's object is a c])
        + 1/n sum over positives of |t_i - t*_i|

FL is binary focal loss, -a (1 - p)^2 log p of the right answer, with a = 0.25 for ones
and 0.75 for zeros. An anchor is positive if it shares `high` or more with an object, or
is its best; it does not count if it shares between `low` and `high` with one. n is the
number of positives of the image, at least 1.

Shapes: B images [H, W]; N anchors, G objects, D found, K classes.

References:
    Lin et al., "Focal loss for dense object detection", ICCV 2017,
    https://arxiv.org/abs/1708.02002
"""

import dataclasses
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from zoo.detection import faster_rcnn, heads, pyramid
from zoo.detection.boxes import clip
from zoo.detection.codec import decode, encode
from zoo.detection.matching import BETWEEN
from zoo.detection.roi import Detections, best
from zoo.detection.rpn import match_anchors

ALPHA, GAMMA = 0.25, 2.0
SIZES = tuple(
    (size, int(size * 2 ** (1 / 3)), int(size * 2 ** (2 / 3)))
    for size in (32, 64, 128, 256, 512)
)
TINY = dict(  # the size that the tests run
    **dict(num_classes=2, blocks=(1, 1), width=4, stem_width=4, bottleneck=False),
    **dict(frozen=False, first=2, features=4, extra="convs", layers=1),
    **dict(sizes=((12,), (16,), (24,)), ratios=(1.0,)),
)
RULES = faster_rcnn.RULES


@dataclasses.dataclass(frozen=True)
class Dense:
    """How anchors are taught, and what is found.

    Attributes:
        high, low: of the IoU, for `match`.
        score: what is found must score more.
        before: candidates of a map.
        threshold: of the suppression.
        most: found in an image (D).
    """

    high: float = 0.5
    low: float = 0.4
    score: float = 0.05
    before: int = 1000
    threshold: float = 0.5
    most: int = 300


class RetinaNet(nn.Module):
    """Finds objects in one stage.

    Attributes:
        num_classes: logits of an anchor (K), none for the background.
        blocks, width, stem_width, bottleneck: of the ResNet.
        frozen: its normalizations are constants.
        first: its first stage that the pyramid uses, from 1.
        features: channels of the pyramid.
        extra: the pyramid's, see `Pyramid`.
        layers: of the heads.
        sizes: of the anchors of each map.
        ratios: heights over widths of anchors.
        dense: how anchors are taught, and what is found.
        axis_name: of the devices over which BatchNorm takes its statistics.
        fast: compute the convolutions by `zoo.functional.convolve`.

    Raises:
        ValueError: an image that is too small; sizes that are not one for each map.
    """

    num_classes: int = 91
    blocks: tuple[int, ...] = (3, 4, 6, 3)
    width: int = 64
    stem_width: int = 0
    bottleneck: bool = True
    frozen: bool = True
    first: int = 2
    features: int = 256
    extra: str = "convs"
    layers: int = 4
    sizes: tuple[tuple[float, ...], ...] = SIZES
    ratios: tuple[float, ...] = faster_rcnn.RATIOS
    dense: Dense = Dense()
    axis_name: str | None = None
    fast: bool = True

    def setup(self):
        self.backbone = faster_rcnn.trunk(self)
        self.pyramid = pyramid.Pyramid(self.features, self.extra, self.fast)
        anchors = len(self.sizes[0]) * len(self.ratios)
        self.head = heads.DenseHead(anchors, self.num_classes, self.layers, self.fast)

    terms = ("classes", "boxes")

    def __call__(self, x: jax.Array, *, train: bool = False) -> dict[str, Any]:
        """What the head puts out for images, [B, H, W, C].

        Returns:
            `classes` [B, N, K] before the sigmoid, and `boxes` [B, N, 4].
        """
        logits, t = self._head(self.maps(x, train))
        return {"classes": jnp.concatenate(logits, 1), "boxes": jnp.concatenate(t, 1)}

    def detect(self, x: jax.Array) -> Detections:
        """What is found in images, [B, H, W, C]; each leaf [B, ...]."""
        maps, size = self.maps(x, False), x.shape[1:3]
        anchors = self._anchors(maps, size)
        one = lambda logits, t: found(logits, t, anchors, size, self.dense)
        return jax.vmap(one)(*self._head(maps))

    def maps(self, x: jax.Array, train: bool = False) -> tuple[jax.Array, ...]:
        """The pyramid's maps, [B, h, w, features] each."""
        return faster_rcnn.pyramid_maps(self, x, train)

    def losses(
        self, batch: dict[str, jax.Array], keys: jax.Array, train: bool = True
    ) -> dict[str, jax.Array]:
        """The terms of the loss, for each image.

        Args:
            batch: `x` [B, H, W, C], `boxes` [B, G, 4], `labels` int [B, G] from 0,
                `present` bool [B, G].
            keys: not used: there is no chance in it.
            train: normalize by the batch.

        Returns:
            By name, see `terms`, [B] each.
        """
        del keys
        maps = self.maps(batch["x"], train)
        anchors = jnp.concatenate(self._anchors(maps, batch["x"].shape[1:3]))
        logits, t = (jnp.concatenate(parts, 1) for parts in self._head(maps))

        def one(logits, t, boxes, labels, present):
            how = self.dense
            matched = match_anchors(anchors, boxes, present, how.high, how.low)
            return dense_losses(logits, t, anchors, boxes, labels, matched)

        names = ("boxes", "labels", "present")
        values = jax.vmap(one)(logits, t, *(batch[name] for name in names))
        return dict(zip(self.terms, values, strict=True))

    def _head(self, maps):
        outputs = [self.head(m) for m in maps]
        return [y for y, _ in outputs], [t for _, t in outputs]

    def _anchors(self, maps, size):
        return faster_rcnn.map_anchors(maps, size, self.sizes, self.ratios)


def dense_losses(
    logits: jax.Array,
    t: jax.Array,
    anchors: jax.Array,
    boxes: jax.Array,
    labels: jax.Array,
    matched: jax.Array,
) -> tuple[jax.Array, jax.Array]:
    """The two terms above, of one image.

    Args:
        logits: [N, K].
        t: [N, 4].
        anchors: [N, 4].
        boxes: of the objects, [G, 4].
        labels: int [G].
        matched: as from `match_anchors`, [N].

    Returns:
        Scalars.
    """
    anchors, boxes = jnp.asarray(anchors), jnp.asarray(boxes)
    positive, own = matched >= 0, jnp.maximum(matched, 0)
    n = jnp.maximum(positive.sum(), 1).astype(t.dtype)
    label = jnp.where(positive, labels[own], -1)
    y = jax.nn.one_hot(label, logits.shape[1], dtype=logits.dtype)
    each = optax.sigmoid_focal_loss(logits, y, alpha=ALPHA, gamma=GAMMA)
    score = jnp.where((matched != BETWEEN)[:, None], each, 0).sum() / n
    target = jax.lax.stop_gradient(encode(boxes[own], anchors))
    d = t - target
    d = d * jnp.sign(d)  # at 0 without a slope
    return score, jnp.where(positive[:, None], d, 0).sum() / n


def found(logits, t, anchors, size, how: Dense) -> Detections:
    """What is found in an image, from lists of each map's [n, K] and [n, 4]."""
    boxes, scores, labels = [], [], []
    for y, d, a in zip(logits, t, anchors, strict=True):
        k = y.shape[1]
        flat = jax.nn.sigmoid(y).reshape(-1)
        score, index = jax.lax.top_k(flat, min(how.before, len(flat)))
        boxes.append(clip(decode(d[index // k], jnp.asarray(a)[index // k]), size))
        scores.append(score)
        labels.append((index % k).astype(jnp.int32))
    boxes, scores, labels = map(jnp.concatenate, (boxes, scores, labels))
    return best(boxes, scores, labels, how.most, how.threshold, how.score)
