"""Divergences as losses: against the cross-entropy, at zeros, and their bounds."""

import jax
import jax.numpy as jnp
import numpy as np

from zoo.functional.divergence_losses import jensen_shannon_loss, kl_loss
from zoo.functional.information import entropy, jensen_shannon, relative_entropy
from zoo.functional.losses import cross_entropy

rng = np.random.default_rng(0)
Z = jnp.asarray(3 * rng.normal(size=(5, 4)), jnp.float32)
Q = jnp.asarray(rng.dirichlet(np.ones(4), 5), jnp.float32)


def test_they_are_the_divergences_of_the_softmax():
    p = jax.nn.softmax(Z)
    np.testing.assert_allclose(
        kl_loss(Z, {"y": Q})[0], relative_entropy(Q, p).sum(), rtol=1e-5
    )
    np.testing.assert_allclose(
        jensen_shannon_loss(Z, {"y": Q})[0], jensen_shannon(p, Q).sum(), rtol=1e-5
    )


def test_kl_is_the_cross_entropy_less_the_entropy_and_has_its_gradient():
    batch = {"y": Q}
    difference = cross_entropy(Z, batch)[0] - entropy(Q).sum()
    np.testing.assert_allclose(kl_loss(Z, batch)[0], difference, rtol=1e-5)
    slope = lambda loss: jax.grad(lambda z: loss(z, batch)[0])(Z)
    np.testing.assert_allclose(slope(kl_loss), slope(cross_entropy), atol=1e-6)
    np.testing.assert_allclose(slope(kl_loss), jax.nn.softmax(Z) - Q, atol=1e-6)


def test_perfect_and_opposite_predictions():
    batch = {"y": jnp.eye(3)}
    sure = 200 * jnp.eye(3)
    wrong = jnp.roll(sure, 1, 1)
    for loss, most in ((kl_loss, 200), (jensen_shannon_loss, np.log(2))):
        f = jax.jit(jax.value_and_grad(lambda z, loss=loss: loss(z, batch)[0]))
        (perfect, at), (worst, there) = f(sure), f(wrong)
        assert perfect == 0 and np.isfinite(at).all() and np.isfinite(there).all()
        np.testing.assert_allclose(worst, 3 * most, rtol=1e-6)


def test_probabilities_of_zero():
    """On both sides, on one, and on the other: finite, with finite gradients."""
    p = jnp.array([[0.0, 0.25, 0.75, 0.0]])
    q = jnp.array([[0.0, 0.0, 0.75, 0.25]])
    f = lambda loss: jax.jit(
        jax.value_and_grad(lambda p, q: loss(p, {"y": q}, from_logits=False)[0], (0, 1))
    )(p, q)
    value, grads = f(jensen_shannon_loss)
    np.testing.assert_allclose(value, 0.25 * np.log(2), rtol=1e-6)
    assert all(np.isfinite(g).all() for g in grads)
    value, grads = f(kl_loss)
    tiny = np.finfo(np.float32).tiny
    np.testing.assert_allclose(value, 0.25 * (np.log(0.25) - np.log(tiny)), rtol=1e-6)
    assert all(np.isfinite(g).all() for g in grads)
