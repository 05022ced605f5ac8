"""Regularized evolution: the best of a few begets, and the oldest dies.

    parent = best of S drawn from the P youngest;  child = parent, one decision changed

The first P are drawn at random. That the oldest dies, and not the worst, is what
regularizes: an architecture stays only through its descendants, and these have to be
trained well again.

Limits, tested: S = 1 is a random walk that never looks at a reward.

Shapes: m children of a step, P members, T decisions.

Reference:
    Real, Aggarwal, Huang and Le, "Regularized evolution for image classifier
    architecture search", AAAI 2019, https://arxiv.org/abs/1802.01548, algorithm 1
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from zoo.search.searcher import Searcher
from zoo.search.space import Space, mutate, sample


class Population(NamedTuple):
    tokens: jax.Array  # int32 [P, T], in the order of `born`, modulo P
    rewards: jax.Array  # float32 [P]
    born: jax.Array  # int32 scalar: how many there have been


def regularized_evolution(of: Space, members: int = 50, drawn: int = 10) -> Searcher:
    """Evolution in which the oldest dies.

    Args:
        of: the space.
        members: of the population (P).
        drawn: for each child (S), with replacement.

    Raises:
        ValueError: members or drawn is not in 1 <= drawn <= members.
    """
    if not 1 <= drawn <= members:
        raise ValueError(
            f"drawn must be in [1, members], got {drawn} of {members} members"
        )

    def init(key):
        del key
        tokens = jnp.zeros((members, len(of.names)), jnp.int32)
        return Population(tokens, jnp.zeros(members), jnp.int32(0))

    def propose(state, key, i):
        draw, change, first = jax.random.split(key, 3)
        among = jax.random.randint(draw, (drawn,), 0, members)
        parent = among[jnp.argmax(state.rewards[among])]
        child = mutate(of, change, state.tokens[parent])
        return jnp.where(state.born + i < members, sample(of, first), child)

    def learn(state, key, tokens, rewards):
        del key
        at = (state.born + jnp.arange(len(tokens))) % members
        return Population(
            state.tokens.at[at].set(tokens),
            state.rewards.at[at].set(rewards),
            state.born + len(tokens),
        )

    return Searcher(init, propose, learn)
