"""Hinge losses: the corner, two classes, and the two kinds of rivals."""

import jax
import jax.numpy as jnp
import numpy as np

from zoo.functional.margin_losses import hinge, multiclass_hinge

Z = jnp.array([[2.0, 1.5, -1.0, 0.0], [0.0, 3.0, 2.5, 2.25]])
Y = jnp.array([0, 2])


def test_by_hand():
    z, y = jnp.array([2.0, 0.5, -1.0, 0.25]), jnp.array([1, 1, 1, 0])
    one = lambda z, y: hinge(z[None], {"y": y[None]})[0]
    np.testing.assert_allclose(jax.vmap(one)(z, y), [0, 0.5, 2, 1.25])
    square = lambda z, y: hinge(z[None], {"y": y[None]}, power=2)[0]
    np.testing.assert_allclose(jax.vmap(square)(z, y), [0, 0.25, 4, 1.5625])
    # Rivals lack 0.5; 1.5 and 0.75.
    assert multiclass_hinge(Z, {"y": Y})[0] == 0.5 + 1.5
    assert multiclass_hinge(Z, {"y": Y}, rivals="sum")[0] == 0.5 + 1.5 + 0.75


def test_no_gradient_at_the_corner_and_beyond():
    grad = jax.grad(lambda z: hinge(z, {"y": jnp.ones(3)})[0])
    np.testing.assert_allclose(grad(jnp.array([0.5, 1.0, 2.0])), [-1, 0, 0])
    for rivals in ("max", "sum"):
        f = lambda z, r=rivals: multiclass_hinge(z, {"y": jnp.array([0])}, rivals=r)[0]
        assert not jax.grad(f)(jnp.array([[1.0, 0.0, -1.0]])).any()


def test_two_classes_of_which_one_scores_zero():
    z, y = jnp.linspace(-2, 2, 9), jnp.array([0, 1, 1, 0, 1, 0, 1, 0, 1])
    scores = jnp.stack([jnp.zeros(9), z], 1)
    for rivals in ("max", "sum"):
        both = multiclass_hinge(scores, {"y": y}, margin=0.7, rivals=rivals)
        np.testing.assert_allclose(both, hinge(z, {"y": y}, margin=0.7), rtol=1e-6)


def test_a_margin_scales_with_the_scores():
    value, _ = multiclass_hinge(3 * Z, {"y": Y}, margin=3.0)
    np.testing.assert_allclose(value, 3 * multiclass_hinge(Z, {"y": Y})[0], rtol=1e-6)


def test_a_label_beyond_the_classes_is_not_hidden():
    for rivals in ("max", "sum"):
        assert jnp.isnan(
            multiclass_hinge(Z, {"y": jnp.array([0, 4])}, rivals=rivals)[0]
        )
