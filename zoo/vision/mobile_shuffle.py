"""MobileNet with units of ShuffleNet V2 in its stages.

    x -> unit 3x3 -> stages -> mean -> dense
    stage (c, n, s)    a pair of MobileNet to c channels with stride s, then n - 1 units
                       of ShuffleNet V2

A pair is a depthwise and a 1x1 convolution, both with batch normalization and f =
min(max(., 0), 6). A unit takes half of the channels through three convolutions and
shuffles all; see `mobilenet_v1` and `shufflenet_v2`. Where a pair of MobileNet would
make c c multiply-adds for a pixel, a unit makes half of that.

Such a mixture is said not to train. It does, by batch normalization: of 11 blocks (of 8
and 16 channels), on the digits, after 200 steps of momentum with 32 images, the loss of
seeds 0 to 4 is 1.01 to 1.19 at the rate 0.1 and 0.89 to 1.17 at 0.3. Without, it is
1.92 to 2.32 at 0.1, and at 0.3 that of chance, 2.25 to 2.33, or NaN; the best that it
has is 1.78 to 2.23, at 0.01.

Outputs by name: stem, stage_1, ..., pooled.

Shapes: B examples, H height, W width, C channels, K classes.

References:
    Howard et al., "MobileNets: efficient convolutional neural networks for mobile
    vision applications", 2017, https://arxiv.org/abs/1704.04861
    Ma, Zhang, Zheng and Sun, "ShuffleNet V2: practical guidelines for efficient CNN
    architecture design", ECCV 2018, https://arxiv.org/abs/1807.11164
"""

from typing import Any

import flax.linen as nn
import jax

from zoo.vision.inverted import InvertedResidual
from zoo.vision.layers import Kit, check, output
from zoo.vision.mobilenet_v1 import STAGES, Stages
from zoo.vision.shufflenet_v2 import ShuffleUnitV2

CIFAR: Stages = tuple((c, n, 1 if c == 128 else s) for c, n, s in STAGES)
TINY = dict(stages=((8, 2, 1), (8, 2, 2)), stem=4, stem_stride=2)  # of the tests


class MobileShuffleNet(nn.Module):
    """Classifier of images, made for small devices.

    Attributes:
        num_classes: logits of an example (K).
        stages: (c, n, s) each, c even, see above.
        stem: channels of the first convolution.
        stem_stride: of the first convolution.
        normalize: False leaves batch normalization out, to see what it is for.
        dtype: of the computation; None for that of the input.
        axis_name: of the devices over which BatchNorm takes its statistics.
        fast: compute the convolutions by `zoo.functional.convolve`; False as
            published, with the same result.

    Raises:
        ValueError: an image smaller than the strides; an odd number of channels.
    """

    num_classes: int = 1000
    stages: Stages = STAGES
    stem: int = 32
    stem_stride: int = 2
    normalize: bool = True
    dtype: Any = None
    axis_name: str | None = None
    fast: bool = True

    @nn.compact
    def __call__(
        self, x: jax.Array, *, train: bool = False, index: jax.Array | None = None
    ) -> jax.Array:  # [B, H, W, C] -> [B, K]
        del index  # nothing here is drawn
        least = self.stem_stride
        for channels, _, stride in self.stages:
            least *= stride
            if channels % 2:
                raise ValueError(f"stages must have even channels, got {self.stages}")
        check("MobileShuffleNet", x, least)
        options = dict(bias=not self.normalize, normalize=self.normalize)
        kit = Kit(train, self.axis_name, self.dtype, self.fast, **options)
        x = kit.unit(x, self.stem, 3, self.stem_stride, nn.relu6, name="stem_conv")
        output(self, "stem", x)
        for i, (channels, count, stride) in enumerate(self.stages, 1):
            x = InvertedResidual(
                *(kit, x.shape[-1], channels, 3, stride),
                project_act=nn.relu6,
                skip=False,
                name=f"stage_{i}_pair",
            )(x)
            for j in range(1, count):
                x = ShuffleUnitV2(kit, channels, name=f"stage_{i}_unit_{j}")(x)
            output(self, f"stage_{i}", x)
        x = output(self, "pooled", x.mean((1, 2)))  # -> [B, C]
        return kit.dense(x, self.num_classes, "head")  # -> [B, K]
