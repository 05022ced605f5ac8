"""Progressive search: cells grow block by block, and a predictor says which to train.

    level 1: every cell of one block is trained
    level b: the predictor is fitted to all that was trained; each cell kept at level
             b - 1 gets every block that can be added; the K best by prediction are
             trained and kept

    prediction = mean of E nets of  sigmoid(MLP(mean over blocks of
                                  [e(i), e(a), e(j), e(b)]))

each fitted to the mean absolute error, from another start. A mean over blocks has one
size whatever their number, so cells with more blocks than any before can be judged.

Sides of a block have no order: the second place has the same embeddings, and of two
orders the canonical one is used.

After the last level the best predictions go on being proposed (`done` says so).

Shapes: m cells of a step, K kept, B blocks, E nets, N cells that were trained.

Reference:
    Liu et al., "Progressive neural architecture search", ECCV 2018,
    https://arxiv.org/abs/1712.00559, algorithm 1 and section 3.3
"""

import functools
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

import optim
from zoo.search.cells import ABSENT, OPERATIONS, every
from zoo.search.searcher import Searcher

PyTree = Any


class Predictor(nn.Module):
    """Accuracy of a cell from its decisions.

    Attributes:
        inputs: most that a block can read (B + 1).
        operations: number of them.
        width: of an embedding and of the hidden layer.
    """

    inputs: int
    operations: int
    width: int = 32

    @nn.compact
    def __call__(self, tokens: jax.Array) -> jax.Array:
        """[4 B] -> a number in (0, 1)."""
        blocks = tokens.reshape(-1, 2, 2)
        there = (blocks[:, 0, 0] != ABSENT).astype(jnp.float32)
        read, done = jnp.maximum(blocks[..., 0], 0), jnp.maximum(blocks[..., 1], 0)
        read = nn.Embed(self.inputs, self.width, name="input")(read)
        done = nn.Embed(self.operations, self.width, name="operation")(done)
        parts = jnp.concatenate([read, done], -1).reshape(len(blocks), -1)
        x = jnp.sum(parts * there[:, None], 0) / jnp.maximum(there.sum(), 1)
        x = nn.relu(nn.Dense(self.width, name="hidden")(x))
        return nn.sigmoid(nn.Dense(1, name="head")(x))[0]


class ProgressiveState(NamedTuple):
    """The level's cells, how far they are trained, and what all taught."""

    params: PyTree  # of the predictors, each leaf [E, ...]
    queue: jax.Array  # int32 [Q, 4 B]: the cells of this level
    length: jax.Array  # int32 scalar: how many of the queue there are
    at: jax.Array  # int32 scalar: how many of them have been trained
    level: jax.Array  # int32 scalar: blocks of these cells, from 1
    tokens: jax.Array  # int32 [N, 4 B]: all that have been trained
    rewards: jax.Array  # float32 [N]
    count: jax.Array  # int32 scalar: how many these are


