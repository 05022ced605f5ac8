"""Pegasos: a linear support vector machine by stochastic subgradients of the primal.

    min over w, b   F = lambda (|w|^2 + b^2) / 2 + mean_n max(0, 1 - s_n f(x_n))
                    f(x) = x w + b,   s_n = 1, -1

    in step t, on B examples, with u = (w, b), z = (x, 1) and eta = 1 / (lambda t):

    u = (1 - eta lambda) u + (eta / B) sum over s_n f(x_n) < 1 of s_n z_n
    u = min(1, lambda^(-1/2) / |u|) u            the ball in which the optimum lies

F is strongly convex, and after T steps it is within O(log(T) / (lambda T)) of the
minimum. The steps make u a mean already, of what the examples pulled so far.

b counts as the weight of a feature that is 1, so it is in |u|: F is strongly convex in
it too, which is what the rate needs. The paper leaves b out at first, and names this as
one of the ways to have it (Section 4). The dual (`zoo.classical.svm`) leaves b free of
cost: with lambda = 1 / (C N), its P is F C N but for b^2.

Shapes: N examples, B of a batch, D features.

References:
    Shalev-Shwartz, Singer, Srebro and Cotter, "Pegasos: primal estimated sub-gradient
    solver for SVM", Mathematical Programming 2011,
    https://doi.org/10.1007/s10107-010-0420-4
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp

from optim.errors import check_count, check_range
from zoo.classical import checks, linear
from zoo.functional.margin_losses import hinge
from zoo.learner import Learner


class PegasosState(NamedTuple):
    step: jax.Array  # int32 scalar: steps taken
    weights: jax.Array  # w, [D]
    intercept: jax.Array  # b, []; 0 where none is asked for


def learner(
    strength: float | jax.Array = 1e-2,
    *,
    project: bool = True,
    intercept: bool = True,
    axis_name: str | None = None,
) -> Learner:
    """Pegasos, batch by batch, from u = 0.

    Args:
        strength: lambda, > 0.
        project: whether u is kept in the ball.
        intercept: whether there is a b.
        axis_name: the axis over which a batch is split, or None.

    Returns:
        A learner without chance. Its batches hold `x`, [B, D], `y`, 0 or 1, [B], and
        optionally `weight`, [B], with which an example counts in sum and mean. The
        metric `loss` is F on the batch, before the step; `evaluate` gives `loss` and
        `accuracy`.

    Raises:
        ValueError: the strength is not above 0.
    """
    strength = check_range("strength", strength, 0, jnp.inf, "()")

    def total(tree):
        return jax.lax.psum(tree, axis_name) if axis_name else tree

    def init(key, batch):
        del key
        x = batch["x"]
        weights, b = jnp.zeros(x.shape[1], x.dtype), jnp.zeros((), x.dtype)
        return PegasosState(
            step=jnp.zeros((), jnp.int32),
            weights=weights,
            intercept=b,
        )

    def step(state, batch):
        x, y = batch["x"], batch["y"]
        lam = jnp.asarray(strength).astype(x.dtype)
        f = x @ state.weights + state.intercept
        counts = batch.get("weight", jnp.ones_like(f))
        signs = jnp.where(y > 0, 1, -1).astype(x.dtype)
        pull = jnp.where(signs * f < 1, signs * counts, 0)  # [B]
        loss = hinge(f, batch)[0]
        loss, size, dw, db = total((loss, counts.sum(), pull @ x, pull.sum()))
        size = jnp.where(size > 0, size, 1)
        t = (state.step + 1).astype(x.dtype)
        rate = 1 / (lam * t)
        w = (1 - 1 / t) * state.weights + rate / size * dw
        b = (1 - 1 / t) * state.intercept + (rate / size * db if intercept else 0)
        if project:
            square = w @ w + b * b
            inside = lam * square <= 1
            shrink = jnp.where(inside, 1, jax.lax.rsqrt(lam * square))
            w, b = shrink * w, shrink * b
        new = PegasosState(step=state.step + 1, weights=w, intercept=b)
        return new, {"loss": (loss + size * _penalty(state, lam), size)}

    def evaluate(state, batch):
        x, y = batch["x"], batch["y"]
        f = x @ state.weights + state.intercept
        counts = batch.get("weight", jnp.ones_like(f))
        hits = jnp.where((f > 0) == (y > 0), counts, 0)
        loss, hits, size = total((hinge(f, batch)[0], hits.sum(), counts.sum()))
        lam = jnp.asarray(strength).astype(x.dtype)
        loss = loss + size * _penalty(state, lam)
        return {"loss": (loss, size), "accuracy": (hits, size)}

    return Learner(init, step, evaluate)


def fit(
    key: jax.Array,
    x: jax.Array,
    y: jax.Array,
    strength: float | jax.Array = 1e-2,
    *,
    steps: int = 10_000,
    batch_size: int = 32,
    project: bool = True,
    intercept: bool = True,
) -> PegasosState:
    """So many steps, each on examples drawn with replacement.

    Args:
        key: for the draws.
        x: [N, D].
        y: labels 0 and 1, integers [N].
        strength: lambda, > 0; may be mapped over.
        steps: T, >= 1.
        batch_size: B, >= 1.
        project: as of `learner`.
        intercept: as of `learner`.

    Returns:
        The state after the last step.

    Raises:
        ValueError: shapes that do not fit; values that are not finite; labels other
            than 0 and 1, or all the same; numbers out of range.
    """
    x, y = checks.finite("x", x), checks.labels("y", y)
    if x.ndim != 2 or len(y) != len(x):
        raise ValueError(f"x must be [N, D] and y [N], got {x.shape} and {y.shape}")
    if not isinstance(y, jax.core.Tracer) and y.max() > 1:
        raise ValueError(f"y must be labels 0 and 1, got {y.max()}")
    steps, batch_size = (
        check_count("steps", steps),
        check_count("batch_size", batch_size),
    )
    strength = check_range("strength", strength, 0, jnp.inf, "()")
    strength = jnp.asarray(strength).astype(x.dtype)
    return _fit(key, x, y, strength, steps, batch_size, project, intercept)


@functools.partial(jax.jit, static_argnums=(4, 5, 6, 7))
def _fit(key, x, y, strength, steps, batch_size, project, intercept):
    pegasos = learner(strength, project=project, intercept=intercept)

    def step(t, state):
        key_t = jax.random.fold_in(key, t)
        at = jax.random.randint(key_t, (batch_size,), 0, len(x))
        return pegasos.step(state, {"x": x[at], "y": y[at]})[0]

    return jax.lax.fori_loop(0, steps, step, pegasos.init(key, {"x": x, "y": y}))


def decision(state: PegasosState, x: jax.Array) -> jax.Array:
    """f(x) = x w + b.

    Args:
        state: of `fit` or the learner.
        x: [..., D].

    Returns:
        [...], above 0 for class 1.

    Raises:
        ValueError: x has another number of features, or values that are not finite.
    """
    return linear.predict(state, x)


def predict(state: PegasosState, x: jax.Array) -> jax.Array:
    """1 where f(x) > 0, else 0.

    Args:
        state, x: as of `decision`.

    Returns:
        int32, [...].

    Raises:
        ValueError: as `decision`.
    """
    return (decision(state, x) > 0).astype(jnp.int32)


def objective(
    state: PegasosState, x: jax.Array, y: jax.Array, strength: float | jax.Array
) -> jax.Array:
    """F, a scalar.

    Args:
        state: of `fit` or the learner.
        x: [N, D].
        y: labels 0 and 1, [N].
        strength: lambda.

    Raises:
        ValueError: as `decision`.
    """
    f = decision(state, x)
    loss, size = hinge(f, {"y": y})
    return _penalty(state, jnp.asarray(strength).astype(f.dtype)) + loss / size


def _penalty(state, strength):
    return strength / 2 * (state.weights @ state.weights + state.intercept**2)
