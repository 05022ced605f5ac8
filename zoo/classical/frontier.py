"""The queue in which nodes wait to be split, with their examples.

A slot is a node that waits; the slots of all trees stand one after another, and so do
their rows, a row being an example in a tree. After a level

    sides      each row goes left or right, by what was made of its slot
    children   the nodes made that are to be split on get slots, in the same order
    moved      the rows of these move behind their new slots; all others are dropped

A row that goes left, p-th of all rows, of slot a, moves to

    (place of the first row of a's left child)
        + (rows before p that go left) - (rows of slots before a that go left)

and likewise to the right. Running sums over rows and over slots give all of these.
Loops end with the last slot or row, wherever that is; arrays keep their sizes.

Numbers of one thing stand in a row of a matrix, so that one scatter moves them all.

Shapes: A slots, C slots of a part, S rows, P rows of a part, T trees, M nodes of a tree
at most, N examples.
"""

import jax
import jax.numpy as jnp

SHORT = 1024  # numbers that are summed by a triangle of them

# A slot, int32 [A + C + 1, 5]: where its rows start, and behind the last one, where
# they end; t M + its number in tree t; its depth; its turns from the root as binary
# digits; how often no split was found.
START, NODE, DEPTH, PATH, TRIED = range(5)

# What was made of it, int32 [A + C, 4]: the feature; the first bin that goes right;
# t M + the left child, or -1; and sums of flags: to try other features, a child that
# may be worth a split.
FEATURE, BIN, LEFT, FLAGS = range(4)
AGAIN, MIXED_LEFT, MIXED_RIGHT = 1, 2, 4

# A row, int32 [S + P, 2]: t N + the example; its slot.


def first(data, rules, weight):
    """A slot for each root.

    Args:
        data: of `growth`.
        rules: of `growth`.
        weight: of the examples, [T, N]; those of weight 0 have no row.

    Returns:
        The number of slots, T; slots; rows. A root with too few examples has none.
    """
    t, n = weight.shape
    size = t * n
    kept = weight > 0
    kept = kept & (rules.total(kept.sum(1)) >= rules.min_samples_split).reshape(-1, 1)
    number = kept.sum(1, dtype=jnp.int32)
    slots = jnp.zeros((data.slots + data.chunk + 1, 5), jnp.int32)
    trees = jnp.arange(t, dtype=jnp.int32)
    starts = jnp.concatenate([running(number), number.sum(dtype=jnp.int32)[None]])
    slots = slots.at[: t + 1, START].set(starts)
    slots = slots.at[:t, NODE].set(trees * data.nodes).at[:t, PATH].set(1)
    rows = jnp.stack([jnp.arange(size, dtype=jnp.int32), jnp.repeat(trees, n)], 1)
    end = jnp.zeros((data.block, 2), jnp.int32)
    if data.weight is None:  # all or none is kept
        return jnp.asarray(t, jnp.int32), slots, jnp.concatenate([rows, end])
    kept = kept.reshape(-1)
    to = jnp.where(kept, running(kept), size + data.block)
    empty = jnp.zeros((size + data.block, 2), jnp.int32)
    return jnp.asarray(t, jnp.int32), slots, put(empty, to, rows)


def sides(data, end, rows, made):
    """Whether each row goes left.

    Args:
        data: of `growth`.
        end: of the rows.
        rows: int32 [S + P, 2].
        made: of the slots, int32 [A + C, 4].

    Returns:
        1 for those that do, else 0, int32 [S + P]; how many of each slot, [A + C].
    """
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
        return first + data.block, write(goes, left, first), lefts

    zero = jnp.zeros((), jnp.int32)
    start = zero, jnp.zeros(len(rows), jnp.int32), jnp.zeros(len(made), jnp.int32)
    return until(end, block, start, len(rows) == 2 * data.block)[1:]


def children(data, rules, count, slots, made, lefts):
    """The slots of the next level, and how the rows move there.

    Args:
        data: of `growth`.
        rules: of `growth`.
        count: of the slots.
        slots: int32 [A + C + 1, 5].
        made: of them, int32 [A + C, 4].
        lefts: rows of each that go left, int32 [A + C].

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
        before = done.reshape(1, 3) + running(here)
        mine, first, gone = before.T.reshape(3, c, 2)
        side = jnp.array([[0, 1]], jnp.int32)
        table = [
            first,
            jnp.where(again, some[:, NODE, None], what[:, LEFT, None] + side),
            jnp.where(again, some[:, DEPTH, None], some[:, DEPTH, None] + 1) + 0 * side,
            jnp.where(again, some[:, PATH, None], 2 * some[:, PATH, None] + side),
            jnp.where(again, some[:, TRIED, None] + 1, 0) + 0 * side,
        ]
        new = put(new, jnp.where(live, mine, len(slots)), jnp.stack(table, 2))
        gone = jnp.stack([gone[:, 0], start - gone[:, 0]], 1)
        moves = write(
            moves, jnp.stack([jnp.where(live, mine, -1), first - gone], 2), at
        )
        return at + c, done + here.sum(0, dtype=jnp.int32), new, moves

    zero, none = jnp.zeros((), jnp.int32), jnp.zeros(3, jnp.int32)
    start = zero, none, slots, jnp.zeros((len(made), 2, 2), jnp.int32)
    _, done, slots, moves = until(count, chunk, start, c == data.slots)
    return done[0], slots.at[done[0], START].set(done[1]), moves


def moved(data, end, rows, goes, moves):
    """The rows of the next level, in the order of its slots.

    Args:
        data: of `growth`.
        end: of the rows.
        rows: int32 [S + P, 2].
        goes: of `sides`.
        moves: of `children`.
    """

    def block(carry):
        first, lefts, new = carry
        some = jax.lax.dynamic_slice_in_dim(rows, first, data.block)
        left = jax.lax.dynamic_slice_in_dim(goes, first, data.block)
        at = first + jnp.arange(data.block, dtype=jnp.int32)
        before = lefts + running(left)
        move = moves[some[:, 1], 1 - left]  # [P, 2]
        place = move[:, 1] + jnp.where(left > 0, before, at - before)
        place = jnp.where((at < end) & (move[:, 0] >= 0), place, len(rows))
        new = put(new, place, jnp.stack([some[:, 0], move[:, 0]], 1))
        return first + data.block, lefts + left.sum(dtype=jnp.int32), new

    zero = jnp.zeros((), jnp.int32)
    start = zero, zero, jnp.zeros_like(rows)
    return until(end, block, start, len(rows) == 2 * data.block)[2]


def until(end, part, carry, once):
    """Part after part until carry[0], which it moves on, comes to the end.

    Where all fits in one part there is no loop: it compiles faster.
    """
    if once:
        return part(carry)
    return jax.lax.while_loop(lambda carry: carry[0] < end, part, carry)


def running(numbers):
    """Sums of all that come before, int32 [n, ...] -> [n, ...]."""
    numbers = numbers.astype(jnp.int32)
    n = len(numbers)
    if n > SHORT:
        return jnp.cumsum(numbers, 0, dtype=jnp.int32) - numbers
    # Compiles in a tenth of the time.
    lower = jnp.tri(n, k=-1, dtype=bool).reshape(n, n, *[1] * (numbers.ndim - 1))
    return jnp.where(lower, numbers[None], 0).sum(1, dtype=jnp.int32)


def put(array, index, values):
    """Values at indices that all differ; what is out of range is left out."""
    return array.at[index].set(values, mode="drop")


def write(whole, part, at):
    """A whole with a part of it replaced, from row `at` on."""
    return jax.lax.dynamic_update_slice_in_dim(whole, part, at, 0)
