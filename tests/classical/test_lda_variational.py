"""Variational Bayes for LDA: a bound that rises and holds, its parts, bad input.

`tests/parity/test_lda.py` holds it to scikit-learn.
"""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import digamma, gammaln

from zoo.classical import corpus, lda_variational
from zoo.classical.conjugate import dirichlet_sequence

KEY = np.array([0, 0], np.uint32)
ALPHA, BETA = 0.6, 0.3


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


def planted(seed=0):
    rng = np.random.default_rng(seed)
    phi = np.kron(np.eye(3), np.full(4, 0.25))
    theta = rng.dirichlet(np.full(3, 0.2), 30)
    return np.array([rng.multinomial(25, row) for row in theta @ phi]), phi


def test_a_step_line_by_line():
    x, _ = planted()
    bayes = lda_variational.learner(4, ALPHA, BETA, turns=3, tolerance=0.0)
    batch = {"x": x, "index": jnp.arange(30)}
    state = bayes.init(KEY, batch)
    words, gamma = np.array(state.words), np.array(state.documents)
    phi = np.exp(digamma(words) - digamma(words.sum(1, keepdims=True)))
    for _ in range(3):
        theta = np.exp(digamma(gamma) - digamma(gamma.sum(1, keepdims=True)))
        parts = theta[:, :, None] * phi  # [D, K, V]
        parts /= parts.sum(1, keepdims=True)
        gamma = ALPHA + (parts * x[:, None]).sum(2)
    theta = np.exp(digamma(gamma) - digamma(gamma.sum(1, keepdims=True)))
    parts = theta[:, :, None] * phi
    parts /= parts.sum(1, keepdims=True)
    new, told = jax.jit(bayes.step)(state, batch)
    np.testing.assert_allclose(new.documents, gamma, rtol=1e-11)
    expected = BETA + (parts * x[:, None]).sum(0)
    np.testing.assert_allclose(new.words, expected, rtol=1e-10)
    before = lda_variational.bound(state, x, ALPHA, BETA)
    np.testing.assert_allclose(told["bound"], [before, x.sum()], rtol=1e-12)
    np.testing.assert_allclose(new.bound, before / x.sum(), rtol=1e-12)


def test_the_bound_by_its_definition():
    """E log p(w, z, theta, phi) - E log q, term by term."""
    x, _ = planted()
    state = lda_variational.fit(KEY, x, 3, ALPHA, BETA, steps=2)
    gamma, words = np.asarray(state.documents), np.asarray(state.words)
    log_theta = digamma(gamma) - digamma(gamma.sum(1, keepdims=True))
    log_phi = digamma(words) - digamma(words.sum(1, keepdims=True))
    parts = np.exp(log_theta[:, :, None] + log_phi)
    parts /= parts.sum(1, keepdims=True)
    inner = log_theta[:, :, None] + log_phi - np.log(parts)
    value = (x[:, None] * parts * inner).sum()

    def log_dirichlet(a, log_p):  # of shares whose logarithms are expected so
        return gammaln(a.sum()) - gammaln(a).sum() + ((a - 1) * log_p).sum()

    for prior, rows, logs in ((ALPHA, gamma, log_theta), (BETA, words, log_phi)):
        for row, log_p in zip(rows, logs, strict=True):
            flat = np.full(len(row), prior)
            value += log_dirichlet(flat, log_p) - log_dirichlet(row, log_p)
    found = lda_variational.bound(state, x, ALPHA, BETA)
    np.testing.assert_allclose(found, value, rtol=1e-11)


def test_it_is_a_bound():
    """Below log p(w) of seven words, over all topics of all of them."""
    word, document = np.array([0, 0, 1, 2, 2, 1, 0]), np.array([0, 0, 0, 1, 1, 2, 2])
    values = []
    for z in itertools.product(range(2), repeat=7):
        of_word, of_document = np.zeros((2, 3)), np.zeros((3, 2))
        np.add.at(of_word, (z, word), 1)
        np.add.at(of_document, (document, z), 1)
        values.append((of_word, of_document))
    of_word, of_document = map(np.array, zip(*values, strict=True))
    logs = dirichlet_sequence(np.full(3, BETA), of_word).sum(1)
    logs = logs + dirichlet_sequence(np.full(2, ALPHA), of_document).sum(1)
    truth = jax.nn.logsumexp(logs)
    x = corpus.counts(corpus.rows(word, document), 3)
    for seed in range(3):
        state = lda_variational.fit(jax.random.key(seed), x, 2, ALPHA, BETA, gain=0.0)
        found = lda_variational.bound(state, x, ALPHA, BETA)
        assert truth - 3 < found < truth


def test_no_step_lowers_the_bound():
    x, _ = planted()
    bayes = lda_variational.learner(3, ALPHA, BETA, tolerance=1e-6, warm=True)
    batch = {"x": x, "index": jnp.arange(30)}
    run = lambda state, _: (bayes.step(state, batch)[0],) * 2
    scan = jax.jit(lambda state: jax.lax.scan(run, state, None, 60)[1])
    for seed in range(3):
        path = scan(bayes.init(jax.random.key(seed), batch))
        assert np.diff(path.bound).min() > -1e-13
        np.testing.assert_allclose(path.gain[1:], np.diff(path.bound), atol=1e-13)


