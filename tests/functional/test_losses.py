"""Losses: the formula in float64, weights, and what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from zoo.functional.losses import binary_cross_entropy, cross_entropy, weighted

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


def test_distributions_that_are_labels_are_labels():
    sharp = {"y": jnp.eye(4)[Y]}
    for s in (0.0, 0.3):
        np.testing.assert_allclose(
            cross_entropy(jnp.float32(Z), sharp, s),
            cross_entropy(jnp.float32(Z), {"y": jnp.asarray(Y)}, s),
            rtol=1e-6,
        )


def test_logits_and_their_probabilities_give_the_same():
    z = jnp.float32(Z)
    np.testing.assert_allclose(
        cross_entropy(jax.nn.softmax(z), {"y": Y}, 0.1, from_logits=False),
        cross_entropy(z, {"y": Y}, 0.1),
        rtol=1e-5,
    )
    batch = {"y": jnp.float32(Z > 1)}
    np.testing.assert_allclose(
        binary_cross_entropy(jax.nn.sigmoid(z), batch, 0.1, from_logits=False),
        binary_cross_entropy(z, batch, 0.1),
        rtol=1e-5,
    )


def test_binary_is_the_cross_entropy_of_two_classes():
    z, y = jnp.float32(Z[:, 0]), jnp.array([0, 1, 1, 0, 1, 0])
    two = jnp.stack([jnp.zeros(6), z], 1)
    for s in (0.0, 0.3):
        ours = binary_cross_entropy(z, {"y": y}, s)
        np.testing.assert_allclose(ours, cross_entropy(two, {"y": y}, s), rtol=1e-6)


def test_binary_far_from_the_origin():
    """e^-z where it is right, however far; z where it is wrong; slopes alike."""
    f = jax.vmap(
        jax.value_and_grad(
            lambda z, y: binary_cross_entropy(z[None], {"y": y[None]})[0]
        )
    )
    value, slope = f(jnp.array([40.0, -40.0, 1e4, -1e4]), jnp.array([1, 0, 0, 1]))
    np.testing.assert_allclose(value, [np.exp(-40), np.exp(-40), 1e4, 1e4], rtol=1e-5)
    np.testing.assert_allclose(slope, [-np.exp(-40), np.exp(-40), 1, -1], rtol=1e-5)


def test_binary_components():
    batch = {"y": jnp.float32(Z > 1)}
    total, _ = binary_cross_entropy(jnp.float32(Z), batch)
    mean, _ = binary_cross_entropy(jnp.float32(Z), batch, components="mean")
    np.testing.assert_allclose(total, 4 * mean, rtol=1e-6)


def test_probabilities_of_0_and_1_are_finite_and_of_more_are_not_hidden():
    border = -np.log(np.finfo(np.float32).tiny)
    p = jnp.array([[0.0, 1.0], [1.0, 0.0]])
    f = lambda p, y: cross_entropy(p, {"y": y}, from_logits=False)[0]
    value, grad = jax.value_and_grad(f)(p, jnp.array([0, 0]))
    np.testing.assert_allclose(value, border, rtol=1e-6)
    assert np.isfinite(grad).all()
    g = lambda p, y: binary_cross_entropy(p, {"y": y}, from_logits=False)[0]
    p, y = jnp.array([0.0, 1.0, 0.0, 1.0]), jnp.array([0, 1, 1, 0])
    value, grad = jax.value_and_grad(g)(p, y)
    np.testing.assert_allclose(value, 2 * border, rtol=1e-6)
    np.testing.assert_allclose(grad, [1, -1, 0, 0])
    assert jnp.isnan(g(jnp.array([1.5]), jnp.array([0])))
    assert jnp.isnan(g(jnp.array([-0.5]), jnp.array([1])))
