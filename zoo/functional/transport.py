"""Optimal transport: the cheapest way to move one distribution onto another.

    W(a, b) = min_P sum_ij P_ij C_ij,     P >= 0,  P 1 = a,  P' 1 = b       (primal)
            = max_fg <a, f> + <b, g>,     f_i + g_j <= C_ij                 (dual)

In one dimension, with the cost |x - y|^p, mass keeps its order, and W_p compares the
inverses of the two distribution functions:

    W_p = (integral from 0 to 1 of |F^-1(t) - G^-1(t)|^p dt)^(1/p)

Sinkhorn's algorithm solves the problem with an entropy,

    min_P  <P, C> + epsilon KL(P | a b'),   P_ij = a_i b_j exp((f_i + g_j - C_ij) / eps)

by fitting the two marginals in turn, here of f and g, in logarithms:

    f_i = -epsilon log sum_j b_j exp((g_j - C_ij) / epsilon)       and g_j likewise

Its gradient is that of the value by the envelope theorem: dC is P, da is f, db is g.
Nothing is unrolled; plan, cost and potentials are handed out without a gradient.
`emd.py` solves the problem exactly.

Shapes: N and M points.

References:
    Peyre and Cuturi, "Computational optimal transport", Foundations and Trends in
    Machine Learning 2019, https://arxiv.org/abs/1803.00567 (remarks 2.30, 4.24)
    Cuturi, "Sinkhorn distances: lightspeed computation of optimal transport", NIPS
    2013, https://arxiv.org/abs/1306.0895
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from zoo.functional.distances import real


def wasserstein_1d(
    x: jax.Array,
    y: jax.Array,
    p: float = 1.0,
    x_weights: jax.Array | None = None,
    y_weights: jax.Array | None = None,
) -> jax.Array:
    """The Wasserstein distance W_p of two sets of points on a line.

    Args:
        x: points, [N].
        y: points, [M].
        p: order, from 1, finite.
        x_weights: >= 0, with a sum > 0 by which they are divided, [N]; by default
            equal.
        y_weights: likewise, [M].

    Returns:
        A scalar; its p-th power is the transport's cost. (POT returns that.) The
        gradient in a point is the derivative of its share, and 0 where W_p = 0.

    Raises:
        ValueError: points that are not [N] and [M], weights of another shape, known
            weights that are negative or all 0, or p not from 1 and finite.
    """
    if not isinstance(p, int | float) or not 1 <= p < math.inf:
        raise ValueError(f"p must be a finite number from 1, got {p!r}")
    for name, points in (("x", x), ("y", y)):
        if jnp.ndim(points) != 1 or not jnp.size(points):
            raise ValueError(f"{name} must be points [N], got {jnp.shape(points)}")
    x, reach_x = _quantiles("x_weights", real(x), x_weights)
    y, reach_y = _quantiles("y_weights", real(y), y_weights)
    # F^-1 and G^-1 are constant between two neighbouring steps of F and G.
    levels = jnp.sort(jnp.concatenate([reach_x, reach_y]))
    widths = jnp.diff(levels, prepend=jnp.zeros(1, levels.dtype))
    at = lambda points, reach: points[
        jnp.minimum(jnp.searchsorted(reach, levels), len(points) - 1)
    ]
    gap = at(x, reach_x) - at(y, reach_y)
    some = (gap != 0) & (widths > 0)
    size = jnp.where(some, jnp.abs(jnp.where(some, gap, 1)), 0)
    if p == 1:
        return (widths * size).sum()
    scale = jax.lax.stop_gradient(size.max())
    scale = jnp.where(scale > 0, scale, 1)
    total = jnp.where(some, widths * (jnp.where(some, size, 1) / scale) ** p, 0).sum()
    some = total != 0  # the slope of the root at 0 stays out of the gradient
    return scale * jnp.where(some, jnp.where(some, total, 1) ** (1 / p), 0)


def _quantiles(name, points, weights):
    """The points in order, and the distribution function there."""
    n = len(points)
    if weights is None:
        return jnp.sort(points), jnp.arange(1, n + 1, dtype=points.dtype) / n
    check_masses(name, weights, n)
    order = jnp.argsort(points)
    reach = jnp.cumsum(weights[order])
    return points[order], reach / reach[-1]


class Sinkhorn(NamedTuple):
    """What Sinkhorn's algorithm found."""

    plan: jax.Array  # P, [N, M]
    cost: jax.Array  # <P, C>, a scalar
    value: jax.Array  # <P, C> + epsilon KL(P | a b'): this one has a gradient
    f: jax.Array  # potential of the rows, [N]
    g: jax.Array  # potential of the columns, [M]
    iterations: jax.Array  # int32
    error: jax.Array  # sum_i |(P 1)_i - a_i|; the columns are exact


