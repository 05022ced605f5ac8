"""Pegasos: the paper's step, and the optimum of the primal."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize

from zoo.classical import pegasos


def clouds(n=60, d=3, apart=1.0):
    rng = np.random.default_rng(0)
    y = np.arange(n) % 2
    return rng.normal(size=(n, d)) + apart * (2 * y[:, None] - 1), y


def paper(x, y, lam, batches, project, intercept):
    """As in Figure 2 of the paper, with z = (x, 1)."""
    z = np.concatenate([x, np.full((len(x), 1), float(intercept))], 1)
    s, u = 2 * y - 1.0, np.zeros(z.shape[1])
    for t, at in enumerate(batches, 1):
        wrong = [i for i in at if s[i] * (z[i] @ u) < 1]
        eta = 1 / (lam * t)
        u = (1 - eta * lam) * u + eta / len(at) * sum(s[i] * z[i] for i in wrong)
        if project and np.linalg.norm(u) > lam**-0.5:
            u = u * lam**-0.5 / np.linalg.norm(u)
    return u


@pytest.mark.parametrize("project", [True, False])
@pytest.mark.parametrize("intercept", [True, False])
def test_steps_are_the_papers(project, intercept):
    x, y = clouds()
    rng = np.random.default_rng(1)
    batches = [rng.integers(0, 60, 5) for _ in range(12)]
    u = paper(x, y, 0.3, batches, project, intercept)
    with jax.enable_x64(True), jax.numpy_dtype_promotion("strict"):
        learner = pegasos.learner(0.3, project=project, intercept=intercept)
        step = jax.jit(learner.step)
        state = learner.init(None, {"x": jnp.asarray(x)})
        for at in batches:
            state, told = step(state, {"x": jnp.asarray(x[at]), "y": y[at]})
        # The metric is F on the last batch, before the step.
        before = paper(x, y, 0.3, batches[:-1], project, intercept)
    np.testing.assert_allclose([*state.weights, state.intercept], u, rtol=1e-12)
    f = x[at] @ before[:-1] + before[-1] * intercept
    want = 0.15 * before @ before + np.maximum(0, 1 - (2 * y[at] - 1) * f).mean()
    np.testing.assert_allclose(told["loss"][0] / told["loss"][1], want, rtol=1e-12)


@pytest.mark.parametrize("far, inside", [(0.9, True), (1.1, False), (4.0, False)])
def test_the_ball_is_of_radius_one_by_the_root_of_lambda(far, inside):
    """The first step is to x y / lambda, of one example."""
    lam = 0.25
    x = far * lam**0.5 * np.array([[0.6, 0.8]])
    with jax.enable_x64(True):
        learner = pegasos.learner(lam, intercept=False)
        state = learner.init(None, {"x": jnp.asarray(x)})
        state, _ = jax.jit(learner.step)(state, {"x": jnp.asarray(x), "y": jnp.ones(1)})
    length = (far if inside else 1) * lam**-0.5
    np.testing.assert_allclose(state.weights, length * np.array([0.6, 0.8]), rtol=1e-12)


def optimum(x, y, lam):
    """The least F, by its dual, which has bounds only: b is a weight."""
    z = (2 * y[:, None] - 1.0) * np.concatenate([x, np.ones((len(x), 1))], 1)
    K = z @ z.T / (lam * len(x))
    f = lambda a: (a @ K @ a / 2 - a.sum(), K @ a - 1)
    a = scipy.optimize.minimize(
        f, np.zeros(len(x)), jac=True, bounds=[(0, 1)] * len(x),
        options=dict(ftol=1e-15, gtol=1e-12, maxiter=10_000),
    ).x  # fmt: skip
    u = z.T @ a / (lam * len(x))
    return u, lam / 2 * u @ u + np.maximum(0, 1 - z @ u).mean()


def test_comes_near_the_optimum():
    x, y = clouds(apart=0.5)
    u, least = optimum(x, y, 0.1)
    with jax.enable_x64(True):
        fit = functools.partial(pegasos.fit, x=x, y=y, strength=0.1, steps=4000)
        states = jax.vmap(fit)(jax.random.split(jax.random.key(0), 5))
        of = jax.jit(jax.vmap(lambda state: pegasos.objective(state, x, y, 0.1)))
        above = np.asarray(of(states)) - least
        best = pegasos.PegasosState(0, jnp.asarray(u[:-1]), jnp.asarray(u[-1]))
        mean = np.mean(np.asarray(states.weights), 0)
        value = float(pegasos.objective(best, x, y, 0.1))
    np.testing.assert_allclose(value, least, rtol=1e-12)
    print("above the least F, by seed:", above)
    assert (above > 0).all() and (above < 1e-3 * least).sum() >= 4
    np.testing.assert_allclose(mean, u[:-1], atol=0.02)


def test_weight_zero_leaves_out():
    x, y = clouds(10)
    learner = pegasos.learner(0.1)
    half = {"x": jnp.float32(x[:5]), "y": y[:5]}
    whole = {"x": jnp.float32(x), "y": y, "weight": jnp.float32([1] * 5 + [0] * 5)}
    start = learner.init(None, half)
    for function in (learner.step, learner.evaluate):
        a, b = (jax.jit(function)(start, batch) for batch in (half, whole))
        jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-6), a, b)


def test_evaluate_and_predict():
    x, y = jnp.array([[1.0], [2], [-3]]), jnp.array([1, 0, 0])
    learner = pegasos.learner(0.5)
    state = learner.init(None, {"x": x})
    state = state._replace(weights=jnp.array([1.0]), intercept=jnp.array(-0.5))
    told = learner.evaluate(state, {"x": x, "y": y})
    assert told["accuracy"] == (2, 3)
    assert told["loss"] == (0.5 + 2.5 + 0 + 3 * 0.25 * 1.25, 3)
    np.testing.assert_array_equal(pegasos.predict(state, x), [1, 1, 0])
    np.testing.assert_allclose(pegasos.decision(state, x), [0.5, 1.5, -3.5])


@pytest.mark.parametrize(
    "options, message",
    [
        (dict(strength=0.0), r"strength must be a number in \(0, inf\), got 0.0"),
        (dict(steps=0), "steps must be an integer >= 1, got 0"),
        (dict(batch_size=0), "batch_size must be an integer >= 1, got 0"),
        (dict(y=[0, 2, 1, 0]), "y must be labels 0 and 1, got 2"),
        (dict(y=[1, 1, 1, 1]), "y must hold two classes or more, got 1 only"),
        (dict(y=[0, 1]), r"x must be \[N, D\] and y \[N\]"),
        (dict(x=[[np.nan], [0], [0], [0]]), "x must be finite, got nan"),
    ],
)
def test_refuses(options, message):
    data = dict(x=[[1.0], [2], [3], [4]], y=[0, 1, 0, 1])
    with pytest.raises(ValueError, match=message):
        pegasos.fit(jax.random.key(0), **{**data, **options})
