"""The perceptron: a linear classifier that learns from its mistakes only.

    for each example in turn, with s = 2 y - 1, if s (x w + b) <= 0:
        w = w + s x,   b = b + s

A step of the learner is a sweep over the batch, in the order of the batch; it is done
after a sweep without a mistake.

If some u with |u| = 1 and margin gamma = min_n s_n (x_n, 1) u > 0 separates the
examples, then at most (R / gamma)^2 mistakes are made in all, R being the greatest
length of (x, 1): each mistake takes (w, b) forward along u by gamma or more, and adds
R^2 or less to its squared length. If no hyperplane separates them, as for XOR, the
sweeps never end; w stays bounded, and with integers it runs in a cycle. A hidden layer
(`zoo.classical.MLP`) separates XOR.

Over devices each one collects all examples and makes the whole sweep, since each
example sees what those before it changed.

Shapes: B examples, D features.

References:
    Rosenblatt, "The perceptron: a probabilistic model for information storage and
    organization in the brain", Psychological Review 1958,
    https://doi.org/10.1037/h0042519
    Novikoff, "On convergence proofs for perceptrons", Symposium on the Mathematical
    Theory of Automata, 1962 (the bound)
    Minsky and Papert, "Perceptrons", 1969 (XOR)
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

import optim
from optim.solve import solve
from zoo.classical import checks, linear
from zoo.learner import Learner


class PerceptronState(NamedTuple):
    step: jax.Array  # int32 scalar: sweeps made
    weights: jax.Array  # w, [D]
    intercept: jax.Array  # b, []
    mistakes: jax.Array  # int32 scalar: of all sweeps
    clean: jax.Array  # int32 scalar: sweeps in a row, up to now, without a mistake


def learner(axis_name: str | None = None) -> Learner:
    """Sweeps over the examples, from w = 0.

    Args:
        axis_name: the parallel axis over which the examples are split, if they are.

    Returns:
        A learner without chance. Its batches hold `x`, [B, D], `y`, 0 or 1, [B], and
        optionally `weight`, [B], where 0 leaves an example out.
        The metric `mistakes` counts those of the sweep, over its examples; `evaluate`
        gives `accuracy`. A sweep after `done` changes nothing.
    """

    def gathered(a):
        return jax.lax.all_gather(a, axis_name, tiled=True) if axis_name else a

    def parts(batch):
        x, y = batch["x"], batch["y"]
        return x, y, batch.get("weight", jnp.ones_like(x[:, 0])) != 0

    def init(key, batch):
        del key
        x = batch["x"]
        return PerceptronState(
            step=jnp.zeros((), jnp.int32),
            weights=jnp.zeros(x.shape[1], x.dtype),
            intercept=jnp.zeros((), x.dtype),
            mistakes=jnp.zeros((), jnp.int32),
            clean=jnp.zeros((), jnp.int32),
        )

    def step(state, batch):
        x, y, counts = gathered(parts(batch))
        signs = 2 * y.astype(x.dtype) - 1

        def visit(carry, example):
            w, b, count = carry
            x, s, counted = example
            wrong = (s * (x @ w + b) <= 0) & counted
            move = jnp.where(wrong, s, 0)
            return (w + move * x, b + move, count + wrong.astype(jnp.int32)), None

        start = (state.weights, state.intercept, jnp.zeros((), jnp.int32))
        (w, b, count), _ = jax.lax.scan(visit, start, (x, signs, counts))
        new = PerceptronState(
            step=state.step + 1,
            weights=w,
            intercept=b,
            mistakes=state.mistakes + count,
            clean=jnp.where(count == 0, state.clean + 1, 0),
        )
        pair = (count.astype(x.dtype), counts.sum().astype(x.dtype))
        return new, {"mistakes": pair}

    def evaluate(state, batch):
        x, y, counts = gathered(parts(batch))
        hits = (_called(x @ state.weights + state.intercept) == y) & counts
        numbers = (hits.sum(), counts.sum())
        return {"accuracy": tuple(n.astype(x.dtype) for n in numbers)}

    def done(state):
        return state.clean > 0

    return Learner(init, step, evaluate, done)


def fit(x: jax.Array, y: jax.Array, *, steps: int = 1000) -> PerceptronState:
    """Sweeps until one is without mistakes, or as many as are allowed.

    Args:
        x: [N, D].
        y: labels 0 and 1, integers [N].
        steps: sweeps at most, >= 1.

    Returns:
        The state; `clean` is 1 if the examples are separated, else 0.

    Raises:
        ValueError: shapes that do not fit; values that are not finite; labels other
            than 0 and 1, or all the same; steps that is no positive integer.
    """
    x, y = checks.finite("x", x), checks.labels("y", y)
    if x.ndim != 2 or len(y) != len(x):
        raise ValueError(f"x must be [N, D] and y [N], got {x.shape} and {y.shape}")
    if not isinstance(y, jax.core.Tracer) and y.max() > 1:
        raise ValueError(f"y must be labels 0 and 1, got {y.max()}")
    sweeps = learner()
    solver = optim.Solver(sweeps.init, sweeps.step, sweeps.done)
    return solve(solver, {"x": x, "y": y}, steps).state


def predict(state: PerceptronState, x: jax.Array) -> jax.Array:
    """1 where x w + b > 0, else 0.

    Args:
        state: what was fitted.
        x: [..., D].

    Returns:
        int32, [...].

    Raises:
        ValueError: x has another number of features, or values that are not finite.
    """
    return _called(linear.predict(state, x))


def _called(z):
    return (z > 0).astype(jnp.int32)
