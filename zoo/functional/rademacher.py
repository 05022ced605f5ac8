"""Learning theory that runs: how well a class of functions follows pure chance.

    R = (1/n) E sup_{f in F} sum_i s_i f(x_i),    s_i = -1 or 1 with probability 1/2

the empirical Rademacher complexity of F on the points x_1, ..., x_n, here without
absolute values. With probability 1 - d over the points, for losses in [0, 1], every
f in F has a true loss that is at most its mean loss on them plus

    2 R + 3 sqrt(log(2 / d) / (2 n)).

The supremum, for one draw of signs:

    finite class     max_h (1/n) sum_i s_i h(x_i)
    |w|_2 <= W       (W/n) |sum_i s_i x_i|_2     (f(x) = w.x)
    |w|_1 <= W       (W/n) |sum_i s_i x_i|_inf
    any other        by ascent of the gradient, from below

and the mean over the signs: over all 2^n of them, exactly, or over some that are drawn,
with a standard error. The bounds, H functions and D features,

    finite class     max_h |h(x)|_2 sqrt(2 log H) / n     (Massart)
    |w|_2 <= W       W sqrt(sum_i |x_i|_2^2) / n
    |w|_1 <= W       W max_j |x_j|_2 sqrt(2 log(2 D)) / n,  x_j the j-th feature

fall as 1 / sqrt(n).

Shapes: n points, S draws of signs, H functions, D features.

References:
    Bartlett and Mendelson, "Rademacher and Gaussian complexities: risk bounds and
    structural results", JMLR 2002, https://jmlr.org/papers/v3/bartlett02a.html
    Mohri, Rostamizadeh and Talwalkar, "Foundations of Machine Learning", MIT Press
    2018, Theorems 3.5, 3.7, 5.10 and 11.15, https://cs.nyu.edu/~mohri/mlbook/
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

MOST_POINTS = 20  # of an exact mean: a million draws


class Complexity(NamedTuple):
    value: jax.Array  # the mean supremum
    error: jax.Array  # its standard error, over the draws


def rademacher_complexity(
    supremum: Callable[[jax.Array], jax.Array], signs: jax.Array
) -> Complexity:
    """The mean of a supremum over draws of signs.

    Args:
        supremum: signs [n] -> the greatest correlation of the class with them, such as
            `functools.partial(linear_supremum, x)`.
        signs: draws, [S, n]: `random_signs`, or for the exact mean `every_sign`.

    Returns:
        The mean and its standard error. If the draws are all that there are, the mean
        is exact and the error is to be ignored.

    Raises:
        ValueError: signs that are not [S, n] with two draws or more.
    """
    if signs.ndim != 2 or len(signs) < 2:
        raise ValueError(
            f"signs must be [S, n] with at least two draws, got shape {signs.shape}"
        )
    values = jax.lax.map(supremum, signs, batch_size=min(len(signs), 1024))  # [S]
    return Complexity(values.mean(), values.std(ddof=1) / math.sqrt(len(signs)))


def random_signs(
    key: jax.Array, draws: int, points: int, dtype: jax.typing.DTypeLike = jnp.float32
) -> jax.Array:
    """Independent signs.

    Args:
        key: of the draws.
        draws: S.
        points: n.
        dtype: of the result.

    Returns:
        [S, n], of -1 and 1.
    """
    # Not jax.random.rademacher, whose draws differ where float64 is enabled.
    up = jax.random.bernoulli(key, jnp.float32(0.5), (draws, points))
    return 1 - 2 * up.astype(dtype)


def every_sign(points: int, dtype: jax.typing.DTypeLike = jnp.float32) -> jax.Array:
    """All draws of signs.

    Args:
        points: n, at most 20.
        dtype: of the result.

    Returns:
        [2^n, n], of -1 and 1.

    Raises:
        ValueError: no points, or too many.
    """
    if not 1 <= points <= MOST_POINTS:
        raise ValueError(f"points must be from 1 to {MOST_POINTS}, got {points}")
    bits = jnp.arange(2**points)[:, None] >> jnp.arange(points)[None]  # [2^n, n]
    return 1 - 2 * (bits & 1).astype(dtype)


def finite_supremum(outputs: jax.Array, signs: jax.Array) -> jax.Array:
    """The greatest correlation of one of finitely many functions with the signs.

    Args:
        outputs: of each function at each point, [H, n].
        signs: [n].

    Returns:
        A scalar.

    Raises:
        ValueError: outputs that are not [H, n] for signs [n].
    """
    _check("outputs", outputs, outputs.shape[-1:], signs)
    return (outputs @ signs).max() / len(signs)


def linear_supremum(
    x: jax.Array, signs: jax.Array, radius: float = 1.0, norm: int = 2
) -> jax.Array:
    """The greatest correlation of a linear function w.x with the signs.

    Args:
        x: points, [n, D].
        signs: [n].
        radius: W, the largest norm of w.
        norm: of w: 2, Euclid's, or 1, the sum of absolute values.

    Returns:
        A scalar: W / n times the dual norm of sum_i s_i x_i.

    Raises:
        ValueError: points that are not [n, D] for signs [n]; a norm other than 1 or 2;
            a radius that is not positive.
    """
    _check("x", x, x.shape[:1], signs)
    _check_ball(radius, norm)
    total = signs @ x  # [n], [n, D] -> [D]
    dual = jnp.abs(total).max() if norm == 1 else _length(total, 0)
    return radius * dual / len(signs)


def linear_bound(x: jax.Array, radius: float = 1.0, norm: int = 2) -> jax.Array:
    """What the complexity of linear functions does not exceed.

    Args:
        x: points, [n, D].
        radius: W, the largest norm of w.
        norm: of w, 2 or 1.

    Returns:
        A scalar.

    Raises:
        ValueError: points that are not [n, D]; a norm other than 1 or 2; a radius that
            is not positive.
    """
    if x.ndim != 2:
        raise ValueError(f"x must be points [n, D], got shape {x.shape}")
    _check_ball(radius, norm)
    n, features = x.shape
    if norm == 2:
        return radius * jnp.sqrt((x**2).sum()) / n
    return radius * _length(x, 0).max() * math.sqrt(2 * math.log(2 * features)) / n


def massart_bound(outputs: jax.Array) -> jax.Array:
    """What the complexity of finitely many functions does not exceed.

    Args:
        outputs: of each function at each point, [H, n].

    Returns:
        A scalar.

    Raises:
        ValueError: outputs that are not [H, n].
    """
    if outputs.ndim != 2:
        raise ValueError(f"outputs must be [H, n], got shape {outputs.shape}")
    functions, n = outputs.shape
    return _length(outputs, 1).max() * math.sqrt(2 * math.log(functions)) / n


def supremum_by_ascent(
    apply: Callable[[Any, jax.Array], jax.Array],
    params: Any,
    x: jax.Array,
    signs: jax.Array,
    project: Callable[[Any], Any] = lambda params: params,
    rate: float = 0.1,
    steps: int = 200,
) -> jax.Array:
    """The greatest correlation that ascent finds; no more than the supremum.

    Each step goes along the gradient, by a length that falls from `rate` to 0 whatever
    the gradient's is, and back into the class. The best of all steps counts.

    Args:
        apply: (params, x) -> the function's values at the points, [n].
        params: where to begin. A start at which the gradient is 0 is its end.
        x: points, [n, ...].
        signs: [n].
        project: parameters -> the nearest ones of the class.
        rate: the length of the first step.
        steps: how many.

    Returns:
        A scalar.

    Raises:
        ValueError: `apply` gives no value for each sign; a rate or a number of steps
            that is not positive.
    """
    if not rate > 0:
        raise ValueError(f"rate must be positive, got {rate}")
    if steps < 1:
        raise ValueError(f"steps must be positive, got {steps}")

    def correlation(params):
        outputs = apply(params, x)
        _check("outputs of apply", outputs[None], outputs.shape, signs)
        return outputs @ signs / len(signs)

    def step(carry, length):
        params, best = carry
        value, grads = jax.value_and_grad(correlation)(params)
        squares = sum((g**2).sum() for g in jax.tree.leaves(grads))
        scale = length / jnp.sqrt(jnp.where(squares == 0, 1, squares))
        params = jax.tree.map(lambda p, g: p + scale.astype(p.dtype) * g, params, grads)
        return (project(params), jnp.maximum(best, value)), None

    lengths = rate * (1 - jnp.arange(steps, dtype=signs.dtype) / steps)
    params = project(params)
    (params, best), _ = jax.lax.scan(step, (params, correlation(params)), lengths)
    return jnp.maximum(best, correlation(params))


def generalization_gap(
    complexity: jax.Array, points: int, delta: float = 0.05
) -> jax.Array:
    """How much larger a true loss in [0, 1] may be than the mean over the points.

    Args:
        complexity: R, of the class of losses, [...]. (That of a loss that changes by
            at most c per unit of f is at most c times that of the functions.)
        points: n.
        delta: the probability at which this fails, in (0, 1).

    Returns:
        [...]; above 1 it says nothing.

    Raises:
        ValueError: delta outside (0, 1); no points.
    """
    if not 0 < delta < 1:
        raise ValueError(f"delta must be in (0, 1), got {delta}")
    if points < 1:
        raise ValueError(f"points must be positive, got {points}")
    return 2 * complexity + 3 * math.sqrt(math.log(2 / delta) / (2 * points))


def _length(x, axis):  # Euclid's, with gradient 0 at 0
    squares = (x**2).sum(axis)
    none = squares == 0
    return jnp.where(none, 0, jnp.sqrt(jnp.where(none, 1, squares)))


def _check(name, x, points, signs):
    if x.ndim != 2 or signs.ndim != 1 or points != signs.shape:
        raise ValueError(
            f"{name} must have a value for each of the signs [n], got shapes {x.shape} "
            f"and {signs.shape}"
        )


def _check_ball(radius, norm):
    if norm not in (1, 2):
        raise ValueError(f"norm must be 1 or 2, got {norm!r}")
    if not radius > 0:
        raise ValueError(f"radius must be positive, got {radius}")
