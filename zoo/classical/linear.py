"""Linear regression: least squares and ridge, in closed form.

    f(x) = x w + b,   r_n = y_n - f(x_n)

    least squares   min  sum_n r_n^2                      X^T X w = X^T y
    ridge           min  sum_n r_n^2 + alpha |w|_2^2      (X^T X + alpha) w = X^T y

with X and y centred where there is an intercept b, which no penalty touches; then
b = mean(y) - mean(x) w. The equations on the right, the normal equations, are solved
in three ways:

    svd      X = U S V^T,  w = V [s / (s^2 + alpha)] U^T y     any rank
    qr       X = Q R,      w = R^-1 Q^T y
    normal   as they stand, by Cholesky; fastest, but it squares the condition number

Singular values below max(N, D) eps of the largest count as zero: where many w are best,
`svd` gives the shortest. `qr` and `normal` ask for independent columns: one whose sine
with the span of those before it is below 16 D eps counts as dependent (`normal` sees
only its square: below the root of that). Then they raise, or give NaN where the values
cannot be read.

Shapes: N examples, D features, O outputs, A penalties.

References:
    Gauss, "Theoria combinationis observationum erroribus minimis obnoxiae", 1823
    Hoerl and Kennard, "Ridge regression: biased estimation for nonorthogonal
    problems", Technometrics 1970, https://doi.org/10.1080/00401706.1970.10488634
    Golub and Van Loan, "Matrix computations", 4th edition, 2013, Sections 5.3 and 5.5
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp

from zoo import metrics
from zoo.classical import checks
from zoo.errors import unknown

METHODS = ("normal", "qr", "svd")


class Linear(NamedTuple):
    """A linear function; one output has no axis O."""

    weights: jax.Array  # w, [D] or [D, O]
    intercept: jax.Array  # b, [] or [O]; 0 where none was asked for


def predict(model: Linear, x: jax.Array) -> jax.Array:
    """The function's values.

    Args:
        model: what was fitted.
        x: [..., D].

    Returns:
        [...] or [..., O].

    Raises:
        ValueError: x has another number of features, or values that are not finite.
    """
    x = checks.finite("x", x)
    d = len(model.weights)
    if not x.ndim or x.shape[-1] != d:
        raise ValueError(f"x must be [..., {d}], got {x.shape}")
    return _values(model.weights, model.intercept, x)


def score(model: Linear, x: jax.Array, y: jax.Array) -> jax.Array:
    """R2: the share of y's spread that the model explains.

    Args:
        model: what was fitted.
        x: [N, D].
        y: [N] or [N, O].

    Returns:
        A scalar, at most 1. The squares of several outputs, each about its own mean,
        are added up (scikit-learn's variance_weighted).

    Raises:
        ValueError: as `predict`; y of another shape than the predictions.
    """
    y, values = checks.finite("y", y), predict(model, x)
    if y.shape != values.shape:
        raise ValueError(f"y must be of shape {values.shape}, got {y.shape}")
    return _explained(y, values)


def least_squares(
    x: jax.Array, y: jax.Array, *, method: str = "svd", intercept: bool = True
) -> Linear:
    """The linear function with the least sum of squared residuals.

    Args:
        x: [N, D].
        y: [N] or [N, O].
        method: "svd", "qr" or "normal".
        intercept: whether there is a b.

    Returns:
        Weights and intercept. Of several minima `svd` gives the one with the shortest
        w; its gradient is NaN where singular values coincide or vanish, that of the
        others is finite wherever they have an answer.

    Raises:
        ValueError: shapes that do not fit; values that are not finite; no such method;
            for "qr" and "normal", columns that depend on each other (traced: NaN).
    """
    return _closed(x, y, None, method, intercept)


def ridge(
    x: jax.Array,
    y: jax.Array,
    alpha: float | jax.Array = 1.0,
    *,
    method: str = "svd",
    intercept: bool = True,
) -> Linear:
    """Least squares with a penalty on the squared weights.

    All penalties at once, for one decomposition of x:

        jax.vmap(lambda alpha: ridge(x, y, alpha))(alphas)      weights [A, D]

    Args:
        x: [N, D].
        y: [N] or [N, O].
        alpha: >= 0; 0 is least squares.
        method: "svd" or "normal".
        intercept: whether there is a b.

    Returns:
        Weights and intercept.

    Raises:
        ValueError: as `least_squares`; an alpha that is negative or not finite; with
            "normal", x^T x + alpha that is singular (traced: NaN).
    """
    if method == "qr":
        raise unknown("method of ridge", method, ("normal", "svd"))
    alpha = checks.finite("alpha", alpha)
    if alpha.ndim:
        raise ValueError(f"alpha must be a number (see vmap), got shape {alpha.shape}")
    if not isinstance(alpha, jax.core.Tracer) and alpha < 0:
        raise ValueError(f"alpha must be >= 0, got {alpha}")
    return _closed(x, y, alpha, method, intercept)


@jax.jit
def _values(weights, intercept, x):
    y = x @ weights
    return y + jnp.broadcast_to(intercept, y.shape)


@jax.jit
def _explained(y, predicted):
    center = jnp.broadcast_to(y.mean(0), y.shape)
    return metrics.r2(metrics.residuals(y - center, predicted - center))


def _closed(x, y, alpha, method, intercept):
    x, y = data(x, y)
    if method not in METHODS:
        raise unknown("method", method, METHODS)
    model, dependent = _solved(x, y, alpha, method, intercept)
    if not isinstance(dependent, jax.core.Tracer) and dependent:
        raise ValueError(
            "x must have independent columns"
            f"{' after centring' if intercept else ''} for method={method!r}, got "
            f"{x.shape[0]} x {x.shape[1]} of lower rank; method='svd' takes any"
        )
    return model


@functools.partial(jax.jit, static_argnums=(3, 4))
def _solved(x, y, alpha, method, intercept):
    x, y, mean_x, mean_y = centred(x, y, intercept)
    targets = y.reshape(len(y), -1)  # [N, O]
    n, d = x.shape
    eps = jnp.finfo(x.dtype).eps
    least = 16 * d * eps
    dependent = jnp.array(n < d + intercept) if method == "qr" else jnp.array(False)
    if method == "svd":
        u, s, vt = jnp.linalg.svd(x, full_matrices=False)
        kept = s > max(n, d) * eps * s[0]
        squares = jnp.where(kept, s**2, 1) + (0 if alpha is None else alpha)
        w = vt.T @ (jnp.where(kept, s / squares, 0)[:, None] * (u.T @ targets))
    elif method == "qr" and n >= d:
        q, r = jnp.linalg.qr(x)
        own = jnp.linalg.norm(x, axis=0)  # |R_jj| is this times the sine
        dependent |= jnp.any(jnp.abs(jnp.diag(r)) <= least * own)
        w = jax.scipy.linalg.solve_triangular(r, q.T @ targets)
    elif method == "qr":
        w = jnp.zeros((d, targets.shape[1]), x.dtype)
    else:
        square = x.T @ x
        if alpha is not None:
            square += alpha * jnp.eye(d, dtype=x.dtype)
        lower = jnp.linalg.cholesky(square)
        squares = jnp.diag(lower) ** 2 / jnp.diag(square)
        dependent = ~jnp.all(squares > least)  # NaN too, where there is no factor
        w = jax.scipy.linalg.cho_solve((lower, True), x.T @ targets)
    w = jnp.where(dependent, jnp.nan, w).reshape((d, *y.shape[1:]))
    return Linear(w, mean_y - mean_x @ w), dependent


def centred(x: jax.Array, y: jax.Array, intercept: bool):
    """x and y without their means over the examples, and the means; or as they are.

    What rounding leaves of a column that is constant becomes exactly 0.
    """
    if not intercept:
        return x, y, jnp.zeros_like(x[0]), jnp.zeros_like(y[0])
    size = jnp.max(jnp.abs(x), axis=0)
    x, mean_x = _about_mean(x)
    y, mean_y = _about_mean(y)
    noise = jnp.max(jnp.abs(x), axis=0) <= 4 * jnp.finfo(x.dtype).eps * size
    return jnp.where(noise[None], 0, x), y, mean_x, mean_y


def _about_mean(x):  # in two rounds: the second takes what the first mean was wrong by
    rest, mean = x, jnp.zeros_like(x[0])
    for _ in range(2):
        more = rest.mean(0)
        rest, mean = rest - jnp.broadcast_to(more, x.shape), mean + more
    return rest, mean


def data(x: jax.Array, y: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Examples and targets as floats of one type, if they are such.

    Raises:
        ValueError: not [N, D] and [N] or [N, O]; values that are not finite.
    """
    x, y = checks.finite("x", x), checks.finite("y", y)
    if x.ndim != 2 or y.ndim not in (1, 2) or len(y) != len(x):
        raise ValueError(
            f"x must be [N, D] and y [N] or [N, O], got {x.shape} and {y.shape}"
        )
    return x, y.astype(x.dtype)
