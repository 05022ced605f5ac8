"""Products of rows with a matrix, in the form whose gradient is fast.

    y[..., o] = sum_c x[..., c] w[c, o]        dw[c, o] = sum_rows x[row, c] dy[row, o]

is one product whatever stands before the last axis. Of `x @ w` JAX derives dw as a sum
over several axes, for which XLA on a CPU first transposes all of dy. Here those axes
are merged into one before, and both gradients are plain products. Milliseconds of one
core for both gradients, with and without:

    x                   w           x @ w   product
    32 x 64 x 128       128 x 512     6.1       3.5
    64 x 16 x 16 x 64    64 x 128     8.6       4.8
    32 x 28 x 28 x 24    24 x 144    10.3       3.1

and 79 and 59 for a step of a Transformer of two layers (`benchmarks/recurrent.py`, half
of its rows). An axis that is split over devices must be the first.

Shapes: R rows, C inputs, O outputs.
"""

import functools
from typing import Any

import flax.linen as nn
import jax

LAST_BY_FIRST = ((1,), (0,)), ((), ())


def product(x: jax.Array, w: jax.Array) -> jax.Array:
    """x @ w, of any axes and a matrix.

    Args:
        x: [..., C].
        w: [C, O].

    Returns:
        [..., O].

    Raises:
        ValueError: w that is no matrix, x of another C.
    """
    if w.ndim != 2 or not x.ndim or x.shape[-1] != len(w):
        raise ValueError(
            f"x must be [..., C] and w [C, O], got {list(x.shape)} and {list(w.shape)}"
        )
    return contract(x, w, (((x.ndim - 1,), (0,)), ((), ())))


def contract(lhs: jax.Array, rhs: jax.Array, axes: Any, *rest: Any, **options: Any):
    """`jax.lax.dot_general`, with its arguments, for `nn.Dense(dot_general=contract)`.

    What is not the last axis of many and the first of two is left to XLA as it is.
    """
    inner = ((lhs.ndim - 1,), (0,)), ((), ())
    given = tuple(tuple(map(tuple, pair)) for pair in axes)
    if given != inner or rhs.ndim != 2 or lhs.ndim < 3:
        return jax.lax.dot_general(lhs, rhs, axes, *rest, **options)
    rows = lhs.reshape(-1, lhs.shape[-1])
    y = jax.lax.dot_general(rows, rhs, LAST_BY_FIRST, *rest, **options)
    return y.reshape(*lhs.shape[:-1], rhs.shape[1])


def attend(embed: nn.Embed, x: jax.Array) -> jax.Array:
    """`embed.attend`, the scores of x with every vector, [..., D] -> [..., V]."""
    scores = embed.attend(x.reshape(-1, x.shape[-1]))
    return scores.reshape(*x.shape[:-1], -1)


Dense = functools.partial(nn.Dense, dot_general=contract)
