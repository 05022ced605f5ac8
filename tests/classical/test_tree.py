"""Trees: CART by hand, weights, bins, devices, pruning by trying all, bad input."""

import itertools
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P

from zoo.classical import binning, frontier, growth, pruning, splits, tree


def table(n=72, d=4, values=6, classes=3, seed=0):
    """Few distinct values, so that there are ties; classes that depend on them."""
    rng = np.random.default_rng(seed)
    x = rng.integers(0, values, (n, d)).astype(float)
    noise = rng.integers(0, classes, n)
    y = np.where(rng.uniform(size=n) < 0.3, noise, (x[:, 0] + x[:, 1]) % classes)
    return x, y.astype(np.int32), x[:, 1] + np.sin(x[:, 2]) + rng.normal(size=n)


def fit(x, *args, **options):
    """In float64. Same shapes and options share a program: compiling takes the time."""
    with jax.enable_x64(True):
        return jax.device_get(tree.fit(jnp.asarray(x), *args, **options))


def gini(y, w):
    shares = [w[y == k].sum() / w.sum() for k in np.unique(y)]
    return 1 - sum(p * p for p in shares)


def entropy(y, w):
    shares = np.array([w[y == k].sum() / w.sum() for k in np.unique(y)])
    return -(shares * np.log2(shares)).sum()


def squared(y, w):
    mean = (w * y).sum() / w.sum()
    return (w * (y - mean) ** 2).sum() / w.sum()


LARGE = {"max_depth": 4, "min_samples_leaf": 3}
IMPURITY = {"gini": gini, "entropy": entropy, "squared_error": squared}


def cart(x, y, w, impurity, depth=99, split=2, leaf=1, least=0.0, whole=None):
    """The tree by trying everything, as (feature, threshold, left, right) or value."""
    whole = w.sum() if whole is None else whole
    here = impurity(y, w)
    best = None
    if depth > 0 and len(y) >= split and len(np.unique(y)) > 1:
        for f in range(x.shape[1]):
            values = np.unique(x[:, f])
            for low, high in itertools.pairwise(values):
                left = x[:, f] <= low
                if min(left.sum(), (~left).sum()) < leaf:
                    continue
                both = [(impurity(y[s], w[s]), w[s].sum()) for s in (left, ~left)]
                gain = (w.sum() * here - sum(i * n for i, n in both)) / whole
                if best is None or gain > best[0] + 1e-12:
                    best = gain, f, (low + high) / 2, left
    if best is None or best[0] + 1e-12 < least:
        if impurity is squared:
            return (w * y).sum() / w.sum()
        return [w[y == k].sum() / w.sum() for k in range(3)]
    _, f, threshold, left = best
    below = [
        cart(x[s], y[s], w[s], impurity, depth - 1, split, leaf, least, whole)
        for s in (left, ~left)
    ]
    return f, threshold, *below


def nested(found, node=0):
    """Ours, in the same form."""
    if found.feature[node] < 0:
        return found.value[node]
    left = found.left[node]
    below = nested(found, left), nested(found, left + 1)
    return found.feature[node], found.threshold[node], *below


def assert_same(ours, other, atol=1e-12):
    if isinstance(other, tuple):
        assert isinstance(ours, tuple) and ours[:2] == other[:2]
        assert_same(ours[2], other[2], atol)
        assert_same(ours[3], other[3], atol)
    else:
        np.testing.assert_allclose(ours, other, atol=atol)


