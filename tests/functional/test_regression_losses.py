"""Losses of numbers: their corners, their limits and what they are least at."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from zoo.functional.regression_losses import absolute, quadratic, smooth_l1

X = jnp.array([-3.0, -1.0, -0.5, 0.0, 0.5, 1.0, 3.0])
ZERO = {"y": jnp.zeros(7)}


def each_and_slope(loss, **settings):
    one = lambda x: loss(x[None], {"y": jnp.zeros(1)}, **settings)[0]
    return jax.jit(jax.vmap(jax.value_and_grad(one)))(X)


def test_by_hand():
    value, slope = each_and_slope(quadratic)
    np.testing.assert_allclose(value, [4.5, 0.5, 0.125, 0, 0.125, 0.5, 4.5])
    np.testing.assert_allclose(slope, X)
    value, slope = each_and_slope(absolute)
    np.testing.assert_allclose(value, [3, 1, 0.5, 0, 0.5, 1, 3])
    np.testing.assert_allclose(slope, [-1, -1, -1, 0, 1, 1, 1])
    value, slope = each_and_slope(smooth_l1)
    np.testing.assert_allclose(value, [2.5, 0.5, 0.125, 0, 0.125, 0.5, 2.5])
    np.testing.assert_allclose(slope, [-1, -1, -0.5, 0, 0.5, 1, 1])


def test_limits_of_beta():
    """Small, it is the absolute loss; large, the quadratic one over beta."""
    value, _ = smooth_l1(X, ZERO, beta=1e-6)
    np.testing.assert_allclose(value, absolute(X, ZERO)[0], rtol=1e-5)
    value, _ = smooth_l1(X, ZERO, beta=100.0)
    np.testing.assert_allclose(100 * value, quadratic(X, ZERO)[0], rtol=1e-5)


@pytest.mark.parametrize("loss", [quadratic, absolute, smooth_l1])
def test_components(loss):
    x = jnp.arange(12.0).reshape(2, 3, 2) / 7
    batch = {"y": jnp.ones((2, 3, 2)), "weight": jnp.array([1.0, 3.0])}
    total, weight = loss(x, batch)
    mean, same = loss(x, batch, components="mean")
    np.testing.assert_allclose([total, weight], [6 * mean, same], rtol=1e-6)
    assert weight == 4


def test_least_at_the_mean_and_at_the_median():
    y = jnp.array([0.0, 1.0, 2.0, 4.0, 18.0])
    guesses = jnp.linspace(0, 18, 181)
    best = lambda loss: guesses[
        jax.vmap(lambda g: loss(jnp.full(5, g), {"y": y})[0])(guesses).argmin()
    ]
    np.testing.assert_allclose([best(quadratic), best(absolute)], [5, 2], atol=1e-5)


def test_counts_are_targets_too():
    value, _ = quadratic(jnp.array([1.5, 2.0]), {"y": jnp.array([1, 4])})
    assert value == (0.25 + 4) / 2
