"""AlexNet, in its three forms.

    x -> conv 11x11/4 -> f -> [LRN] -> pool -> conv 5x5 -> f -> [LRN] -> pool
      -> [conv 3x3 -> f] x 3 -> pool -> [dropout -> dense -> f] x 2 -> dense

f is ReLU, pool the maximum of 3x3 at every second pixel.

    two towers (2012)    96-256-384-384-256; the second, fourth and fifth convolution
                         in two groups, one on each of two devices; local response
                         normalization after the first two
    one tower            the same without groups
    one weird trick      64-192-384-256-256, no groups, no normalization: the form
                         that PyTorch has

Outputs by name: stage_1, stage_2 (pooled), conv_3, conv_4, stage_3 (pooled), dense_0,
dense_1.

Shapes: B examples, H height, W width, C channels, K classes.
Differs from the paper: images of 224 are padded, by 2 pixels as in PyTorch, so that the
first convolution has 55x55 outputs, which the paper's own figures do not give. Pooling
comes after the normalization, as printed; Caffe's CaffeNet exchanges them. Constants
are those printed: k = 2, n = 5, alpha = 1e-4, beta = 0.75.

References:
    Krizhevsky, Sutskever and Hinton, "ImageNet classification with deep convolutional
    neural networks", NeurIPS 2012,
    https://papers.nips.cc/paper/4824-imagenet-classification-with-deep-convolutional-neural-networks
    Krizhevsky, "One weird trick for parallelizing convolutional neural networks", 2014,
    https://arxiv.org/abs/1404.5997
"""

from typing import Any

import flax.linen as nn
import jax

from zoo.functional.normalization import local_response_norm
from zoo.functional.pooling import adaptive_mean_pool, max_pool
from zoo.vision.layers import Kit, check, output

PRINTED = (96, 256, 384, 384, 256)
TRICK = (64, 192, 384, 256, 256)
TINY = dict(maps=(4, 4, 4, 4, 4), widths=(6, 6), size=2)  # what the tests run
RULES = (  # torchvision's names
    (r"features\.0", "convolution_1"),
    (r"features\.3", "convolution_2"),
    (r"features\.6", "convolution_3"),
    (r"features\.8", "convolution_4"),
    (r"features\.10", "convolution_5"),
    (r"classifier\.1", "hidden_0", (6, 6)),
    (r"classifier\.4", "hidden_1"),
    (r"classifier\.6", "head"),
)


class AlexNet(nn.Module):
    """Classifier of images.

    Attributes:
        num_classes: logits of an example (K).
        maps: channels of the five convolutions.
        towers: groups of the second, fourth and fifth convolution.
        normalized: with local response normalization.
        widths: of the two hidden dense layers.
        size: pixels of a side that the dense layers see; others are averaged to that.
        dropout: rate before each hidden dense layer.
        dtype: of the computation; None for that of the input.
        fast: compute the convolutions by `zoo.functional.convolve`; False as
            published, with the same result.

    Raises:
        ValueError: an image that is too small; other than five maps.
    """

    num_classes: int = 1000
    maps: tuple[int, ...] = TRICK
    towers: int = 1
    normalized: bool = False
    widths: tuple[int, ...] = (4096, 4096)
    size: int = 6
    dropout: float = 0.5
    dtype: Any = None
    fast: bool = True

    @nn.compact
    def __call__(
        self, x: jax.Array, *, train: bool = False, index: jax.Array | None = None
    ) -> jax.Array:  # [B, H, W, C] -> [B, K]
        check("AlexNet", x, 63)
        if len(self.maps) != 5:
            raise ValueError(f"maps must be five numbers, got {self.maps}")
        kit = Kit(train, None, self.dtype, self.fast)

        def conv(x, i, kernel=3, groups=1, **options):
            name = f"convolution_{i}"
            x = kit.conv(
                x, self.maps[i - 1], kernel, groups=groups, name=name, **options
            )
            return nn.relu(x)

        squash = local_response_norm if self.normalized else lambda x: x
        x = squash(conv(x, 1, 11, stride=4, padding=((2, 2), (2, 2))))
        x = output(self, "stage_1", max_pool(x, 3, 2))
        x = squash(conv(x, 2, 5, self.towers))
        x = output(self, "stage_2", max_pool(x, 3, 2))
        x = output(self, "conv_3", conv(x, 3))
        x = output(self, "conv_4", conv(x, 4, groups=self.towers))
        x = max_pool(conv(x, 5, groups=self.towers), 3, 2)
        x = output(self, "stage_3", x)
        if x.shape[1:3] != (self.size, self.size):
            x = adaptive_mean_pool(x, self.size)
        x = x.reshape(len(x), -1)  # [B, size, size, C] -> [B, size size C]
        for i, width in enumerate(self.widths):
            x = kit.dropout(x, self.dropout, index, f"dropout_{i}")
            x = nn.relu(kit.dense(x, width, f"hidden_{i}"))
            output(self, f"dense_{i}", x)
        return kit.dense(x, self.num_classes, "head")  # -> [B, K]
