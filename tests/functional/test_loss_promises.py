"""What every loss promises: pairs that add up, weights that leave out, refusals."""

import functools
import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import zoo.functional as F

rng = np.random.default_rng(0)
B, K = 6, 4
CLASSES = rng.normal(size=(B, K)), rng.integers(0, K, B)
SOFT = rng.dirichlet(np.ones(K), (2, B))
REALS = rng.normal(size=(2, B, 3))
SIDES = rng.normal(size=(B, 3)), rng.integers(0, 2, (B, 3))
part = functools.partial

# name -> (loss, outputs, y)
LOSSES = {
    "absolute": (F.absolute, *REALS),
    "binary_cross_entropy": (F.binary_cross_entropy, *SIDES),
    "binary_cross_entropy, p": (
        part(F.binary_cross_entropy, from_logits=False),
        *rng.uniform(0.1, 0.9, (2, B, 3)),
    ),
    "binary_focal": (F.binary_focal, *SIDES),
    "cross_entropy": (part(F.cross_entropy, label_smoothing=0.1), *CLASSES),
    "cross_entropy, p": (part(F.cross_entropy, from_logits=False), *SOFT),
    "dice": (F.dice, *SIDES),
    "dice, classes": (
        F.dice,
        rng.normal(size=(B, 3, K)),
        rng.integers(0, K, (B, 3)),
    ),
    "focal": (part(F.focal, alpha=(0.1, 0.2, 0.3, 0.4)), *CLASSES),
    "hinge": (F.hinge, *SIDES),
    "jensen_shannon_loss": (F.jensen_shannon_loss, *SOFT),
    "kl_loss": (F.kl_loss, *SOFT),
    "multiclass_hinge": (F.multiclass_hinge, *CLASSES),
    "quadratic": (F.quadratic, *REALS),
    "smooth_l1": (F.smooth_l1, *REALS),
}


def arrays(name):
    loss, outputs, y = LOSSES[name]
    y = jnp.float32(y) if y.dtype.kind == "f" else jnp.int32(y)
    return loss, jnp.float32(outputs), y


def test_every_loss_is_listed():
    found = {
        name
        for name, f in inspect.getmembers(F, inspect.isfunction)
        if list(inspect.signature(f).parameters)[:2] == ["outputs", "batch"]
    }
    assert found == {name.split(",")[0] for name in LOSSES}


@pytest.mark.parametrize("name", LOSSES)
def test_weight_zero_leaves_out_whatever_it_is(name):
    """NaN outputs, NaN targets and labels of no class: in value and gradient they are
    not there."""
    loss, outputs, y = arrays(name)
    weight = jnp.array([1.0, 0.0, 2.0, 0.0, 0.5, 0.0])
    out = np.asarray(weight == 0)
    bad = jnp.nan if y.dtype == jnp.float32 else 255
    spoiled = outputs.at[out].set(jnp.nan), y.at[out].set(bad)

    @jax.jit
    def pair_and_grad(outputs, y, weight):
        f = lambda x: loss(x, {"y": y, "weight": weight})
        return f(outputs), jax.grad(lambda x: f(x)[0])(outputs)

    pair, grad = pair_and_grad(*spoiled, weight)
    assert not grad[out].any() and np.isfinite(grad).all()
    clean, expected = pair_and_grad(outputs, y, weight)
    np.testing.assert_array_equal(pair, clean)
    np.testing.assert_array_equal(grad, expected)
    assert pair[0] > 0 and pair[1] == 3.5 and grad[~out].any()


@pytest.mark.parametrize("name", LOSSES)
def test_low_precision_is_added_up_in_float32(name):
    loss, outputs, y = arrays(name)
    pair = jax.jit(lambda x: loss(x, {"y": y}))(outputs.astype(jnp.bfloat16))
    assert [p.dtype for p in pair] == [jnp.float32] * 2
    exact = jax.jit(lambda x: loss(x, {"y": y}))(outputs)
    np.testing.assert_allclose(pair, exact, rtol=3e-2)  # bfloat16 holds 8 bits


@pytest.mark.parametrize("name", LOSSES)
def test_refuses_shapes_that_would_broadcast(name):
    loss, outputs, y = arrays(name)
    with pytest.raises(ValueError, match="weight must be one number for each of the 6"):
        loss(outputs, {"y": y, "weight": jnp.ones((B, 1))})
    # As many examples, but each of them one axis more; fewer labels; a scalar.
    for y_ in (y[..., None], y[:5], y[0].ravel()[0]):
        with pytest.raises(ValueError, match="outputs"):
            loss(outputs, {"y": y_})


@pytest.mark.parametrize(
    "loss, message",
    [
        (part(F.quadratic, components="total"), "components must be 'sum' or 'mean'"),
        (part(F.smooth_l1, beta=0.0), "beta must be positive, got 0.0"),
        (part(F.smooth_l1, beta=float("nan")), "beta must be positive, got nan"),
        (part(F.binary_cross_entropy, label_smoothing=1), "label_smoothing must be"),
        (part(F.hinge, margin=-1.0), "margin must be positive, got -1.0"),
        (part(F.hinge, power=3), "power must be 1 or 2, got 3"),
        (part(F.multiclass_hinge, rivals="mean"), "rivals must be 'max' or 'sum'"),
        (part(F.multiclass_hinge, margin=0), "margin must be positive, got 0"),
        (part(F.focal, gamma=-0.5), "gamma must not be negative, got -0.5"),
        (part(F.binary_focal, gamma=-0.5), "gamma must not be negative, got -0.5"),
        (part(F.binary_focal, alpha=1.0), "alpha must be in \\(0, 1\\), got 1.0"),
        (part(F.dice, smooth=-1.0), "smooth must not be negative, got -1.0"),
    ],
)
def test_refuses_settings_out_of_range(loss, message):
    x = jnp.zeros((2, 3))
    with pytest.raises(ValueError, match=message):
        loss(x, {"y": x})


