"""Sparse coding by convolution: an image as a sum of few copies of filters, anywhere.

    codes      z(x) = argmin over z of E(x, z) = 1/2 |x - sum_k z_k * d_k|^2 + w |z|_1
    filters    argmin over d of the sum of E over a batch, |d_k| <= 1

A dictionary of patches must learn each edge once for each place in the patch; here a
filter is used at all places of the image, and the image is coded as a whole. `*` is the
circular convolution, so that transforms make it a product at each frequency f:

    codes      by FISTA, at the step 1 / max over f of sum_k |d_k(f)|^2
    filters    `rounds` times d - (slope of E) / L, cut to S x S, to length 1 at most;
               L = max over f of the sum of |z_k(f)|^2 over filters and examples

Both steps are as long as they can be with E certain not to rise, so there is no rate.
A filter that is nowhere used stays.

Shapes: B images of H x W, K filters of S x S.

References:
    Zeiler, Krishnan, Taylor and Fergus, "Deconvolutional networks", CVPR 2010,
    https://doi.org/10.1109/CVPR.2010.5539957
    Kavukcuoglu et al., "Learning convolutional feature hierarchies for visual
    recognition", NeurIPS 2010,
    https://papers.nips.cc/paper/4133-learning-convolutional-feature-hierarchies
    Bristow, Eriksson and Lucey, "Fast convolutional sparse coding", CVPR 2013,
    https://doi.org/10.1109/CVPR.2013.57 (at each frequency a product)
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

import optim
from zoo.functional.losses import weighted
from zoo.learner import Learner


class ConvolutionalState(NamedTuple):
    step: jax.Array  # int32 scalar: steps taken
    filters: jax.Array  # d, of length 1 at most, [K, S, S]


def encode(
    filters: jax.Array,
    x: jax.Array,
    weight: float | jax.Array,
    steps: int = 100,
    tolerance: float = 1e-3,
) -> jax.Array:
    """The codes of images, by FISTA with restarts.

    Args:
        filters: d, [K, S, S], not all 0.
        x: images, [B, H, W], no smaller than the filters.
        weight: w, >= 0.
        steps: at most.
        tolerance: an image is done when its gradient mapping has at most this norm.

    Returns:
        z, [B, K, H, W]: at (i, j) how much of filter k begins there.

    Raises:
        ValueError: shapes that do not fit.
    """
    _check(filters, x)
    waves = _waves(filters, x)
    bound = _power(waves).sum(0).max()

    def one(x):  # each image stops for itself, wherever it is computed
        def smooth(z, batch):
            del batch
            return 0.5 * jnp.square(_sum(waves, z) - x).sum()

        start = jnp.zeros((len(filters), *x.shape), x.dtype)
        solver = optim.fista_solver(
            smooth, optim.l1(weight), start, 1 / bound, False, tolerance=tolerance
        )
        return optim.solve(solver, steps=steps).state.x

    return jax.vmap(one)(x)


def decode(filters: jax.Array, codes: jax.Array) -> jax.Array:
    """sum_k z_k * d_k: [K, S, S], [B, K, H, W] -> [B, H, W].

    Raises:
        ValueError: shapes that do not fit.
    """
    if codes.ndim != 4 or codes.shape[1] != len(filters):
        raise ValueError(
            f"codes must be [B, {len(filters)}, H, W], got {list(codes.shape)}"
        )
    _check(filters, codes[:, 0])
    return _sum(_waves(filters, codes), codes)


def objective(
    filters: jax.Array, x: jax.Array, codes: jax.Array, weight: float | jax.Array
) -> jax.Array:
    """E of each image: [B]."""
    off = x - decode(filters, codes)
    size = jnp.abs(codes).sum((1, 2, 3))
    return 0.5 * jnp.square(off).sum((1, 2)) + weight * size


def learner(
    filters: int,
    side: int,
    weight: float,
    steps: int = 50,
    rounds: int = 5,
    axis_name: str | None = None,
) -> Learner:
    """Filters that learn from batches.

    Args:
        filters: K.
        side: S.
        weight: w, >= 0, of the codes.
        steps: of FISTA, at most, in each step.
        rounds: steps of the filters at the codes of a batch.
        axis_name: the axis over which a batch is split, or None.

    Returns:
        A learner of batches with `x`, floats [B, H, W] or [B, H, W, 1], and perhaps
        `weight`. Metrics: `loss`, the objective before the step, and `active`, how many
        of an image's codes are not 0.

    Raises:
        ValueError: a count that is no positive integer, a weight below 0; when traced,
            images smaller than the filters.
    """
    counts = dict(filters=filters, side=side, steps=steps, rounds=rounds)
    for name, value in counts.items():
        if not isinstance(value, int) or value < 1:
            raise ValueError(f"{name} must be a positive integer, got {value!r}")
    if not isinstance(weight, jax.core.Tracer) and not weight >= 0:
        raise ValueError(f"weight must be >= 0, got {weight}")

    def total(tree):
        return jax.lax.psum(tree, axis_name) if axis_name else tree

    def init(key, batch):
        drawn = jax.random.normal(key, (filters, side, side), _grey(batch["x"]).dtype)
        _check(drawn, _grey(batch["x"]))
        return ConvolutionalState(jnp.zeros((), jnp.int32), _cut(drawn, True))

    def found(state, batch):
        x = _grey(batch["x"])
        codes = encode(state.filters, x, weight, steps)
        loss = objective(state.filters, x, codes, weight)
        active = (codes != 0).sum((1, 2, 3)).astype(x.dtype)
        pairs = {"loss": loss, "active": active}
        return x, codes, {k: weighted(each, batch) for k, each in pairs.items()}

    def step(state, batch):
        x, codes, metrics = found(state, batch)
        count = batch.get("weight", jnp.ones(len(x))).astype(x.dtype)
        waves = jnp.fft.rfft2(codes)
        power = total((count[:, None, None, None] * _power(waves)).sum((0, 1)))
        bound = jnp.where(power.max() > 0, power.max(), 1)

        def closer(_, d):
            off = count[:, None, None] * (_sum(_waves(d, x), codes) - x)
            slope = (jnp.conj(waves) * jnp.fft.rfft2(off)[:, None]).sum(0)
            slope = jnp.fft.irfft2(slope, x.shape[1:])[:, :side, :side]
            return _cut(d - total(slope) / bound)

        moved = jax.lax.fori_loop(0, rounds, closer, state.filters)
        return ConvolutionalState(state.step + 1, moved), total(metrics)

    def evaluate(state, batch):
        return total(found(state, batch)[2])

    return Learner(init=init, step=step, evaluate=evaluate)


def _grey(x):
    return x[..., 0] if x.ndim == 4 and x.shape[3] == 1 else x


def _waves(filters, x):  # [K, S, S] -> [K, H, W // 2 + 1]
    return jnp.fft.rfft2(filters, x.shape[-2:])


def _power(waves):
    return jnp.square(waves.real) + jnp.square(waves.imag)


def _sum(waves, codes):  # [K, H, W // 2 + 1], [..., K, H, W] -> [..., H, W]
    every = jnp.einsum("khw,...khw->...hw", waves, jnp.fft.rfft2(codes))
    return jnp.fft.irfft2(every, codes.shape[-2:])


def _cut(filters, always=False):
    """To length 1, those that are longer or all."""
    length = jnp.linalg.norm(filters, axis=(1, 2), keepdims=True)
    return filters / (length if always else jnp.maximum(length, 1))


def _check(filters, x):
    sizes = filters.shape[1:]
    if filters.ndim != 3 or x.ndim != 3 or min(*x.shape[1:]) < max(*sizes):
        raise ValueError(
            "x must be images [B, H, W], no smaller than filters [K, S, S], got "
            f"{list(x.shape)} and {list(filters.shape)}"
        )
