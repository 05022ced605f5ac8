"""Buckets: every example as often as any, few shapes, little padding."""

import itertools

import numpy as np
import pytest

from zoo.data import bucketed, teach
from zoo.data.buckets import _parted, _shares


def rows(counts, width):
    """Rows of so many tokens each, told apart by their first."""
    filled = np.arange(width) < np.asarray(counts)[:, None]
    return np.where(filled, 1 + np.arange(len(counts))[:, None], 0).astype(np.int32)


def lengths(n=60, seed=0):
    return np.random.default_rng(seed).integers(1, 13, n)


def test_a_batch_is_cut_to_its_bucket_and_nothing_is_lost():
    a, b = lengths(seed=1), lengths(seed=2)
    data = {"a": rows(a, 12), "b": rows(b, 14), "n": np.arange(60)}
    stream = bucketed(data, 4, 3)
    assert stream.batch_size == 4 and len(stream.widths) == 3
    shapes = set()
    for step in range(40):
        batch = stream.at(step)
        index = batch["index"]
        np.testing.assert_array_equal(batch["n"], index)
        for name in ("a", "b"):
            width = batch[name].shape[1]
            np.testing.assert_array_equal(batch[name], data[name][index, :width])
            assert not data[name][index, width:].any()
        shapes.add((batch["a"].shape, batch["b"].shape))
    assert shapes == {((4, w["a"]), (4, w["b"])) for w in stream.widths}
    # Nothing in a bucket is as long as what is in the next.
    order = [max(w.values()) for w in stream.widths]
    assert order == sorted(order) and order[-1] == max(a.max(), b.max())


def test_padding_is_that_of_a_round():
    n = lengths(64)
    data = {"a": rows(n, 12)}
    stream = bucketed(data, 4, 4)
    steps = int(stream.steps_per_epoch)
    batches = [stream.at(i)["a"] for i in range(200 * steps)]  # chance within buckets
    empty, all_ = sum((b == 0).sum() for b in batches), sum(b.size for b in batches)
    assert stream.padding == pytest.approx(empty / all_, abs=2e-3)
    one = bucketed(data, 4, 1)
    assert one.padding == pytest.approx(1 - n.mean() / n.max())
    assert stream.padding < one.padding / 2


def test_within_a_bucket_each_example_comes_before_any_again():
    data = {"a": rows([1] * 7 + [5] * 16, 5)}
    stream = bucketed(data, 3, 2, seed=5)
    seen = {1: [], 5: []}
    for step in range(23 * 3):
        batch = stream.at(step)
        seen[batch["a"].shape[1]] += batch["index"].tolist()
    for width, members in ((1, range(7)), (5, range(7, 23))):
        for i in range(0, len(seen[width]) - len(members) + 1, len(members)):
            assert sorted(seen[width][i : i + len(members)]) == list(members)
    # In each round of 7 steps the buckets have their shares.
    widths = [stream.at(step)["a"].shape[1] for step in range(70)]
    assert all(widths[i : i + 7].count(1) == 2 for i in range(0, 70, 7))
    assert widths[:7] != widths[7:14]


def test_a_batch_is_a_function_of_seed_and_step():
    data = {"a": rows(lengths(), 12)}
    stream, again = (bucketed(data, 5, 3, seed=3) for _ in range(2))
    for step in (1000, 7, 0):
        np.testing.assert_array_equal(stream.at(step)["a"], again.at(step)["a"])
        part = again.rows(step, 2, 4)["a"]
        np.testing.assert_array_equal(stream.at(step)["a"][2:4], part)
    other = bucketed(data, 5, 3, seed=4)
    assert any((stream.at(i)["index"] != other.at(i)["index"]).any() for i in range(3))


def test_transforms_and_fewer_lengths_than_buckets():
    data = {"source": rows([2] * 8, 3), "target": rows([3] * 8, 3)}
    stream = bucketed(data | {"y": data["target"]}, 4, 6, transform=teach())
    assert stream.widths == ({"source": 2, "target": 3, "y": 3},)
    batch = stream.at(0)
    assert batch["x"]["source"].shape == (4, 2) and batch["mask"].all()
    assert stream.padding == 0


@pytest.mark.parametrize("buckets", [1, 2, 3, 6])
def test_limits_are_the_best_of_all(buckets):
    """Against every choice of limits."""
    n, least = lengths(30, seed=buckets), 5
    high = np.unique(n)

    def cost(own):
        groups = [n[own == k] for k in np.unique(own)]
        return sum(len(g) * g.max() for g in groups), min(map(len, groups))

    costs = [
        cost(np.searchsorted(limits, n))
        for k in range(buckets)
        for limits in itertools.combinations(high[:-1], k)
    ]
    found, smallest = cost(_parted(n, least, buckets))
    assert smallest >= least
    assert found == min(c for c, small in costs if small >= least)


@pytest.mark.parametrize("steps", [0, 1, 7, 23])
def test_shares_are_whole_and_fair(steps):
    shares = _shares([3, 5, 15], steps)
    assert sum(shares) == steps
    exact = np.array([3, 5, 15]) * steps / 23
    assert (abs(shares - exact) < 1).all()


@pytest.mark.parametrize(
    "data, given, message",
    [
        ({"a": np.zeros(6)}, (2,), "must have an array of tokens"),
        ({"a": np.zeros((6, 2, 2))}, (2,), "must be .N, T. or .N., but is .6, 2, 2."),
        ({"a": rows([1, 5], 5)}, (3,), "batch_size must be an integer from 1 to 2"),
        ({"a": rows([1, 5], 5)}, (1, 0), "buckets must be an integer from 1 to 2"),
    ],
)
def test_refuses(data, given, message):
    with pytest.raises(ValueError, match=message):
        bucketed(data, *given)
