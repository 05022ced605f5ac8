"""The convolutional autoencoder: one code for each image, made by convolutions.

    encoder   3x3 convolutions at stride 2 and ReLU, then a dense layer to the code
    decoder   the same backwards: each pixel doubled, cut to size, a 3x3 convolution

Doubling and then convolving has no checkerboard, as transposed convolutions have where
their stride does not divide their kernel.

Shapes: B examples, H height, W width, C channels, K numbers of a code.

References:
    Masci, Meier, Ciresan and Schmidhuber, "Stacked convolutional auto-encoders for
    hierarchical feature extraction", ICANN 2011,
    https://doi.org/10.1007/978-3-642-21735-7_7
    Odena, Dumoulin and Olah, "Deconvolution and checkerboard artifacts", Distill 2016,
    https://doi.org/10.23915/distill.00003 (doubling)
"""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp

TINY = dict(maps=(3, 4), code=3)  # the size that the tests run


class ConvAutoencoder(nn.Module):
    """Convolutions to a code and back.

    Attributes:
        shape: of an image: H, W, C.
        maps: channels of each layer of the encoder, each at half of the size before.
        code: K.

    Raises:
        ValueError: no layer, or a size that is not positive; x of another shape.
    """

    shape: tuple[int, ...] = (28, 28, 1)
    maps: tuple[int, ...] = (16, 32)
    code: int = 32

    def setup(self):
        if len(self.shape) != 3 or min(*self.shape, *self.maps, self.code) < 1:
            raise ValueError(
                "shape must be H, W, C, and all sizes positive, got "
                f"{self.shape}, maps {self.maps} and code {self.code}"
            )
        if not self.maps:
            raise ValueError(f"maps must have at least one layer, got {self.maps}")
        *sides, channels = self.shape
        sizes = [tuple(sides)]
        for _ in self.maps:
            sizes.append(tuple(-(-side // 2) for side in sizes[-1]))
        self.sizes = sizes  # of the image, and behind each layer
        self.encoder = [nn.Conv(m, (3, 3), strides=2) for m in self.maps]
        self.narrow = nn.Dense(self.code)
        self.widen = nn.Dense(math.prod(sizes[-1]) * self.maps[-1])
        back = (*self.maps[-2::-1], channels)
        self.decoder = [nn.Conv(m, (3, 3)) for m in back]

    def encode(self, x: jax.Array) -> jax.Array:  # [B, H, W, C] -> [B, K]
        """The code, without an activation."""
        if x.shape[1:] != tuple(self.shape):
            raise ValueError(f"x must be [B, *{self.shape}], got {list(x.shape)}")
        for layer in self.encoder:
            x = nn.relu(layer(x))
        return self.narrow(x.reshape(len(x), -1))

    def decode(self, code: jax.Array) -> jax.Array:  # [B, K] -> [B, H, W, C]
        """What stands for the images: means, or logits of them."""
        x = self.widen(code).reshape(len(code), *self.sizes[-1], self.maps[-1])
        for layer, (h, w) in zip(self.decoder, self.sizes[-2::-1], strict=True):
            x = jnp.repeat(jnp.repeat(nn.relu(x), 2, axis=1), 2, axis=2)
            x = layer(x[:, :h, :w])
        return x

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.decode(self.encode(x))
