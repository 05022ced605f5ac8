"""The lasso and the elastic net: conditions of optimality, limits, paths, refusals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import optim
from optim.solve import solve
from zoo.classical import lasso, linear


def problem(outputs=()):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 6)) * [1, 2, 1, 5, 1, 1] + [3, 0, -2, 1, 0, 9]
    w = rng.normal(size=(6, *outputs)) * (rng.uniform(size=(6, *outputs)) < 0.6)
    return x, x @ w + 0.3 * rng.normal(size=(40, *outputs)) - 4


def objective(model, x, y, alpha, ratio):
    w = np.asarray(model.weights)
    r = y - np.asarray(linear.predict(model, x))
    penalty = ratio * np.abs(w).sum() + (1 - ratio) / 2 * (w**2).sum()
    return (r**2).sum() / (2 * len(x)) + alpha * penalty


@pytest.mark.parametrize("ratio", [1.0, 0.7, 0.0])
@pytest.mark.parametrize("method", lasso.METHODS)
def test_is_optimal(method, ratio):
    x, y = problem()
    alpha, keywords = 0.2, dict(method=method, tolerance=1e-12, steps=20_000)
    with jax.enable_x64(True), jax.numpy_dtype_promotion("strict"):
        got = lasso.elastic_net(x, y, alpha, ratio, **keywords)
        r = y - np.asarray(linear.predict(got, x))
        value = objective(got, x, y, alpha, ratio)
    w = np.asarray(got.weights)
    assert got.done and got.steps < 20_000
    np.testing.assert_allclose(r.mean(), 0, atol=1e-10)
    down = x.T @ r / 40 - alpha * (1 - ratio) * w
    on = w != 0
    np.testing.assert_allclose(
        down[on], alpha * ratio * np.sign(w[on]), rtol=1e-8, atol=1e-9
    )
    assert (np.abs(down[~on]) < alpha * ratio).all() and (on.all() == (ratio == 0))
    np.testing.assert_allclose(got.objective, value, rtol=1e-10)
    if ratio:
        np.testing.assert_allclose(got.gap, 0, atol=1e-8)


def test_fewer_rows_are_the_same_problem():
    """The weights, the objective and the gap, after two sweeps over all the rows."""
    x, y = problem()
    batch = {"x": x - x.mean(0), "y": y - y.mean()}
    with jax.enable_x64(True):
        for ratio in (1.0, 0.3):
            net = optim.coordinate_descent_solver(0.2, ratio, tolerance=1e-30)
            want = solve(net, batch, 2)
            got = lasso.elastic_net(x, y, 0.2, ratio, steps=2, tolerance=1e-30)
            assert got.steps == 2 and not got.done
            np.testing.assert_allclose(got.weights, want.state.x, rtol=1e-9)
            np.testing.assert_allclose(got.gap, want.state.gap, rtol=1e-9)
            np.testing.assert_allclose(
                got.objective, want.history["objective"][1], rtol=1e-10
            )


@pytest.mark.parametrize("intercept", [False, True])
@pytest.mark.parametrize("near", [0, 1e-3, 1.0])
def test_columns_that_nearly_depend_keep_their_digits(near, intercept):
    """Of what the last one adds to the first; of its square float32 has none left."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(50, 4)).astype(np.float32)
    x[:, 2] = 0
    x[:, 3] = x[:, 0] + near * x[:, 3]
    y = rng.normal(size=(50, 1)).astype(np.float32)
    if intercept:
        x[:, 1] += 3  # of a spread of 1
    cut = jax.jit(lambda x, y: lasso._shortened(x, y, intercept))
    short, _, *means = map(np.asarray, cut(x, y))
    assert short.shape == (5, 4)
    both = np.concatenate([x, y], axis=1, dtype=float)
    mean = both.mean(0) if intercept else np.zeros(5)
    np.testing.assert_allclose(np.concatenate(means), mean, atol=1e-6)
    x = both[:, :4] - mean[:4]
    for w in ([1, 0, 0, -1], [1, 2, 3, 4]):
        full = np.linalg.norm(x.astype(float) @ w)
        got = np.linalg.norm(short.astype(float) @ w) * (50 / 5) ** 0.5
        np.testing.assert_allclose(got, full, rtol=1e-3, atol=1e-5)


