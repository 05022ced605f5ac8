"""FCN on a ResNet whose last two stages are dilated.

    x -> ResNet -> stage 4 -> conv3 -> N -> f -> dropout -> conv1 -> K scores
    auxiliary         stage 3 -> conv3 -> N -> f -> dropout -> conv1 -> K scores

The scores, of an eighth of the rows, are enlarged by bilinear interpolation. With
`auxiliary` the model gives a dict of `logits` and `auxiliary` in training; in use it
gives logits alone.

Outputs by name: backbone, scores, and those of the backbone.

Shapes: B examples, H height, W width, C channels, K classes.

References:
    Long, Shelhamer and Darrell, "Fully convolutional networks for semantic
    segmentation", CVPR 2015, https://arxiv.org/abs/1411.4038; on ResNet as in
    torchvision
"""

from typing import Any

import flax.linen as nn
import jax

from zoo.functional.resize import resize
from zoo.segmentation.borders import pixel_cross_entropy
from zoo.vision import resnet
from zoo.vision.layers import Kit, output

TINY = dict(num_classes=3, blocks=(1, 1, 1), width=4, stem_width=4, auxiliary=True)
RULES = (  # torchvision's names
    *((rf"backbone\.{pattern}", f"backbone/{path}") for pattern, path in resnet.RULES),
    (r"classifier\.0", "head_conv"),
    (r"classifier\.1", "head_conv_norm"),
    (r"classifier\.4", "head"),
    (r"aux_classifier\.0", "?auxiliary_conv"),
    (r"aux_classifier\.1", "?auxiliary_conv_norm"),
    (r"aux_classifier\.4", "?auxiliary"),
)


class FCNResNet(nn.Module):
    """A class for each pixel, from ResNet.

    Attributes:
        num_classes: logits of a pixel (K).
        blocks: of the backbone's stages.
        width: a quarter of the channels of its first stage.
        stem_width: channels of its stem; 0 for `width`.
        auxiliary: with a second head, on the last stage but one.
        dropout: rate in the heads.
        dtype: of the computation; None for that of the input.
        axis_name: of the devices over which BatchNorm takes its statistics.
        fast: compute the convolutions by `zoo.functional.convolve`; False as
            published, with the same result.

    Raises:
        ValueError: an image that is too small.
    """

    num_classes: int = 21
    blocks: tuple[int, ...] = (3, 4, 6, 3)
    width: int = 64
    stem_width: int = 0
    auxiliary: bool = True
    dropout: float = 0.1
    dtype: Any = None
    axis_name: str | None = None
    fast: bool = True

    @nn.compact
    def __call__(
        self, x: jax.Array, *, train: bool = False, index: jax.Array | None = None
    ) -> Any:  # [B, H, W, C] -> [B, H, W, K]
        kit = Kit(train, self.axis_name, self.dtype, self.fast)
        stages = backbone(self)(x, train=train, index=index)
        size = x.shape[1:3]
        x = head(self, kit, stages[-1], index, "head")
        logits = resize(output(self, "scores", x), size)
        return with_auxiliary(self, kit, stages, index, logits)


def backbone(net: nn.Module) -> resnet.ResNet:
    """The ResNet of a network that has its fields; it gives its stages."""
    return resnet.ResNet(
        blocks=net.blocks,
        bottleneck=True,
        width=net.width,
        stem_width=net.stem_width,
        dilated=2,
        head=False,
        dtype=net.dtype,
        axis_name=net.axis_name,
        fast=net.fast,
        name="backbone",
    )


def head(net: nn.Module, kit: Kit, x: jax.Array, index: Any, name: str) -> jax.Array:
    """A quarter of the channels, and then scores."""
    x = kit.unit(x, x.shape[-1] // 4, name=f"{name}_conv")
    x = kit.dropout(x, getattr(net, "head_dropout", net.dropout), index, f"{name}_drop")
    return kit.conv(x, net.num_classes, 1, name=name)


def with_auxiliary(net, kit, stages, index, logits):
    """What a network with a second head gives; there in `init`, too."""
    if not net.auxiliary or not (kit.train or net.is_initializing()):
        return logits
    x = head(net, kit, stages[-2], index, "auxiliary")
    if not kit.train:
        return logits
    return {"logits": logits, "auxiliary": resize(x, logits.shape[1:3])}


def auxiliary_loss(
    outputs: Any, batch: dict[str, Any], weight: float = 0.5
) -> tuple[jax.Array, jax.Array]:
    """Cross-entropy of the pixels, and `weight` times that of the auxiliary head.

    Args:
        outputs: logits, or a dict with `auxiliary` ones too.
        batch: as for `pixel_cross_entropy`.
        weight: of the auxiliary head.

    Returns:
        The weighted sum and the sum of the weights, over pixels.

    Raises:
        ValueError: as `pixel_cross_entropy`.
    """
    if not isinstance(outputs, dict):
        return pixel_cross_entropy(outputs, batch)
    total, count = pixel_cross_entropy(outputs["logits"], batch)
    more, _ = pixel_cross_entropy(outputs["auxiliary"], batch)
    return total + weight * more, count
