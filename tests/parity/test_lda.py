"""LDA against the package lda (Gibbs sampling) and scikit-learn (variational Bayes)."""

import logging
from pathlib import Path

import jax
import jax.numpy as jnp
import lda as reference
import numpy as np
import pytest
from sklearn.decomposition import LatentDirichletAllocation

from zoo.classical import corpus, lda, lda_variational, topics
from zoo.data import bags

K, ALPHA, BETA = 20, 0.1, 0.01


@pytest.fixture(autouse=True)
def float64():
    logging.getLogger("lda").setLevel(logging.ERROR)
    with jax.enable_x64(True):
        yield


@pytest.fixture(scope="module")
def reuters():
    return bags("reuters")


def counts_of(reuters):
    return np.asarray(corpus.counts(corpus.rows(*reuters[:2]), len(reuters.vocabulary)))


def test_the_corpus_is_theirs(reuters):
    files = Path(reference.__file__).parent / "tests"
    with open(files / "reuters.ldac") as file:
        theirs = reference.utils.ldac2dtm(file)
    np.testing.assert_array_equal(counts_of(reuters), theirs)
    assert reuters.vocabulary == tuple(reference.datasets.load_reuters_vocab())
    assert reuters.titles == tuple(reference.datasets.load_reuters_titles())


def test_three_sweeps_token_by_token(reuters):
    """From their start, by the same random numbers, all of Reuters."""
    word, document = reuters.word, reuters.document
    z = (np.arange(len(word)) % K).astype(np.intc)
    sizes = K, len(reuters.vocabulary), len(reuters.titles)
    state = lda.start_at(jax.random.key(0), word, document, jnp.array(z), *sizes)
    # The likelihood of this start is what lda prints first.
    value = lda.log_likelihood(state, ALPHA, BETA)
    np.testing.assert_allclose(value, -1_051_747.5, atol=0.05)
    theirs = reference.LDA(K, alpha=ALPHA, eta=BETA)
    theirs.ndz_ = np.array(state.document_topic, np.intc)
    theirs.nzw_ = np.asfortranarray(np.array(state.word_topic, np.intc).T)
    theirs.nz_ = theirs.nzw_.sum(1, dtype=np.intc)
    theirs.WS, theirs.DS, theirs.ZS = word.copy(), document.copy(), z
    step = jax.jit(lda.learner(*sizes, ALPHA, BETA).step)
    batch = {"word": word, "document": document}
    for i in range(3):
        key = jax.random.fold_in(state.key, i)
        theirs._sample_topics(np.array(jax.random.uniform(key, word.shape)))
        state, told = step(state, batch)
        np.testing.assert_allclose(told["log_likelihood"][0], value, rtol=1e-10)
        value = theirs.loglikelihood()
    np.testing.assert_array_equal(state.topics, theirs.ZS)
    np.testing.assert_array_equal(state.word_topic.T, theirs.nzw_)
    np.testing.assert_array_equal(state.document_topic, theirs.ndz_)
    np.testing.assert_allclose(
        lda.log_likelihood(state, ALPHA, BETA), value, rtol=1e-10
    )
    with jax.enable_x64(False):  # digits that lgamma of 1e4 loses
        low = lda.log_likelihood(state, ALPHA, BETA)
        np.testing.assert_allclose(low, value, rtol=2e-5)


