"""Logistic regression: methods agree, conditions of optimality, separable data."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from zoo.classical import features, logistic


def problem(classes, n=60, d=4, seed=0):
    """Overlapping clouds, far from zero."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % classes
    centers = rng.normal(size=(classes, d))
    return centers[y] + 1.5 * rng.normal(size=(n, d)) + [5, -3, 0, 1], y


def pulls(model, x, y, classes):
    """X^T (onehot - P) and its column sums: what the penalty must balance, by NumPy."""
    z = x @ np.asarray(model.weights) + np.asarray(model.intercept)
    z = np.stack([np.zeros_like(z), z], 1) if classes == 2 else z
    p = np.exp(z - z.max(1, keepdims=True))
    r = np.eye(classes)[y] - p / p.sum(1, keepdims=True)
    return (x.T @ r[:, 1], r[:, 1].sum()) if classes == 2 else (x.T @ r, r.sum(0))


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("method", ["newton", "lbfgs"])
def test_l2_is_optimal(method, classes):
    x, y = problem(classes)
    with jax.enable_x64(True), jax.numpy_dtype_promotion("strict"):
        got = logistic.fit(x, y, 0.5, method=method, tolerance=1e-11)
        got = jax.device_get(got)
    assert got.done and not got.separated and got.residual <= 1e-11
    pull, rest = pulls(got, x, y, classes)
    np.testing.assert_allclose(pull, 0.5 * np.asarray(got.weights), atol=1e-7)
    np.testing.assert_allclose(rest, 0, atol=1e-8)
    if classes > 2:
        np.testing.assert_allclose(np.asarray(got.weights).sum(1), 0, atol=1e-9)


@pytest.mark.parametrize("classes", [2, 3])
def test_l1_is_optimal(classes):
    x, y = problem(classes)
    with jax.enable_x64(True), jax.numpy_dtype_promotion("strict"):
        got = logistic.fit(x, y, 3.0, penalty="l1", tolerance=1e-10, steps=20_000)
        got = jax.device_get(got)
    assert got.done
    pull, rest = pulls(got, x, y, classes)
    w = np.asarray(got.weights)
    assert (w == 0).any() and (w != 0).any()
    np.testing.assert_allclose(pull[w != 0], 3 * np.sign(w[w != 0]), atol=1e-5)
    assert (np.abs(pull[w == 0]) <= 3 + 1e-6).all()
    np.testing.assert_allclose(rest, 0, atol=1e-6)


def test_two_classes_are_log_odds_and_may_be_swapped():
    x, y = problem(2)
    with jax.enable_x64(True):
        binary = logistic.fit(x, y, 0.5, tolerance=1e-11)
        assert binary.weights.shape == (4,) and binary.intercept.shape == ()
        both = logistic.probabilities(binary, x)
        np.testing.assert_allclose(both.sum(1), 1, rtol=1e-12)
        z = logistic.logits(binary, x)
        np.testing.assert_allclose(np.log(both[:, 1] / both[:, 0]), z, rtol=1e-9)
        np.testing.assert_array_equal(logistic.predict(binary, x), both[:, 1] > 0.5)
        swapped = logistic.fit(x, 1 - y, 0.5, tolerance=1e-11)
        np.testing.assert_allclose(swapped.weights, -binary.weights, rtol=1e-7)


def test_limits_of_the_penalty():
    x, y = problem(3)
    y[:10] = 2
    shares = np.bincount(y) / len(y)
    with jax.enable_x64(True):
        for penalty in ("l2", "l1"):
            far = logistic.fit(x, y, 1e9, penalty=penalty, tolerance=1e-10)
            np.testing.assert_allclose(far.weights, 0, atol=1e-6)
            p = logistic.probabilities(far, x[:1])[0]
            np.testing.assert_allclose(p, shares, rtol=1e-5)
        none = logistic.fit(x, y, 0.0, tolerance=1e-11)
        pull, rest = pulls(none, x, y, 3)
        np.testing.assert_allclose(pull, 0, atol=1e-8)
        assert not none.separated


def test_moving_the_features_moves_the_intercept_only():
    x, y = problem(3)
    with jax.enable_x64(True):
        here = logistic.fit(x, y, tolerance=1e-11)
        there = logistic.fit(x + 100, y, tolerance=1e-11)
        np.testing.assert_allclose(there.weights, here.weights, rtol=1e-7)
        back = np.asarray(there.intercept) + 100 * np.asarray(there.weights).sum(0)
        np.testing.assert_allclose(back, here.intercept, rtol=1e-6)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("method", logistic.METHODS)
