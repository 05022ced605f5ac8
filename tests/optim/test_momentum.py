"""Momentum against both its forms, golden iterates, optax and its limit."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import optim
from tests.optim.formulas import follow, formulas

GOLDEN = {  # optax 0.2.8 and torch 2.13.0 agree on these to 1e-9
    1: (-1.349, 1.05),
    10: (-0.772964229, 0.906567690),
    100: (-0.038739860, 0.002640165),
}
FORMS = ("inside", "outside")
START = (-1.0, 3.0, 0.5)


def bowl(x):
    return jnp.sum((x - 1) ** 2)


def schedule(step):  # cut tenfold in the middle
    return jnp.where(step < 5, 0.1, 0.01)


def transcribe(form, eta, gamma, steps=10):
    theta, v = np.array(START), np.zeros(3)
    for step in range(steps):
        g = 2 * (theta - 1)
        if form == "inside":
            v = gamma * v + eta(step) * g
            theta = theta - v
        else:
            v = gamma * v + g
            theta = theta - eta(step) * v
    return theta


@pytest.mark.parametrize("form", FORMS)
def test_is_the_paper_under_a_schedule(form):
    with jax.enable_x64(True):
        path = optim.trajectory(optim.momentum(schedule, 0.8, form), bowl, START, 10)
    want = transcribe(form, lambda step: 0.1 if step < 5 else 0.01, 0.8)
    np.testing.assert_allclose(path[-1], want, rtol=1e-12)


def test_forms_differ_under_a_schedule_and_only_there():
    with jax.enable_x64(True):
        inside, outside = (
            optim.trajectory(optim.momentum(schedule, 0.8, form), bowl, START, 10)
            for form in FORMS
        )
        np.testing.assert_allclose(inside[:6], outside[:6], rtol=1e-12)
        # At the cut: inside, the buffer still moves at the old rate.
        before, after = inside[6] - inside[5], outside[6] - outside[5]
        assert jnp.all(jnp.abs(before) > 3 * jnp.abs(after))
        inside, outside = (
            optim.trajectory(optim.momentum(0.1, 0.8, form), bowl, START, 10)
            for form in FORMS
        )
        np.testing.assert_allclose(inside, outside, rtol=1e-12)


def test_both_formulas_of_the_docstring():
    inside, outside = formulas("momentum")
    assert "eta*g" in inside and "eta*v" in outside
    for form, text in zip(FORMS, (inside, outside), strict=True):
        with jax.enable_x64(True):
            path = optim.trajectory(optim.momentum(0.1, rate=form), bowl, START, 10)
        np.testing.assert_allclose(path[-1], follow(text, "momentum"), rtol=1e-12)


def test_the_buffer_is_the_one_of_the_formula():
    """Inside it holds the rate, so it is a step; outside it is a sum of gradients."""
    for form, want in zip(FORMS, (0.1 * 2.9, 2.9), strict=True):
        tx = optim.momentum(0.1, 0.9, form)
        state = tx.init(jnp.zeros(()))
        for gradient in (1.0, 2.0):
            _, state = tx.update(jnp.asarray(gradient), state)
        (buffer,) = (s for s in state if isinstance(s, optim.MomentumState))
        np.testing.assert_allclose(buffer.v, want, rtol=1e-6)


@pytest.mark.parametrize("form", FORMS)
def test_golden_iterates(form):
    with jax.enable_x64(True):
        path = optim.trajectory(
            optim.momentum(2e-4, 0.9, form), optim.rosenbrock, steps=100
        )
    for step, point in GOLDEN.items():
        np.testing.assert_allclose(path[step], point, rtol=0, atol=1e-9)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("rate", [0.05, schedule])
def test_gamma_zero_is_sgd(form, rate):
    ours = optim.trajectory(optim.momentum(rate, 0.0, form), bowl, START, 10)
    sgd = optim.trajectory(optim.sgd(rate), bowl, START, 10)
    np.testing.assert_allclose(ours, sgd, rtol=1e-6)


def test_equals_optax():
    ours = optim.trajectory(optim.momentum(2e-4, 0.9), optim.rosenbrock, steps=10)
    theirs = optax.sgd(2e-4, momentum=0.9)
    theirs = optim.trajectory(theirs, optim.rosenbrock, steps=10)
    assert ours.dtype == jnp.float32
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)


def test_the_buffer_of_a_narrow_parameter_is_wide():
    params = {"a": jnp.ones(2, jnp.bfloat16), "b": jnp.ones(2, jnp.float16)}
    state = optim.scale_by_momentum().init(params)
    wide = jax.tree.map(lambda _: jnp.zeros(2, jnp.float32), params)
    chex.assert_trees_all_equal_shapes_and_dtypes(state.v, wide)
    chex.assert_trees_all_equal(state.v, wide)


@pytest.mark.parametrize("gamma", [-0.1, 1.0, 2.0, float("nan"), "0.9"])
def test_refuses_gamma(gamma):
    message = rf"gamma must be a number in \[0, 1\), got {gamma!r}"
    with pytest.raises(ValueError, match=message):
        optim.momentum(0.1, gamma)


def test_refuses_another_form():
    with pytest.raises(ValueError, match="unknown rate of momentum 'insid'; did you"):
        optim.momentum(0.1, rate="insid")


@pytest.mark.parametrize("leaf", [jnp.arange(2), jnp.ones(2, complex)])
def test_refuses_parameters_that_are_not_real(leaf):
    with pytest.raises(ValueError, match=r"params\['w'\] must be real floating"):
        optim.momentum(0.1).init({"w": leaf})
