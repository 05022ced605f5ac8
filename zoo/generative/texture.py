"""Textures by their statistics: an image whose features go together as a sample's do.

    h_l = ReLU(w * x_l)         x_0 = x, x_{l+1} the means of 2 x 2 pixels of x_l
    G_l = mean over places of h_l h_l^T         what goes together, and not where
    loss = mean over l of |G_l(x) - G_l(sample)|^2 / |G_l(sample)|^2

The image begins as noise and descends. Its size is its own: G does not know it.

Differs from the paper: features are of one layer of random filters at several scales,
which are enough (Ustyuzhaninov et al.), in the place of a trained network's.

Shapes: B images, H height, W width, C channels, K filters, F side of a filter.

References:
    Gatys, Ecker and Bethge, "Texture synthesis using convolutional neural networks",
    NeurIPS 2015, https://arxiv.org/abs/1505.07376
    Ustyuzhaninov, Brendel, Gatys and Bethge, "What does it take to generate natural
    textures?", ICLR 2017, https://openreview.net/forum?id=BJhZeLsxx
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax

from zoo.functional.convolution import convolve


def random_filters(
    key: jax.Array, count: int = 64, side: int = 7, channels: int = 1
) -> jax.Array:
    """Filters of length 1 and mean 0, blind to brightness, [F, F, C, K].

    Raises:
        ValueError: a size that is not positive, a side of 1.
    """
    if min(count, side - 1, channels) < 1:
        raise ValueError(
            "count and channels must be positive and side 2 or more, got "
            f"{count}, {channels} and {side}"
        )
    w = jax.random.normal(key, (side, side, channels, count))
    w = w - w.mean((0, 1), keepdims=True)
    return w / jnp.sqrt(jnp.square(w).sum((0, 1, 2), keepdims=True))


def grams(x: jax.Array, filters: jax.Array, levels: int = 3) -> list[jax.Array]:
    """How features go together at each scale.

    Args:
        x: images, [B, H, W, C]; at the last level still as large as a filter.
        filters: w, [F, F, C, K].
        levels: scales, each of half the size before.

    Returns:
        G of each level, [B, K, K].

    Raises:
        ValueError: images too small, or of other channels.
    """
    small = min(x.shape[1:3]) // 2 ** (levels - 1)
    if x.ndim != 4 or x.shape[3] != filters.shape[2] or small < len(filters):
        raise ValueError(
            f"x must be images [B, H, W, {filters.shape[2]}] of "
            f"{len(filters) * 2 ** (levels - 1)} pixels or more, got {list(x.shape)}"
        )
    found = []
    for _ in range(levels):
        h = convolve(
            x, filters, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        h = jax.nn.relu(h).reshape(len(x), -1, h.shape[-1])
        found.append(jnp.einsum("bnk,bnj->bkj", h, h) / h.shape[1])
        x = x[:, : x.shape[1] // 2 * 2, : x.shape[2] // 2 * 2]
        x = (x[:, ::2] + x[:, 1::2]) / 2
        x = (x[:, :, ::2] + x[:, :, 1::2]) / 2
    return found


def difference(found: list[jax.Array], wanted: list[jax.Array]) -> jax.Array:
    """The loss of each image, of `grams` of both; [B]."""
    square = lambda g: jnp.square(g).sum((1, 2))
    pairs = list(zip(found, wanted, strict=True))
    return sum(square(a - b) / square(b) for a, b in pairs) / len(pairs)


def synthesize(
    sample: jax.Array,
    start: jax.Array,
    optimizer: optax.GradientTransformation,
    steps: int,
    statistics: Callable[[jax.Array], list[jax.Array]],
) -> tuple[jax.Array, jax.Array]:
    """Images of the texture of samples.

    Args:
        sample: [B, H, W, C].
        start: where to begin, such as noise, [B, H', W', C].
        optimizer: any optax transformation.
        steps: of it, 1 at least.
        statistics: images -> matrices by level, as `grams` with its filters.

    Returns:
        Images [B, H', W', C], and the losses before each step, [steps, B].

    Raises:
        ValueError: as many images as samples are needed; no step.
    """
    if len(sample) != len(start) or steps < 1:
        raise ValueError(
            "start must be as many images as sample, and steps 1 or more, got "
            f"{len(start)}, {len(sample)} and {steps}"
        )
    wanted = jax.jit(statistics)(sample)

    def step(x, state, wanted):
        def total(x):
            losses = difference(statistics(x), wanted)
            return losses.sum(), losses

        grads, losses = jax.grad(total, has_aux=True)(x)
        updates, state = optimizer.update(grads, state, x)
        return optax.apply_updates(x, updates), state, losses

    # No compiled loop: convolutions in one are slow on a CPU.
    x, state, path, step = start, optimizer.init(start), [], jax.jit(step)
    for _ in range(steps):
        x, state, losses = step(x, state, wanted)
        path.append(losses)
    return x, jnp.stack(path)
