"""Several starts of a learner side by side, each to its own end.

A loop mapped over S starts goes on until the slowest is done, and makes each step for
all of them. Most are done long before the slowest (of 64 starts of k-means on digits
half after 17 rounds, the last after 48). So when no more than a half are left, the loop
ends, and these go on in one of their own, half as wide (which took 98 ms there; with
quarters 120).

Shapes: S starts.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from zoo.learner import Batch, Learner

SHARE = 2  # the loop ends when no more than a part of so many is left


def run(learner: Learner, states, batch: Batch, steps: int):
    """Step by step until each is done.

    Args:
        learner: with done, and a `step` in its state.
        states: of S starts, each leaf with a leading axis S.
        batch: of each step.
        steps: each takes at most so many.

    Returns:
        The last states, as if each start had been run alone.
    """

    def more(state):
        return ~learner.done(state) & (state.step < steps)

    def step(state):
        new, _ = learner.step(state, batch)
        return jax.tree.map(lambda a, b: jnp.where(more(state), a, b), new, state)

    return _run(more, step, states)


def _run(more: Callable, step: Callable, states):
    count = len(jax.tree.leaves(states)[0])
    if count == 1:  # a step need not be mapped
        state = jax.lax.while_loop(more, step, jax.tree.map(lambda s: s[0], states))
        return jax.tree.map(lambda leaf: leaf[None], state)
    go, few = jax.vmap(more), count // SHARE
    states = jax.lax.while_loop(lambda s: go(s).sum() > few, jax.vmap(step), states)
    if not few:
        return states
    left = jnp.argsort(~go(states), stable=True)[:few]
    rest = _run(more, step, jax.tree.map(lambda leaf: leaf[left], states))
    return jax.tree.map(lambda all_, some: all_.at[left].set(some), states, rest)
