"""Activations: the stated derivatives, the kinks, limits and identities."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import zoo.functional as F

NAMES = sorted(F.DERIVATIVES)
GRID = np.linspace(-8, 8, 401) + 1 / 300  # no point of it is a kink
each = pytest.mark.parametrize("name", NAMES)


def smooth(name):
    """Points of the grid that are no nearer than 1e-3 to a kink or a jump."""
    kinks = (*F.KINKS.get(name, ()), 0.0)
    return GRID[np.min([abs(GRID - k) for k in kinks], axis=0) > 1e-3]


def slopes(name, x):
    """What jax.grad gives, and what the table says."""
    f, df = F.ACTIVATIONS[name], F.DERIVATIVES[name]
    return jax.jit(lambda x: (jax.vmap(jax.grad(f))(x), df(x)))(x)


def test_the_tables_are_of_the_same_functions():
    assert F.ACTIVATIONS.keys() == F.DERIVATIVES.keys()
    assert set(F.KINKS) < set(F.ACTIVATIONS)


@each
def test_the_derivative_is_that_of_autodiff(name):
    with jax.enable_x64(True):
        grad, stated = slopes(name, jnp.array(smooth(name)))
    assert grad.dtype == stated.dtype == np.float64
    np.testing.assert_allclose(grad, stated, rtol=1e-12, atol=1e-14)


@each
def test_the_derivative_is_that_of_central_differences(name):
    """Of sign, which has none, those of hard_tanh: straight through says just that."""
    h = 1e-5  # error h^2 f''' / 6 and rounding 1e-16 f / h: both below 1e-9
    with jax.enable_x64(True):
        f = jax.jit(F.ACTIVATIONS["hard_tanh" if name == "sign" else name])
        x = jnp.array(smooth(name))
        differences = (f(x + h) - f(x - h)) / (2 * h)
        stated = F.DERIVATIVES[name](x)
    np.testing.assert_allclose(differences, stated, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("name", sorted(F.KINKS))
def test_at_a_kink_it_is_what_the_table_says(name):
    x = np.array(F.KINKS[name], np.float32)
    grad, stated = slopes(name, jnp.array(x))
    np.testing.assert_array_equal(grad, stated)
    left, right = F.DERIVATIVES[name](x - 1e-6), F.DERIVATIVES[name](x + 1e-6)
    assert (abs(left - right) > 0.1).all()  # a kink it is
    assert (np.minimum(left, right) - 1e-5 < stated).all()
    assert (stated < np.maximum(left, right) + 1e-5).all()


@pytest.mark.parametrize(
    "name, expected",
    [
        ("relu", [0]),
        ("relu6", [0, 0]),
        ("leaky_relu", [1]),
        ("prelu", [1]),
        ("hard_tanh", [1, 1]),
        ("hard_sigmoid", [0.5, 0.5]),
        ("sign", [1, 1]),
        ("selu", [1.0507009873554805 * 1.6732632423543773]),
    ],
)
def test_the_numbers_at_the_kinks(name, expected):
    stated = F.DERIVATIVES[name](jnp.array(F.KINKS[name], jnp.float32))
    np.testing.assert_allclose(stated, expected, rtol=1e-6)


@pytest.mark.parametrize("name", sorted(set(NAMES) - set(F.KINKS)))
def test_the_others_have_no_kink(name):
    x = np.linspace(-8, 8, 3201)
    with jax.enable_x64(True):
        slope = np.asarray(F.DERIVATIVES[name](jnp.array(x)))
    assert abs(np.diff(slope)).max() < 0.01  # 0.005 apart, and no second one above 2


@each
def test_far_out_nothing_overflows(name):
    x = jnp.array([-1e4, -100.0, 100.0, 1e4], jnp.float32)
    grad, stated = slopes(name, x)
    assert np.isfinite(F.ACTIVATIONS[name](x)).all()
    np.testing.assert_allclose(grad, stated, atol=1e-6)


def test_prelu():
    """Slopes by unit; 0 is relu, 0.01 leaky_relu, 1 the identity."""
    x = jnp.array([[-2.0, -2.0, -2.0], [4.0, 0.0, -1.0]])
    y = F.prelu(x, jnp.array([0.5, 0.0, -1.0]))
    np.testing.assert_array_equal(y, [[-1, 0, 2], [4, 0, 1]])
    for slope, f in ((0.0, F.relu), (0.01, F.leaky_relu), (1.0, lambda x: x)):
        np.testing.assert_array_equal(F.prelu(x, jnp.float32(slope)), f(x))
    by_slope = jax.grad(lambda a: F.prelu(x, a).sum())(jnp.zeros(3))
    np.testing.assert_array_equal(by_slope, np.minimum(x, 0).sum(0))


def test_maxout():
    x = jnp.array([[1.0, 3, 2, -1, -4, -2], [0, 0, 5, 9, 8, 7]])
    np.testing.assert_array_equal(F.maxout(x, 3), [[3, -1], [5, 9]])
    np.testing.assert_array_equal(F.maxout(x, 1), x)
    # Of two pieces: relu is the maximum of x and 0, |x| that of x and -x.
    z = jnp.linspace(-2, 2, 9)
    pairs = lambda other: jnp.stack([z, other], 1).ravel()
    np.testing.assert_array_equal(F.maxout(pairs(0 * z), 2), F.relu(z))
    np.testing.assert_array_equal(F.maxout(pairs(-z), 2), abs(z))


@pytest.mark.parametrize("x", [[0.5, -1.0, 2.0, 1.5], [1.0, 3.0, 3.0, 0.0]], ids=str)
def test_jacobians(x):
    """Those of autodiff, also where two pieces are equal; softmax's rows sum to 0."""
    with jax.enable_x64(True):
        x = jnp.array(x)
        softmax, maxout = F.JACOBIANS["softmax"](x), F.JACOBIANS["maxout"](x)
        np.testing.assert_allclose(softmax, jax.jacobian(F.softmax)(x), atol=1e-15)
        unit = lambda x: F.maxout(x, 4)[0]
        np.testing.assert_array_equal(maxout, jax.grad(unit)(x))
        np.testing.assert_allclose(softmax.sum(1), 0, atol=1e-15)
        assert maxout.sum() == 1


