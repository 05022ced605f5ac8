"""Markov chains: known distributions, balance, frequencies, moments, bad input."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from zoo.classical import markov

KEY = np.array([0, 0], np.uint32)


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


def chances(states=5, seed=0):
    return np.random.default_rng(seed).dirichlet(np.ones(states), states)


WEATHER = np.array([[0.9, 0.075, 0.025], [0.15, 0.8, 0.05], [0.25, 0.25, 0.5]])


@pytest.mark.parametrize("method", markov.METHODS)
def test_stationary(method):
    """A printed chain (bull, bear and stagnant weeks), and NumPy's eigenvectors."""
    of = functools.partial(markov.stationary, method=method, tolerance=1e-13)
    np.testing.assert_allclose(of(WEATHER), [0.625, 0.3125, 0.0625], atol=1e-11)
    for seed in range(3):
        p = chances(seed=seed)
        values, vectors = np.linalg.eig(p.T)
        kept = vectors[:, np.abs(values - 1).argmin()].real
        found = of(p)
        np.testing.assert_allclose(found, kept / kept.sum(), atol=1e-11)
        np.testing.assert_allclose(found @ p, found, atol=1e-11)
    cycle = np.roll(np.eye(4), 1, axis=1)  # its powers never settle
    np.testing.assert_allclose(of(cycle), 0.25, atol=1e-11)
    leaves = np.array([[0.5, 0.5, 0], [0, 0.2, 0.8], [0, 0.6, 0.4]])
    np.testing.assert_allclose(of(leaves), [0, 3 / 7, 4 / 7], atol=1e-11)
    low = of(np.float32(WEATHER))
    assert low.dtype == jnp.float32
    # The powers stop where float32 does.
    np.testing.assert_allclose(low, [0.625, 0.3125, 0.0625], atol=1e-5)


def test_stationary_in_jit_and_vmap():
    many = np.stack([chances(seed=s) for s in range(4)])
    found = jax.jit(jax.vmap(markov.stationary))(many)
    for p, pi in zip(many, found, strict=True):
        np.testing.assert_allclose(markov.stationary(p), pi, atol=1e-12)


def test_few_steps_are_powers_of_the_lazy_chain():
    found = markov.stationary(WEATHER, "power", tolerance=0, steps=3)
    lazy = (WEATHER + np.eye(3)) / 2
    expected = np.full(3, 1 / 3) @ np.linalg.matrix_power(lazy, 3)
    np.testing.assert_allclose(found, expected, rtol=1e-13)


def test_metropolis_matrix_keeps_the_target():
    """Line by line, in detailed balance, and stationary; from any proposals."""
    target = np.array([0.1, 0.25, 0.05, 0.4, 0.2])
    q = chances()
    p = np.asarray(markov.metropolis_matrix(q, 3 * target))
    expected = np.zeros_like(q)
    for i in range(5):
        for j in range(5):
            if i != j:
                ratio = target[j] * q[j, i] / (target[i] * q[i, j])
                expected[i, j] = q[i, j] * min(1, ratio)
        expected[i, i] = 1 - expected[i].sum()
    np.testing.assert_allclose(p, expected, rtol=1e-12)
    assert markov.imbalance(p, target) < 1e-16 < 1e-3 < markov.imbalance(q, target)
    np.testing.assert_allclose(markov.stationary(p), target, atol=1e-13)


def test_metropolis_of_what_is_balanced_is_itself():
    target = np.array([0.1, 0.25, 0.05, 0.4, 0.2])
    p = markov.metropolis_matrix(chances(), target)
    np.testing.assert_allclose(markov.metropolis_matrix(p, target), p, atol=1e-15)


def test_no_way_back():
    """What is never proposed back is never taken, and pi = 0 is left for good."""
    q = np.array([[0.2, 0.8, 0], [0.4, 0.2, 0.4], [0.5, 0, 0.5]])
    p = np.asarray(markov.metropolis_matrix(q, np.array([0.3, 0.7, 0])))
    assert p[1, 2] == p[0, 2] == 0 and p[2, 0] == 0  # q[0, 2] = 0
    np.testing.assert_allclose(p.sum(1), 1, rtol=1e-15)
    q = np.full((3, 3), 1 / 3)
    p = np.asarray(markov.metropolis_matrix(q, np.array([0.3, 0.7, 0])))
    np.testing.assert_allclose(p[2], 1 / 3, rtol=1e-14)
    np.testing.assert_allclose(p[:, 2], [0, 0, 1 / 3], atol=1e-15)


