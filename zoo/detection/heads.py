"""Heads of detectors: what is read off a map, or off the features of a region.

    RPNHead     conv3, f; objectness and t of each anchor, conv1 each
    DenseHead   n times conv3, f; logits and t of each anchor, conv3; twice, for each
    BoxHead     dense, f, dense, f; logits and t of each class, dense each
    MaskHead    n times conv3, f; a transposed convolution of 2x2, f; logits, conv1

f is ReLU, t what `zoo.detection.decode` takes. Anchors of a map lie as in
`grid_anchors`: rows, columns, a cell's own.

Shapes: B images, A anchors of a cell, N regions, P x P their bins, K classes.

References:
    Ren et al., "Faster R-CNN", NeurIPS 2015, https://arxiv.org/abs/1506.01497
    Lin et al., "Focal loss for dense object detection", ICCV 2017,
    https://arxiv.org/abs/1708.02002 (the dense head)
    He et al., "Mask R-CNN", ICCV 2017, https://arxiv.org/abs/1703.06870
"""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp

from zoo.segmentation.upward import Doubled
from zoo.vision.layers import Kit

PRIOR = 0.01  # what a dense head gives each class at first
RULES = (  # torchvision's names
    (r"rpn\.head\.conv\.0\.0", "rpn_head/conv"),
    (r"rpn\.head\.cls_logits", "rpn_head/objectness"),
    (r"rpn\.head\.bbox_pred", "rpn_head/boxes"),
    (r"roi_heads\.box_head\.fc6", "box_head/dense_1", (7, 7)),
    (r"roi_heads\.box_head\.fc7", "box_head/dense_2"),
    (r"roi_heads\.box_predictor\.cls_score", "box_head/logits"),
    (r"roi_heads\.box_predictor\.bbox_pred", "box_head/boxes"),
    (
        r"roi_heads\.mask_head\.(\d)\.0",
        lambda m: f"mask_head/conv_{int(m[1]) + 1}",
    ),
    (
        r"roi_heads\.mask_predictor\.conv5_mask\.weight",
        "mask_head/double/kernel^T",
    ),
    (r"roi_heads\.mask_predictor\.conv5_mask\.bias", "mask_head/double/bias"),
    (r"roi_heads\.mask_predictor\.mask_fcn_logits", "mask_head/logits"),
    (
        r"head\.(?:classification|regression)_head\.(?:conv\.\d\.0|\w+)",
        lambda m: _dense_name(m[0]),
    ),
)


def _dense_name(name):
    kind, _, last = name.removeprefix("head.").partition(".")
    kind = kind.removesuffix("_head")
    if last.startswith("conv"):
        return f"head/{kind}_{int(last.split('.')[1]) + 1}"
    return f"head/{'logits' if last == 'cls_logits' else 'boxes'}"


def _small():
    return nn.initializers.normal(0.01)


class RPNHead(nn.Module):
    """Whether an anchor is on an object, and on what box.

    Attributes:
        anchors: of a cell (A).
        fast: compute the convolutions by `zoo.functional.convolve`.
    """

    anchors: int
    fast: bool = True

    @nn.compact
    def __call__(self, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        """[B, H, W, C] -> objectness [B, H W A] and t [B, H W A, 4]."""
        kit = Kit(fast=self.fast)
        x = nn.relu(kit.conv(x, x.shape[-1], 3, name="conv"))
        y = kit.conv(x, self.anchors, 1, init=_small(), name="objectness")
        t = kit.conv(x, 4 * self.anchors, 1, init=_small(), name="boxes")
        return y.reshape(len(x), -1), t.reshape(len(x), -1, 4)


class DenseHead(nn.Module):
    """The class of an anchor, and its box.

    Attributes:
        anchors: of a cell (A).
        num_classes: logits of an anchor (K), none of them for the background.
        layers: n.
        fast: compute the convolutions by `zoo.functional.convolve`.
    """

    anchors: int
    num_classes: int
    layers: int = 4
    fast: bool = True

    @nn.compact
    def __call__(self, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        """[B, H, W, C] -> logits [B, H W A, K] and t [B, H W A, 4]."""
        kit, found = Kit(fast=self.fast), []
        for kind in ("classification", "regression"):
            y = x
            for i in range(1, self.layers + 1):
                y = nn.relu(kit.conv(y, x.shape[-1], 3, name=f"{kind}_{i}"))
            found.append(y)
        prior = nn.initializers.constant(-math.log((1 - PRIOR) / PRIOR))
        y = kit.conv(
            found[0],
            self.anchors * self.num_classes,
            init=_small(),
            bias_init=prior,
            name="logits",
        )
        t = kit.conv(found[1], 4 * self.anchors, 3, init=_small(), name="boxes")
        return y.reshape(len(x), -1, self.num_classes), t.reshape(len(x), -1, 4)


class BoxHead(nn.Module):
    """The class of a region, and a box for each class.

    Attributes:
        num_classes: logits of a region (K), the background's first.
        hidden: units of the two layers.
    """

    num_classes: int
    hidden: int = 1024

    @nn.compact
    def __call__(self, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        """[B, N, P, P, C] -> logits [B, N, K] and t [B, N, K, 4]."""
        kit = Kit()
        x = x.reshape(*x.shape[:2], -1)
        for i in (1, 2):
            x = nn.relu(kit.dense(x, self.hidden, f"dense_{i}"))
        y = kit.dense(x, self.num_classes, "logits")
        t = nn.Dense(4 * self.num_classes, kernel_init=_small(), name="boxes")(x)
        return y, t.reshape(*y.shape, 4)


class MaskHead(nn.Module):
    """The mask of a region, one for each class.

    Attributes:
        num_classes: masks of a region (K), the background's first, which is not used.
        width: channels of its layers.
        layers: n.
        fast: compute the convolutions by `zoo.functional.convolve`.
    """

    num_classes: int
    width: int = 256
    layers: int = 4
    fast: bool = True

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """[B, N, P, P, C] -> logits [B, N, 2 P, 2 P, K]."""
        kit, (b, n) = Kit(fast=self.fast), x.shape[:2]
        x = x.reshape(b * n, *x.shape[2:])
        for i in range(1, self.layers + 1):
            x = nn.relu(kit.conv(x, self.width, 3, name=f"conv_{i}"))
        x = nn.relu(Doubled(self.width, name="double")(x))
        x = kit.conv(x, self.num_classes, 1, name="logits")
        return jnp.reshape(x, (b, n, *x.shape[1:]))
