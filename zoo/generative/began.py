"""BEGAN's players: a decoder of convolutions, and an autoencoder that ends in it.

    decoder         code -> dense -> b x b pixels of n channels; at each size two 3x3
                    convolutions with ELU, then each pixel doubled; at the end a 3x3
                    convolution to the image, without an activation
    encoder         a 3x3 convolution to n channels; at the i-th size two of i n
                    channels, with ELU, then every second pixel is left out; at the end
                    a dense layer to the code, without an activation
    generator       G(z) = decoder(z)
    discriminator   D(x) = mean of |x - decoder(encoder(x))|

of images of b 2^m pixels, b up to 8: 64 pixels are 8 x 2^3, as published, and 28 are 7
x 2^2. The latents are of a uniform prior from -1 to 1, and `gan_losses.began` says what
the players want. What is left out is not computed: the second convolution of a size
has a stride of 2, and is the same.

Differs from the paper: no skipping of layers, which it adds in a second step.

Shapes: B examples, S side, C channels, Z latents or numbers of a code.

References:
    Berthelot, Schumm and Metz, "BEGAN: boundary equilibrium generative adversarial
    networks", 2017, https://arxiv.org/abs/1703.10717 (section 3.4 and figure 1)
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from zoo.functional.convolution import convolve
from zoo.generative.mlp_gan import latents

MOST = 8  # pixels of the smallest size
TINY_GENERATOR = dict(side=16, channels=2, width=3)  # the sizes that the tests run
TINY_DISCRIMINATOR = dict(side=32, width=2, code=3, outputs=10)


class BEGANGenerator(nn.Module):
    """A decoder: latents to images.

    Attributes:
        latents: Z.
        side: S, of the images.
        channels: C, of the images.
        width: n, channels of every layer.

    Raises:
        ValueError: a side that cannot be made, latents of another size.
    """

    latents: int = 64
    side: int = 64
    channels: int = 3
    width: int = 64

    @nn.compact
    def __call__(self, z: jax.Array) -> jax.Array:  # [B, Z] -> [B, S, S, C]
        latents("BEGANGenerator", z, self.latents)
        return _decoded(z, self.side, self.channels, self.width)


class BEGANDiscriminator(nn.Module):
    """An autoencoder that tells how ill it reconstructs an image.

    Attributes:
        side: S, of the images.
        width: n, channels of the first layer, and of the decoder's.
        code: Z.
        outputs: parts of an image, of each of which the mean error is told.

    Raises:
        ValueError: a side that cannot be made, images of another side, more outputs
            than an image has values.
    """

    side: int = 64
    width: int = 64
    code: int = 64
    outputs: int = 1

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """[B, S, S, C] -> [B, outputs], >= 0."""
        error = jnp.abs(x - self.reconstruct(x)).reshape(len(x), -1)
        if not 1 <= self.outputs <= error.shape[1]:
            raise ValueError(
                f"outputs must be from 1 to the image's {error.shape[1]} values, got "
                f"{self.outputs}"
            )
        parts = jnp.array_split(error, self.outputs, axis=1)
        return jnp.stack([part.mean(1) for part in parts], 1)

    @nn.compact
    def reconstruct(self, x: jax.Array) -> jax.Array:
        """What the autoencoder makes of images, [B, S, S, C] -> the same."""
        _, halvings = sizes(self.side)
        if x.ndim != 4 or x.shape[1:3] != (self.side, self.side):
            raise ValueError(
                f"x must be images [B, {self.side}, {self.side}, C], got "
                f"{list(x.shape)}"
            )
        h = nn.elu(_conv(x, self.width, "encoder_in"))
        for i in range(halvings + 1):
            features = self.width * (i + 1)
            h = nn.elu(_conv(h, features, f"encoder_{i}_0"))
            stride = 1 if i == halvings else 2
            h = nn.elu(_conv(h, features, f"encoder_{i}_1", stride))
        code = nn.Dense(self.code, name="code")(h.reshape(len(h), -1))
        return _decoded(code, self.side, x.shape[-1], self.width)


def sizes(side: int) -> tuple[int, int]:
    """b and m of a side b 2^m, b from 5 to 8, m from 1.

    Raises:
        ValueError: another side.

    >>> sizes(28), sizes(32), sizes(64)
    ((7, 2), (8, 2), (8, 3))
    """
    base, halvings = side, 0
    while base > MOST and base % 2 == 0:
        base, halvings = base // 2, halvings + 1
    if not 5 <= base <= MOST or not halvings:
        raise ValueError(
            f"side must be 5, 6, 7 or 8 times a power of 2 from 2 on, got {side}"
        )
    return base, halvings


def _decoded(code, side, channels, width):  # within a module that is compact
    base, doublings = sizes(side)
    h = nn.Dense(base * base * width, name="widen")(code)
    h = h.reshape(-1, base, base, width)
    for i in range(doublings + 1):
        for j in range(2):
            h = nn.elu(_conv(h, width, f"decoder_{i}_{j}"))
        if i < doublings:
            h = jnp.repeat(jnp.repeat(h, 2, axis=1), 2, axis=2)
    return _conv(h, channels, "last")


def _conv(x, features, name, stride=1):
    return nn.Conv(
        features, (3, 3), stride, 1, conv_general_dilated=convolve, name=name
    )(x)
