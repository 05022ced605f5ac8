"""U-Net: down to a coarse map, and up again beside what was seen on the way.

    down    [conv3 -> f] x 2 -> kept -> max pool 2        width doubles each time
    bottom  [conv3 -> f] x 2
    up      transposed conv2, stride 2, half of the width
            -> beside the kept map -> [conv3 -> f] x 2
    head    conv1 -> K

f is ReLU; with `norm`, batch normalization stands before it, and convolutions behind
which it stands have no bias. A transposed convolution whose kernel is its stride is a
dense layer of each pixel, its outputs laid out as 2x2 pixels.

Outputs by name: down_1, ..., bottom, up_1 (the coarsest), ...

Shapes: B examples, H height, W width, C channels, K classes.
Differs from the paper: convolutions are padded, so that the output is as large as the
image; with `valid` they are not, the kept maps are cropped, and of 572 pixels 388 are
left, as printed.

References:
    Ronneberger, Fischer and Brox, "U-Net: convolutional networks for biomedical image
    segmentation", MICCAI 2015, https://arxiv.org/abs/1505.04597
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from zoo.functional.pooling import max_pool
from zoo.segmentation.upward import Doubled
from zoo.vision.layers import Kit, check, output

TINY = dict(num_classes=3, width=4, depth=2, norm=True)  # what the tests run


class UNet(nn.Module):
    """A class for each pixel.

    Attributes:
        num_classes: logits of a pixel (K).
        width: channels of the first maps.
        depth: how often the image is halved.
        norm: with batch normalization.
        valid: convolutions without padding, as printed.
        dtype: of the computation; None for that of the input.
        axis_name: of the devices over which BatchNorm takes its statistics.
        fast: compute the convolutions by `zoo.functional.convolve`; False as
            published, with the same result.

    Raises:
        ValueError: sides that the halvings do not divide.
    """

    num_classes: int = 2
    width: int = 64
    depth: int = 4
    norm: bool = False
    valid: bool = False
    dtype: Any = None
    axis_name: str | None = None
    fast: bool = True

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool = False) -> jax.Array:
        """[B, H, W, C] -> [B, H, W, K]."""
        check("UNet", x, 2**self.depth)
        kit = Kit(train, self.axis_name, self.dtype, self.fast)
        padding = "VALID" if self.valid else None

        def twice(x, width, name):
            for i in (1, 2):
                if self.norm:
                    x = kit.unit(x, width, name=f"{name}_{i}", padding=padding)
                else:
                    x = nn.relu(kit.conv(x, width, name=f"{name}_{i}", padding=padding))
            return output(self, name, x)

        kept = []
        for i in range(self.depth):
            x = twice(x, self.width * 2**i, f"down_{i + 1}")
            kept.append(x)
            if x.shape[1] % 2 or x.shape[2] % 2:
                raise ValueError(
                    f"UNet halves its image {self.depth} times, and cannot halve "
                    f"{x.shape[1:3]}; take sides that {2**self.depth} divides"
                )
            x = max_pool(x)
        x = twice(x, self.width * 2**self.depth, "bottom")
        for i in reversed(range(self.depth)):
            width = self.width * 2**i
            x = Doubled(width, self.dtype, name=f"up_{self.depth - i}_double")(x)
            beside = _middle(kept[i], x.shape[1:3])
            x = jnp.concatenate([beside, x], -1)
            x = twice(x, width, f"up_{self.depth - i}")
        return kit.conv(x, self.num_classes, 1, name="head")


def _middle(x, size):
    """The middle of images, cropped to a size."""
    top, left = ((n - m) // 2 for n, m in zip(x.shape[1:3], size, strict=True))
    return x[:, top : top + size[0], left : left + size[1]]