@given(st.floats(-30, 30), st.floats(-30, 30))
def test_softmax_of_two_is_the_logistic_function(a, b):
    with jax.enable_x64(True):
        p = F.softmax(jnp.array([a, b]))
        np.testing.assert_allclose(p[0], F.sigmoid(jnp.float64(a - b)), rtol=1e-12)
        slope = F.JACOBIANS["softmax"](jnp.array([a, b]))[0, 0]
        expected = F.DERIVATIVES["sigmoid"](jnp.float64(a - b))
        np.testing.assert_allclose(slope, expected, rtol=1e-9, atol=1e-15)


def test_identities():
    """Symmetries, and one function by another."""
    with jax.enable_x64(True):
        x = jnp.array(GRID)
        for pair in (
            (F.tanh(x), 2 * F.sigmoid(2 * x) - 1),
            (F.sigmoid(-x), 1 - F.sigmoid(x)),
            (F.softplus(x) - F.softplus(-x), x),
            (F.gelu(x) - F.gelu(-x), x),
            (F.silu(x), x * F.sigmoid(x)),
            (F.hard_tanh(x), 2 * F.hard_sigmoid(x) - 1),
            (F.hard_sigmoid(x), np.maximum(0, np.minimum(1, (x + 1) / 2))),
            (F.relu6(x), 3 * (1 + F.hard_tanh((x - 3) / 3))),
            (F.leaky_relu(x), F.relu(x) - 0.01 * F.relu(-x)),
        ):
            np.testing.assert_allclose(*pair, atol=1e-13)


def test_our_hard_sigmoid_is_not_that_of_jax():
    x = jnp.array([-3.0, -1.0, 0.0, 1.0, 3.0])
    np.testing.assert_array_equal(F.hard_sigmoid(x), [0, 0, 0.5, 1, 1])
    np.testing.assert_allclose(jax.nn.hard_sigmoid(x), [0, 1 / 3, 0.5, 2 / 3, 1])


def test_sign():
    x = jnp.array([-2.0, -1.0, -1e-30, -0.0, 0.0, 1.0, 1.5])
    np.testing.assert_array_equal(F.sign(x), [-1, -1, -1, 1, 1, 1, 1])
    np.testing.assert_array_equal(jax.vmap(jax.grad(F.sign))(x), [0, 1, 1, 1, 1, 1, 0])
    assert np.isnan(F.sign(jnp.nan * x[:1]))[0]
    # Straight through what is behind it: 3 x^2 times 1 within [-1, 1].
    assert jax.grad(lambda x: F.sign(x**3))(0.5) == 0.75
    assert jax.jvp(F.sign, (x,), (2 * x,))[1][1] == -2
    assert jax.grad(jax.grad(F.sign))(0.5) == 0


@pytest.mark.parametrize(
    "f, args, message",
    [
        (F.sign, (jnp.arange(3),), "x must be floats, got int32"),
        (F.hard_sigmoid, (jnp.arange(3),), "x must be floats, got int32"),
        (F.prelu, (jnp.arange(3), jnp.ones(())), "x must be floats, got int32"),
        (F.maxout, (jnp.arange(3), 3), "x must be floats, got int32"),
        (F.prelu, (jnp.ones((2, 3)), jnp.ones(2)), r"slope .* \(2, 3\), got .* \(2,\)"),
        (F.maxout, (jnp.ones((2, 6)), 4), r"pieces .* \(2, 6\), got 4"),
        (F.maxout, (jnp.ones((2, 6)), 0), "pieces must be a positive .* got 0"),
        (F.maxout, (jnp.ones((2, 6)), 2.0), "pieces must be a positive .* got 2.0"),
        (F.maxout, (jnp.ones(()), 1), "pieces must be"),
    ],
)  # fmt: skip
def test_refuses(f, args, message):
    with pytest.raises(ValueError, match=message):
        f(*args)