def sinkhorn(
    cost: jax.Array,
    a: jax.Array | None = None,
    b: jax.Array | None = None,
    epsilon: float | jax.Array = 0.1,
    tolerance: float = 1e-6,
    steps: int = 10_000,
    start: jax.Array | None = None,
) -> Sinkhorn:
    """Entropic optimal transport by Sinkhorn's algorithm, in logarithms.

    It stops when the plan's row sums are right within the tolerance, or after `steps`.
    For small epsilon it takes about max C / epsilon times as many iterations, and
    rounding alone makes an error of about max C / epsilon times 1e-7 in float32: then
    begin with the potential of a larger epsilon, and compute in float64.

    Args:
        cost: C, finite, [N, M].
        a: masses of the rows, >= 0, with the sum 1, [N]; by default equal.
        b: masses of the columns, likewise, [M].
        epsilon: weight of the entropy, > 0, in units of the cost.
        tolerance: allowed sum of |P 1 - a|.
        steps: iterations at most.
        start: potential g to begin with, [M]; by default 0.

    Returns:
        A `Sinkhorn`. Its value has the gradient P in C, f in a and g in b, exact
        where the iteration has converged; the other fields have none. A mass of 0
        gives a row or column of 0.

    Raises:
        ValueError: a cost that is not [N, M]; masses or a start of another shape;
            known masses that are negative or whose sums differ; a known epsilon, or
            tolerance or steps, that are not > 0.
    """
    cost, a, b = masses(cost, a, b)
    if not isinstance(epsilon, jax.core.Tracer) and not epsilon > 0:
        raise ValueError(f"epsilon must be > 0, got {epsilon}")
    if not tolerance > 0 or not steps > 0:
        raise ValueError(
            f"tolerance and steps must be > 0, got {tolerance} and {steps}"
        )
    n, m = cost.shape
    start = jnp.zeros(m, cost.dtype) if start is None else start
    if start.shape != (m,):
        raise ValueError(f"start must be [{m}], got {start.shape}")
    eps = jnp.asarray(epsilon, cost.dtype)
    fixed = jax.lax.stop_gradient((cost, a, b, eps))
    f, g, iterations, error = _fit(
        *fixed, jax.lax.stop_gradient(start), tolerance, steps
    )

    def plan(cost, a, b, eps):
        return a[:, None] * b[None] * jnp.exp((f[:, None] + g[None] - cost) / eps)

    best = plan(*fixed)
    # The dual <a, f> + <b, g> - epsilon sum (P - a b') is at its maximum over f and g,
    # so they may stay fixed in its derivative.
    excess = plan(cost, a, b, eps).sum() - a.sum() * b.sum()
    return Sinkhorn(
        plan=best,
        cost=(best * fixed[0]).sum(),
        value=a @ f + b @ g - eps * excess,
        f=f,
        g=g,
        iterations=iterations,
        error=error,
    )


@jax.jit
def _fit(cost, a, b, eps, start, tolerance, steps):
    log_a, log_b = jnp.log(a), jnp.log(b)  # a mass of 0 is -infinity, and no term
    to_f = lambda g: -eps * jax.nn.logsumexp((g[None] - cost) / eps + log_b[None], 1)
    to_g = lambda f: (
        -eps * jax.nn.logsumexp((f[:, None] - cost) / eps + log_a[:, None], 0)
    )

    def step(carry):
        _, _, f, i, _ = carry
        g = to_g(f)
        better = to_f(g)  # a_i exp((f_i - better_i) / eps) is the i-th row's sum
        error = (a * jnp.abs(jnp.expm1((f - better) / eps))).sum()
        return f, g, better, i + 1, error

    def more(carry):
        *_, i, error = carry
        return (i < steps) & (error > tolerance)

    f = to_f(start)
    first = (f, start, f, jnp.int32(0), jnp.full((), jnp.inf, cost.dtype))
    f, g, _, iterations, error = jax.lax.while_loop(more, step, first)
    return f, g, iterations, error


def masses(cost, a, b):
    """Cost and distributions as floats, equal ones for None; refuses what is none."""
    if jnp.ndim(cost) != 2 or not jnp.size(cost):
        raise ValueError(f"cost must be [N, M], got {jnp.shape(cost)}")
    cost, (n, m) = real(cost), jnp.shape(cost)
    a = jnp.full(n, 1 / n, cost.dtype) if a is None else a
    b = jnp.full(m, 1 / m, cost.dtype) if b is None else b
    sums = [check_masses(*each) for each in (("a", a, n), ("b", b, m))]
    if None not in sums and abs(sums[0] - sums[1]) > 1e-5 * sums[0]:
        raise ValueError(
            f"a and b must have the same sum, got {sums[0]:g} and {sums[1]:g}"
        )
    return cost, real(a), real(b)


def check_masses(name: str, weights: jax.Array, size: int) -> float | None:
    """Refuses what are not masses; returns their sum, None while it is traced."""
    if jnp.shape(weights) != (size,):
        raise ValueError(
            f"{name} must be one number for each of the {size} points, "
            f"got shape {jnp.shape(weights)}"
        )
    if isinstance(weights, jax.core.Tracer):
        return None
    known = np.asarray(weights, np.float64)
    if not (known >= 0).all() or not 0 < known.sum() < math.inf:
        raise ValueError(
            f"{name} must be >= 0 with a finite sum > 0, got {known.min()} to "
            f"{known.max()}"
        )
    return float(known.sum())
