"""Dual path networks: what a block finds is added to one path and put beside another.

    [r, d] = x or, in a stage's first block, conv1(f(N(x)))
    [a, b] = conv1(f(N(group3(f(N(conv1(f(N(x))))))))      y = [r + a, d, b]

r is the residual path, as wide in all blocks of a stage; d the dense path, to which
each block adds its `growth`. conv_k is a convolution of k x k, group3 one of 3x3 in
groups, N batch normalization, f ReLU. A residual network reuses features, a dense one
finds new ones: here half of each. The first block of each stage but the first halves
the image; it leaves two growths in d and adds its own.

Outputs by name: stem, stage_1, ..., stage_4, pooled.

Shapes: B examples, H height, W width, C channels, K classes.
Differs from the paper: nothing.

References:
    Chen et al., "Dual path networks", NeurIPS 2017, https://arxiv.org/abs/1707.01629,
    table 1
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from zoo.functional.pooling import max_pool
from zoo.vision.layers import Kit, large_stem, output
from zoo.vision.names import counted

TINY = dict(  # the size that the tests run
    **dict(blocks=(2, 1), growth=(2, 3), width=8, inner=4, groups=2),
    **dict(stem_width=4, stem="imagenet", stem_kernel=3),
)
RULES = (  # timm's names
    (r"features\.conv1_1\.conv", "stem_conv"),
    (r"features\.conv1_1\.bn", "stem_conv_norm"),
    (r"features\.conv5_bn_ac\.bn", "last_norm"),
    *(
        (
            rf"features\.conv(\d)_(\d+)\.{theirs}\.{kind}",
            counted(f"stage_{{}}_block_{{}}/{ours}{ending}", 1, 1),
        )
        for theirs, ours in (
            *((r"c1x1_w_s\d", "shortcut"), ("c1x1_a", "conv_1")),
            *(("c3x3_b", "conv_2"), ("c1x1_c", "conv_3")),
        )
        for kind, ending in (("conv", ""), ("bn", "_norm"))
    ),
    (r"classifier", "head"),
)


class DualPath(nn.Module):
    """Three convolutions; one part of the result is added, the other put beside.

    Attributes:
        kit: makes the layers.
        width: channels of the residual path.
        growth: channels that the dense path gains.
        inner: channels of the 3x3.
        groups: of the 3x3.
        stride: of the 3x3.
        first: whether a convolution of 1x1 makes both paths.
    """

    kit: Kit
    width: int
    growth: int
    inner: int
    groups: int
    stride: int = 1
    first: bool = False

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        paths, both = x, self.width + self.growth
        if self.first:  # two growths, so that the dense path is not empty
            paths = self._layer(x, both + self.growth, 1, self.stride, name="shortcut")
        x = self._layer(x, self.inner, 1, name="conv_1")
        x = self._layer(
            x, self.inner, 3, self.stride, groups=self.groups, name="conv_2"
        )
        x = self._layer(x, both, 1, name="conv_3")
        parts = [array[..., : self.width] for array in (paths, x)]
        rest = [array[..., self.width :] for array in (paths, x)]
        return jnp.concatenate([sum(parts), *rest], -1)

    def _layer(self, x, features, kernel, stride=1, *, name, groups=1):
        x = nn.relu(self.kit.norm(x, f"{name}_norm"))
        options = dict(groups=groups, bias=False, name=name)
        return self.kit.conv(x, features, kernel, stride, **options)


class DPN(nn.Module):
    """Classifier of images.

    Attributes:
        num_classes: logits of an example (K).
        blocks: how many each stage has.
        growth: of the dense path in each stage.
        width: of the residual path in the first stage; each later one has twice as
            many channels.
        inner: channels of the 3x3 in the first stage; twice as many in each later one.
        groups: of the 3x3.
        stem_width: channels of the first convolution.
        stem_kernel: of the first convolution.
        stem: `imagenet` (stride 2, and pooling) or `cifar` (nothing is lost).
        dtype: of the computation; None for that of the input.
        axis_name: of the devices over which BatchNorm takes its statistics.
        fast: compute the convolutions by `zoo.functional.convolve`; False as
            published, with the same result.

    Raises:
        ValueError: an image smaller than the strides; a field out of range.
    """

    num_classes: int = 1000
    blocks: tuple[int, ...] = (3, 4, 20, 3)
    growth: tuple[int, ...] = (16, 32, 24, 128)
    width: int = 256
    inner: int = 96
    groups: int = 32
    stem_width: int = 64
    stem_kernel: int = 7
    stem: str = "imagenet"
    dtype: Any = None
    axis_name: str | None = None
    fast: bool = True

    @nn.compact
    def __call__(
        self, x: jax.Array, *, train: bool = False, index: jax.Array | None = None
    ) -> jax.Array:  # [B, H, W, C] -> [B, K]
        del index  # nothing here is drawn
        large = large_stem("DPN", x, self.stem, len(self.blocks) - 1)
        if len(self.growth) != len(self.blocks):
            raise ValueError(
                f"growth must be {len(self.blocks)} numbers, got {self.growth}"
            )
        if self.inner % self.groups:
            raise ValueError(
                f"groups must divide inner {self.inner}, got {self.groups}"
            )
        kit = Kit(train, self.axis_name, self.dtype, self.fast, epsilon=1e-3)
        stride = 2 if large else 1
        x = kit.unit(x, self.stem_width, self.stem_kernel, stride, name="stem_conv")
        x = output(self, "stem", max_pool(x, 3, 2, 1) if large else x)
        for i, (count, growth) in enumerate(zip(self.blocks, self.growth, strict=True)):
            for j in range(count):
                x = DualPath(
                    kit,
                    self.width * 2**i,
                    growth,
                    self.inner * 2**i,
                    self.groups,
                    stride=2 if i and not j else 1,
                    first=not j,
                    name=f"stage_{i + 1}_block_{j}",
                )(x)
            output(self, f"stage_{i + 1}", x)
        x = nn.relu(kit.norm(x, "last_norm"))
        x = output(self, "pooled", x.mean((1, 2)))  # -> [B, C]
        return kit.dense(x, self.num_classes, "head")  # -> [B, K]
