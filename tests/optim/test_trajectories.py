"""Traces: one scan, the right lengths, all that an optimizer may ask for and keeps."""

import chex
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

    assert traces(1) == traces(50) == 2  # a step, and the value at the end


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


def test_a_trace_is_what_a_loop_sees():
    """Positions, values, gradients, updates and state, each where it belongs."""
    with jax.enable_x64(True):
        tx, x = optim.adam(0.1), jnp.asarray(optim.beale.start)
        trace = optim.trace(tx, optim.beale, steps=7)
        assert set(trace.state) == {"count", "m", "v"}
        state = tx.init(x)
        for t in range(8):
            kept = {name: leaf[t] for name, leaf in trace.state.items()}
            chex.assert_trees_all_close(kept, state[0]._asdict(), rtol=1e-12)
            np.testing.assert_allclose(trace.positions[t], x, rtol=1e-12)
            np.testing.assert_allclose(trace.values[t], optim.beale(x), rtol=1e-12)
            if t < 7:
                grad = optim.beale.grad(x)
                updates, state = tx.update(grad, state, x)
                np.testing.assert_allclose(trace.gradients[t], grad, rtol=1e-12)
                np.testing.assert_allclose(trace.updates[t], updates, rtol=1e-12)
                x = optax.apply_updates(x, updates)
    assert len(trace.gradients) == len(trace.updates) == 7


def test_leaves_of_one_name_are_told_apart_by_their_paths():
    tx = optax.chain(optim.scale_by_adam(), optim.scale_by_momentum(), optax.trace(0.5))
    trace = optim.trace(tx, optim.saddle, steps=3)
    assert set(trace.state) == {"count", "m", "0.v", "1.v", "trace"}
    assert trace.state["0.v"].shape == (4, 2) and trace.state["count"].shape == (4,)
    assert optim.trace(optim.sgd(0.1), optim.saddle, steps=3).state == {}


def test_no_steps():
    trace = optim.trace(optim.adam(0.1), optim.parabola, steps=0)
    assert trace.positions.shape == (1, 1) and trace.updates.shape == (0, 1)
    np.testing.assert_array_equal(trace.values, [4])
    assert trace.state["m"].shape == (1, 1)


def test_thousands_of_paths_in_one_call():
    """Over starts, rates and keys at once; the last leaves the variance of theory."""
    noise, rate, k = 0.5, 0.15, 10.0
    problem = optim.noisy_quadratic(k, noise)

    @jax.jit
    @jax.vmap
    def run(start, rate, key):
        return optim.trace(optim.sgd(rate), problem, start, 60, key)

    n = 8000
    starts = jax.random.uniform(jax.random.key(1), (n, 2))
    rates = jnp.where(jnp.arange(n) < n // 2, rate, rate / 2)
    traces = run(starts, rates, jax.random.split(jax.random.key(2), n))
    assert traces.positions.shape == (n, 61, 2) and traces.values.shape == (n, 61)
    for eta, half in ((rate, slice(n // 2)), (rate / 2, slice(n // 2, n))):
        y = traces.positions[half, -1, 1]  # the steep coordinate, long settled
        expected = noise**2 * eta * k / (2 - eta * k)
        # Four standard errors of a variance from n/2 normal draws.
        np.testing.assert_allclose(np.var(y), expected, rtol=4 * (2 / (n / 2)) ** 0.5)


def test_noise_is_in_the_gradients_and_not_in_the_values():
    problem, key = optim.noisy_quadratic(), jax.random.key(3)
    trace = optim.trace(optim.sgd(0.05), problem, steps=5, key=key)
    np.testing.assert_allclose(trace.values, problem(trace.positions), rtol=1e-6)
    for t in range(5):
        drawn = jax.random.fold_in(key, t)
        seen = jax.grad(problem.sample, argnums=1)(drawn, trace.positions[t])
        np.testing.assert_allclose(trace.gradients[t], seen, rtol=1e-5)
    again = optim.trace(optim.sgd(0.05), problem, steps=5, key=key)
    np.testing.assert_array_equal(trace.positions, again.positions)
    other = optim.trace(optim.sgd(0.05), problem, steps=5, key=jax.random.key(4))
    assert not np.array_equal(trace.positions, other.positions)


def test_a_key_is_for_noise_and_noise_needs_a_key():
    with pytest.raises(ValueError, match="key must be given for noisy_quadratic"):
        optim.trace(optim.sgd(0.1), optim.noisy_quadratic())
    with pytest.raises(ValueError, match="key must be None for beale"):
        optim.trajectory(optim.sgd(0.1), optim.beale, key=jax.random.key(0))


def test_keys_are_not_among_what_is_shown():
    state = optim.trace(optim.sophia(0.1), optim.paraboloid, steps=2).state
    assert all(jnp.issubdtype(leaf.dtype, jnp.number) for leaf in state.values())
    assert {"m", "h"} <= set(state) and state["m"].shape == (3, 2)
