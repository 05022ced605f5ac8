"""NAS-FPN's space: cells that merge two levels of a pyramid of features into one.

    merge(a, b) = conv3(ReLU(resized(a) + resized(b))) with BN           sum
                = conv3(ReLU(b + sigmoid(mean over pixels of b) a))      attention

The candidates are first the levels that a backbone gives. Each merging cell takes two
different ones, the level that it puts out and the operation; its result is the next
candidate. The last candidate of a level is what the pyramid puts out there, and those
of that level that no cell has read are added to it: so every row is a pyramid, and
leaves nothing out. Up is by nearest neighbours, down by the maximum.

Shapes: B examples, C channels; level l is 2^l times smaller than the image.

Reference:
    Ghiasi, Lin and Le, "NAS-FPN: learning scalable feature pyramid architecture for
    object detection", CVPR 2019, https://arxiv.org/abs/1904.07392, section 3.1
"""

from typing import NamedTuple

import flax.linen as nn
import jax
import numpy as np

from zoo.search.space import Space, describe, make_space
from zoo.vision.layers import Kit

OPERATIONS = ("sum", "attention")


class Merge(NamedTuple):
    """A merging cell.

    Attributes:
        first, second: the candidates that it takes; two different ones.
        level: that it puts out, counted from the finest of the pyramid.
        operation: `sum` or `attention`.
    """

    first: int
    second: int
    level: int
    operation: str


# Figure 6 of the paper, for levels 3 to 7: candidates 0 to 4 are the backbone's.
FOUND = (
    Merge(3, 1, 1, "attention"),
    Merge(5, 1, 1, "sum"),
    Merge(6, 0, 0, "sum"),
    Merge(7, 6, 1, "sum"),
    Merge(8, 7, 2, "attention"),
    Merge(2, 9, 2, "sum"),
    Merge(10, 6, 4, "attention"),
    Merge(4, 11, 4, "sum"),
    Merge(12, 10, 3, "attention"),
)


def pyramid_space(merges: int = 7, levels: int = 5) -> Space:
    """Four decisions for each merging cell.

    Raises:
        ValueError: no cell, or fewer than two levels.
    """
    if merges < 1 or levels < 2:
        raise ValueError(
            f"merges must be at least 1 and levels 2, got {merges} and {levels}"
        )
    decisions = {}
    for k in range(merges):
        known = levels + k
        decisions |= {
            f"merge_{k}_first": tuple(map(str, range(known))),
            f"merge_{k}_second": tuple(map(str, range(known - 1))),  # of the others
            f"merge_{k}_level": tuple(map(str, range(levels))),
            f"merge_{k}_operation": OPERATIONS,
        }
    return make_space(decisions)


def merges(tokens: np.ndarray, of: Space) -> tuple[Merge, ...]:
    """The merging cells of a row of decisions of `pyramid_space`.

    Raises:
        ValueError: tokens that are not of the space.
    """
    picked, made = list(describe(of, tokens).values()), []
    for first, second, level, operation in zip(*[iter(picked)] * 4, strict=True):
        second = int(second) + (int(second) >= int(first))
        made.append(Merge(int(first), second, int(level), operation))
    return tuple(made)


class PyramidNet(nn.Module):
    """Merges the levels of a backbone into a pyramid of the same shapes.

    Attributes:
        merges: see `Merge`.
        axis_name: of the devices over which batch statistics are taken.

    Raises:
        ValueError: levels that do not halve from one to the next, or differ in their
            channels; a merge that takes one candidate twice, or one that there is not.
    """

    merges: tuple[Merge, ...] = FOUND
    axis_name: str | None = None

    @nn.compact
    def __call__(
        self, features: tuple[jax.Array, ...], *, train: bool = False
    ) -> tuple[jax.Array, ...]:
        """Each [B, H_l, W_l, C], from the finest on -> the same shapes."""
        shapes = [x.shape for x in features]
        b, h, w, c = shapes[0]
        halves = [(b, h >> i, w >> i, c) for i in range(len(features))]
        if shapes != halves or h % 2 ** (len(features) - 1):
            raise ValueError(f"features must halve level by level, got {shapes}")
        kit = Kit(train, self.axis_name)
        made, levels, read = list(features), list(range(len(features))), set()
        for k, merge in enumerate(Merge(*merge) for merge in self.merges):
            two = {merge.first, merge.second}
            if len(two) < 2 or not two <= set(range(len(made))):
                raise ValueError(
                    f"merge {k} must take two of {len(made)} candidates, got {merge}"
                )
            if merge.operation not in OPERATIONS or merge.level not in range(
                len(shapes)
            ):
                raise ValueError(
                    f"merge {k} must be {' or '.join(OPERATIONS)} at a level below "
                    f"{len(shapes)}, got {merge}"
                )
            pair = (merge.first, merge.second)
            first, second = (_resized(made[i], shapes[merge.level]) for i in pair)
            if merge.operation == "attention":
                first = first * nn.sigmoid(second.mean((1, 2), keepdims=True))
            x = kit.conv(nn.relu(first + second), c, name=f"merge_{k}", bias=False)
            made.append(kit.norm(x, f"merge_{k}_norm"))
            levels.append(merge.level)
            read |= two
        return tuple(self._output(made, levels, read, i) for i in range(len(shapes)))

    def _output(self, made, levels, read, level):
        """The last of a level, and those of it that nothing has read."""
        *others, last = (i for i, at in enumerate(levels) if at == level)
        left = [made[i] for i in others if i not in read]
        return sum(left, made[last])


def _resized(x, shape):
    """Up by nearest neighbours, down by the maximum of what falls together."""
    (b, h, w, c), (height, width) = x.shape, shape[1:3]
    if height >= h:
        return x.repeat(height // h, 1).repeat(width // w, 2)
    down = h // height
    return x.reshape(b, height, down, width, w // width, c).max((2, 4))
