"""Distances: against SciPy, their axioms, and where they have kinks."""

import functools
import itertools
import math

import hypothesis.extra.numpy as arrays
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.spatial.distance as scipy_distance
from hypothesis import given

import zoo.functional.distances as D
from zoo.functional.information import relative_entropy

S = np.array([[2.0, 0.5, 0.0], [0.5, 1.0, -0.3], [0.0, -0.3, 0.7]])
ORDERS = (0.5, 1, 1.5, 2, 2.5, 3, 7, math.inf)
METRICS = {
    "manhattan": functools.partial(D.minkowski_distance, p=1),
    "minkowski 1.5": functools.partial(D.minkowski_distance, p=1.5),
    "minkowski 3": functools.partial(D.minkowski_distance, p=3),
    "euclidean": D.euclidean_distance,
    "chebyshev": D.chebyshev_distance,
    "hamming": D.hamming_distance,
    "mahalanobis": lambda x, y: D.mahalanobis_distance(x, y, jnp.asarray(S, x.dtype)),
}
SCIPY = {  # of two vectors; relative entropy is information's
    D.euclidean_distance: scipy_distance.euclidean,
    D.squared_euclidean: scipy_distance.sqeuclidean,
    D.chebyshev_distance: scipy_distance.chebyshev,
    D.cosine_distance: scipy_distance.cosine,
    D.pearson_distance: scipy_distance.correlation,
    D.hamming_distance: scipy_distance.hamming,
}
# Few values, so that coordinates, vectors and distances are often equal; whole ones,
# so that the same sum is the same number.
points = arrays.arrays(np.float64, (3, 3), elements=st.integers(-8, 8).map(float))


def drawn(shape=(2, 6), seed=0):
    return np.random.default_rng(seed).normal(size=shape)


@pytest.mark.parametrize("f", SCIPY, ids=lambda f: f.__name__)
def test_equals_scipy(f):
    x, y = drawn()
    x[2] = y[2]
    low = f(jnp.float32(x), jnp.float32(y))
    np.testing.assert_allclose(low, SCIPY[f](x, y), rtol=2e-6)
    with jax.enable_x64(True):
        np.testing.assert_allclose(f(x, y), SCIPY[f](x, y), rtol=1e-13)


@pytest.mark.parametrize("p", ORDERS)
def test_minkowski_equals_scipy(p):
    x, y = drawn()
    with jax.enable_x64(True):
        ours = D.minkowski_distance(x, y, p)
    np.testing.assert_allclose(ours, scipy_distance.minkowski(x, y, p), rtol=1e-14)


def test_mahalanobis_equals_scipy():
    x, y = drawn(shape=(2, 3))
    with jax.enable_x64(True):
        ours = D.mahalanobis_distance(x, y, jnp.asarray(S))
        white = D.mahalanobis_coordinates(jnp.stack([x, y]), jnp.asarray(S))
        np.testing.assert_allclose(D.euclidean_distance(*white), ours, rtol=1e-14)
        alone = D.mahalanobis_distance(x, y, jnp.eye(3))
        np.testing.assert_allclose(D.euclidean_distance(x, y), alone, rtol=1e-14)
        assert jnp.isnan(D.mahalanobis_distance(x, y, -jnp.eye(3)))
    expected = scipy_distance.mahalanobis(x, y, np.linalg.inv(S))
    np.testing.assert_allclose(ours, expected, rtol=1e-13)


@pytest.mark.parametrize("name", METRICS)
def test_axioms_of_a_metric(name):
    """d(x, y) = 0 for x = y only, d(x, y) = d(y, x), d(x, z) <= d(x, y) + d(y, z)."""
    table = jax.jit(lambda p: jax.vmap(lambda x: jax.vmap(
        lambda y: METRICS[name](x, y))(p))(p))  # fmt: skip

    @given(points)
    def check(p):
        d = np.asarray(table(p))
        same = (p[:, None] == p[None]).all(-1)
        assert (d[same] == 0).all() and (d[~same] > 0).all()
        np.testing.assert_allclose(d, d.T, rtol=1e-14)
        for i, j, k in itertools.permutations(range(3)):
            assert d[i, k] <= (d[i, j] + d[j, k]) * (1 + 1e-14)

    with jax.enable_x64(True):
        check()


def test_what_is_not_a_metric_fails_an_axiom():
    a, b, c = jnp.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]])
    f = functools.partial(D.minkowski_distance, p=0.5)
    np.testing.assert_allclose((f(a, b), f(b, c), f(a, c)), (1, 1, 4))
    a, b, c = jnp.array([[0.0], [1.0], [2.0]])
    f = D.squared_euclidean
    assert (f(a, b), f(b, c), f(a, c)) == (1, 1, 4)
    a, b, c = jnp.array([[1.0, 0.0, 0], [1.0, 1.0, 0], [0.0, 1.0, 0]])
    f = D.cosine_distance
    assert f(a, 2 * a) == 0 and (a != 2 * a).any()
    assert f(a, c) > f(a, b) + f(b, c) + 0.4  # 1 against 2 - sqrt 2
    f = D.pearson_distance
    np.testing.assert_allclose(f(b, 2 * b + 1), 0, atol=1e-7)
    a, b, c = jnp.array([[1.0, -1.0, 0], [2.0, -1.0, -1.0], [1.0, 0, -1.0]])
    assert f(a, c) > f(a, b) + f(b, c) + 0.2
    a, b, c = jnp.array([[0.9, 0.1], [0.5, 0.5], [0.1, 0.9]])
    f = relative_entropy
    assert f(a, c) > f(a, b) + f(b, c) + 0.5
    assert abs(f(a, b) - f(b, a)) > 0.1


