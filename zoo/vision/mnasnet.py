"""MnasNet: inverted residuals found by a search that measured time on a telephone.

    x -> unit 3x3/2 -> inverted residuals of seven stages -> unit 1x1 -> mean -> dense

unit is convolution, batch normalization and ReLU. A stage (t, k, c, n, s, e) is n
blocks with kernels k x k, of c channels, t times as wide inside; the first has stride
s; with e they have squeeze-excite, a quarter of a block's input channels inside. A1 is
the network of the paper's figure 7; B1 was searched for without squeeze-excite; small
is for less than a quarter of the operations. `width` makes all layers but the last
narrower or wider, to multiples of 8.

Outputs by name: stem, stage_1, ..., stage_7, last, pooled.

Shapes: B examples, H height, W width, C channels, K classes.
Differs from the paper: running averages keep 0.9, not 0.99, of the old ones.

References:
    Tan et al., "MnasNet: platform-aware neural architecture search for mobile", CVPR
    2019, https://arxiv.org/abs/1807.11626, figure 7
    B1 and small: https://github.com/tensorflow/tpu/tree/master/models/official/mnasnet
"""

import flax.linen as nn

from zoo.vision.inverted import Chain, InvertedNet, repeated, timm_rules
from zoo.vision.layers import divisible

Stages = tuple[tuple[int, int, int, int, int, bool], ...]
B1: Stages = (  # t, k, c, n, s, e
    (1, 3, 16, 1, 1, False),
    (3, 3, 24, 3, 2, False),
    (3, 5, 40, 3, 2, False),
    (6, 5, 80, 3, 2, False),
    (6, 3, 96, 2, 1, False),
    (6, 5, 192, 4, 2, False),
    (6, 3, 320, 1, 1, False),
)
A1: Stages = (
    (1, 3, 16, 1, 1, False),
    (6, 3, 24, 2, 2, False),
    (3, 5, 40, 3, 2, True),
    (6, 3, 80, 4, 2, False),
    (6, 3, 112, 2, 1, True),
    (6, 5, 160, 3, 2, True),
    (6, 3, 320, 1, 1, False),
)
SMALL: Stages = (
    (1, 3, 8, 1, 1, False),
    (3, 3, 16, 1, 2, False),
    (6, 3, 16, 2, 2, False),
    (6, 5, 32, 4, 2, True),
    (6, 3, 32, 3, 1, True),
    (6, 5, 88, 3, 2, True),
    (6, 3, 144, 1, 1, False),
)
CIFAR: Stages = tuple((t, k, c, n, 1 if c == 24 else s, e) for t, k, c, n, s, e in B1)
TINY = dict(  # the size that the tests run
    **dict(stages=((1, 3, 8, 1, 1, False), (2, 5, 8, 2, 2, True)), stem=8, last=16),
    **dict(width=1.0, stem_stride=2, dropout=0.2),
)


class MnasNet(InvertedNet):
    """Classifier of images, made for telephones.

    Attributes:
        num_classes, stem_stride, dropout, dtype, axis_name, fast: see `InvertedNet`.
        width: multiplies the channels of all layers but the last convolution.
        stages: (t, k, c, n, s, e) each, see above.
        stem: channels of the first convolution.
        last: channels of the last convolution.
    """

    width: float = 1.0
    stages: Stages = B1
    stem: int = 32
    last: int = 1280

    @nn.nowrap
    def chain(self) -> Chain:
        of = lambda channels: divisible(channels * self.width)
        stages = [(t, k, of(c), n, s, e / 4) for t, k, c, n, s, e in self.stages]
        stem = of(self.stem)
        return Chain(stem, repeated(stem, stages, act=nn.relu), self.last, nn.relu)


def rules(stages: Stages) -> tuple:
    """torchvision's numbers of B1's layers, and timm's names of any of these."""
    layers = {0: "expand", 3: "depthwise", 6: "project"}
    first = "stage_1_block_0"
    made = {0: "stem_conv", 3: f"{first}/depthwise", 6: f"{first}/project"}
    made[7 + len(stages)] = "last_conv"
    return (
        *(
            (rf"layers\.{number + more}", f"{path}{ending}")
            for number, path in made.items()
            for more, ending in enumerate(("", "_norm"))
        ),
        *(
            (
                rf"layers\.{6 + i}\.(\d+)\.layers\.{number + more}",
                rf"stage_{i}_block_\1/{part}{ending}",
            )
            for i in range(2, len(stages) + 1)
            for number, part in layers.items()
            for more, ending in enumerate(("", "_norm"))
        ),
        (r"classifier\.1", "head"),
        *timm_rules(times for times, *_ in stages),
    )
