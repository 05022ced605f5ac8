"""Counts of examples in the cells of a table: the sums of most metrics.

    counts[c] = sum over the examples n in cell c of weight_n

Counts add, over batches, micro-batches and devices, and merging them is nothing else.
Without weights an example counts 1 and the count is taken in integers: float32 stops
counting ones at 2^24 = 16.8 million. It is then given as floats, which add up with a
relative error of 6e-8.

Shapes: [...] any shape of examples (images of labels too), R rows, K columns.
"""

import jax
import jax.numpy as jnp

from zoo.metrics import checks


def tally(
    cells: tuple[jax.Array, ...],
    shape: tuple[int, ...],
    weight: jax.Array | None,
    dtype: jax.typing.DTypeLike,
) -> jax.Array:
    """The weight in each cell; what lies beyond the table is left out.

    Args:
        cells: an index for each axis of the table, each [...], >= 0 or of weight 0.
        shape: of the table.
        weight: floats, [...]; None counts.
        dtype: of the counts without weights.

    Returns:
        Floats of `shape`; all NaN for a weight of NaN.
    """
    if weight is None:
        ones = jnp.zeros(shape, jnp.int32).at[cells].add(1, mode="drop")
        return ones.astype(dtype)
    table = jnp.zeros(shape, weight.dtype).at[cells].add(weight, mode="drop")
    return jnp.where(jnp.isnan(weight).any(), jnp.nan, table)


def pairs(
    rows: tuple[str, jax.typing.ArrayLike, str, int],
    columns: tuple[str, jax.typing.ArrayLike, str, int],
    weight: jax.typing.ArrayLike | None,
) -> jax.Array:
    """How often each pair of labels occurs.

    Args:
        rows: name of the labels, the labels [...], name of their number, R.
        columns: likewise, K.
        weight: [...], or None; 0 leaves an example out, whatever its labels are.

    Returns:
        [R, K], of the weights' type, else of JAX's own float. All NaN for a label out
        of range, or a weight, that is bad and cannot be read.

    Raises:
        ValueError: labels of unequal shapes, that are no integers or out of range;
            weights of another shape, negative or not finite.
    """
    found, cells, shape = jnp.array(False), [], []
    dtype = jnp.zeros(()).dtype  # float64 in 64-bit mode
    (row_name, row_labels, *_), (column_name, column_labels, *_) = rows, columns
    if jnp.shape(row_labels) != jnp.shape(column_labels):
        raise ValueError(
            f"{row_name} and {column_name} must be of one shape, got "
            f"{list(jnp.shape(row_labels))} and {list(jnp.shape(column_labels))}"
        )
    if weight is not None:
        weight = checks.weights(weight, jnp.shape(row_labels), dtype)
    for name, values, count, number in (rows, columns):
        shape.append(checks.size(count, number))
        values = checks.labels(name, values)
        bad = (values < 0) | (values >= number)
        if weight is not None:
            bad &= weight != 0

        def message(name=name, values=values, bad=bad, number=number):
            value = checks.first(values, bad)
            return f"{name} must be labels from 0 to {number - 1}, got {value}"

        found |= checks.refuse(bad, message)
        cells.append(values)
    counts = tally(tuple(cells), tuple(shape), weight, dtype)
    return jnp.where(found, jnp.nan, counts)


def total(name: str, counts: jax.typing.ArrayLike) -> tuple[jax.Array, jax.Array]:
    """A table of counts as floats, and its sum.

    Returns:
        The counts; their sum, NaN where nothing was counted and that cannot be read.

    Raises:
        ValueError: a count that is negative or not finite; nothing counted.
    """
    counts = checks.floats(name, counts)
    bad = ~(counts >= 0) | (counts == jnp.inf)
    found = checks.refuse(
        bad,
        lambda: f"{name} must be finite and >= 0, got {checks.first(counts, bad)}",
    )
    sum_ = counts.sum()
    found |= checks.refuse(sum_ == 0, lambda: f"{name} must hold an example, got none")
    return counts, jnp.where(found, jnp.nan, sum_)
