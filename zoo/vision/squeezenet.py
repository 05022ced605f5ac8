"""SqueezeNet: few parameters, by fire modules.

    fire      x -> s = f(conv1(x)) -> [f(conv1(s)), f(conv3(s))]      side by side
    network   x -> conv/2 -> f -> pool -> fire modules, pooled thrice in all
                -> dropout -> conv1 to the classes -> f -> mean

f is ReLU, pool the maximum of 3x3 at every second pixel, also where the image ends in
it. A module's s is narrow: `squeeze` channels; each side of its output has four times
as many. 1.0 begins with 96 maps of 7x7 and pools before the modules 1, 4 and 8; 1.1
with 64 of 3x3, before 1, 3 and 5: as exact, with 2.4 times fewer operations.

Outputs by name: stem, stage_1, stage_2, stage_3 (each before its pooling; stage_3
is the last module's), maps.

Shapes: B examples, H height, W width, C channels, K classes.

References:
    Iandola et al., "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and
    < 0.5 MB model size", 2016, https://arxiv.org/abs/1602.07360
    1.1: https://github.com/forresti/SqueezeNet
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from zoo.functional.pooling import max_pool
from zoo.vision.layers import Kit, check, output

SQUEEZE = (16, 16, 32, 32, 48, 48, 64, 64)
TINY = dict(  # the size that the tests run
    **dict(stem=4, kernel=3, padding=1, stem_stride=2, dropout=0.5),
    **dict(squeeze=(2, 2, 2), pools=(0, 1, 2)),
)


class Fire(nn.Module):
    """Squeeze to few channels, expand by kernels of two sizes.

    Attributes:
        kit: makes the layers.
        squeeze: channels inside; an eighth of those put out.
    """

    kit: Kit
    squeeze: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:  # [..., C] -> [..., 8 squeeze]
        kit, wide = self.kit, 4 * self.squeeze
        x = nn.relu(kit.conv(x, self.squeeze, 1, name="squeeze"))
        sides = [
            nn.relu(kit.conv(x, wide, kernel, name=f"expand_{kernel}"))
            for kernel in (1, 3)
        ]
        return jnp.concatenate(sides, -1)


class SqueezeNet(nn.Module):
    """Classifier of images.

    Attributes:
        num_classes: logits of an example (K).
        stem: channels of the first convolution.
        kernel: of the first convolution.
        padding: of the first convolution.
        stem_stride: of the first convolution.
        squeeze: channels inside of each module.
        pools: the modules, from 0, before which the image is pooled.
        dropout: rate before the last convolution.
        dtype: of the computation; None for that of the input.
        fast: compute the convolutions by `zoo.functional.convolve`; False as
            published, with the same result.

    Raises:
        ValueError: an image that is too small.
    """

    num_classes: int = 1000
    stem: int = 96
    kernel: int = 7
    padding: int = 0
    stem_stride: int = 2
    squeeze: tuple[int, ...] = SQUEEZE
    pools: tuple[int, ...] = (0, 3, 7)
    dropout: float = 0.5
    dtype: Any = None
    fast: bool = True

    @nn.compact
    def __call__(
        self, x: jax.Array, *, train: bool = False, index: jax.Array | None = None
    ) -> jax.Array:  # [B, H, W, C] -> [B, K]
        # Each pooling leaves half, and the last one needs its 3x3.
        rows = 3 * 2 ** (len(self.pools) - 1)
        least = (rows - 1) * self.stem_stride + self.kernel - 2 * self.padding
        check("SqueezeNet", x, least)
        kit = Kit(train, None, self.dtype, self.fast)
        pads = ((self.padding, self.padding),) * 2
        x = kit.conv(
            *(x, self.stem, self.kernel, self.stem_stride),
            padding=pads,
            name="stem_conv",
        )
        x, stage = nn.relu(x), 0
        for i, squeeze in enumerate(self.squeeze):
            if i in self.pools:
                x = output(self, f"stage_{stage}" if stage else "stem", x)
                x, stage = max_pool(x, 3, 2, ceil=True), stage + 1
            x = Fire(kit, squeeze, name=f"fire_{i}")(x)
        x = output(self, f"stage_{stage}", x)
        x = kit.dropout(x, self.dropout, index, "dropout")
        x = output(self, "maps", nn.relu(kit.conv(x, self.num_classes, 1, name="head")))
        return x.mean((1, 2))  # -> [B, K]


def rules(pools: tuple[int, ...]) -> tuple:
    """torchvision's names, where layers are numbered from first to last."""
    made, number = [(r"features\.0", "stem_conv"), (r"classifier\.1", "head")], 2
    for i in range(len(SQUEEZE)):
        number += i in pools
        here = rf"features\.{number}"
        made.append((rf"{here}\.squeeze", f"fire_{i}/squeeze"))
        for kernel in (1, 3):
            path = f"fire_{i}/expand_{kernel}"
            made.append((rf"{here}\.expand{kernel}x{kernel}", path))
        number += 1
    return tuple(made)
