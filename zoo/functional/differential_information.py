"""Information, in nats or bits, of densities: in closed form and by quadrature.

    h(p)    = -integral p log p
    h(p, q) = -integral p log q
    D(p, q) = integral p log(p / q)

Unlike the entropy of values that can be counted, h may be negative, and it changes
with the unit of x: h(a x) = h(x) + log |a|. D and mutual information do not. For
normal distributions

    h = log det(2 pi e S) / 2
    D = (tr(S_q^-1 S_p) + m' S_q^-1 m - D + log(det S_q / det S_p)) / 2,  m = m_q - m_p
    I = log(det S_xx det S_yy / det S) / 2

and for others of one variable the integrals are taken by Gauss and Legendre's rule of
16 points in each of many panels, exact to rounding for smooth densities whose tails
end within the interval. A density with a jump wants the jump at the border of a panel.

Shapes: D variables.

References:
    Cover and Thomas, "Elements of Information Theory", Wiley 2006, chapter 8
"""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from zoo.functional.information import log_base

NODES = 16  # of a panel


def gaussian_entropy(covariance: jax.Array, base: float = math.e) -> jax.Array:
    """Entropy of a normal distribution; no other of this covariance has more.

    Args:
        covariance: [..., D, D], positive definite.
        base: of the logarithm.

    Returns:
        [...]; NaN where the covariance is not positive definite.

    Raises:
        ValueError: a covariance that is not square; a base that is not above 1.
    """
    size = _size("covariance", covariance)
    constant = size * math.log(2 * math.pi * math.e)
    return (constant + _log_det(jnp.linalg.cholesky(covariance))) / (2 * log_base(base))


def gaussian_relative_entropy(
    mean_p: jax.Array,
    covariance_p: jax.Array,
    mean_q: jax.Array,
    covariance_q: jax.Array,
    base: float = math.e,
) -> jax.Array:
    """Relative entropy D(p, q) of two normal distributions.

    Args:
        mean_p: [..., D].
        covariance_p: [..., D, D], positive definite.
        mean_q: [..., D].
        covariance_q: [..., D, D], positive definite.
        base: of the logarithm.

    Returns:
        [...], >= 0; NaN where a covariance is not positive definite.

    Raises:
        ValueError: shapes that differ; a base that is not above 1.
    """
    size = _size("covariance_p", covariance_p)
    if not (
        mean_p.shape == mean_q.shape == covariance_p.shape[:-1]
        and covariance_p.shape == covariance_q.shape
    ):
        raise ValueError(
            "means must be [..., D] and covariances [..., D, D], got "
            f"{mean_p.shape}, {covariance_p.shape}, {mean_q.shape} and "
            f"{covariance_q.shape}"
        )
    # With S = L L' and both divided by L_q, what is left are sums of squares.
    low_p, low_q = jnp.linalg.cholesky(covariance_p), jnp.linalg.cholesky(covariance_q)
    both = jnp.concatenate([low_p, (mean_q - mean_p)[..., None]], -1)  # [..., D, D + 1]
    squares = jax.scipy.linalg.solve_triangular(low_q, both, lower=True) ** 2
    logs = _log_det(low_q) - _log_det(low_p)
    return (squares.sum((-2, -1)) - size + logs) / (2 * log_base(base))


def gaussian_mutual_information(
    covariance: jax.Array, split: int, base: float = math.e
) -> jax.Array:
    """What the first variables of a normal distribution tell of the others.

    Args:
        covariance: of all of them, [..., D, D], positive definite.
        split: how many are the first, 1 to D - 1.
        base: of the logarithm.

    Returns:
        [...], >= 0; of two variables with correlation r it is -log(1 - r^2) / 2.

    Raises:
        ValueError: a covariance that is not square; a split that leaves none; a base
            that is not above 1.
    """
    size = _size("covariance", covariance)
    if not 0 < split < size:
        raise ValueError(f"split must be from 1 to {size - 1}, got {split}")
    blocks = covariance[..., :split, :split], covariance[..., split:, split:]
    x, y, both = (_log_det(jnp.linalg.cholesky(s)) for s in (*blocks, covariance))
    return (x + y - both) / (2 * log_base(base))


