"""pix2pix's generator: a U-Net whose every level halves by a strided convolution.

    level 1      conv4 / 2 -> level 2 -> ReLU -> transposed conv4 * 2 -> tanh
    level i      leaky ReLU -> conv4 / 2 -> norm -> level i + 1 -> ReLU ->
                 transposed conv4 * 2 -> norm -> dropout; beside it, its input
    level n      leaky ReLU -> conv4 / 2 -> ReLU -> transposed conv4 * 2 -> norm;
                 beside it, its input

Channels double from `width` to eight times that; dropout stands in levels 5 to n - 1
as in the originals, and only the last layer has a bias. 256 pixels are n = 8, down to
one. It is another network than `zoo.segmentation.UNet`, which pools, has two
convolutions a level, and keeps what stands before its halvings.

Differs from the paper: in use there is no dropout, and norms are by moving averages,
so that an image has one translation.

Shapes: B examples, H height, W width, C channels of the input, K of the output.

References:
    Isola, Zhu, Zhou and Efros, "Image-to-image translation with conditional adversarial
    networks", CVPR 2017, https://arxiv.org/abs/1611.07004 (section 6.1.1)
    Ronneberger, Fischer and Brox, "U-Net", MICCAI 2015,
    https://arxiv.org/abs/1505.04597
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from zoo.errors import unknown
from zoo.functional.dropout import Dropout
from zoo.generative.patch import MOST, conv, normalization
from zoo.generative.transposed import Transposed

LAST = {"tanh": nn.tanh, "sigmoid": nn.sigmoid, "identity": lambda x: x}
TINY = dict(
    width=2, depth=3, first_dropout=2, channels=2
)  # the size that the tests run
INNER = r"model\.model\.1((?:\.model\.3)*)\.model\."
RULES = [  # of the originals, where a level is the fourth part of the one around it
    (r"model\.model\.0", "down_1"),
    (r"model\.model\.3", "up_1"),
    (INNER + "1", lambda m: _level("down", m)),
    (INNER + "2", lambda m: _level("down_norm", m)),
    (INNER + "5", lambda m: _level("up", m)),
    (INNER + "6", lambda m: _level("up_norm", m)),
    (INNER + "3", lambda m: _level("up", m)),  # of the innermost
    (INNER + "4", lambda m: _level("up_norm", m)),
]


class UNetGenerator(nn.Module):
    """Images to images of the same size.

    Attributes:
        channels: K.
        width: channels of the first level.
        depth: n, how often the image is halved.
        dropout: its rate.
        first_dropout: the outermost level that has it.
        last: of the outputs: "tanh", "sigmoid" or "identity".
        axis_name: of the devices over which a batch's statistics are taken.

    Raises:
        ValueError: fewer than two levels, an unknown `last`, sides that the halvings do
            not divide.
    """

    channels: int = 3
    width: int = 64
    depth: int = 8
    dropout: float = 0.5
    first_dropout: int = 5
    last: str = "tanh"
    axis_name: str | None = None

    @nn.compact
    def __call__(
        self, x: jax.Array, *, train: bool = False, index: jax.Array | None = None
    ) -> jax.Array:
        """[B, H, W, C] -> [B, H, W, K]."""
        if self.last not in LAST:
            raise unknown("last", self.last, LAST)
        if self.depth < 2:
            raise ValueError(f"depth must be 2 or more, got {self.depth}")
        if x.ndim != 4 or any(n % 2**self.depth or not n for n in x.shape[1:3]):
            raise ValueError(
                f"UNetGenerator halves its image {self.depth} times; it takes "
                f"[B, H, W, C] with sides that {2**self.depth} divides, got "
                f"{list(x.shape)}"
            )
        norm = normalization("batch", train, self.axis_name)

        def level(x, i):
            features = self.width * min(2 ** (i - 1), MOST)
            inner = i == self.depth
            y = x if i == 1 else nn.leaky_relu(x, 0.2)
            y = conv(y, features, 4, 2, f"down_{i}", bias=False)
            if not inner:
                y = norm(y, f"down_norm_{i}") if i > 1 else y
                y = level(y, i + 1)
            outer = self.channels if i == 1 else x.shape[-1]
            y = Transposed(outer, bias=i == 1, name=f"up_{i}")(nn.relu(y))
            if i == 1:
                return LAST[self.last](y)
            y = norm(y, f"up_norm_{i}")
            if i >= self.first_dropout and not inner:
                drop = Dropout(self.dropout, name=f"dropout_{i}")
                y = drop(y, train=train, index=index)
            return jnp.concatenate([x, y], -1)

        return level(x, 1)


def _level(kind, match):
    return f"{kind}_{2 + match[1].count('.model.3')}"