def test_imbalance_is_the_largest():
    """Of a cycle all flow is one way: 1 / 3 from each state."""
    cycle = np.roll(np.eye(3), 1, axis=1)
    np.testing.assert_allclose(markov.imbalance(cycle, np.full(3, 1 / 3)), 1 / 3)


@functools.partial(jax.jit, static_argnums=(0, 2, 3))
def walks(kernel, start, chains, steps):
    """[C, T, ...]"""
    keys = jax.random.split(KEY, chains)
    one = lambda key: markov.sample(key, kernel, start, steps)
    return jax.vmap(one)(keys)


def test_a_chain_moves_as_its_matrix_says():
    path = np.asarray(walks(markov.along(WEATHER), jnp.int32(1), 100, 400))
    assert path.dtype == np.int32
    pairs = np.zeros((3, 3))
    np.add.at(pairs, (path[:, :-1], path[:, 1:]), 1)
    counts = pairs.sum(1, keepdims=True)
    error = 4 * np.sqrt(WEATHER * (1 - WEATHER) / counts)
    assert (np.abs(pairs / counts - WEATHER) < error).all()
    first = np.bincount(path[:, 0], minlength=3) / 100  # a step from 1
    assert (np.abs(first - WEATHER[1]) < 4 * np.sqrt(0.2 / 100)).all()


def test_metropolis_reaches_the_target():
    """Of a target known up to a factor, by proposals that are not symmetric."""
    target = np.array([0.1, 0.2, 0.3, 0.4])
    q = np.log(np.array([[0.1, 0.6, 0.2, 0.1], [0.3, 0.1, 0.3, 0.3],
                         [0.1, 0.2, 0.1, 0.6], [0.5, 0.2, 0.2, 0.1]]))  # fmt: skip
    log_target = lambda x: jnp.log(7 * jnp.array(target))[x]
    propose = lambda key, x: jax.random.categorical(key, jnp.array(q)[x]).astype(
        "int32"
    )
    log_proposal = lambda x, y: jnp.array(q)[x, y]
    kernel = markov.metropolis(log_target, propose, log_proposal)
    path = np.asarray(walks(kernel, jnp.int32(0), 200, 500))[:, 50:]
    found = np.bincount(path.ravel(), minlength=4) / path.size
    np.testing.assert_allclose(found, target, atol=0.008)
    pairs = np.zeros((4, 4))
    np.add.at(pairs, (path[:, :-1], path[:, 1:]), 1)
    expected = np.asarray(markov.metropolis_matrix(np.exp(q), target))
    moved = pairs / pairs.sum(1, keepdims=True)
    np.testing.assert_allclose(moved, expected, atol=0.02)


def test_symmetric_proposals_need_no_correction():
    """A random walk on the line, to a Laplace density; refused where it is 0."""
    log_target = lambda x: jnp.where(x > -2, -jnp.abs(x), -jnp.inf)
    propose = lambda key, x: x + jax.random.normal(key, x.shape, x.dtype)
    kernel = markov.metropolis(log_target, propose)
    path = np.asarray(walks(kernel, jnp.float64(0), 400, 400))[:, 100:]
    assert path.min() > -2
    mass = 2 - np.exp(-2)  # of exp(-|x|) from -2 on
    np.testing.assert_allclose((path > 0).mean(), 1 / mass, atol=0.015)
    np.testing.assert_allclose((path > 1).mean(), np.exp(-1) / mass, atol=0.015)


@pytest.mark.parametrize("rho", [0.9, -0.5])
def test_gibbs_of_a_gaussian(rho):
    """Moments, and an autocorrelation of rho^2 for each sweep."""
    mean, scale = np.array([3.0, -1.0]), np.array([2.0, 0.5])
    covariance = np.array([[1, rho], [rho, 1]]) * np.outer(scale, scale)
    kernel = markov.gibbs_gaussian(mean, covariance)
    path = np.asarray(walks(kernel, jnp.array([9.0, 9.0]), 400, 600))[:, 100:]
    flat = path.reshape(-1, 2)
    np.testing.assert_allclose(flat.mean(0), mean, atol=0.03)
    np.testing.assert_allclose(np.cov(flat.T), covariance, rtol=0.03)
    away = (path - mean) / scale
    for lag in (1, 2, 5):
        found = (away[:, lag:] * away[:, :-lag]).mean((0, 1))
        np.testing.assert_allclose(found, rho ** (2 * lag), atol=0.03)


