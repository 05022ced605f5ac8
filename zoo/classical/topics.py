"""What topics are worth: their words, coherence, and what they say of new documents.

All of it takes the words of the topics, phi, whoever found them.

Coherence of the M likeliest words w_1 .. w_M of a topic, by the number of documents
D(w) with a word, or with two of them, out of D:

    UMass = sum over m > l of log( (D(w_m, w_l) + 1) / D(w_l) )             at most 0+
    NPMI  = mean over m > l of log( p(w_m, w_l) / (p(w_m) p(w_l)) ) / -log p(w_m, w_l)
            in [-1, 1]; -1 where they never meet, 1 where they are never apart

Topics of a new document, given phi, as expected counts, Buntine's iterated
pseudo-counts: q_lk of the l-th word, first 0,

    q_lk ~ phi_k,w_l (alpha + sum of q_mk over m != l)
    theta_k = (alpha + sum of q_lk) / (K alpha + N)

Its likelihood with theta integrated out, p(w_1 .. w_N | phi, alpha), by a particle
filter from left to right: each of R particles is the counts n_k of topics so far, and

    p(w_l | w_1 .. w_l-1) = mean over particles of
                            sum_k phi_k,w_l (n_k + alpha) / (l - 1 + K alpha)

then R pairs (particle, topic of w_l) are drawn in proportion to the terms of that sum,
one from each R-th of it (stratified resampling). The product over l is an estimate
without bias, for any R; its logarithm lies below by an amount that falls with R.
Wallach et al. draw all topics so far anew instead, which is work of the order of N^2.

    perplexity = exp( - sum over documents of log p / number of tokens )

Shapes: D documents, L words of the longest, V words of the vocabulary, K topics, M top
words, R particles. Rows of words are as of `zoo.classical.corpus`, -1 for none.

References:
    Mimno, Wallach, Talley, Leenders and McCallum, "Optimizing semantic coherence in
    topic models", EMNLP 2011, https://aclanthology.org/D11-1024 (UMass)
    Bouma, "Normalized (pointwise) mutual information in collocation extraction", GSCL
    2009; Lau, Newman and Baldwin, "Machine reading tea leaves", EACL 2014,
    https://aclanthology.org/E14-1056 (NPMI of topics)
    Wallach, Murray, Salakhutdinov and Mimno, "Evaluation methods for topic models",
    ICML 2009, https://doi.org/10.1145/1553374.1553515
    Buntine, "Estimating likelihoods for topic models", ACML 2009,
    https://doi.org/10.1007/978-3-642-05224-8_6
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from zoo.classical import checks, corpus
from zoo.classical.lda import priors
from zoo.classical.seeding import positive


def top_words(phi: jax.Array, count: int = 10) -> jax.Array:
    """The likeliest words of each topic, the likeliest first.

    Args:
        phi: [K, V].
        count: M, at most V.

    Returns:
        int32 [K, M]; of equally likely ones the lowest first.

    Raises:
        ValueError: no phi; a count out of range.
    """
    phi = _phi(phi)
    checks.at_most("count", count, phi.shape[1], "words of the vocabulary")
    return jax.lax.top_k(phi, count)[1]


def umass(top: jax.Array, x: jax.Array, vocabulary: int) -> jax.Array:
    """UMass coherence of each topic.

    Args:
        top: words of topics, the likeliest first, int [K, M]; each in a document.
        x: rows of words, int [D, L].
        vocabulary: V.

    Returns:
        [K]; nearer to 0 is better.

    Raises:
        ValueError: top or x of another kind; a word of top that is in no document.
    """
    alone, both, _, pairs = _together(top, x, vocabulary)
    values = jnp.log((both + 1) / alone[:, None, :])  # [K, m, l]
    return jnp.where(pairs[None], values, 0).sum((1, 2))


def npmi(top: jax.Array, x: jax.Array, vocabulary: int) -> jax.Array:
    """NPMI coherence of each topic.

    Args:
        top: words of topics, int [K, M], M >= 2; each in a document.
        x: rows of words, int [D, L].
        vocabulary: V.

    Returns:
        [K], from -1 to 1.

    Raises:
        ValueError: as `umass`; M below 2.
    """
    alone, both, documents, pairs = _together(top, x, vocabulary)
    if alone.shape[1] < 2:
        raise ValueError(f"top must have 2 or more words a topic, got {alone.shape[1]}")
    joint, single = both / documents, alone / documents
    apart = single[:, :, None] * single[:, None, :]
    inside = (both > 0) & (both < documents)
    safe = jnp.where(inside, joint, 0.5)
    values = jnp.log(safe / apart) / -jnp.log(safe)
    values = jnp.where(inside, values, jnp.where(both > 0, 1, -1))
    return jnp.where(pairs[None], values, 0).sum((1, 2)) / pairs.sum()


def fold_in(phi: jax.Array, x: jax.Array, alpha: float, rounds: int = 20) -> jax.Array:
    """The topics of new documents, by iterated pseudo-counts.

    Args:
        phi: [K, V].
        x: rows of words, int [D, L].
        alpha: of the prior, > 0.
        rounds: how often q is made anew.

    Returns:
        theta, [D, K], rows of sum 1; of an empty document 1 / K.

    Raises:
        ValueError: no phi; x of another kind or with a word outside of phi's; an alpha
            not above 0; rounds below 1.
    """
    phi = _phi(phi)
    x = corpus.checked_rows(x, phi.shape[1])
    priors(len(phi), alpha, 1)
    positive("rounds", rounds)
    return _fold_in(phi, x, alpha, rounds)


@functools.partial(jax.jit, static_argnums=3)
def _fold_in(phi, x, alpha, rounds):
    there = (x >= 0).astype(phi.dtype)[..., None]
    of_word = phi.T[jnp.maximum(x, 0)]  # [D, L, K]

    def again(_, q):
        mass = of_word * (q.sum(1, keepdims=True) - q + alpha)
        total = mass.sum(-1, keepdims=True)
        return there * mass / jnp.where(total > 0, total, 1)

    q = jax.lax.fori_loop(0, rounds, again, jnp.zeros_like(of_word))
    mass = alpha + q.sum(1)
    return mass / mass.sum(1, keepdims=True)


def completion(
    phi: jax.Array,
    x: jax.Array,
    held_out: jax.Array,
    alpha: float,
    rounds: int = 20,
) -> jax.Array:
    """log p of the rest of each document, by the topics of its first part.

    Args:
        phi: [K, V].
        x: rows of words from which theta is told, int [D, L].
        held_out: rows of words that are told, int [D, L'].
        alpha: of the prior, > 0.
        rounds: as for `fold_in`.

    Returns:
        sum over held-out words of log sum_k theta_dk phi_kw, in nats, [D].

    Raises:
        ValueError: as `fold_in`; rows of different D.
    """
    theta, phi = fold_in(phi, x, alpha, rounds), _phi(phi)
    held_out = corpus.checked_rows(held_out, phi.shape[1])
    if len(x) != len(held_out):
        raise ValueError(
            "x and held_out must be of the same documents, got "
            f"{len(x)} and {len(held_out)}"
        )
    words = jnp.matmul(theta, phi, precision="highest")  # [D, V]
    chance = jnp.take_along_axis(words, jnp.maximum(held_out, 0), axis=1)
    return jnp.where(held_out >= 0, jnp.log(chance), 0).sum(1)


def left_to_right(
    key: jax.Array, phi: jax.Array, x: jax.Array, alpha: float, particles: int = 20
) -> jax.Array:
    """log p(w | phi, alpha) of each document, theta integrated out, by particles.

    Args:
        key: of the draws; document d has the key fold_in(key, d).
        phi: [K, V].
        x: rows of words, int [D, L].
        alpha: of the prior, > 0.
        particles: R.

    Returns:
        In nats, [D]; its exponential is without bias. 0 of an empty document.

    Raises:
        ValueError: as `fold_in`; particles below 1.
    """
    phi = _phi(phi)
    x = corpus.checked_rows(x, phi.shape[1])
    priors(len(phi), alpha, 1)
    positive("particles", particles)
    return _left_to_right(key, phi, x, alpha, particles)


@functools.partial(jax.jit, static_argnums=4)
def _left_to_right(key, phi, x, alpha, particles):
    of_word, k = phi.T, len(phi)
    strata = jnp.arange(particles, dtype=phi.dtype)

    def document(number, words):  # [L]
        shape = (*words.shape, particles)
        # A number for each part: with one for all, alike particles would stay so.
        uniform = jax.random.uniform(jax.random.fold_in(key, number), shape, phi.dtype)

        def step(carry, token):
            n, seen, value = carry  # [R, K], scalars
            w, u = token
            mass = of_word[jnp.maximum(w, 0)].reshape(1, -1) * (n + alpha)
            mass = mass / (seen + k * alpha)  # [R, K]
            up_to = jnp.cumsum(mass.reshape(-1))
            at = (strata + u) / particles * up_to[-1]
            chosen = jnp.searchsorted(up_to, at, side="right")
            chosen = jnp.minimum(chosen, particles * k - 1)
            new = n[chosen // k] + jax.nn.one_hot(chosen % k, k, dtype=n.dtype)
            more = value + jnp.log(up_to[-1] / particles)
            there = w >= 0
            new = jnp.where(there, new, n), seen + there, jnp.where(there, more, value)
            return new, None

        zero = jnp.zeros((), phi.dtype)
        start = jnp.zeros((particles, k), phi.dtype), zero, zero
        return jax.lax.scan(step, start, (words, uniform))[0][2]

    return jax.vmap(document)(jnp.arange(len(x)), x)


def perplexity(log_likelihood: jax.Array, x: jax.Array) -> jax.Array:
    """exp of minus the mean log p of a token: a scalar, V for words by pure chance.

    Args:
        log_likelihood: of each document, in nats, [D].
        x: the words that it is of, int [D, L].
    """
    return jnp.exp(-log_likelihood.sum() / (x >= 0).sum())


def _phi(phi):
    phi = checks.finite("phi", phi)
    if phi.ndim != 2:
        raise ValueError(f"phi must be [K, V], got {list(phi.shape)}")
    if not isinstance(phi, jax.core.Tracer) and np.asarray(phi).min() < 0:
        raise ValueError(
            f"phi must be chances of 0 or more, got {np.asarray(phi).min()}"
        )
    return phi


def _together(top, x, vocabulary):
    """Documents with each word [K, M], with both of two [K, M, M], D, and m > l."""
    top = corpus.checked_rows(top, vocabulary)
    present = (corpus.counts(x, vocabulary) > 0)[:, top]  # [D, K, M]
    present = present.astype(jnp.result_type(float))
    alone = present.sum(0)
    if not isinstance(alone, jax.core.Tracer) and not (alone > 0).all():
        raise ValueError(
            f"top must be of words that are in a document, got {top[alone == 0][0]}"
        )
    both = jnp.einsum("dkm,dkl->kml", present, present, precision="highest")
    pairs = jnp.tri(top.shape[1], k=-1, dtype=bool)
    return alone, both, len(x), pairs