@pytest.mark.parametrize(
    "criterion, weighted, options, rules",
    [
        ("gini", False, {}, {}),
        ("gini", False, {"min_impurity_decrease": 0.02}, {"least": 0.02}),
        ("gini", True, {}, {}),
        ("entropy", True, {"max_depth": 3, "min_samples_leaf": 4},
         {"depth": 3, "leaf": 4}),
        ("squared_error", True, LARGE, {"depth": 4, "leaf": 3}),
    ],
)  # fmt: skip
def test_is_the_tree_of_trying_everything(criterion, weighted, options, rules):
    """Also which of equal splits is made: the lowest feature and threshold."""
    x, labels, numbers = table()
    y = numbers if criterion == "squared_error" else labels
    rng = np.random.default_rng(1)
    w = rng.integers(0, 4, len(x)) * 1.0 if weighted else np.ones(len(x))
    found = fit(x, y, criterion, weight=w if weighted else None, **options)
    some = w > 0
    expected = cart(x[some], y[some], w[some], IMPURITY[criterion], **rules)
    assert_same(nested(found), expected)
    np.testing.assert_allclose(
        found.impurity, IMPURITY[criterion](y[some], w[some]), rtol=1e-12
    )
    np.testing.assert_allclose(found.weight[0], w.sum())
    with jax.enable_x64(True):
        values = found.value[np.asarray(tree.apply(found, x))]
        called = tree.predict(found, x)
    if criterion == "squared_error":
        np.testing.assert_allclose(called, values, rtol=1e-12)
    else:
        np.testing.assert_array_equal(called, values.argmax(1))
    # The leaves' impurities and the decreases add up to the root's.
    at = np.asarray(tree.apply(found, x))[some]
    left = sum(
        w[some][at == leaf].sum() * IMPURITY[criterion](y[some][at == leaf],
                                                        w[some][at == leaf])
        for leaf in np.unique(at)
    )  # fmt: skip
    total = found.decrease.sum() + left / w.sum()
    np.testing.assert_allclose(total, found.impurity, rtol=1e-11)


def test_float_weights_never_leave_a_side_empty():
    """Sums of floats do not come to 0 where they should; no empty leaf is made."""
    x, y, _ = table()
    w = np.random.default_rng(2).uniform(size=72) ** 8
    found = fit(x, y, weight=w)
    assert (found.weight[: found.nodes] > 0).all()
    split = found.feature[: found.nodes] >= 0
    assert split.sum() * 2 + 1 == found.nodes
    assert split.sum() + 1 <= len({tuple(row) for row in x})


def test_xor_needs_a_split_that_gains_nothing():
    """On a grid of 6 x 6, twice."""
    x = np.zeros((72, 4))
    x[:, :2] = np.tile(np.indices((6, 6)).reshape(2, -1).T, (2, 1))
    y = (x[:, 0] < 3) ^ (x[:, 1] < 3)
    found = fit(x, y.astype(int), num_classes=3)
    assert found.decrease[0] < 1e-12
    with jax.enable_x64(True):
        np.testing.assert_array_equal(tree.predict(found, x), y)
    stopped = fit(x, y.astype(int), num_classes=3, min_impurity_decrease=1e-3)
    assert tree.leaves(stopped) == 1


def test_without_a_split_the_root_is_a_leaf():
    x, y, numbers = table()
    x[1], y[:2], w = x[0], [0, 1], np.zeros(72)
    w[:2] = 1, 3  # two examples with the same features
    found = fit(x, y, weight=w)
    assert (found.nodes, found.depth, tree.leaves(found)) == (1, 0, 1)
    with jax.enable_x64(True):
        shares = tree.predict_probability(found, x)
        assert not tree.importances(found, 4).any()
    np.testing.assert_allclose(shares, [[0.25, 0.75, 0]] * 72)
    constant = fit(x, np.full(72, 1 / 3), "squared_error", weight=w + 1, **LARGE)
    assert constant.nodes == 1 and constant.impurity < 1e-30
    np.testing.assert_allclose(constant.value[0], 1 / 3, rtol=1e-12)
    assert fit(x[:1], np.array([2.0]), "squared_error").value[0] == 2
    assert fit(x, np.arange(72) % 2, max_depth=0).nodes == 1


def test_a_threshold_is_below_the_right_value():
    """Halfway between neighbours rounds to one of them: the left one."""
    x, y, low = np.zeros((72, 4)), np.arange(72) % 3, 1.0
    x[:, 2] = np.arange(72) % 6
    for _ in range(3):
        high = np.nextafter(low, 2.0)
        x[:, 0] = np.where(y == 2, high, low)
        found = fit(x, y)
        assert found.feature[0] == 0 and low <= found.threshold[0] < high
        low = high


def test_only_the_order_of_values_matters():
    x, y, _ = table()
    found, other = fit(x, y), fit(np.exp(3 * x) - 5, y)
    np.testing.assert_array_equal(found.feature, other.feature)
    np.testing.assert_array_equal(found.value, other.value)


def test_importances_by_hand():
    x, y, _ = table()
    found = fit(x, y)
    expected = np.zeros(4)
    for node in range(found.nodes):
        if found.feature[node] >= 0:
            expected[found.feature[node]] += found.decrease[node]
    with jax.enable_x64(True):
        ours = tree.importances(found, 4)
    np.testing.assert_allclose(ours, expected / expected.sum(), rtol=1e-12)


