"""LDA on many devices: partially collapsed Gibbs sampling, documents side by side.

    phi_k ~ Dirichlet(beta + n_.k)                                     given all z
    p(z_t = k | z of the same document, phi) ~ phi_kw (n_dk + alpha)   token t taken out

Given phi, documents know nothing of each other: they may be drawn at once, in any
number of devices, and only the counts of words in topics are summed over these. The
l-th words of all documents are drawn together, so that a sweep is as many operations on
arrays [D, K] as the longest document has words.

Of the ways to split LDA this is the one that still is a Gibbs sampler: z has exactly
the distribution that `zoo.classical.lda` draws from, whatever the number of devices,
and a draw depends on the number of its document alone. Approximate distributed LDA
(Newman et al.) leaves the counts of others as they were before the sweep, which is no
sampler of anything that could be said. The price: given phi a rare word hardly leaves
its topics, so that it takes about twice the sweeps (`benchmarks.topics`).

Dirichlets are Gammas divided by their sum, drawn by Marsaglia and Tsang, all at once:

    d = a + 2/3, c = 1 / sqrt(9 d), x normal, v = (1 + c x)^3     shape a + 1
    accept d v where log u < x^2 / 2 + d (1 - v + log v);   times u'^(1 / a): shape a

Those that are refused (under 5 in 100) are drawn again; `jax.random.gamma` does that
one number after another, which on a CPU takes three times as long.

Shapes: D documents, L words of the longest, V words of the vocabulary, K topics.

References:
    Magnusson, Jonsson, Villani and Broman, "Sparse partially collapsed MCMC for
    parallel inference in topic models", JCGS 2018, https://arxiv.org/abs/1506.03784
    Newman, Asuncion, Smyth and Welling, "Distributed algorithms for topic models",
    JMLR 2009, https://jmlr.org/papers/v10/newman09a.html
    Marsaglia and Tsang, "A simple method for generating gamma variables", ACM TOMS
    26(3), 2000, https://doi.org/10.1145/358407.358414
"""

import functools

import jax
import jax.numpy as jnp

from zoo.classical import corpus, lda
from zoo.classical.lda import LDAState
from zoo.classical.seeding import positive
from zoo.functional.rows import put_rows, take_rows
from zoo.learner import Learner


def learner(
    topics: int,
    vocabulary: int,
    alpha: float | None = None,
    beta: float = 0.1,
    axis_name: str | None = None,
) -> Learner:
    """Partially collapsed Gibbs sampling, a sweep a step, over the whole corpus.

    Args:
        topics: K.
        vocabulary: V.
        alpha: of the prior of a document's topics, > 0; None: 50 / K.
        beta: of the prior of a topic's words, > 0.
        axis_name: the axis over which the documents are split, or None.

    Returns:
        A learner of batches with `x`, rows of words as of `zoo.classical.corpus`, int
        [D, L], and `index`, the documents' numbers 0 to D - 1; each step takes all of
        them. Topics and counts of documents are split with these. Its metric is as of
        `zoo.classical.lda`.

    Raises:
        ValueError: K or V below 1; an alpha or beta not above 0; at init, no token, or
            one that is out of range.
    """
    alpha, beta = lda.priors(topics, alpha, beta)
    positive("vocabulary", vocabulary)
    total = lambda tree: jax.lax.psum(tree, axis_name) if axis_name else tree

    def init(key, batch):
        x, index = corpus.checked_rows(batch["x"], vocabulary), batch["index"]
        start, key = jax.random.split(key)
        draw = lambda key: jax.random.randint(key, x.shape[1:], 0, topics, jnp.int32)
        z = jax.vmap(draw)(_keys(start, index))  # [D, L]
        number = jnp.broadcast_to(index.reshape(-1, 1), x.shape)
        state = lda.start_at(key, x, number, z, topics, vocabulary, len(x))
        return state._replace(topics=put_rows(state.topics, index, z))

    def step(state, batch):
        x, index = batch["x"], batch["index"]
        value = total(lda.topics_log_likelihood(state, alpha))
        value = value + lda.words_log_likelihood(state, beta)
        tokens = state.word_topic.sum().astype(value.dtype)
        for_phi, for_z = jax.random.split(jax.random.fold_in(state.key, state.step))
        phi = draw_dirichlet(for_phi, state.word_topic.T.astype(value.dtype) + beta)
        draw = lambda key: jax.random.uniform(key, x.shape[1:], value.dtype)
        z, counts = draw_topics(
            phi,
            x,
            take_rows(state.topics, index, axis_name),
            take_rows(state.document_topic, index, axis_name),
            jax.vmap(draw)(_keys(for_z, index)),
            alpha,
        )
        new = LDAState(
            step=state.step + 1,
            key=state.key,
            topics=put_rows(state.topics, index, z, axis_name),
            document_topic=put_rows(state.document_topic, index, counts, axis_name),
            word_topic=total(lda.count(x, z, vocabulary, topics)),
        )
        return new, {"log_likelihood": (value, tokens)}

    split = LDAState(step=-1, key=-1, topics=0, document_topic=0, word_topic=-1)
    return Learner(init=init, step=step, split=split)


