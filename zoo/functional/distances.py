"""Distances of two vectors.

    Minkowski          (sum_i |x_i - y_i|^p)^(1/p)     p = 1 Manhattan, 2 Euclidean
    Chebyshev          max_i |x_i - y_i|               its limit, p = infinity
    cosine             1 - <x, y> / (|x| |y|)
    Pearson            the cosine distance of x - mean x and y - mean y
    Hamming            the share of i with x_i != y_i
    Mahalanobis        ((x - y)' S^-1 (x - y))^(1/2)
    Kullback-Leibler   sum_i p_i log(p_i / q_i): `relative_entropy` in information.py

Metrics are Minkowski for p >= 1, Chebyshev, Euclidean, Hamming and Mahalanobis: they
are 0 for equal vectors only, symmetric, and no detour is shorter. The others are not:
Minkowski for p < 1 and the squared Euclidean distance fail the triangle inequality;
cosine and Pearson that and the first (x and 2 x are at distance 0); Kullback-Leibler
is not symmetric.

Where x = y the Euclidean distance, and with it every Minkowski distance, has a kink;
the gradient there is 0, which is a subgradient, and not NaN. All are functions of two
vectors, for `jax.vmap`; `pairs.py` has them between sets.

Shapes: D features.

References:
    Deza and Deza, "Encyclopedia of Distances", Springer 2009,
    https://doi.org/10.1007/978-3-642-00234-2
    Mahalanobis, "On the generalised distance in statistics", Proceedings of the
    National Institute of Sciences of India 2, 1936
"""

import math

import jax
import jax.numpy as jnp


def lp_norm(x: jax.Array, p: float = 2.0, axis: int | tuple[int, ...] = -1):
    """The p-norm (sum |x_i|^p)^(1/p) along axes; for p < 1 it is not a norm.

    Its derivative is sign(x_i) (|x_i| / norm)^(p - 1), at 0 taken as 0. Neither
    overflows: the vector is divided by its maximum first.

    Args:
        x: numbers, any shape.
        p: order, > 0; infinity is the maximum.
        axis: axes that are summed over.

    Returns:
        x's shape without the axes.

    Raises:
        ValueError: p is not a number > 0.
    """
    if not isinstance(p, int | float) or not p > 0:
        raise ValueError(f"p must be a number > 0, or infinity, got {p!r}")
    x = real(x)
    size = x * jax.lax.stop_gradient(jnp.sign(x))  # |x|, with slope 0 at 0
    if p == math.inf:
        return size.max(axis)
    if p == 1:
        return size.sum(axis)
    p = int(p) if float(p).is_integer() else p  # whole powers are products
    top = jax.lax.stop_gradient(size.max(axis, keepdims=True))
    scale = jnp.where((top > 0) & (top < math.inf), top, 1)
    # The inner `where` keeps the infinite slopes at 0 out of the gradient.
    some = size != 0
    terms = jnp.where(some, (jnp.where(some, size, scale) / scale) ** p, 0)
    total = terms.sum(axis, keepdims=True)
    some = total != 0
    root = jnp.where(some, jnp.where(some, total, 1) ** (1 / p), 0)
    return jnp.squeeze(scale * root, axis)


def minkowski_distance(x: jax.Array, y: jax.Array, p: float = 2.0) -> jax.Array:
    """(sum |x_i - y_i|^p)^(1/p).

    Args:
        x: [D].
        y: [D].
        p: order, > 0; a metric from 1 on. Infinity is `chebyshev_distance`.

    Returns:
        A scalar.

    Raises:
        ValueError: vectors that are not [D] both, or p not > 0.
    """
    x, y = _vectors(x, y)
    return lp_norm(x - y, p)


def euclidean_distance(x: jax.Array, y: jax.Array) -> jax.Array:
    """(sum (x_i - y_i)^2)^(1/2).

    Args:
        x: [D].
        y: [D].

    Returns:
        A scalar.

    Raises:
        ValueError: vectors that are not [D] both.
    """
    return minkowski_distance(x, y, 2)


def squared_euclidean(x: jax.Array, y: jax.Array) -> jax.Array:
    """sum (x_i - y_i)^2; smooth, and not a metric.

    Args:
        x: [D].
        y: [D].

    Returns:
        A scalar.

    Raises:
        ValueError: vectors that are not [D] both.
    """
    x, y = _vectors(x, y)
    return jnp.square(x - y).sum()


