"""Logistic regression: classes by a linear function of the features.

    two classes    z = x w + b,      P(1 | x) = sigmoid(z)
    K classes      z = x W + b,      P(k | x) = exp(z_k) / sum_j exp(z_j)

    l2             min  sum_n -log P(y_n | x_n) + alpha |w|_2^2 / 2
    l1             min  sum_n -log P(y_n | x_n) + alpha |w|_1

where b is not penalised; alpha is one over scikit-learn's C. Three methods:

    newton   iteratively reweighted least squares, of `irls` (l2)
    lbfgs    `optim.lbfgs_solver` (l2)
    fista    `optim.fista_solver` (l1)

For K classes the mean of b over the classes, and with l2 that of W, changes no
probability; it is 0.

alpha = 0 has no minimum where a hyperplane separates the classes: the loss falls to 0
as w grows without bound along a direction that separates them. Then `fit` ends where
the gradient is small enough; the examples are all on their right side, `separated`
says so, and the length of w means nothing.

The tolerances are of the gradients of the objectives over N.

Shapes: N examples, D features, K classes.

References:
    Cox, "The regression analysis of binary sequences", JRSS B 1958
    Albert and Anderson, "On the existence of maximum likelihood estimates in logistic
    regression models", Biometrika 1984, https://doi.org/10.1093/biomet/71.1.1
    Bishop, "Pattern recognition and machine learning", 2006, Sections 4.3.3, 4.3.4
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp

import optim
from optim.errors import check_range
from optim.solve import solve
from zoo.classical import checks, linear
from zoo.classical.irls import IRLSState, called, learner, loss
from zoo.errors import unknown

METHODS = {"newton": "l2", "lbfgs": "l2", "fista": "l1"}
UNKNOWNS = 300  # above so many, l2 is left to L-BFGS unless told otherwise


class Logistic(NamedTuple):
    """What was fitted; a state of the learner does in its place."""

    weights: jax.Array  # w, [D] for two classes, else [D, K]
    intercept: jax.Array  # b, [] or [K]
    steps: jax.Array  # int32 scalar
    residual: jax.Array  # norm of the gradient (fista: of its mapping) at the end
    done: jax.Array  # bool scalar: whether the tolerance was met
    separated: jax.Array  # bool scalar: alpha = 0, and no example on its wrong side


def logits(model: Logistic | IRLSState, x: jax.Array) -> jax.Array:
    """z: the log odds of class 1 of two, or a number for each of K classes.

    Args:
        model: what was fitted.
        x: [..., D].

    Returns:
        [...] or [..., K].

    Raises:
        ValueError: x has another number of features, or values that are not finite.
    """
    return linear.predict(model, x)


def probabilities(model: Logistic | IRLSState, x: jax.Array) -> jax.Array:
    """P(k | x).

    Args:
        model, x: as of `logits`.

    Returns:
        [..., K], also for two classes.

    Raises:
        ValueError: as `logits`.
    """
    z = logits(model, x)
    if model.weights.ndim == 1:
        return jnp.stack([jax.nn.sigmoid(-z), jax.nn.sigmoid(z)], axis=-1)
    return jax.nn.softmax(z)


def predict(model: Logistic | IRLSState, x: jax.Array) -> jax.Array:
    """The likeliest class; of equal ones the first.

    Args:
        model, x: as of `logits`.

    Returns:
        int32, [...].

    Raises:
        ValueError: as `logits`.
    """
    return called(logits(model, x), model.weights.ndim == 1)


def score(model: Logistic | IRLSState, x: jax.Array, y: jax.Array) -> jax.Array:
    """The share of examples that are called by their class.

    Args:
        model: what was fitted.
        x: [N, D].
        y: integers, [N].

    Raises:
        ValueError: as `logits`; y is not [N].
    """
    found, y = predict(model, x), jnp.asarray(y)
    if y.shape != found.shape:
        raise ValueError(f"y must be of shape {found.shape}, got {y.shape}")
    return jnp.mean((found == y.astype(found.dtype)).astype(model.weights.dtype))


def fit(
    x: jax.Array,
    y: jax.Array,
    alpha: float | jax.Array = 1.0,
    *,
    penalty: str = "l2",
    method: str | None = None,
    classes: int | None = None,
    tolerance: float | jax.Array = 1e-5,
    steps: int = 1000,
) -> Logistic:
    """The whole way to the minimum, in one call; may be mapped over alpha.

    Args:
        x: [N, D].
        y: labels 0 .. K-1, integers [N].
        alpha: >= 0, one over scikit-learn's C; 0 is no penalty.
        penalty: "l2" or "l1".
        method: "newton" or "lbfgs" for l2, "fista" for l1; None for the one that fits:
            Newton's up to 300 unknowns, then L-BFGS.
        classes: K; None reads it off y.
        tolerance: done when the norm of the gradient (fista: of the gradient mapping)
            is at most this, > 0, in the unit of x.
        steps: at most, >= 1.

    Returns:
        The model. `done` tells whether the steps were enough.

    Raises:
        ValueError: shapes that do not fit; values that are not finite; labels that are
            no integers from 0 to K-1, or of one class only; no such penalty or method,
            or one for the other penalty; numbers out of range; y is traced, and no
            classes are given.
    """
    x, y = checks.finite("x", x), checks.labels("y", y)
    if x.ndim != 2 or len(y) != len(x):
        raise ValueError(f"x must be [N, D] and y [N], got {x.shape} and {y.shape}")
    classes = _classes(y, classes)
    if penalty not in METHODS.values():
        raise unknown("penalty", penalty, set(METHODS.values()))
    if method is None:
        unknowns = (x.shape[1] + 1) * (1 if classes == 2 else classes)
        smooth = "newton" if unknowns <= UNKNOWNS else "lbfgs"
        method = "fista" if penalty == "l1" else smooth
    if METHODS.get(method) != penalty:
        raise unknown(f"method for {penalty}", method, _methods(penalty))
    alpha = check_range("alpha", alpha, 0, jnp.inf)
    tolerance = check_range("tolerance", tolerance, 0, jnp.inf, "()")
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
        raise ValueError(f"steps must be a positive integer, got {steps!r}")
    numbers = (jnp.asarray(v).astype(x.dtype) for v in (alpha, tolerance))
    return _fit(x, y, *numbers, classes, method, steps)


@functools.partial(jax.jit, static_argnums=(4, 5, 6))
def _fit(x, y, alpha, tolerance, classes, method, steps):
    mean = x.mean(0)
    batch = {"x": x - mean[None], "y": y}  # the intercept makes up for the mean
    n, d = x.shape
    outputs = () if classes == 2 else (classes,)
    start = {"w": jnp.zeros((d, *outputs), x.dtype), "b": jnp.zeros(outputs, x.dtype)}

    def z(p):
        z = batch["x"] @ p["w"]
        return z + jnp.broadcast_to(p["b"], z.shape)

    if method == "newton":
        steps_of = learner(classes, alpha, tolerance)
        solver = optim.Solver(steps_of.init, steps_of.step, steps_of.done)
        solution = solve(solver, batch, steps)
        found, residual = solution.state, solution.state.gradient_norm
        p = {"w": found.weights, "b": found.intercept}
    elif method == "lbfgs":
        half = lambda p: alpha / 2 * jnp.sum(p["w"] ** 2)
        f = lambda p, batch: (loss(z(p), batch)[0] + half(p)) / n
        solution = solve(optim.lbfgs_solver(f, start, tolerance), batch, steps)
        p, residual = solution.state.x, solution.state.gradient_norm
    else:
        sparse = optim.l1(alpha / n)
        penalty = optim.Penalty(
            value=lambda p: sparse.value(p["w"]),
            prox=lambda p, t: {"w": sparse.prox(p["w"], t), "b": p["b"]},
        )
        # The loss of z curves by at most 1/4 for two classes, 1/2 for more. The ones
        # are at right angles to the centred columns.
        steepest = jnp.linalg.eigvalsh(batch["x"].T @ batch["x"])[-1]
        curve = jnp.maximum(steepest / n, 1) / (4 if classes == 2 else 2)
        f = lambda p, batch: loss(z(p), batch)[0] / n
        solver = optim.fista_solver(
            f, penalty, start, 1 / curve, search=False, tolerance=tolerance
        )
        solution = solve(solver, batch, steps)
        p, residual = solution.state.x, solution.state.residual
    return Logistic(
        weights=p["w"],
        intercept=p["b"] - mean @ p["w"],
        steps=solution.steps,
        residual=residual,
        done=solution.done,
        separated=(alpha == 0) & jnp.all(_margins(z(p), y) > 0),
    )


def _margins(z, y):
    """By how much the own class is ahead of the nearest other, [N]."""
    if z.ndim == 1:
        return jnp.where(y == 1, z, -z)
    own = jax.nn.one_hot(y, z.shape[1], dtype=bool)
    others = jnp.where(own, -jnp.inf, z).max(1)
    return jnp.where(own, z, -jnp.inf).max(1) - others


def _classes(y, classes):
    highest = None if isinstance(y, jax.core.Tracer) else int(y.max())
    if classes is None:
        if highest is None:
            raise ValueError("classes must be given where y is traced, got None")
        return highest + 1
    if isinstance(classes, bool) or not isinstance(classes, int) or classes < 2:
        raise ValueError(f"classes must be an integer >= 2, got {classes!r}")
    if highest is not None and highest >= classes:
        raise ValueError(f"y must be labels from 0 to {classes - 1}, got {highest}")
    return classes


def _methods(penalty):
    return [name for name, of in METHODS.items() if of == penalty]
