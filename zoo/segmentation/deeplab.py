"""DeepLabV3: a dilated ResNet, and behind it convolutions of several reaches at once.

    ASPP  beside each other   conv1, three conv3 of 12, 24 and 36 pixels away, and the
                              mean of the whole map -> conv1, repeated at each pixel
          then                conv1 -> dropout
    head  ASPP -> conv3 -> conv1 to K scores

Each convolution but the last has batch normalization and ReLU behind it. The scores,
of an eighth of the rows, are enlarged by bilinear interpolation. The second head is as
in `zoo.segmentation.fcn_resnet`, and so is what the model gives.

Outputs by name: backbone, aspp, scores, and those of the backbone.

Shapes: B examples, H height, W width, C channels, K classes.
Differs from the paper, as torchvision: both last stages are dilated at all times, and
stage 4 has no grid of reaches of its own.

References:
    Chen, Papandreou, Schroff and Adam, "Rethinking atrous convolution for semantic
    image segmentation", 2017, https://arxiv.org/abs/1706.05587
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from zoo.functional.resize import resize
from zoo.segmentation.fcn_resnet import RULES as SHARED
from zoo.segmentation.fcn_resnet import backbone, with_auxiliary
from zoo.vision.layers import Kit, output

TINY = dict(
    **dict(num_classes=3, blocks=(1, 1, 1), width=4, stem_width=4, auxiliary=True),
    **dict(features=6, rates=(1, 2)),
)


def rules(rates: int = 3) -> tuple:
    """torchvision's names, where the mean is counted behind the rates."""
    own = [
        (r"classifier\.0\.convs\.0\.0", "aspp_0"),
        (r"classifier\.0\.convs\.0\.1", "aspp_0_norm"),
    ]
    for i in range(1, rates + 1):
        own.append((rf"classifier\.0\.convs\.{i}\.0", f"aspp_{i}"))
        own.append((rf"classifier\.0\.convs\.{i}\.1", f"aspp_{i}_norm"))
    return (
        *own,
        (rf"classifier\.0\.convs\.{rates + 1}\.1", "aspp_mean"),
        (rf"classifier\.0\.convs\.{rates + 1}\.2", "aspp_mean_norm"),
        (r"classifier\.0\.project\.0", "aspp"),
        (r"classifier\.0\.project\.1", "aspp_norm"),
        (r"classifier\.1", "head_conv"),
        (r"classifier\.2", "head_conv_norm"),
        *(rule for rule in SHARED if not rule[0].startswith(r"classifier\.0")),
    )


class DeepLabV3(nn.Module):
    """A class for each pixel, from ResNet and ASPP.

    Attributes:
        num_classes: logits of a pixel (K).
        blocks: of the backbone's stages.
        width: a quarter of the channels of its first stage.
        stem_width: channels of its stem; 0 for `width`.
        features: channels of ASPP's branches and of the head.
        rates: dilations of ASPP's 3x3.
        auxiliary: with a second head, on the last stage but one.
        dropout: rate behind ASPP; the auxiliary head has 0.1.
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
    features: int = 256
    rates: tuple[int, ...] = (12, 24, 36)
    auxiliary: bool = True
    dropout: float = 0.5
    dtype: Any = None
    axis_name: str | None = None
    fast: bool = True

    head_dropout = 0.1

    @nn.compact
    def __call__(
        self, x: jax.Array, *, train: bool = False, index: jax.Array | None = None
    ) -> Any:  # [B, H, W, C] -> [B, H, W, K]
        kit = Kit(train, self.axis_name, self.dtype, self.fast)
        stages = backbone(self)(x, train=train, index=index)
        size, x = x.shape[1:3], stages[-1]
        parts = [kit.unit(x, self.features, 1, name="aspp_0")]
        for i, rate in enumerate(self.rates, 1):
            parts.append(kit.unit(x, self.features, dilation=rate, name=f"aspp_{i}"))
        mean = x.mean((1, 2), keepdims=True)
        mean = kit.unit(mean, self.features, 1, name="aspp_mean")
        parts.append(jnp.broadcast_to(mean, parts[0].shape))
        x = kit.unit(jnp.concatenate(parts, -1), self.features, 1, name="aspp")
        x = kit.dropout(output(self, "aspp_output", x), self.dropout, index, "drop")
        x = kit.unit(x, self.features, name="head_conv")
        x = kit.conv(x, self.num_classes, 1, name="head")
        logits = resize(output(self, "scores", x), size)
        return with_auxiliary(self, kit, stages, index, logits)