def progressive(
    blocks: int = 2,
    keep: int = 64,
    *,
    operations: int = len(OPERATIONS),
    nets: int = 5,
    fit_steps: int = 300,
    learning_rate: float = 0.01,
) -> Searcher:
    """The progressive search over cells.

    Args:
        blocks: of a whole cell (B).
        keep: cells of a level that are trained and grow (K).
        operations: number of them.
        nets: predictors whose mean is the prediction (E).
        fit_steps: of Adam, at each level.
        learning_rate: of the predictors.

    Raises:
        ValueError: blocks, keep, operations, nets or fit_steps below 1.
    """
    if min(blocks, keep, operations, nets, fit_steps) < 1:
        raise ValueError(
            "blocks, keep, operations, nets and fit_steps must be at least 1, got "
            f"{blocks}, {keep}, {operations}, {nets} and {fit_steps}"
        )
    model = Predictor(blocks + 1, operations)
    optimizer = optim.adam(learning_rate)
    additions = [_additions(level, operations) for level in range(blocks)]
    first = np.full((len(additions[0]), 4 * blocks), ABSENT, np.int32)
    first[:, :4] = additions[0]
    room = max(len(first), keep)
    most = len(first) + (blocks - 1) * keep

    def predict(params, tokens):  # [n, 4 B] -> [n]
        of_net = jax.vmap(model.apply, (None, 0))
        return jax.vmap(of_net, (0, None))(params, tokens).mean(0)

    def init(key):
        keys = jax.random.split(key, nets)
        queue = jnp.full((room, 4 * blocks), ABSENT, jnp.int32)
        return ProgressiveState(
            params=jax.vmap(model.init, (0, None))(keys, jnp.asarray(first[0])),
            queue=queue.at[: len(first)].set(first),
            length=jnp.int32(len(first)),
            at=jnp.int32(0),
            level=jnp.int32(1),
            tokens=jnp.full((most, 4 * blocks), ABSENT, jnp.int32),
            rewards=jnp.zeros(most),
            count=jnp.int32(0),
        )

    def propose(state, key, i):
        del key
        return state.queue[(state.at + i) % state.length]

    def fit(params, tokens, rewards, count):
        counted = (jnp.arange(most) < count).astype(jnp.float32)

        def loss(params):
            error = jnp.abs(jax.vmap(model.apply, (None, 0))(params, tokens) - rewards)
            return jnp.sum(error * counted) / counted.sum()

        def one(params):
            def step(_, carry):
                params, opt_state = carry
                grads = jax.grad(loss)(params)
                updates, opt_state = optimizer.update(grads, opt_state, params)
                return optax.apply_updates(params, updates), opt_state

            return jax.lax.fori_loop(
                0, fit_steps, step, (params, optimizer.init(params))
            )[0]

        return jax.vmap(one)(params)

    def grow(state, level):
        """The queue of the cells of `level` blocks, from that of one block fewer."""
        added = additions[level - 1]
        grown = jnp.repeat(state.queue, len(added), 0)
        at = 4 * (level - 1)
        grown = grown.at[:, at : at + 4].set(jnp.tile(added, (room, 1)))
        valid = jnp.repeat(jnp.arange(room) < state.length, len(added))
        predicted = jnp.where(valid, predict(state.params, grown), -jnp.inf)
        best = jax.lax.top_k(predicted, keep)[1]
        queue = state.queue.at[:keep].set(grown[best])
        length = jnp.minimum(keep, state.length * len(added))
        return state._replace(
            queue=queue, length=length, at=jnp.int32(0), level=jnp.int32(level)
        )

    def next_level(state):
        """The predictor fitted anew, and the cells that grow from this level's."""
        params = fit(state.params, state.tokens, state.rewards, state.count)
        state = state._replace(params=params)
        growing = [functools.partial(grow, level=b) for b in range(2, blocks + 1)]
        last = lambda s: s._replace(at=jnp.int32(0), level=jnp.int32(blocks + 1))
        return jax.lax.switch(state.level - 1, [*growing, last], state)

    def learn(state, key, tokens, rewards):
        del key
        new = (state.at + jnp.arange(len(tokens)) < state.length) & ~over(state)
        at = jnp.where(new, state.count + jnp.arange(len(tokens)), most)
        state = state._replace(
            tokens=state.tokens.at[at].set(tokens, mode="drop"),
            rewards=state.rewards.at[at].set(rewards, mode="drop"),
            count=state.count + new.sum(dtype=jnp.int32),
            at=state.at + len(tokens),
        )
        through = (state.at >= state.length) & ~over(state)
        return jax.lax.cond(through, next_level, lambda s: s, state)

    def over(state):
        return state.level > blocks

    return Searcher(init, propose, learn, done=over)


def _additions(k, operations):
    """Every block that can be the k-th of a cell: int32 [n, 4]."""
    return every(1, operations, first=k)
