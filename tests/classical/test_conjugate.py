"""Conjugate pairs: SciPy's numbers, identities, sampling, limits, bad input."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, stats
from scipy.special import gammaln

from zoo.classical import conjugate
from zoo.classical.conjugate import Beta


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


def dirichlet_case(seed=0, shape=(3, 5)):
    rng = np.random.default_rng(seed)
    return rng.gamma(1.0, size=shape) + 0.05, rng.integers(0, 9, shape)


def test_beta_against_scipy():
    s, f = np.array([0, 3, 7, 40]), np.array([0, 5, 0, 2])
    prior = Beta(0.7, 2.5)
    posterior = conjugate.beta_posterior(prior, s, f)
    np.testing.assert_allclose(posterior.a, 0.7 + s, rtol=1e-14)
    np.testing.assert_allclose(posterior.b, 2.5 + f, rtol=1e-14)
    expected = stats.beta(0.7 + s, 2.5 + f).mean()
    np.testing.assert_allclose(conjugate.beta_mean(posterior), expected, rtol=1e-13)
    expected = stats.betabinom.logpmf(s, s + f, 0.7, 2.5)
    found = conjugate.beta_binomial(prior, s, f)
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)


def test_bayes_by_quadrature():
    """The posterior is prior times likelihood over the marginal, at each p."""
    prior, s, f = stats.beta(0.8, 1.7), 4, 2
    likelihood = lambda p: stats.binom.pmf(s, s + f, p)
    marginal = integrate.quad(lambda p: prior.pdf(p) * likelihood(p), 0, 1)[0]
    found = conjugate.beta_binomial(Beta(0.8, 1.7), s, f)
    np.testing.assert_allclose(found, np.log(marginal), rtol=1e-8)
    after = conjugate.beta_posterior(Beta(0.8, 1.7), s, f)
    p = np.linspace(0.05, 0.95, 7)
    expected = prior.pdf(p) * likelihood(p) / marginal
    np.testing.assert_allclose(stats.beta(*after).pdf(p), expected, rtol=1e-8)


def test_dirichlet_against_scipy():
    alpha, n = dirichlet_case()
    posterior = conjugate.dirichlet_posterior(alpha, n)
    np.testing.assert_allclose(posterior, alpha + n, rtol=1e-14)
    means = [stats.dirichlet(row).mean() for row in alpha + n]
    found = conjugate.dirichlet_mean(posterior)
    np.testing.assert_allclose(found, means, rtol=1e-13)
    expected = [
        stats.dirichlet_multinomial.logpmf(x, a, x.sum())
        for x, a in zip(n, alpha, strict=True)
    ]
    found = conjugate.dirichlet_multinomial(alpha, n)
    np.testing.assert_allclose(found, expected, rtol=1e-10)
    orders = gammaln(n.sum(1) + 1) - gammaln(n + 1).sum(1)
    found = conjugate.dirichlet_sequence(alpha, n)
    np.testing.assert_allclose(found, expected - orders, rtol=1e-10)


def test_a_sequence_is_its_predictives_one_by_one():
    """In any order."""
    alpha = np.array([0.3, 1.2, 0.5])
    for order in ([0, 2, 2, 1, 0], [2, 0, 0, 1, 2]):
        counts, value = np.zeros(3), 0.0
        for k in order:
            after = conjugate.dirichlet_posterior(alpha, counts)
            value += np.log(conjugate.dirichlet_mean(after)[k])
            counts[k] += 1
        found = conjugate.dirichlet_sequence(alpha, counts)
        np.testing.assert_allclose(found, value, rtol=1e-12)


def test_beta_is_the_dirichlet_of_two():
    s, f = np.array([2, 0, 11]), np.array([1, 4, 6])
    both = conjugate.dirichlet_multinomial(np.array([0.4, 3.0]), np.stack([s, f], 1))
    found = conjugate.beta_binomial(Beta(0.4, 3.0), s, f)
    np.testing.assert_allclose(found, both, rtol=1e-12)


def test_probabilities_of_all_counts_have_the_sum_one():
    n = 6
    all_three = [(i, j, n - i - j) for i in range(n + 1) for j in range(n + 1 - i)]
    values = conjugate.dirichlet_multinomial(np.array([0.2, 1.0, 3.0]), all_three)
    np.testing.assert_allclose(np.exp(values).sum(), 1, rtol=1e-12)
    s = np.arange(n + 1)
    values = conjugate.beta_binomial(Beta(0.5, 2.0), s, n - s)
    np.testing.assert_allclose(np.exp(values).sum(), 1, rtol=1e-12)


def test_by_sampling():
    """Draws of theta, then of counts: their frequencies, and the posterior's mean."""
    rng, alpha, size = np.random.default_rng(0), np.array([0.5, 1.5]), 200_000
    theta = rng.dirichlet(alpha, size)
    n = rng.binomial(4, theta[:, 0])
    for k in range(5):
        share = (n == k).mean()
        chance = np.exp(conjugate.beta_binomial(Beta(*alpha), k, 4 - k))
        error = np.sqrt(chance / size)
        np.testing.assert_allclose(share, chance, atol=4 * error)
        after = conjugate.dirichlet_posterior(alpha, np.array([k, 4 - k]))
        mean = conjugate.dirichlet_mean(after)[0]
        of = theta[n == k, 0]
        np.testing.assert_allclose(of.mean(), mean, atol=4 * of.std() / len(of) ** 0.5)


