"""Measures of samples against loops in NumPy, SciPy, and laws of known values."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import sqrtm
from scipy.stats import wasserstein_distance

import zoo.metrics as M

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(13, 4)), RNG.normal(1, 2, size=(11, 4))


def wide(function, *args):
    with jax.enable_x64(True):
        return jax.tree.map(np.asarray, jax.jit(function)(*map(jnp.asarray, args)))


def test_mmd_is_its_double_sums():
    bands = (0.7, 2.0)
    k = lambda a, b: np.mean(
        [np.exp(-((a - b) ** 2).sum() / (2 * s * s)) for s in bands]
    )
    within = lambda a: np.mean(
        [k(p, q) for i, p in enumerate(a) for j, q in enumerate(a) if i != j]
    )
    between = np.mean([k(p, q) for p in X for q in Y])
    found = wide(lambda x, y: M.maximum_mean_discrepancy(x, y, bands), X, Y)
    np.testing.assert_allclose(found, within(X) + within(Y) - 2 * between, rtol=1e-9)


def test_mmd_of_equal_laws_is_zero_in_the_mean():
    """Unbiased: below 0 about as often as above."""
    draws = np.random.default_rng(1).normal(size=(200, 2, 20, 2))
    each = jax.vmap(lambda pair: M.maximum_mean_discrepancy(pair[0], pair[1]))
    found = np.asarray(jax.jit(each)(jnp.float32(draws)))
    assert abs(found.mean()) < 3 * found.std() / np.sqrt(200)
    assert 0.3 < (found < 0).mean() < 0.8


def test_frechet_distance_is_scipys_root():
    moved = 30 + Y  # far from 0
    cov = lambda a: np.cov(a.T, bias=True)
    root = sqrtm(cov(X) @ cov(moved)).real
    expected = ((X.mean(0) - moved.mean(0)) ** 2).sum()
    expected += np.trace(cov(X) + cov(moved) - 2 * root)
    of = lambda a, b: M.frechet_distance(M.moments(a), M.moments(b))
    np.testing.assert_allclose(wide(of, X, moved), expected, rtol=1e-8)
    np.testing.assert_allclose(wide(of, X, X), 0, atol=1e-6)
    np.testing.assert_allclose(wide(of, X, X + 2), 16, rtol=1e-8)  # moved by 2 in each
    np.testing.assert_allclose(wide(of, moved, X), expected, rtol=1e-8)  # symmetric
    one = wide(of, X[:, :1], 3 * X[:, :1])  # (m - 3 m)^2 + (s - 3 s)^2
    m, s = X[:, 0].mean(), X[:, 0].std()
    np.testing.assert_allclose(one, 4 * m * m + 4 * s * s, rtol=1e-8)


def test_sliced_wasserstein_is_scipys_along_each_direction():
    u = RNG.normal(size=(6, 4))
    unit = u / np.linalg.norm(u, axis=1, keepdims=True)
    expected = np.mean([wasserstein_distance(X[:11] @ d, Y @ d) for d in unit])
    found = wide(M.sliced_wasserstein, X[:11], Y, u)
    np.testing.assert_allclose(found, expected, rtol=1e-9)


@pytest.mark.parametrize("k", [1, 3])
def test_precision_and_recall_are_their_loops(k):
    distance = lambda a, b: np.linalg.norm(a - b)

    def inside(base, points):
        reach = [sorted(distance(a, b) for b in base)[k] for a in base]
        hits = [
            any(distance(p, a) <= r for a, r in zip(base, reach, strict=True))
            for p in points
        ]
        return np.mean(hits)

    found = wide(lambda x, y: M.sample_precision_recall(x, y, k), X, Y)
    np.testing.assert_allclose(found, (inside(X, Y), inside(Y, X)), rtol=1e-12)


def test_precision_is_quality_and_recall_variety():
    x = np.random.default_rng(2).normal(size=(200, 2))
    narrow = wide(M.sample_precision_recall, x, 0.1 * x[:100])
    spread = wide(M.sample_precision_recall, x, 5 * x[:100])
    assert narrow[0] > 0.95 and narrow[1] < 0.2
    assert spread[0] < 0.5 and spread[1] > 0.9


def test_modes_are_counted():
    centres = np.array([[0.0, 0], [4, 0], [0, 4]])
    near = centres[[0, 0, 0, 1]] + [[0.1, 0], [0, -0.2], [0.3, 0.41], [0, 0.5]]
    x = np.concatenate([near, [[2, 2], [9, 9]]])
    found = wide(lambda x: M.modes(x, centres, 0.5), x)
    np.testing.assert_array_equal(found.good, [2, 1, 0])
    assert found.count == 6
    found = jax.tree.map(jnp.float32, found)
    assert M.modes_covered(found) == 2 and M.modes_covered(found, 0.6) == 1
    assert M.good_share(found) == pytest.approx(0.5)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: M.moments(X[0]), r"x must be points \[N, D\], got \[4\]"),
        (
            lambda: M.frechet_distance(M.moments(X), M.moments(X[:, :2])),
            "a and b must be of one dimension, got 4 and 2",
        ),
        (lambda: M.maximum_mean_discrepancy(X, Y[:, :3]), r"got \[13, 4\] and \[11, 3"),
        (lambda: M.maximum_mean_discrepancy(X, Y, (0.0,)), "bandwidths must be pos"),
        (lambda: M.maximum_mean_discrepancy(X[:1], Y), "2 points at least, got 1 and"),
        (lambda: M.sliced_wasserstein(X, Y, X), "x and y must be of one size"),
        (lambda: M.sample_precision_recall(X, Y, 11), "12 points at least, got 13 and"),
        (lambda: M.sample_precision_recall(X, Y, 0), "neighbors must be an integer"),
        (lambda: M.modes(X, Y[:, :2], 1.0), r"x and centres must be \[M, D\] and"),
        (lambda: M.modes(X, Y, 0.0), "radius must be > 0, got 0.0"),
    ],
)
def test_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call()
