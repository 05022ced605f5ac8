"""Recirculation against the paper's rules, one example at a time, and its limit."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from zoo.generative import recirculation

B, D, K = 5, 6, 3


def start(seed=0):
    rng = np.random.default_rng(seed)
    shapes = {"W": (D, K), "V": (K, D), "b": (D,), "c": (K,)}
    return {name: rng.normal(size=shape) for name, shape in shapes.items()}


def examples():
    return np.random.default_rng(1).uniform(size=(B, D))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_a_step_is_the_papers():
    params, x, rate, r, decay = start(), examples(), 0.2, 0.6, 0.01
    new = {name: p.copy() for name, p in params.items()}
    for x0 in x:
        h1 = sigmoid(x0 @ params["W"] + params["c"])
        x2 = r * x0 + (1 - r) * sigmoid(h1 @ params["V"] + params["b"])
        h3 = r * h1 + (1 - r) * sigmoid(x2 @ params["W"] + params["c"])
        new["V"] += rate / B * np.outer(h1, x0 - x2)
        new["W"] += rate / B * np.outer(x2, h1 - h3)
        new["b"] += rate / B * (x0 - x2)
        new["c"] += rate / B * (h1 - h3)
    for name in ("W", "V"):
        new[name] *= 1 - decay
    with jax.enable_x64(True):
        fit = recirculation.learner(K, rate, r, "sigmoid", decay)
        batch = {"x": jnp.array(x)}
        state = fit.init(jax.random.key(0), batch)._replace(params=params)
        state, metrics = jax.device_get(jax.jit(fit.step)(state, batch))
    for name, p in new.items():
        np.testing.assert_allclose(state.params[name], p, rtol=1e-12)
    y = sigmoid(sigmoid(x @ params["W"] + params["c"]) @ params["V"] + params["b"])
    np.testing.assert_allclose(metrics["loss"][0], ((x - y) ** 2).sum() / 2)
    assert (int(state.step), float(metrics["loss"][1])) == (1, B)


def test_near_regression_1_it_points_along_the_gradient():
    """With symmetric weights and linear visible units, for each parameter."""
    with jax.enable_x64(True):
        params, x = jax.tree.map(jnp.array, (start(), examples()))
        params["V"] = params["W"].T

        def loss(p):
            y = jax.nn.sigmoid(x @ p["W"] + p["c"][None]) @ p["V"] + p["b"][None]
            return jnp.square(x - y).sum() / 2

        # Of x W alone the encoder's part; V and W do not share their gradient.
        grads = jax.jit(jax.grad(loss))(params)
        cosines = {}
        for r in (0.0, 0.99, 0.9999):
            change, _ = recirculation.updates(params, x, r, "identity")
            for name, g in grads.items():
                c = -(g * change[name]).sum()
                norm = jnp.linalg.norm(g) * jnp.linalg.norm(change[name])
                cosines[r, name] = float(c / norm)
    for name in ("W", "V", "b", "c"):
        assert 1 - cosines[0.9999, name] < 1e-6, cosines
    assert cosines[0.0, "W"] < cosines[0.99, "W"] < cosines[0.9999, "W"]


def test_it_learns():
    rng = np.random.default_rng(0)
    x = sigmoid(3 * rng.normal(size=(64, 2)) @ rng.normal(size=(2, D)))
    batch = {"x": jnp.array(x, jnp.float32)}
    fit = recirculation.learner(2, 1.0)

    @jax.jit
    def run(key):
        state = fit.init(key, batch)
        body = lambda _, state: fit.step(state, batch)[0]
        after = jax.lax.fori_loop(0, 1000, body, state)
        return fit.evaluate(state, batch)["loss"][0], fit.evaluate(after, batch)

    first, last = run(jax.random.key(0))
    assert last["loss"][0] < 0.4 * first


@pytest.mark.parametrize(
    "fields, message",
    [
        ({"hidden": 0}, "hidden must be a positive integer, got 0"),
        ({"rate": -1.0}, "rate must be >= 0, got -1.0"),
        ({"regression": 1.0}, r"regression must be in \[0, 1\), got 1.0"),
        ({"visible": "sigmod"}, "unknown activation of visible units 'sigmod'; did"),
        ({"decay": -0.1}, "decay must be >= 0, got -0.1"),
    ],
)
def test_refuses(fields, message):
    with pytest.raises(ValueError, match=message):
        recirculation.learner(**{"hidden": 3, **fields})
