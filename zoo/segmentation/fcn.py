"""Fully convolutional VGG: FCN-32s, 16s and 8s, DeepLab-LargeFOV, dilated context.

    FCN        VGG's five stages -> conv7 -> f -> conv1 -> f -> conv1 to K scores, of a
               32nd of the rows; doubled and added to scores of stage 4 (16s), again to
               those of stage 3 (8s), and enlarged to the image
    LargeFOV   stages 4 and 5 pool without a stride, stage 5 looks 2 pixels away; then
               conv3 of 12 pixels away -> f -> conv1 -> f -> scores, of an 8th
    context    stages 4 and 5 do not pool; stage 5 looks 2 pixels away, conv7 4; then
               seven conv3 -> f of K channels, 1, 1, 2, 4, 8, 16, 1 pixels away, conv1

f is ReLU, conv_k a convolution of k x k. Enlarging begins as bilinear interpolation,
and the dilated networks stay with it. The context module begins as the identity.

Outputs by name: stage_1, ..., stage_5, scores (before enlarging).

Shapes: B examples, H height, W width, C channels, K classes.
Differs from the papers: FCN's first convolution is padded by 100 pixels there, and the
outcome cropped; here the 7x7 is padded by half of it, so that maps and image fit
without a crop. Sides that a stride does not divide are rounded up.

References:
    Long, Shelhamer and Darrell, "Fully convolutional networks for semantic
    segmentation", CVPR 2015, https://arxiv.org/abs/1411.4038
    Chen et al., "Semantic image segmentation with deep convolutional nets and fully
    connected CRFs", ICLR 2015, https://arxiv.org/abs/1412.7062 (LargeFOV)
    Yu and Koltun, "Multi-scale context aggregation by dilated convolutions", ICLR 2016,
    https://arxiv.org/abs/1511.07122 (table 1)
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from zoo.functional.pooling import max_pool
from zoo.functional.resize import resize
from zoo.segmentation.upward import Enlarged
from zoo.vision.layers import Kit, check, output
from zoo.vision.vgg import DEPTHS

CONTEXT = (1, 1, 2, 4, 8, 16, 1)
TINY = dict(num_classes=3, blocks=(1, 1, 1, 1, 1), width=4, hidden=8)
TINY_CONTEXT = {**TINY, "kernel": 3, "context": (1, 2)}


class FCN(nn.Module):
    """A class for each pixel, from VGG.

    Attributes:
        num_classes: logits of a pixel (K).
        stride: 32, 16 or 8: of the finest map that is used.
        learned: the last enlargement learns; the others always do.
        blocks: convolutions of each of the five stages.
        width: channels of the first stage; doubled by each, up to eight times.
        hidden: channels of the two layers behind.
        dropout: rate behind each of them.
        dtype: of the computation; None for that of the input.
        fast: compute the convolutions by `zoo.functional.convolve`; False as
            published, with the same result.

    Raises:
        ValueError: another stride; another number of stages.
    """

    num_classes: int = 21
    stride: int = 8
    learned: bool = True
    blocks: tuple[int, ...] = DEPTHS[16]
    width: int = 64
    hidden: int = 4096
    dropout: float = 0.5
    dtype: Any = None
    fast: bool = True

    @nn.compact
    def __call__(
        self, x: jax.Array, *, train: bool = False, index: jax.Array | None = None
    ) -> jax.Array:  # [B, H, W, C] -> [B, H, W, K]
        strides = (self.stride, (32, 16, 8))
        check("FCN", x, 8, stride=strides, stages=(len(self.blocks), (5,)))
        kit, size, stages = Kit(train, None, self.dtype, self.fast), x.shape[1:3], []
        for i, count in enumerate(self.blocks, 1):
            x = _stage(kit, x, i, count, self.width)
            x = output(self, f"stage_{i}", max_pool(x, ceil=True))
            stages.append(x)
        for i, kernel in ((6, 7), (7, 1)):
            x = nn.relu(kit.conv(x, self.hidden, kernel, name=f"conv_{i}"))
            x = kit.dropout(x, self.dropout, index, f"dropout_{i}")
        x, left = kit.conv(x, self.num_classes, 1, name="scores_5"), 32
        for i in (4, 3):
            if left == self.stride:
                break
            left //= 2
            more = kit.conv(stages[i - 1], self.num_classes, 1, name=f"scores_{i}")
            x = Enlarged(2, fast=self.fast, name=f"double_{i}")(x)
            x = more + x[:, : more.shape[1], : more.shape[2]]
        output(self, "scores", x)
        x = Enlarged(left, self.learned, self.fast, name="enlarge")(x)
        return x[:, : size[0], : size[1]]


class DilatedVGG(nn.Module):
    """A class for each pixel, from a VGG that keeps an eighth of the rows.

    Attributes:
        num_classes: logits of a pixel (K).
        pooled: stages 4 and 5 pool without a stride, and all do over 3x3.
        kernel: of the first layer behind the stages.
        dilation: of that layer.
        hidden: channels of the two layers behind.
        context: dilations of the context module; () for none.
        blocks, width, dropout, dtype, fast: as in FCN.

    Raises:
        ValueError: another number of stages.
    """

    num_classes: int = 21
    pooled: bool = True
    kernel: int = 3
    dilation: int = 12
    hidden: int = 1024
    context: tuple[int, ...] = ()
    blocks: tuple[int, ...] = DEPTHS[16]
    width: int = 64
    dropout: float = 0.5
    dtype: Any = None
    fast: bool = True

    @nn.compact
    def __call__(
        self, x: jax.Array, *, train: bool = False, index: jax.Array | None = None
    ) -> jax.Array:  # [B, H, W, C] -> [B, H, W, K]
        check("DilatedVGG", x, 8, stages=(len(self.blocks), (5,)))
        kit, size = Kit(train, None, self.dtype, self.fast), x.shape[1:3]
        for i, count in enumerate(self.blocks, 1):
            x = _stage(kit, x, i, count, self.width, 2 if i == 5 else 1)
            if self.pooled:
                x = max_pool(x, 3, 2 if i < 4 else 1, 1)
            elif i < 4:
                x = max_pool(x, ceil=True)
            output(self, f"stage_{i}", x)
        for i, kernel, dilation in ((6, self.kernel, self.dilation), (7, 1, 1)):
            name = f"conv_{i}"
            x = nn.relu(kit.conv(x, self.hidden, kernel, name=name, dilation=dilation))
            x = kit.dropout(x, self.dropout, index, f"dropout_{i}")
        x = kit.conv(x, self.num_classes, 1, name="scores_5")
        if self.context:
            x = Context(kit, self.context, name="context")(x)
        output(self, "scores", x)
        return resize(x, size)


class Context(nn.Module):
    """Convolutions that look further and further; the identity at first.

    Attributes:
        kit: makes the layers.
        dilations: of each 3x3.
    """

    kit: Kit
    dilations: tuple[int, ...] = CONTEXT

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:  # [B, H, W, K] -> [B, H, W, K]
        channels = x.shape[-1]
        for i, dilation in enumerate((*self.dilations, 0)):
            kernel = 3 if dilation else 1
            options = dict(dilation=dilation or 1, init=_identity, name=f"conv_{i + 1}")
            x = self.kit.conv(x, channels, kernel, **options)
            x = nn.relu(x) if dilation else x
        return x


def _identity(key, shape, dtype=jnp.float32):
    """The kernel that leaves each channel as it is."""
    del key
    h, w, inputs, outputs = shape
    return (
        jnp.zeros(shape, dtype)
        .at[h // 2, w // 2]
        .set(jnp.eye(inputs, outputs, dtype=dtype))
    )


def _stage(kit, x, number, count, width, dilation=1):
    channels = width * min(2 ** (number - 1), 8)
    for j in range(count):
        name = f"conv_{number}_{j}"
        x = nn.relu(kit.conv(x, channels, name=name, dilation=dilation))
    return x