@pytest.mark.parametrize(
    "loss, outputs, y, message",
    [
        (F.cross_entropy, (2, 3), np.zeros(2, bool), "labels must be integers"),
        (F.cross_entropy, (), np.zeros(2, np.int32), "outputs must be \\[B, K\\]"),
        (F.kl_loss, (2, 3), np.zeros((2, 3), np.int32), "must be of floats"),
        (F.dice, (2, 3, 4), np.zeros((2, 3)), "labels must be integers, got float"),
        (F.dice, (2,), np.zeros(2), "outputs must be \\[B, ...\\]"),
        (part(F.focal, alpha=(1.0,)), (2, 3), np.zeros(2, np.int32),
         "alpha must be a number for each of the 3 classes, got 1"),
    ],
)  # fmt: skip
def test_refuses_what_is_no_target(loss, outputs, y, message):
    with pytest.raises(ValueError, match=message):
        loss(jnp.zeros(outputs), {"y": jnp.asarray(y)})


ONE_CLASS = {  # losses of classes, with labels or distributions
    "cross_entropy": (F.cross_entropy, CLASSES[1]),
    "cross_entropy, soft": (F.cross_entropy, SOFT[1]),
    "focal": (F.focal, CLASSES[1]),
    "focal, g < 1": (part(F.focal, gamma=0.5), CLASSES[1]),
    "jensen_shannon_loss": (F.jensen_shannon_loss, SOFT[1]),
    "kl_loss": (F.kl_loss, SOFT[1]),
    "multiclass_hinge": (F.multiclass_hinge, CLASSES[1]),
    "multiclass_hinge, sum": (part(F.multiclass_hinge, rivals="sum"), CLASSES[1]),
}


@pytest.mark.parametrize("name", ONE_CLASS)
@pytest.mark.parametrize("left", [K, 1])
def test_a_masked_class_is_as_if_it_were_not_there(name, left):
    """Its logit is minus infinity and the target gives it nothing; in value and
    gradient, also where it was the last of the rivals."""
    loss, y = ONE_CLASS[name]
    soft = y.dtype.kind == "f"
    y = (
        jnp.float32(y[:, :left] / y[:, :left].sum(1, keepdims=True))
        if soft
        else y % left
    )
    z = jnp.float32(CLASSES[0][:, :left])
    masked = jnp.concatenate([z, jnp.full((B, 2), -jnp.inf)], 1)
    padded = jnp.pad(y, ((0, 0), (0, 2))) if soft else y

    f = jax.jit(jax.value_and_grad(lambda z, y: loss(z, {"y": y})[0]))
    value, grad = f(masked, padded)
    expected, slope = f(z, y)
    np.testing.assert_allclose(value, expected, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(grad[:, :left], slope, rtol=1e-6, atol=1e-7)
    np.testing.assert_array_equal(grad[:, left:], 0)
    assert left > 1 or (expected == 0 and not grad.any())


@pytest.mark.parametrize("gamma", [None, 0.0, 0.5, 2.0])
def test_infinite_logits_of_right_answers_cost_nothing(gamma):
    loss = (
        F.binary_cross_entropy if gamma is None else part(F.binary_focal, gamma=gamma)
    )
    z, y = jnp.array([jnp.inf, -jnp.inf, 0.3]), jnp.array([1.0, 0.0, 1.0])
    f = jax.jit(jax.value_and_grad(lambda z, y: loss(z, {"y": y})[0]))
    value, grad = f(z, y)
    expected, slope = f(z[2:], y[2:])
    np.testing.assert_allclose(value, expected, rtol=1e-6)
    np.testing.assert_allclose(grad, [0, 0, slope[0]], rtol=1e-6)
    assert loss(-z, {"y": y})[0] == np.inf  # and of wrong ones, everything


@pytest.mark.parametrize(
    "loss",
    [F.cross_entropy, F.kl_loss, F.jensen_shannon_loss, F.binary_cross_entropy, F.dice],
    ids=lambda loss: loss.__name__,
)
def test_probabilities_of_0_and_1_leave_value_and_gradient_finite(loss):
    y = jnp.array([[1.0, 0.0, 0.0], [0.0, 0.5, 0.5]])
    p = jnp.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])  # right, and half wrong
    f = lambda p: loss(p, {"y": y}, from_logits=False)[0]
    value, grad = jax.jit(jax.value_and_grad(f))(p)
    assert np.isfinite(value) and np.isfinite(grad).all() and value > 0
    assert abs(f(p) - f(p.at[0].set(y[0]))) == 0
    by_target = jax.jit(jax.grad(lambda y: loss(p, {"y": y}, from_logits=False)[0]))(y)
    assert np.isfinite(by_target).all()