def test_bins():
    """Of normal numbers, of five values, of a constant, and one where 0 is half."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(500, 4))
    x[:, 1], x[:, 2] = rng.integers(0, 5, 500), 1
    x[:, 3] = np.where(rng.uniform(size=500) < 0.5, 0, x[:, 3])
    x = np.float32(x)
    assert binning.count(x, 256) == 256 and binning.count(x[:, 1:3], 256) == 5
    assert binning.count(x[:, 2:3], 256) == 2
    found = binning.cut(x, 16)
    traced = jax.jit(binning.cut, static_argnums=1)(x, 16)
    jax.tree.map(np.testing.assert_array_equal, traced, found)
    codes = np.asarray(found.codes)
    for d in range(4):
        for value in np.unique(x[:, d]):
            mine = codes[x[:, d] == value, d]
            assert (mine == mine[0]).all()
            assert found.low[d, mine[0]] <= value <= found.high[d, mine[0]]
        assert (np.diff(codes[np.argsort(x[:, d]), d]) >= 0).all()
    counts = np.bincount(codes[:, 0], minlength=16)
    assert counts.min() >= 30 and counts.max() <= 33
    np.testing.assert_array_equal(codes[:, 1], x[:, 1])
    assert not codes[:, 2].any()
    assert len(np.unique(codes[x[:, 3] == 0, 3])) == 1
    assert len(np.unique(codes[:, 3])) >= 7


def test_few_bins_are_a_tree_on_rounded_features():
    rng = np.random.default_rng(4)
    x, y = rng.normal(size=(72, 4)), rng.integers(0, 3, 72)
    found = fit(x, y, bins=6)
    with jax.enable_x64(True):
        codes = np.float64(binning.cut(jnp.asarray(x), 6).codes)
        expected = fit(codes, y)
        np.testing.assert_array_equal(found.feature, expected.feature)
        np.testing.assert_array_equal(
            tree.predict(found, x), tree.predict(expected, codes)
        )


def test_max_leaves():
    x, y, _ = table()
    found = fit(x, y, max_leaves=9)
    assert tree.leaves(found) == 9 and found.nodes == len(found.feature) == 17
    assert fit(x, y, max_leaves=1).nodes == 1


def test_a_node_is_split_if_any_feature_can(monkeypatch):
    """One of nine features varies; it is found though one is drawn at a time. Also in
    chunks of three slots and blocks of seven rows, where all loops go round."""
    x, y = np.ones((72, 9)), np.arange(72) // 4 % 3
    x[:, 5] = np.arange(72)
    options = dict(max_features=1, key=jax.random.key(0))
    whole = fit(x, y, **options)
    assert set(whole.feature[: whole.nodes]) == {5, -1} and tree.leaves(whole) == 18
    monkeypatch.setattr(growth, "CELLS", 3 * 72 * 3)
    monkeypatch.setattr(growth, "BLOCK", 7)
    monkeypatch.setattr(frontier, "SHORT", 5)
    growth.grow.clear_cache()
    tree.plant.clear_cache()
    parts = fit(x, y, **options)
    monkeypatch.undo()
    growth.grow.clear_cache()
    tree.plant.clear_cache()
    for field, value in whole._asdict().items():
        np.testing.assert_array_equal(getattr(parts, field), value)


def test_histograms_and_best_split_by_hand():
    """Two nodes, one feature, three bins, of which one is empty in the first node."""
    h = np.zeros((3, 2, 2, 1), np.float32)
    h[:, :, 0, 0] = [[3, 1], [0, 0], [1, 2]]  # bin by class
    h[:, :, 1, 0] = [[0, 2], [2, 0], [0, 1]]
    best = jax.jit(splits.best, static_argnames=("criterion", "least"))
    found = best(h, criterion="gini", least=1)
    np.testing.assert_array_equal(found.bin, [2, 1])
    np.testing.assert_array_equal(found.below, [0, 0])
    first = (9 + 1) / 4 + (1 + 4) / 3 - (16 + 9) / 7
    second = 4 / 2 + (4 + 1) / 3 - (4 + 9) / 5
    np.testing.assert_allclose(found.gain, [first, second], rtol=1e-6)
    np.testing.assert_array_equal(found.left.T, [[3, 1], [0, 2]])
    np.testing.assert_array_equal(found.right.T, [[1, 2], [2, 1]])
    none = best(h, criterion="gini", least=4)
    assert np.isneginf(none.gain).all()
    near = np.concatenate([h * np.float32(1 - 1e-6), h], 3)  # equal but for rounding
    assert not np.any(best(near, criterion="gini", least=1).feature)
    many = np.random.default_rng(5).integers(0, 9, (50, 2)).astype(np.float32)
    below, rest = jax.jit(splits.sides)(many)  # in groups
    np.testing.assert_array_equal(below, many.cumsum(0) - many)
    np.testing.assert_array_equal(rest, many[::-1].cumsum(0)[::-1])
    shrunk = splits.purity(jnp.array([3.0, 6.0]), "squared_error", 1.0)
    assert shrunk == 36 / 4


def test_draws_are_without_replacement():
    rules = growth.Rules("gini", 2, 5)
    codes = binning.Bins(jnp.zeros((3, 12), jnp.int32), None, None)
    keys = jax.random.split(jax.random.key(1), 2)
    data = growth._Data(codes, *[None] * 3, keys, *[None] * 7)
    tree_of, path = jnp.arange(4000, dtype=jnp.int32) % 2, np.arange(4000)

    @jax.jit
    def draw(tried):
        slots = jnp.zeros((4000, 5), jnp.int32)
        slots = slots.at[:, frontier.PATH].set(path).at[:, frontier.TRIED].set(tried)
        return growth._features(data, rules, tree_of, slots)

    drawn = np.sort(np.asarray(draw(0)), 1)
    assert (np.diff(drawn, axis=1) > 0).all() and drawn.min() == 0 and drawn.max() == 11
    share = np.bincount(drawn.ravel()) / 4000
    np.testing.assert_allclose(share, 5 / 12, atol=0.03)  # four standard deviations
    later = np.concatenate([np.asarray(draw(i)) for i in (1, 2, 3)], axis=1)
    assert all(set(row) == set(range(12)) for row in later)  # until all were tried


def test_vmap_over_weights_is_one_by_one():
    x, _, numbers = table()
    w = np.random.default_rng(6).integers(0, 3, (3, 72)).astype(float)
    with jax.enable_x64(True):
        one = lambda w: tree.fit(x, numbers, "squared_error", weight=w, **LARGE)
        every = jax.jit(jax.vmap(one))(w)
    for i in range(3):
        alone = fit(x, numbers, "squared_error", weight=w[i], **LARGE)
        np.testing.assert_array_equal(every.feature[i], alone.feature)
        np.testing.assert_allclose(every.value[i], alone.value, atol=1e-12)


def test_one_device_equals_eight(devices):
    """In fewer bins than there are values."""
    x, _, y = table()
    x[:, 3] += np.random.default_rng(7).normal(size=72)
    w = np.random.default_rng(8).integers(0, 3, 72) * 1.0
    options = dict(criterion="squared_error", bins=6, **LARGE)
    one = fit(x, y, weight=w, **options)
    with jax.enable_x64(True):
        run = lambda x, y, w: tree.fit(x, y, weight=w, axis_name="i", **options)
        mesh = Mesh(np.array(devices), ("i",))
        split = jax.shard_map(
            run, mesh=mesh, in_specs=P("i"), out_specs=P(), check_vma=False
        )
        eight = jax.jit(split)(x, y, w)
    assert tree.leaves(one) > 8
    for field, value in one._asdict().items():
        np.testing.assert_allclose(getattr(eight, field), value, atol=1e-12)


def subtrees(found, node):
    """All ways to prune below a node: (splits that stay, impurity lost)."""
    if found.feature[node] < 0:
        return [frozenset()]
    left = found.left[node]
    both = itertools.product(subtrees(found, left), subtrees(found, left + 1))
    return [frozenset(), *(a | b | {node} for a, b in both)]


def test_pruning_is_the_best_of_all_subtrees():
    x, y, _ = table()
    found = fit(x, y, max_leaves=9)
    every = subtrees(found, 0)
    assert len(every) > 20
    exact = {node: Fraction(float(found.decrease[node])) for node in range(found.nodes)}
    with jax.enable_x64(True):
        path = pruning.path(found)
        k = int(path.steps)
        alphas = np.asarray(path.alphas)[: k + 1]
        assert (np.diff(alphas) >= 0).all() and alphas[0] == 0
        between = [*((alphas[1:] + alphas[:-1]) / 2), alphas[-1] + 1]
        for alpha in between:
            pruned = pruning.prune(found, alpha)
            stays = set(np.flatnonzero(np.asarray(pruned.feature) >= 0))
            cost = {
                kept: Fraction(alpha) * (len(kept) + 1) - sum(exact[n] for n in kept)
                for kept in every
            }
            best = min(cost.values())
            smallest = min((c for c in every if cost[c] - best < 1e-12), key=len)
            assert stays == smallest
            at = np.flatnonzero(alphas <= alpha)[-1]
            assert path.leaves[at] == tree.leaves(pruned) == len(stays) + 1
            left = found.impurity - pruned.decrease.sum()
            np.testing.assert_allclose(path.impurities[at], left, atol=1e-12)
            again = pruning.prune(pruned, alpha)
            np.testing.assert_array_equal(again.feature, pruned.feature)
        root = pruning.prune(found, 1.0)
        shares = tree.predict_probability(root, x)
    assert tree.leaves(root) == 1
    np.testing.assert_allclose(shares, [found.value[0]] * 72)
    assert (np.asarray(path.alphas)[k:] == alphas[-1]).all()  # the last is repeated


X, Y = np.arange(12.0).reshape(6, 2), np.array([0, 1, 0, 1, 1, 0])


@pytest.mark.parametrize(
    "change, message",
    [
        ({"x": np.ones(6)}, r"x must be \[N, D\], got \[6\]"),
        ({"x": X * np.nan}, "x must be finite, got nan"),
        ({"y": np.zeros(6, int)}, "y must hold two classes or more, got 0 only"),
        ({"y": Y * 0.5}, "y must be integers"),
        ({"y": Y[:5]}, r"y must be \[6\], as many as x, got \[5\]"),
        ({"y": Y - np.nan, "criterion": "squared_error"}, "y must be finite, got nan"),
        ({"criterion": "ginny"}, "unknown criterion 'ginny'; did you mean 'gini'"),
        ({"num_classes": 1}, "num_classes must be at least 2, got 1"),
        ({"max_depth": -1}, "max_depth must be an integer >= 0, got -1"),
        ({"min_samples_split": 1}, "min_samples_split must be an integer >= 2, got 1"),
        ({"min_samples_leaf": 0.5}, "min_samples_leaf must be an integer >= 1"),
        ({"min_impurity_decrease": -1}, "min_impurity_decrease must be a number in"),
        ({"max_leaves": 0}, "max_leaves must be an integer >= 1, got 0"),
        ({"bins": 1}, "bins must be an integer >= 2, got 1"),
        ({"max_features": 1}, "key must be given where max_features is, got None"),
        ({"max_features": 3, "key": jax.random.key(0)}, "from 1 to 2, the number of f"),
        ({"weight": np.ones(5)}, r"weight must be \[6\], got \[5\]"),
        ({"weight": -np.ones(6)}, "weight must be >= 0 and not all 0, got -1"),
        ({"weight": np.zeros(6)}, "weight must be >= 0 and not all 0, got 0"),
        ({"weight": np.ones(6) * np.inf}, "weight must be finite, got inf"),
    ],
)
def test_refuses(change, message):
    with pytest.raises(ValueError, match=message):
        tree.fit(**{"x": X, "y": Y, **change})


def test_refuses_in_predictions_and_under_jit():
    x, y, _ = table()
    found = fit(x, y)
    for function in (tree.predict, tree.predict_probability, tree.apply):
        with pytest.raises(ValueError, match="x must be finite, got nan"):
            function(found, X * np.nan)
        with pytest.raises(ValueError, match="x must have the 4 features or more"):
            function(found, X)
    with pytest.raises(ValueError, match=r"x must be \[N, D\]"):
        tree.predict(found, X[0])
    numbers = tree.fit(X, Y * 0.5, "squared_error", max_depth=0)
    with pytest.raises(ValueError, match="tree must be one of classes"):
        tree.predict_probability(numbers, X)
    with pytest.raises(ValueError, match="num_classes must be given where y is traced"):
        jax.jit(tree.fit)(X, Y)
    with pytest.raises(ValueError, match="alpha must be a number in"):
        pruning.prune(found, -1.0)
