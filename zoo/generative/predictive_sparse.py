"""Predictive sparse decomposition: sparse codes, and a network that guesses them.

    E(x, a) = 1/2 |x - a D|^2 + w |a|_1 + g/2 |a - F(x)|^2
    F(x)    = G tanh(x W + b)             G diagonal, a gain for each atom

Each step alternates: codes a = argmin over a of E at what is learned so far, by FISTA
from F(x); then a step down E in D, W, b and G, with these codes fixed, after which the
atoms D_k that are longer than 1 are brought to 1. Later F alone codes, at the cost of a
layer.

Limits, tested: g = 0 are the codes of `sparse_coding`; as g grows the codes go to F.

Shapes: B examples, P values of an example, K atoms.

References:
    Kavukcuoglu, Ranzato and LeCun, "Fast inference in sparse coding algorithms with
    applications to object recognition", 2008, https://arxiv.org/abs/1010.3467
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from zoo.functional.losses import weighted
from zoo.generative import sparse_coding
from zoo.learner import Learner


class Predictor(NamedTuple):
    """What is learned."""

    dictionary: jax.Array  # D, [K, P]
    W: jax.Array  # [P, K]
    b: jax.Array  # [K]
    gain: jax.Array  # diagonal of G, [K]


class PredictiveState(NamedTuple):
    step: jax.Array  # int32 scalar: steps taken
    params: Predictor
    opt_state: Any


def predict(params: Predictor, x: jax.Array) -> jax.Array:
    """F(x): [B, P] -> [B, K]."""
    return params.gain[None] * jnp.tanh(x @ params.W + params.b[None])


def encode(
    params: Predictor, x: jax.Array, weight: float, pull: float, steps: int = 100
) -> jax.Array:
    """The codes that minimize E: [B, P] -> [B, K]."""
    return sparse_coding.encode(
        params.dictionary, x, weight, steps, start=predict(params, x), pull=pull
    )


def energy(
    params: Predictor, x: jax.Array, codes: jax.Array, weight: float, pull: float
) -> jax.Array:
    """E of each example: [B]."""
    off = jnp.square(codes - predict(params, x)).sum(1)
    found = sparse_coding.objective(params.dictionary, x, codes, weight)
    return found + 0.5 * pull * off


def learner(
    atoms: int,
    weight: float,
    optimizer: optax.GradientTransformation,
    pull: float = 1.0,
    steps: int = 100,
    axis_name: str | None = None,
) -> Learner:
    """A dictionary and a network that learn together.

    Args:
        atoms: K.
        weight: w, >= 0.
        optimizer: of all that is learned; any optax transformation.
        pull: g, >= 0.
        steps: of FISTA, at most, in each step.
        axis_name: the axis over which a batch is split, or None.

    Returns:
        A learner of batches with `x`, floats [B, ...], and perhaps `weight`. Metrics:
        `loss`, E before the step, and `guess`, |a - F(x)|^2.

    Raises:
        ValueError: atoms or steps that are no positive integer, a weight or pull below
            0.
    """
    for name, value in (("atoms", atoms), ("steps", steps)):
        if not isinstance(value, int) or value < 1:
            raise ValueError(f"{name} must be a positive integer, got {value!r}")
    for name, value in (("weight", weight), ("pull", pull)):
        if not isinstance(value, jax.core.Tracer) and not value >= 0:
            raise ValueError(f"{name} must be >= 0, got {value}")

    def total(tree):
        return jax.lax.psum(tree, axis_name) if axis_name else tree

    def pairs(params, x, codes, batch):
        guess = jnp.square(codes - predict(params, x)).sum(1)
        loss = weighted(energy(params, x, codes, weight, pull), batch)
        return loss[0], {"loss": loss, "guess": weighted(guess, batch)}

    def init(key, batch):
        x = batch["x"].reshape(len(batch["x"]), -1)
        p = x.shape[1]
        of_atoms, of_w = jax.random.split(key)
        drawn = jax.random.normal(of_atoms, (atoms, p), x.dtype)
        params = Predictor(
            dictionary=drawn / jnp.linalg.norm(drawn, axis=1, keepdims=True),
            W=jax.nn.initializers.glorot_normal()(of_w, (p, atoms), x.dtype),
            b=jnp.zeros(atoms, x.dtype),
            gain=jnp.ones(atoms, x.dtype),
        )
        return PredictiveState(
            step=jnp.zeros((), jnp.int32),
            params=params,
            opt_state=optimizer.init(params),
        )

    def step(state, batch):
        x = batch["x"].reshape(len(batch["x"]), -1)
        codes = encode(state.params, x, weight, pull, steps)
        gradient = jax.grad(pairs, has_aux=True)
        grads, metrics = total(gradient(state.params, x, codes, batch))
        count = jnp.where(metrics["loss"][1] == 0, 1, metrics["loss"][1])
        grads = jax.tree.map(lambda g: g / count, grads)
        updates, opt_state = optimizer.update(grads, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        length = jnp.linalg.norm(params.dictionary, axis=1, keepdims=True)
        params = params._replace(dictionary=params.dictionary / jnp.maximum(length, 1))
        new = PredictiveState(step=state.step + 1, params=params, opt_state=opt_state)
        return new, metrics

    def evaluate(state, batch):
        x = batch["x"].reshape(len(batch["x"]), -1)
        codes = encode(state.params, x, weight, pull, steps)
        return total(pairs(state.params, x, codes, batch)[1])

    return Learner(init=init, step=step, evaluate=evaluate)
