"""Predictability minimization: the first two players, of 1992.

An encoder gives each example a code of K units from 0 to 1. For each unit a predictor
sees the others, and guesses it. The predictors minimize, and the encoder maximizes,

    V = sum over k of (P_k(y without y_k) - y_k)^2

    predictors   at their best P_k = E[y_k | the others], and E[V] is the sum of the
                 conditional variances
    encoder      so wants units that vary, and that the others do not tell: variance is
                 at most 1/4, and is reached by bits that are each 0 or 1 by halves and
                 independent. A code of that kind is factorial

Shapes: B examples, D values of an example, K units, H hidden units of each network.

References:
    Schmidhuber, "Learning factorial codes by predictability minimization", Neural
    Computation 1992, https://doi.org/10.1162/neco.1992.4.6.863
    Schmidhuber, "Generative adversarial networks are special cases of artificial
    curiosity (1990) and also closely related to predictability minimization (1991)",
    Neural Networks 2020, https://arxiv.org/abs/1906.04493
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from zoo.functional.losses import weighted
from zoo.learner import Learner


class Encoder(NamedTuple):
    """The parameters of the encoder."""

    W: jax.Array  # [D, H]
    b: jax.Array  # [H]
    V: jax.Array  # [H, K]
    c: jax.Array  # [K]


class Predictors(NamedTuple):
    """The parameters of all predictors; the first axis is the unit that is guessed."""

    W: jax.Array  # [K, K, H]; what predictor k has for unit k is not used
    b: jax.Array  # [K, H]
    v: jax.Array  # [K, H]
    c: jax.Array  # [K]


class PredictabilityState(NamedTuple):
    step: jax.Array  # int32 scalar: steps taken
    encoder: Encoder
    predictors: Predictors
    encoder_opt: Any
    predictors_opt: Any


def learner(
    units: int,
    hidden: int,
    encoder_optimizer: optax.GradientTransformation,
    predictors_optimizer: optax.GradientTransformation,
    predictor_steps: int = 1,
    axis_name: str | None = None,
) -> Learner:
    """An encoder and its predictors, step by step in turn.

    Args:
        units: K, from 2 on.
        hidden: H.
        encoder_optimizer, predictors_optimizer: any optax transformations.
        predictor_steps: of the predictors, before each of the encoder.
        axis_name: the axis over which a batch is split, or None.

    Returns:
        A learner of batches with `x`, and perhaps `weight`. Metric: `error`, V before
        the encoder's step, from 0 on.

    Raises:
        ValueError: a number that is no integer, or too small.
    """
    counts = {"units": (units, 2), "hidden": (hidden, 1)}
    counts["predictor_steps"] = (predictor_steps, 1)
    for name, (value, least) in counts.items():
        if not isinstance(value, int) or value < least:
            raise ValueError(f"{name} must be an integer >= {least}, got {value!r}")

    def total(tree):
        return jax.lax.psum(tree, axis_name) if axis_name else tree

    def init(key, batch):
        x = batch["x"].reshape(len(batch["x"]), -1)
        keys = jax.random.split(key, 4)
        draw = lambda key, n, *shape: jax.random.normal(key, shape, x.dtype) / n**0.5
        d, k, h = x.shape[1], units, hidden
        zeros = lambda *shape: jnp.zeros(shape, x.dtype)
        encoder = Encoder(
            W=draw(keys[0], d, d, h), b=zeros(h), V=draw(keys[1], h, h, k), c=zeros(k)
        )
        predictors = Predictors(
            W=draw(keys[2], k, k, k, h), b=zeros(k, h), v=draw(keys[3], h, k, h),
            c=zeros(k),
        )  # fmt: skip
        return PredictabilityState(
            step=jnp.zeros((), jnp.int32),
            encoder=encoder,
            predictors=predictors,
            encoder_opt=encoder_optimizer.init(encoder),
            predictors_opt=predictors_optimizer.init(predictors),
        )

    def gradient(of, params, batch):
        """The mean's gradient, and the pair; `of(params)` is [B]."""

        def local_sum(params):
            pair = weighted(of(params), batch)
            return pair[0], pair

        grads, pair = total(jax.grad(local_sum, has_aux=True)(params))
        weight = jnp.where(pair[1] == 0, 1, pair[1])
        return jax.tree.map(lambda g: g / weight, grads), pair

    def step(state, batch):
        x, p, opt = batch["x"], state.predictors, state.predictors_opt
        y = encode(state.encoder, x)
        for _ in range(predictor_steps):
            grads, _ = gradient(lambda p: unpredicted(p, y), p, batch)
            updates, opt = predictors_optimizer.update(grads, opt, p)
            p = optax.apply_updates(p, updates)
        of = lambda encoder: -unpredicted(p, encode(encoder, x))
        grads, (value, weight) = gradient(of, state.encoder, batch)
        updates, encoder_opt = encoder_optimizer.update(
            grads, state.encoder_opt, state.encoder
        )
        new = PredictabilityState(
            step=state.step + 1,
            encoder=optax.apply_updates(state.encoder, updates),
            predictors=p,
            encoder_opt=encoder_opt,
            predictors_opt=opt,
        )
        return new, {"error": (-value, weight)}

    def evaluate(state, batch):
        found = unpredicted(state.predictors, encode(state.encoder, batch["x"]))
        return total({"error": weighted(found, batch)})

    return Learner(init, step, evaluate)


def encode(params: Encoder, x: jax.Array) -> jax.Array:  # [B, ...] -> [B, K]
    """The codes, from 0 to 1."""
    h = jnp.tanh(x.reshape(len(x), -1) @ params.W + params.b[None])
    return jax.nn.sigmoid(h @ params.V + params.c[None])


def predict(params: Predictors, y: jax.Array) -> jax.Array:  # [B, K] -> [B, K]
    """Each unit as the others tell it."""
    others = params.W * (1 - jnp.eye(y.shape[1], dtype=y.dtype))[:, :, None]
    h = jnp.tanh(jnp.einsum("bj,kjh->bkh", y, others) + params.b[None])
    return jax.nn.sigmoid(jnp.einsum("bkh,kh->bk", h, params.v) + params.c[None])


def unpredicted(params: Predictors, y: jax.Array) -> jax.Array:  # [B, K] -> [B]
    """V, the squared error of the predictors."""
    return jnp.square(predict(params, y) - y).sum(1)
