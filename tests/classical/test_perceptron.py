"""Rosenblatt's perceptron: its rule, the bound on its mistakes, and XOR."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import optim
import zoo
from zoo.classical import MLP, perceptron

XOR = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]]), np.array([0, 1, 1, 0])
fit = jax.jit(perceptron.fit, static_argnames="steps")


def separable(gap, seed=0, n=40, d=3):
    """Points at least `gap` away from a hyperplane, and its unit normal with bias."""
    rng = np.random.default_rng(seed)
    u = rng.normal(size=d + 1)
    u /= np.linalg.norm(u)
    x = rng.uniform(-2, 2, size=(20 * n, d))
    z = x @ u[:-1] + u[-1]
    x, z = x[np.abs(z) > gap][:n], z[np.abs(z) > gap][:n]
    return x, (z > 0).astype(int), u


def test_is_the_rule():
    """Sweep by sweep, by a loop over the examples."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(12, 3)), rng.integers(0, 2, 12)
    learner = perceptron.learner()
    with jax.enable_x64(True), jax.numpy_dtype_promotion("strict"):
        batch = {"x": jnp.asarray(x), "y": jnp.asarray(y)}
        state, step = learner.init(None, batch), jax.jit(learner.step)
        assert not learner.done(state)
        w, b, total = np.zeros(3), 0.0, 0
        for sweep in range(4):
            count = 0
            for row, label in zip(x, y, strict=True):
                s = 1 if label else -1
                if s * (row @ w + b) <= 0:
                    w, b, count = w + s * row, b + s, count + 1
            total += count
            state, told = step(state, batch)
            np.testing.assert_allclose(state.weights, w, rtol=1e-12)
            np.testing.assert_allclose(state.intercept, b, rtol=1e-12)
            assert (state.step, state.mistakes) == (sweep + 1, total)
            assert (state.clean > 0) == (count == 0) == learner.done(state)
            assert told["mistakes"] == (count, 12)


@pytest.mark.parametrize("gap", [0.05, 0.2, 0.5])
def test_mistakes_keep_their_bound(gap):
    """At most (R / gamma)^2, on each seed."""
    for seed in range(5):
        x, y, u = separable(gap, seed)
        margin = np.min((2 * y - 1) * (x @ u[:-1] + u[-1]))
        radius = np.sqrt((x**2).sum(1).max() + 1)
        with jax.enable_x64(True):
            state = fit(x, y, steps=5000)
            np.testing.assert_array_equal(perceptron.predict(state, x), y)
        bound = (radius / margin) ** 2
        print(f"gap {gap}, seed {seed}: {state.mistakes} mistakes, bound {bound:.0f}")
        assert state.clean == 1 and 0 < state.mistakes <= bound


def test_a_sweep_after_the_last_changes_nothing():
    x, y, _ = separable(0.2)
    learner = perceptron.learner()
    state = fit(np.float32(x), y)
    batch = {"x": jnp.float32(x), "y": jnp.asarray(y)}
    again, told = learner.step(state, batch)
    again = again._replace(step=state.step, clean=state.clean)
    jax.tree.map(np.testing.assert_array_equal, again, state)
    assert told["mistakes"][0] == 0
    told = learner.evaluate(again, batch)
    assert told["accuracy"] == (40, 40)


def test_what_weighs_nothing_is_left_out():
    x, y, _ = separable(0.2, n=10)
    x[3], y[3] = 50, 1
    learner, kept = perceptron.learner(), np.arange(10) != 3
    weighted = {"x": jnp.float32(x), "y": jnp.asarray(y), "weight": jnp.float32(kept)}
    fewer = {"x": jnp.float32(x[kept]), "y": jnp.asarray(y[kept])}
    results = []
    for batch in (weighted, fewer):
        state, told = learner.step(learner.init(None, batch), batch)
        results.append((state, told, learner.evaluate(state, batch)))
    jax.tree.map(np.testing.assert_array_equal, *results)


def test_xor_never_ends_and_stays_bounded():
    """Whatever the order, it runs in a cycle."""
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(4)
        x, y = XOR[0][order], XOR[1][order]
        states = [fit(x, y, steps=steps) for steps in (50, 51, 60, 500)]
        for state in states:
            assert state.clean == 0 and (perceptron.predict(state, x) != y).any()
            assert np.abs(state.weights).max() <= 3 and np.abs(state.intercept) <= 3


def test_a_hidden_layer_learns_xor():
    """On at least four seeds of five; without one, on none."""
    x, y = jnp.float32(XOR[0]), jnp.int32(XOR[1])
    batch = {"x": x, "y": y, "index": jnp.arange(4)}

    def right(widths, seed):
        model = MLP(num_classes=2, widths=widths, activation="tanh")
        loss = zoo.functional.cross_entropy
        learner = zoo.supervised(model, loss, optim.adam(0.05))
        state = learner.init(jax.random.key(seed), batch)
        step = lambda state, _: (learner.step(state, batch)[0], None)
        state, _ = jax.lax.scan(step, state, length=300)
        return (model.apply({"params": state.params}, x).argmax(1) == y).sum()

    seeds = jnp.arange(5)
    hidden = jax.jit(jax.vmap(lambda seed: right((4,), seed)))(seeds)
    without = jax.jit(jax.vmap(lambda seed: right((), seed)))(seeds)
    print(f"right of four, by seed: with hidden units {hidden}, without {without}")
    assert (hidden == 4).sum() >= 4 and (without < 4).all()


@pytest.mark.parametrize(
    "options, message",
    [
        (dict(x=XOR[0] * np.nan), "x must be finite"),
        (dict(y=XOR[1][:3]), r"x must be \[N, D\] and y \[N\]"),
        (dict(y=XOR[1] * 2), "y must be labels 0 and 1, got 2"),
        (dict(y=XOR[1] * 0), "y must hold two classes or more"),
        (dict(steps=0), "steps must be a positive integer"),
    ],
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        perceptron.fit(**{"x": XOR[0], "y": XOR[1], **options})
