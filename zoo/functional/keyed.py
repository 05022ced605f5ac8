"""Values by key, as Spark's RDDs have them, on arrays: sort, scan segments, join.

    combine_by_key    of each key the fold of its values: m(m(c(v_1), v_2), v_3) ...
    cogroup           where the values of each key stand, in two sets
    full_outer_join   each pair of values of one key; a value alone where the other
                      set has none

Sorted by key, the values of a key are one segment. A fold of segments is a scan whose
operator forgets what is to the left of a segment's start,

    (f, a) . (g, b) = (f or g,  b if g else m(a, b)),

which is associative where m is, so that it takes log N rounds rather than N: as Spark's
workers, it may fold the parts of a segment apart and merge them.

Sizes that depend on the values are not known to a compiled program: results are as long
as they can be, filled up with zeros (or -1), and `size` says how long they are.

Shapes: N values, M of the other set, K = N + M, R rows of a join.

References:
    Blelloch, "Prefix sums and their applications", CMU-CS-90-190, 1990, section 1.5
    Zaharia et al., "Resilient distributed datasets", NSDI 2012
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp


class Combined(NamedTuple):
    """Of each key one value."""

    keys: jax.Array  # [N], different ones, sorted; then zeros
    values: Any  # arrays [N, ...]
    size: jax.Array  # how many keys there are


class Grouped(NamedTuple):
    """Of each key where its values stand: at `left[starts[k, 0] : stops[k, 0]]`."""

    keys: jax.Array  # [K], different ones, sorted; then zeros
    left: jax.Array  # int [N]: places in the first set, by key, else in their order
    right: jax.Array  # int [M]: likewise in the second
    starts: jax.Array  # int [K, 2], in `left` and in `right`
    stops: jax.Array  # int [K, 2]
    size: jax.Array  # how many keys there are


class Joined(NamedTuple):
    """Rows of a join, sorted by key, then by place."""

    keys: jax.Array  # [R]; then zeros
    left: jax.Array  # int [R]: places in the first set, -1 for none
    right: jax.Array  # int [R]: likewise in the second
    size: jax.Array  # how many rows there are; above R, some were left out


def combine_by_key(
    keys: jax.Array, values: Any, create: Callable, merge: Callable
) -> Combined:
    """Of each key the fold of its values, in their order.

    Args:
        keys: integers, [N], N at least 1.
        values: arrays [N, ...], or a tree of them.
        create: a value -> an accumulator.
        merge: two accumulators -> one; associative.

    Returns:
        The accumulators, by key.

    Raises:
        ValueError: keys that are not integers [N], or values of another number.

    >>> k, v, n = combine_by_key(jnp.array([5, 3, 5]), jnp.array([1, 1, 2]),
    ...     lambda v: v, jnp.add)
    >>> k[:n].tolist(), v[:n].tolist()
    ([3, 5], [1, 3])
    """
    _integers("keys", keys)
    if any(len(a) != len(keys) for a in jax.tree.leaves(values)):
        raise ValueError(f"values must be {len(keys)}, one for each key")
    order = jnp.argsort(keys, stable=True)
    keys = keys[order]
    begins = _begins(keys)
    made = jax.vmap(create)(jax.tree.map(lambda a: a[order], values))

    def fold(a, b):
        (f, x), (g, y) = a, b
        choose = lambda new, old: jnp.where(_beside(g, new), new, old)
        return f | g, jax.tree.map(choose, y, jax.vmap(merge)(x, y))

    _, folded = jax.lax.associative_scan(fold, (begins, made))
    last = jnp.append(begins[1:], True)  # of a segment: there its fold is complete
    place = jnp.where(last, jnp.cumsum(begins) - 1, len(keys))
    put = lambda a: jnp.zeros_like(a).at[place].set(a, mode="drop")
    return Combined(put(keys), jax.tree.map(put, folded), begins.sum())


def cogroup(left: jax.Array, right: jax.Array) -> Grouped:
    """The values of each key, of two sets side by side.

    Args:
        left: keys of the first set, integers [N], N at least 1.
        right: of the second, [M], M at least 1.

    Returns:
        Keys of either set, and where the values of each stand.

    Raises:
        ValueError: keys that are not integers [N].
    """
    _integers("left", left)
    _integers("right", right)
    every = jnp.sort(jnp.concatenate([left, right]))
    begins = _begins(every)
    place = jnp.where(begins, jnp.cumsum(begins) - 1, len(every))
    keys = jnp.zeros_like(every).at[place].set(every, mode="drop")
    size = begins.sum()
    orders = [jnp.argsort(k, stable=True) for k in (left, right)]
    there = (jnp.arange(len(keys)) < size)[:, None]

    def ends(side):
        pairs = zip((left, right), orders, strict=True)
        found = [jnp.searchsorted(k[order], keys, side) for k, order in pairs]
        return jnp.where(there, jnp.stack(found, axis=1), 0)  # [K, 2]

    return Grouped(keys, *orders, ends("left"), ends("right"), size)


def full_outer_join(left: jax.Array, right: jax.Array, rows: int) -> Joined:
    """Each pair of values of one key, and those that have no other.

    Args:
        left: keys of the first set, integers [N], N at least 1.
        right: of the second, [M], M at least 1.
        rows: R, how many rows there is room for.

    Returns:
        Keys, and places of the values in both sets.

    Raises:
        ValueError: keys that are not integers [N]; no room.
    """
    if rows < 1:
        raise ValueError(f"rows must be 1 or more, got {rows}")
    keys, first, second, starts, stops, size = cogroup(left, right)
    counts = stops - starts
    each = jnp.maximum(counts, 1)
    there = jnp.arange(len(keys)) < size
    times = jnp.where(there, each[:, 0] * each[:, 1], 0)
    of = jnp.repeat(jnp.arange(len(keys)), times, total_repeat_length=rows)
    within = jnp.arange(rows) - (jnp.cumsum(times) - times)[of]
    total = times.sum()
    valid = jnp.arange(rows) < total
    steps = within // each[of, 1], within % each[of, 1]

    def places(side, order):
        at = jnp.clip(starts[of, side] + steps[side], 0, len(order) - 1)
        return jnp.where(valid & (counts[of, side] > 0), order[at], -1)

    found = jnp.where(valid, keys[of], 0)
    return Joined(found, places(0, first), places(1, second), total)


def _begins(keys):
    return jnp.append(True, keys[1:] != keys[:-1])


def _beside(flags, values):
    return flags.reshape(flags.shape + (1,) * (values.ndim - flags.ndim))


def _integers(name, keys):
    if keys.ndim != 1 or not len(keys) or not jnp.issubdtype(keys.dtype, jnp.integer):
        raise ValueError(
            f"{name} must be integers [N], N at least 1, got {keys.dtype} "
            f"{list(keys.shape)}"
        )
