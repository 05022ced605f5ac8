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

import flax.linen as nn

from zoo.vision.inverted import Chain, InvertedNet, repeated, timm_rules
from zoo.vision.layers import divisible

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


class MobileNetV2(InvertedNet):
    """Classifier of images, made for small devices.

    Attributes:
        num_classes, stem_stride, dropout, dtype, axis_name, fast: see `InvertedNet`.
        width: multiplies the channels of all layers.
        stages: (t, c, n, s) each, see above.
        last: channels of the last convolution.
    """

    width: float = 1.0
    stages: Stages = STAGES
    last: int = 1280

    @nn.nowrap
    def chain(self) -> Chain:
        of = lambda channels: divisible(channels * self.width)
        stages = [(t, 3, of(c), n, s, 0) for t, c, n, s in self.stages]
        last = divisible(self.last * max(1.0, self.width))
        return Chain(of(32), repeated(of(32), stages), last)


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
    return (
        *made,
        (rf"features\.{number + 1}\.0", "last_conv"),
        (rf"features\.{number + 1}\.1", "last_conv_norm"),
        (r"classifier\.1", "head"),
        *timm_rules(times for times, *_ in stages),
    )
