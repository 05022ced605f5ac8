"""A solver runs as a learner does; the notes' examples come out."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import optim

KEY = None  # gradient descent has no chance in it


def parabola(x, batch):
    del batch
    return x**2 - 2 * x + 1


def bowl(p, batch):
    del batch
    return (p[0] - 2) ** 2 + (p[1] + 3) ** 2 + 3


def solve(solver, batch=None, limit=1000):
    state, metrics, step = solver.init(KEY, batch), None, jax.jit(solver.step)
    while not solver.done(state):
        assert state.step < limit
        new, metrics = step(state, batch)
        assert jax.tree.map(jax.typeof, new) == jax.tree.map(jax.typeof, state)
        state = new
    assert step._cache_size() == 1
    return state, metrics


def test_parabola_of_the_notes_iterate_by_iterate():
    solver = optim.gradient_descent_solver(parabola, 3.0, optim.sgd(0.1))
    with jax.enable_x64(True):
        state, x = solver.init(KEY, None), 3.0
        for _ in range(30):
            (state, metrics), value = solver.step(state, None), x**2 - 2 * x + 1
            x = x - 0.1 * (2 * x - 2)
            np.testing.assert_allclose(state.x, x, rtol=1e-12)
            np.testing.assert_allclose(metrics["loss"][0], value, rtol=1e-9)
    state, _ = solve(solver)
    np.testing.assert_allclose(state.x, 1.0, atol=1e-5)


@pytest.mark.parametrize("rate", [0.05, 0.5])
def test_bowl_of_the_notes(rate):
    solver = optim.gradient_descent_solver(bowl, (5.0, 5.0), optim.sgd(rate))
    state, metrics = solve(solver)
    np.testing.assert_allclose(state.x, (2.0, -3.0), atol=1e-5)
    np.testing.assert_allclose(metrics["loss"], (3.0, 1.0), rtol=1e-6)
    if rate == 0.5:  # the first step is exact, the second finds that it was
        assert state.step == 2


def test_done_is_the_norm_at_the_point_before_the_step():
    solver = optim.gradient_descent_solver(parabola, 3.0, optim.sgd(0.1), 4.0)
    state = solver.init(KEY, None)
    assert not solver.done(state)  # nothing is known yet
    state, metrics = solver.step(state, None)
    assert solver.done(state) and metrics["gradient_norm"] == (4.0, 1.0)


def test_data_comes_with_the_batch_and_the_optimizer_is_free():
    x = np.linspace(-1, 1, 20)
    batch = {"x": x, "y": 2 * x + 0.5}

    def line(p, batch):
        return jnp.mean((p["w"] * batch["x"] + p["b"] - batch["y"]) ** 2)

    start = {"w": 0, "b": 0}
    tx = optim.momentum(0.1, 0.5)
    with jax.enable_x64(True):
        state, _ = solve(optim.gradient_descent_solver(line, start, tx, 1e-9), batch)
    np.testing.assert_allclose((state.x["w"], state.x["b"]), (2.0, 0.5), atol=1e-8)


def test_the_start_may_be_donated_twice():
    start = jnp.asarray([5.0, 5.0])
    solver = optim.gradient_descent_solver(bowl, start, optim.sgd(0.05))
    step = jax.jit(solver.step, donate_argnums=0)
    for _ in range(2):
        step(solver.init(KEY, None), None)
    assert not start.is_deleted()


def test_a_line_search_gets_what_it_needs():
    def quartic(x, batch):
        del batch
        return jnp.sum((x - 1) ** 4 + (x - 1) ** 2)

    solver = optim.gradient_descent_solver(quartic, jnp.zeros(3), optax.lbfgs(), 1e-5)
    state, step = solver.init(KEY, None), jax.jit(solver.step)
    for _ in range(20):
        state, _ = step(state, None)
    np.testing.assert_allclose(state.x, 1.0, atol=1e-4)


@pytest.mark.parametrize("tolerance", [0.0, -1.0, float("nan"), "small"])
def test_refuses_a_tolerance(tolerance):
    with pytest.raises(ValueError, match="tolerance must be a number in"):
        optim.gradient_descent_solver(parabola, 3.0, optim.sgd(0.1), tolerance)
