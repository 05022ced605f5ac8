"""PatchGAN: a discriminator that tells of each patch of an image whether it is real.

    [conv4, stride 2 -> norm -> leaky ReLU] x n -> conv4 -> norm -> leaky ReLU -> conv4

The first has no norm. Channels double from `width` to eight times that. A number of the
output sees a square of 16, 34 or 70 pixels where n = 1, 2 or 3; numbers overlap, and a
loss is their mean. Convolutions behind which batch normalization stands have no bias;
instance normalization has no parameters here, and its convolutions have biases.

Shapes: B examples, H height, W width, C channels.

References:
    Isola, Zhu, Zhou and Efros, "Image-to-image translation with conditional adversarial
    networks", CVPR 2017, https://arxiv.org/abs/1611.07004 (sections 2.2.2 and 6.1.2)
    Ulyanov, Vedaldi and Lempitsky, "Instance normalization", 2016,
    https://arxiv.org/abs/1607.08022
"""

from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp

from zoo.errors import unknown
from zoo.functional.convolution import convolve
from zoo.functional.normalization import instance_norm

START = nn.initializers.normal(0.02)
NORMS = ("batch", "instance")
MOST = 8  # times the width
TINY = dict(width=2, layers=1)  # the size that the tests run
RULES = [  # of the originals: convolution, norm, activation; the first has no norm
    (r"model\.0", "layer_0"),
    (r"model\.(\d+)", lambda m: _by_threes(int(m[1]) + 1)),
]


class PatchDiscriminator(nn.Module):
    """A number for each patch.

    Attributes:
        width: channels of the first layer.
        layers: n, those that halve the image.
        norm: "batch" or "instance".
        axis_name: of the devices over which a batch's statistics are taken.
        fast: compute the convolutions by `zoo.functional.convolve`; False as
            published, with the same result.

    Raises:
        ValueError: another norm, images that are too small.
    """

    width: int = 64
    layers: int = 3
    norm: str = "instance"
    axis_name: str | None = None
    fast: bool = True

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool = False) -> jax.Array:
        """[B, H, W, C] -> [B, H / 2^n - 2, W / 2^n - 2, 1]."""
        normalized = normalization(self.norm, train, self.axis_name)
        least = 3 << self.layers
        if x.ndim != 4 or min(x.shape[1:3]) < least:
            raise ValueError(
                f"PatchDiscriminator of {self.layers} layers takes images [B, H, W, C] "
                f"with H and W of at least {least}, got {list(x.shape)}"
            )
        for i in range(self.layers + 1):
            features = self.width * min(2**i, MOST)
            stride = 2 if i < self.layers else 1
            bias = not i or self.norm == "instance"
            x = conv(x, features, 4, stride, f"layer_{i}", bias=bias, fast=self.fast)
            if i:
                x = normalized(x, f"norm_{i}")
            x = nn.leaky_relu(x, 0.2)
        return conv(x, 1, 4, 1, f"layer_{self.layers + 1}", fast=self.fast)


def conv(
    x: jax.Array,
    features: int,
    side: int,
    stride: int,
    name: str,
    *,
    padding: int = 1,
    bias: bool = True,
    fast: bool = True,
) -> jax.Array:  # [B, H, W, C] -> [B, ., ., features]
    """A convolution that begins as normal numbers of deviation 0.02."""
    layer = nn.Conv(
        features, (side, side), stride, padding, use_bias=bias, kernel_init=START,
        conv_general_dilated=convolve if fast else None, name=name,
    )  # fmt: skip
    return layer(x)


def normalization(norm: str, train: bool, axis_name: str | None) -> Callable:
    """(x, name) -> x normalized, by the batch or by each image alone.

    Raises:
        ValueError: an unknown norm.
    """
    if norm not in NORMS:
        raise unknown("norm", norm, NORMS)
    if norm == "instance":
        return lambda x, name: alone(x)
    return lambda x, name: nn.BatchNorm(
        not train, momentum=0.9, epsilon=1e-5, axis_name=axis_name, name=name
    )(x)


def alone(x: jax.Array) -> jax.Array:
    """Instance normalization without parameters."""
    one = jnp.ones(x.shape[-1:], x.dtype)
    return instance_norm(x, one, jnp.zeros_like(one))


def _by_threes(n):
    return f"{('layer', 'norm')[n % 3]}_{n // 3}"
