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

from typing import Any

import flax.linen as nn
import jax

from zoo.vision.layers import InvertedResidual, Kit, check, divisible, output

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


class MobileNetV3(nn.Module):
    """Classifier of images, made for telephones.

    Attributes:
        num_classes: logits of an example (K).
        width: multiplies the channels of all layers.
        blocks: see above.
        stem_stride: of the first convolution.
        last: units of the hidden dense layer.
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
    blocks: Blocks = LARGE
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
        for *_, stride in self.blocks:
            least *= stride
        check("MobileNetV3", x, least)
        kit = Kit(
            *(train, self.axis_name, self.dtype, self.fast), momentum=0.99, epsilon=1e-3
        )
        of = lambda channels: divisible(channels * self.width)
        act, stage = nn.hard_swish, 0
        x = kit.unit(x, of(16), 3, self.stem_stride, act, name="stem_conv")
        output(self, "stem", x)
        for i, (kernel, inner, channels, squeeze, hard, stride) in enumerate(
            self.blocks
        ):
            if stride > 1 and i:
                stage += 1
                output(self, f"stage_{stage}", x)
            x = InvertedResidual(
                kit,
                expanded=of(inner),
                features=of(channels),
                kernel=kernel,
                stride=stride,
                act=act if hard else nn.relu,
                squeeze=divisible(of(inner) / 4) if squeeze else 0,
                gate=nn.hard_sigmoid,
                name=f"block_{i + 1}",
            )(x)
        output(self, f"stage_{stage + 1}", x)
        x = kit.unit(x, 6 * x.shape[-1], 1, 1, act, name="last_conv")
        x = output(self, "pooled", output(self, "last", x).mean((1, 2)))  # -> [B, C]
        x = act(kit.dense(x, of(self.last), "hidden"))
        x = kit.dropout(x, self.dropout, index, "dropout")
        return kit.dense(x, self.num_classes, "head")  # -> [B, K]


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
