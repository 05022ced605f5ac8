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

from zoo.classical import splits
from zoo.classical.binning import Bins

CELLS = 2**18  # of a chunk's histogram
BLOCK = 8192  # examples that go into it at once
SHORT = 1024  # numbers that are summed by a triangle of them


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


# Numbers of one thing stand in a row of a matrix: one scatter moves them all.
START, NODE, DEPTH, PATH, TRIED = range(5)  # of a slot: int32 [A + C + 1, 5]
# START: where its rows start; behind the last slot, where they end. NODE: t M + its
# number in tree t. PATH: turns from the root as binary digits. TRIED: how often no
# split was found.
FEATURE, BIN, LEFT, FLAGS = range(4)  # what was made of a slot: int32 [A + C, 4]
# BIN: right from it on. LEFT: t M + the left child, or -1. FLAGS: sums of the three.
AGAIN, MIXED_LEFT, MIXED_RIGHT = 1, 2, 4  # try other features; children not pure
# A row is an example in a slot, int32 [S + P, 2]: t N + the example, the slot.


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
            (*_first(data, rules, ones), trees),
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


def _first(data, rules, weight):
    """How many slots there are, the slots, and the rows: each root has a slot."""
    t, n = weight.shape
    size = t * n
    kept = weight > 0
    kept = kept & (rules.total(kept.sum(1)) >= rules.min_samples_split).reshape(-1, 1)
    number = kept.sum(1, dtype=jnp.int32)
    slots = jnp.zeros((data.slots + data.chunk + 1, 5), jnp.int32)
    trees = jnp.arange(t, dtype=jnp.int32)
    slots = (
        slots.at[:t, START]
        .set(_before(number))
        .at[t, START]
        .set(number.sum(dtype=jnp.int32))
    )
    slots = slots.at[:t, NODE].set(trees * data.nodes).at[:t, PATH].set(1)
    rows = jnp.stack([jnp.arange(size, dtype=jnp.int32), jnp.repeat(trees, n)], 1)
    end = jnp.zeros((data.block, 2), jnp.int32)
    if data.weight is None:  # all or none is kept
        return jnp.asarray(t, jnp.int32), slots, jnp.concatenate([rows, end])
    kept = kept.reshape(-1)
    to = jnp.where(kept, _before(kept), size + data.block)
    empty = jnp.zeros((size + data.block, 2), jnp.int32)
    return jnp.asarray(t, jnp.int32), slots, _put(empty, to, rows)


def _level(data, rules, count, slots, rows, trees):
    """All nodes that wait are split, and those of their children wait that may be."""

    def chunk(carry):
        at, made, trees = carry
        some, trees = _split(data, rules, count, slots, rows, trees, at)
        return at + data.chunk, _write(made, some, at), trees

    zero = jnp.zeros((), jnp.int32)
    start = zero, jnp.zeros((data.slots + data.chunk, 4), jnp.int32), trees
    _, made, trees = _until(count, chunk, start, data.chunk == data.slots)
    end = slots[count, START]
    goes, lefts = _sides(data, end, rows, made)
    count, slots, moves = _children(data, rules, count, slots, made, lefts)
    return count, slots, _moved(data, end, rows, goes, moves), trees


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
        places=_put(trees.places, to, jnp.stack([feature, left], 1)),
        splits=_put(trees.splits, to, jnp.stack([threshold, gain], 1)),
        sums=_put(trees.sums, child, sums),
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
    _, h, ends = _until(end, block, start, len(rows) == 2 * data.block)
    if rules.axis_name and not rules.classes:
        ends = jax.lax.pmax(ends, rules.axis_name)
    return rules.total(h).reshape(b, q, c, f), ends[:, 0] <= -ends[:, 1]


def _sides(data, end, rows, made):
    """Whether each row goes left, and how many of each slot do."""
    n = len(data.bins.codes)

    def block(carry):
        first, goes, lefts = carry
        some = jax.lax.dynamic_slice_in_dim(rows, first, data.block)
        what = made[some[:, 1]]  # [P, 4]
        left = data.bins.codes[some[:, 0] % n, what[:, FEATURE]] < what[:, BIN]
        left = left | (what[:, FLAGS] == AGAIN)
        inside = first + jnp.arange(data.block, dtype=jnp.int32) < end
        left = (left & inside).astype(jnp.int32)
        lefts = lefts.at[some[:, 1]].add(left)
        return first + data.block, _write(goes, left, first), lefts

    zero = jnp.zeros((), jnp.int32)
    start = zero, jnp.zeros(len(rows), jnp.int32), jnp.zeros(len(made), jnp.int32)
    return _until(end, block, start, len(rows) == 2 * data.block)[1:]


