"""How trees grow: many at once, level by level, over histograms of binned features.

Nodes that are to be split wait in slots, the trees one after another in one queue;
their examples stand in the order of the slots, and those of finished leaves not at all.
A level takes the slots in chunks: histogram, best split, two children each. Then it
moves the examples of children that are to be split on behind those children's slots.

Trip counts follow what there is, so that a deep branch costs what it holds, while all
arrays keep their sizes. Numbers of nodes are those of the order in which they are made,
level by level; the two children of a node are next to each other.

A node is split if it is not pure, not too deep or small, and the best split gains at
least `least` times the weight of its tree. A gain of 0 will do (XOR needs it). The
threshold lies halfway between the values next to it in the node.

Features: F of D are tried in each node, drawn without replacement by a key made of the
tree's and of the turns that lead to the node. Where none of them allows a split, the
next F in cyclic order are tried, until all were; scikit-learn draws single ones then.

With an axis name the examples are split over devices, and histograms are added up over
them: all devices hold the same trees.

Shapes: T trees, N examples, D features, F features tried, B bins, K classes, Q
channels, M nodes at most, A slots, C slots of a chunk, S = T N, P rows of a block.

References:
    Breiman, Friedman, Olshen and Stone, "Classification and regression trees", 1984,
    https://doi.org/10.1201/9781315139470
    Mehta, Agrawal and Rissanen, "SLIQ: a fast scalable classifier for data mining",
    EDBT 1996, https://doi.org/10.1007/BFb0014141 (all nodes of a level at once)
"""

import dataclasses
import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp

from zoo.classical import frontier, splits
from zoo.classical.binning import Bins
from zoo.classical.frontier import (
    AGAIN,
    DEPTH,
    MIXED_LEFT,
    MIXED_RIGHT,
    NODE,
    PATH,
    START,
    TRIED,
)

CELLS = 2**18  # of a chunk's histogram
BLOCK = 8192  # examples that go into it at once


@dataclasses.dataclass(frozen=True)
class Rules:
    """What is known when a program is compiled.

    Attributes:
        criterion: one of `zoo.classical.splits.CRITERIA`.
        classes: K, or 0 where the target is a number.
        features: F.
        max_depth: splits from the root to a leaf, at most; None: no bound.
        min_samples_split: examples of a node that is split, at least.
        min_samples_leaf: examples of a leaf, at least.
        max_leaves: none is split once a tree has so many; None: no bound.
        axis_name: the axis over which the examples are split, or None.
    """

    criterion: str
    classes: int = 0
    features: int = 0
    max_depth: int | None = None
    min_samples_split: int = 2
    min_samples_leaf: int = 1
    max_leaves: int | None = None
    axis_name: str | None = None

    def at_most(self, most: int, level: int) -> int:
        """A bound on nodes of a tree, and by its depth."""
        if self.max_depth is not None and self.max_depth + level <= 30:
            most = min(most, 2 ** max(0, self.max_depth + level))
        if self.max_leaves is not None:
            most = min(most, self.max_leaves)
        return max(1, most)

    def total(self, tree):
        """Sums over devices."""
        return jax.lax.psum(tree, self.axis_name) if self.axis_name else tree


class Trees(NamedTuple):
    """T trees side by side. Node 0 is the root; the right child follows the left."""

    feature: jax.Array  # int32 [T, M]; -1 where the node is a leaf
    threshold: jax.Array  # [T, M], left if x <= threshold; inf at a leaf
    left: jax.Array  # int32 [T, M], the left child; at a leaf the node itself
    sums: jax.Array  # [T, M, Q], the channels
    gain: jax.Array  # [T, M], by the split, >= 0; 0 at a leaf
    nodes: jax.Array  # int32 [T], how many of M there are
    depth: jax.Array  # int32 [T], splits from the root to the farthest leaf


class _Data(NamedTuple):
    """What does not change while trees grow, and the sizes."""

    bins: Bins
    y: jax.Array  # int32 [N], or floats [S]
    weight: jax.Array | None  # [S]; None: 1
    totals: jax.Array  # [T], weight of each tree
    keys: jax.Array | None  # [T]
    least: jax.Array
    penalty: jax.Array
    counted: bool  # whether the number of examples is one more channel
    nodes: int  # M
    slots: int  # A
    chunk: int  # C
    block: int  # P


