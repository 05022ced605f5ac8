"""Focal and Dice losses: limits, symmetries, and far from the origin."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from zoo.functional.imbalance_losses import binary_focal, dice, focal
from zoo.functional.losses import binary_cross_entropy, cross_entropy

rng = np.random.default_rng(0)
Z = jnp.asarray(rng.normal(size=(6, 4)) * 3, jnp.float32)
Y = jnp.array([3, 0, 1, 1, 2, 3])


def test_without_fading_it_is_the_cross_entropy():
    np.testing.assert_allclose(
        focal(Z, {"y": Y}, gamma=0.0), cross_entropy(Z, {"y": Y}), rtol=1e-6
    )
    batch = {"y": jnp.float32(Z > 1)}
    np.testing.assert_allclose(
        binary_focal(Z, batch, gamma=0.0, alpha=None),
        binary_cross_entropy(Z, batch),
        rtol=1e-6,
    )
    half, _ = binary_focal(Z, batch, alpha=0.5)
    np.testing.assert_allclose(2 * half, binary_focal(Z, batch, alpha=None)[0], 1e-6)


def test_alpha_is_the_share_of_the_positives():
    one = lambda y: binary_focal(jnp.zeros(1), {"y": jnp.array([y])}, alpha=0.2)[0]
    np.testing.assert_allclose(one(1) / one(0), 0.2 / 0.8, rtol=1e-6)


def test_two_classes_are_the_binary_loss():
    z, y = Z[:, 0], jnp.array([0, 1, 1, 0, 1, 0])
    both = focal(jnp.stack([jnp.zeros(6), z], 1), {"y": y}, 1.5, (0.7, 0.3))
    np.testing.assert_allclose(both, binary_focal(z, {"y": y}, 1.5, 0.3), rtol=1e-5)


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0])
def test_where_the_answer_is_as_good_as_certain(gamma):
    """p rounds to 1 there; the loss is e^(-(1 + g) z) still, and so is its slope."""
    z = 20.0
    f = lambda z: binary_focal(z[None], {"y": jnp.ones(1)}, gamma, None)[0]
    value, slope = jax.jit(jax.value_and_grad(f))(z)
    expected = np.exp(-(1 + gamma) * z)
    np.testing.assert_allclose(value, expected, rtol=1e-5)
    np.testing.assert_allclose(slope, -(1 + gamma) * expected, rtol=1e-5)
    f = lambda z: focal(z[None], {"y": jnp.array([0])}, gamma)[0]
    grad = jax.jit(jax.grad(f))(jnp.array([60.0, 0.0, 0.0]))
    assert np.isfinite(grad).all()


def test_hopeless_logits_do_not_overflow():
    assert binary_focal(jnp.array([-1e4]), {"y": jnp.ones(1)}, alpha=None)[0] == 1e4
    assert focal(jnp.array([[-1e4, 0.0]]), {"y": jnp.array([0])})[0] == 1e4


def test_dice_by_hand():
    """Three pixels and two, of which one lies on another: 2 * 1 / 5."""
    p, y = jnp.float32([[1, 1, 1, 0]]), jnp.float32([[0, 0, 1, 1]])
    apart = jnp.float32([[1, 1, 0, 0]])
    f = lambda p, y, s: float(dice(p, {"y": y}, smooth=s, from_logits=False)[0])
    np.testing.assert_allclose(f(p, y, 0.0), 3 / 5, rtol=1e-6)
    np.testing.assert_allclose(f(p, y, 1.0), 1 - 3 / 6, rtol=1e-6)
    np.testing.assert_allclose(f(y, p, 0.0), f(p, y, 0.0))  # symmetric
    assert f(y, y, 0.0) == 0 and f(apart, y, 0.0) == 1
    nothing = jnp.zeros((1, 4))
    assert f(nothing, nothing, 0.0) == 0 and f(nothing, y, 0.0) == 1


def test_squares_matter_for_doubtful_pixels_only():
    p, y = jnp.float32([[0.5, 1.0, 0.0]]), jnp.float32([[1, 1, 0]])
    f = lambda p, **s: dice(p, {"y": y}, smooth=0.0, from_logits=False, **s)[0]
    np.testing.assert_allclose(f(p), 1 - 3 / 3.5, rtol=1e-6)
    np.testing.assert_allclose(f(p, squared=True), 1 - 3 / 3.25, rtol=1e-6)
    assert f(jnp.round(p)) == f(jnp.round(p), squared=True)


def test_dice_of_classes_is_the_mean_over_them():
    rng = np.random.default_rng(1)
    z = jnp.asarray(rng.normal(size=(2, 3, 5, 4)), jnp.float32)  # [B, H, W, K]
    y = jnp.asarray(rng.integers(0, 4, (2, 3, 5)), jnp.int32)
    p = jax.nn.softmax(z)
    one = lambda k: dice(
        p[..., k], {"y": jnp.float32(y == k)}, smooth=0.5, from_logits=False
    )[0]
    expected = np.mean([one(k) for k in range(4)])
    np.testing.assert_allclose(dice(z, {"y": y}, smooth=0.5)[0], expected, rtol=1e-6)


def test_dice_of_nothing_has_a_finite_gradient():
    f = lambda p: dice(p, {"y": jnp.zeros((1, 4))}, smooth=0.0, from_logits=False)[0]
    assert np.isfinite(jax.grad(f)(jnp.zeros((1, 4)))).all()
