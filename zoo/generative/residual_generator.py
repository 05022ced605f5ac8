"""CycleGAN's generator: down twice, residual blocks, up twice.

    reflect 3, conv7 -> [conv3 / 2] x 2 -> block x n -> [transposed conv3 * 2] x 2 ->
    reflect 3, conv7 -> tanh
    block(x) = x + norm(conv3(reflect 1, ReLU(norm(conv3(reflect 1, x)))))

A norm, of each image alone, and ReLU stand behind each convolution but the last.
n = 9 for 256 pixels, 6 for 128. All convolutions have biases; norms have no parameters.

Shapes: B examples, H height, W width, C channels of the input, K of the output.

References:
    Zhu, Park, Isola and Efros, "Unpaired image-to-image translation using
    cycle-consistent adversarial networks", ICCV 2017,
    https://arxiv.org/abs/1703.10593 (section 7.2)
    Johnson, Alahi and Fei-Fei, "Perceptual losses for real-time style transfer and
    super-resolution", ECCV 2016, https://arxiv.org/abs/1603.08155
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from zoo.generative.patch import alone, conv
from zoo.generative.transposed import Transposed

TINY = dict(width=2, depth=1, halvings=1, channels=2)  # the size that the tests run


class ResidualGenerator(nn.Module):
    """Images to images of the same size.

    Attributes:
        channels: K.
        width: channels of the first layer.
        depth: n, how many blocks.
        halvings: how often the image is halved.

    Raises:
        ValueError: sides that the halvings do not divide, or that are too small to be
            padded by reflection.
    """

    channels: int = 3
    width: int = 64
    depth: int = 9
    halvings: int = 2

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """[B, H, W, C] -> [B, H, W, K], from -1 to 1."""
        by = 2**self.halvings
        least = max(4, 2 * by)
        if x.ndim != 4 or any(n % by or n < least for n in x.shape[1:3]):
            raise ValueError(
                f"ResidualGenerator takes images [B, H, W, C] with sides that {by} "
                f"divides, of at least {least}, got {list(x.shape)}"
            )
        normed = lambda x: nn.relu(alone(x))
        x = normed(_reflected(x, self.width, 7, "stem"))
        for i in range(self.halvings):
            x = normed(conv(x, self.width << (i + 1), 3, 2, f"down_{i}"))
        features = x.shape[-1]
        for i in range(self.depth):
            y = normed(_reflected(x, features, 3, f"block_{i}_conv_1"))
            x = x + alone(_reflected(y, features, 3, f"block_{i}_conv_2"))
        for i in range(self.halvings):
            features = features // 2
            x = normed(Transposed(features, 3, 2, 1, 1, name=f"up_{i}")(x))
        return nn.tanh(_reflected(x, self.channels, 7, "last"))


def rules(blocks: int, halvings: int = 2) -> list[tuple]:
    """Of the originals' names: where a layer stands depends on how many there are."""
    inside = 4 + 3 * halvings
    up = inside + blocks
    layers = [(r"model\.1", "stem"), (rf"model\.{up + 3 * halvings + 1}", "last")]
    for i in range(halvings):
        layers += [(rf"model\.{4 + 3 * i}", f"down_{i}")]
        layers += [(rf"model\.{up + 3 * i}", f"up_{i}")]
    half = {"1": 1, "5": 2}
    part = lambda m: f"block_{int(m[1]) - inside}_conv_{half[m[2]]}"
    return [*layers, (r"model\.(\d+)\.conv_block\.(1|5)", part)]


def _reflected(x, features, side, name):
    reach = side // 2
    pads = ((0, 0), (reach, reach), (reach, reach), (0, 0))
    return conv(jnp.pad(x, pads, "reflect"), features, side, 1, name, padding=0)
