"""Least squares and ridge: three ways to one answer, their limits and refusals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from zoo.classical import linear


def problem(n=30, d=4, outputs=(), seed=0):
    """Columns of unlike sizes, far from zero, and targets with noise."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d)) * 3.0 ** np.arange(d) + rng.normal(size=d)
    y = x @ rng.normal(size=(d, *outputs)) + rng.normal(size=(n, *outputs)) + 2
    return x, y


def design(x, intercept):
    return np.column_stack([x, np.ones(len(x))]) if intercept else x


@pytest.mark.parametrize("outputs", [(), (3,)])
@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("method", linear.METHODS)
def test_is_the_least(method, intercept, outputs):
    x, y = problem(outputs=outputs)
    want = np.linalg.lstsq(design(x, intercept), y)[0]
    with jax.enable_x64(True), jax.numpy_dtype_promotion("strict"):
        got = linear.least_squares(x, y, method=method, intercept=intercept)
        assert got.weights.dtype == jnp.float64
        np.testing.assert_allclose(got.weights, want[:4], rtol=1e-10)
        if intercept:
            np.testing.assert_allclose(got.intercept, want[4], rtol=1e-10)
        else:
            np.testing.assert_array_equal(got.intercept, np.zeros(outputs))
        values = linear.predict(got, x)
        np.testing.assert_allclose(values, design(x, intercept) @ want, rtol=1e-9)
    with jax.numpy_dtype_promotion("strict"):
        low = linear.least_squares(
            np.float32(x), np.float32(y), method=method, intercept=intercept
        )
    assert low.weights.dtype == low.intercept.dtype == jnp.float32
    np.testing.assert_allclose(low.weights, want[:4], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("method", linear.METHODS)
def test_the_residual_is_at_right_angles_to_the_columns(method):
    x, y = problem()
    with jax.enable_x64(True):
        model = linear.least_squares(x, y, method=method)
        r = y - linear.predict(model, x)
        np.testing.assert_allclose(x.T @ r, 0, atol=1e-9)
        np.testing.assert_allclose(r.sum(), 0, atol=1e-10)


def test_of_many_minima_the_shortest():
    """A column twice, one that is constant, and fewer examples than features."""
    x, y = problem()
    doubled = np.column_stack([x, x[:, :1], np.full(30, 7.0)])
    with jax.enable_x64(True):
        once, twice = linear.least_squares(x, y), linear.least_squares(doubled, y)
        w = np.asarray(twice.weights)
        np.testing.assert_allclose(w[0], w[4], rtol=1e-10)
        np.testing.assert_allclose(w[0] + w[4], once.weights[0], rtol=1e-10)
        np.testing.assert_allclose(w[5], 0, atol=1e-12)
        few = linear.least_squares(x[:3], y[:3], intercept=False)
        np.testing.assert_allclose(linear.predict(few, x[:3]), y[:3], rtol=1e-9)
        want = np.linalg.pinv(x[:3]) @ y[:3]
        np.testing.assert_allclose(few.weights, want, rtol=1e-9)
        constant = linear.least_squares(np.full((5, 2), 7.1), y[:5])
        np.testing.assert_array_equal(constant.weights, [0, 0])
        np.testing.assert_allclose(constant.intercept, y[:5].mean())


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("method", ["qr", "normal"])
def test_dependent_columns_are_refused(method, dtype):
    x, y = problem()
    cases = {
        "twice": np.column_stack([x, x[:, 1] * 1e-3]),
        "constant": np.column_stack([x, np.full(30, 7.1)]),
        "a sum": np.column_stack([x[:, 0] + x[:, 1], x]),
        "few": x[:4],
        "fewer": x[:3],
    }
    with jax.enable_x64(dtype == np.float64):
        traced = jax.jit(lambda x, y: linear.least_squares(x, y, method=method))
        for name, bad in cases.items():
            bad, targets = bad.astype(dtype), y[: len(bad)].astype(dtype)
            with pytest.raises(ValueError, match="x must have independent columns"):
                linear.least_squares(bad, targets, method=method)
            assert np.isnan(traced(bad, targets).weights).all(), name
        # As many examples as unknowns, and columns of vastly different sizes, are fine.
        x, y = x.astype(dtype), y.astype(dtype)
        linear.least_squares(x[:5], y[:5], method="qr")
        tall = x * np.array([1e-6, 1, 1e6, 1], dtype)
        got = linear.least_squares(tall, y, method=method)
        want = linear.least_squares(x, y, method=method)
        scaled = got.weights * np.array([1e-6, 1, 1e6, 1], dtype)
        np.testing.assert_allclose(scaled, want.weights, rtol=1e-3)


def test_a_constant_column_is_seen_through_the_rounding_of_its_mean():
    """The sum of so many is wrong in the fifth digit."""
    rng = np.random.default_rng(0)
    x = np.column_stack([rng.normal(size=100_000), np.full(100_000, 7.1)])
    y = np.float32(2 * x[:, 0] + 1)
    x = np.float32(x)
    with pytest.raises(ValueError, match="independent columns after centring"):
        linear.least_squares(x, y, method="qr")
    got = linear.least_squares(x, y)
    np.testing.assert_allclose(got.weights, [2, 0], atol=1e-5)
    np.testing.assert_allclose(got.intercept, 1, atol=1e-4)


@pytest.mark.parametrize("method", ["svd", "normal"])
def test_ridge(method):
    x, y = problem(outputs=(2,))
    centred, targets = x - x.mean(0), y - y.mean(0)
    with jax.enable_x64(True):
        for alpha in (0.0, 10.0, 1e6):
            got = linear.ridge(x, y, alpha, method=method)
            square = centred.T @ centred + alpha * np.eye(4)
            want = np.linalg.solve(square, centred.T @ targets)
            np.testing.assert_allclose(got.weights, want, rtol=1e-8)
            np.testing.assert_allclose(
                got.intercept, y.mean(0) - x.mean(0) @ want, rtol=1e-8
            )
        plain = linear.ridge(x, y, 3.0, method=method, intercept=False)
        want = np.linalg.solve(x.T @ x + 3 * np.eye(4), x.T @ y)
        np.testing.assert_allclose(plain.weights, want, rtol=1e-9)
        far = linear.ridge(x, y, 1e15, method=method)
        np.testing.assert_allclose(far.weights, 0, atol=1e-8)
        np.testing.assert_allclose(far.intercept, y.mean(0), rtol=1e-6)


def test_ridge_needs_no_full_rank_and_nears_the_shortest():
    x, y = problem()
    doubled = np.column_stack([x, x[:, 0]])
    with jax.enable_x64(True):
        shortest = linear.least_squares(doubled, y).weights
        for method in ("svd", "normal"):
            near = linear.ridge(doubled, y, 1e-6, method=method).weights
            np.testing.assert_allclose(near, shortest, rtol=1e-5)
        with pytest.raises(ValueError, match="independent columns"):
            linear.ridge(doubled, y, 0.0, method="normal")


def test_all_penalties_for_one_decomposition():
    x, y = problem()
    alphas = np.array([0.0, 0.1, 10.0, 1e4])
    one = lambda alpha: linear.ridge(x, y, alpha)
    with jax.enable_x64(True):
        path = jax.vmap(one)(alphas)
        assert path.weights.shape == (4, 4) and path.intercept.shape == (4,)
        for alpha, w in zip(alphas, path.weights, strict=True):
            np.testing.assert_allclose(w, one(alpha).weights, rtol=1e-12)
        lengths = np.linalg.norm(path.weights, axis=1)
        assert (np.diff(lengths) < 0).all()
        jaxpr = str(jax.make_jaxpr(jax.vmap(one))(alphas))
        assert jaxpr.count("svd[") == 1 and "f64[4,30,4]" not in jaxpr


@pytest.mark.parametrize("method", ["qr", "normal"])
def test_gradients_are_those_of_the_solution(method):
    """Of the value at a new point, by differences."""
    x, y = problem(12, 3)
    new = np.array([0.3, -1.0, 2.0])

    @jax.jit
    def value(x, y):
        return linear.predict(linear.least_squares(x, y, method=method), new)

    with jax.enable_x64(True):
        grads = jax.grad(value, (0, 1))(x, y)
        rng = np.random.default_rng(1)
        dx, dy = rng.normal(size=x.shape), rng.normal(size=y.shape)
        h = 1e-5
        ends = [value(x + s * h * dx, y + s * h * dy) for s in (1, -1)]
        slope = jnp.sum(grads[0] * dx) + jnp.sum(grads[1] * dy)
        np.testing.assert_allclose(slope, (ends[0] - ends[1]) / (2 * h), rtol=1e-6)


def test_maps_over_data():
    x, y = problem(outputs=(3,))
    with jax.enable_x64(True):
        fit = lambda y: linear.least_squares(x, y, method="qr").weights
        together = linear.least_squares(x, y, method="qr").weights
        np.testing.assert_allclose(jax.vmap(fit, 1, 1)(y), together, rtol=1e-9)


def test_score():
    x, y = problem(outputs=(2,))
    with jax.enable_x64(True):
        model = linear.least_squares(x, y)
        r = y - np.asarray(linear.predict(model, x))
        want = 1 - (r**2).sum() / ((y - y.mean(0)) ** 2).sum()
        np.testing.assert_allclose(linear.score(model, x, y), want, rtol=1e-10)
        # In units in which the mean is far from zero, nothing is lost.
        far = linear.Linear(model.weights, model.intercept + 1e6)
        np.testing.assert_allclose(linear.score(far, x, y + 1e6), want, rtol=1e-8)


X, Y = np.ones((3, 2)), np.ones(3)


@pytest.mark.parametrize(
    "call, message",
    [
        (
            lambda: linear.least_squares(X[0], Y),
            r"x must be \[N, D\].*\(2,\) and \(3,\)",
        ),
        (lambda: linear.least_squares(X, Y[:2]), r"x must be \[N, D\] and y \[N\]"),
        (lambda: linear.least_squares(X * np.nan, Y), "x must be finite, got nan"),
        (lambda: linear.least_squares(X, Y * np.inf), "y must be finite, got inf"),
        (lambda: linear.least_squares(X[:0], Y[:0]), "x must not be empty"),
        (lambda: linear.least_squares(X, Y, method="sdv"), "method 'sdv'.*'svd'"),
        (lambda: linear.ridge(X, Y, method="qr"), "method of ridge 'qr'"),
        (lambda: linear.ridge(X, Y, -1.0), "alpha must be >= 0, got -1"),
        (lambda: linear.ridge(X, Y, np.nan), "alpha must be finite, got nan"),
        (lambda: linear.ridge(X, Y, Y), "alpha must be a number .*vmap"),
        (
            lambda: linear.predict(linear.least_squares(X, Y), np.ones((3, 3))),
            r"x must be \[..., 2\], got \(3, 3\)",
        ),
        (
            lambda: linear.score(linear.least_squares(X, Y), X, np.ones((3, 1))),
            r"y must be of shape \(3,\), got \(3, 1\)",
        ),
    ],
)
def test_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call()
