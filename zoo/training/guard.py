"""When a run turns non-finite: which step, which leaf, which layer.

The loop does not stop the device to look, so it learns of a NaN some steps late. But
a stream's batch and a learner's chance are functions of the step: `locate` runs again
from the newest checkpoint to the state before the bad step, and `inspect` runs that
one step with every named intermediate watched, as a debugger's tensor filter would.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np


class NonFinite(FloatingPointError):
    """A metric became NaN or infinite.

    Attributes:
        step: the step that did it, counted from 0 within its stage.
        leaf: the first non-finite leaf of the state after the step, or None.
        state: the state before the step, on the host.
        batch: the whole batch of the step, on the host.
        rows: `inspect`'s rows, if they were asked for.
    """

    def __init__(self, message, *, step, leaf, state, batch, rows=()):
        super().__init__(message)
        self.step, self.leaf, self.state = step, leaf, state
        self.batch, self.rows = batch, rows


class Row(NamedTuple):
    """What `inspect` says of one array; low and high are over its finite values."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    low: float
    high: float
    nan: int
    inf: int


def inspect(build: Callable, state: Any, batch: dict) -> list[Row]:
    """Runs one step and describes every named array, in the order of computation.

    Args:
        build: build(axis_name) -> Learner.
        state: the state before the step, on the host.
        batch: the whole batch.

    Returns:
        Rows for the batch, the state before, the output of every linen module (named
        `apply:PATH`, by its path in the model), the metrics and the state after.
    """
    rows: list[Row] = []

    def watch(next_function, args, kwargs, context):
        output = next_function(*args, **kwargs)
        if context.method_name == "__call__" and not context.module.is_initializing():
            path = "/".join(context.module.path) or type(context.module).__name__
            for name, x in named(output):
                store = partial(_store, rows, f"apply:{path}{name}")
                jax.debug.callback(store, x, ordered=True)
        return output

    rows += describe("batch", batch) + describe("before", state)
    with nn.intercept_methods(watch):
        after, metrics = jax.jit(build(None).step)(state, batch)
        jax.block_until_ready((after, metrics))
        jax.effects_barrier()
    return rows + describe("metrics", metrics) + describe("after", after)


def describe(prefix: str, tree: Any) -> list[Row]:
    """A row for each leaf of numbers."""
    rows: list[Row] = []
    for name, x in named(tree):
        if not jax.dtypes.issubdtype(x.dtype, jax.dtypes.prng_key):
            _store(rows, prefix + name, x)
    return rows


def first_bad(tree: Any) -> str | None:
    """The name of the first leaf that holds a NaN or an infinity."""
    return next((name for name, x in named(tree) if not finite(x)), None)


def finite(x: Any) -> bool:
    """Whether a host array is free of NaN and infinity; other types are."""
    if not jnp.issubdtype(x.dtype, jnp.inexact):
        return True
    return bool(np.isfinite(np.asarray(x, np.float64)).all())


def named(tree: Any) -> list[tuple[str, Any]]:
    """The leaves with their names in the tree."""
    leaves = jax.tree_util.tree_flatten_with_path(tree)[0]
    return [
        (jax.tree_util.keystr(path), x) for path, x in leaves if hasattr(x, "dtype")
    ]


def table(rows: list[Row], title: str = "intermediates"):
    """The rows as a rich table, bad ones in red."""
    from rich.table import Table

    out = Table(title=title)
    for column in Row._fields:
        out.add_column(column, justify="left" if column == "name" else "right")
    for row in rows:
        cells = (row.name, str(row.shape), row.dtype, f"{row.low:.4g}")
        cells += (f"{row.high:.4g}", str(row.nan), str(row.inf))
        out.add_row(*cells, style="red" if row.nan or row.inf else None)
    return out


def _store(rows, name, x):
    values = np.asarray(x)
    if values.dtype != bool and not np.issubdtype(values.dtype, np.integer):
        values = values.astype(np.float64)
    good = values[np.isfinite(values)]
    low, high = (good.min(), good.max()) if good.size else (np.nan, np.nan)
    rows.append(
        Row(
            name=name,
            shape=tuple(values.shape),
            dtype=str(x.dtype),
            low=float(low),
            high=float(high),
            nan=int(np.isnan(values).sum()),
            inf=int(np.isinf(values).sum()),
        )
    )
