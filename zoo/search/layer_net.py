"""The space of whole networks: layer by layer, with any layer reading any before it.

    layer i: ReLU(BN(conv(concatenation of the layers that it reads)))

For each layer its kernel's height and width and its channels are decided, and for each
layer before it whether it reads that one. So that every row is a network: a layer that
reads nothing reads the image; all layers that nothing reads are read by the end, put
side by side and averaged over pixels. Layers keep the size of the image.

Shapes: B examples, H height, W width, C channels, K classes.

Reference:
    Zoph and Le, "Neural architecture search with reinforcement learning", ICLR 2017,
    https://arxiv.org/abs/1611.01578, sections 3.1 and 3.3
"""

from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from zoo.search.space import Space, describe, make_space
from zoo.vision.layers import Kit, check

SIDES = ("1", "3", "5", "7")
CHANNELS = ("24", "36", "48", "64")
TINY = dict(layers=((1, 3, 4, ()), (3, 1, 4, (0,)), (3, 3, 4, (0, 1))))


class Layer(NamedTuple):
    """A layer as decided.

    Attributes:
        height, width: of the kernel.
        channels: that it puts out.
        reads: numbers of the layers that it reads; (): the image.
    """

    height: int
    width: int
    channels: int
    reads: tuple[int, ...]


def layer_space(
    count: int,
    sides: tuple[str, ...] = SIDES,
    channels: tuple[str, ...] = CHANNELS,
    skips: bool = True,
) -> Space:
    """The decisions of a network of so many layers.

    Args:
        count: layers.
        sides: of kernels.
        channels: of a layer.
        skips: whether a layer may read others than the one before it.

    Raises:
        ValueError: no layer.
    """
    if count < 1:
        raise ValueError(f"count must be at least 1, got {count}")
    decisions, links = {}, {}
    for i in range(count):
        decisions |= {
            f"layer_{i}_height": sides,
            f"layer_{i}_width": sides,
            f"layer_{i}_channels": channels,
        }
        for j in range(i) if skips else ():
            decisions[f"layer_{i}_reads_{j}"] = ("no", "yes")
            links[f"layer_{i}_reads_{j}"] = f"layer_{j}_channels", f"layer_{i}_channels"
    return make_space(decisions, links)


def layers(tokens: np.ndarray, of: Space) -> tuple[Layer, ...]:
    """The layers of a row of decisions of `layer_space`.

    Raises:
        ValueError: tokens that are not of the space.
    """
    picked = describe(of, tokens)
    made, i = [], 0
    while f"layer_{i}_height" in picked:
        sizes = (
            picked[f"layer_{i}_{name}"] for name in ("height", "width", "channels")
        )
        links = {j: picked.get(f"layer_{i}_reads_{j}") for j in range(i)}
        plain = all(answer is None for answer in links.values())
        reads = tuple(j for j in links if links[j] == "yes")
        reads = (i - 1,) if plain and i else reads
        made.append(Layer(*map(int, sizes), reads))
        i += 1
    return tuple(made)


class LayerNet(nn.Module):
    """Classifier of images from decided layers.

    Attributes:
        num_classes: logits of an example (K).
        layers: see `Layer`.
        axis_name: of the devices over which batch statistics are taken.

    Raises:
        ValueError: no layer, or one that reads itself or what comes after it.
    """

    num_classes: int = 10
    layers: tuple[Layer, ...] = TINY["layers"]
    axis_name: str | None = None

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool = False) -> jax.Array:
        """[B, H, W, C] -> [B, K]."""
        check("LayerNet", x, 1)
        plans = [Layer(*layer) for layer in self.layers]
        for i, plan in enumerate(plans):
            if not all(0 <= j < i for j in plan.reads):
                raise ValueError(f"layer {i} must read layers below it, got {plan}")
        if not plans:
            raise ValueError("layers must be at least one, got none")
        kit, made = Kit(train, self.axis_name), []
        for i, plan in enumerate(plans):
            read = jnp.concatenate([made[j] for j in plan.reads] or [x], -1)
            kernel = plan.height, plan.width
            made.append(kit.unit(read, plan.channels, kernel, name=f"layer_{i}"))
        used = {j for plan in plans for j in plan.reads}
        ends = [out for i, out in enumerate(made) if i not in used]
        return kit.dense(
            jnp.concatenate(ends, -1).mean((1, 2)), self.num_classes, "head"
        )