def test_limits():
    """No data is the prior; much data is its own frequencies."""
    alpha, n = np.array([0.3, 2.0]), np.array([30_000, 70_000])
    zero = np.zeros(2)
    np.testing.assert_array_equal(conjugate.dirichlet_posterior(alpha, zero), alpha)
    assert conjugate.dirichlet_sequence(alpha, zero) == 0
    mean = conjugate.dirichlet_mean(conjugate.dirichlet_posterior(alpha, n))
    np.testing.assert_allclose(mean, [0.3, 0.7], atol=1e-4)


def test_gradient_is_the_difference():
    alpha, n = dirichlet_case(1, (4,))
    value = lambda a: conjugate.dirichlet_sequence(a, n)
    found = jax.jit(jax.grad(value))(jnp.array(alpha))
    step = 1e-6 * np.eye(4)
    numeric = [(value(alpha + e) - value(alpha - e)) / 2e-6 for e in step]
    np.testing.assert_allclose(found, numeric, rtol=1e-6)


def test_types_and_leading_axes():
    alpha, n = dirichlet_case()
    low = conjugate.dirichlet_multinomial(np.float32(alpha), n)
    assert low.dtype == jnp.float32
    high = conjugate.dirichlet_multinomial(alpha, n)
    np.testing.assert_allclose(low, high, rtol=1e-5)
    one = conjugate.dirichlet_multinomial(alpha[0], n)  # [K] and [N, K]
    np.testing.assert_allclose(one[0], high[0], rtol=1e-12)
    rows = jax.vmap(conjugate.dirichlet_multinomial)(alpha, n)
    np.testing.assert_allclose(rows, high, rtol=1e-12)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: conjugate.beta_posterior(Beta(0, 1), 1, 1), "prior.a must be above 0"),
        (lambda: conjugate.beta_mean(Beta(1, -1)), "beta.b must be above 0, got -1"),
        (lambda: conjugate.beta_binomial(Beta(1, 1), -1, 1), "successes must be 0 or"),
        (lambda: conjugate.beta_binomial(Beta(1, 1), 1, -2), "failures must be 0 or"),
        (lambda: conjugate.dirichlet_mean([0.0, 1.0]), "alpha must be above 0, got 0"),
        (
            lambda: conjugate.dirichlet_sequence([1.0, 1.0], [1, -1]),
            "counts must be 0 or more, got -1",
        ),
        (
            lambda: conjugate.dirichlet_posterior([1.0, 1.0], [1, 1, 1]),
            r"the same K, got \[2\] and \[3\]",
        ),
        (lambda: conjugate.dirichlet_mean([np.nan]), "alpha must be finite"),
    ],
)
def test_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call()
