"""Distances between all pairs of two sets, by blocks, and what is made of them.

    |x - y|^2 = |x|^2 + |y|^2 - 2 <x, y>        all pairs: one product of matrices
    1 - <x, y> / (|x| |y|)                      likewise

A name takes these forms; a function is applied to each pair as it is written, which
is slower and keeps all digits. The first form loses those that |x|^2 and |y|^2 have
in common: its error is about 1e-7 (|x|^2 + |y|^2) in float32, in the squared distance.
Both sets are moved near to the mean of y first, so that it counts from there; not
quite to it, so that whole numbers stay as exact as they are.

50,000 x 50,000 distances in float32 take 10 GB. `pairwise_reduce` and `nearest` hold
one block of them at a time, also for the gradient, in which each is computed again.

Shapes: N queries, M points of the base, D features, k neighbours.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from zoo.functional.distances import centred, real, unit

BLOCK = 1024  # a block of distances is 4 MiB in float32
WIDER = 16  # of `nearest`: so many times more columns, and fewer rows
GROUP = 16  # distances next to each other, of which the least is looked at first
Distance = str | Callable[[jax.Array, jax.Array], jax.Array]


def pairwise(
    distance: Distance, x: jax.Array, y: jax.Array, block: int = BLOCK
) -> jax.Array:
    """The distance of each x to each y.

    Args:
        distance: "euclidean", "squared_euclidean", "cosine" or "pearson", by one
            product of matrices; or a function of two vectors, [D] and [D].
        x: [N, D].
        y: [M, D].
        block: so many rows are computed at a time. The result itself is held whole.

    Returns:
        [N, M].

    Raises:
        ValueError: sets that are not [N, D] and [M, D], a name that is none of these,
            or a block that is not a positive integer.
    """
    count, others = len(x), len(y)
    row, x, y = _form(distance, x, y, block)
    block = min(block, count)

    @jax.checkpoint  # the backward pass computes a block again rather than keep it
    def rows(start):
        part = lambda a: jax.lax.dynamic_slice_in_dim(a, start, block)
        return jax.vmap(row, (0, None))(jax.tree.map(part, x), y)

    def put(all_, start):  # in place; a copy would be as large as the result
        return jax.lax.dynamic_update_slice_in_dim(all_, rows(start), start, 0), None

    dtype = jax.eval_shape(rows, 0).dtype
    # The last block begins early enough to be whole: it does some rows once more.
    starts = jnp.minimum(jnp.arange(0, count, block), count - block)
    return jax.lax.scan(put, jnp.zeros((count, others), dtype), starts)[0]


def pairwise_reduce(
    distance: Distance,
    x: jax.Array,
    y: jax.Array,
    step: Callable[[Any, jax.Array, jax.Array], Any],
    init: Any,
    block: int = BLOCK,
    rows: int | None = None,
) -> Any:
    """For each x, a fold over its distances to all y, of which few are held at once.

        carry = init;  for each block of y:  carry = step(carry, distances, indices)

    Args:
        distance: as in `pairwise`.
        x: [N, D].
        y: [M, D].
        step: of the carry of one x, its distances to one block of y, [c], and the
            indices of these y, int32 [c]; c is `block`, and less in the last block.
        init: the carry of each x at first, a pytree of arrays.
        block: columns of the block that is held.
        rows: its rows; None: as many as columns.

    Returns:
        The last carries, each array with a leading axis: [N, ...].

    Raises:
        ValueError: as `pairwise`.
    """
    row, x, y = _form(distance, x, y, block)
    indices = jnp.arange(jax.tree.leaves(y)[0].shape[0], dtype=jnp.int32)
    whole = len(indices) // block * block
    base = (y, indices)
    blocks = jax.tree.map(
        lambda a: a[:whole].reshape(-1, block, *a.shape[1:]), base
    )  # [M, ...] -> [M // block, block, ...]
    rest = jax.tree.map(lambda a: a[whole:], base)

    @jax.checkpoint  # the backward pass computes a block again rather than keep it
    def add(carry, query, part):
        points, indices = part
        return step(carry, row(query, points), indices)

    def fold(query):
        carry = jax.tree.map(jnp.asarray, init)
        if whole:
            body = lambda carry, part: (add(carry, query, part), None)
            carry, _ = jax.lax.scan(body, carry, blocks)
        return add(carry, query, rest) if whole < len(indices) else carry

    return jax.lax.map(fold, x, batch_size=rows or block)


def nearest(
    distance: Distance, x: jax.Array, y: jax.Array, k: int = 1, block: int = BLOCK
) -> tuple[jax.Array, jax.Array]:
    """The k points of the base that are nearest to each query.

    Args:
        distance: as in `pairwise`.
        x: queries, [N, D].
        y: base, [M, D].
        k: neighbours, from 1 to M.
        block: of distances that are held, block^2 numbers.

    Returns:
        Their distances, rising, [N, k], and their indices, int32 [N, k]. Of equal
        distances the lower index comes first. A neighbour that is infinitely far is
        none: its index is -1.

    Raises:
        ValueError: as `pairwise`; k that is not an integer from 1 to M.
    """
    if not isinstance(k, int) or not 1 <= k <= len(y):
        raise ValueError(
            f"k must be an integer from 1 to the base's {len(y)}, got {k!r}"
        )
    _check(block)

    def step(carry, distances, indices):
        distances, indices = _candidates(distances, indices, k)
        distances = jnp.concatenate([carry[0], distances])
        indices = jnp.concatenate([carry[1], indices])
        least, at = jax.lax.top_k(-distances, k)  # of equal ones the first
        return -least, indices[at]

    dtype = jnp.result_type(real(x), real(y))
    none = jnp.full(k, jnp.inf, dtype), jnp.full(k, -1, jnp.int32)
    # Selecting costs less from a long row than from many short ones.
    wide = block if callable(distance) else min(WIDER * block, len(y))
    rows = max(1, block * block // wide)
    return pairwise_reduce(distance, x, y, step, none, wide, rows)


def _candidates(distances, indices, k):
    """Some of a block, in their order, among which are its k least: [c] -> [few].

    Each of these lies in one of the k runs of GROUP neighbours with the least minima:
    were there k such runs before its own, k distances would come before it. Minima are
    fast where sorting is slow.
    """
    runs = len(distances) // GROUP
    if runs < 4 * k:
        return distances, indices
    whole = runs * GROUP
    table, of = (a[:whole].reshape(runs, GROUP) for a in (distances, indices))
    _, at = jax.lax.top_k(-table.min(1), k)
    at = jnp.sort(at)
    some, which = table[at].ravel(), of[at].ravel()
    return (
        jnp.concatenate([some, distances[whole:]]),
        jnp.concatenate([which, indices[whole:]]),
    )


def _form(distance, x, y, block):
    """(row, x, y): row(one of x, y) is [M] distances, whatever x and y are now."""
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1]:
        raise ValueError(
            f"x and y must be [N, D] and [M, D], got {x.shape} and {y.shape}"
        )
    _check(block)
    if callable(distance):
        # So few points at once that the block's [.., .., D] differences are no more
        # numbers than its distances.
        few = max(1, block // x.shape[1])

        def row(query, base):
            one = lambda point: distance(query, point)
            if len(base) <= few:
                return jax.vmap(one)(base)
            return jax.lax.map(one, base, batch_size=few)

        return row, x, y
    if distance not in FORMS:
        raise ValueError(
            f"distance must be a function or one of {', '.join(FORMS)}, "
            f"got {distance!r}"
        )
    return FORMS[distance](real(x), real(y))


def _check(block):
    if not isinstance(block, int) or block < 1:
        raise ValueError(f"block must be a positive integer, got {block!r}")


def _dot(y, q):  # as exact as it can be: what follows is a difference
    # [D] [M, D] -> [M]; in this order a block of them needs no transposing after, which
    # took as long as the rest: of 5,000 in 20,000 x 64 the nearest in 393 ms, now 190.
    return jnp.matmul(q, y.T, precision="highest")


def _squared(x, y):
    centre = jax.lax.stop_gradient(_centre(y))
    x, y = x - centre, y - centre
    norms = lambda a: jnp.square(a).sum(1)

    def row(query, base):
        (q, qq), (y, yy) = query, base
        return jnp.maximum(qq + yy - 2 * _dot(y, q), 0)

    return row, (x, norms(x)), (y, norms(y))


def _centre(y):  # [M, D] -> [1, D]
    """The mean, rounded to few digits: a power of 2 not far below the spread."""
    mean = y.mean(0, keepdims=True)
    _, exponent = jnp.frexp(jnp.abs(y - mean).max(0, keepdims=True))
    step = jnp.ldexp(jnp.ones_like(mean), exponent - 1)
    return jnp.round(mean / step) * step


def _euclidean(x, y):
    squared, x, y = _squared(x, y)

    def row(query, base):
        square = squared(query, base)
        some = square > 0  # the slope of the root at 0 stays out of the gradient
        return jnp.where(some, jnp.sqrt(jnp.where(some, square, 1)), 0)

    return row, x, y


def _cosine(x, y):
    return (lambda q, y: jnp.clip(1 - _dot(y, q), 0, 2)), unit(x), unit(y)


FORMS = {
    "euclidean": _euclidean,
    "squared_euclidean": _squared,
    "cosine": _cosine,
    "pearson": lambda x, y: _cosine(centred(x), centred(y)),
}
