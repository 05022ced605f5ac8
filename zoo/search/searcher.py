"""Methods of search, and the learner that each of them becomes.

    tokens = propose(state, key, i)    for the i-th architecture of a step
    state  = learn(state, key, tokens, rewards)

What an architecture is worth comes from outside: from a table, where every one has been
trained before (`reward`), or with the batch. Proposing is a pure function of the state
(`proposals`), so a host may ask what is proposed, train that, and hand the rewards to
the step, which proposes the same once more:

    {"index": [0, ..., m - 1]}                       the step looks rewards up
    {"index": [0, ..., m - 1], "reward": [m]}        they are given

On several devices each one proposes and looks up its share; what was found is gathered,
and every device learns from all of it. So one device and eight are the same search.

Shapes: m architectures of a step, T decisions.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from zoo.learner import Batch, Learner
from zoo.search.space import Space, sample

PyTree = Any


class Searcher(NamedTuple):
    """A method, as functions of its own state.

    Attributes:
        init: key -> state.
        propose: (state, key, i) -> tokens int32 [T]; i is an int32 scalar in [0, m).
        learn: (state, key, tokens [m, T], rewards [m]) -> state.
        done: state -> bool scalar; None: it never ends.
    """

    init: Callable[[jax.Array], PyTree]
    propose: Callable[[PyTree, jax.Array, jax.Array], jax.Array]
    learn: Callable[[PyTree, jax.Array, jax.Array, jax.Array], PyTree]
    done: Callable[[PyTree], jax.Array] | None = None


class SearchState(NamedTuple):
    step: jax.Array  # int32 scalar: steps taken
    key: jax.Array  # never advanced
    method: PyTree  # the searcher's own
    best: jax.Array  # int32 [T]: the best architecture that was seen
    best_reward: jax.Array  # float32 scalar: what it was worth; -inf before the first


def search(
    searcher: Searcher,
    reward: Callable[[jax.Array], jax.Array] | None = None,
    *,
    axis_name: str | None = None,
) -> Learner:
    """A search as a learner.

    Args:
        searcher: the method.
        reward: tokens [m, T] -> float32 [m], traceable; None: rewards come with the
            batch.
        axis_name: the parallel axis, if the step has one.

    Returns:
        A learner of batches with `index`, a permutation of 0, ..., m - 1, and `reward`
        if nothing else tells it. Metrics: the mean reward of a step, and the best so
        far.

    Raises:
        ValueError: when traced, a batch without `reward` where none is looked up.
    """

    def gathered(tree):
        if axis_name is None:
            return tree
        together = lambda x: jax.lax.all_gather(x, axis_name, tiled=True)
        return jax.tree.map(together, tree)

    def init(key, batch):
        del batch
        start, key = jax.random.split(key)
        method = searcher.init(start)
        tokens = jax.eval_shape(searcher.propose, method, key, jnp.int32(0))
        best = jnp.zeros(tokens.shape, tokens.dtype)
        return SearchState(jnp.int32(0), key, method, best, -jnp.float32(jnp.inf))

    def step(state, batch):
        tokens = proposals(searcher, state, batch["index"])
        if reward is not None:
            rewards = reward(tokens)
        elif "reward" in batch:
            rewards = batch["reward"]
        else:
            raise ValueError("the batch must have a reward, or `reward` must be given")
        rewards = rewards.astype(jnp.float32)
        index, tokens, rewards = gathered((batch["index"], tokens, rewards))
        order = jnp.argsort(index)
        tokens, rewards = tokens[order], rewards[order]
        key = _keys(state)[1]
        first = jnp.argmax(rewards)
        better = rewards[first] > state.best_reward
        new = SearchState(
            step=state.step + 1,
            key=state.key,
            method=searcher.learn(state.method, key, tokens, rewards),
            best=jnp.where(better, tokens[first], state.best),
            best_reward=jnp.where(better, rewards[first], state.best_reward),
        )
        count = jnp.float32(len(rewards))
        one = jnp.float32(1)
        return new, {
            "reward": (rewards.sum(), count),
            "best": (new.best_reward, one),
        }

    def evaluate(state, batch):
        del batch
        return {"best": (state.best_reward, jnp.float32(1))}

    done = None
    if searcher.done is not None:
        done = lambda state: searcher.done(state.method)
    return Learner(init, step, evaluate, done)


def proposals(searcher: Searcher, state: SearchState, index: jax.Array) -> jax.Array:
    """What the next step proposes: int32 [m, T] for the numbers `index` [m]."""
    key = _keys(state)[0]

    def one(i):
        return searcher.propose(state.method, jax.random.fold_in(key, i), i)

    return jax.vmap(one)(index)


def _keys(state):
    """A step's keys, to propose and to learn."""
    return jax.random.split(jax.random.fold_in(state.key, state.step))


def curve(
    learner: Learner,
    keys: jax.Array,
    steps: int,
    *,
    together: int = 1,
    side_by_side: int | None = None,
) -> tuple[SearchState, dict[str, jax.Array], jax.Array]:
    """Many searches of one kind, each with a key of its own.

    Args:
        learner: whose rewards are looked up.
        keys: [R].
        steps: of each search.
        together: architectures of a step (m).
        side_by_side: searches that go on at the same time; None: all. With 1 what a
            method does only now and then (fitting a predictor) costs only then.

    Returns:
        The last states; the metrics' means after each step, each [R, steps]; and the
        best architecture so far, int32 [R, steps, T].
    """
    batch: Batch = {"index": jnp.arange(together)}

    def one(key):
        def step(state, _):
            state, metrics = learner.step(state, batch)
            means = {name: s / n for name, (s, n) in metrics.items()}
            return state, (means, state.best)

        state, (means, best) = jax.lax.scan(
            step, learner.init(key, batch), length=steps
        )
        return state, means, best

    size = len(keys) if side_by_side is None else side_by_side
    return jax.jit(lambda keys: jax.lax.map(one, keys, batch_size=size))(keys)


def random_search(of: Space) -> Searcher:
    """Each architecture drawn with the same probability, whatever was seen.

    Reference:
        Li and Talwalkar, "Random search and reproducibility for neural architecture
        search", UAI 2019, https://arxiv.org/abs/1902.07638
    """
    return Searcher(
        init=lambda key: (),
        propose=lambda state, key, i: sample(of, key),
        learn=lambda state, key, tokens, rewards: state,
    )