def test_separable_without_penalty(method, classes):
    """No minimum: it ends where the gradient is small, all right, and says so."""
    rng = np.random.default_rng(0)
    y = np.arange(30) % classes
    x = 4.0 * np.eye(3)[y] + rng.uniform(-1, 1, size=(30, 3))
    penalty = logistic.METHODS[method]
    with jax.enable_x64(True):
        options = dict(penalty=penalty, method=method, steps=20_000)
        near = logistic.fit(x, y, 0.0, tolerance=1e-3, **options)
        far = logistic.fit(x, y, 0.0, tolerance=1e-4, **options)
        for model in (near, far):
            assert model.separated and model.done
            assert np.isfinite(model.weights).all()
            assert logistic.score(model, x, y) == 1
        longer = np.linalg.norm(far.weights) / np.linalg.norm(near.weights)
        assert longer > 1.1  # no end to it
        assert not logistic.fit(x, y, 0.1, **options).separated


def test_dependent_and_constant_features_do_no_harm():
    x, y = problem(3)
    more = np.column_stack([x, x[:, 0], np.full(60, 7.0)])
    with jax.enable_x64(True):
        plain = logistic.fit(x, y, 0.0, tolerance=1e-10)
        for method in ("newton", "lbfgs"):
            got = logistic.fit(more, y, 0.0, method=method, tolerance=1e-10)
            assert got.done
            np.testing.assert_allclose(
                logistic.probabilities(got, more),
                logistic.probabilities(plain, x),
                atol=1e-6,
            )


def test_float32():
    x, y = problem(3)
    with jax.enable_x64(True):
        want = logistic.fit(x, y)
    x = np.float32(x)
    with jax.numpy_dtype_promotion("strict"):
        for method in ("newton", "lbfgs"):
            got = logistic.fit(x, y, method=method)
            assert got.done and got.weights.dtype == got.intercept.dtype == jnp.float32
            np.testing.assert_allclose(got.weights, want.weights, rtol=1e-3, atol=1e-3)
        assert logistic.probabilities(got, x).dtype == jnp.float32


def test_all_penalties_in_one_map_under_jit():
    x, y = problem(2)
    alphas = np.array([0.1, 1.0, 10.0])
    with jax.enable_x64(True):
        fit = lambda alpha, y: logistic.fit(x, y, alpha, classes=2, tolerance=1e-10)
        path = jax.jit(jax.vmap(fit, (0, None)))(alphas, jnp.asarray(y))
        for alpha, w in zip(alphas, path.weights, strict=True):
            np.testing.assert_allclose(w, fit(alpha, y).weights, atol=1e-8)
        assert (np.diff(np.linalg.norm(path.weights, axis=1)) < 0).all()


def test_quadratic_features_find_a_circle():
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (300, 2))
    y = (np.hypot(x[:, 0] - 0.2, x[:, 1] + 0.1) < 0.55).astype(int)
    phi = features.polynomial(x, 2, constant=False)
    line = logistic.fit(x, y, 1e-3)
    circle = logistic.fit(phi, y, 1e-3)
    assert logistic.score(line, x, y) < 0.8 < 0.97 < logistic.score(circle, phi, y)
    # b + w1 x + w2 y + w3 (x^2 + y^2) = 0: the same curvature both ways, no mixed term.
    w1, w2, w3, w4, w5 = np.asarray(circle.weights) / np.asarray(circle.weights)[2]
    np.testing.assert_allclose([w4, w5], [0, 1], atol=0.1)
    np.testing.assert_allclose([-w1 / 2, -w2 / 2], [0.2, -0.1], atol=0.03)


X, Y = np.arange(8.0).reshape(4, 2), np.array([0, 1, 0, 1])


@pytest.mark.parametrize(
    "options, message",
    [
        (dict(x=X * np.nan), "x must be finite, got nan"),
        (dict(y=Y[:3]), r"x must be \[N, D\] and y \[N\], got \(4, 2\) and \(3,\)"),
        (dict(y=Y * 0), "y must hold two classes or more, got 0 only"),
        (dict(y=Y * 1.0), "y must be integers"),
        (dict(y=Y - 1), "y must be labels from 0 on, got -1"),
        (dict(y=Y + 1, classes=2), "y must be labels from 0 to 1, got 2"),
        (dict(classes=1), "classes must be an integer >= 2, got 1"),
        (dict(alpha=-1.0), "alpha must be a number"),
        (dict(tolerance=0.0), "tolerance must be a number"),
        (dict(steps=0), "steps must be a positive integer, got 0"),
        (dict(penalty="l3"), "unknown penalty 'l3'"),
        (dict(method="newtn"), "unknown method for l2 'newtn'; did you mean 'newton'"),
        (dict(penalty="l1", method="newton"), "unknown method for l1 'newton'"),
    ],
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        logistic.fit(**{"x": X, "y": Y, **options})


def test_refuses_what_cannot_be_known():
    with pytest.raises(ValueError, match="classes must be given where y is traced"):
        jax.jit(logistic.fit)(X, Y)
    with pytest.raises(ValueError, match=r"y must be of shape \(4,\), got \(3,\)"):
        logistic.score(logistic.fit(X, Y), X, Y[:3])