def test_gibbs_draws_the_conditionals():
    """Three dimensions, one sweep by hand, with the kernel's own noise."""
    rng = np.random.default_rng(0)
    root = rng.normal(size=(3, 3))
    covariance, mean = root @ root.T + np.eye(3), rng.normal(size=3)
    x = rng.normal(size=3)
    found = markov.gibbs_gaussian(mean, covariance)(KEY, jnp.array(x))
    noise = np.asarray(jax.random.normal(KEY, (3,), np.float64))
    for i in range(3):
        rest = [j for j in range(3) if j != i]
        weights = np.linalg.solve(covariance[np.ix_(rest, rest)], covariance[rest, i])
        variance = covariance[i, i] - weights @ covariance[rest, i]
        centre = mean[i] + weights @ (x[rest] - mean[rest])
        x[i] = centre + np.sqrt(variance) * noise[i]
    np.testing.assert_allclose(found, x, rtol=1e-10)


def test_autocorrelation():
    x = np.random.default_rng(0).normal(size=(50, 2)).cumsum(0)
    found = markov.autocorrelation(x, 4)
    away = x - x.mean(0)
    for lag in range(5):
        expected = (away[lag:] * away[: 50 - lag]).sum(0) / (away**2).sum(0)
        np.testing.assert_allclose(found[lag], expected, rtol=1e-12)
    np.testing.assert_allclose(found[0], 1, rtol=1e-14)


def test_steps_have_keys_of_their_own():
    """A path's beginning does not depend on its length."""
    kernel = markov.gibbs_gaussian(np.zeros(2), np.eye(2))
    long, short = (markov.sample(KEY, kernel, jnp.zeros(2), steps) for steps in (7, 3))
    np.testing.assert_array_equal(long[:3], short)
    assert len(np.unique(long)) == 14


HALVES = np.kron(np.eye(2), np.full((2, 2), 0.5))


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: markov.stationary(WEATHER, "eigen"), "did you mean 'eigenvector'"),
        (lambda: markov.stationary(WEATHER[:2]), r"transition must be \[S, S\], got"),
        (lambda: markov.stationary(WEATHER * 2), "rows of sum 1, got 2.0 in row"),
        (lambda: markov.stationary([[1.5, -0.5], [0, 1]]), "chances of 0 or more"),
        (lambda: markov.stationary(HALVES), "must have one stationary distribution"),
        (lambda: markov.stationary([[np.nan]]), "transition must be finite"),
        (lambda: markov.imbalance(WEATHER, [0.5, 0.5]), r"target must be \[3\]"),
        (lambda: markov.imbalance(WEATHER, [1, 1, 1]), "must have the sum 1, got 3"),
        (lambda: markov.metropolis_matrix(WEATHER, [1, -1, 1]), "target must be 0 or"),
        (lambda: markov.metropolis_matrix(WEATHER, [0, 0, 0]), "target must be 0 or"),
        (lambda: markov.along(WEATHER * 0.5), "rows of sum 1"),
        (
            lambda: markov.gibbs_gaussian([0.0, 0.0], [[1.0, 2.0], [2.0, 1.0]]),
            "positive definite, got eigenvalues from -1",
        ),
        (
            lambda: markov.gibbs_gaussian([0.0, 0.0], [[1.0, 0.5], [0.0, 1.0]]),
            "symmetric and positive definite",
        ),
        (
            lambda: markov.gibbs_gaussian([0.0], np.eye(2)),
            r"must be \[D\] and \[D, D\]",
        ),
        (
            lambda: markov.sample(KEY, lambda key, x: x, jnp.zeros(2), 0),
            "steps must be an integer from 1",
        ),
        (lambda: markov.autocorrelation(np.arange(3.0), 3), "lags must be from 0 to"),
        (lambda: markov.autocorrelation(np.ones(9), 1), "path must not stand still"),
    ],
)
def test_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call()