class _Grown(NamedTuple):
    """The trees while they grow, one after another."""

    places: jax.Array  # int32 [T M, 2]: feature, left child as t M + its number
    splits: jax.Array  # [T M, 2]: threshold, gain
    sums: jax.Array  # [T M, Q]
    nodes: jax.Array  # int32 [T]
    depth: jax.Array  # int32 [T]


@functools.partial(jax.jit, static_argnames=("rules",))
def grow(
    keys: jax.Array | None,
    bins: Bins,
    y: jax.Array,
    weight: jax.Array | None,
    least: jax.Array,
    penalty: jax.Array,
    rules: Rules,
) -> Trees:
    """Trees on the same examples, each with weights, and targets, of its own.

    Args:
        keys: of the trees, [T]; None where all features are tried.
        bins: the features.
        y: classes, int [N]; or numbers, [T, N].
        weight: >= 0, [T, N]; those of weight 0 are left out. None: 1.
        least: gain of a split over the weight of its tree, at least; a scalar.
        penalty: of the squared error, >= 0; a scalar.
        rules: the rest.

    Returns:
        Trees with M = 2 L - 1, L the most leaves that so many examples can have.
    """
    n = len(bins.codes)
    everybody = n * (jax.lax.psum(1, rules.axis_name) if rules.axis_name else 1)
    t = len(weight) if weight is not None else 1 if rules.classes else len(y)
    counted = weight is not None and rules.min_samples_leaf > 1
    cells = bins.low.shape[1] * ((rules.classes or 2) + counted) * rules.features
    slots = t * rules.at_most(everybody // rules.min_samples_split, -1)
    ones = jnp.ones((t, n), bins.low.dtype) if weight is None else weight
    roots = _roots(y, ones, rules)  # [T, Q]
    m = 2 * rules.at_most(everybody // rules.min_samples_leaf, 0) - 1
    data = _Data(
        bins=bins,
        y=y.astype(jnp.int32) if rules.classes else y.reshape(-1),
        weight=None if weight is None else weight.reshape(-1),
        totals=splits.weight(roots, rules.criterion, 1),
        keys=keys,
        least=least,
        penalty=penalty,
        counted=counted,
        nodes=m,
        slots=slots,
        chunk=max(1, min(slots, CELLS // cells)),
        block=min(t * n, BLOCK),
    )
    own = jnp.arange(t * m, dtype=jnp.int32)
    trees = _Grown(
        places=jnp.stack([jnp.full_like(own, -1), own], 1),
        splits=jnp.zeros((t * m, 2), roots.dtype).at[:, 0].set(jnp.inf),
        sums=jnp.zeros((t * m, roots.shape[1]), roots.dtype).at[::m].set(roots),
        nodes=jnp.ones(t, jnp.int32),
        depth=jnp.zeros(t, jnp.int32),
    )
    if m > 1:
        trees = jax.lax.while_loop(
            lambda carry: carry[0] > 0,
            lambda carry: _level(data, rules, *carry),
            (*frontier.first(data, rules, ones), trees),
        )[3]
    first = own[::m].reshape(-1, 1)
    return Trees(
        feature=trees.places[:, 0].reshape(t, m),
        threshold=trees.splits[:, 0].reshape(t, m),
        left=trees.places[:, 1].reshape(t, m) - first,
        sums=trees.sums.reshape(t, m, -1),
        gain=trees.splits[:, 1].reshape(t, m),
        nodes=trees.nodes,
        depth=trees.depth,
    )


def route(
    feature: jax.Array,
    threshold: jax.Array,
    left: jax.Array,
    depth: int | jax.Array,
    x: jax.Array,
) -> jax.Array:
    """The node that each example comes to in each tree after so many turns.

    Args:
        feature: of the nodes, int32 [T, M], -1 at leaves.
        threshold: [T, M], inf at leaves.
        left: the left children, int32 [T, M]; at leaves the nodes themselves.
        depth: turns; with as many as the deepest tree has, all come to leaves.
        x: [N, D].

    Returns:
        int32 [T, N].
    """
    (t, m), (n, d) = feature.shape, x.shape
    first = jnp.arange(t, dtype=jnp.int32).reshape(-1, 1) * m
    row = jnp.arange(n, dtype=jnp.int32).reshape(1, -1) * d
    feature, values = jnp.maximum(feature, 0).ravel(), x.ravel()
    threshold, left = threshold.ravel(), left.ravel()

    def down(_, at):  # [T, N]
        node = first + at
        right = values[row + feature[node]] > threshold[node]
        return left[node] + right.astype(jnp.int32)

    return jax.lax.fori_loop(0, depth, down, jnp.zeros((t, n), jnp.int32))


def _roots(y, weight, rules):  # -> [T, Q]
    if rules.classes:
        hit = jax.nn.one_hot(y, rules.classes, dtype=weight.dtype)  # [N, K]
        return rules.total(jnp.matmul(weight, hit, precision="highest"))
    return rules.total(jnp.stack([weight.sum(1), (weight * y).sum(1)], 1))


def _level(data, rules, count, slots, rows, trees):
    """All nodes that wait are split, and those of their children wait that may be."""

    def chunk(carry):
        at, made, trees = carry
        some, trees = _split(data, rules, count, slots, rows, trees, at)
        return at + data.chunk, frontier.write(made, some, at), trees

    zero = jnp.zeros((), jnp.int32)
    start = zero, jnp.zeros((data.slots + data.chunk, 4), jnp.int32), trees
    _, made, trees = frontier.until(count, chunk, start, data.chunk == data.slots)
    end = slots[count, START]
    goes, lefts = frontier.sides(data, end, rows, made)
    count, slots, moves = frontier.children(data, rules, count, slots, made, lefts)
    return count, slots, frontier.moved(data, end, rows, goes, moves), trees


def _split(data, rules, count, slots, rows, trees, at):
    """What is made of the slots of a chunk, and the trees with it."""
    d, c = data.bins.codes.shape[1], data.chunk
    some = jax.lax.dynamic_slice_in_dim(slots, at, c)
    inside = at + jnp.arange(c, dtype=jnp.int32) < count
    tree = some[:, NODE] // data.nodes
    features = _features(data, rules, tree, some)  # [C, F]
    end = slots[jnp.minimum(at + c, count), START]
    histogram, pure = _histogram(data, rules, rows, features, at, some[0, START], end)
    found = splits.best(
        histogram, rules.criterion, data.penalty, rules.min_samples_leaf, data.counted
    )
    feature = found.feature
    if rules.features < d:
        feature = jnp.take_along_axis(features, feature.reshape(-1, 1), 1)[:, 0]
    if rules.classes:
        pure = (found.total > 0).sum(0) < 2
    some_split = found.gain > -jnp.inf
    worth = found.gain / data.totals[tree] + jnp.finfo(found.gain.dtype).eps
    split = inside & ~pure & some_split & (worth >= data.least)

    # The children's numbers: those of a tree follow one another, while there is room.
    same = tree.reshape(-1, 1) == tree.reshape(1, -1)
    earlier = same & jnp.tri(c, k=-1, dtype=bool)
    rank = (earlier & split.reshape(1, -1)).sum(1, dtype=jnp.int32)
    number = trees.nodes[tree] + 2 * rank
    split = split & (number + 2 <= data.nodes)
    left = jnp.where(split, tree * data.nodes + number, -1)
    low = data.bins.high[feature, found.below]
    high = data.bins.low[feature, found.bin]
    middle = low / 2 + high / 2
    threshold = jnp.where(middle < high, middle, low)
    gain = jnp.maximum(found.gain, 0)
    out = len(trees.places)  # out of range: not written
    to = jnp.where(split, some[:, NODE], out)
    child = jnp.where(split, left, out).reshape(-1, 1) + jnp.array([[0, 1]], jnp.int32)
    sums = jnp.stack([found.left.T, found.right.T], 1)  # [C, 2, Q]
    trees = _Grown(
        places=frontier.put(trees.places, to, jnp.stack([feature, left], 1)),
        splits=frontier.put(trees.splits, to, jnp.stack([threshold, gain], 1)),
        sums=frontier.put(trees.sums, child, sums),
        nodes=trees.nodes.at[tree].add(2 * split.astype(jnp.int32)),
        depth=trees.depth.at[tree].max(jnp.where(split, some[:, DEPTH] + 1, 0)),
    )
    flags = jnp.full(c, MIXED_LEFT + MIXED_RIGHT, jnp.int32)
    if rules.classes:
        mixed = (sums > 0).sum(2) > 1  # [C, 2]
        flags = jnp.where(mixed, jnp.array([[MIXED_LEFT, MIXED_RIGHT]]), 0).sum(1)
    if rules.features < d:
        rounds = -(-d // rules.features)
        again = inside & ~pure & ~some_split & (some[:, TRIED] < rounds)
        flags = jnp.where(again, AGAIN, flags)
    flags = flags.astype(jnp.int32)
    return jnp.stack([feature, found.bin, left, flags], 1), trees


def _features(data, rules, tree, some):  # [C] -> [C, F]
    """The features that each node tries."""
    d, f = data.bins.codes.shape[1], rules.features
    if f == d:
        every = jnp.arange(d, dtype=jnp.int32).reshape(1, -1)
        return jnp.broadcast_to(every, (len(tree), d))

    def one(key, path, tried):
        """Floyd's way to F different ones: of two equal draws the second is j."""
        path = path.astype(jnp.uint32)
        u = jax.random.uniform(jax.random.fold_in(key, path), (f,), jnp.float32)

        def draw(i, drawn):
            j = d - f + i
            pick = jnp.minimum((u[i] * (j + 1)).astype(jnp.int32), j)
            return drawn.at[i].set(jnp.where((drawn == pick).any(), j, pick))

        drawn = jax.lax.fori_loop(0, f, draw, jnp.full(f, -1, jnp.int32))
        later = drawn[0] + f * (tried - 1) + jnp.arange(f, dtype=jnp.int32)
        return jnp.where(tried == 0, drawn, later % d)

    return jax.vmap(one)(data.keys[tree], some[:, PATH], some[:, TRIED])


def _histogram(data, rules, rows, features, at, first, end):
    """h [B, Q, C, F]; and of numbers whether a slot has them all equal."""
    (n, d), b, (c, f) = data.bins.codes.shape, data.bins.low.shape[1], features.shape
    q, dtype = (rules.classes or 2) + data.counted, data.totals.dtype

    def block(carry):
        first, h, ends = carry
        inside = first + jnp.arange(data.block, dtype=jnp.int32) < end
        some = jax.lax.dynamic_slice_in_dim(rows, first, data.block)
        row, slot = some[:, 0], jnp.clip(some[:, 1] - at, 0, c - 1)
        example = row % n
        if f == d:
            codes = data.bins.codes[example]
        else:
            codes = data.bins.codes[example.reshape(-1, 1), features[slot]]  # [P, F]
        one = inside.astype(dtype)
        w = one if data.weight is None else one * data.weight[row]
        if rules.classes:
            parts = [(data.y[example], w)]
        else:
            y = data.y[row]
            parts = [(jnp.zeros_like(slot), w), (jnp.ones_like(slot), w * y)]
            both = jnp.where(inside, jnp.stack([y, -y]), -jnp.inf)  # [2, P]
            ends = ends.at[slot].max(both.T)
        if data.counted:
            parts.append((jnp.full_like(slot, q - 1), one))
        channel, value = (jnp.stack(p, 1)[:, None] for p in zip(*parts, strict=True))
        column = jnp.arange(f, dtype=jnp.int32).reshape(1, f, 1)
        cell = (codes[..., None] * q + channel) * c + slot.reshape(-1, 1, 1)
        cell = cell * f + column  # [P, F, channels]
        value = jnp.broadcast_to(value, cell.shape)
        h = h.at[cell.ravel()].add(value.ravel(), mode="promise_in_bounds")
        return first + data.block, h, ends

    ends = jnp.full((c, 2), -jnp.inf, dtype)
    start = first, jnp.zeros(b * q * c * f, dtype), ends
    _, h, ends = frontier.until(end, block, start, len(rows) == 2 * data.block)
    if rules.axis_name and not rules.classes:
        ends = jax.lax.pmax(ends, rules.axis_name)
    return rules.total(h).reshape(b, q, c, f), ends[:, 0] <= -ends[:, 1]