def fit(
    key: jax.Array,
    x: jax.Array,
    topics: int,
    vocabulary: int,
    alpha: float | None = None,
    beta: float = 0.1,
    sweeps: int = 1000,
) -> LDAState:
    """The state after so many sweeps, on one device.

    Args:
        key: of the start and the draws.
        x: rows of words, int [D, L], as of `zoo.classical.corpus`.
        topics: K.
        vocabulary: V.
        alpha, beta: as for `learner`.
        sweeps: from 1 on.

    Raises:
        ValueError: as `learner`; sweeps below 1.
    """
    x = corpus.checked_rows(x, vocabulary)
    positive("sweeps", sweeps)
    alpha, beta = lda.priors(topics, alpha, beta)
    return _fit(key, x, sweeps, alpha, beta, (topics, vocabulary))


@functools.partial(jax.jit, static_argnums=5)
def _fit(key, x, sweeps, alpha, beta, sizes):
    gibbs = learner(*sizes, alpha, beta)
    batch = {"x": x, "index": jnp.arange(len(x), dtype=jnp.int32)}
    step = lambda _, state: gibbs.step(state, batch)[0]
    return jax.lax.fori_loop(0, sweeps, step, gibbs.init(key, batch))


def draw_topics(
    phi: jax.Array,
    x: jax.Array,
    z: jax.Array,
    counts: jax.Array,
    uniform: jax.Array,
    alpha: float,
) -> tuple[jax.Array, jax.Array]:
    """Each token's topic once, given phi and those of the same document.

    Args:
        phi: words of topics, [K, V].
        x: rows of words, int [D, L].
        z: topics of the tokens before, int [D, L].
        counts: of these, n_dk, int [D, K].
        uniform: from 0 to 1, [D, L].
        alpha: of the prior of a document's topics.

    Returns:
        z and counts after.
    """
    k = len(phi)
    of_word = phi.T  # [V, K]: what is looked up lies side by side
    numbers = jnp.arange(k, dtype=jnp.int32).reshape(1, -1)
    upper = jnp.tri(k, dtype=phi.dtype).T

    def draw(counts, column):  # of the l-th words of all documents
        w, z, u = column  # [D]
        there = (w >= 0).reshape(-1, 1)
        one = lambda z: ((numbers == z.reshape(-1, 1)) & there).astype(counts.dtype)
        counts = counts - one(z)
        mass = of_word[jnp.maximum(w, 0)] * (counts.astype(phi.dtype) + alpha)  # [D, K]
        up_to = jnp.matmul(mass, upper, precision="highest")
        passed = up_to <= u.reshape(-1, 1) * up_to[:, -1:]
        z = jnp.minimum(passed.sum(1, dtype=jnp.int32), k - 1)
        return counts + one(z), z

    counts, z = jax.lax.scan(draw, counts, (x.T, z.T, uniform.T))
    return z.T, counts


def draw_dirichlet(key: jax.Array, alpha: jax.Array) -> jax.Array:
    """A draw for each row, all rows at once.

    Args:
        key: of the draw.
        alpha: > 0, floats [..., K].

    Returns:
        [..., K], rows of sum 1. What is below the least float is 0.
    """
    again, power = jax.random.split(key)
    d = alpha + 2 / 3
    c = 1 / jnp.sqrt(9 * d)

    def attempt(carry):
        i, value, open = carry
        for_x, for_u = jax.random.split(jax.random.fold_in(again, i))
        x = jax.random.normal(for_x, alpha.shape, alpha.dtype)
        u = jax.random.uniform(for_u, alpha.shape, alpha.dtype)
        v = (1 + c * x) ** 3
        log_v = jnp.log(jnp.where(v > 0, v, 1))
        right = (v > 0) & (jnp.log(u) < x**2 / 2 + d * (1 - v + log_v))
        value = jnp.where(open & right, jnp.log(d) + log_v, value)
        return i + 1, value, open & ~right

    start = jnp.int32(0), jnp.zeros_like(alpha), jnp.ones(alpha.shape, bool)
    _, value, _ = jax.lax.while_loop(lambda c: c[2].any(), attempt, start)
    u = 1 - jax.random.uniform(power, alpha.shape, alpha.dtype)  # never 0
    return jax.nn.softmax(value + jnp.log(u) / alpha, axis=-1)


def _keys(key, index):
    """A key for each document."""
    return jax.vmap(lambda i: jax.random.fold_in(key, i))(index)
