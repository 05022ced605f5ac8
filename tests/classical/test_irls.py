"""Iteratively reweighted least squares: the step is Newton's, by transcription."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from zoo.classical import irls


def problem(classes, n=25, d=3):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(n, d)), rng.integers(0, classes, n)
    return x, y, rng.uniform(0.5, 2, n)


def objective(u, x, y, c, alpha, classes):
    """sum c (-log P) + alpha |w|^2 / 2 over sum c; u: [M]."""
    u = u.reshape(x.shape[1] + 1, -1)
    z = x @ u[:-1] + u[-1:]
    if classes == 2:
        z = jnp.concatenate([jnp.zeros_like(z), z], axis=1)
    log_p = jax.nn.log_softmax(z)[jnp.arange(len(y)), y]
    return (-c @ log_p + alpha / 2 * jnp.sum(u[:-1] ** 2)) / c.sum()


@pytest.mark.parametrize("classes", [2, 4])
def test_a_step_is_newtons(classes):
    """From any point, with the Hessian and the gradient found by differentiation."""
    x, y, c = problem(classes)
    rng = np.random.default_rng(1)
    shape = () if classes == 2 else (classes,)
    u = 0.3 * rng.normal(size=(4, *shape))
    u = u - u.mean(1, keepdims=True) if shape else u
    with jax.enable_x64(True), jax.numpy_dtype_promotion("strict"):
        learner = irls.learner(classes, alpha=0.7)
        batch = {"x": jnp.asarray(x), "y": jnp.asarray(y), "weight": jnp.asarray(c)}
        start = learner.init(None, batch)
        assert np.isinf(start.gradient_norm) and not learner.done(start)
        state = start._replace(
            weights=jnp.asarray(u[:-1]), intercept=jnp.asarray(u[-1])
        )
        state, told = jax.jit(learner.step)(state, batch)
        f = lambda u: objective(u, *batch.values(), 0.7, classes)
        value, g = jax.value_and_grad(f)(jnp.ravel(u))
        H = jax.jit(jax.hessian(f))(jnp.ravel(u))
        want = u - (np.linalg.pinv(H, rcond=1e-10) @ g).reshape(u.shape)
        got = np.concatenate([state.weights, state.intercept[None]])
        plain = float(value) - 0.35 * (u[:-1] ** 2).sum() / c.sum()
        g, want = np.asarray(g), np.asarray(want)
        told = jax.device_get(told)
    assert told["step_size"][0] == 1  # the full step gains enough here
    if shape:  # up to what is the same for all classes, and that is kept at 0
        np.testing.assert_allclose(got.mean(1), 0, atol=1e-14)
        want = want - want.mean(1, keepdims=True)
    np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(state.gradient_norm, np.linalg.norm(g), rtol=1e-10)
    np.testing.assert_allclose(told["loss"][0] / told["loss"][1], plain, rtol=1e-10)
    np.testing.assert_allclose(told["loss"][1], c.sum(), rtol=1e-12)


def test_the_search_looks_at_the_penalty_too():
    """From weights that fit and are dear: all the way to 0, though the loss rises."""
    x = np.linspace(-1, 1, 20)[:, None]
    batch = {"x": jnp.asarray(x, jnp.float32), "y": jnp.asarray(x[:, 0] > 0, jnp.int32)}
    learner = irls.learner(2, alpha=1e4)
    state = learner.init(None, batch)._replace(weights=jnp.full(1, 5.0))
    new, told = jax.jit(learner.step)(state, batch)
    assert told["step_size"][0] == 1 and abs(float(new.weights[0])) < 0.01
    after = learner.evaluate(new, batch)["loss"]
    assert after[0] / after[1] > 2 * told["loss"][0] / told["loss"][1]


def test_a_weight_of_two_is_two_examples_and_of_zero_none():
    x, y, _ = problem(3)
    twice = np.concatenate([x, x[:5]]), np.concatenate([y, y[:5]])
    x, y = np.concatenate([x, x[:2] + 9]), np.concatenate([y, [0, 2]])
    c = np.ones(27)
    c[:5], c[25:] = 2, 0
    with jax.enable_x64(True):
        step = jax.jit((learner := irls.learner(3)).step)
        states = []
        for batch in (
            {"x": x, "y": y, "weight": c},
            dict(zip("xy", twice, strict=True)),
        ):
            batch = jax.tree.map(jnp.asarray, batch)
            state = learner.init(None, batch)
            for _ in range(3):
                state, _ = step(state, batch)
            states.append((state, jax.jit(learner.evaluate)(state, batch)))
        compare = lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)
        jax.tree.map(compare, *states)


def test_the_search_shortens_a_step_that_is_too_long():
    """From far out the full step of Newton's overshoots; the objective still falls."""
    x = np.array([[-2.0], [-1], [1], [2]])
    y = np.array([0, 1, 0, 1])
    with jax.enable_x64(True):
        learner = irls.learner(2, alpha=1e-6)
        batch = {"x": jnp.asarray(x), "y": jnp.asarray(y)}
        state = learner.init(None, batch)._replace(weights=jnp.array([8.0]))
        step, sizes, losses = jax.jit(learner.step), [], []
        for _ in range(30):
            state, told = step(state, batch)
            sizes.append(float(told["step_size"][0]))
            losses.append(float(told["loss"][0]))
        assert min(sizes[:3]) < 1 and learner.done(state)
        assert (np.diff(losses) <= 1e-12).all()
        still, told = step(state, batch)
        assert told["step_size"][0] == 0
        np.testing.assert_array_equal(still.weights, state.weights)


def test_evaluate_counts():
    learner = irls.learner(2)
    x, y = jnp.array([[1.0], [2], [-3]]), jnp.array([1, 0, 0])
    batch = {"x": x, "y": y, "weight": jnp.array([1.0, 2, 4])}
    state = learner.init(None, batch)._replace(weights=jnp.array([1.0]))
    told = learner.evaluate(state, batch)
    assert told["accuracy"][0] == 5 and told["accuracy"][1] == 7
    want = np.log1p(np.exp(-1)) + 2 * np.log1p(np.exp(2)) + 4 * np.log1p(np.exp(-3))
    np.testing.assert_allclose(told["loss"][0], want, rtol=1e-6)


@pytest.mark.parametrize(
    "options, message",
    [
        (dict(classes=1), "classes must be an integer >= 2, got 1"),
        (dict(classes=2.0), "classes must be an integer >= 2, got 2.0"),
        (dict(classes=2, alpha=-1.0), r"alpha must be a number in \[0, inf\)"),
        (dict(classes=2, tolerance=0), r"tolerance must be a number in \(0, inf\)"),
    ],
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        irls.learner(**options)
