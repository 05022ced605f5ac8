"""VGG: convolutions of 3x3, pooling, and three dense layers.

    x -> [[conv 3x3 -> f] x n -> max pool 2] x 5 -> [dense -> f -> dropout] x 2 -> dense

f is ReLU; stage i has min(64 2^i, 512) channels. The number in a name counts the layers
with weights. With `norm`, batch normalization stands before each ReLU of a convolution;
convolutions keep their bias then, as in torchvision, unless `bias` is False (it learns
nothing: the normalization takes it away again). The dense layers see 7x7 pixels: other
sizes are averaged to that. The small twin has no hidden dense layers and averages to
one pixel.

Outputs by name: stage_1, ..., stage_5 (pooled), dense_0, dense_1.

Shapes: B examples, H height, W width, C channels, K classes.

References:
    Simonyan and Zisserman, "Very deep convolutional networks for large-scale image
    recognition", ICLR 2015, https://arxiv.org/abs/1409.1556, table 1
"""

from typing import Any

import flax.linen as nn
import jax

from zoo.functional.pooling import adaptive_mean_pool, max_pool
from zoo.vision.layers import Kit, check, output
from zoo.vision.names import units

DEPTHS = {  # convolutions of each stage
    11: (1, 1, 2, 2, 2),
    13: (2, 2, 2, 2, 2),
    16: (2, 2, 3, 3, 3),
    19: (2, 2, 4, 4, 4),
}
TINY = dict(blocks=(1, 2), width=4, widths=(16,), size=2)  # what the tests run


class VGG(nn.Module):
    """Classifier of images.

    Attributes:
        num_classes: logits of an example (K).
        blocks: convolutions of each stage.
        width: channels of the first stage; doubled by each, up to eight times.
        norm: with batch normalization.
        bias: of convolutions that are normalized.
        widths: of the hidden dense layers.
        size: pixels of a side that the dense layers see.
        dropout: rate behind each hidden dense layer.
        dtype: of the computation; None for that of the input.
        axis_name: of the devices over which BatchNorm takes its statistics.
        fast: compute the convolutions by `zoo.functional.convolve`; False as
            published, with the same result.

    Raises:
        ValueError: an image smaller than the strides.
    """

    num_classes: int = 1000
    blocks: tuple[int, ...] = DEPTHS[16]
    width: int = 64
    norm: bool = False
    bias: bool = True
    widths: tuple[int, ...] = (4096, 4096)
    size: int = 7
    dropout: float = 0.5
    dtype: Any = None
    axis_name: str | None = None
    fast: bool = True

    @nn.compact
    def __call__(
        self, x: jax.Array, *, train: bool = False, index: jax.Array | None = None
    ) -> jax.Array:  # [B, H, W, C] -> [B, K]
        check("VGG", x, 2 ** len(self.blocks))
        kit = Kit(train, self.axis_name, self.dtype, self.fast, bias=self.bias)
        for i, count in enumerate(self.blocks):
            for j in range(count):
                name, channels = f"conv_{i + 1}_{j}", self.width * min(2**i, 8)
                if self.norm:
                    x = kit.unit(x, channels, name=name)
                else:
                    x = nn.relu(kit.conv(x, channels, name=name))
            x = output(self, f"stage_{i + 1}", max_pool(x))
        if x.shape[1:3] != (self.size, self.size):
            x = adaptive_mean_pool(x, self.size)
        x = x.reshape(len(x), -1)  # [B, size, size, C] -> [B, size size C]
        for i, width in enumerate(self.widths):
            x = nn.relu(kit.dense(x, width, f"hidden_{i}"))
            output(self, f"dense_{i}", x)
            x = kit.dropout(x, self.dropout, index, f"dropout_{i}")
        return kit.dense(x, self.num_classes, "head")  # -> [B, K]


def rules(blocks: tuple[int, ...], norm: bool) -> tuple:
    """torchvision's names, layers numbered from first to last, and pytorchcv's."""
    made, number = [], 0
    for i, count in enumerate(blocks, 1):
        for j in range(count):
            made.append((rf"features\.{number}", f"conv_{i}_{j}"))
            if norm:
                made.append((rf"features\.{number + 1}", f"conv_{i}_{j}_norm"))
            number += 3 if norm else 2
        number += 1  # pooling
    return (
        *made,
        (r"classifier\.0", "hidden_0", (7, 7)),
        (r"classifier\.3", "hidden_1"),
        (r"classifier\.6", "head"),
        *units("conv_{}_{}", {"conv": "", "bn": "_norm"}),
        (r"output\.fc1\.fc", "hidden_0", (7, 7)),
        (r"output\.fc2\.fc", "hidden_1"),
        (r"output\.fc3", "head"),
    )
