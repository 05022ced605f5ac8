"""Forests: samples, means, out of bag by hand, several at once, devices, bad input."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P

from zoo.classical import forest, tree

KEY = jax.random.key(0)


def table(n=64, d=5, classes=3):
    rng = np.random.default_rng(0)
    x = rng.integers(0, 6, (n, d)).astype(np.float32)
    noise = rng.integers(0, classes, n)
    y = np.where(rng.uniform(size=n) < 0.2, noise, (x[:, 0] + x[:, 1]) % classes)
    return x, y.astype(np.int32), np.float32(x[:, 1] + rng.normal(size=n))


def one_of(trees, i):
    return jax.tree.map(lambda leaf: leaf[i], trees)


@pytest.fixture(scope="module")
def grown():
    """Six trees of classes, and the class of each example."""
    x, y, _ = table()
    return forest.fit(KEY, x, y, 6), x, y


@pytest.fixture(scope="module")
def numbers():
    """Six trees of numbers that try all features, and the numbers."""
    x, _, y = table()
    options = dict(max_features=None, max_depth=4)
    return forest.fit(KEY, x, y, 6, "squared_error", **options), x, y


def test_each_tree_is_one_of_its_sample(grown):
    """So the first trees of a larger forest are those of a smaller one."""
    found, x, y = grown
    drawn = np.asarray(forest.samples(KEY, 6, 64))
    for i in range(6):
        key = jax.random.fold_in(KEY, i)
        alone = tree.fit(x, y, weight=drawn[i], max_features=2, key=key)
        np.testing.assert_array_equal(found.trees.feature[i], alone.feature)
        np.testing.assert_allclose(found.trees.value[i], alone.value, atol=1e-6)
    np.testing.assert_array_equal(drawn[:2], forest.samples(KEY, 2, 64))


def test_without_chance_every_tree_is_the_tree(numbers):
    """And with samples alone, that of its sample. Far from 0 as near it: sums are
    counted from the mean."""
    found, x, y = numbers
    drawn = forest.samples(KEY, 6, 64).astype(jnp.float32)
    options = dict(max_features=None, max_depth=4)
    keys = jax.random.split(KEY, 6)
    every = forest.fit(keys, x, y, 1, "squared_error", bootstrap=False, weight=drawn,
                       **options)  # fmt: skip
    # The same sums of other parts, which round otherwise.
    close = lambda a, b: np.testing.assert_allclose(a[:, 0], b, rtol=2e-6, atol=1e-6)
    jax.tree.map(close, every.trees, found.trees)
    far = forest.fit(KEY, x, y + 1024, 6, "squared_error", **options).trees
    np.testing.assert_array_equal(far.feature[:, :7], found.trees.feature[:, :7])
    value = found.trees.value[:, :7]
    np.testing.assert_allclose(far.value[:, :7] - 1024, value, atol=2e-4)


@pytest.mark.parametrize("kind", ["grown", "numbers"])
def test_a_forest_is_the_mean_of_its_trees(kind, request):
    """Out of bag of those that did not see the example."""
    found, x, _ = request.getfixturevalue(kind)
    drawn = np.asarray(forest.samples(KEY, 6, 64))
    values = []
    for i in range(6):
        alone = one_of(found.trees, i)
        values.append(np.asarray(alone.value)[np.asarray(tree.apply(alone, x))])
    values, called = np.array(values), forest.predict(found, x)
    if kind == "grown":
        shares = forest.predict_probability(found, x)
        np.testing.assert_allclose(shares, values.mean(0), atol=1e-6)
        np.testing.assert_array_equal(called, np.asarray(shares).argmax(1))
        assert called.dtype == np.int32
    else:
        np.testing.assert_allclose(called, values.mean(0), atol=1e-5)
        assert called.dtype == np.float32
    types = {leaf.dtype for leaf in jax.tree.leaves(found.trees)}
    assert types == {np.dtype(np.int32), np.dtype(np.float32)}
    mean, count = forest.out_of_bag(found, x)
    np.testing.assert_array_equal(count, (drawn == 0).sum(0))
    assert count.max() >= 4
    for n in range(64):
        mine = values[drawn[:, n] == 0, n]
        expected = mine.mean(0) if len(mine) else 0
        np.testing.assert_allclose(mean[n], expected, atol=1e-5)


def test_importances_are_the_mean_of_the_trees(grown):
    found, _, _ = grown
    each = [np.asarray(tree.importances(one_of(found.trees, i), 5)) for i in range(6)]
    np.testing.assert_allclose(
        forest.importances(found, 5), np.mean(each, 0), rtol=1e-5
    )
    assert len({tuple(row) for row in each}) == 6


def test_samples_are_draws_with_replacement():
    drawn = np.asarray(forest.samples(KEY, 2000, 40))
    assert (drawn.sum(1) == 40).all() and drawn.min() == 0
    # Binomial with 40 draws of chance 1 / 40; standard deviations below 0.004.
    share = [(drawn == k).mean() for k in range(4)]
    chance = [0.3632, 0.3725, 0.1863, 0.0605]
    np.testing.assert_allclose(share, chance, atol=0.012)
    np.testing.assert_allclose(drawn.mean(0), 1, atol=0.1)  # deviation 0.022
    weight = np.arange(40) % 4 > 0
    some = np.asarray(forest.samples(KEY, 50, 40, jnp.asarray(weight)))
    assert (some.sum(1) == 30).all() and not some[:, ~weight].any()
    assert (some[:, weight].sum(0) > 0).all()


def test_folds_are_forests_of_their_examples(grown):
    """Three forests in one call, each without a third of the examples."""
    plain, x, y = grown
    weight = np.float32(np.arange(64) % 3 != np.arange(3)[:, None])
    keys = jax.random.split(KEY, 3)
    every = forest.fit(keys, x, y, 6, weight=weight)
    assert every.trees.feature.shape[:2] == (3, 6)
    for g in range(3):
        alone = forest.fit(keys[g], x, y, 6, weight=weight[g])
        jax.tree.map(np.testing.assert_array_equal, one_of(every.trees, g), alone.trees)
        kept = weight[g] > 0
        np.testing.assert_array_equal(alone.trees.weight[:, 0], kept.sum())
        _, count = forest.out_of_bag(alone, x, jnp.asarray(weight[g]))
        assert (np.asarray(count)[~kept] == 6).all()
    ones = forest.fit(KEY, x, y, 6, weight=np.ones(64, np.float32))
    np.testing.assert_array_equal(ones.trees.feature, plain.trees.feature)


def test_one_device_equals_eight(devices):
    """The samples are drawn of everybody's examples, the same on every device."""
    x, y, _ = table()
    weight = np.float32(np.arange(64) % 5 > 0)
    one = forest.fit(KEY, x, y, 6, weight=weight)

    def run(x, y, weight):
        return forest.fit(
            KEY, x, y, 6, num_classes=3, bins=6, weight=weight, axis_name="i"
        )

    mesh = Mesh(np.array(devices), ("i",))
    split = jax.shard_map(
        run, mesh=mesh, in_specs=P("i"), out_specs=P(), check_vma=False
    )
    eight = jax.jit(split)(x, y, weight)
    # Sums of whole numbers: exact.
    jax.tree.map(np.testing.assert_array_equal, eight.trees, one.trees)


