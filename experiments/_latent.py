"""The search for the latents from which a generator comes nearest to given images."""

from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp

import optim
from zoo.generative.gan import GANState
from zoo.training.parallel import jit_once


def variables_of(state: GANState):
    """Of the generator in use."""
    params = state.generator.params if state.ema is None else state.ema
    return {"params": params, **state.generator.model_state}


def searcher(generator: nn.Module, rate: float = 0.1, prior: float = 0.01) -> Callable:
    """A search by one compiled step of Adam, for many images at once.

    What falls is, of each image, the mean absolute difference where it is seen, and
    `prior` times the mean square of its latents, which are normal numbers at first.

    Args:
        generator: a module with a field `latents`.
        rate: of Adam.
        prior: how much latents are held to where the generator has learned.

    Returns:
        (variables, images [B, ...], what is seen of them, as 0 and 1, steps, seed) ->
        latents [B, Z] and what is made of them.
    """
    tx = optim.adam(rate)

    def distance(z, variables, x, seen):
        made = generator.apply(variables, z)
        total = lambda a: a.reshape(len(a), -1).sum(1)
        apart = total(seen * abs(made - x)) / total(seen)
        return (apart + prior * jnp.square(z).mean(1)).sum(), made

    @jit_once
    def step(z, opt_state, variables, x, seen):
        grads, made = jax.grad(distance, has_aux=True)(z, variables, x, seen)
        updates, opt_state = tx.update(grads, opt_state, z)
        return z + updates, opt_state, made

    def search(variables, x, seen, steps, seed=0):
        z = jax.random.normal(jax.random.key(seed), (len(x), generator.latents))
        seen = jnp.broadcast_to(jnp.asarray(seen, jnp.float32), x.shape)
        opt_state = tx.init(z)
        for _ in range(steps):
            z, opt_state, made = step(z, opt_state, variables, x, seen)
        return z, made

    return search
