"""Spaces, and the three that have a meaning: cells, layers, pyramids, stages."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from zoo.search import cells, factorised, layer_net, pyramid, space, table
from zoo.vision import mnasnet, nasnet

SMALL = space.make_space({"a": ("0", "1"), "b": ("0",), "c": ("0", "1", "2")})


def test_each_member_is_drawn_alike():
    keys = jax.random.split(jax.random.key(0), 6000)
    drawn = np.asarray(jax.vmap(lambda key: space.sample(SMALL, key))(keys))
    rows, counts = np.unique(drawn, axis=0, return_counts=True)
    assert len(rows) == SMALL.members == 6
    assert np.abs(counts - 1000).max() < 5 * np.sqrt(1000 * 5 / 6)


def test_a_mutation_changes_one_decision_to_any_other_choice():
    keys = jax.random.split(jax.random.key(0), 400)
    start = jnp.array([1, 0, 1])
    moved = np.asarray(jax.vmap(lambda key: space.mutate(SMALL, key, start))(keys))
    assert ((moved != np.asarray(start)).sum(1) == 1).all()
    assert {tuple(map(int, row)) for row in moved} == {(0, 0, 1), (1, 0, 0), (1, 0, 2)}
    assert 0.4 < np.mean(moved[:, 0] == 0) < 0.6


def test_what_is_decided_has_a_name():
    assert space.describe(SMALL, np.array([1, 0, 2])) == {"a": "1", "b": "0", "c": "2"}


@pytest.mark.parametrize(
    "call, says",
    [
        (lambda: space.make_space({}), "decisions must name at least one"),
        (lambda: space.make_space({"a": ()}), "choices of 'a' must be distinct"),
        (
            lambda: space.make_space({"a": ("x", "x")}),
            "choices of 'a' must be distinct",
        ),
        (
            lambda: space.make_space({"a": ("no", "yes")}, {"a": ("a", "a")}),
            "must be a decision of two choices, linked to two before it",
        ),
        (lambda: space.describe(SMALL, np.array([1, 0])), "must be 3 integers"),
        (lambda: space.describe(SMALL, np.array([1, 0, 3])), r"c must be in \[0, 3\)"),
        (
            lambda: space.mutate(
                space.make_space({"a": ("0",)}), jax.random.key(0), jnp.zeros(1, int)
            ),
            "two members",
        ),
        (lambda: cells.cell_space(0), "blocks must be at least 1"),
        (lambda: cells.cell_space(1, ("conv9",)), r"got \['conv9'\]"),
        (lambda: cells.plan(np.full(4, -1)), "at least one block"),
        (lambda: cells.plan(np.zeros(5, int)), "four for each block"),
        (lambda: layer_net.layer_space(0), "count must be at least 1"),
        (lambda: pyramid.pyramid_space(0), "merges must be at least 1"),
        (lambda: factorised.stage_space(0), "stages must be at least 1"),
        (lambda: factorised.timed_reward(0.5, 0.1, 0.0), "target must be above 0"),
        (lambda: factorised.timed_reward(0.5, 0.1, 0.1, 0.07), "alpha and beta not"),
    ],
)
def test_refuses(call, says):
    with pytest.raises(ValueError, match=says):
        call()


def test_cells_are_as_many_as_the_papers_and_numbered():
    """136 of one block with 8 operations, and 300 times as many of two (Liu et al.,
    section 3.2)."""
    assert (cells.count(1, 8), cells.count(2, 8)) == (136, 136 * 300)
    every = table.all_cells()
    numbers = jax.jit(cells.number)(every)
    np.testing.assert_array_equal(numbers, np.arange(len(every)))
    exchanged = every.reshape(-1, 2, 2, 2)[:, :, ::-1].reshape(-1, 8)
    np.testing.assert_array_equal(jax.jit(cells.number)(exchanged), numbers)
    np.testing.assert_array_equal(jax.jit(cells.canonical)(exchanged), every)


def test_a_cell_is_built_by_nasnet():
    found = cells.plan(np.array([1, 3, 0, 0, 2, 1, 1, 2]))
    assert found == nasnet.CellPlan(
        ((("sep3", 1), ("same", 0)), (("max3", 2), ("mean3", 1))), (2, 3)
    )
    assert cells.plan(np.array([1, 3, 0, 0, -1, -1, -1, -1])).outputs == (2,)
    both = cells.cell_space(5, nasnet.OPERATIONS, ("normal", "reduction"))
    assert len(both.names) == 40 and both.names[20] == "reduction_block_0_left_input"
    rng = np.random.default_rng(0)
    tokens = rng.integers(0, both.sizes)
    model = nasnet.NASNet(
        **nasnet.TINY
        | {"normal": cells.plan(tokens[:20], nasnet.OPERATIONS)}
        | {"reduction": cells.plan(tokens[20:], nasnet.OPERATIONS)},
        num_classes=7,
    )
    x = jnp.zeros((2, 64, 64, 3))
    out = jax.eval_shape(lambda: model.init_with_output(jax.random.key(0), x)[0])
    assert out.shape == (2, 7)


def test_stages_are_built_by_mnasnet():
    middle = np.tile([1, 0, 0, 1, 1], len(mnasnet.B1))
    got = factorised.stages(middle)
    assert [row[2:5] for row in got] == [row[2:5] for row in mnasnet.B1]
    assert {row[:2] for row in got} == {(3, 3)} and not any(row[5] for row in got)
    middle[:5] = 2, 1, 1, 0, 2
    assert factorised.stages(middle)[0] == (6, 5, 24, 1, 1, True)  # 16 * 1.25 -> 24


def test_the_reward_of_mnasnet():
    """5 % of accuracy for twice the time, in the paper's section 3.1."""
    twice = factorised.timed_reward(1.0, 2.0, 1.0) / factorised.timed_reward(
        1.0, 1.0, 1
    )
    np.testing.assert_allclose(1 / twice, 1.05, atol=1e-3)
    hard = factorised.timed_reward(jnp.ones(3), jnp.array([0.5, 1, 2]), 1, 0, -1)
    np.testing.assert_allclose(hard, [1, 1, 0.5])