@given(arrays.arrays(np.float64, (2, 4), elements=st.floats(0.01, 1)))
def test_relative_entropy_is_not_negative(pair):
    p, q = pair / pair.sum(1, keepdims=True)
    with jax.enable_x64(True):
        assert relative_entropy(p, q) >= -1e-15
        assert relative_entropy(p, p) == 0


def test_relative_entropy_where_there_is_nothing():
    p, q = jnp.array([0.0, 0.25, 0.75]), jnp.array([0.5, 0.5, 0.0])
    assert relative_entropy(p, q) == jnp.inf
    np.testing.assert_allclose(relative_entropy(p[:2], q[:2]), 0.25 * np.log(0.5))
    p, q = jnp.array([0.0, 1.0]), jnp.array([0.0, 1.0])
    assert relative_entropy(p, q) == 0
    dp, dq = jax.grad(relative_entropy, (0, 1))(p, q)
    np.testing.assert_array_equal(dp, [0, 1])
    np.testing.assert_array_equal(dq, [0, -1])


@pytest.mark.parametrize("p", ORDERS)
def test_limits_of_the_order(p):
    """Falling in p, towards the largest difference; homogeneous; no overflow."""
    x = jnp.array([3.0, -4.0, 0.0])
    f = lambda x, p: D.minkowski_distance(x, jnp.zeros(3), p)
    assert f(x, p) >= f(x, 2 * p) >= 4
    np.testing.assert_allclose(f(x, 1000.0), f(x, math.inf), rtol=1e-6)
    for scale in (1e-30, 1e30):  # the squares of these are 0 and infinite
        np.testing.assert_allclose(f(scale * x, p), scale * f(x, p), rtol=2e-6)


@pytest.mark.parametrize("p", ORDERS)
def test_gradient_of_a_norm(p):
    x = np.array([3.0, -4.0, 0.0, 0.5])
    with jax.enable_x64(True):
        grad = jax.grad(D.lp_norm)(x, p)
    norm = np.abs(x).max() if p == math.inf else (np.abs(x) ** p).sum() ** (1 / p)
    size = np.where(x == 0, norm, np.abs(x))  # where x is 0, so is sign(x)
    expected = np.sign(x) * (size / norm) ** (p - 1)
    if p == math.inf:
        expected = np.array([0.0, -1.0, 0.0, 0.0])
    np.testing.assert_allclose(grad, expected, rtol=1e-13)


def test_norms_keep_what_is_not_finite():
    for p in ORDERS:
        assert D.lp_norm(jnp.array([1.0, -jnp.inf]), p) == jnp.inf
        assert jnp.isnan(D.lp_norm(jnp.array([1.0, jnp.nan, 0.0]), p))


@pytest.mark.parametrize("name", [*METRICS, *(f.__name__ for f in SCIPY)])
def test_gradient_is_finite_at_equal_vectors(name):
    f = METRICS.get(name) or {f.__name__: f for f in SCIPY}[name]
    x = jnp.array([0.5, 0.5, 0.0])
    both = jax.jit(jax.grad(f, (0, 1)))
    for pair in ((x, x), (x, 0 * x), (0 * x, 0 * x)):
        for grad in both(*pair):
            assert jnp.isfinite(grad).all()
    np.testing.assert_allclose(both(x, x), np.zeros((2, 3)), atol=1e-7)


@pytest.mark.parametrize("f", [D.cosine_distance, D.pearson_distance])
def test_vectors_without_direction(f):
    """Exactly 1, also where the mean of a constant is not the constant."""
    x, nothing = jnp.array([1.0, 2.0, 4.0]), jnp.full(3, 0.1)
    if f is D.cosine_distance:
        nothing = jnp.zeros(3)
    assert f(x, nothing) == f(nothing, x) == f(nothing, nothing) == 1
    assert not jax.grad(f)(nothing, x).any()


def test_small_angles_keep_their_digits():
    x, y = jnp.array([1.0, 0.0]), jnp.array([1.0, 1e-4])
    np.testing.assert_allclose(D.cosine_distance(x, y), 5e-9, rtol=1e-6)


def test_integers_are_taken_as_floats():
    """Bytes would wrap around: 3 - 5 is 254."""
    x, y = jnp.array([3, 0], jnp.uint8), jnp.array([5, 0], jnp.uint8)
    assert D.euclidean_distance(x, y) == 2 and D.hamming_distance(x, y) == 0.5
    assert D.euclidean_distance(x, y).dtype == jnp.float32


@pytest.mark.parametrize("f", [*SCIPY, D.minkowski_distance], ids=lambda f: f.__name__)
def test_refuses_what_are_not_two_vectors(f):
    for shapes in (((3,), (4,)), ((2, 3), (2, 3)), ((), ())):
        with pytest.raises(ValueError, match=r"both vectors must be \[D\], got \("):
            f(*map(jnp.zeros, shapes))


def test_refuses():
    x = jnp.zeros(3)
    for p in (0, -1.0, math.nan, "2"):
        with pytest.raises(ValueError, match="p must be a number > 0, or infinity"):
            D.minkowski_distance(x, x, p)
    with pytest.raises(ValueError, match=r"covariance must be \[3, 3\] for 3 features"):
        D.mahalanobis_distance(x, x, jnp.eye(2))
