"""SGD against its formula, golden iterates, optax, and the learning rate's link."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import optim

GOLDEN = {  # optax 0.2.8 and torch 2.13.0 agree on these to 1e-9
    1: (-1.349, 1.05),
    10: (-1.092497726, 1.150143522),
    100: (-1.059543309, 1.130580172),
}


def test_sgd_is_the_formula():
    theta, eta = np.array([-1.0, 3.0]), 0.07
    for _ in range(10):
        theta = theta - eta * 4 * (theta - 1) ** 3
    with jax.enable_x64(True):
        path = optim.trajectory(
            optim.sgd(eta), lambda x: jnp.sum((x - 1) ** 4), (-1.0, 3.0), 10
        )
    np.testing.assert_allclose(path[-1], theta, rtol=1e-12)


def test_golden_iterates():
    with jax.enable_x64(True):
        path = optim.trajectory(optim.sgd(2e-4), optim.rosenbrock)
    for step, point in GOLDEN.items():
        np.testing.assert_allclose(path[step], point, rtol=0, atol=1e-9)


def test_equals_optax():
    ours = optim.trajectory(optim.sgd(2e-4), optim.rosenbrock, steps=10)
    theirs = optim.trajectory(optax.sgd(2e-4), optim.rosenbrock, steps=10)
    assert ours.dtype == jnp.float32
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)


def test_schedule_begins_at_step_zero_and_counts():
    rates = [0.5, 0.25, 0.125]
    tx = optim.sgd(lambda step: jnp.asarray(rates)[step])
    state = tx.init(jnp.zeros(()))
    for count, rate in enumerate(rates):
        assert state == optim.LearningRateState(count=count)
        update, state = tx.update(jnp.ones(()), state)
        assert update == -rate


def test_a_schedule_may_be_wider_or_narrower_than_the_params():
    with jax.enable_x64(True), jax.numpy_dtype_promotion("strict"):
        for dtype in (jnp.float32, jnp.float64, jnp.bfloat16):
            for out in (jnp.float32, jnp.float64):
                tx = optim.sgd(lambda step, out=out: jnp.asarray(0.5, out))
                params = jnp.ones(2, dtype)
                update, _ = tx.update(params, tx.init(params), params)
                chex.assert_type(update, dtype)
                chex.assert_trees_all_equal(update, jnp.full(2, -0.5, dtype))


def test_the_count_saturates():
    top = jnp.iinfo(jnp.int32).max
    state = optim.LearningRateState(count=jnp.asarray(top))
    _, state = optim.sgd(lambda step: 0.1).update(jnp.ones(()), state)
    assert state.count == top


@pytest.mark.parametrize("flip_sign, want", [(True, -0.5), (False, 0.5)])
def test_sign(flip_sign, want):
    tx = optim.scale_by_learning_rate(0.5, flip_sign=flip_sign)
    assert tx.update(jnp.ones(()), tx.init(jnp.ones(())))[0] == want
