"""MobileNet: a depthwise and a 1x1 convolution in place of each dense one.

    x -> unit 3x3/2 -> [depthwise unit 3x3 -> unit 1x1] x 13 -> mean -> dense

unit is convolution, batch normalization and f = min(max(., 0), 6). With k x k kernels
and M outputs a pair has k^2 + M multiply-adds for an input channel and pixel, where the
dense convolution has k^2 M. A stage (c, n, s) is n pairs of c channels; the first has
stride s. `width` makes all layers narrower or wider, to multiples of 8.

Outputs by name: stem, stage_1, ..., stage_5, pooled.

Shapes: B examples, H height, W width, C channels, K classes.
Differs from the paper: f is bounded by 6, as in the authors' program and in timm.

References:
    Howard et al., "MobileNets: efficient convolutional neural networks for mobile
    vision applications", 2017, https://arxiv.org/abs/1704.04861, table 1
"""

import flax.linen as nn

from zoo.vision.inverted import Chain, InvertedNet, repeated, timm_rules
from zoo.vision.layers import divisible

Stages = tuple[tuple[int, int, int], ...]
STAGES: Stages = ((64, 1, 1), (128, 2, 2), (256, 2, 2), (512, 6, 2), (1024, 2, 2))
TINY = dict(stages=((8, 1, 1), (8, 2, 2)), stem_stride=2, width=1.0, dropout=0.2)
RULES = timm_rules([1] * len(STAGES))


class MobileNetV1(InvertedNet):
    """Classifier of images, made for small devices.

    Attributes:
        num_classes, stem_stride, dropout, dtype, axis_name, fast: see `InvertedNet`.
        width: multiplies the channels of all layers.
        stages: (c, n, s) each, see above.
    """

    dropout: float = 0.0
    width: float = 1.0
    stages: Stages = STAGES

    @nn.nowrap
    def chain(self) -> Chain:
        of = lambda channels: divisible(channels * self.width)
        stages = [(1, 3, of(c), n, s, 0) for c, n, s in self.stages]
        pairs = repeated(of(32), stages, project_act=nn.relu6, skip=False)
        return Chain(of(32), pairs, last=0)
