"""Decision trees (CART): classes or numbers by questions of one feature each.

    t(x)     the leaf that x comes to, going left where x_f <= threshold
    value    the share of each class in a leaf, or the mean of its targets
    decrease of node t = (W_t i(t) - W_l i(l) - W_r i(r)) / W

with W_t the weight of the examples in t, W that of all of them, and the impurity i

    gini           1 - sum_k p_k^2
    entropy        -sum_k p_k log2 p_k
    squared_error  the mean of (y - mean)^2

Each node is split where that decreases most. The importance of a feature is the sum of
the decreases of its splits; they are scaled to add up to 1.

A feature has at most `bins` bins. As long as it has no more distinct values than that,
each is a bin of its own and all thresholds are tried: then this is scikit-learn's tree.
Of splits that decrease impurity equally it takes one by chance; here the lowest feature
and threshold is taken. It computes with features in float32, and takes values for equal
that are within 1e-7. Under weights that are no whole numbers it splits pure nodes, too,
where rounding leaves them an impurity.

Without a split (features that are constant, or all targets equal) the tree is its root,
a leaf.

Shapes: N examples, D features, K classes, M nodes at most. A tree has one more leaf
than nodes that are split, so M = 2 min(N / min_samples_leaf, 2^max_depth) - 1.

References:
    Breiman, Friedman, Olshen and Stone, "Classification and regression trees", 1984,
    https://doi.org/10.1201/9781315139470
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from optim.errors import check_range
from zoo.classical import binning, checks, growth, splits
from zoo.errors import unknown


class Tree(NamedTuple):
    """A tree, or several with a leading axis. Node 0 is the root."""

    feature: jax.Array  # int32 [M]; -1 where the node is a leaf
    threshold: jax.Array  # [M], left if x <= threshold; inf at a leaf
    left: jax.Array  # int32 [M], the right child follows it; at a leaf the node itself
    value: jax.Array  # [M, K], the shares of the classes; or [M], the mean
    weight: jax.Array  # [M], sum of the examples' weights
    decrease: jax.Array  # [M], of impurity by the split, times W_t / W; 0 at a leaf
    impurity: jax.Array  # of the root, a scalar
    nodes: jax.Array  # int32 scalar, how many of the M are nodes
    depth: jax.Array  # int32 scalar, splits from the root to the farthest leaf


def fit(
    x: jax.Array,
    y: jax.Array,
    criterion: str = "gini",
    num_classes: int | None = None,
    max_depth: int | None = None,
    min_samples_split: int = 2,
    min_samples_leaf: int = 1,
    min_impurity_decrease: float | jax.Array = 0.0,
    max_features: int | None = None,
    max_leaves: int | None = None,
    weight: jax.Array | None = None,
    bins: int = 256,
    key: jax.Array | None = None,
    axis_name: str | None = None,
) -> Tree:
    """Grows a tree.

    Args:
        x: [N, D].
        y: classes, integers in 0..K-1, or, by squared error, numbers; [N].
        criterion: "gini" or "entropy" for classes, "squared_error" for numbers.
        num_classes: K; None counts up to the largest label, which must be concrete.
        max_depth: splits from the root to a leaf, at most; None: no bound.
        min_samples_split: examples of a node that is split, at least; >= 2.
        min_samples_leaf: examples of a leaf, at least.
        min_impurity_decrease: of a split, at least; >= 0.
        max_features: features tried in each node, drawn anew; None: all.
        max_leaves: none is split once there are so many, the tree growing level by
            level (scikit-learn's takes the best first); None: no bound.
        weight: of the examples, >= 0, [N]; those of weight 0 are left out. None: 1.
        bins: of a feature, at most.
        key: for the draws of features; needed if max_features is given.
        axis_name: the axis over which the examples are split, or None.

    Returns:
        The tree.

    Raises:
        ValueError: values that are not finite, sizes that do not fit, labels of one
            class only, an argument out of range, an unknown criterion, no key.
    """
    if max_features is not None and key is None:
        raise ValueError("key must be given where max_features is, got None")
    bins, y, weight, rules = checked(
        x, y, weight, criterion, num_classes, max_depth, min_samples_split,
        min_samples_leaf, max_features, max_leaves, bins, axis_name,
    )  # fmt: skip
    least = check_range("min_impurity_decrease", min_impurity_decrease, 0, np.inf)
    keys = None if max_features is None else key.reshape(1)
    weight = weight if weight is None else weight.reshape(1, -1)
    trees = plant(keys, bins, y, weight, jnp.asarray(least, bins.low.dtype), rules)
    return jax.tree.map(lambda leaf: leaf[0], trees)


def predict(tree: Tree, x: jax.Array) -> jax.Array:
    """The likeliest class, of equal ones the lowest; or the mean.

    Args:
        tree: of `fit`.
        x: [N, D].

    Returns:
        [N]: int32 for classes, else floats.

    Raises:
        ValueError: x that is not finite or not [N, D].
    """
    value = _values(tree, x)
    return value if value.ndim == 1 else value.argmax(1).astype(jnp.int32)


def predict_probability(tree: Tree, x: jax.Array) -> jax.Array:
    """The share of each class in the leaf.

    Args:
        tree: of `fit`, for classes.
        x: [N, D].

    Returns:
        [N, K]; rows add up to 1.

    Raises:
        ValueError: as `predict`; a tree of numbers.
    """
    if tree.value.ndim != 2:
        raise ValueError("tree must be one of classes, got one of numbers")
    return _values(tree, x)


def apply(tree: Tree, x: jax.Array) -> jax.Array:
    """The number of the leaf that each example comes to.

    Args:
        tree: of `fit`.
        x: [N, D].

    Returns:
        int32 [N].

    Raises:
        ValueError: as `predict`.
    """
    one = jax.tree.map(lambda leaf: leaf[None], tree)
    return route(one, queries(one, x))[0]


def leaves(tree: Tree) -> jax.Array:
    """How many leaves there are, int32."""
    return (tree.feature >= 0).sum(-1, dtype=jnp.int32) + 1


def importances(tree: Tree, features: int) -> jax.Array:
    """The mean decrease of impurity by each feature, scaled to add up to 1.

    Args:
        tree: of `fit`.
        features: D.

    Returns:
        [D]; zeros if there is no split.
    """
    found = jnp.zeros(features, tree.decrease.dtype)
    found = found.at[jnp.maximum(tree.feature, 0)].add(tree.decrease)
    total = found.sum()
    return found / jnp.where(total > 0, total, 1)


@functools.partial(jax.jit, static_argnames=("rules",))
def plant(
    keys: jax.Array | None,
    bins: binning.Bins,
    y: jax.Array,
    weight: jax.Array | None,
    least: jax.Array,
    rules: growth.Rules,
) -> Tree:
    """Trees side by side on the same examples, as `growth.grow`, from checked input.

    Args:
        keys: of the trees, [T], or None where they try all features.
        bins: the features.
        y: [N].
        weight: [T, N]; None: one tree, of weights 1.
        least: decrease of impurity by a split, at least.
        rules: the rest.

    Returns:
        Trees with a leading axis, [T, ...].
    """
    dtype = bins.low.dtype
    zero = jnp.zeros((), dtype)
    if rules.classes:
        trees = growth.grow(keys, bins, y, weight, least, zero, rules)
        w = trees.sums.sum(-1)
        value = trees.sums / jnp.where(w > 0, w, 1)[..., None]
        sums = trees.sums[:, 0]  # [T, K]
        total = w[:, :1]
        same = {"gini": total[:, 0], "entropy": jnp.zeros_like(total[:, 0])}
        purity = splits.purity(sums, rules.criterion, axis=1)
        impurity = (same[rules.criterion] - purity) / total[:, 0]
    else:
        # From the mean, so that sums lose no digits.
        w = jnp.ones((1, len(y)), dtype) if weight is None else weight
        sums = (w.sum(1), jnp.matmul(w, y, precision="highest"))
        number, sums = rules.total(sums)
        mean = (sums / number).reshape(-1, 1)
        y = y.reshape(1, -1) - mean  # [T, N]
        trees = growth.grow(keys, bins, y, weight, least, zero, rules)
        w_t = trees.sums[..., 0]
        value = trees.sums[..., 1] / jnp.where(w_t > 0, w_t, 1) + mean
        impurity = rules.total((w * jnp.square(y)).sum(1)) / number
        w, total = w_t, w_t[:, :1]
    return Tree(
        feature=trees.feature,
        threshold=trees.threshold,
        left=trees.left,
        value=value,
        weight=w,
        decrease=trees.gain / total,
        impurity=jnp.maximum(impurity, 0),
        nodes=trees.nodes,
        depth=trees.depth,
    )


@jax.jit
def route(trees: Tree, x: jax.Array) -> jax.Array:
    """The leaf of each example in each of several trees, int32 [T, N]."""
    depth = trees.depth.max(initial=0)
    return growth.route(trees.feature, trees.threshold, trees.left, depth, x)


def points(x: jax.Array) -> jax.Array:
    """Examples, finite floats [N, D].

    Raises:
        ValueError: they are something else.
    """
    x = checks.finite("x", x)
    if x.ndim != 2:
        raise ValueError(f"x must be [N, D], got {list(x.shape)}")
    return x


def queries(trees: Tree, x: jax.Array) -> jax.Array:
    """Examples that have all features that trees ask for.

    Raises:
        ValueError: they have not, or are not finite [N, D].
    """
    x = points(x)
    if not isinstance(trees.feature, jax.core.Tracer):
        most = int(trees.feature.max())
        if most >= x.shape[1]:
            raise ValueError(
                f"x must have the {most + 1} features or more that the trees ask for, "
                f"got {x.shape[1]}"
            )
    return x


def checked(
    x, y, weight, criterion, num_classes, max_depth, min_samples_split,
    min_samples_leaf, max_features, max_leaves, bins, axis_name,
):  # fmt: skip
    """The arguments of `fit`: features in bins, arrays, rules."""
    if criterion not in splits.CRITERIA:
        raise unknown("criterion", criterion, splits.CRITERIA)
    x = points(x)
    classes = 0
    if criterion == "squared_error":
        y = checks.finite("y", y).astype(x.dtype)
    else:
        y = checks.labels("y", y).astype(jnp.int32)
        classes = checks.classes(y, num_classes)
    if y.shape != x.shape[:1]:
        raise ValueError(f"y must be [{len(x)}], as many as x, got {list(y.shape)}")
    if weight is not None:
        weight = checks.finite("weight", weight).astype(x.dtype)
        if weight.shape[-1:] != x.shape[:1]:
            raise ValueError(f"weight must be [{len(x)}], got {list(weight.shape)}")
        if not isinstance(weight, jax.core.Tracer):
            least, most = weight.min(), weight.max(-1).min()
            if least < 0 or most == 0:
                raise ValueError(f"weight must be >= 0 and not all 0, got {least}")
    for name, value, low in (
        ("max_depth", max_depth, 0),
        ("min_samples_split", min_samples_split, 2),
        ("min_samples_leaf", min_samples_leaf, 1),
        ("max_leaves", max_leaves, 1),
        ("bins", bins, 2),
    ):
        if value is not None or not name.startswith("max"):
            checks.at_least(name, value, low)
    d = x.shape[1]
    if max_features is not None:
        max_features = checks.at_most("max_features", max_features, d, "features")
    rules = growth.Rules(
        criterion=criterion,
        classes=classes,
        features=max_features or d,
        max_depth=max_depth,
        min_samples_split=max(min_samples_split, 2 * min_samples_leaf),
        min_samples_leaf=min_samples_leaf,
        max_leaves=max_leaves,
        axis_name=axis_name,
    )
    return binning.cut(x, bins, axis_name), y, weight, rules


def _values(tree, x):
    return tree.value[apply(tree, x)]
