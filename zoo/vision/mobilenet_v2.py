"""MobileNetV2: inverted residuals with linear bottlenecks.

    x -> unit 3x3/2 -> inverted residuals of seven stages -> unit 1x1 -> mean -> dense
    inverted residual: x + N(conv1(f(N(depthwise3(f(N(conv1(x))))))))

unit is convolution, batch normalization and f = min(max(., 0), 6). A stage (t, c, n, s)
is n blocks of c channels that are t times as wide inside; the first has stride s. The
narrow ends carry no activation: it would lose what few channels hold. `width` makes
all layers narrower or wider, to multiples of 8, but the last one never narrower.

Outputs by name: stem, stage_1, ..., last, pooled.

Shapes: B examples, H height, W width, C channels, K classes.

References:
    Sandler et al., "MobileNetV2: inverted residuals and linear bottlenecks", CVPR 2018,
    https://arxiv.org/abs/1801.04381, table 2
"""

from typing import Any

import flax.linen as nn
import jax

from zoo.vision.layers import InvertedResidual, Kit, check, divisible, output

Stages = tuple[tuple[int, int, int, int], ...]
STAGES: Stages = (  # t, c, n, s
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
CIFAR: Stages = tuple((t, c, n, 1 if c == 24 else s) for t, c, n, s in STAGES)
TINY = dict(stages=((1, 8, 1, 1), (2, 8, 2, 2), (2, 16, 1, 1)), width=0.25, last=16)


class MobileNetV2(nn.Module):
    """Classifier of images, made for small devices.

    Attributes:
        num_classes: logits of an example (K).
        width: multiplies the channels of all layers.
        stages: (t, c, n, s) each, see above.
        stem_stride: of the first convolution.
        last: channels of the last convolution.
        dropout: rate before the head.
        dtype: of the computation; None for that of the input.
        axis_name: of the devices over which BatchNorm takes its statistics.
        fast: compute the convolutions by `zoo.functional.convolve`; False as
            published, with the same result.

    Raises:
        ValueError: an image smaller than the strides.
    """

    num_classes: int = 1000
    width: float = 1.0
    stages: Stages = STAGES
    stem_stride: int = 2
    last: int = 1280
    dropout: float = 0.2
    dtype: Any = None
    axis_name: str | None = None
    fast: bool = True

    @nn.compact
    def __call__(
        self, x: jax.Array, *, train: bool = False, index: jax.Array | None = None
    ) -> jax.Array:  # [B, H, W, C] -> [B, K]
        least = self.stem_stride
        for *_, stride in self.stages:
            least *= stride
        check("MobileNetV2", x, least)
        kit = Kit(train, self.axis_name, self.dtype, self.fast)
        stem = divisible(32 * self.width)
        x = kit.unit(x, stem, 3, self.stem_stride, nn.relu6, name="stem_conv")
        x = output(self, "stem", x)
        for i, (times, channels, count, stride) in enumerate(self.stages, 1):
            for j in range(count):
                x = InvertedResidual(
                    kit,
                    expanded=times * x.shape[-1],
                    features=divisible(channels * self.width),
                    stride=1 if j else stride,
                    name=f"stage_{i}_block_{j}",
                )(x)
            output(self, f"stage_{i}", x)
        last = divisible(self.last * max(1.0, self.width))
        x = output(self, "last", kit.unit(x, last, 1, 1, nn.relu6, name="last_conv"))
        x = output(self, "pooled", x.mean((1, 2)))  # -> [B, C]
        x = kit.dropout(x, self.dropout, index, "dropout")
        return kit.dense(x, self.num_classes, "head")  # -> [B, K]


def rules(stages: Stages = STAGES) -> tuple:
    """torchvision's and timm's names of a network with these stages."""
    made = [(r"features\.0\.0", "stem_conv"), (r"features\.0\.1", "stem_conv_norm")]
    number = 0
    for i, (times, _, count, _) in enumerate(stages, 1):
        for j in range(count):
            number += 1
            here = f"stage_{i}_block_{j}"
            parts = ("expand", "depthwise")[times == 1 :]
            theirs = rf"features\.{number}\.conv\."
            for k, part in enumerate(parts):
                made.append((rf"{theirs}{k}\.0", f"{here}/{part}"))
                made.append((rf"{theirs}{k}\.1", f"{here}/{part}_norm"))
            made.append((f"{theirs}{len(parts)}", f"{here}/project"))
            made.append((f"{theirs}{len(parts) + 1}", f"{here}/project_norm"))
            timm = rf"blocks\.{i - 1}\.{j}\."
            layers = ("pw", "dw", "pwl") if times != 1 else ("dw", "pw")
            for k, (layer, part) in enumerate(
                zip(layers, (*parts, "project"), strict=True), 1
            ):
                made.append((f"{timm}conv_{layer}", f"{here}/{part}"))
                made.append((f"{timm}bn{k}", f"{here}/{part}_norm"))
    return (
        *made,
        (rf"features\.{number + 1}\.0", "last_conv"),
        (rf"features\.{number + 1}\.1", "last_conv_norm"),
        (r"conv_stem", "stem_conv"),
        (r"bn1", "stem_conv_norm"),
        (r"conv_head", "last_conv"),
        (r"bn2", "last_conv_norm"),
        (r"classifier(\.1)?", "head"),
    )
