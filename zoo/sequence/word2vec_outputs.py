"""What rows of `zoo.sequence.word2vec` are scored against: words drawn, or tree nodes.

Words are drawn with p(w) ~ count^power, by numbers of 32 bits: each word has those
between two bounds. What is drawn belongs to a row's `index`, wherever it is computed.

Shapes: B rows, K words drawn for one, M outputs of a row, L depth of the tree, V words.

References:
    Mikolov, Sutskever, Chen, Corrado and Dean, "Distributed representations of words
    and phrases and their compositionality", NeurIPS 2013,
    https://arxiv.org/abs/1310.4546 (counts to the power of 3/4)
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from zoo.functional.dropout import example_keys


class Outputs(NamedTuple):
    """What each row is scored against, [B, M]; see `negatives` and `way`."""

    rows: jax.Array  # int32: rows of the outputs
    labels: jax.Array  # float: 1 or 0
    mask: jax.Array  # float: 0 where there is nothing


def table(counts: np.ndarray, power: float = 0.75) -> np.ndarray:
    """The bounds of the words in 0 .. 2^32 - 1, in proportion to count^power.

    Args:
        counts: [V].
        power: of the counts.

    Returns:
        uint32 [V]: word w is drawn by numbers from bound w - 1 up to bound w, without
        it.
    """
    weights = np.asarray(counts, float) ** power
    bounds = np.cumsum(weights) / weights.sum() * 2.0**32
    return np.minimum(np.round(bounds), 2**32 - 1).astype(np.uint32)


def draw(
    key: jax.Array, index: jax.Array, cumulative: np.ndarray, number: int
) -> jax.Array:
    """Words by chance, the same wherever a row is computed.

    Args:
        key: of the step.
        index: numbers of the rows, int [B].
        cumulative: of `table`, [V].
        number: K.

    Returns:
        int32 [B, K].
    """
    keys = example_keys(key, index)
    of_row = lambda key: jax.random.bits(key, (number,), jnp.uint32)  # in x64 too
    bits = jax.vmap(of_row)(keys)
    found = jnp.searchsorted(jnp.asarray(cumulative), bits, side="right")
    return jnp.minimum(found, len(cumulative) - 1).astype(jnp.int32)


def negatives(y: jax.Array, drawn: jax.Array) -> Outputs:
    """y with label 1, and what was drawn with label 0; not counted where it is y."""
    own = y.reshape(-1, 1).astype(jnp.int32)
    rows = jnp.concatenate([own, drawn], 1)  # [B, K + 1]
    first = jnp.arange(rows.shape[1])[None] == 0
    labels = jnp.broadcast_to(first, rows.shape).astype(jnp.float32)
    return Outputs(rows, labels, (first | (rows != own)).astype(jnp.float32))


def way(y: jax.Array, nodes: jax.Array, turns: jax.Array) -> Outputs:
    """The nodes on the way to y, with label 1 where it turns left."""
    rows, turns = nodes[y], turns[y]  # [B, L]
    labels = (turns == 0).astype(jnp.float32)
    return Outputs(jnp.maximum(rows, 0), labels, (rows >= 0).astype(jnp.float32))
