"""Transport on a line and Sinkhorn's algorithm: against SciPy, identities, limits."""

import hypothesis.extra.numpy as arrays
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from hypothesis import given

import zoo.functional as F

whole = st.integers(-6, 6).map(float)
points = arrays.arrays(np.float64, 5, elements=whole)
entropic = jax.jit(lambda c, a, b, eps: F.sinkhorn(c, a, b, eps, tolerance=1e-13))
wasserstein = jax.jit(F.wasserstein_1d, static_argnums=2)


def problem(n=6, m=9, seed=0):
    rng = np.random.default_rng(seed)
    a, b = rng.dirichlet(np.ones(n)), rng.dirichlet(np.ones(m))
    return map(jnp.asarray, (rng.uniform(size=(n, m)), a, b))


def test_the_example_to_check_by_hand():
    """{3, 7} to {4, 6}: 3 to 4 and 7 to 6 cost 2, the other way 3 + 3 = 6."""
    x, y = jnp.array([3.0, 7.0]), jnp.array([6.0, 4.0])
    assert 2 * F.wasserstein_1d(x, y) == 2
    np.testing.assert_allclose(F.wasserstein_1d(x, y, 2), 1)


@given(points, points, points, points)
def test_on_a_line_equals_scipy(x, y, a, b):
    a, b = abs(a) + (np.arange(5) == 0), abs(b) + (np.arange(5) == 0)
    with jax.enable_x64(True):
        ours = wasserstein(x, y[:4], 1), wasserstein(x, y, 1, a, b)
    theirs = scipy.stats.wasserstein_distance
    np.testing.assert_allclose(ours[0], theirs(x, y[:4]), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(ours[1], theirs(x, y, a, b), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("p", [1, 2, 3.5])
def test_is_a_metric_of_sets(p):
    @given(points, points, points)
    def check(x, y, z):
        xy, yz, xz = (wasserstein(*pair, p) for pair in ((x, y), (y, z), (x, z)))
        assert xz <= (xy + yz) * (1 + 1e-12)
        assert (xy == 0) == (np.sort(x) == np.sort(y)).all()
        np.testing.assert_allclose(xy, wasserstein(y, x, p), rtol=1e-12)
        np.testing.assert_allclose(xy, wasserstein(x + 3, y + 3, p), rtol=1e-12)
        # Moving all by 3 costs 3, and higher orders never cost less.
        np.testing.assert_allclose(wasserstein(x, x + 3, p), 3, rtol=1e-12)
        assert xy >= wasserstein(x, y, 1) * (1 - 1e-12)

    with jax.enable_x64(True):
        check()


@pytest.mark.parametrize("p", [1, 2, 3])
def test_gradient_on_a_line(p):
    """Against differences; at equal sets it is 0."""
    rng = np.random.default_rng(0)
    x, y, a = rng.normal(size=5), rng.normal(size=4), rng.uniform(size=5)
    f = jax.jit(lambda x, a: F.wasserstein_1d(x, jnp.asarray(y, x.dtype), p, a))
    with jax.enable_x64(True):
        for i, grad in enumerate(jax.grad(f, (0, 1))(x, a)):
            for j in range(5):
                h = np.zeros((2, 5))
                h[i, j] = 1e-6
                slope = (f(x + h[0], a + h[1]) - f(x - h[0], a - h[1])) / 2e-6
                np.testing.assert_allclose(grad[j], slope, atol=1e-8)
    same = jax.grad(lambda x: F.wasserstein_1d(x, jnp.float32(y), p))(jnp.float32(y))
    np.testing.assert_array_equal(same, np.zeros(4))


@pytest.mark.parametrize("epsilon", [0.02, 0.2, 5.0])
def test_sinkhorn_at_its_optimum(epsilon):
    """Marginals, scaling, and the value as primal and as dual."""
    with jax.enable_x64(True):
        c, a, b = problem()
        r = entropic(c, a, b, epsilon)
        np.testing.assert_allclose(r.plan.sum(0), b, rtol=1e-12)
        np.testing.assert_allclose(r.plan.sum(1), a, atol=1e-13)
        np.testing.assert_allclose(abs(r.plan.sum(1) - a).sum(), r.error, atol=1e-15)
        assert 0 < r.iterations < 10_000 and r.error <= 1e-13
        ratio = epsilon * jnp.log(r.plan / (a[:, None] * b[None])) + c
        np.testing.assert_allclose(ratio, r.f[:, None] + r.g[None], atol=1e-12)
        np.testing.assert_allclose(r.cost, (r.plan * c).sum(), rtol=1e-14)
        independent = a[:, None] * b[None]
        entropy = (r.plan * jnp.log(r.plan / independent)).sum()
        np.testing.assert_allclose(r.value, r.cost + epsilon * entropy, rtol=1e-11)
        np.testing.assert_allclose(r.value, a @ r.f + b @ r.g, rtol=1e-11)
        exact = F.earth_mover(c, a, b).cost
        assert exact <= r.cost <= r.value <= (independent * c).sum()


def test_limits_of_epsilon():
    """Towards 0 the exact cost, at most epsilon log M off; large, independence."""
    with jax.enable_x64(True):
        c, a, b = problem()
        exact, start, last = F.earth_mover(c, a, b).cost, None, np.inf
        for epsilon in (0.1, 0.01, 0.001):
            r = F.sinkhorn(c, a, b, epsilon, 1e-10, 100_000, start)
            assert -1e-10 <= r.cost - exact < min(last, epsilon * np.log(6))
            last, start = r.cost - exact, r.g
        assert last < 1e-8
        far = F.sinkhorn(c, a, b, 1e6).plan
        np.testing.assert_allclose(far, a[:, None] * b[None], rtol=1e-5)


def test_sinkhorn_begins_where_it_is_told_and_stops_where_it_may():
    with jax.enable_x64(True):
        c, a, b = problem()
        r = F.sinkhorn(c, a, b, 0.05)
        again = F.sinkhorn(c, a, b, 0.05, start=r.g)
        assert again.iterations == 1 < r.iterations
        np.testing.assert_allclose(again.plan, r.plan, atol=1e-6)
        assert F.sinkhorn(c, a, b, 0.05, steps=3).iterations == 3
        loose = F.sinkhorn(c, a, b, 0.05, tolerance=1e-2)
        assert loose.iterations < r.iterations
        assert r.error <= 1e-6 < loose.error <= 1e-2


def test_gradient_of_sinkhorn_is_the_envelope():
    with jax.enable_x64(True):
        c, a, b = problem()
        f = jax.jit(lambda *args: entropic(*args, 0.1).value)
        r = entropic(c, a, b, 0.1)
        dc, da, db = jax.grad(f, (0, 1, 2))(c, a, b)
        np.testing.assert_allclose(dc, r.plan, rtol=1e-12)
        np.testing.assert_allclose(da, r.f, rtol=1e-11)
        np.testing.assert_allclose(db, r.g, rtol=1e-11)
        rng = np.random.default_rng(1)
        way = [rng.normal(size=x.shape) for x in (c, a, b)]
        way[1:] = [w - w.mean() for w in way[1:]]  # masses keep their sum
        h = 1e-5
        plus, minus = (
            f(*(x + s * h * w for x, w in zip((c, a, b), way, strict=True)))
            for s in (1, -1)
        )
        along = sum((g * w).sum() for g, w in zip((dc, da, db), way, strict=True))
        np.testing.assert_allclose((plus - minus) / (2 * h), along, rtol=1e-8)
        slope = jax.grad(lambda eps: entropic(c, a, b, eps).value)(0.1)
        np.testing.assert_allclose(slope, (r.value - r.cost) / 0.1, rtol=1e-9)


def test_points_without_mass():
    c, a, b = (x.astype(jnp.float32) for x in problem())
    a, b = a.at[1].set(0) / (1 - a[1]), b.at[0].set(0) / (1 - b[0])
    r = F.sinkhorn(c, a, b, 0.1)
    keep = np.array([0, 2, 3, 4, 5])
    part = F.sinkhorn(c[keep, 1:], a[keep], b[1:], 0.1)
    assert not r.plan[1].any() and not r.plan[:, 0].any()
    np.testing.assert_allclose(r.plan[keep, 1:], part.plan, atol=1e-6)
    assert all(jnp.isfinite(x).all() for x in r)
    grads = jax.grad(lambda *args: F.sinkhorn(*args, 0.1).value, (0, 1, 2))(c, a, b)
    assert all(jnp.isfinite(g).all() for g in grads)


def test_refuses():
    c, a = jnp.zeros((3, 2)), jnp.ones(3) / 3
    for solve in (F.sinkhorn, F.earth_mover):
        with pytest.raises(ValueError, match=r"cost must be \[N, M\], got \(3,\)"):
            solve(a)
        with pytest.raises(ValueError, match="b must be one number for each of the 2"):
            solve(c, a, a)
        with pytest.raises(ValueError, match="a must be >= 0 with a finite sum > 0"):
            solve(c, -a)
        with pytest.raises(ValueError, match="the same sum, got 2 and 1"):
            solve(c, 2 * a)
    with pytest.raises(ValueError, match="epsilon must be > 0, got 0"):
        F.sinkhorn(c, epsilon=0)
    with pytest.raises(ValueError, match="tolerance and steps must be > 0, got 0"):
        F.sinkhorn(c, tolerance=0)
    with pytest.raises(ValueError, match=r"start must be \[2\], got \(3,\)"):
        F.sinkhorn(c, start=a)
    with pytest.raises(ValueError, match="p must be a finite number from 1, got 0.5"):
        F.wasserstein_1d(a, a, 0.5)
    with pytest.raises(ValueError, match=r"y must be points \[N\], got \(3, 2\)"):
        F.wasserstein_1d(a, c)
    with pytest.raises(ValueError, match="y_weights must be >= 0"):
        F.wasserstein_1d(a, a, 1, None, 0 * a)
    with pytest.raises(ValueError, match=r"g must be \[M\] for a cost \[N, M\]"):
        F.c_transform(c, a)
    with pytest.raises(ValueError, match=r"y_to_y must be \[2, 2\], got \(3, 2\)"):
        F.kantorovich_rubinstein(c, c)
