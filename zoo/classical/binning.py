"""Bins: the values of each feature as small whole numbers, in their order.

    c(v) = the rank of v among the distinct values of its feature      at most B of them
    c(v) = floor(B r(v) / N), r(v) values of the feature being < v     more than B

In the first case a bin is one value and nothing is lost. In the second, bins hold about
N / B examples, and equal values are never parted. A bin that no value fell into is
empty: its ends are those of the one below. The ends of a bin are the least and the
largest value in it, so that a threshold can lie halfway between two bins that are not
empty in a node.

Shapes: N examples, D features, B bins.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np


class Bins(NamedTuple):
    codes: jax.Array  # int32 [N, D], from 0 to B - 1
    low: jax.Array  # [D, B], the least value in each bin
    high: jax.Array  # [D, B], the largest


def count(x: jax.Array, most: int) -> int:
    """B: as many as some feature has distinct values, but `most` of them at most.

    Args:
        x: [N, D]; where it is traced, all its values count as distinct.
        most: the bins of a feature, at most.

    Returns:
        B, at least 2.
    """
    if isinstance(x, jax.core.Tracer):
        return max(2, min(most, len(x)))
    values = np.sort(np.asarray(x), axis=0)
    distinct = (values[1:] != values[:-1]).sum(0).max(initial=0) + 1
    return max(2, min(most, int(distinct)))


def cut(x: jax.Array, most: int, axis_name: str | None = None) -> Bins:
    """The bins of data, and the data in them.

    Args:
        x: finite, [N, D]; with an axis name this device's rows.
        most: the bins of a feature, at most; >= 2.
        axis_name: the axis over which the rows are split, or None. The values of all
            devices are then gathered, to find the ends of the bins.

    Returns:
        Bins, B of them: as many as some feature has distinct values, but `most` at
        most; where x is traced as many as there are examples, but `most` at most. With
        an axis name, the codes of this device's rows in everybody's bins.
    """
    if isinstance(x, jax.core.Tracer):
        devices = jax.lax.psum(1, axis_name) if axis_name else 1
        return _cut(x, None, max(2, min(most, devices * len(x))), axis_name)
    values = np.sort(np.asarray(x), axis=0)  # in a tenth of XLA's time
    distinct = (values[1:] != values[:-1]).sum(0).max(initial=0) + 1
    return _cut(x, jnp.asarray(values), max(2, min(most, int(distinct))), None)


@functools.partial(jax.jit, static_argnames=("bins", "axis_name"))
def _cut(x, values, bins, axis_name):
    if values is None:
        values = jax.lax.all_gather(x, axis_name, tiled=True) if axis_name else x
        values = jnp.sort(values, axis=0)  # [N, D]
    n = len(values)
    at = jnp.arange(n, dtype=jnp.int32).reshape(-1, 1)
    new = jnp.concatenate([jnp.zeros_like(values[:1], bool), values[1:] != values[:-1]])
    rank = jnp.cumsum(new, axis=0, dtype=jnp.int32)
    below = jax.lax.cummax(jnp.where(new, at, 0), axis=0)  # r(v)
    share = (below.astype(jnp.float32) * (bins / n)).astype(jnp.int32)
    share = jnp.minimum(share, bins - 1)
    codes = jnp.where(rank[-1:] < bins, rank, share)  # of the sorted values

    def ends(codes, values):  # [N] -> [B]
        first = jnp.searchsorted(codes, jnp.arange(bins, dtype=jnp.int32))
        last = jnp.searchsorted(codes, jnp.arange(1, bins + 1, dtype=jnp.int32)) - 1
        return values[jnp.minimum(first, last)], values[last]

    low, high = jax.vmap(ends, 1)(codes, values)
    return Bins(codes=code(x, high), low=low, high=high)


def code(x: jax.Array, high: jax.Array) -> jax.Array:
    """The bins of values: the first that does not end below it, else the last.

    Args:
        x: [N, D].
        high: largest value of each bin, [D, B].

    Returns:
        int32 [N, D].
    """
    find = lambda ends, values: jnp.searchsorted(ends, values)
    codes = jax.vmap(find, (0, 1), 1)(high, x)
    return jnp.minimum(codes, high.shape[1] - 1).astype(jnp.int32)
