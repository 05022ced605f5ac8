"""Information of densities: closed forms, changes of unit, quadrature."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate
import scipy.stats

import zoo.functional as F

rng = np.random.default_rng(0)
A, B = rng.normal(size=(2, 3, 3))
S, T = A @ A.T + np.eye(3), B @ B.T + np.eye(3)  # covariances
M, N = rng.normal(size=(2, 3))
LOG_NORMAL = jax.scipy.stats.norm.logpdf


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


def test_entropy_of_normal_distributions_is_scipys():
    theirs = scipy.stats.multivariate_normal(M, S).entropy()
    np.testing.assert_allclose(F.gaussian_entropy(jnp.array(S)), theirs, rtol=1e-12)
    bits = F.gaussian_entropy(jnp.array([[4.0]]), base=2)
    np.testing.assert_allclose(bits, 2.0470955851 + 1, rtol=1e-9)  # log2(2 pi e) / 2


def test_entropy_grows_by_the_log_of_the_scale():
    grown = F.gaussian_entropy(jnp.array(A @ S @ A.T)) - F.gaussian_entropy(
        jnp.array(S)
    )
    np.testing.assert_allclose(grown, np.log(abs(np.linalg.det(A))), rtol=1e-10)


def by_the_formula(m, s, n, t):
    inverse, d = np.linalg.inv(t), n - m
    logs = np.log(np.linalg.det(t) / np.linalg.det(s))
    return (np.trace(inverse @ s) + d @ inverse @ d - len(m) + logs) / 2


def test_relative_entropy_of_normal_distributions():
    m, n, s, t = map(jnp.array, (M, N, S, T))
    ours = F.gaussian_relative_entropy(m, s, n, t)
    np.testing.assert_allclose(ours, by_the_formula(M, S, N, T), rtol=1e-12)
    back = F.gaussian_relative_entropy(n, t, m, s)
    assert abs(ours - back) > 0.1
    np.testing.assert_allclose(F.gaussian_relative_entropy(m, s, m, s), 0, atol=1e-14)
    # One map for both changes nothing, unlike for the entropy.
    a = jnp.array(A)
    moved = F.gaussian_relative_entropy(a @ m + 1, a @ s @ a.T, a @ n + 1, a @ t @ a.T)
    np.testing.assert_allclose(moved, ours, rtol=1e-9)
    nats = math.log(2) * F.gaussian_relative_entropy(m, s, n, t, base=2)
    np.testing.assert_allclose(nats, ours, rtol=1e-12)


def test_mutual_information_of_normal_variables():
    for r in (0.0, 0.6, -0.9):
        ours = F.gaussian_mutual_information(jnp.array([[4, 2 * r], [2 * r, 1]]), 1)
        np.testing.assert_allclose(ours, -np.log(1 - r**2) / 2, atol=1e-14)
    ours = F.gaussian_mutual_information(jnp.array(S), 2)
    product = jnp.array(S).at[:2, 2:].set(0).at[2:, :2].set(0)
    zero = jnp.zeros(3)
    relative = F.gaussian_relative_entropy(zero, jnp.array(S), zero, product)
    np.testing.assert_allclose(ours, relative, rtol=1e-12)


def test_quadrature_gives_the_closed_forms():
    p = lambda x: LOG_NORMAL(x, 0.5, 1.5)
    q = lambda x: LOG_NORMAL(x, -1.0, 2.0)
    low, high = jnp.float64(-24), jnp.float64(24)
    cov = lambda s: jnp.array([[s**2]])
    entropy = F.gaussian_entropy(cov(1.5))
    relative = F.gaussian_relative_entropy(
        jnp.array([0.5]), cov(1.5), jnp.array([-1.0]), cov(2.0)
    )
    ours = jax.jit(lambda: (
        F.differential_entropy(p, low, high),
        F.differential_relative_entropy(p, q, low, high),
        F.differential_cross_entropy(p, q, low, high),
    ))()  # fmt: skip
    np.testing.assert_allclose(ours, [entropy, relative, entropy + relative], 1e-12)


def test_quadrature_gives_scipys_integral_of_a_mixture():
    """Which has no closed form."""

    def density(x, xp):
        bell = lambda m, s: (
            xp.exp(-(((x - m) / s) ** 2) / 2) / (s * math.sqrt(2 * math.pi))
        )
        return (0.3 * bell(-2, 0.5) + 0.7 * bell(1, 1.2)) / math.sqrt(2 * math.pi)

    theirs, _ = scipy.integrate.quad(
        lambda x: -density(x, np) * np.log(density(x, np)), -12, 12, epsabs=1e-13
    )
    log_p = lambda x: jnp.log(density(x, jnp))
    ours = F.differential_entropy(log_p, jnp.float64(-12), jnp.float64(12))
    np.testing.assert_allclose(ours, theirs, rtol=1e-11)


def test_where_a_density_ends():
    """Uniform on [0, 2] within [-1, 3]: h = log 2; on [0, 1/2] it is below 0."""
    zero, top = jnp.float64(-1), jnp.float64(3)
    uniform = lambda width: (
        lambda x: jnp.where((x > 0) & (x < width), -jnp.log(width), -jnp.inf)
    )
    ours = F.differential_entropy(uniform(2.0), zero, top)
    np.testing.assert_allclose(ours, math.log(2), rtol=1e-12)
    ours = F.differential_entropy(uniform(0.5), zero, top, base=2)
    np.testing.assert_allclose(ours, -1, rtol=1e-12)
    inside = F.differential_relative_entropy(uniform(0.5), uniform(2.0), zero, top)
    np.testing.assert_allclose(inside, math.log(4), rtol=1e-12)
    assert (
        F.differential_relative_entropy(uniform(2.0), uniform(0.5), zero, top) == np.inf
    )


def test_refuses():
    eye = jnp.eye(2)
    with pytest.raises(ValueError, match="covariance must be"):
        F.gaussian_entropy(jnp.ones((2, 3)))
    with pytest.raises(ValueError, match="means must be"):
        F.gaussian_relative_entropy(jnp.zeros(3), eye, jnp.zeros(2), eye)
    with pytest.raises(ValueError, match="split must be from 1 to 1, got 2"):
        F.gaussian_mutual_information(eye, 2)
    with pytest.raises(ValueError, match="panels must be positive, got 0"):
        F.differential_entropy(LOG_NORMAL, jnp.float64(0), jnp.float64(1), panels=0)
    with pytest.raises(ValueError, match="base must be above 1"):
        F.gaussian_entropy(eye, base=0.5)
