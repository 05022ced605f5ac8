"""Gradient reversal: the gradients of a game of two, each written out."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import zoo.functional as F


def test_one_step_down_is_both_players_steps():
    """Features w learn task minus scale times domain, the classifier v the domain."""
    rng = np.random.default_rng(0)
    x, y, d = (jnp.asarray(rng.normal(size=s), "float32") for s in ((7, 3), 7, 7))
    w, v = (jnp.asarray(rng.normal(size=s), "float32") for s in ((3, 2), 2))
    task = lambda w: jnp.square(jnp.tanh(x @ w).sum(1) - y).sum()
    domain = lambda w, v: jnp.square(jnp.tanh(x @ w) @ v - d).sum()

    @jax.jit
    def both(w, v, scale):
        def loss(w, v):
            h = jnp.tanh(x @ w)
            own = jnp.square(h.sum(1) - y).sum()
            return own + jnp.square(F.gradient_reversal(h, scale) @ v - d).sum()

        return jax.value_and_grad(loss, (0, 1))(w, v)

    for scale in (0.0, 0.3, 2.0):
        value, (of_w, of_v) = both(w, v, scale)
        assert value == pytest.approx(float(task(w) + domain(w, v)), rel=1e-5)
        wanted = jax.grad(lambda w, s=scale: task(w) - s * domain(w, v))(w)
        np.testing.assert_allclose(of_w, wanted, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(of_v, jax.grad(domain, 1)(w, v), rtol=1e-4)


def test_a_scale_below_0_is_refused():
    with pytest.raises(ValueError, match="scale must be >= 0, got -1"):
        F.gradient_reversal(jnp.ones(2), -1.0)