def chebyshev_distance(x: jax.Array, y: jax.Array) -> jax.Array:
    """max |x_i - y_i|.

    Args:
        x: [D].
        y: [D].

    Returns:
        A scalar. Where several differences are the largest, they share the gradient.

    Raises:
        ValueError: vectors that are not [D] both.
    """
    return minkowski_distance(x, y, math.inf)


def cosine_distance(x: jax.Array, y: jax.Array) -> jax.Array:
    """1 - <x, y> / (|x| |y|), computed as |x / |x| - y / |y||^2 / 2.

    The second form is never negative and keeps its digits for vectors that are almost
    parallel.

    Args:
        x: [D].
        y: [D].

    Returns:
        A scalar in [0, 2]. A zero vector has no direction: it is at distance 1 from
        all, as in scikit-learn (SciPy: NaN), with gradient 0.

    Raises:
        ValueError: vectors that are not [D] both.
    """
    x, y = _vectors(x, y)
    both = (x != 0).any() & (y != 0).any()
    return jnp.where(both, jnp.square(unit(x) - unit(y)).sum() / 2, 1)


def pearson_distance(x: jax.Array, y: jax.Array) -> jax.Array:
    """1 - the correlation of x and y: the cosine distance of the centred vectors.

    Args:
        x: [D].
        y: [D].

    Returns:
        A scalar in [0, 2]; 1 where x or y is constant (SciPy: NaN).

    Raises:
        ValueError: vectors that are not [D] both.
    """
    x, y = _vectors(x, y)
    return cosine_distance(centred(x), centred(y))


def hamming_distance(x: jax.Array, y: jax.Array) -> jax.Array:
    """The share of coordinates that differ; its gradient is 0.

    Args:
        x: [D], of any type.
        y: [D].

    Returns:
        A scalar in [0, 1].

    Raises:
        ValueError: vectors that are not [D] both.
    """
    _vectors(x, y)
    return jnp.mean(x != y, dtype=real(x).dtype)


def mahalanobis_distance(
    x: jax.Array, y: jax.Array, covariance: jax.Array
) -> jax.Array:
    """((x - y)' S^-1 (x - y))^(1/2): the Euclidean one of the coordinates below.

    Args:
        x: [D].
        y: [D].
        covariance: S, positive definite, [D, D]; else the result is NaN. (SciPy asks
            for its inverse.)

    Returns:
        A scalar.

    Raises:
        ValueError: vectors that are not [D] both, or S that is not [D, D].
    """
    x, y = _vectors(x, y)
    return lp_norm(mahalanobis_coordinates(x - y, covariance), 2)


def mahalanobis_coordinates(x: jax.Array, covariance: jax.Array) -> jax.Array:
    """L^-1 x with L L' = S: Euclidean distances of these are Mahalanobis distances.

    Args:
        x: [..., D].
        covariance: S, positive definite, [D, D]; else the result is NaN.

    Returns:
        [..., D].

    Raises:
        ValueError: S that is not [D, D].
    """
    d = x.shape[-1]
    if covariance.shape != (d, d):
        raise ValueError(
            f"covariance must be [{d}, {d}] for {d} features, got {covariance.shape}"
        )
    root = jnp.linalg.cholesky(covariance)
    rows = x.reshape(-1, d)  # [..., D] -> [N, D]
    white = jax.scipy.linalg.solve_triangular(root, rows.T, lower=True)
    return white.T.reshape(x.shape)


def unit(x: jax.Array) -> jax.Array:
    """x / |x| along the last axis; 0, with gradient 0, for x = 0. [..., D]."""
    some = (x != 0).any(-1, keepdims=True)
    x = jnp.where(some, x, 1)
    return jnp.where(some, x / lp_norm(x)[..., None], 0)


def centred(x: jax.Array) -> jax.Array:
    """x - mean x along the last axis; exactly 0 for a constant x. [..., D]."""
    constant = (x == x[..., :1]).all(-1, keepdims=True)
    return jnp.where(constant, 0, x - x.mean(-1, keepdims=True))


def real(x: jax.Array) -> jax.Array:
    """Floats as they are, integers and booleans as float32."""
    x = jnp.asarray(x)
    return x if jnp.issubdtype(x.dtype, jnp.floating) else x.astype(jnp.float32)


def _vectors(x, y):
    if jnp.ndim(x) != 1 or jnp.shape(x) != jnp.shape(y):
        raise ValueError(
            f"both vectors must be [D], got {jnp.shape(x)} and {jnp.shape(y)}"
        )
    return real(x), real(y)
