"""Several Gaussians at once: their densities, and their estimates from soft counts.

    log N(x | mu, Sigma) = -1/2 ( D log 2 pi + log |Sigma| + |L^-1 (x - mu)|^2 )
    Sigma = L L^T                               L lower triangular (Cholesky)

    N_k = sum_n r_nk        mu_k = sum_n r_nk x_n / N_k
    S_k = sum_n r_nk (x_n - mu_k)(x_n - mu_k)^T / N_k

    form       Sigma_k                        kept as      numbers
    full       S_k                            [K, D, D]    K D (D + 1) / 2
    tied       sum_k N_k S_k / N, for all k   [1, D, D]    D (D + 1) / 2
    diagonal   the diagonal of S_k            [K, D]       K D
    spherical  the mean of that diagonal      [K, 1]       K

The shape of the covariances tells all that a density needs. Differences from the mean
are taken before they are squared, one Gaussian after the other: nothing cancels where
the features have large values, and no [N, K, D] is held.

Shapes: N examples, D features, K Gaussians.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

FORMS = ("spherical", "diagonal", "tied", "full")


class Gaussians(NamedTuple):
    counts: jax.Array  # N_k, [K]
    means: jax.Array  # [K, D]
    covariances: jax.Array  # [K, D, D], [1, D, D], [K, D] or [K, 1]


@jax.jit
def log_densities(
    x: jax.Array, means: jax.Array, covariances: jax.Array
) -> jax.Array:  # [N, D] -> [N, K]
    """log N(x_n | mu_k, Sigma_k); NaN where a Sigma_k is not positive definite.

    Args:
        x: [N, D].
        means: [K, D].
        covariances: of one of the forms.
    """
    k, d = means.shape
    if covariances.ndim == 2:
        scales = jnp.broadcast_to(1 / jnp.sqrt(covariances), (k, d))
        logs = jnp.log(scales).sum(1)  # -1/2 log |Sigma|, [K]
        away = lambda mean, scale: (x - mean[None]) * scale[None]
    else:
        factors = jnp.linalg.cholesky(covariances)
        identity = jnp.broadcast_to(jnp.eye(d, dtype=x.dtype), factors.shape)
        solve = jax.scipy.linalg.solve_triangular
        scales = jnp.broadcast_to(solve(factors, identity, lower=True), (k, d, d))
        diagonals = jnp.diagonal(factors, axis1=1, axis2=2)
        logs = jnp.broadcast_to(-jnp.log(diagonals).sum(1), (k,))
        away = lambda mean, scale: _product(x - mean[None], scale.T)
    square = lambda one: jnp.sum(away(*one) ** 2, axis=1)  # [N]
    squares = jax.lax.map(square, (means, scales))  # [K, N]
    return logs[None] - (d * math.log(2 * math.pi) + squares.T) / 2


def estimate(
    x: jax.Array,
    parts: jax.Array,
    form: str,
    floor: float | jax.Array = 0.0,
    old: Gaussians | None = None,
    total: Callable[[Any], Any] = lambda tree: tree,
) -> Gaussians:
    """The likeliest Gaussians, given how far each example belongs to each.

    Args:
        x: [N, D].
        parts: r, >= 0, [N, K].
        form: one of `FORMS`.
        floor: added to each variance.
        old: kept for those to which nothing belongs; None makes them standard normal.
        total: sums over devices.
    """
    k, d = parts.shape[1], x.shape[1]
    counts = total(parts.sum(0))
    some = counts > 10 * jnp.finfo(x.dtype).eps
    divisor = jnp.where(some, counts, 1)
    kept = jnp.zeros((k, d), x.dtype) if old is None else old.means
    means = total(_product(parts.T, x)) / divisor[:, None]
    means = jnp.where(some[:, None], means, kept)

    def scatter(one):
        mean, r = one
        away = x - mean[None]
        if form in ("full", "tied"):
            return _product((away * r[:, None]).T, away)  # [D, D]
        return _product(r, away**2)  # [D]

    scatters = jax.lax.map(scatter, (means, parts.T))
    if form == "tied":
        every = jnp.maximum(counts.sum(), jnp.finfo(x.dtype).tiny)
        return Gaussians(
            counts, means, (total(scatters.sum(0)) / every + floor * _eye(x))[None]
        )
    extra = divisor.reshape((k,) + (1,) * (scatters.ndim - 1))
    covariances = total(scatters) / extra
    if form == "full":
        covariances += floor * _eye(x)[None]
    else:
        if form == "spherical":
            covariances = covariances.mean(1, keepdims=True)  # [K, D] -> [K, 1]
        covariances += floor
    kept = common(form, jnp.ones(d, x.dtype), k) if old is None else old.covariances
    some = some.reshape(extra.shape)
    return Gaussians(counts, means, jnp.where(some, covariances, kept))


def common(form: str, variances: jax.Array, count: int) -> jax.Array:
    """The same covariance K times: [D] variances, as the form keeps them."""
    d = len(variances)
    if form in ("full", "tied"):
        count = 1 if form == "tied" else count
        return jnp.broadcast_to(jnp.diag(variances), (count, d, d))
    if form == "spherical":
        return jnp.broadcast_to(variances.mean(), (count, 1))
    return jnp.broadcast_to(variances, (count, d))


@jax.jit
def draw(
    key: jax.Array, means: jax.Array, covariances: jax.Array, part: jax.Array
) -> jax.Array:
    """An example of each Gaussian that is named: int [N] -> [N, D]."""
    k, d = means.shape
    z = jax.random.normal(key, (len(part), d), means.dtype)
    if covariances.ndim == 2:
        spread = jnp.broadcast_to(jnp.sqrt(covariances), (k, d))[part] * z
        return means[part] + spread
    factors = jnp.broadcast_to(jnp.linalg.cholesky(covariances), (k, d, d))

    def add(spread, one):
        j, factor = one
        mine = (part == j)[:, None]
        return jnp.where(mine, _product(z, factor.T), spread), None

    spread, _ = jax.lax.scan(add, z, (jnp.arange(k), factors))
    return means[part] + spread


def numbers(covariances: jax.Array) -> int:
    """How many numbers the covariances hold, each symmetric one counted once."""
    if covariances.ndim == 2:
        return math.prod(covariances.shape)
    d = covariances.shape[-1]
    return len(covariances) * d * (d + 1) // 2


def _product(a, b):
    return jnp.matmul(a, b, precision="highest")


def _eye(x):
    return jnp.eye(x.shape[1], dtype=x.dtype)
