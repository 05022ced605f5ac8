"""Latent Dirichlet allocation (LDA): topics of documents, by collapsed Gibbs sampling.

    phi_k   ~ Dirichlet(beta)     the words of topic k
    theta_d ~ Dirichlet(alpha)    the topics of document d
    z_t     ~ theta_d(t),  w_t ~ phi_z(t)        for each token t

With phi and theta integrated out, which `zoo.classical.conjugate` does, what is left is
a topic for each token, and counts: n_wk of word w in topic k, n_dk of topic k in
document d, n_k of topic k. A sweep draws each token's topic given all others', which
the counts with that token taken out (-t) are enough for:

    p(z_t = k | the others) ~ (n_wk + beta) / (n_k + V beta) * (n_dk + alpha)   all -t

    log p(w, z) = sum over k of log B(beta + n_.k) / B(beta)
                + sum over d of log B(alpha + n_d.) / B(alpha)
    phi_kw   = (n_wk + beta) / (n_k + V beta)
    theta_dk = (n_dk + alpha) / (n_d + K alpha)

The defaults alpha = 50 / K and beta = 0.1 are those of Griffiths and Steyvers; beta is
called eta elsewhere. Documents shorter than 50 words are then mostly prior.

A sweep goes through the tokens one after another, in their order: each draw waits for
the one before. Split over devices, each does the work of all; for sweeps that share it
see `zoo.classical.lda_parallel`. Starts are drawn evenly.

Shapes: T tokens, D documents, V words of the vocabulary, K topics.

References:
    Blei, Ng and Jordan, "Latent Dirichlet allocation", JMLR 2003,
    https://jmlr.org/papers/v3/blei03a.html
    Griffiths and Steyvers, "Finding scientific topics", PNAS 2004,
    https://doi.org/10.1073/pnas.0307752101
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from zoo.classical import conjugate, corpus
from zoo.classical.seeding import positive
from zoo.learner import Learner


class LDAState(NamedTuple):
    step: jax.Array  # int32 scalar: sweeps taken
    key: jax.Array  # never advanced; a sweep's own key is fold_in(key, step)
    topics: jax.Array  # z, of each token, int32 [T]; of `lda_parallel` [D, L]
    document_topic: jax.Array  # n_dk, int32 [D, K]
    word_topic: jax.Array  # n_wk, int32 [V, K]; its sum over words is n_k


def learner(
    topics: int,
    vocabulary: int,
    documents: int,
    alpha: float | None = None,
    beta: float = 0.1,
    axis_name: str | None = None,
) -> Learner:
    """Collapsed Gibbs sampling, a sweep a step; its batch is the whole corpus.

    Args:
        topics: K.
        vocabulary: V.
        documents: D.
        alpha: of the prior of a document's topics, > 0; None: 50 / K.
        beta: of the prior of a topic's words, > 0.
        axis_name: the axis over which the tokens are split, or None.

    Returns:
        A learner of batches with `word` and `document`, int [T], the same in each step;
        a word of -1 is no token. Its metric is `log_likelihood`: log p(w, z) before the
        step in nats, and the number of tokens.

    Raises:
        ValueError: K, V or D below 1; an alpha or beta not above 0; at init, no token,
            or one that is out of range.
    """
    alpha, beta = priors(topics, alpha, beta)
    positive("vocabulary", vocabulary)
    positive("documents", documents)
    whole = lambda a: jax.lax.all_gather(a, axis_name, tiled=True) if axis_name else a

    def init(key, batch):
        word, document, *_ = corpus.tokens(
            batch["word"], batch["document"], vocabulary, documents
        )
        start, key = jax.random.split(key)
        z = jax.random.randint(start, word.shape, 0, topics, jnp.int32)
        return start_at(key, word, document, z, topics, vocabulary, documents)

    def step(state, batch):
        word, document = whole(batch["word"]), whole(batch["document"])
        value = log_likelihood(state, alpha, beta)
        tokens = state.word_topic.sum().astype(value.dtype)
        return _sweep(state, word, document, alpha, beta), {
            "log_likelihood": (value, tokens)
        }

    return Learner(init=init, step=step)


def fit(
    key: jax.Array,
    word: jax.Array,
    document: jax.Array,
    topics: int,
    vocabulary: int | None = None,
    documents: int | None = None,
    alpha: float | None = None,
    beta: float = 0.1,
    sweeps: int = 1000,
) -> LDAState:
    """The state after so many sweeps.

    Args:
        key: of the start and the draws.
        word: int [T]; -1 for no token.
        document: int [T].
        topics: K.
        vocabulary: V; None: as many as the largest word tells.
        documents: D; None: as many as the largest number tells.
        alpha, beta: as for `learner`.
        sweeps: from 1 on.

    Raises:
        ValueError: as `learner`; sweeps below 1.
    """
    word, document, vocabulary, documents = corpus.tokens(
        word, document, vocabulary, documents
    )
    positive("sweeps", sweeps)
    alpha, beta = priors(topics, alpha, beta)
    sizes = topics, vocabulary, documents
    return _fit(key, word, document, sweeps, alpha, beta, sizes)


@functools.partial(jax.jit, static_argnums=6)
def _fit(key, word, document, sweeps, alpha, beta, sizes):
    gibbs = learner(*sizes, alpha, beta)
    batch = {"word": word, "document": document}
    step = lambda _, state: gibbs.step(state, batch)[0]
    return jax.lax.fori_loop(0, sweeps, step, gibbs.init(key, batch))


def start_at(
    key: jax.Array,
    word: jax.Array,
    document: jax.Array,
    z: jax.Array,
    topics: int,
    vocabulary: int,
    documents: int,
) -> LDAState:
    """The state in which the tokens have these topics.

    Args:
        key: of the draws to come.
        word: int [...], -1 for no token.
        document: int [...].
        z: int [...], from 0 to K - 1.
        topics: K.
        vocabulary: V.
        documents: D.
    """
    return LDAState(
        step=jnp.zeros((), jnp.int32),
        key=key,
        topics=jnp.array(z, jnp.int32),
        document_topic=count(jnp.where(word < 0, -1, document), z, documents, topics),
        word_topic=count(word, z, vocabulary, topics),
    )


def count(row: jax.Array, z: jax.Array, rows: int, topics: int) -> jax.Array:
    """How often each row has each topic; a row of -1 is not counted: [rows, K]."""
    # Out of range, and so dropped; a negative number would count from the end.
    row = jnp.where(row < 0, rows, row)
    return jnp.zeros((rows, topics), jnp.int32).at[row, z].add(1, mode="drop")


def _sweep(state, word, document, alpha, beta):
    key = jax.random.fold_in(state.key, state.step)
    v, k = state.word_topic.shape
    dtype = jnp.result_type(float)
    uniform = jax.random.uniform(key, word.shape, dtype)
    numbers = jnp.arange(k, dtype=jnp.int32)
    lower = jnp.tri(k, dtype=dtype)  # [K, K]; the sum of a row up to its place

    def draw(counts, token):
        of_document, of_word, of_topic = counts
        w, d, z, u = token
        there = w >= 0
        at = jnp.maximum(w, 0)
        one = lambda z: ((numbers == z) & there).astype(jnp.int32)
        row = lambda table, i: jax.lax.dynamic_index_in_dim(table, i, keepdims=False)
        in_document, in_word = row(of_document, d) - one(z), row(of_word, at) - one(z)
        of_topic = of_topic - one(z)
        of_w, of_d, of_k = (n.astype(dtype) for n in (in_word, in_document, of_topic))
        mass = (of_w + beta) * (of_d + alpha) / (of_k + v * beta)  # [K]
        up_to = (lower * mass.reshape(1, -1)).sum(1)
        new = jnp.minimum((up_to <= u * up_to[-1]).sum(dtype=jnp.int32), k - 1)
        put = jax.lax.dynamic_update_index_in_dim
        counts = (
            put(of_document, in_document + one(new), d, 0),
            put(of_word, in_word + one(new), at, 0),
            of_topic + one(new),
        )
        return counts, jnp.where(there, new, z)

    counts = state.document_topic, state.word_topic, state.word_topic.sum(0)
    tokens = word, document, state.topics, uniform
    # Four at once: less of the time goes to the loop itself.
    (of_document, of_word, _), topics = jax.lax.scan(draw, counts, tokens, unroll=4)
    return LDAState(
        step=state.step + 1,
        key=state.key,
        topics=topics,
        document_topic=of_document,
        word_topic=of_word,
    )


def log_likelihood(state: LDAState, alpha: float, beta: float) -> jax.Array:
    """log p(w, z) of words and topics together, in nats; phi and theta integrated out.

    Args:
        state: of any form of Gibbs sampling; of a part of the documents only the terms
            of these and of all words.
        alpha: of the prior of a document's topics.
        beta: of the prior of a topic's words.
    """
    return words_log_likelihood(state, beta) + topics_log_likelihood(state, alpha)


def words_log_likelihood(state: LDAState, beta: float) -> jax.Array:
    """log p(w | z), in nats."""
    v, k = state.word_topic.shape
    prior = jnp.full(v, beta, jnp.result_type(float))
    return conjugate.dirichlet_sequence(prior, state.word_topic.T).sum()


def topics_log_likelihood(state: LDAState, alpha: float) -> jax.Array:
    """log p(z), in nats."""
    prior = jnp.full(state.document_topic.shape[1], alpha, jnp.result_type(float))
    return conjugate.dirichlet_sequence(prior, state.document_topic).sum()


def phi(state: LDAState, beta: float) -> jax.Array:
    """The words of each topic, their expectation given z: [K, V], rows of sum 1."""
    n = state.word_topic.T
    return conjugate.dirichlet_mean(n + jnp.asarray(beta, jnp.result_type(float)))


def theta(state: LDAState, alpha: float) -> jax.Array:
    """The topics of each document, their expectation given z: [D, K], rows of sum 1."""
    n = state.document_topic
    return conjugate.dirichlet_mean(n + jnp.asarray(alpha, jnp.result_type(float)))


def priors(topics: int, alpha: float | None, beta: float) -> tuple[float, float]:
    """alpha and beta, checked; an alpha of None is 50 / K.

    Raises:
        ValueError: K below 1; an alpha or beta that is not finite and above 0.
    """
    positive("topics", topics)
    alpha = 50 / topics if alpha is None else alpha
    for name, value in (("alpha", alpha), ("beta", beta)):
        if not isinstance(value, jax.core.Tracer):
            if not (value > 0 and np.isfinite(value)):
                raise ValueError(f"{name} must be finite and above 0, got {value}")
    return alpha, beta