def test_finds_planted_topics_and_is_done():
    """From each of five starts; with E parts begun where the last ended, from none."""
    x, phi = planted()
    for seed in range(5):
        fit = functools.partial(lda_variational.fit, jax.random.key(seed), x, 3)
        state, warm = (fit(0.2, 0.05, gain=1e-5, warm=warm) for warm in (False, True))
        assert state.step < 100 and state.gain <= 1e-5
        found = lda_variational.phi(state)
        np.testing.assert_allclose(found.sum(1), 1, rtol=1e-12)
        overlap = np.minimum(found[:, None], phi[None]).sum(-1)
        assert sorted(overlap.argmax(1)) == [0, 1, 2] and overlap.max(1).min() > 0.9
        gamma = lda_variational.infer(state, x, 0.2)
        shares = gamma / gamma.sum(1, keepdims=True)
        np.testing.assert_allclose(shares, lda_variational.theta(state), atol=0.02)
        bound = [lda_variational.bound(s, x, 0.2, 0.05) for s in (state, warm)]
        print(seed, bound)
        assert bound[0] == pytest.approx(-1555, abs=3) and bound[1] < -1700


def test_one_topic_is_exact():
    """K = 1: lambda is the posterior, and the bound is log p(w) itself."""
    x, _ = planted()
    state = lda_variational.fit(KEY, x, 1, ALPHA, BETA, steps=3)
    np.testing.assert_allclose(state.words[0], BETA + x.sum(0), rtol=1e-12)
    expected = dirichlet_sequence(np.full(12, BETA), x.sum(0))
    found = lda_variational.bound(state, x, ALPHA, BETA)
    np.testing.assert_allclose(found, expected, rtol=1e-10)


def test_an_empty_document_is_its_prior():
    x, _ = planted()
    x[-2:] = 0
    state = lda_variational.fit(KEY, x, 3, ALPHA, BETA, steps=3)
    np.testing.assert_allclose(state.documents[-2:], ALPHA, rtol=1e-12)
    np.testing.assert_allclose(state.words.sum(), 36 * BETA + x.sum(), rtol=1e-12)


def test_documents_in_any_order():
    x, _ = planted()
    index = np.random.default_rng(0).permutation(30)
    bayes = lda_variational.learner(3, ALPHA, BETA)
    batches = {"x": x, "index": np.arange(30)}, {"x": x[index], "index": index}
    a, b = (jax.jit(bayes.step)(bayes.init(KEY, b), b)[0] for b in batches)
    np.testing.assert_allclose(b.documents, a.documents, rtol=1e-10)
    np.testing.assert_allclose(b.words, a.words, rtol=1e-10)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"topics": 0}, "topics must be a positive integer, got 0"),
        ({"alpha": 0.0}, "alpha must be finite and above 0, got 0"),
        ({"beta": -1.0}, "beta must be finite and above 0, got -1"),
        ({"turns": 0}, "turns must be a positive integer, got 0"),
        ({"steps": 0}, "steps must be a positive integer, got 0"),
        ({"tolerance": -1.0}, "tolerance must be 0 or more, got -1"),
        ({"gain": -1.0}, "gain must be 0 or more, got -1"),
        ({"x": np.array([[1, -2]])}, "x must be counts of 0 or more, got -2"),
        ({"x": np.zeros((2, 3))}, "x must hold at least one token, got 0 only"),
        ({"x": np.zeros((0, 3))}, "x must not be empty"),
        ({"x": np.ones(3)}, r"x must be counts \[D, V\], got \[3\]"),
    ],
)
def test_refuses(change, message):
    with pytest.raises(ValueError, match=message):
        lda_variational.fit(KEY, **{"x": np.ones((2, 3)), "topics": 2, **change})


def test_refuses_another_vocabulary():
    state = lda_variational.fit(KEY, np.ones((2, 3)), 2, steps=1)
    with pytest.raises(ValueError, match=r"x must be \[D, 3\], got \[2, 4\]"):
        lda_variational.infer(state, np.ones((2, 4)), 1.0)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_word_counts(dtype):
    """Also one that no document had: gamma's sum is K alpha and all words."""
    x = planted()[0].astype(dtype)
    x[:, 10:] = 0
    state = lda_variational.fit(KEY, x, 3, 0.1, 0.005, steps=3)
    assert state.words.dtype == state.documents.dtype == state.bound.dtype == dtype
    assert np.isfinite(state.words).all()
    new = x.copy()
    new[:, 10] = 1
    gamma = lda_variational.infer(state, new, 0.1)
    np.testing.assert_allclose(gamma.sum(1), 3 * 0.1 + new.sum(1), rtol=1e-5)
