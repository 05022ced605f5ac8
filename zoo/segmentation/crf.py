"""The dense conditional random field of pixels, by mean field.

    E(x) = sum_i u_i(x_i) + sum_{i < j} [x_i != x_j] k_ij
    k_ij = w_a exp(-|p_i - p_j|^2 / (2 t_a^2) - |I_i - I_j|^2 / (2 t_b^2))  appearance
         + w_s exp(-|p_i - p_j|^2 / (2 t_s^2))                              smoothness

u is minus the log-probability of a class (or minus a logit: what all classes of a pixel
have alike does not matter), p a pixel's place, I its colour. The distribution Q, a
product over the pixels, that is nearest to exp(-E) is looked for by steps, all pixels
at once,

    Q_i <- softmax(-u_i + sum_{j != i} k_ij Q_j)

and what they are to lower is the free energy

    F(Q) = sum_i sum_x Q_i (u_i + log Q_i) + sum_{i < j} k_ij (1 - Q_i . Q_j).

As all pixels move at once it mostly falls, but need not. With `own` a pixel hears
itself too, j = i in both sums, the second then half of that over all i, j: the matrix k
is positive semidefinite, so the second sum is concave, each step minimizes its tangent,
and F never rises.

Sums over all pairs are exact, O(N^2) time; rows are made block by block, so that memory
is O(block N). Weights and deviations may be traced, and have gradients. Large images
are for `zoo.segmentation.crf_filtered`.

Shapes: H height, W width, N = H W, C channels, K classes.

References:
    Kraehenbuehl and Koltun, "Efficient inference in fully connected CRFs with Gaussian
    edge potentials", NeurIPS 2011, https://arxiv.org/abs/1210.5644
    Kraehenbuehl and Koltun, "Parameter learning and convergent inference for dense
    random fields", ICML 2013, https://proceedings.mlr.press/v28/kraehenbuehl13.html
    Zheng et al., "Conditional random fields as recurrent neural networks", ICCV 2015,
    https://arxiv.org/abs/1502.03240 (weights that are learned)
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp


class Pairwise(NamedTuple):
    """What draws two pixels to one class; numbers or scalar arrays.

    Attributes:
        appearance: w_a, of the kernel of places and colours.
        smoothness: w_s, of the kernel of places.
        place: t_a, in pixels.
        colour: t_b, in units of the image.
        near: t_s, in pixels.
    """

    appearance: float = 10.0
    smoothness: float = 3.0
    place: float = 30.0
    colour: float = 0.05
    near: float = 3.0


DEFAULT = Pairwise()


class MeanField(NamedTuple):
    """The outcome.

    Attributes:
        q: probabilities, [H, W, K].
        energies: F at the start and after each step, [steps + 1].
    """

    q: jax.Array
    energies: jax.Array


def mean_field(
    unary: jax.Array,
    image: jax.Array,
    pairwise: Pairwise = DEFAULT,
    steps: int = 5,
    own: bool = False,
    block: int = 512,
) -> MeanField:
    """Probabilities of each pixel's class; `jax.vmap` it over a batch.

    Args:
        unary: u, [H, W, K].
        image: I, floats, [H, W, C].
        pairwise: weights and deviations; weights of 0 or more, if `own` is to help.
        steps: of mean field, from softmax(-u).
        own: a pixel hears itself too.
        block: pixels whose rows of k are made at once.

    Returns:
        The probabilities, and how the free energy fell.

    Raises:
        ValueError: shapes that do not fit; steps or block out of range.
    """
    check(unary, image, steps)
    if block < 1:
        raise ValueError(f"block must be from 1, got {block}")
    shape, dtype = unary.shape, jnp.result_type(unary)
    image = jnp.asarray(image, dtype)
    u = jnp.asarray(unary).reshape(-1, shape[2])
    at = jnp.stack(jnp.mgrid[: shape[0], : shape[1]], -1).astype(dtype).reshape(-1, 2)
    p = Pairwise(*(jnp.asarray(value, dtype) for value in pairwise))
    wide = jnp.concatenate([at / p.place, image.reshape(len(u), -1) / p.colour], 1)
    features = (wide, p.appearance), (at / p.near, p.smoothness)

    q, energies = inferred(u, lambda q: _messages(features, q, own, block), steps)
    return MeanField(q.reshape(shape), energies)


def check(unary: jax.Array, image: jax.Array, steps: int) -> None:
    """Refuses what is no field.

    Raises:
        ValueError: shapes that do not fit; a negative number of steps.
    """
    if unary.ndim != 3 or image.ndim != 3 or unary.shape[:2] != image.shape[:2]:
        raise ValueError(
            f"unary and image must be [H, W, K] and [H, W, C], got {unary.shape} and "
            f"{image.shape}"
        )
    if steps < 0:
        raise ValueError(f"steps must be from 0, got {steps}")


def inferred(u: jax.Array, hear: Callable, steps: int) -> tuple[jax.Array, jax.Array]:
    """Steps of mean field, whatever makes the messages.

    Args:
        u: [N, K].
        hear: q, [N, K + 1] with a last column of ones, -> sum_j k_ij q_j, of its shape.
        steps: of mean field, from softmax(-u).

    Returns:
        q, [N, K], and F at the start and after each step, [steps + 1].
    """

    def received(q):
        return hear(jnp.pad(q, ((0, 0), (0, 1)), constant_values=1))

    def energy(q, told):
        """F from what the pixels hear; the last column is the sum of k."""
        log_q = jnp.log(jnp.where(q > 0, q, 1))
        pairs = told[:, -1].sum() - (q * told[:, :-1]).sum()
        return (q * (u + log_q)).sum() + pairs / 2

    def step(q, _):
        told = received(q)
        return jax.nn.softmax(told[:, :-1] - u), energy(q, told)

    q, energies = jax.lax.scan(step, jax.nn.softmax(-u), length=steps)
    return q, jnp.append(energies, energy(q, received(q)))


def _messages(features, q, own, block):
    """sum_j k_ij q_j, [N, K + 1] -> [N, K + 1]."""
    count = len(q)
    starts = jnp.arange(0, count, block)

    def rows(start):
        i = jnp.minimum(start + jnp.arange(block), count - 1)
        k = 0
        for f, weight in features:
            mine = f[i]
            # Not |a|^2 + |b|^2 - 2 a b, which loses all digits where a and b are near.
            square = sum(
                (mine[:, c][:, None] - f[:, c][None]) ** 2 for c in range(f.shape[1])
            )
            k = k + weight * jnp.exp(-square / 2)
        if not own:
            k = jnp.where(i[:, None] == jnp.arange(count)[None], 0, k)
        return k @ q

    # Recomputed in the backward pass: kept, the rows of all blocks would be N x N.
    made = jax.lax.map(jax.checkpoint(rows), starts)
    return made.reshape(-1, q.shape[1])[:count]
