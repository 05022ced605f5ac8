"""Random forests: the mean of many trees, each of a sample of its own.

    bootstrap   w_tn = how often n comes among N draws with replacement
    tree t      grown with weights w_t, trying F random features in each node
    f(x)        = (1 / T) sum over t of the value of t's leaf at x
    out of bag  f(x_n), over the trees with w_tn = 0 alone: about T / e of them

The value of a leaf is the share of each class, or the mean of the targets. Out of bag,
the training examples tell the error on new ones.

Given weights are factors of w_tn; scikit-learn, since 1.9, draws in proportion to them.

All trees grow at once, and forests on several folds of the same data with them: their
folds are weights of 0. The draws of tree t come from fold_in(key, t), so the first
trees of a larger forest are those of a smaller one.

Shapes: N examples, D features, K classes, T trees, F features tried, G forests.

References:
    Breiman, "Random forests", Machine Learning, 2001,
    https://doi.org/10.1023/A:1010933404324
"""

import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from optim.errors import check_range
from zoo.classical import checks, tree
from zoo.errors import unknown

FEATURES = ("sqrt", "log2")


class Forest(NamedTuple):
    trees: tree.Tree  # with a leading axis, [T, ...]
    key: jax.Array  # what it was drawn with; it gives the samples again


def fit(
    key: jax.Array,
    x: jax.Array,
    y: jax.Array,
    trees: int = 100,
    criterion: str = "gini",
    num_classes: int | None = None,
    max_features: int | float | str | None = "sqrt",
    bootstrap: bool = True,
    max_depth: int | None = None,
    min_samples_split: int = 2,
    min_samples_leaf: int = 1,
    min_impurity_decrease: float | jax.Array = 0.0,
    max_leaves: int | None = None,
    weight: jax.Array | None = None,
    bins: int = 256,
    axis_name: str | None = None,
) -> Forest:
    """Grows a forest, or several side by side.

    Args:
        key: for the samples and the features; of several forests [G].
        x: [N, D].
        y: classes, integers in 0..K-1, or, by squared error, numbers; [N].
        trees: T.
        criterion: as in `tree.fit`.
        num_classes: as in `tree.fit`.
        max_features: F, or a share of D in (0, 1], or "sqrt" or "log2" of D, rounded
            down; None: all.
        bootstrap: whether each tree has a sample of its own.
        max_depth: as in `tree.fit`; and so the next three.
        min_samples_split: different ones.
        min_samples_leaf: different ones.
        min_impurity_decrease: likewise.
        max_leaves: of each tree.
        weight: of the examples, >= 0, [N]; of several forests [G, N], where those of
            weight 0 are in none of its samples.
        bins: of a feature, at most.
        axis_name: the axis over which the examples are split, or None.

    Returns:
        The forest; several have a leading axis, [G, ...].

    Raises:
        ValueError: as `tree.fit`; trees or max_features out of range.
    """
    several = key.ndim == 1
    shape = (len(key), len(x)) if several else (len(x),)
    if weight is not None and np.shape(weight) != shape:
        raise ValueError(f"weight must be {list(shape)}, got {list(np.shape(weight))}")
    x = tree.points(x)
    features = _features(max_features, x.shape[1])
    bins, y, weight, rules = tree.checked(
        x, y, weight, criterion, num_classes, max_depth, min_samples_split,
        min_samples_leaf, features, max_leaves, bins, axis_name,
    )  # fmt: skip
    checks.at_most("trees", trees, 2**20, "trees allowed")
    least = check_range("min_impurity_decrease", min_impurity_decrease, 0, np.inf)
    least = jnp.asarray(least, bins.low.dtype)
    weight = weight if weight is None or several else weight[None]
    keys = key if several else key[None]
    each, own = _draw(keys, bins.low, weight, len(x), trees, bool(bootstrap), axis_name)
    grown = tree.plant(own, bins, y, each, least, rules)
    split = lambda leaf: leaf.reshape(len(keys), trees, *leaf.shape[1:])
    grown = Forest(trees=jax.tree.map(split, grown), key=keys)
    return grown if several else jax.tree.map(lambda leaf: leaf[0], grown)


def predict(forest: Forest, x: jax.Array) -> jax.Array:
    """The class with the largest mean share, of equal ones the lowest; or the mean.

    Args:
        forest: of `fit`.
        x: [N, D].

    Returns:
        [N]: int32 for classes, else floats.

    Raises:
        ValueError: x that is not finite or not [N, D].
    """
    value = _mean(forest, tree.queries(forest.trees, x))
    return value if value.ndim == 1 else value.argmax(1).astype(jnp.int32)


def predict_probability(forest: Forest, x: jax.Array) -> jax.Array:
    """The mean over the trees of the share of each class in the leaf.

    Args:
        forest: of `fit`, for classes.
        x: [N, D].

    Returns:
        [N, K]; rows add up to 1.

    Raises:
        ValueError: as `predict`; a forest of numbers.
    """
    if forest.trees.value.ndim != 3:
        raise ValueError("forest must be one of classes, got one of numbers")
    return _mean(forest, tree.queries(forest.trees, x))


