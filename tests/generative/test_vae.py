"""The variational autoencoder against a model whose likelihood is known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import multivariate_normal

from zoo.functional import example_keys
from zoo.generative import objective, vae

B, D, K, S = 5, 4, 2, 0.7


def sigma_points():
    """Draws of which the mean of every quadratic is exactly that of a normal."""
    points = np.sqrt(K) * np.concatenate([np.eye(K), -np.eye(K)])
    return np.repeat(points[:, None], B, 1)  # [2 K, B, K]


def linear(seed=0):
    """Orthogonal columns W, the encoder that is its posterior, and examples."""
    rng = np.random.default_rng(seed)
    w = np.linalg.qr(rng.normal(size=(D, K)))[0] * [2.0, 0.6]
    b, x = rng.normal(size=D), rng.normal(size=(B, D))
    m = np.diag(w.T @ w) + S**2
    mean = w / m
    params = {
        "decoder_0": {"kernel": w.T, "bias": b},
        "mean": {"kernel": mean, "bias": -b @ mean},
        "log_variance": {"kernel": np.zeros((D, K)), "bias": np.log(S**2 / m)},
    }
    return params, w, b, x


def elbo(params, x):
    """Exactly: the decoder is linear."""
    net = objective.bound(vae.VAE((D,), (), K), params)
    error = vae.negative_log_likelihood(net, x, sigma_points(), "gaussian", S)
    return -error - vae.kl_to_standard(*net.encode(x))


def test_the_bound_is_reached_at_the_posterior_and_nowhere_else():
    params, w, b, x = linear()
    log_p = multivariate_normal(b, w @ w.T + S**2 * np.eye(D)).logpdf(x)
    with jax.enable_x64(True):
        params, x = jax.tree.map(jnp.array, (params, x))
        at = jax.jit(elbo)
        np.testing.assert_allclose(at(params, x), log_p, rtol=1e-12)
        slope = jax.jit(jax.grad(lambda p: elbo(p, x).sum()))(params)
        for name in ("mean", "log_variance"):  # the best encoder: no slope
            for leaf in slope[name].values():
                np.testing.assert_allclose(leaf, 0, atol=1e-10)
        rng = np.random.default_rng(1)
        for name in ("mean", "log_variance"):
            off = jax.tree.map(lambda a: a + 0.1 * rng.normal(size=a.shape), params)
            assert (at({**params, name: off[name]}, x) < log_p - 1e-4).all()


def test_the_objective_is_minus_the_bound_in_the_mean():
    params, _, _, x = linear()
    with jax.enable_x64(True):
        net = objective.bound(vae.VAE((D,), (), K), params)
        keys = example_keys(jax.random.key(0), np.arange(B))
        one = vae.elbo("gaussian", S, samples=20_000)
        value = jax.jit(lambda keys: one(net, x, keys))(keys)
        exact = np.asarray(elbo(params, x))
    found = np.asarray(-value.error - value.penalty)
    np.testing.assert_allclose(found, exact, atol=0.05)  # 5 standard errors


def test_kl_is_the_integral():
    """Of one latent, by a fine sum."""
    m, v = 0.7, 0.3
    z = np.linspace(-12, 12, 200_001)
    log_q = -((z - m) ** 2) / (2 * v) - np.log(2 * np.pi * v) / 2
    log_p = -(z**2) / 2 - np.log(2 * np.pi) / 2
    expected = (np.exp(log_q) * (log_q - log_p)).sum() * (z[1] - z[0])
    with jax.enable_x64(True):
        found = vae.kl_to_standard(jnp.array([[m]]), jnp.log(jnp.array([[v]])))
        zero = vae.kl_to_standard(jnp.zeros((1, 3)), jnp.zeros((1, 3)))
    np.testing.assert_allclose(found[0], expected, rtol=1e-9)
    assert float(zero[0]) == 0


def test_likelihoods_are_scipys():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(3, 2, 2)), rng.normal(size=(3, 2, 2))
    with jax.enable_x64(True):
        normal = vae.log_likelihood(x, y, "gaussian", S)
        bits = vae.log_likelihood(jnp.array(x > 0, float), y, "bernoulli")
    for i in range(3):
        of = multivariate_normal(y[i].ravel(), S**2 * np.eye(4))
        np.testing.assert_allclose(normal[i], of.logpdf(x[i].ravel()))
    p = 1 / (1 + np.exp(-y))
    expected = np.log(np.where(x > 0, p, 1 - p)).sum((1, 2))
    np.testing.assert_allclose(bits, expected)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: vae.elbo("gausian"), "unknown likelihood 'gausian'; did you mean"),
        (lambda: vae.elbo(deviation=0), "deviation must be > 0, got 0"),
        (lambda: vae.elbo(samples=0), "samples must be a positive integer, got 0"),
        (
            lambda: vae.VAE((3,), (2,), 0).init(jax.random.key(0), np.ones((1, 3))),
            "hidden, shape and latents must be positive",
        ),
    ],
)
def test_refuses(make, message):
    with pytest.raises(ValueError, match=message):
        make()
