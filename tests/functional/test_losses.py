"""Losses: the formula in float64, weights, and what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from zoo.functional.losses import cross_entropy, weighted

Z = np.random.default_rng(0).normal(size=(6, 4)) * 3
Y = np.array([3, 0, 1, 1, 2, 3])
W = np.array([1.0, 0.5, 0.0, 2.0, 1.0, 0.25])


def by_the_formula(z, y, s):
    p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
    q = (1 - s) * np.eye(z.shape[1])[y] + s / z.shape[1]
    return -(q * np.log(p)).sum(1)


@pytest.mark.parametrize("s", [0.0, 0.1, 0.7])
@pytest.mark.parametrize("weighted", [False, True])
def test_cross_entropy_is_the_formula(s, weighted):
    each = by_the_formula(Z, Y, s)
    weight = W if weighted else np.ones(6)
    with jax.enable_x64(True):
        batch = {"y": jnp.asarray(Y)} | ({"weight": jnp.asarray(W)} if weighted else {})
        value, total = cross_entropy(jnp.asarray(Z), batch, s)
    np.testing.assert_allclose(value, (each * weight).sum(), rtol=1e-12)
    np.testing.assert_allclose(total, weight.sum(), rtol=1e-12)


def test_pairs_of_parts_add_up():
    z, y = Z.astype(np.float32), Y.astype(np.int32)
    parts = [slice(0, 1), slice(1, 4), slice(4, 6)]
    batches = [{"y": y[p], "weight": W[p].astype(np.float32)} for p in parts]
    pairs = [cross_entropy(z[p], b) for p, b in zip(parts, batches, strict=True)]
    whole = cross_entropy(z, {"y": y, "weight": W.astype(np.float32)})
    np.testing.assert_allclose(np.sum(pairs, axis=0), whole, rtol=1e-6)


def test_gradient_is_the_softmax_less_the_target():
    grad = jax.grad(lambda z: cross_entropy(z, {"y": Y})[0])(jnp.float32(Z))
    p = np.exp(Z) / np.exp(Z).sum(1, keepdims=True)
    np.testing.assert_allclose(grad, p - np.eye(4)[Y], atol=1e-6)


def test_large_logits_do_not_overflow():
    value, _ = cross_entropy(jnp.array([[1e4, 0.0]]), {"y": jnp.array([1])})
    assert value == 1e4


def test_low_precision_is_added_up_in_float32():
    z = jnp.zeros((4096, 2), jnp.bfloat16)
    pair = cross_entropy(z, {"y": jnp.zeros(4096, jnp.int32)})
    assert [x.dtype for x in pair] == [jnp.float32] * 2
    np.testing.assert_allclose(pair[0] / pair[1], np.log(2), rtol=1e-5)


@pytest.mark.parametrize(
    "outputs, labels, smoothing, message",
    [
        ((4,), (4,), 0.0, "outputs must be logits"),
        ((4, 3), (5,), 0.0, "outputs must be logits"),
        ((4, 3), (4,), 1.0, "label_smoothing must be in"),
        ((4, 3), (4,), -0.1, "label_smoothing must be in"),
    ],
)
def test_refuses(outputs, labels, smoothing, message):
    batch = {"y": jnp.zeros(labels, jnp.int32)}
    with pytest.raises(ValueError, match=message):
        cross_entropy(jnp.zeros(outputs), batch, smoothing)


def test_a_class_that_is_ruled_out_is_no_nan():
    z = jnp.array([[1.0, 2.0, -jnp.inf], [0.0, 0.0, -jnp.inf]])
    value, grad = jax.value_and_grad(lambda z: cross_entropy(z, {"y": Y[2:4]})[0])(z)
    np.testing.assert_allclose(value, np.log1p(np.exp(-1)) + np.log(2), rtol=1e-6)
    assert np.isfinite(grad).all() and not grad[:, 2].any()


def test_weight_zero_leaves_out_whatever_it_is():
    z = jnp.array([[1.0, 2.0], [jnp.nan, 0.0], [0.0, 0.0]])
    batch = {"y": jnp.array([1, 0, 255]), "weight": jnp.array([2.0, 0.0, 0.0])}
    value, total = cross_entropy(z, batch)
    np.testing.assert_allclose([value, total], [2 * np.log1p(np.exp(-1)), 2], rtol=1e-6)


def test_counts_are_weighed_too():
    pair = weighted(jnp.array([1, 2]), {"weight": jnp.array([0.5, 0.25])})
    assert [float(x) for x in pair] == [1.0, 0.75]


def test_refuses_shapes_that_would_broadcast():
    z, y = jnp.zeros((4, 3)), jnp.zeros(4, jnp.int32)
    with pytest.raises(ValueError, match="weight must be one number for each of the 4"):
        cross_entropy(z, {"y": y, "weight": jnp.ones((4, 1))})
    with pytest.raises(ValueError, match="each must be one value an example"):
        weighted(z, {"y": y})
