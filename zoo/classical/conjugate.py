"""Conjugate pairs: beta with binomial, Dirichlet with multinomial counts.

    prior      p ~ Beta(a, b)                      theta ~ Dirichlet(alpha)
    data       s successes, f failures             counts n_k, their sum n
    posterior  Beta(a + s, b + f)                  Dirichlet(alpha + n)
    predictive (a + s) / (a + b + s + f)           (alpha_k + n_k) / (sum alpha + n)

    marginal of a sequence with these counts (in one order)
               B(a + s, b + f) / B(a, b)           B(alpha + n) / B(alpha)
    B(alpha) = prod_k Gamma(alpha_k) / Gamma(sum alpha)

    marginal of the counts (in any order): that times n! / prod_k n_k!

The predictive is the posterior's expectation, and the marginal of a sequence is the
product of the predictives one by one, whatever the order: tested. Beta is the Dirichlet
of two. These are what latent Dirichlet allocation is built of.

All is in logarithms. The logarithm of Gamma at 1e5 is 1e6, of which float32 knows 0.1;
a marginal of so many counts is a small difference of such, so compute it in float64
where digits matter.

Shapes: ... any leading axes, which broadcast; K categories, the last axis.

References:
    Raiffa and Schlaifer, "Applied statistical decision theory", Harvard, 1961
    Minka, "Estimating a Dirichlet distribution", 2000,
    https://tminka.github.io/papers/dirichlet/
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import gammaln

from zoo.classical import checks


class Beta(NamedTuple):
    a: jax.Array  # > 0, [...]
    b: jax.Array  # > 0, [...]


def beta_posterior(prior: Beta, successes: jax.Array, failures: jax.Array) -> Beta:
    """Beta(a + s, b + f).

    Args:
        prior: of the probability of success.
        successes: s, >= 0, [...].
        failures: f, >= 0, [...].

    Raises:
        ValueError: a or b not above 0; a count below 0.
    """
    a, b = _positive("prior.a", prior.a), _positive("prior.b", prior.b)
    s = _counts("successes", successes, a.dtype)
    f = _counts("failures", failures, a.dtype)
    return Beta(a=a + s, b=b + f)


def beta_mean(beta: Beta) -> jax.Array:
    """The expectation a / (a + b), which is the predictive probability of a success."""
    a, b = _positive("beta.a", beta.a), _positive("beta.b", beta.b)
    return a / (a + b)


def beta_binomial(prior: Beta, successes: jax.Array, failures: jax.Array) -> jax.Array:
    """log of the marginal probability of so many successes, in any order.

    Args:
        prior: of the probability of success.
        successes: s, >= 0, [...].
        failures: f, >= 0, [...].

    Returns:
        In nats, [...].

    Raises:
        ValueError: as `beta_posterior`.
    """
    a, b = _positive("prior.a", prior.a), _positive("prior.b", prior.b)
    s = _counts("successes", successes, a.dtype)
    f = _counts("failures", failures, a.dtype)
    # Not by jax.scipy.special.betaln, which in float64 is off by 1e-7.
    pair = lambda x, y: jnp.stack(jnp.broadcast_arrays(x, y), -1)
    return dirichlet_multinomial(pair(a, b), pair(s, f))


def dirichlet_posterior(alpha: jax.Array, counts: jax.Array) -> jax.Array:
    """Dirichlet(alpha + n).

    Args:
        alpha: of the prior, > 0, [..., K].
        counts: n, >= 0, [..., K].

    Returns:
        The posterior's alpha, [..., K].

    Raises:
        ValueError: an alpha not above 0; a count below 0; last axes that differ.
    """
    alpha, counts = _pair(alpha, counts)
    return alpha + counts


def dirichlet_mean(alpha: jax.Array) -> jax.Array:
    """The expectation alpha / sum alpha, which is the predictive: [..., K]."""
    alpha = _positive("alpha", alpha)
    return alpha / alpha.sum(-1, keepdims=True)


def dirichlet_sequence(alpha: jax.Array, counts: jax.Array) -> jax.Array:
    """log of the marginal probability of a sequence with these counts.

    Args:
        alpha: of the prior, > 0, [..., K].
        counts: n, >= 0, [..., K].

    Returns:
        In nats, [...].

    Raises:
        ValueError: as `dirichlet_posterior`.
    """
    alpha, counts = _pair(alpha, counts)
    terms = (gammaln(alpha + counts) - gammaln(alpha)).sum(-1)
    total = alpha.sum(-1)
    return terms + gammaln(total) - gammaln(total + counts.sum(-1))


def dirichlet_multinomial(alpha: jax.Array, counts: jax.Array) -> jax.Array:
    """log of the marginal probability of these counts, in any order.

    Args:
        alpha: of the prior, > 0, [..., K].
        counts: n, >= 0, [..., K].

    Returns:
        In nats, [...].

    Raises:
        ValueError: as `dirichlet_posterior`.
    """
    alpha, counts = _pair(alpha, counts)
    orders = gammaln(counts.sum(-1) + 1) - gammaln(counts + 1).sum(-1)
    return orders + dirichlet_sequence(alpha, counts)


def _pair(alpha, counts):
    """Both [..., K], of one rank and dtype."""
    alpha = _positive("alpha", alpha)
    counts = _counts("counts", counts, alpha.dtype)
    if not alpha.ndim or not counts.ndim or alpha.shape[-1] != counts.shape[-1]:
        raise ValueError(
            "alpha and counts must be [..., K] with the same K, got "
            f"{list(alpha.shape)} and {list(counts.shape)}"
        )
    rank = max(alpha.ndim, counts.ndim)
    as_rank = lambda a: a.reshape((1,) * (rank - a.ndim) + a.shape)
    return as_rank(alpha), as_rank(counts)


def _positive(name, values):
    values = checks.finite(name, values)
    if not isinstance(values, jax.core.Tracer) and not (np.asarray(values) > 0).all():
        raise ValueError(f"{name} must be above 0, got {np.asarray(values).min()}")
    return values


def _counts(name, values, dtype):
    values = checks.finite(name, values).astype(dtype)
    if not isinstance(values, jax.core.Tracer) and not (np.asarray(values) >= 0).all():
        raise ValueError(f"{name} must be 0 or more, got {np.asarray(values).min()}")
    return values
