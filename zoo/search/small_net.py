"""A network of small cells whose architecture is an argument, not a field.

    x -> 2x2 pixels to channels -> conv 3x3 -> N -> cells -> mean -> dense
    cell    h_0, h_1 = the two outputs before;  h_{k+2} = a_k(h_i) + b_k(h_j)
            y = N(conv1(f([h_2, ..., h_{B+1}])))

Operations: what is read as it is; the maximum and the mean of 3x3; sep3, which is
f, a depthwise 3x3, a 1x1 and N. f is ReLU, N normalizes an example over pixels and
channels, without parameters.

A choice is an integer, and then only what is chosen is computed (`jax.lax.switch`); or
a weight for each of what can be chosen, and then it is their weighted sum, as in a
search by gradient descent. So one compiled program trains every cell of the space, and
no candidate waits for its compilation. An absent block is -1 and puts out zeros.

The convolutions are products of shifted images: in a loop on a CPU that is what is
fast. Candidates are trained one after another, or side by side on devices: mapped over
candidates every choice is computed for each, and of 32 at once a step took ten times as
long for each as of one alone (12 ms and 1.3 ms, batches of 32, two cores).

Shapes: B examples, H height, W width (even), C channels, K classes, n blocks.

References:
    Zoph et al., "Learning transferable architectures for scalable image recognition",
    CVPR 2018, https://arxiv.org/abs/1707.07012 (the cell)
    Liu, Simonyan and Yang, "DARTS: differentiable architecture search", ICLR 2019,
    https://arxiv.org/abs/1806.09055 (the weighted sum, and N without parameters)
"""

from collections.abc import Callable
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from zoo.search.cells import ABSENT, OPERATIONS

TINY = dict(width=4, cells=1)


class Choice(NamedTuple):
    """An architecture, as what is chosen or as weights.

    Attributes:
        inputs: int32 [n, 2], or weights [n, 2, n + 1] of which the first k + 2 count.
        operations: int32 [n, 2], or weights [n, 2, operations].
    """

    inputs: jax.Array
    operations: jax.Array


def choice(tokens: jax.Array) -> Choice:
    """The decisions of a cell [4 n] as a choice."""
    sides = tokens.reshape(-1, 2, 2)
    return Choice(sides[..., 0], sides[..., 1])


class SmallNet(nn.Module):
    """Classifier of small images by stacked cells.

    Attributes:
        num_classes: logits of an example (K).
        width: channels of each state.
        cells: how many are stacked.
        blocks: of a cell (n).

    Raises:
        ValueError: an image with odd sides, or a choice of another size.
    """

    num_classes: int = 10
    width: int = 8
    cells: int = 3
    blocks: int = 2

    @nn.compact
    def __call__(self, given: tuple[jax.Array, Choice]) -> jax.Array:
        """[B, H, W, C] and an architecture -> logits [B, K]."""
        x, chosen = given
        if x.ndim != 4 or x.shape[1] % 2 or x.shape[2] % 2:
            raise ValueError(f"x must be [B, even, even, C], got {list(x.shape)}")
        if chosen.inputs.shape[:2] != (self.blocks, 2):
            raise ValueError(
                f"inputs must be [{self.blocks}, 2, ...], got "
                f"{list(chosen.inputs.shape)}"
            )
        width, init = self.width, nn.initializers.he_normal()
        x = _to_channels(x)
        stem = self.param("stem", init, (9 * x.shape[-1], width))
        previous = last = _normalized(_shifted(x) @ stem)
        for c in range(self.cells):
            shape = (self.blocks, 2, 9, width)
            kernels = {
                "depthwise": self.param(f"cell_{c}_depthwise", _NINTH, shape),
                "pointwise": self.param(
                    f"cell_{c}_pointwise",
                    nn.initializers.he_normal(batch_axis=(0, 1)),
                    (self.blocks, 2, width, width),
                ),
            }
            states = [previous, last]
            for k in range(self.blocks):
                sides = [
                    _side(states, *jax.tree.map(lambda a, at=(k, s): a[at], of))
                    for s, of in enumerate([(chosen, kernels)] * 2)
                ]
                there = chosen.inputs[k, 0] != ABSENT
                there = there if chosen.inputs.ndim == 2 else True
                states.append(jnp.where(there, sum(sides), 0))
            out = nn.relu(jnp.concatenate(states[2:], -1))
            joined = self.param(f"cell_{c}_joined", init, (self.blocks * width, width))
            previous, last = last, _normalized(out @ joined)
        return nn.Dense(self.num_classes, name="head")(last.mean((1, 2)))


_NINTH = nn.initializers.normal(1 / 3)  # a sum of nine keeps the variance


def _side(states, chosen, kernels):
    """One operation on what it reads."""
    weighted = chosen.inputs.ndim > 0
    stacked = jnp.stack(states)
    if weighted:
        x = jnp.tensordot(chosen.inputs[: len(states)], stacked, 1)
    else:
        x = stacked[chosen.inputs]
    of = [_FUNCTIONS[name] for name in OPERATIONS]
    if weighted:
        parts = zip(chosen.operations, of, strict=True)
        return sum(weight * f(x, kernels) for weight, f in parts)
    return jax.lax.switch(chosen.operations, of, x, kernels)


def _to_channels(x):
    """2x2 pixels side by side: [B, H, W, C] -> [B, H/2, W/2, 4 C]."""
    b, h, w, c = x.shape
    x = x.reshape(b, h // 2, 2, w // 2, 2, c).transpose(0, 1, 3, 2, 4, 5)
    return x.reshape(b, h // 2, w // 2, 4 * c)


def _shifts(x, fill):
    """The nine neighbours of each pixel, each [B, H, W, C]."""
    h, w = x.shape[1:3]
    x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=fill)
    return [x[:, i : i + h, j : j + w] for i in range(3) for j in range(3)]


def _shifted(x):
    return jnp.concatenate(_shifts(x, 0.0), -1)


def _normalized(x):
    mean = x.mean((1, 2, 3), keepdims=True)
    variance = jnp.square(x - mean).mean((1, 2, 3), keepdims=True)
    return (x - mean) * jax.lax.rsqrt(variance + 1e-5)


def _same(x, kernels):
    del kernels
    return x


def _max3(x, kernels):
    del kernels
    parts = _shifts(x, -jnp.inf)
    return jax.tree.reduce(jnp.maximum, parts)


def _mean3(x, kernels):
    """The mean of the pixels that are there."""
    del kernels
    counted = sum(_shifts(jnp.ones((1, *x.shape[1:3], 1), x.dtype), 0.0))
    return sum(_shifts(x, 0.0)) / counted


def _sep3(x, kernels):
    weights = kernels["depthwise"].reshape(9, 1, 1, 1, -1)
    parts = zip(_shifts(nn.relu(x), 0.0), weights, strict=True)
    return _normalized(sum(part * w for part, w in parts) @ kernels["pointwise"])


_FUNCTIONS: dict[str, Callable] = {
    "same": _same,
    "max3": _max3,
    "mean3": _mean3,
    "sep3": _sep3,
}
