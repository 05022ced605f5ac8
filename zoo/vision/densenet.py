"""DenseNet: each layer sees the outputs of all before it.

    layer        x -> [x, g(x)]          g = conv3(f(N(x)))                 plain
                                         g = conv3(f(N(conv1(f(N(x))))))    bottleneck
    transition   x -> mean pool 2 of conv1(f(N(x)))      compression: fewer channels

N is batch normalization, f ReLU. Each layer adds `growth` channels (k in the paper);
the 1x1 inside of a bottleneck has four times as many. Stages of `blocks` layers, with a
transition between two of them, and a last normalization. DenseNet-BC has bottlenecks
and compression 0.5; all those for ImageNet are BC.

Outputs by name: stem, stage_1, ..., stage_n (before the transition), pooled.

Shapes: B examples, H height, W width, C channels, K classes.

References:
    Huang, Liu, van der Maaten and Weinberger, "Densely connected convolutional
    networks", CVPR 2017, https://arxiv.org/abs/1608.06993, table 1 and section 4.2
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from zoo.functional.pooling import max_pool, mean_pool
from zoo.vision.layers import Kit, large_stem, output
from zoo.vision.names import counted, units

TINY = dict(blocks=(2, 1), growth=2, stem_width=4)  # the size that the tests run
RULES = (  # torchvision's, timm's and pytorchcv's names
    (r"features\.conv0", "stem_conv"),
    (r"features\.norm0", "stem_norm"),
    (
        r"features\.denseblock(\d)\.denselayer(\d+)\.(norm|conv)(\d)",
        r"stage_\1_layer_\2/\3_\4",
    ),
    (r"features\.transition(\d)\.(norm|conv)", r"transition_\1_\2"),
    (r"features\.norm5", "last_norm"),
    (r"classifier", "head"),
    *units(
        "stage_{}_layer_{}",
        {r"conv(\d)\.conv": "/conv_{}", r"conv(\d)\.bn": "/norm_{}"},
        first=1,
    ),
    *(
        (
            rf"features\.stage(\d)\.trans\d\.conv\.{theirs}",
            counted(f"transition_{{}}_{ours}", 1),
        )
        for theirs, ours in (("conv", "conv"), ("bn", "norm"))
    ),
)


class DenseLayer(nn.Module):
    """What it is given, and `growth` channels more.

    Attributes:
        kit: makes the layers.
        growth: new channels.
        bottleneck: with a convolution of 1x1 before that of 3x3.
        dropout: rate behind the last convolution.
    """

    kit: Kit
    growth: int
    bottleneck: bool = True
    dropout: float = 0.0

    @nn.compact
    def __call__(self, x: jax.Array, index: jax.Array | None = None) -> jax.Array:
        kit, given = self.kit, x
        kernels = (1, 3) if self.bottleneck else (3,)
        for i, kernel in enumerate(kernels, 1):
            x = nn.relu(kit.norm(x, f"norm_{i}"))
            width = 4 * self.growth if kernel == 1 else self.growth
            x = kit.conv(x, width, kernel, bias=False, name=f"conv_{i}")
        if self.dropout:
            x = kit.dropout(x, self.dropout, index, "dropout")
        return jnp.concatenate([given, x], -1)


class DenseNet(nn.Module):
    """Classifier of images.

    Attributes:
        num_classes: logits of an example (K).
        blocks: layers of each stage.
        growth: channels that a layer adds.
        bottleneck: layers have a convolution of 1x1 too.
        compression: the share of the channels that a transition keeps.
        stem: `imagenet` (7x7 with stride 2, and pooling) or `cifar` (3x3).
        stem_width: channels of the stem; 0 for 2 growth.
        dropout: rate in each layer.
        dtype: of the computation; None for that of the input.
        axis_name: of the devices over which BatchNorm takes its statistics.
        fast: compute the convolutions by `zoo.functional.convolve`; False as
            published, with the same result.

    Raises:
        ValueError: an image smaller than the strides; a field out of range.
    """

    num_classes: int = 1000
    blocks: tuple[int, ...] = (6, 12, 24, 16)
    growth: int = 32
    bottleneck: bool = True
    compression: float = 0.5
    stem: str = "imagenet"
    stem_width: int = 0
    dropout: float = 0.0
    dtype: Any = None
    axis_name: str | None = None
    fast: bool = True

    @nn.compact
    def __call__(
        self, x: jax.Array, *, train: bool = False, index: jax.Array | None = None
    ) -> jax.Array:  # [B, H, W, C] -> [B, K]
        large = large_stem("DenseNet", x, self.stem, len(self.blocks) - 1)
        if not 0 < self.compression <= 1:
            raise ValueError(f"compression must be in (0, 1], got {self.compression}")
        kit = Kit(train, self.axis_name, self.dtype, self.fast)
        kernel, stride = (7, 2) if large else (3, 1)
        width = self.stem_width or 2 * self.growth
        x = kit.conv(x, width, kernel, stride, bias=False, name="stem_conv")
        if large:
            x = max_pool(nn.relu(kit.norm(x, "stem_norm")), 3, 2, 1)
        output(self, "stem", x)
        for i, count in enumerate(self.blocks, 1):
            for j in range(1, count + 1):
                layer = DenseLayer(
                    kit,
                    self.growth,
                    self.bottleneck,
                    self.dropout,
                    name=f"stage_{i}_layer_{j}",
                )
                x = layer(x, index)
            output(self, f"stage_{i}", x)
            if i < len(self.blocks):
                x = nn.relu(kit.norm(x, f"transition_{i}_norm"))
                fewer = int(x.shape[-1] * self.compression)
                x = kit.conv(x, fewer, 1, bias=False, name=f"transition_{i}_conv")
                x = mean_pool(x)
        x = nn.relu(kit.norm(x, "last_norm"))
        x = output(self, "pooled", x.mean((1, 2)))  # -> [B, C]
        return kit.dense(x, self.num_classes, "head")  # -> [B, K]
