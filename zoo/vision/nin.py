"""Network in Network: a small dense network slides over the image.

    mlpconv   x -> f(conv_k(x)) -> f(conv1(.)) -> f(conv1(.))
    network   x -> [mlpconv -> pool of 3x3/2] x n -> mlpconv to the classes -> mean

f is ReLU. A convolution of 1x1 is a dense layer at each pixel, so a mlpconv is a
network of three layers at each place, the same at all. The last one has as many maps as
there are classes, and their means are the logits: no dense layer stands behind them,
and a map shows where its class was seen.

A stage is (k, stride, padding, widths). The pooling behind it is the maximum or the
mean; both also take the rest at the border, as Caffe does, or, with `pool_padding`,
zeros around the image.

Outputs by name: stage_1, stage_2, ... (each before its pooling), maps.

Shapes: B examples, H height, W width, C channels, K classes.
Differs from the paper: the widths are those of the authors' programs, which it does not
print. They activate the maps of classes as well, so no logit is negative.

References:
    Lin, Chen and Yan, "Network in network", ICLR 2014, https://arxiv.org/abs/1312.4400
    The programs: https://github.com/mavenlin/cuda-convnet (CIFAR-10) and
    https://gist.github.com/mavenlin/d802a5849de39225bcc6 (ImageNet)
"""

from typing import Any

import flax.linen as nn
import jax

from zoo.functional.pooling import max_pool, mean_pool
from zoo.vision.layers import Kit, check, output
from zoo.vision.names import units

POOLS = {"max": max_pool, "mean": mean_pool}
Stages = tuple[tuple[int, int, int, tuple[int, ...]], ...]
CIFAR: Stages = (
    (5, 1, 2, (192, 160, 96)),
    (5, 1, 2, (192, 192, 192)),
    (3, 1, 1, (192, 192)),
)
IMAGENET: Stages = (
    (11, 4, 0, (96, 96, 96)),
    (5, 1, 2, (256, 256, 256)),
    (3, 1, 1, (384, 384, 384)),
    (3, 1, 1, (1024, 1024)),
)
TINY = dict(  # the size that the tests run
    stages=((5, 2, 2, (8, 6)), (3, 1, 1, (6,)), (3, 1, 1, (5, 4))),
    pools=("max", "mean"),
    dropped=(1, 2),
)


RULES = (  # pytorchcv's names, of the networks for CIFAR
    *units("stage_{}_conv_{}", {"conv": ""}),
    (r"output\.final_conv\.conv", "stage_3_conv_2"),
)


class NiN(nn.Module):
    """Classifier of images, of convolutions only.

    Attributes:
        num_classes: logits of an example (K); a last width of the last stage.
        stages: (k, stride, padding, widths) each, see above.
        pools: `max` or `mean`, between two stages.
        pool_padding: pixels around an image that is pooled; 1 in pytorchcv.
        dropped: the stages, from 0, before which there is dropout.
        dropout: its rate.
        dtype: of the computation; None for that of the input.
        fast: compute the convolutions by `zoo.functional.convolve`; False as
            published, with the same result.

    Raises:
        ValueError: an image that is too small; a field out of range.
    """

    num_classes: int = 10
    stages: Stages = CIFAR
    pools: tuple[str, ...] = ("max", "mean")
    pool_padding: int = 0
    dropped: tuple[int, ...] = (1, 2)
    dropout: float = 0.5
    dtype: Any = None
    fast: bool = True

    @nn.compact
    def __call__(
        self, x: jax.Array, *, train: bool = False, index: jax.Array | None = None
    ) -> jax.Array:  # [B, H, W, C] -> [B, K]
        if len(self.pools) != len(self.stages) - 1:
            raise ValueError(
                f"pools must be {len(self.stages) - 1} names, got {self.pools}"
            )
        least = 1
        for i, (kernel, stride, padding, _) in reversed(list(enumerate(self.stages))):
            if i < len(self.pools):
                least = max(3, 2 * least)
            least = (least - 1) * stride + max(1, kernel - 2 * padding)
        choices = {f"pools[{i}]": (p, tuple(POOLS)) for i, p in enumerate(self.pools)}
        check("NiN", x, least, **choices)
        kit = Kit(train, None, self.dtype, self.fast)
        for i, (kernel, stride, padding, widths) in enumerate(self.stages):
            if i:
                pool, pad = POOLS[self.pools[i - 1]], self.pool_padding
                x = pool(x, 3, 2, pad, ceil=not pad)
            if i in self.dropped:
                x = kit.dropout(x, self.dropout, index, f"dropout_{i}")
            last = i == len(self.stages) - 1
            for j, width in enumerate((*widths, *[self.num_classes] * last)):
                options = (1, 1) if j else (kernel, stride)
                pads = ((0 if j else padding,) * 2,) * 2
                name = f"stage_{i + 1}_conv_{j}"
                x = nn.relu(kit.conv(x, width, *options, padding=pads, name=name))
            output(self, "maps" if last else f"stage_{i + 1}", x)
        return x.mean((1, 2))  # -> [B, K]