def test_limits():
    x, y = problem()
    tight = dict(tolerance=1e-12, steps=10_000)
    with jax.enable_x64(True):
        plain = linear.least_squares(x, y)
        none = lasso.lasso(x, y, 0.0, **tight)
        np.testing.assert_allclose(none.weights, plain.weights, rtol=1e-8)
        np.testing.assert_allclose(none.intercept, plain.intercept, rtol=1e-8)
        squared = lasso.elastic_net(x, y, 0.5, 0.0, **tight)
        ridge = linear.ridge(x, y, 0.5 * 40)  # its squares are not divided by N
        np.testing.assert_allclose(squared.weights, ridge.weights, rtol=1e-8)
        most = np.abs((x - x.mean(0)).T @ (y - y.mean())).max() / 40
        assert (lasso.lasso(x, y, most * 1.0001).weights != 0).sum() == 0
        least = lasso.lasso(x, y, most * 0.999)
        assert (np.asarray(least.weights) != 0).sum() == 1
        flat = lasso.lasso(x, np.full(40, 3.0), 0.1)
        assert flat.done and (flat.weights == 0).all()
        np.testing.assert_allclose(flat.intercept, 3)


def test_units_do_not_matter():
    """Of y: as many sweeps, and weights as many times as large."""
    x, y = problem()
    with jax.enable_x64(True):
        here = lasso.lasso(x, y, 0.2, tolerance=1e-6)
        there = lasso.lasso(x, 1e4 * y, 0.2e4, tolerance=1e-6)
        assert here.steps == there.steps > 2
        np.testing.assert_allclose(there.weights, 1e4 * here.weights, rtol=1e-9)


def test_without_an_intercept_and_with_few_examples():
    x, y = problem()
    with jax.enable_x64(True):
        plain = lasso.lasso(x, y, 0.1, intercept=False, tolerance=1e-11)
        r = y - x @ np.asarray(plain.weights)
        on = np.asarray(plain.weights) != 0
        assert plain.intercept == 0 and on.any()
        pull = x.T @ r / 40
        np.testing.assert_allclose(np.abs(pull[on]), 0.1, rtol=1e-7)
        few = lasso.lasso(x[:4], y[:4], 0.05, tolerance=1e-10, steps=100_000)
        assert few.done and 1 <= (np.asarray(few.weights) != 0).sum() <= 4


def test_outputs_are_each_on_their_own():
    x, y = problem((3,))
    with jax.enable_x64(True):
        both = lasso.elastic_net(x, y, 0.2, tolerance=1e-11)
        assert both.weights.shape == (6, 3) and both.gap.shape == (3,)
        for o in range(3):
            one = lasso.elastic_net(x, y[:, o], 0.2, tolerance=1e-11)
            np.testing.assert_allclose(both.weights[:, o], one.weights, atol=1e-9)
            np.testing.assert_allclose(both.intercept[o], one.intercept, rtol=1e-9)
            np.testing.assert_allclose(both.objective[o], one.objective, rtol=1e-9)


def test_a_path_is_one_map_and_a_near_start_is_soon_done():
    x, y = problem()
    alphas = np.array([2.0, 0.5, 0.1, 0.01])
    with jax.enable_x64(True):
        fit = lambda alpha: lasso.lasso(x, y, alpha, tolerance=1e-10)
        path = jax.jit(jax.vmap(fit))(alphas)
        for alpha, w in zip(alphas, path.weights, strict=True):
            np.testing.assert_allclose(w, fit(alpha).weights, atol=1e-9)
        kept = (np.asarray(path.weights) != 0).sum(1)
        assert path.done.all() and (np.diff(kept) >= 0).all() and kept[0] < kept[-1]
        again = lasso.lasso(x, y, 0.1, start=path.weights[2], tolerance=1e-9)
        assert again.steps <= 2 < fit(0.1).steps


def test_float32():
    x, y = problem()
    with jax.numpy_dtype_promotion("strict"):
        for method in lasso.METHODS:
            got = lasso.lasso(np.float32(x), np.float32(y), 0.2, method=method)
            assert got.done and got.weights.dtype == got.gap.dtype == jnp.float32
            value = objective(got, np.float32(x), y, 0.2, 1.0)
            np.testing.assert_allclose(got.objective, value, rtol=1e-4)
    with jax.enable_x64(True):
        best = float(lasso.lasso(x, y, 0.2, tolerance=1e-10).objective)
    np.testing.assert_allclose(value, best, rtol=1e-5)


X, Y = np.random.default_rng(0).normal(size=(5, 2)), np.arange(5.0)


@pytest.mark.parametrize(
    "options, message",
    [
        (dict(alpha=-1.0), r"weight must be a number in \[0, inf\), got -1"),
        (dict(l1_ratio=2.0), r"l1_ratio must be a number in \[0, 1\], got 2"),
        (dict(tolerance=0.0), "tolerance must be a number"),
        (dict(method="lars"), "unknown method 'lars'"),
        (dict(steps=0), "steps must be a positive integer, got 0"),
        (dict(start=np.zeros(3)), r"start must be of shape \(2,\), got \(3,\)"),
        (dict(x=X * np.nan), "x must be finite"),
        (dict(y=Y[:4]), r"x must be \[N, D\] and y"),
    ],
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        lasso.elastic_net(**{"x": X, "y": Y, **options})
