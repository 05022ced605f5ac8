"""Nesterov's method in both its forms, their change of variables, golden iterates."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import optim
from tests.optim.formulas import follow, formulas
from tests.optim.learners import assert_one_device_equals_many
from tests.optim.walks import along, assert_golden, given, rosenbrock, walk

GOLDEN = {  # optax 0.2.8 and torch 2.13.0 agree on these to 1e-9
    1: (-1.2131, 1.095),
    10: (-1.022206636, 0.959870089),
    100: (-0.738470026, 0.553348381),
}
WAYS = (  # in the order of the docstring's formulas
    dict(),
    dict(rate="outside"),
    dict(form="lookahead"),
)


def schedule(step):  # cut tenfold in the middle
    return jnp.where(step < 5, 2e-4, 2e-5)


def rate(t):
    return 2e-4 if t <= 5 else 2e-5


def transcribe(theta, grad, steps, eta, gamma, form="rearranged", rate="inside"):
    """As written: equations 3 and 4 of Sutskever et al., whose v is minus ours."""
    v = np.zeros_like(theta)
    for t in range(1, steps + 1):
        if form == "lookahead":
            v = gamma * v - eta(t) * grad(t, theta + gamma * v)
            theta = theta + v
        elif rate == "inside":
            g = eta(t) * grad(t, theta)
            v = gamma * v + g
            theta = theta - g - gamma * v
        else:
            g = grad(t, theta)
            v = gamma * v + g
            theta = theta - eta(t) * (g + gamma * v)
    return theta


@pytest.mark.parametrize("way", WAYS)
def test_is_the_paper_under_a_schedule(way):
    with jax.enable_x64(True):
        tx = optim.nesterov(schedule, 0.8, **way)
        path = optim.trajectory(tx, optim.rosenbrock, steps=10)
    start = np.array(optim.rosenbrock.start)
    want = transcribe(start, rosenbrock, 10, rate, 0.8, **way)
    np.testing.assert_allclose(path[-1], want, rtol=1e-12)


@pytest.mark.parametrize("way", WAYS[:2])
def test_is_the_paper_on_gradients_of_all_sizes(way):
    theta, grads = walk()
    got = along(optim.nesterov(0.03, 0.7, **way), theta, grads)
    want = transcribe(theta, given(grads), 10, lambda t: 0.03, 0.7, **way)
    np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("way", WAYS[:2])
def test_golden_iterates(way):
    assert_golden(GOLDEN, optim.nesterov(2e-4, 0.9, **way))
    numbers = (lambda t: 2e-4, 0.9)
    assert_golden(GOLDEN, None, lambda *w: transcribe(*w, *numbers, **way))


def test_the_change_of_variables_maps_one_form_onto_the_other():
    """theta - gamma*v of the form as written is theta of the rearranged one."""
    with jax.enable_x64(True):
        tx = optim.nesterov(schedule, 0.9, form="lookahead")
        x = jnp.asarray(optim.rosenbrock.start)
        state, ahead = tx.init(x), [x]
        for _ in range(30):
            taken = optim.descend(tx, optim.rosenbrock, x, state)
            x, state = taken.x, taken.state
            ahead.append(x - 0.9 * state.v)
        other = optim.nesterov(schedule, 0.9)
        path = optim.trajectory(other, optim.rosenbrock, steps=30)
    np.testing.assert_allclose(np.stack(ahead), path, rtol=1e-11)
    assert np.abs(x - path[-1]).max() > 1e-3  # the paths themselves differ


def test_inside_and_outside_differ_under_a_schedule_and_only_there():
    with jax.enable_x64(True):
        for eta, same in [(2e-4, True), (schedule, False)]:
            inside, outside = (
                optim.trajectory(optim.nesterov(eta, **way), optim.rosenbrock, steps=10)
                for way in WAYS[:2]
            )
            np.testing.assert_allclose(inside[:6], outside[:6], rtol=1e-12)
            assert np.allclose(inside, outside, rtol=1e-10) == same


def test_all_formulas_of_the_docstring():
    for way, text in zip(WAYS, formulas("nesterov"), strict=True):
        with jax.enable_x64(True):
            path = optim.trajectory(
                optim.nesterov(0.1, **way),
                lambda x: jnp.sum((x - 1) ** 2),
                (-1.0, 3.0, 0.5),
                10,
            )
        np.testing.assert_allclose(path[-1], follow(text, "nesterov"), rtol=1e-12)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("eta", [2e-4, schedule])
def test_gamma_zero_is_sgd(way, eta):
    with jax.enable_x64(True):
        tx = optim.nesterov(eta, 0.0, **way)
        ours = optim.trajectory(tx, optim.rosenbrock, steps=10)
        sgd = optim.trajectory(optim.sgd(eta), optim.rosenbrock, steps=10)
    np.testing.assert_allclose(ours, sgd, rtol=1e-12)


def test_equals_optax():
    ours = along(optim.nesterov(schedule, 0.7, rate="outside"), *walk())
    theirs = along(optax.sgd(schedule, momentum=0.7, nesterov=True), *walk())
    np.testing.assert_allclose(ours, theirs, rtol=1e-9)


def test_the_look_ahead_leaves_its_updates_aside():
    def f(x):
        return jnp.sum(x**2)

    tx = optim.nesterov(0.1, form="lookahead")
    clipped = optax.chain(optax.clip(1e-3), tx)
    paths = [optim.trajectory(t, f, (3.0, -2.0), 5) for t in (tx, clipped)]
    np.testing.assert_array_equal(*paths)


def test_the_look_ahead_keeps_the_promises_of_state_and_dtypes():
    """Traced once under jit, donated, in strict promotion, of narrow parameters."""
    for eta in (0.1, lambda step: jnp.where(step < 30, 0.1, 0.05)):
        tx = optim.nesterov(eta, form="lookahead")
        params = {"a": jnp.ones(3, jnp.bfloat16), "b": jnp.zeros(2)}
        state, traces = tx.init(params), []
        assert state.v["a"].dtype == jnp.float32

        def grad_fn(p):
            return jax.tree.map(lambda x: 2 * (x - 2), p)

        def step(params, state, tx=tx, traces=traces):
            traces.append(1)
            updates, new = tx.update(grad_fn(params), state, params, grad_fn=grad_fn)
            assert jax.tree.map(jax.typeof, updates) == jax.tree.map(jax.typeof, params)
            assert jax.tree.map(jax.typeof, new) == jax.tree.map(jax.typeof, state)
            return optax.apply_updates(params, updates), new

        with jax.numpy_dtype_promotion("strict"):
            step = jax.jit(step, donate_argnums=(0, 1))
            for _ in range(60):
                params, state = step(params, state)
        assert len(traces) == 1
        for leaf in jax.tree.leaves(params):
            np.testing.assert_allclose(leaf.astype(jnp.float32), 2, atol=0.1)


def test_the_look_ahead_maps_over_rates_and_gammas():
    def end(eta, gamma):
        tx = optim.nesterov(eta, gamma, form="lookahead")
        return optim.trajectory(tx, optim.rosenbrock, steps=5)[-1]

    etas, gammas = jnp.asarray([1e-4, 2e-4]), jnp.asarray([0.5, 0.9])
    with jax.numpy_dtype_promotion("strict"):
        together = jax.vmap(end)(etas, gammas)
    np.testing.assert_allclose(together, [end(1e-4, 0.5), end(2e-4, 0.9)], rtol=1e-5)


def test_the_look_ahead_asks_for_what_it_needs():
    tx, one = optim.nesterov(0.1, form="lookahead"), jnp.ones(2)
    state = tx.init(one)
    with pytest.raises(ValueError, match="nesterov needs params"):
        tx.update(one, state, grad_fn=lambda x: x)
    with pytest.raises(ValueError, match="nesterov needs grad_fn"):
        tx.update(one, state, one)


@pytest.mark.parametrize("form", ["rearranged", "lookahead"])
@pytest.mark.parametrize("gamma", [-0.1, 1.0, float("nan"), "0.9", None])
def test_refuses_gamma(form, gamma):
    message = rf"gamma must be a number in \[0, 1\), got {gamma!r}"
    with pytest.raises(ValueError, match=message):
        optim.nesterov(0.1, gamma, form)


@pytest.mark.parametrize("bad", [-0.1, float("nan"), None])
def test_the_look_ahead_refuses_a_bad_rate(bad):
    with pytest.raises(ValueError, match="learning_rate must be a finite number"):
        optim.nesterov(bad, form="lookahead")


def test_refuses_other_forms_and_places_of_the_rate():
    with pytest.raises(ValueError, match="unknown form of nesterov 'ahead'; did you"):
        optim.nesterov(0.1, form="ahead")
    with pytest.raises(ValueError, match="unknown rate of nesterov 'out'; did you"):
        optim.nesterov(0.1, rate="out")
    with pytest.raises(ValueError, match='must be "inside", got "outside"'):
        optim.nesterov(0.1, form="lookahead", rate="outside")


def test_one_device_equals_eight(devices):
    """Through a learner, which hands it the gradient at the look-ahead point."""
    tx = optim.nesterov(0.05, 0.9, form="lookahead")
    assert_one_device_equals_many(tx, devices)
