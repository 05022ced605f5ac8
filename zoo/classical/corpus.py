"""A corpus as arrays: as a list of tokens, as rows of words, as counts.

    tokens   word[t], document[t]   token t is this word, in this document
    rows     x[d, l]                the l-th word of document d; -1 where it has no more
    counts   c[d, v]                how often document d has word v

A document may be empty: of it there is no token, its row is all -1 and its counts 0.
A place of -1 is no token in lists too, so that these can be filled up.

Shapes: T tokens, D documents, L words of the longest one, V words of the vocabulary.
"""

import jax
import jax.numpy as jnp
import numpy as np

from zoo.classical.seeding import positive


def tokens(
    word: jax.Array,
    document: jax.Array,
    vocabulary: int | None = None,
    documents: int | None = None,
) -> tuple[jax.Array, jax.Array, int, int]:
    """A list of tokens, checked.

    Args:
        word: int [T], from 0 to V - 1, or -1 for no token.
        document: int [T], from 0 to D - 1.
        vocabulary: V; None: as many as the largest word tells.
        documents: D; None: as many as the largest document tells.

    Returns:
        int32 word and document, and V and D.

    Raises:
        ValueError: shapes or types that do not fit; no token; a number out of range.
            When traced, V or D that is None.
    """
    word, documents_of = _integers("word", word, 1), _integers("document", document, 1)
    if word.shape != documents_of.shape:
        raise ValueError(
            "word and document must be of one length, got "
            f"{len(word)} and {len(documents_of)}"
        )
    vocabulary = _range("word", word, -1, "vocabulary", vocabulary)
    documents = _range("document", documents_of, 0, "documents", documents)
    if not isinstance(word, jax.core.Tracer) and (np.asarray(word) < 0).all():
        raise ValueError("word must hold at least one token, got -1 only")
    cast = lambda array: jnp.asarray(array, jnp.int32)
    return cast(word), cast(documents_of), vocabulary, documents


def rows(
    word: np.ndarray, document: np.ndarray, documents: int | None = None
) -> np.ndarray:
    """Tokens as rows of words, each document's in their order.

    Args:
        word: int [T], -1 for no token.
        document: int [T].
        documents: D; None: as many as the largest number tells.

    Returns:
        int32 [D, L], on the host, where L is known.

    Raises:
        ValueError: as `tokens`.
    """
    word, document, _, documents = tokens(word, document, None, documents)
    word, document = np.asarray(word), np.asarray(document)
    order = np.argsort(document, kind="stable")
    order = order[word[order] >= 0]
    word, document = word[order], document[order]
    lengths = np.bincount(document, minlength=documents)
    place = np.arange(len(word)) - (np.cumsum(lengths) - lengths)[document]
    x = np.full((documents, lengths.max()), -1, np.int32)
    x[document, place] = word
    return x


def checked_rows(x: jax.Array, vocabulary: int) -> jax.Array:
    """Rows of words [D, L] as int32.

    Raises:
        ValueError: not integers [D, L]; no token; a word outside of the vocabulary.
    """
    x = _integers("x", x, 2)
    _range("x", x, -1, "vocabulary", vocabulary)
    if not isinstance(x, jax.core.Tracer) and (np.asarray(x) < 0).all():
        raise ValueError("x must hold at least one token, got -1 only")
    return jnp.asarray(x, jnp.int32)


def counts(x: jax.Array, vocabulary: int) -> jax.Array:
    """Rows of words as counts: int [D, L] -> int32 [D, V]."""
    x = checked_rows(x, vocabulary)
    document = jnp.broadcast_to(jnp.arange(len(x)).reshape(-1, 1), x.shape)
    zeros = jnp.zeros((len(x), vocabulary), jnp.int32)
    return zeros.at[document, jnp.where(x < 0, vocabulary, x)].add(1, mode="drop")


def shuffled(key: jax.Array, x: jax.Array) -> jax.Array:
    """Each document's words in an order by chance, its -1 last: [D, L] -> [D, L]."""
    x = _integers("x", x, 2)
    order = jnp.where(x < 0, 2, jax.random.uniform(key, x.shape)).argsort(1)
    return jnp.take_along_axis(x, order, axis=1)


def _integers(name, values, rank):
    values = values if hasattr(values, "dtype") else np.asarray(values)
    if values.ndim != rank or not jnp.issubdtype(values.dtype, jnp.integer):
        what = {1: "[T]", 2: "[D, L]"}[rank]
        raise ValueError(
            f"{name} must be integers {what}, got {values.dtype} {list(values.shape)}"
        )
    if not values.size:
        raise ValueError(f"{name} must not be empty, got {list(values.shape)}")
    return values


def _range(name, values, low, what, count):
    """The number of things that the values are numbers of."""
    traced = isinstance(values, jax.core.Tracer)
    if count is None:
        if traced:
            raise ValueError(f"{what} must be given where {name} is traced")
        count = max(1, int(np.asarray(values).max()) + 1)
    positive(what, count)
    if not traced:
        least, most = np.asarray(values).min(), np.asarray(values).max()
        if least < low or most >= count:
            bad = least if least < low else most
            raise ValueError(
                f"{name} must be from {low} to {count - 1}, below {what}, got {bad}"
            )
    return count
