"""Nearest words, and analogies: a is to b as c is to what?

    nearest   the words w of the largest cos(v_w, q)
    analogy   nearest to b / |b| - a / |a| + c / |c|, without a, b and c themselves

Shapes: V words, D features, Q questions, K answers.

References:
    Mikolov, Yih and Zweig, "Linguistic regularities in continuous space word
    representations", NAACL 2013, https://aclanthology.org/N13-1090
"""

import jax
import jax.numpy as jnp


def nearest(
    vectors: jax.Array, query: jax.Array, k: int = 10, without: jax.Array | None = None
) -> tuple[jax.Array, jax.Array]:
    """The nearest words of each question.

    Args:
        vectors: [V, D].
        query: [Q, D].
        k: K, from 1 to V.
        without: words that are no answer, int [Q, E], or None.

    Returns:
        Words, int32 [Q, K], the nearest first, and their cosines, [Q, K]. A vector of
        zeros has cosine 0 with all.

    Raises:
        ValueError: shapes that do not fit; k out of range.
    """
    if vectors.ndim != 2 or query.ndim != 2 or query.shape[1] != vectors.shape[1]:
        raise ValueError(
            f"vectors must be [V, D] and query [Q, D], got {vectors.shape} and "
            f"{query.shape}"
        )
    if not 1 <= k <= len(vectors):
        raise ValueError(f"k must be from 1 to {len(vectors)}, got {k}")
    if without is not None and (without.ndim != 2 or len(without) != len(query)):
        raise ValueError(f"without must be [{len(query)}, E], got {without.shape}")
    cosines = unit(query) @ unit(vectors).T  # [Q, V]
    if without is not None:
        rows = jnp.arange(len(query))[:, None]
        cosines = cosines.at[rows, without].set(-jnp.inf)
    best, words = jax.lax.top_k(cosines, k)
    return words.astype(jnp.int32), best


def analogy(
    vectors: jax.Array, questions: jax.Array, k: int = 1
) -> tuple[jax.Array, jax.Array]:
    """What is to c as b is to a.

    Args:
        vectors: [V, D].
        questions: a, b and c, int [Q, 3].
        k: K.

    Returns:
        As `nearest`.

    Raises:
        ValueError: as `nearest`; questions that are not int [Q, 3].
    """
    whole = jnp.issubdtype(questions.dtype, jnp.integer)
    if questions.ndim != 2 or questions.shape[1] != 3 or not whole:
        raise ValueError(
            f"questions must be int [Q, 3], got {questions.dtype} {questions.shape}"
        )
    vectors = unit(vectors)
    a, b, c = (vectors[questions[:, i]] for i in range(3))
    return nearest(vectors, b - a + c, k, questions)


def unit(vectors: jax.Array) -> jax.Array:
    """Vectors of length 1; those of zeros stay, [..., D] -> [..., D]."""
    square = (vectors * vectors).sum(-1, keepdims=True)
    some = square > 0
    return jnp.where(some, vectors * jax.lax.rsqrt(jnp.where(some, square, 1)), 0)
