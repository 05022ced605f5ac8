"""Methods of search: each against its definition, on spaces that can be listed."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import optim
from zoo.search import (
    cells,
    controller,
    evolution,
    searcher,
    space,
    table,
)
from zoo.search.progressive import Predictor, progressive

SMALL = space.make_space(
    {"a": ("0", "1", "2"), "b": ("0", "1"), "reads": ("no", "yes")},
    {"reads": ("a", "b")},
)
EVERY = np.array(list(itertools.product(*map(range, SMALL.sizes))), np.int32)
WORTH = np.random.default_rng(0).normal(size=len(EVERY)).astype(np.float32)


def worth(tokens):
    return jnp.asarray(WORTH)[tokens @ jnp.array([4, 2, 1])]


def test_rewards_may_come_with_the_batch_and_nothing_is_forgotten():
    method = controller.reinforce(SMALL, hidden=4)
    known, told = searcher.search(method, worth), searcher.search(method)
    batch = {"index": jnp.array([2, 0, 3, 1])}
    a = b = known.init(jax.random.key(0), batch)
    seen = []
    step = jax.jit(known.step), jax.jit(told.step)
    for _ in range(4):
        tokens = searcher.proposals(method, b, batch["index"])
        seen.extend(np.asarray(worth(tokens)))
        a = step[0](a, batch)[0]
        b, metrics = step[1](b, {**batch, "reward": worth(tokens)})
        assert float(metrics["best"][0]) == max(seen)
        np.testing.assert_allclose(metrics["reward"][0], sum(seen[-4:]), rtol=1e-5)
    near = lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-8)
    jax.tree.map(near, a._replace(key=0), b._replace(key=0))
    assert float(worth(a.best)) == float(a.best_reward)
    with pytest.raises(ValueError, match="the batch must have a reward"):
        told.step(a, batch)


@pytest.fixture(scope="module")
def written():
    """A controller of random parameters, and what it says of every architecture."""
    model = controller.Controller(SMALL, hidden=4)
    key = jax.random.key(0)
    params = jax.tree.map(lambda p: 14 * p, model.init(key, key))
    score = lambda params, row: model.apply(params, key, row)
    scores = jax.jit(jax.vmap(score, (None, 0)))
    return model, params, scores


def test_probabilities_sum_to_one_and_are_those_of_the_draws(written):
    model, params, scores = written
    given, logs, entropies = scores(params, EVERY)
    np.testing.assert_array_equal(given, EVERY)
    p = np.exp(logs)
    np.testing.assert_allclose(p.sum(), 1, rtol=1e-5)
    assert p.max() > 3 * p.min()  # else the next line says little
    np.testing.assert_allclose(p @ entropies, -p @ np.asarray(logs), rtol=1e-4)
    draw = jax.jit(jax.vmap(lambda key: model.apply(params, key)[0]))
    rows = np.asarray(draw(jax.random.split(jax.random.key(1), 4000)))
    counts = np.bincount(rows @ [4, 2, 1], minlength=len(EVERY))
    assert np.abs(counts - 4000 * p).max() < 4.5 * np.sqrt(4000 * p.max())


def test_the_mean_step_is_the_slope_of_the_expected_reward(written):
    """Over all architectures, each as often as it is written; the baseline cancels."""
    _, params, scores = written
    method = controller.reinforce(SMALL, hidden=4, optimizer=optim.sgd(1.0))
    state = method.init(jax.random.key(0))

    @jax.jit
    def both(params):
        expected = lambda params: jnp.exp(scores(params, EVERY)[1]) @ WORTH
        p = jnp.exp(scores(params, EVERY)[1])
        start = state._replace(
            params=params, baseline=jnp.float32(0.7), steps=jnp.int32(1)
        )
        each = jax.vmap(lambda t, r: method.learn(start, None, t[None], r[None]))
        after = each(EVERY, worth(EVERY)).params
        moved = lambda new, old: jnp.tensordot(p, new - old[None], 1)
        return jax.tree.map(moved, after, params), jax.grad(expected)(params)

    moved, slope = both(params)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=2e-6),
        moved,
        slope,
    )
    assert max(np.abs(leaf).max() for leaf in jax.tree.leaves(slope)) > 0.01


def test_proximal_steps_begin_as_reinforce_and_stop_at_the_clip(written):
    _, params, scores = written
    tokens, rewards = jnp.asarray(EVERY[[0, 5, 5, 9]]), jnp.array([1.0, 2, 2, -1])

    def after(**options):
        sgd = optim.sgd(options.pop("rate", 0.1))
        method = controller.reinforce(SMALL, hidden=4, optimizer=sgd, **options)
        state = method.init(jax.random.key(0))._replace(params=params)
        return jax.jit(method.learn)(state, None, tokens, rewards).params

    plain, near, again = after(), after(clip=0.2), after(clip=1e-4, epochs=3)
    same = lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
    jax.tree.map(same, near, plain)
    # every ratio has left the clip after one step, and none comes back
    jax.tree.map(same, again, plain)
    before, moved = (np.asarray(scores(p, tokens)[1]) for p in (params, plain))
    assert (np.sign(moved - before) == [-1, 1, 1, -1])[[1, 2, 3]].all()


def test_a_controller_comes_to_write_the_best():
    method = controller.reinforce(SMALL, hidden=8, optimizer=optim.adam(0.03))
    keys = jax.random.split(jax.random.key(0), 4)
    state, means, _ = searcher.curve(
        searcher.search(method, worth), keys, 150, together=4
    )
    assert (
        means["reward"][:, -20:].mean(1) > means["reward"][:, :20].mean(1) + 0.5
    ).all()
    np.testing.assert_allclose(state.best_reward, WORTH.max())


def test_the_oldest_dies_and_the_best_of_the_drawn_begets():
    members = 5
    method = evolution.regularized_evolution(SMALL, members, drawn=3)
    learner = searcher.search(method, worth)
    batch = {"index": jnp.arange(1)}
    state = learner.init(jax.random.key(3), batch)
    step, history = jax.jit(learner.step), []
    propose = jax.jit(lambda state: searcher.proposals(method, state, jnp.arange(1))[0])
    for i in range(25):
        child = np.asarray(propose(state))
        if i >= members:
            population = [row for row, _ in history[-members:]]
            near = [row for row in population if (row != child).sum() == 1]
            assert near  # one decision away from somebody alive
        state, _ = step(state, batch)
        history.append((child, WORTH[child @ [4, 2, 1]]))
        alive = history[-members:]
        order = np.argsort([(j % members) for j in range(len(history))][-members:])
        if i >= members - 1:
            np.testing.assert_array_equal(
                state.method.tokens, [alive[j][0] for j in order]
            )
            np.testing.assert_array_equal(
                state.method.rewards, [alive[j][1] for j in order]
            )


def test_one_drawn_is_a_walk_and_many_are_greedy():
    """The parent's reward: of one drawn the population's mean, of many its best."""
    tokens = jnp.asarray(EVERY[:6])
    rewards = jnp.asarray(WORTH[:6])
    found = {}
    for drawn in (1, 6):
        method = evolution.regularized_evolution(SMALL, 6, drawn)
        state = evolution.Population(tokens, rewards, jnp.int32(6))
        keys = jax.random.split(jax.random.key(0), 600)
        children = jax.jit(jax.vmap(lambda key: method.propose(state, key, 0)))(keys)  # noqa: B023
        best = EVERY[int(np.argmax(WORTH[:6]))]
        found[drawn] = np.mean((np.asarray(children) != best).sum(1) == 1)
    assert found[6] > found[1] + 0.2


def test_cells_grow_by_the_predictors_best():
    operations, keep = 2, 6
    first = cells.every(1, operations)
    rng = np.random.default_rng(0)
    method = progressive(
        2, keep, operations=operations, nets=2, fit_steps=60, learning_rate=0.03
    )
    effect = jnp.asarray(rng.uniform(0, 0.2, 2).astype(np.float32))

    def reward(tokens):  # a block is worth what its operations are
        sides = tokens.reshape(len(tokens), -1, 2, 2)
        each = jnp.where(sides[..., 0] < 0, 0, effect[sides[..., 1]])
        return 0.3 + each.sum((1, 2))

    learner = searcher.search(method, reward)
    batch = {"index": jnp.arange(4)}
    state = learner.init(jax.random.key(0), batch)
    step, seen = jax.jit(learner.step), []
    while int(state.method.level) == 1:
        seen.append(np.asarray(searcher.proposals(method, state, jnp.arange(4))))
        state, _ = step(state, batch)
    assert not bool(learner.done(state))
    proposed = np.concatenate(seen)[: len(first)]
    np.testing.assert_array_equal(proposed[:, :4], first)
    assert (proposed[:, 4:] == -1).all()
    # what it goes on with is the best of all that one block more can make
    model = Predictor(3, operations)
    of_nets = jax.vmap(jax.vmap(model.apply, (None, 0)), (0, None))
    everything = cells.every(2, operations)
    predicted = np.asarray(of_nets(state.method.params, everything).mean(0))
    assert np.isfinite(predicted).all() and np.ptp(predicted) > 0.02
    best = np.sort(predicted)[-keep:]
    queue = np.asarray(state.method.queue[:keep])
    mine = np.asarray(of_nets(state.method.params, queue).mean(0))
    np.testing.assert_allclose(np.sort(mine), best, rtol=1e-5)
    assert len(np.unique(queue, axis=0)) == keep
    worth_of = np.asarray(reward(jnp.asarray(queue)))
    assert worth_of.mean() > np.asarray(reward(jnp.asarray(everything))).mean() + 0.05
    while not bool(learner.done(state)):
        state, _ = step(state, batch)
    assert int(state.method.count) == len(first) + keep
    after = jax.tree.map(np.asarray, state.method._replace(params=None))
    more = step(state, batch)[0].method._replace(params=None, at=after.at)
    jax.tree.map(np.testing.assert_array_equal, more, after)


@pytest.mark.parametrize(
    "call, says",
    [
        (lambda: controller.reinforce(SMALL, decay=1.0), r"decay must be in \[0, 1\)"),
        (lambda: controller.reinforce(SMALL, clip=0.0), "clip above 0"),
        (lambda: evolution.regularized_evolution(SMALL, 3, 4), "got 4 of 3 members"),
        (lambda: progressive(0), "blocks, keep"),
    ],
)
def test_refuses(call, says):
    with pytest.raises(ValueError, match=says):
        call()


def test_another_table_is_refused(tmp_path):
    np.savez(tmp_path / "t.npz", valid=np.zeros(3), test=np.zeros(3))
    with pytest.raises(ValueError, match="must hold valid, test, seconds of 2844"):
        table.read_table(tmp_path / "t.npz")