def _children(data, rules, count, slots, made, lefts):
    """The slots of the next level, and how the rows move there.

    Returns:
        Their number; the slots; and moves, int32 [A + C, 2, 2], for each slot and side:
        the new slot, or -1, and the place there of the first row less the number of
        rows of all slots before this one that go to that side.
    """
    c = data.chunk

    def chunk(carry):
        at, done, new, moves = carry
        some = jax.lax.dynamic_slice_in_dim(slots, at, c + 1)
        what = jax.lax.dynamic_slice_in_dim(made, at, c)
        inside = at + jnp.arange(c, dtype=jnp.int32) < count
        start = some[:-1, START]
        every = jnp.where(inside, some[1:, START] - start, 0)
        left = jax.lax.dynamic_slice_in_dim(lefts, at, c)
        some = some[:-1]
        rows = jnp.stack([left, every - left], 1)  # [C, 2]
        again = inside & (what[:, FLAGS] == AGAIN)
        split = inside & (what[:, LEFT] >= 0) & ~again
        if rules.max_depth is not None:
            split = split & (some[:, DEPTH] + 1 < rules.max_depth)
        bits = jnp.array([[MIXED_LEFT, MIXED_RIGHT]], jnp.int32)
        live = (what[:, FLAGS].reshape(-1, 1) & bits) > 0
        live = live & split.reshape(-1, 1)
        live = live & (rules.total(rows) >= rules.min_samples_split)
        again = again.reshape(-1, 1)
        live = live | (again & jnp.array([[True, False]]))
        # Numbers of slots and rows of the next level, and of rows here that go left.
        here = jnp.stack([live.astype(jnp.int32), jnp.where(live, rows, 0)], 2)
        here = jnp.concatenate([here, jnp.stack([rows[:, :1], 0 * rows[:, :1]], 1)], 2)
        here = here.reshape(2 * c, 3)
        before = done.reshape(1, 3) + _before(here)
        mine, first, gone = before.T.reshape(3, c, 2)
        side = jnp.array([[0, 1]], jnp.int32)
        table = [
            first,
            jnp.where(again, some[:, NODE, None], what[:, LEFT, None] + side),
            jnp.where(again, some[:, DEPTH, None], some[:, DEPTH, None] + 1) + 0 * side,
            jnp.where(again, some[:, PATH, None], 2 * some[:, PATH, None] + side),
            jnp.where(again, some[:, TRIED, None] + 1, 0) + 0 * side,
        ]
        new = _put(new, jnp.where(live, mine, len(slots)), jnp.stack(table, 2))
        gone = jnp.stack([gone[:, 0], start - gone[:, 0]], 1)
        moves = _write(
            moves, jnp.stack([jnp.where(live, mine, -1), first - gone], 2), at
        )
        return at + c, done + here.sum(0, dtype=jnp.int32), new, moves

    zero, none = jnp.zeros((), jnp.int32), jnp.zeros(3, jnp.int32)
    start = zero, none, slots, jnp.zeros((len(made), 2, 2), jnp.int32)
    _, done, slots, moves = _until(count, chunk, start, c == data.slots)
    return done[0], slots.at[done[0], START].set(done[1]), moves


def _moved(data, end, rows, goes, moves):
    """The rows in the order of the next level's slots."""

    def block(carry):
        first, lefts, new = carry
        some = jax.lax.dynamic_slice_in_dim(rows, first, data.block)
        left = jax.lax.dynamic_slice_in_dim(goes, first, data.block)
        at = first + jnp.arange(data.block, dtype=jnp.int32)
        before = lefts + _before(left)
        move = moves[some[:, 1], 1 - left]  # [P, 2]
        place = move[:, 1] + jnp.where(left > 0, before, at - before)
        place = jnp.where((at < end) & (move[:, 0] >= 0), place, len(rows))
        new = _put(new, place, jnp.stack([some[:, 0], move[:, 0]], 1))
        return first + data.block, lefts + left.sum(dtype=jnp.int32), new

    zero = jnp.zeros((), jnp.int32)
    start = zero, zero, jnp.zeros_like(rows)
    return _until(end, block, start, len(rows) == 2 * data.block)[2]


def _until(end, part, carry, once):
    """Part after part until carry[0], which it moves on, comes to the end.

    Where all fits in one part there is no loop: it compiles faster.
    """
    if once:
        return part(carry)
    return jax.lax.while_loop(lambda carry: carry[0] < end, part, carry)


def _before(numbers):
    """Sums of all that come before, int32 [n, ...] -> [n, ...]."""
    numbers = numbers.astype(jnp.int32)
    n = len(numbers)
    if n > SHORT:
        return jnp.cumsum(numbers, 0, dtype=jnp.int32) - numbers
    # Compiles in a tenth of the time.
    lower = jnp.tri(n, k=-1, dtype=bool).reshape(n, n, *[1] * (numbers.ndim - 1))
    return jnp.where(lower, numbers[None], 0).sum(1, dtype=jnp.int32)


def _put(array, index, values):
    """Values at indices that all differ; what is out of range is left out."""
    return array.at[index].set(values, mode="drop")


def _write(whole, part, at):
    """A whole with a part of it replaced, from row `at` on."""
    return jax.lax.dynamic_update_slice_in_dim(whole, part, at, 0)
