"""The lasso and the elastic net: linear regression with few weights that are not zero.

    f(x) = x w + b,   r_n = y_n - f(x_n)

    lasso         min  sum_n r_n^2 / (2 N) + alpha |w|_1
    elastic net   min  sum_n r_n^2 / (2 N) + alpha (q |w|_1 + (1 - q) |w|_2^2 / 2)

where b is not penalised. The scales are scikit-learn's. The minimum is found by
coordinate descent or FISTA, of `optim`.

Before that, N examples become D + 1: with [X y] = Q R, Q^T Q = 1, columns centred, the
residual is as long as R [w, -1]. So a sweep costs D^2 and not N D, and the sums are the
same. R is the Cholesky factor of [X y]^T [X y], which costs a tenth of the QR
decomposition and loses twice the digits of the smallest sine of a column with the span
of those before it; where that is below 0.1, such as where a fit is nearly perfect, R is
of QR.

Shapes: N examples, D features, O outputs, M rows that are left.

References:
    Tibshirani, "Regression shrinkage and selection via the lasso", JRSS B 1996,
    https://doi.org/10.1111/j.2517-6161.1996.tb02080.x
    Zou and Hastie, "Regularization and variable selection via the elastic net", JRSS B
    2005, https://doi.org/10.1111/j.1467-9868.2005.00503.x
    Friedman, Hastie and Tibshirani, "Regularization paths for generalized linear
    models via coordinate descent", Journal of Statistical Software 2010,
    https://doi.org/10.18637/jss.v033.i01
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp

import optim
from optim.solve import solve
from zoo.classical import gram, linear
from zoo.errors import unknown

METHODS = ("coordinate", "fista")
LEAST_SINE = 0.1  # with less, two digits would be lost: QR


class Sparse(NamedTuple):
    """A linear function and how it was found; `linear.predict` and `score` take it."""

    weights: jax.Array  # w, [D] or [D, O]; many exactly 0
    intercept: jax.Array  # b, [] or [O]; 0 where none was asked for
    objective: jax.Array  # of the formula, [] or [O]
    gap: jax.Array  # how far the objective is above the minimum at most, [] or [O]
    steps: jax.Array  # int32, sweeps taken, [] or [O]
    done: jax.Array  # bool, whether the tolerance was met, [] or [O]


def lasso(x: jax.Array, y: jax.Array, alpha: float | jax.Array = 1.0, **keywords):
    """Least squares with a penalty on the absolute weights, which makes many of them 0.

    Args:
        x: [N, D].
        y: [N] or [N, O], each output on its own.
        alpha: >= 0; from max |x^T y| / N (both centred) on, all weights are 0.
        **keywords: as of `elastic_net`, but for l1_ratio.

    Returns:
        A `Sparse`.

    Raises:
        ValueError: as `elastic_net`.
    """
    return elastic_net(x, y, alpha, 1.0, **keywords)


def elastic_net(
    x: jax.Array,
    y: jax.Array,
    alpha: float | jax.Array = 1.0,
    l1_ratio: float | jax.Array = 0.5,
    *,
    method: str = "coordinate",
    intercept: bool = True,
    start: jax.Array | None = None,
    tolerance: float = 1e-5,
    steps: int = 1000,
) -> Sparse:
    """Least squares with both penalties: sparse, and columns alike get weights alike.

    May be mapped over alpha, l1_ratio and start by `jax.vmap`.

    Args:
        x: [N, D].
        y: [N] or [N, O], each output on its own.
        alpha: >= 0.
        l1_ratio: q, in [0, 1]; 1 is the lasso.
        method: "coordinate", coordinate descent, or "fista".
        intercept: whether there is a b.
        start: the first w, [D] or [D, O], such as that of a neighbouring alpha; None
            for zero.
        tolerance: done when the largest violation of the conditions of optimality
            (fista: the norm of the gradient mapping) is at most this share of
            max |x^T y| / N, > 0.
        steps: sweeps at most, >= 1; `done` tells whether they were enough.

    Returns:
        A `Sparse`.

    Raises:
        ValueError: shapes that do not fit; values that are not finite; an alpha,
            l1_ratio, tolerance or steps out of range; no such method.
    """
    x, y = linear.data(x, y)
    if method not in METHODS:
        raise unknown("method", method, METHODS)
    optim.coordinate_descent_solver(alpha, l1_ratio, tolerance=tolerance)  # checks
    shape = (x.shape[1], *y.shape[1:])
    start = jnp.zeros(shape, x.dtype) if start is None else jnp.asarray(start, x.dtype)
    if start.shape != shape:
        raise ValueError(f"start must be of shape {shape}, got {start.shape}")
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
        raise ValueError(f"steps must be a positive integer, got {steps!r}")
    numbers = (jnp.asarray(v).astype(x.dtype) for v in (alpha, l1_ratio, tolerance))
    return _sparse(x, y, start, *numbers, method, intercept, steps)


@functools.partial(jax.jit, static_argnums=(6, 7, 8))
def _sparse(x, y, start, alpha, l1_ratio, tolerance, method, intercept, steps):
    shape = y.shape[1:]
    x, columns, mean_x, mean_y = _shortened(x, y.reshape(len(y), -1), intercept)

    def one(y, start):
        batch, rows = {"x": x, "y": y}, len(y)
        largest = jnp.max(jnp.abs(y @ x)) / rows
        enough = tolerance * jnp.where(largest > 0, largest, 1)
        if method == "coordinate":
            solver = optim.coordinate_descent_solver(alpha, l1_ratio, start, enough)
        else:
            penalty = optim.elastic_net(alpha, l1_ratio)
            half = lambda w, batch: jnp.sum((y - x @ w) ** 2) / (2 * rows)
            steepest = jnp.linalg.norm(x, 2) ** 2 / rows
            step = 1 / jnp.where(steepest > 0, steepest, 1)
            solver = optim.fista_solver(
                half, penalty, start, step, search=False, tolerance=enough
            )
        solution = solve(solver, batch, steps)
        w = solution.state.x
        return w, *_measures(x, y, w, alpha, l1_ratio), solution.steps, solution.done

    starts = start.reshape(len(start), -1)
    results = jax.vmap(one, in_axes=1, out_axes=-1)(columns, starts)
    w, *rest = (r.reshape(r.shape[:-1] + shape) for r in results)
    return Sparse(w, mean_y.reshape(shape) - mean_x @ w, *rest)


def _measures(x, y, w, alpha, l1_ratio):
    """Objective and duality gap, as `optim.coordinate` has them."""
    a, b, n = alpha * l1_ratio, alpha * (1 - l1_ratio), len(y)
    r = y - x @ w
    most = jnp.max(jnp.abs(r @ x / n - b * w))
    s = jnp.where(most > a, a / jnp.where(most > 0, most, 1), 1)
    squared, absolute = r @ r / n + b * w @ w, a * jnp.sum(jnp.abs(w))
    gap = (1 + s**2) / 2 * squared + absolute - s * (r @ y) / n
    return squared / 2 + absolute, gap


def _shortened(x, y, intercept):  # [N, D], [N, O] -> [M, D], [M, O] with M <= D + O
    """Data with the same sums of squares over M as the given ones about their means
    have over N; and the means, [D] and [O]."""
    n, d = x.shape
    rows = d + y.shape[1]
    if n <= rows:
        return linear.centred(x, y, intercept)

    def exact():
        x_, y_, *means = linear.centred(x, y, intercept)
        return (x_, y_), jnp.concatenate(means)

    if intercept:
        squared, mean = gram.about_mean((x, y), exact)
    else:
        squared, mean = gram.products((x, y)), jnp.zeros(rows, x.dtype)
    size = jnp.sqrt(jnp.diag(squared))
    scale = jnp.where(size > 0, size, 1)[None]
    ones = jnp.diag((size == 0).astype(x.dtype))  # for columns of zeros
    upper = jnp.linalg.cholesky(squared / scale / scale.T + ones).T
    enough = jnp.all(jnp.diag(upper) > LEAST_SINE)  # not where it is NaN
    short = jax.lax.cond(
        enough,
        lambda: upper * size[None],
        lambda: _triangle(jnp.concatenate(exact()[0], axis=1)),
    )
    short *= (rows / n) ** 0.5
    return short[:, :d], short[:, d:], mean[:d], mean[d:]


def _triangle(x):  # [N, D] -> [D, D]
    """R of x = Q R, from as many rows at a time, 8 D, as LAPACK is given.

    The whole as an operand would be laid out anew by columns, whether the branch that
    needs it is taken or not: 10 of 48 ms for 40,000 x 200.
    """
    n, d = x.shape
    rows = 8 * d
    x = jnp.pad(x, ((0, -n % rows), (0, 0))).reshape(-1, rows, d)

    def more(upper, block):
        return jnp.linalg.qr(jnp.concatenate([upper, block]), mode="r"), None

    return jax.lax.scan(more, jnp.zeros((d, d), x.dtype), x)[0]
