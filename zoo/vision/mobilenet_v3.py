"""MobileNetV3: inverted residuals that a search found, with squeeze-excite.

    x -> unit 3x3/2 -> inverted residuals -> unit 1x1 -> mean -> dense -> h -> dense

    h(x) = x min(max(x + 3, 0), 6) / 6       in the deeper half; ReLU in the other
    e    = x g(W2 relu(W1 mean(x)))          g(x) = min(max(x + 3, 0), 6) / 6

A block is (kernel, channels inside, channels out, with e or not, with h or not,
stride). `width` makes all layers narrower or wider, to multiples of 8.

Outputs by name: stem, stage_1, ... (where the image is halved next, and at the end),
last, pooled.

Shapes: B examples, H height, W width, C channels, K classes.
Differs from the paper: counts and layers are torchvision's, whose inner layer of e has
a quarter of the block's inner channels, to a multiple of 8.

References:
    Howard et al., "Searching for MobileNetV3", ICCV 2019,
    https://arxiv.org/abs/1905.02244, tables 1 and 2
"""

import flax.linen as nn

from zoo.vision.inverted import Chain, InvertedNet
from zoo.vision.layers import divisible

Blocks = tuple[tuple[int, int, int, bool, bool, int], ...]
LARGE: Blocks = (
    (3, 16, 16, False, False, 1),
    (3, 64, 24, False, False, 2),
    (3, 72, 24, False, False, 1),
    (5, 72, 40, True, False, 2),
    (5, 120, 40, True, False, 1),
    (5, 120, 40, True, False, 1),
    (3, 240, 80, False, True, 2),
    (3, 200, 80, False, True, 1),
    (3, 184, 80, False, True, 1),
    (3, 184, 80, False, True, 1),
    (3, 480, 112, True, True, 1),
    (3, 672, 112, True, True, 1),
    (5, 672, 160, True, True, 2),
    (5, 960, 160, True, True, 1),
    (5, 960, 160, True, True, 1),
)
SMALL: Blocks = (
    (3, 16, 16, True, False, 2),
    (3, 72, 24, False, False, 2),
    (3, 88, 24, False, False, 1),
    (5, 96, 40, True, True, 2),
    (5, 240, 40, True, True, 1),
    (5, 240, 40, True, True, 1),
    (5, 120, 48, True, True, 1),
    (5, 144, 48, True, True, 1),
    (5, 288, 96, True, True, 2),
    (5, 576, 96, True, True, 1),
    (5, 576, 96, True, True, 1),
)
TINY = dict(  # the size that the tests run
    blocks=((3, 16, 16, True, False, 2), (5, 32, 16, False, True, 2)), last=16
)


class MobileNetV3(InvertedNet):
    """Classifier of images, made for telephones.

    Attributes:
        num_classes, stem_stride, dropout, dtype, axis_name, fast: see `InvertedNet`.
        width: multiplies the channels of all layers.
        blocks: see above.
        last: units of the hidden dense layer.
    """

    width: float = 1.0
    blocks: Blocks = LARGE
    last: int = 1280

    @nn.nowrap
    def chain(self) -> Chain:
        of = lambda channels: divisible(channels * self.width)
        stages = []
        for i, (kernel, inner, channels, squeeze, hard, stride) in enumerate(
            self.blocks
        ):
            if not stages or (stride > 1 and i):
                stages.append({})
            stages[-1][f"block_{i + 1}"] = dict(
                expanded=of(inner),
                features=of(channels),
                kernel=kernel,
                stride=stride,
                act=nn.hard_swish if hard else nn.relu,
                squeeze=divisible(of(inner) / 4) if squeeze else 0,
                gate=nn.hard_sigmoid,
            )
        return Chain(
            stem=of(16),
            stages=stages,
            last=6 * of(self.blocks[-1][2]),
            act=nn.hard_swish,
            hidden=of(self.last),
            kit=dict(momentum=0.99, epsilon=1e-3),
        )


def rules(blocks: Blocks, first: int = 16) -> tuple:
    """torchvision's names, where a block's layers are numbered.

    Args:
        blocks: of the network.
        first: channels of the stem; blocks as narrow have no `expand`.
    """
    made, inputs = [], first
    for i, (_, inner, channels, squeeze, _, _) in enumerate(blocks, 1):
        here, theirs = f"block_{i}", rf"features\.{i}\.block\."
        parts = ["expand"] if inner != inputs else []
        parts += ["depthwise"] + (["squeeze"] if squeeze else []) + ["project"]
        for k, part in enumerate(parts):
            if part == "squeeze":
                made.append((rf"{theirs}{k}\.fc(\d)", rf"{here}/squeeze_\1"))
                continue
            made.append((rf"{theirs}{k}\.0", f"{here}/{part}"))
            made.append((rf"{theirs}{k}\.1", f"{here}/{part}_norm"))
        inputs = channels
    return (
        *made,
        (r"features\.0\.0", "stem_conv"),
        (r"features\.0\.1", "stem_conv_norm"),
        (rf"features\.{len(blocks) + 1}\.0", "last_conv"),
        (rf"features\.{len(blocks) + 1}\.1", "last_conv_norm"),
        (r"classifier\.0", "hidden"),
        (r"classifier\.3", "head"),
    )
