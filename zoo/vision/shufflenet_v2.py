"""ShuffleNet V2: half of the channels pass a unit by, and then all are shuffled.

    unit              [a, b] = x                    y = shuffle([a, g(b)])
    with stride 2     y = shuffle([f(N(conv1(N(depthwise3(x))))), g(x)])
    g(x) = f(N(conv1(N(depthwise3(f(N(conv1(x))))))))
    network           x -> unit 3x3/2 -> pool -> units of three stages -> unit 1x1
                        -> mean -> dense

f is ReLU, N batch normalization, pool the maximum of 3x3 at every second pixel; the
shuffle is of two groups. The first unit of a stage has stride 2 and leaves its stage's
width. Nothing is added and no convolution but the depthwise ones is grouped: what costs
time on a device is memory as much as multiply-adds.

Outputs by name: stem, stage_1, stage_2, stage_3, last, pooled.

Shapes: B examples, H height, W width, C channels, K classes.
Differs from the paper: nothing; the widths of 2x are those with which it counts 7.4 M
parameters (table 5 of the paper), as in torchvision.

References:
    Ma, Zhang, Zheng and Sun, "ShuffleNet V2: practical guidelines for efficient CNN
    architecture design", ECCV 2018, https://arxiv.org/abs/1807.11164, figure 3, table 5
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from zoo.functional.pooling import max_pool
from zoo.vision.layers import Kit, channel_shuffle, large_stem, output
from zoo.vision.names import counted

TINY = dict(blocks=(2,), widths=(8,), stem_width=4, last=8)  # the size of the tests
RULES = (  # torchvision's names, where a branch's layers are numbered
    (r"conv1\.0", "stem_conv"),
    (r"conv1\.1", "stem_conv_norm"),
    *(
        (
            rf"stage(\d)\.(\d+)\.branch{branch}\.{layer}",
            counted(f"stage_{{}}_unit_{{}}/{part}", 1),
        )
        for branch, parts in (
            (1, ((0, "skip_depthwise"), (2, "skip_point"))),
            (2, ((0, "point_1"), (3, "depthwise"), (5, "point_2"))),
        )
        for first, name in parts
        for layer, part in ((first, name), (first + 1, f"{name}_norm"))
    ),
    (r"conv5\.0", "last_conv"),
    (r"conv5\.1", "last_conv_norm"),
    (r"fc", "head"),
)


class ShuffleUnitV2(nn.Module):
    """Half of the channels through three convolutions, and a shuffle of all.

    Attributes:
        kit: makes the layers.
        width: channels of its output, an even number.
        stride: 1 or 2; with 2, both halves are convolutions of all channels.
    """

    kit: Kit
    width: int
    stride: int = 1

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:  # [..., C] -> [..., width]
        half = self.width // 2
        if self.stride == 1:
            skip, x = jnp.split(x, 2, -1)
        else:
            skip = self._depthwise(x, "skip_depthwise")
            skip = self.kit.unit(skip, half, 1, name="skip_point")
        x = self.kit.unit(x, half, 1, name="point_1")
        x = self._depthwise(x, "depthwise")
        x = self.kit.unit(x, half, 1, name="point_2")
        return channel_shuffle(jnp.concatenate([skip, x], -1), 2)

    def _depthwise(self, x, name):
        channels = x.shape[-1]
        return self.kit.unit(
            x, channels, 3, self.stride, None, groups=channels, name=name
        )


class ShuffleNetV2(nn.Module):
    """Classifier of images, made for small devices.

    Attributes:
        num_classes: logits of an example (K).
        blocks: units of each stage.
        widths: channels of each stage, even numbers.
        stem_width: channels of the first convolution.
        last: channels of the last convolution.
        stem: `imagenet` (stride 2, and pooling) or `cifar` (nothing is lost).
        dtype: of the computation; None for that of the input.
        axis_name: of the devices over which BatchNorm takes its statistics.
        fast: compute the convolutions by `zoo.functional.convolve`; False as
            published, with the same result.

    Raises:
        ValueError: an image smaller than the strides; widths that are odd, or not as
            many as the stages.
    """

    num_classes: int = 1000
    blocks: tuple[int, ...] = (4, 8, 4)
    widths: tuple[int, ...] = (116, 232, 464)
    stem_width: int = 24
    last: int = 1024
    stem: str = "imagenet"
    dtype: Any = None
    axis_name: str | None = None
    fast: bool = True

    @nn.compact
    def __call__(
        self, x: jax.Array, *, train: bool = False, index: jax.Array | None = None
    ) -> jax.Array:  # [B, H, W, C] -> [B, K]
        del index  # nothing here is drawn
        large = large_stem("ShuffleNetV2", x, self.stem, len(self.blocks))
        if len(self.widths) != len(self.blocks) or any(w % 2 for w in self.widths):
            raise ValueError(
                f"widths must be {len(self.blocks)} even numbers, got {self.widths}"
            )
        kit = Kit(train, self.axis_name, self.dtype, self.fast)
        x = kit.unit(x, self.stem_width, 3, 2 if large else 1, name="stem_conv")
        x = output(self, "stem", max_pool(x, 3, 2, 1) if large else x)
        for i, (count, width) in enumerate(zip(self.blocks, self.widths, strict=True)):
            for j in range(count):
                unit = ShuffleUnitV2(
                    kit, width, 1 if j else 2, name=f"stage_{i + 1}_unit_{j}"
                )
                x = unit(x)
            output(self, f"stage_{i + 1}", x)
        x = output(self, "last", kit.unit(x, self.last, 1, name="last_conv"))
        x = output(self, "pooled", x.mean((1, 2)))  # -> [B, C]
        return kit.dense(x, self.num_classes, "head")  # -> [B, K]