def test_max_features():
    assert [forest._features(f, 64) for f in ("sqrt", "log2", 0.1, 5, None)] == [
        *(8, 6, 6, 5),
        None,
    ]
    assert forest._features("sqrt", 3) == forest._features(0.01, 3) == 1


X, Y = np.arange(12.0).reshape(6, 2), np.array([0, 1, 0, 1, 1, 0])


@pytest.mark.parametrize(
    "change, message",
    [
        ({"x": X * np.nan}, "x must be finite, got nan"),
        ({"y": np.ones(6, int)}, "y must hold two classes or more, got 1 only"),
        ({"trees": 0}, "trees must be an integer from 1 to"),
        ({"trees": 2.5}, "trees must be an integer from 1 to"),
        (
            {"max_features": "squrt"},
            "unknown max_features 'squrt'; did you mean 'sqrt'",
        ),
        ({"max_features": 1.5}, r"max_features must be a share in \(0, 1\], got 1.5"),
        ({"max_features": 3}, "max_features must be an integer from 1 to 2"),
        ({"max_depth": 0.5}, "max_depth must be an integer >= 0, got 0.5"),
        ({"criterion": "mse"}, "unknown criterion 'mse'"),
        ({"weight": np.ones((2, 6))}, r"weight must be \[6\], got \[2, 6\]"),
        ({"weight": -np.ones(6)}, "weight must be >= 0 and not all 0, got -1"),
        (
            {"key": jax.random.split(KEY, 3), "weight": np.ones((2, 6))},
            r"weight must be \[3, 6\], got \[2, 6\]",
        ),
    ],
)
def test_refuses(change, message):
    with pytest.raises(ValueError, match=message):
        forest.fit(**{"key": KEY, "x": X, "y": Y, **change})


def test_refuses_in_predictions(grown, numbers):
    found, x, _ = grown
    for function in (forest.predict, forest.predict_probability, forest.out_of_bag):
        with pytest.raises(ValueError, match="x must be finite, got nan"):
            function(found, x * np.nan)
        with pytest.raises(ValueError, match="x must have the 5 features or more"):
            function(found, x[:, :3])
    with pytest.raises(ValueError, match="forest must be one of classes"):
        forest.predict_probability(numbers[0], x)
