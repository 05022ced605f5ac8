"""ShuffleNet: grouped convolutions of 1x1, and a shuffle so that groups meet.

    unit            y = f(x + g(x))
    with stride 2   y = f([mean pool of 3x3 (x), g(x)])
    g(x) = N(group1(N(depthwise3(shuffle(f(N(group1(x))))))))
    network         x -> unit 3x3/2 -> pool -> units of three stages -> mean -> dense

group1 is a convolution of 1x1 in G groups, N batch normalization, f ReLU. Inside, a
unit has a quarter of its stage's channels. The first unit of a stage has stride 2: it
adds channels beside those it is given. More groups cost less, so the network of many
groups is wider for as many operations (`WIDTHS`, table 1 of the paper). The first
convolution of the first stage has so few inputs that it is not grouped.

Without a shuffle G networks would run side by side, each on its own channels.

Outputs by name: stem, stage_1, stage_2, stage_3, pooled.

Shapes: B examples, H height, W width, C channels, G groups, K classes.
Differs from the paper: nothing. It does not say which comes first where channels are
put side by side; here it is what was given, as in the authors' program, and with
`given_first=False` it comes last, as in pytorchcv. To groups that is not the same.

References:
    Zhang, Zhou, Lin and Sun, "ShuffleNet: an extremely efficient convolutional neural
    network for mobile devices", CVPR 2018, https://arxiv.org/abs/1707.01083, figure 2
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from zoo.functional.pooling import max_pool, mean_pool
from zoo.vision.layers import Kit, channel_shuffle, check, output
from zoo.vision.names import units

WIDTHS = {1: 144, 2: 200, 3: 240, 4: 272, 8: 384}  # of the first stage, by groups
TINY = dict(  # the size that the tests run
    blocks=(2,), groups=2, base=16, stem_width=4, width=1.0
)
RULES = units(  # pytorchcv's names
    "stage_{}_unit_{}",
    {
        rf"{theirs}_{kind}{number}": f"/{ours}{ending}"
        for number, theirs, ours in (
            *((1, "compress", "point_1"), (2, "dw", "depthwise")),
            (3, "expand", "point_2"),
        )
        for kind, ending in (("conv", ""), ("bn", "_norm"))
    },
)


class ShuffleUnitV1(nn.Module):
    """Three convolutions beside what they are given, with a shuffle after the first.

    Attributes:
        kit: makes the layers.
        width: channels of its output.
        groups: G of the convolutions of 1x1.
        stride: 1, to add, or 2, to put side by side.
        first_groups: G of the first one; 0 for `groups`.
        given_first: with stride 2, what was given comes before what is made of it.
    """

    kit: Kit
    width: int
    groups: int = 3
    stride: int = 1
    first_groups: int = 0
    given_first: bool = True

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:  # [..., C] -> [..., width]
        kit, given, inner = self.kit, x, self.width // 4
        first = self.first_groups or self.groups
        x = kit.unit(x, inner, 1, groups=first, name="point_1")
        x = channel_shuffle(x, self.groups)
        x = kit.unit(x, inner, 3, self.stride, None, groups=inner, name="depthwise")
        side = self.stride > 1
        more = self.width - given.shape[-1] if side else self.width
        x = kit.unit(x, more, 1, 1, None, groups=self.groups, name="point_2")
        if side:
            both = (mean_pool(given, 3, 2, 1), x)[:: 1 if self.given_first else -1]
            return nn.relu(jnp.concatenate(both, -1))
        return nn.relu(given + x)


class ShuffleNetV1(nn.Module):
    """Classifier of images, made for small devices.

    Attributes:
        num_classes: logits of an example (K).
        groups: G.
        base: channels of the first stage; each later one has twice as many. 0 for
            those of the paper, by G.
        blocks: units of each stage.
        stem_width: channels of the first convolution.
        width: multiplies the channels of all layers.
        given_first: where a unit puts channels side by side, those it was given come
            before those it made.
        dtype: of the computation; None for that of the input.
        axis_name: of the devices over which BatchNorm takes its statistics.
        fast: compute the convolutions by `zoo.functional.convolve`; False as
            published, with the same result.

    Raises:
        ValueError: an image smaller than the strides; groups for which the paper has
            no channels; channels that the groups do not divide.
    """

    num_classes: int = 1000
    groups: int = 3
    base: int = 0
    blocks: tuple[int, ...] = (4, 8, 4)
    stem_width: int = 24
    width: float = 1.0
    given_first: bool = True
    dtype: Any = None
    axis_name: str | None = None
    fast: bool = True

    @nn.compact
    def __call__(
        self, x: jax.Array, *, train: bool = False, index: jax.Array | None = None
    ) -> jax.Array:  # [B, H, W, C] -> [B, K]
        del index  # nothing here is drawn
        check("ShuffleNetV1", x, 4 * 2 ** len(self.blocks))
        if not self.base and self.groups not in WIDTHS:
            raise ValueError(
                f"groups must be one of {', '.join(map(str, WIDTHS))}, or base given, "
                f"got {self.groups}"
            )
        stem = int(self.stem_width * self.width)
        base = int((self.base or WIDTHS[self.groups]) * self.width)
        for name, channels in (("a quarter of", base // 4), ("the new", base - stem)):
            if base % 4 or channels < 1 or channels % self.groups:
                raise ValueError(
                    f"groups must divide {name} the {base} channels, got {self.groups}"
                )
        kit = Kit(train, self.axis_name, self.dtype, self.fast)
        x = kit.unit(x, stem, 3, 2, name="stem_conv")
        x = output(self, "stem", max_pool(x, 3, 2, 1))
        for i, count in enumerate(self.blocks):
            for j in range(count):
                x = ShuffleUnitV1(
                    kit,
                    base * 2**i,
                    self.groups,
                    stride=1 if j else 2,
                    first_groups=0 if i or j else 1,
                    given_first=self.given_first,
                    name=f"stage_{i + 1}_unit_{j}",
                )(x)
            output(self, f"stage_{i + 1}", x)
        x = output(self, "pooled", x.mean((1, 2)))  # -> [B, C]
        return kit.dense(x, self.num_classes, "head")  # -> [B, K]
