"""LeNet-5 as printed in 1998: 60,000 parameters, every one of them where it was.

    layer                                         maps and size   parameters
    C1   convolution 5x5                          6 of 28x28             156
    S2   a (sum of 2x2) + b, squashed             6 of 14x14              12
    C3   convolution 5x5, connected by Table I    16 of 10x10          1,516
    S4   a (sum of 2x2) + b, squashed             16 of 5x5               32
    C5   convolution 5x5                          120 of 1x1          48,120
    F6   dense                                    84                  10,164
    out  y_k = sum_j (x_j - w_kj)^2               10 distances             0

    f(a) = 1.7159 tanh(2/3 a) after every layer but the last (Appendix A)
    loss = y_D + log(e^-j + sum_k e^-y_k)         (equation 9: MAP criterion)

The targets w_k of the last layer are not learned: they are pictures of the digits, 7
wide and 12 high, in +1 and -1. The paper prints them as a figure; ours are drawn after
it, so they may differ in a pixel. Outputs are -y, so that the largest is the answer
and `cross_entropy` is the criterion without its j.

Images have values in [0, 1], 0 the background. Those of 28x28 are padded to 32x32, and
all are scaled so that the background is -0.1 and the ink 1.175 (section II.A).

Shapes: B examples.

References:
    LeCun, Bottou, Bengio and Haffner, "Gradient-based learning applied to document
    recognition", Proceedings of the IEEE 1998, https://doi.org/10.1109/5.726791,
    section II.B, Table I, figure 3
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from zoo.functional.convolution import convolve
from zoo.functional.losses import at_labels, weighted

TINY = dict()  # it has one size, and that is small

# Table I: the maps of S2 that each map of C3 sees.
TABLE_1 = (
    (0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (0, 4, 5), (0, 1, 5),
    (0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (0, 3, 4, 5), (0, 1, 4, 5),
    (0, 1, 2, 5), (0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5), (0, 1, 2, 3, 4, 5),
)  # fmt: skip
SOURCE = np.array([s for sources in TABLE_1 for s in sources], np.int32)  # [60]
TARGET = np.repeat(np.arange(16, dtype=np.int32), [len(s) for s in TABLE_1])  # [60]

# The ten digits, rows of 7 from top to bottom, each drawn after figure 3.
DIGITS = """
..###..  ...#...  .#####.  #######  .....#.  #######  ..####.  #######  .#####.  .#####.
.#...#.  ..##...  #.....#  .....#.  ....##.  #......  .#.....  ......#  #.....#  #.....#
#.....#  .#.#...  ......#  ....#..  ...#.#.  #......  #......  .....#.  #.....#  #.....#
#.....#  ...#...  ......#  ...#...  ..#..#.  #......  #......  .....#.  #.....#  #.....#
#.....#  ...#...  .....#.  ..####.  .#...#.  ######.  #.####.  ....#..  .#####.  #....##
#.....#  ...#...  ....#..  ......#  #....#.  ......#  ##....#  ....#..  #.....#  .####.#
#.....#  ...#...  ...#...  ......#  #######  ......#  #.....#  ...#...  #.....#  ......#
#.....#  ...#...  ..#....  ......#  .....#.  ......#  #.....#  ...#...  #.....#  ......#
.#...#.  ...#...  .#.....  #.....#  .....#.  #.....#  #.....#  ..#....  #.....#  .....#.
..###..  .#####.  #######  .#####.  .....#.  .#####.  .#####.  ..#....  .#####.  .####..
.......  .......  .......  .......  .......  .......  .......  .......  .......  .......
.......  .......  .......  .......  .......  .......  .......  .......  .......  .......
"""


def bitmaps() -> np.ndarray:
    """The targets of the output layer, [10, 84], +1 where there is ink, else -1."""
    rows = [line.split() for line in DIGITS.split("\n") if line]  # 12 rows of 10 digits
    ink = [["".join(row[k] for row in rows)] for k in range(10)]
    return np.array(
        [[1.0 if c == "#" else -1.0 for c in k[0]] for k in ink], np.float32
    )


def squash(a: jax.Array) -> jax.Array:
    """1.7159 tanh(2/3 a): its value is 1 at 1 and -1 at -1."""
    return 1.7159 * jnp.tanh(2 / 3 * a)


def by_fan_in(fan_in: Any):
    """Uniform in +-2.4 / fan_in (Appendix A).

    Args:
        fan_in: inputs of a unit: a number, or an array that broadcasts to the shape.
    """

    def init(key, shape, dtype=jnp.float32):
        bound = np.broadcast_to(2.4 / np.asarray(fan_in), shape).astype(dtype)
        return bound * jax.random.uniform(key, shape, dtype, -1, 1)

    return init


def map_criterion(
    outputs: jax.Array, batch: dict[str, Any], j: float = 0.1
) -> tuple[jax.Array, jax.Array]:
    """Equation 9: the distance to the truth, and a push away from all the others.

    The constant e^-j keeps outputs that are far away already from being pushed on.

    Args:
        outputs: minus the distances, [B, 10].
        batch: `y`, labels, [B]; optionally `weight`, [B].
        j: positive; the paper does not print its value.

    Returns:
        The weighted sum over the batch and the sum of the weights.

    Raises:
        ValueError: j that is not positive; shapes as in `cross_entropy`.
    """
    if not j > 0:
        raise ValueError(f"j must be positive, got {j}")
    truth = at_labels(outputs, batch["y"])
    rest = jnp.concatenate([outputs, jnp.full((len(outputs), 1), -j)], axis=1)
    return weighted(jax.nn.logsumexp(rest, axis=1) - truth, batch)


class Subsampling(nn.Module):
    """S layers: a coefficient and a bias for each map."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:  # [B, H, W, C] -> [B, H/2, W/2, C]
        b, h, w, c = x.shape
        a = self.param("coefficient", by_fan_in(4), (c,))
        bias = self.param("bias", by_fan_in(4), (c,))
        x = x.reshape(b, h // 2, 2, w // 2, 2, c).sum((2, 4))
        return squash(x * a.reshape(1, 1, 1, c) + bias.reshape(1, 1, 1, c))


class SparseConv(nn.Module):
    """C3: 60 kernels of 5x5, by Table I.

    Attributes:
        dense: compute them as one dense convolution in which the other kernels are
            zero, which is faster; False computes only what is printed.
    """

    dense: bool = True

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:  # [B, 14, 14, 6] -> [B, 10, 10, 16]
        sources = np.bincount(TARGET)  # how many maps each of the 16 sees
        kernel = self.param("kernel", by_fan_in(25 * sources[TARGET]), (5, 5, 60))
        bias = self.param("bias", by_fan_in(25 * sources), (16,))
        layout = ("NHWC", "HWIO", "NHWC")
        if self.dense:
            full = jnp.zeros((5, 5, 6, 16), kernel.dtype)
            full = full.at[:, :, SOURCE, TARGET].set(kernel)
            y = convolve(x, full, (1, 1), "VALID", dimension_numbers=layout)
        else:
            each = jax.lax.conv_general_dilated(
                x[..., SOURCE],
                kernel[:, :, None],
                (1, 1),
                "VALID",
                dimension_numbers=layout,
                feature_group_count=60,
            )
            y = jnp.zeros((*each.shape[:3], 16), each.dtype)
            y = y.at[..., TARGET].add(each)
        return y + bias.reshape(1, 1, 1, 16)


class LeNet51998(nn.Module):
    """LeNet-5 of 1998.

    Attributes:
        num_classes: outputs, at most 10: the classes beyond have no picture.
        dense: the fast form, see `SparseConv`; False is the printed one.

    Raises:
        ValueError: images that are not 28x28x1 or 32x32x1; more than ten classes.
    """

    num_classes: int = 10
    dense: bool = True

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool = False) -> jax.Array:
        del train  # nothing here behaves otherwise in training
        if x.ndim != 4 or x.shape[1:] not in ((28, 28, 1), (32, 32, 1)):
            raise ValueError(
                "LeNet-5 of 1998 takes images [B, 28, 28, 1] or [B, 32, 32, 1], "
                f"got {x.shape}"
            )
        if not 1 <= self.num_classes <= 10:
            raise ValueError(f"num_classes must be 1 to 10, got {self.num_classes}")
        border = (32 - x.shape[1]) // 2
        x = jnp.pad(x, ((0, 0), (border, border), (border, border), (0, 0)))
        x = 1.275 * x - 0.1
        fast = convolve if self.dense else None
        x = squash(_conv(6, 1, "c1", fast)(x))  # [B, 32, 32, 1] -> [B, 28, 28, 6]
        x = Subsampling(name="s2")(x)  # -> [B, 14, 14, 6]
        x = squash(SparseConv(self.dense, name="c3")(x))  # -> [B, 10, 10, 16]
        x = Subsampling(name="s4")(x)  # -> [B, 5, 5, 16]
        x = squash(_conv(120, 16, "c5")(x)).reshape(len(x), 120)
        f6 = nn.Dense(
            84, kernel_init=by_fan_in(120), bias_init=by_fan_in(120), name="f6"
        )
        x = squash(f6(x))  # [B, 120] -> [B, 84]
        targets = jnp.asarray(bitmaps()[: self.num_classes], x.dtype)
        return -((x[:, None] - targets[None]) ** 2).sum(-1)  # [B, 84] -> [B, 10]


def _conv(maps: int, channels: int, name: str, form: Any = None) -> nn.Conv:
    init = by_fan_in(25 * channels)
    return nn.Conv(
        maps,
        (5, 5),
        padding="VALID",
        kernel_init=init,
        bias_init=init,
        conv_general_dilated=form,
        name=name,
    )