def differential_entropy(
    log_p: Callable[[jax.Array], jax.Array],
    low: jax.Array,
    high: jax.Array,
    base: float = math.e,
    panels: int = 64,
) -> jax.Array:
    """Entropy of a density of one variable, by quadrature.

    Args:
        log_p: the density's logarithm, elementwise; minus infinity is allowed.
        low: where the interval begins, a scalar.
        high: where it ends.
        base: of the logarithm.
        panels: parts of the interval.

    Returns:
        A scalar.

    Raises:
        ValueError: a base that is not above 1; panels that are not positive.
    """
    return differential_cross_entropy(log_p, log_p, low, high, base, panels)


def differential_cross_entropy(
    log_p: Callable[[jax.Array], jax.Array],
    log_q: Callable[[jax.Array], jax.Array],
    low: jax.Array,
    high: jax.Array,
    base: float = math.e,
    panels: int = 64,
) -> jax.Array:
    """Cross-entropy of two densities of one variable, by quadrature.

    Args:
        log_p: the logarithm of the density from which the values are, elementwise.
        log_q: that of the density that is believed in.
        low: where the interval begins, a scalar.
        high: where it ends.
        base: of the logarithm.
        panels: parts of the interval.

    Returns:
        A scalar.

    Raises:
        ValueError: a base that is not above 1; panels that are not positive.
    """
    x, w = _nodes(low, high, panels)
    return -_expectation(log_p(x), log_q(x), w) / log_base(base)


def differential_relative_entropy(
    log_p: Callable[[jax.Array], jax.Array],
    log_q: Callable[[jax.Array], jax.Array],
    low: jax.Array,
    high: jax.Array,
    base: float = math.e,
    panels: int = 64,
) -> jax.Array:
    """Relative entropy of two densities of one variable, by quadrature.

    Args:
        log_p: the logarithm of the density from which the values are, elementwise.
        log_q: that of the density that is believed in.
        low: where the interval begins, a scalar.
        high: where it ends.
        base: of the logarithm.
        panels: parts of the interval.

    Returns:
        A scalar.

    Raises:
        ValueError: a base that is not above 1; panels that are not positive.
    """
    x, w = _nodes(low, high, panels)
    p, q = log_p(x), log_q(x)
    return _expectation(p, p - q, w) / log_base(base)


def _nodes(low, high, panels):  # [panels NODES] of points, and of weights
    if panels < 1:
        raise ValueError(f"panels must be positive, got {panels}")
    x, w = np.polynomial.legendre.leggauss(NODES)
    starts = np.arange(panels)[:, None]
    low, high = jnp.asarray(low), jnp.asarray(high)
    if not jnp.issubdtype(low.dtype, jnp.floating):
        low = low.astype(jnp.float32)
    unit = jnp.asarray(((starts + (x + 1) / 2) / panels).ravel(), low.dtype)
    weights = jnp.asarray(np.tile(w / (2 * panels), panels), low.dtype)
    width = high.astype(low.dtype) - low
    return low + width * unit, width * weights


def _expectation(log_p, values, weights):
    """The integral of p times values, which is 0 where p is, also in its gradient."""
    never = log_p == -jnp.inf
    p = jnp.exp(jnp.where(never, 0, log_p))
    return (jnp.where(never, 0, p * jnp.where(never, 0, values)) * weights).sum()


def _log_det(cholesky):  # of L L'
    return 2 * jnp.log(jnp.diagonal(cholesky, axis1=-2, axis2=-1)).sum(-1)


def _size(name, covariance):
    shape = covariance.shape
    if len(shape) < 2 or shape[-1] != shape[-2]:
        raise ValueError(f"{name} must be [..., D, D], got shape {shape}")
    return shape[-1]
