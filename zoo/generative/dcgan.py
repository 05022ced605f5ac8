"""DCGAN: two players of convolutions, for images of 28, 32, 64 or more pixels.

    generator       z as one pixel of Z channels -> b x b pixels, then doubled by
                    transposed 4x4 convolutions with stride 2; normalized, ReLU; at the
                    end tanh
    discriminator   4x4 convolutions with stride 2, normalized but for the first, leaky
                    ReLU of slope 0.2; at the end all of b x b pixels give a number

b is from 4 to 7: sides of b 2^n can be made. 64 pixels are 4 x 2^4, as published, 32
are 4 x 2^3, and 28 are 7 x 2^2. Channels double inwards from `width`. Convolutions have
no bias, and begin as normal numbers of deviation 0.02.

Differs from the paper: the normalization of a layer's scale begins as 1 and not as a
draw around it.

Shapes: B examples, S side, C channels, Z latents.

References:
    Radford, Metz and Chintala, "Unsupervised representation learning with deep
    convolutional generative adversarial networks", ICLR 2016,
    https://arxiv.org/abs/1511.06434
"""

import flax.linen as nn
import jax

from zoo.functional.convolution import convolve
from zoo.generative.mlp_gan import latents
from zoo.generative.transposed import Transposed

BASES = (4, 5, 6, 7)
START = nn.initializers.normal(0.02)
TINY = dict(side=16, width=4)  # the size that the tests run
GENERATOR_RULES = [  # of PyTorch's example: convolution, normalization, ReLU
    (r"main\.(\d+)", lambda m: _by_threes(int(m[1]))),
]
DISCRIMINATOR_RULES = [  # the first has no normalization
    (r"main\.0", "layer_0"),
    (r"main\.(\d+)", lambda m: _by_threes(int(m[1]) + 1)),
]


class DCGenerator(nn.Module):
    """Latents to images.

    Attributes:
        latents: Z.
        side: S, of the images.
        channels: C, of the images.
        width: channels of the layer before the last.
        axis_name: of the devices over which the batch's statistics are taken.

    Raises:
        ValueError: a side that cannot be made, latents of another size.
    """

    latents: int = 100
    side: int = 64
    channels: int = 3
    width: int = 64
    axis_name: str | None = None

    @nn.compact
    def __call__(self, z: jax.Array, *, train: bool = False) -> jax.Array:
        """[B, Z] -> [B, S, S, C], from -1 to 1."""
        latents("DCGenerator", z, self.latents)
        base, doublings = sides(self.side)
        x = z[:, None, None]
        for i in range(doublings):
            features = self.width << (doublings - 1 - i)
            shape = (base, 1, 0) if i == 0 else (4, 2, 1)
            x = Transposed(features, *shape, bias=False, name=f"layer_{i}")(x)
            x = nn.relu(_norm(x, train, self.axis_name, f"norm_{i}"))
        last = Transposed(self.channels, bias=False, name=f"layer_{doublings}")
        return nn.tanh(last(x))


class DCDiscriminator(nn.Module):
    """Images to a number.

    Attributes:
        side: S, of the images.
        width: channels of the first layer.
        outputs: numbers told of an image.
        norm: batch normalization; without it the critic can be penalised.
        axis_name: of the devices over which the batch's statistics are taken.

    Raises:
        ValueError: a side that cannot be made, images of another side.
    """

    side: int = 64
    width: int = 64
    outputs: int = 1
    norm: bool = True
    axis_name: str | None = None

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool = False) -> jax.Array:
        """[B, S, S, C] -> [B, outputs]."""
        base, halvings = sides(self.side)
        if x.ndim != 4 or x.shape[1:3] != (self.side, self.side):
            raise ValueError(
                f"x must be images [B, {self.side}, {self.side}, C], got "
                f"{list(x.shape)}"
            )
        layer = lambda i, features, side, stride, padding: nn.Conv(
            features, (side, side), stride, padding, use_bias=False, kernel_init=START,
            conv_general_dilated=convolve, name=f"layer_{i}",
        )  # fmt: skip
        for i in range(halvings):
            x = layer(i, self.width << i, 4, 2, 1)(x)
            if i and self.norm:
                x = _norm(x, train, self.axis_name, f"norm_{i}")
            x = nn.leaky_relu(x, 0.2)
        x = layer(halvings, self.outputs, base, 1, 0)(x)
        return x.reshape(len(x), -1)


def sides(side: int) -> tuple[int, int]:
    """b and n of a side b 2^n, b from 4 to 7, n from 1.

    Raises:
        ValueError: another side.

    >>> sides(28), sides(32), sides(64)
    ((7, 2), (4, 3), (4, 4))
    """
    base, doublings = side, 0
    while base > max(BASES) and base % 2 == 0:
        base, doublings = base // 2, doublings + 1
    if base not in BASES or not doublings:
        raise ValueError(
            f"side must be 4, 5, 6 or 7 times a power of 2 from 2 on, got {side}"
        )
    return base, doublings


def _norm(x, train, axis_name, name):
    return nn.BatchNorm(
        not train, momentum=0.9, epsilon=1e-5, axis_name=axis_name, name=name
    )(x)


def _by_threes(n):
    return f"{('layer', 'norm')[n % 3]}_{n // 3}"