def test_a_layer_reads_what_was_decided():
    of = layer_net.layer_space(3, ("1", "3"), ("4", "8"))
    assert of.links[5] is None and of.links[6] == (2, 5)  # layer 1 reads 0; 3 + 4 + 5
    found = layer_net.layers(np.array([0, 1, 0, 1, 1, 1, 0, 0, 0, 1, 1, 1]), of)
    assert found == ((1, 3, 4, ()), (3, 3, 8, ()), (1, 1, 8, (0, 1)))
    chain = layer_net.layer_space(2, skips=False)
    assert layer_net.layers(np.zeros(6, int), chain)[1].reads == (0,)
    shapes = jax.eval_shape(
        lambda: layer_net.LayerNet(layers=found).init(
            jax.random.key(0), jnp.zeros((1, 8, 8, 3))
        )
    )["params"]
    kernels = [shapes[f"layer_{i}"]["kernel"].shape for i in range(3)]
    assert kernels == [(1, 3, 3, 4), (3, 3, 3, 8), (1, 1, 12, 8)]
    with pytest.raises(ValueError, match="layer 1 must read layers below it"):
        layer_net.LayerNet(layers=((1, 1, 4, ()), (1, 1, 4, (1,)))).init(
            jax.random.key(0), jnp.zeros((1, 8, 8, 3))
        )


def pyramid_by_hand(features, merges, variables):
    """The merging cells with NumPy loops, convolution as a sum of shifts."""
    made = [np.asarray(x, np.float64) for x in features]
    levels, read = list(range(len(made))), set()
    for k, (first, second, level, operation) in enumerate(merges):
        parts = []
        for i in (first, second):
            x, height = made[i], made[level].shape[1]
            while x.shape[1] < height:
                x = np.kron(x, np.ones((1, 2, 2, 1)))
            while x.shape[1] > height:
                quarters = [x[:, i::2, j::2] for i in (0, 1) for j in (0, 1)]
                x = np.max(quarters, 0)
            parts.append(x)
        a, b = parts
        gate = 1 / (1 + np.exp(-b.mean((1, 2), keepdims=True)))
        x = np.maximum(a + b if operation == "sum" else gate * a + b, 0)
        kernel = variables["params"][f"merge_{k}"]["kernel"]
        padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
        h, w = x.shape[1:3]
        shifted = (
            padded[:, i : i + h, j : j + w] @ kernel[i, j]
            for i in range(3)
            for j in range(3)
        )
        made.append(sum(shifted) / np.sqrt(1 + 1e-5))
        levels.append(level)
        read |= {first, second}
    out = []
    for level in range(len(features)):
        at = [i for i, of in enumerate(levels) if of == level]
        out.append(made[at[-1]] + sum(made[i] for i in at[:-1] if i not in read))
    return out


def test_a_pyramid_is_merged_as_decided():
    rng = np.random.default_rng(0)
    of = pyramid.pyramid_space(3, 3)
    merges = pyramid.merges(np.array([2, 0, 1, 1, 3, 2, 0, 0, 0, 3, 2, 1]), of)
    assert merges == ((2, 0, 1, "attention"), (3, 2, 0, "sum"), (0, 4, 2, "attention"))
    features = tuple(
        rng.normal(size=(2, 8 >> i, 8 >> i, 4)).astype(np.float32) for i in range(3)
    )
    model = pyramid.PyramidNet(merges)
    out, variables = jax.jit(model.init_with_output)(jax.random.key(0), features)
    for ours, theirs in zip(
        out, pyramid_by_hand(features, merges, variables), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


def test_a_pyramid_refuses():
    features = tuple(jnp.zeros((1, 8 >> i, 8 >> i, 4)) for i in range(3))
    init = lambda merges, given=features: pyramid.PyramidNet(merges).init(
        jax.random.key(0), given
    )
    with pytest.raises(ValueError, match="must halve level by level"):
        init((), features[:1] * 2)
    with pytest.raises(ValueError, match="merge 0 must take two of 3 candidates"):
        init(((1, 1, 0, "sum"),))
    with pytest.raises(ValueError, match="merge 0 must be sum or attention"):
        init(((1, 2, 0, "mean"),))
    found = jax.eval_shape(
        lambda: pyramid.PyramidNet().init_with_output(
            jax.random.key(0),
            tuple(jnp.zeros((1, 32 >> i, 32 >> i, 8)) for i in range(5)),
        )[0]
    )
    assert [x.shape[1] for x in found] == [32, 16, 8, 4, 2]