def test_estimates_and_new_documents(reuters):
    """phi, theta and topics of documents that were not there, on a part of Reuters."""
    counts = counts_of(reuters)[:60]
    theirs = reference.LDA(5, n_iter=20, alpha=ALPHA, eta=BETA, random_state=0)
    theirs.fit(counts[:50])
    state = lda.LDAState(0, None, None, theirs.ndz_, jnp.array(theirs.nzw_.T))
    phi = lda.phi(state, BETA)
    np.testing.assert_allclose(phi, theirs.topic_word_, rtol=1e-12)
    np.testing.assert_allclose(lda.theta(state, ALPHA), theirs.doc_topic_, rtol=1e-12)
    value = theirs.loglikelihood()
    np.testing.assert_allclose(
        lda.log_likelihood(state, ALPHA, BETA), value, rtol=1e-11
    )
    new = counts[50:]
    document, word = np.nonzero(new)
    each = new[document, word]
    x = corpus.rows(np.repeat(word, each), np.repeat(document, each))
    theta = topics.fold_in(phi, x, ALPHA, rounds=21)
    length = new.sum(1, keepdims=True)
    # Theirs is the expected counts over N, without the prior.
    shares = (theta * (length + 5 * ALPHA) - ALPHA) / length
    np.testing.assert_allclose(shares, theirs.transform(new, 20), atol=1e-12)
    top = [np.argsort(row)[:-9:-1] for row in theirs.topic_word_]
    ours = np.take_along_axis(np.asarray(phi), np.asarray(topics.top_words(phi, 8)), 1)
    np.testing.assert_allclose(
        ours, np.take_along_axis(theirs.topic_word_, np.array(top), 1)
    )


def bernardo(x):
    """digamma as scikit-learn computes it: a short series from 6 on."""
    below = sum(jnp.where(x < 6 - i, 1 / (x + i), 0) for i in range(6))
    x = x + jnp.ceil(jnp.maximum(6 - x, 0))
    r = 1 / x**2
    return jnp.log(x) - 0.5 / x - r * (1 / 12 - r * (1 / 120 - r / 252)) - below


@pytest.mark.parametrize("same", [True, False])
@pytest.mark.parametrize("prior", [(0.1, 0.01)])
def test_variational_bayes(reuters, prior, same, monkeypatch):
    """Four steps from the same words and documents; the bound; new documents.

    By their digamma to rounding. Theirs is off by 2e-9, which the steps make 1e-6.
    """
    if same:
        monkeypatch.setattr(lda_variational, "digamma", bernardo)
    jax.clear_caches()  # of what was traced with the other one
    rtol = 1e-9 if same else 2e-6
    alpha, beta = prior
    counts = counts_of(reuters)[:80].astype(float)
    # Words of the first only: others do not count in theirs.
    train, new = (part[:, counts[:60].any(0)] for part in (counts[:60], counts[60:]))
    theirs = LatentDirichletAllocation(
        5, doc_topic_prior=alpha, topic_word_prior=beta, learning_method="batch",
        max_iter=4, random_state=0, max_doc_update_iter=30, mean_change_tol=1e-3,
    ).fit(train)  # fmt: skip
    # Theirs: first the words, then each step's documents.
    rng = np.random.RandomState(0)
    words = rng.gamma(100.0, 0.01, (5, train.shape[1]))
    bayes = lda_variational.learner(5, alpha, beta, 30, 1e-3, warm=True)
    batch = {"x": train, "index": jnp.arange(60)}
    state = bayes.init(jax.random.key(0), batch)._replace(words=jnp.array(words))
    step = jax.jit(bayes.step)
    for _ in range(4):
        gamma = rng.gamma(100.0, 0.01, (60, 5))
        state, _ = step(state._replace(documents=jnp.array(gamma)), batch)
    np.testing.assert_allclose(state.words, theirs.components_, rtol=rtol)
    infer = lambda x: lda_variational.infer(state, x, alpha, turns=30)
    gamma = infer(new)
    shares = gamma / gamma.sum(1, keepdims=True)
    np.testing.assert_allclose(shares, theirs.transform(new), rtol=rtol)
    state = state._replace(documents=infer(train))
    bound = lda_variational.bound(state, train, alpha, beta)
    np.testing.assert_allclose(bound, theirs.score(train), rtol=rtol)
    phi = theirs.components_ / theirs.components_.sum(1, keepdims=True)
    np.testing.assert_allclose(lda_variational.phi(state), phi, rtol=rtol)
