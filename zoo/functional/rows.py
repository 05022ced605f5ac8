"""Rows of a table that is split over devices, reached by their global numbers.

A learner whose state is per example (topics of tokens, a bank of features) names that
leaf in `Learner.split`: each of n devices then holds N / n consecutive rows of it. A
device's examples may have their rows anywhere:

    take_rows(table, index)[b]              = whole table [index[b]]
    put_rows(table, index, values): whole table [index[b]] = values[b]

Each device hears the numbers that every device asks for and answers for the rows that
it holds. Without an axis name the table is whole, and this is plain indexing.
Numbers should differ within a batch: which of two writes to one row wins is not said.

Shapes: N rows, n devices, B examples of this device.
"""

import jax
import jax.numpy as jnp


def take_rows(
    table: jax.Array, index: jax.Array, axis_name: str | None = None
) -> jax.Array:
    """Rows of the whole table.

    Args:
        table: this device's rows, [N / n, ...].
        index: global row numbers in 0..N-1, int [B].
        axis_name: the axis over which the table is split, or None.

    Returns:
        [B, ...], the rows asked for.
    """
    if axis_name is None:
        return table[index]
    asked = jax.lax.all_gather(index, axis_name)  # [B] -> [n, B]
    local, held = _local(table, asked, axis_name)
    rows = jnp.where(_like(held, table), table[jnp.where(held, local, 0)], 0)
    # [n, B, ...] -> [B, ...]: one device holds a row, the others add zero.
    return jax.lax.psum_scatter(rows, axis_name).astype(table.dtype)


def put_rows(
    table: jax.Array,
    index: jax.Array,
    values: jax.Array,
    axis_name: str | None = None,
) -> jax.Array:
    """This device's part of the table after rows of the whole one were written.

    Args:
        table: this device's rows, [N / n, ...].
        index: global row numbers in 0..N-1, int [B].
        values: the new rows, [B, ...].
        axis_name: the axis over which the table is split, or None.

    Returns:
        [N / n, ...], of the table's type.
    """
    if axis_name is not None:
        index = jax.lax.all_gather(index, axis_name, tiled=True)  # [B] -> [n B]
        values = jax.lax.all_gather(values, axis_name, tiled=True)
        local, held = _local(table, index, axis_name)
        index = jnp.where(held, local, len(table))  # out of range: dropped
    return table.at[index].set(values, mode="drop")


def _local(table, index, axis_name):
    local = index - jax.lax.axis_index(axis_name) * len(table)
    return local, (local >= 0) & (local < len(table))


def _like(held, table):  # a mask over rows, with the rows' further axes
    return held.reshape(held.shape + (1,) * (table.ndim - 1))
