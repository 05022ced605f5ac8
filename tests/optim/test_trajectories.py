"""Trajectories: one scan, the right length, all that an optimizer may ask for."""

import io
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import optim


def test_shape_start_and_dtype():
    path = optim.trajectory(optim.sgd(1e-4), optim.rosenbrock, steps=7)
    assert path.shape == (8, 2) and path.dtype == jnp.float32
    np.testing.assert_array_equal(path[0], optim.rosenbrock.start)
    none = optim.trajectory(optim.sgd(1e-4), optim.rosenbrock, (1, 2), 0)
    np.testing.assert_array_equal(none, [[1.0, 2.0]])
    with jax.enable_x64(True):
        path = optim.trajectory(optim.sgd(1e-4), optim.rosenbrock, steps=1)
        assert path.dtype == jnp.float64


def test_equals_a_loop():
    tx, x = optim.adam(0.1), jnp.asarray(optim.beale.start)
    state = tx.init(x)
    for point in optim.trajectory(tx, optim.beale, steps=12):
        np.testing.assert_allclose(point, x, rtol=1e-5)
        updates, state = tx.update(jax.grad(optim.beale)(x), state, x)
        x = optax.apply_updates(x, updates)


def test_traces_the_function_as_often_for_many_steps_as_for_one():
    def traces(steps):
        calls = []

        def f(x):
            calls.append(1)
            return jnp.sum(x**2)

        optim.trajectory(optim.adam(0.1), f, (1.0, 2.0), steps)
        return len(calls)

    assert traces(1) == traces(50) == 1


def test_maps_over_rates():
    def end(rate):
        return optim.trajectory(optim.momentum(rate), optim.rosenbrock, steps=5)[-1]

    rates = jnp.asarray([1e-4, 2e-4])
    np.testing.assert_allclose(jax.vmap(end)(rates), [end(1e-4), end(2e-4)], rtol=1e-5)


@pytest.mark.parametrize("tx", [optax.lbfgs(), optax.polyak_sgd()])
def test_optimizers_that_ask_for_more(tx):
    path = optim.trajectory(tx, lambda x: jnp.sum((x - 1) ** 2), (3.0, -2.0), 30)
    np.testing.assert_allclose(path[-1], 1.0, atol=1e-3)


def test_grad_fn_is_handed_on():
    def extragradient(rate):  # the gradient at the point a step ahead
        def update(updates, state, params, *, grad_fn, **extra_args):
            del extra_args
            return -rate * grad_fn(params - rate * updates), state

        init = optax.identity().init
        return optax.GradientTransformationExtraArgs(init, update)

    path = optim.trajectory(extragradient(0.25), lambda x: jnp.sum(x**2), (1.0, 2.0), 1)
    np.testing.assert_allclose(path[1], (0.75, 1.5))


def test_refuses():
    with pytest.raises(ValueError, match="start must be given"):
        optim.trajectory(optim.sgd(0.1), jnp.sum)
    with pytest.raises(ValueError, match="steps must be >= 0, got -1"):
        optim.trajectory(optim.sgd(0.1), optim.beale, steps=-1)


@pytest.mark.parametrize("problem", [optim.rosenbrock, optim.rastrigin, optim.beale])
def test_picture(problem):
    paths = {
        f"sgd {i}": optim.trajectory(optim.sgd(1e-4 * (1 + i)), problem, steps=3)
        for i in range(9)
    }
    paths["diverged"] = jnp.asarray([problem.start, (1e30, 1e30), (jnp.nan, jnp.inf)])
    figure = optim.picture(paths, problem)
    figure.savefig(buffer := io.BytesIO(), format="png")
    assert len(buffer.getvalue()) > 10_000
    axes = figure.axes[0]
    assert (axes.get_xlim(), axes.get_ylim()) == problem.bounds
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == [*paths, "start", "minimum"]
    lines = [line for line in axes.lines if line.get_label() in paths]
    looks = {(line.get_color(), line.get_linestyle()) for line in lines}
    assert len(looks) == len(paths)
    np.testing.assert_array_equal(lines[0].get_xydata(), paths["sgd 0"])
    optim.picture({}, problem)


def test_importing_optim_loads_no_matplotlib():
    code = "import sys, optim; sys.exit('matplotlib' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
