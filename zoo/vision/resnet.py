"""Residual networks: a stage's blocks add to what they are given.

    basic         y = f(N(conv3(f(N(conv3(x))))) + s(x))
    bottleneck    y = f(N(conv1(f(N(conv3(f(N(conv1(x))))))) + s(x))
    pre-activated y = conv(f(N(...conv(f(N(x)))))) + s(x)      nothing behind the sum

conv_k is a convolution of k x k, N batch normalization, f ReLU. The first block of
each stage but the first halves the image and doubles the channels; s is the identity
where shapes agree, else, by the field `shortcut`:

    projection    N(conv1(x))    option B; pre-activated: conv1(f(N(x))), without N
    padding       every second pixel, and zeros for the new channels     option A
    none          there is no shortcut at all: the plain twin of the network

ResNeXt is `groups` in the 3x3 of a bottleneck, Wide ResNet a larger `base_width` (of
bottlenecks) or `width` (of basic blocks): the inner width of a bottleneck of W channels
is floor(W base_width / 64) groups, its output 4 W.

Where pixels are told apart, the last stages are `dilated`: they keep the size of the
image, and their 3x3 look 2, then 4 pixels away, where else the stride would have been;
the first block of a stage still as far as the stage before. Without a `head` the
outputs of the stages are given, the largest image first.

Outputs by name: stem, stage_1, stage_2, ..., pooled.

Shapes: B examples, H height, W width, C channels, K classes.
Differs from the paper: the stride of a bottleneck is in its 3x3, as in PyTorch, which
is a little better; `stride_first=True` has it in the first 1x1, as printed. The paper
does not say where the zeros of option A are; here they are the last channels.
Pre-activated: what the first block of a stage normalizes also goes to its projection.

References:
    He, Zhang, Ren and Sun, "Deep residual learning for image recognition", CVPR 2016,
    https://arxiv.org/abs/1512.03385
    He, Zhang, Ren and Sun, "Identity mappings in deep residual networks", ECCV 2016,
    https://arxiv.org/abs/1603.05027 (pre-activated)
    Xie et al., "Aggregated residual transformations for deep neural networks", CVPR
    2017, https://arxiv.org/abs/1611.05431 (ResNeXt)
    Zagoruyko and Komodakis, "Wide residual networks", BMVC 2016,
    https://arxiv.org/abs/1605.07146
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from zoo.functional.pooling import max_pool
from zoo.vision.layers import Kit, large_stem, output
from zoo.vision.names import units

SHORTCUTS = ("projection", "padding", "none")
TINY = dict(blocks=(1, 1), width=4, stem_width=4)  # the size that the tests run
RULES = (  # torchvision's, timm's and pytorchcv's names
    (r"conv1", "stem_conv"),
    (r"bn1", "stem_conv_norm"),
    (r"layer(\d)\.(\d+)\.conv(\d)", r"stage_\1_block_\2/conv_\3"),
    (r"layer(\d)\.(\d+)\.bn(\d)", r"stage_\1_block_\2/conv_\3_norm"),
    (r"layer(\d)\.(\d+)\.downsample\.0", r"stage_\1_block_\2/shortcut"),
    (r"layer(\d)\.(\d+)\.downsample\.1", r"stage_\1_block_\2/shortcut_norm"),
    (r"fc", "head"),
    *units(
        "stage_{}_block_{}",
        {
            r"body\.conv(\d)\.conv": "/conv_{}",
            r"body\.conv(\d)\.bn": "/conv_{}_norm",
            r"identity_conv(?:\.conv)?": "/shortcut",
            r"identity_conv\.bn": "/shortcut_norm",
        },
    ),
)


class Basic(nn.Module):
    """Two convolutions of 3x3 beside a shortcut.

    Attributes:
        kit: makes the layers.
        width: channels of its output.
        stride: of the first convolution.
        shortcut: one of `SHORTCUTS`.
        preactivated: normalize before convolving.
        dropout: rate between the two convolutions.
        dilation: of the convolutions.
    """

    kit: Kit
    width: int
    stride: int = 1
    shortcut: str = "projection"
    preactivated: bool = False
    dropout: float = 0.0
    dilation: int = 1

    @nn.compact
    def __call__(self, x: jax.Array, index: jax.Array | None = None) -> jax.Array:
        layers = (self.width, 3, self.stride, 1), (self.width, 3, 1, 1)
        return _residual(self, x, layers, index)


class Bottleneck(nn.Module):
    """1x1 to the inner width, 3x3, and 1x1 to four times the width, beside a shortcut.

    Attributes:
        kit: makes the layers.
        width: a quarter of the channels of its output.
        stride: of the 3x3.
        shortcut: one of `SHORTCUTS`.
        preactivated: normalize before convolving.
        inner: channels of the 3x3.
        groups: of the 3x3.
        stride_first: the stride is in the first 1x1 instead.
        dropout: rate before the last convolution.
        dilation: of the 3x3.
    """

    kit: Kit
    width: int
    stride: int = 1
    shortcut: str = "projection"
    preactivated: bool = False
    inner: int = 64
    groups: int = 1
    stride_first: bool = False
    dropout: float = 0.0
    dilation: int = 1

    @nn.compact
    def __call__(self, x: jax.Array, index: jax.Array | None = None) -> jax.Array:
        first, second = (self.stride, 1)[:: 1 if self.stride_first else -1]
        layers = (
            (self.inner, 1, first, 1),
            (self.inner, 3, second, self.groups),
            (4 * self.width, 1, 1, 1),
        )
        return _residual(self, x, layers, index)


def _residual(block, x, layers, index):
    """Layers (features, kernel, stride, groups), named conv_1, ..., and the sum."""
    kit, given, source, last = block.kit, x, x, len(layers)
    for i, (features, kernel, stride, groups) in enumerate(layers, 1):
        name = f"conv_{i}"
        if i == last and block.dropout:
            x = kit.dropout(x, block.dropout, index, "dropout")
        options = dict(groups=groups, dilation=block.dilation if kernel > 1 else 1)
        if block.preactivated:
            x = nn.relu(kit.norm(x, f"{name}_norm"))
            if i == 1:
                source = x  # of the projection
            x = kit.conv(x, features, kernel, stride, bias=False, name=name, **options)
        else:
            act = nn.relu if i < last else None
            x = kit.unit(x, features, kernel, stride, act, name=name, **options)
    if block.shortcut != "none":
        if given.shape == x.shape:
            x = x + given
        elif block.shortcut == "padding":
            skipped = given[:, :: block.stride, :: block.stride]
            more = x.shape[-1] - given.shape[-1]
            x = x + jnp.pad(skipped, ((0, 0), (0, 0), (0, 0), (0, more)))
        elif block.preactivated:
            x = x + kit.conv(
                source, x.shape[-1], 1, block.stride, bias=False, name="shortcut"
            )
        else:
            x = x + kit.unit(given, x.shape[-1], 1, block.stride, None, name="shortcut")
    return x if block.preactivated else nn.relu(x)


class ResNet(nn.Module):
    """Residual classifier of images.

    Attributes:
        num_classes: logits of an example (K).
        blocks: how many each stage has.
        bottleneck: blocks of three convolutions, else of two.
        width: channels of the first stage; a quarter of them with bottlenecks.
        stem: `imagenet` (7x7 and pooling, an eighth of the pixels' rows is left after
            the next stage) or `cifar` (3x3, nothing is lost).
        stem_width: channels of the stem; 0 for `width`.
        groups, base_width: of bottlenecks, see above.
        shortcut: `projection`, `padding` or `none`.
        preactivated: normalize before convolving.
        stride_first: bottlenecks have their stride in the first 1x1.
        dropout: rate inside each block, as in Wide ResNet.
        dilated: so many of the last stages are dilated instead of strided.
        head: with pooling and logits; without, a tuple of the stages' outputs.
        frozen: normalizations are constants, as in detectors.
        dtype: of the computation; None for that of the input.
        axis_name: of the devices over which BatchNorm takes its statistics.
        fast: compute the convolutions by `zoo.functional.convolve`; False as
            published, with the same result.

    Raises:
        ValueError: an image smaller than the strides; a field out of range.
    """

    num_classes: int = 1000
    blocks: tuple[int, ...] = (3, 4, 6, 3)
    bottleneck: bool = False
    width: int = 64
    stem: str = "imagenet"
    stem_width: int = 0
    groups: int = 1
    base_width: int = 64
    shortcut: str = "projection"
    preactivated: bool = False
    stride_first: bool = False
    dropout: float = 0.0
    dilated: int = 0
    head: bool = True
    frozen: bool = False
    dtype: Any = None
    axis_name: str | None = None
    fast: bool = True

    @nn.compact
    def __call__(
        self, x: jax.Array, *, train: bool = False, index: jax.Array | None = None
    ) -> jax.Array | tuple[jax.Array, ...]:  # [B, H, W, C] -> [B, K]
        large = large_stem(
            *("ResNet", x, self.stem, len(self.blocks) - 1),
            shortcut=(self.shortcut, SHORTCUTS),
        )
        kit = Kit(train, self.axis_name, self.dtype, self.fast, frozen=self.frozen)
        features = self.stem_width or self.width
        kernel, stride = (7, 2) if large else (3, 1)
        if self.preactivated and not large:  # the first block normalizes
            x = kit.conv(x, features, kernel, stride, bias=False, name="stem_conv")
        else:
            x = kit.unit(x, features, kernel, stride, name="stem_conv")
        x = output(self, "stem", max_pool(x, 3, 2, 1) if large else x)
        shared = dict(shortcut=self.shortcut, preactivated=self.preactivated)
        stages, dilation = [], 1
        for i, count in enumerate(self.blocks):
            width = self.width * 2**i
            wide = i and i >= len(self.blocks) - self.dilated
            for j in range(count):
                stride = 2 if i and not j and not wide else 1
                name = f"stage_{i + 1}_block_{j}"
                if self.bottleneck:
                    block = Bottleneck(
                        kit,
                        width,
                        stride,
                        inner=width * self.base_width // 64 * self.groups,
                        groups=self.groups,
                        stride_first=self.stride_first,
                        dropout=self.dropout,
                        dilation=dilation,
                        name=name,
                        **shared,
                    )
                else:
                    block = Basic(
                        *(kit, width, stride),
                        **dict(dropout=self.dropout, dilation=dilation, name=name),
                        **shared,
                    )
                x = block(x, index)
                if wide and not j:  # only now, as with a stride in a 3x3
                    dilation *= 2
            stages.append(output(self, f"stage_{i + 1}", x))
        if not self.head:
            return tuple(stages)
        if self.preactivated:
            x = nn.relu(kit.norm(x, "last_norm"))
        x = output(self, "pooled", x.mean((1, 2)))  # -> [B, C]
        return kit.dense(x, self.num_classes, "head")  # -> [B, K]
