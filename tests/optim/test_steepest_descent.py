"""Steepest descent against Armijo, Cauchy, optax, its limits, and on many devices."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import optim
from tests.optim.formulas import told
from tests.optim.learners import assert_one_device_equals_many

START = {"a": (1.5, -2.0, 0.3), "b": (0.7,)}
H = np.array([[3.0, 1.0, 0.0, 0.2], [1.0, 2.0, 0.3, 0.0], [0.0, 0.3, 1.0, 0.1],
              [0.2, 0.0, 0.1, 5.0]])  # fmt: skip


def flat(params):
    return jnp.concatenate([params["a"], params["b"]])


def waves(params):
    return sum(jnp.sum(x**4 / 4 - jnp.cos(3 * x)) for x in jax.tree.leaves(params))


def quadratic(params):
    return flat(params) @ H @ flat(params) / 2


def walk(tx, f, steps=10):
    """The points on the way, [steps + 1, 4]."""
    with jax.enable_x64(True):
        params = jax.tree.map(
            jnp.asarray, START, is_leaf=lambda x: isinstance(x, tuple)
        )

        @jax.jit
        def step(params, state):
            extra = told(f, params)
            updates, state = tx.update(extra["grad"], state, params, **extra)
            return optax.apply_updates(params, updates), state

        state, path = tx.init(params), [flat(params)]
        for _ in range(steps):
            params, state = step(params, state)
            path.append(flat(params))
        return np.asarray(path)


def test_is_armijo_s_search():
    f = lambda w: (w**4 / 4 - np.cos(3 * w)).sum()
    grad = lambda w: w**3 + 3 * np.sin(3 * w)
    w, halved = np.array([1.5, -2.0, 0.3, 0.7]), 0
    for _ in range(10):
        g, a = grad(w), 0.7
        while f(w - a * g) > f(w) - 0.3 * a * g @ g:
            a, halved = a / 2, halved + 1
        w = w - a * g
    assert halved > 10
    got = walk(optim.steepest_descent(0.7, c1=0.3), waves)
    np.testing.assert_allclose(got[-1], w, rtol=1e-12)


def test_equals_optax():
    """Whose search begins at its largest length, as ours does, if told to."""
    theirs = optax.chain(
        optax.sgd(1.0),
        optax.scale_by_backtracking_linesearch(
            max_backtracking_steps=40,
            slope_rtol=1e-4,
            decrease_factor=0.5,
            increase_factor=float("inf"),
            max_learning_rate=0.7,
        ),
    )
    got, want = (walk(tx, waves) for tx in (optim.steepest_descent(0.7), theirs))
    np.testing.assert_allclose(got, want, rtol=1e-9)


def test_the_exact_search_is_cauchy_s():
    path = walk(optim.steepest_descent(0.1, "exact"), quadratic)
    w = path[0]
    for got in path[1:]:
        g = H @ w
        w = w - (g @ g) / (g @ H @ g) * g
        np.testing.assert_allclose(got, w, rtol=1e-9, atol=1e-12)


def test_along_an_axis_one_exact_step_ends_at_the_minimum():
    scale = lambda params: 3 * jnp.sum(params["b"] ** 2) + 0 * jnp.sum(params["a"])
    path = walk(optim.steepest_descent(0.1, "exact"), scale, steps=1)
    np.testing.assert_allclose(path[1], [1.5, -2.0, 0.3, 0.0], atol=1e-12)


@pytest.mark.parametrize("c2", [0.9, 0.1])
def test_wolfe_s_conditions_hold_at_every_step(c2):
    f = lambda w: (w**4 / 4 - np.cos(3 * w)).sum()
    grad = lambda w: w**3 + 3 * np.sin(3 * w)
    path = walk(optim.steepest_descent(0.001, "wolfe", c2=c2), waves, 6)
    for w, new in zip(path, path[1:], strict=False):
        g = grad(w)
        assert f(new) <= f(w) + 1e-4 * g @ (new - w)
        assert abs(grad(new) @ (new - w)) <= c2 * abs(g @ (new - w))
    assert np.abs(path[1] - path[0]).max() > 0.01  # farther than its first length


def test_without_a_search_it_is_gradient_descent():
    got = walk(optim.steepest_descent(0.02, "none"), waves)
    np.testing.assert_allclose(got, walk(optim.sgd(0.02), waves), rtol=1e-12)


def test_goes_along_the_direction_of_the_link_before():
    tx = optax.chain(optim.scale_by_rmsprop(), optim.steepest_descent(1.0))
    path = walk(tx, waves)
    f = lambda w: (w**4 / 4 - np.cos(3 * w)).sum()
    assert all(f(b) < f(a) for a, b in zip(path[:4], path[1:5], strict=True))
    signs = np.sign(path[1] - path[0])
    np.testing.assert_allclose(path[1] - path[0], signs * abs(path[1] - path[0])[0])


def test_does_not_move_uphill():
    tx = optax.chain(optax.scale(-1.0), optim.steepest_descent(1.0))
    path = walk(tx, waves, steps=2)
    np.testing.assert_array_equal(path[1], path[0])


@pytest.mark.parametrize("search", ["armijo", "wolfe"])
def test_one_device_equals_eight(search, devices):
    assert_one_device_equals_many(optim.steepest_descent(1.0, search), devices)


def test_asks_for_what_it_needs():
    tx, x = optim.steepest_descent(0.1), jnp.ones(2)
    with pytest.raises(ValueError, match="steepest_descent needs params"):
        tx.update(x, tx.init(x), value_fn=jnp.sum)
    with pytest.raises(ValueError, match="steepest_descent needs value_fn"):
        tx.update(x, tx.init(x), x)


def test_refuses():
    with pytest.raises(ValueError, match="unknown line_search 'armio'; did you mean"):
        optim.steepest_descent(0.1, "armio")
    with pytest.raises(ValueError, match=r"c1 must be a number in \(0, 0.5\), got 0.5"):
        optim.steepest_descent(0.1, c1=0.5)
    with pytest.raises(ValueError, match=r"c2 must be a number in \(0, 1\), got 1"):
        optim.steepest_descent(0.1, c2=1)