def out_of_bag(
    forest: Forest, x: jax.Array, weight: jax.Array | None = None
) -> tuple[jax.Array, jax.Array]:
    """For each training example the mean over the trees that did not see it.

    Args:
        forest: of `fit` with a bootstrap.
        x: the same examples as there, [N, D].
        weight: the same as there.

    Returns:
        The mean shares of the classes, [N, K], or the mean, [N]; 0 where every tree saw
        it. And how many trees did not, int32 [N].

    Raises:
        ValueError: as `predict`.
    """
    return _out_of_bag(forest, tree.queries(forest.trees, x), weight)


def importances(forest: Forest, features: int) -> jax.Array:
    """The mean over the trees of the features' importances, scaled to add up to 1.

    Args:
        forest: of `fit`.
        features: D.

    Returns:
        [D]; zeros if no tree has a split.
    """
    found = jax.vmap(lambda one: tree.importances(one, features))(forest.trees).sum(0)
    total = found.sum()
    return found / jnp.where(total > 0, total, 1)


@functools.partial(jax.jit, static_argnames=("trees", "n"))
def samples(
    key: jax.Array, trees: int, n: int, weight: jax.Array | None = None
) -> jax.Array:
    """How often each example is in the bootstrap sample of each tree.

    Args:
        key: of the forest.
        trees: T.
        n: N.
        weight: only examples with a weight above 0 are drawn, as many as there are of
            them, [N]; None: all.

    Returns:
        int32 [T, N].
    """
    kept = jnp.ones(n, bool) if weight is None else weight > 0
    order = jnp.argsort(~kept, stable=True)
    many = kept.sum()

    def one(t):
        own = jax.random.fold_in(jax.random.fold_in(key, t), 0)
        u = jax.random.uniform(own, (n,), jnp.float32)
        drawn = jnp.minimum((u * many).astype(jnp.int32), many - 1)
        inside = jnp.arange(n) < many
        return jnp.zeros(n, jnp.int32).at[order[drawn]].add(inside.astype(jnp.int32))

    return jax.vmap(one)(jnp.arange(trees))


@functools.partial(jax.jit, static_argnames=("n", "trees", "bootstrap", "axis"))
def _draw(keys, like, weight, n, trees, bootstrap, axis):
    """Of each tree the examples' weights, [G T, N], of a type like `like`; its key."""
    share, devices = weight, 1
    if axis:
        devices = jax.lax.psum(1, axis)
        if weight is not None:
            share = jax.lax.all_gather(weight, axis, axis=1, tiled=True)
    if bootstrap:
        draw = lambda key, share: samples(key, trees, n * devices, share)
        drawn = jax.vmap(draw, (0, None if weight is None else 0))(keys, share)
        if axis:
            first = jax.lax.axis_index(axis) * n
            drawn = jax.lax.dynamic_slice_in_dim(drawn, first, n, 2)
        each = drawn.astype(like.dtype)  # [G, T, N]
    else:
        each = jnp.ones((len(keys), trees, n), like.dtype)
    if weight is not None:
        each = each * weight.reshape(len(keys), 1, n)
    numbers = jnp.arange(trees)
    own = jax.vmap(lambda key: jax.vmap(lambda t: jax.random.fold_in(key, t))(numbers))
    return each.reshape(-1, n), own(keys).reshape(-1)


@jax.jit
def _mean(forest, x):
    at = tree.route(forest.trees, x)  # [T, N]
    add = lambda total, one: (total + one[0][one[1]], None)
    shape = (len(x), *forest.trees.value.shape[2:])
    start = jnp.zeros(shape, forest.trees.value.dtype)
    total, _ = jax.lax.scan(add, start, (forest.trees.value, at))
    return total / len(at)


@jax.jit
def _out_of_bag(forest, x, weight):
    at = tree.route(forest.trees, x)  # [T, N]
    out = samples(forest.key, len(at), len(x), weight) == 0

    def add(total, one):
        value, leaf, out = one
        mine = out.astype(value.dtype).reshape(-1, *[1] * (value.ndim - 1))
        return total + value[leaf] * mine, None

    shape = (len(x), *forest.trees.value.shape[2:])
    start = jnp.zeros(shape, forest.trees.value.dtype)
    total, _ = jax.lax.scan(add, start, (forest.trees.value, at, out))
    count = out.sum(0, dtype=jnp.int32)
    some = jnp.maximum(count, 1).astype(total.dtype)
    return total / some.reshape(-1, *[1] * (total.ndim - 1)), count


def _features(given, d):
    """F of D."""
    if isinstance(given, str):
        if given not in FEATURES:
            raise unknown("max_features", given, FEATURES)
        return max(1, int({"sqrt": math.sqrt, "log2": math.log2}[given](d)))
    if isinstance(given, float):
        if not 0 < given <= 1:
            raise ValueError(f"max_features must be a share in (0, 1], got {given}")
        return max(1, int(given * d))
    return given
