"""Coherence by counting, topics of new documents, and their exact likelihood."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from zoo.classical import topics

KEY = np.array([0, 0], np.uint32)
X = np.array(
    [[0, 1, 1, 2], [0, 2, -1, -1], [3, 1, 0, -1], [3, 3, 4, -1], [2] + [-1] * 3]
)
PHI = np.array([[0.5, 0.3, 0.1, 0.05, 0.05], [0.1, 0.1, 0.1, 0.4, 0.3]])


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


def test_top_words():
    found = topics.top_words(PHI, 3)
    np.testing.assert_array_equal(found, [[0, 1, 2], [3, 4, 0]])


def documents_with(*words):
    return sum(all(w in row for w in words) for row in X)


@pytest.mark.parametrize("top", [[[0, 1, 2], [3, 4, 0]], [[1, 0, 3], [2, 3, 1]]])
def test_coherence_by_counting(top):
    umass, npmi = [], []
    for words in top:
        u, values = 0.0, []
        for m, l in itertools.combinations(range(3), 2):
            likely, other = words[m], words[l]  # the first is the likelier one
            both, d = documents_with(likely, other), len(X)
            u += np.log((both + 1) / documents_with(likely))
            if both == 0:
                values.append(-1)
                continue
            apart = documents_with(likely) / d * documents_with(other) / d
            values.append(np.log(both / d / apart) / -np.log(both / d))
        umass.append(u)
        npmi.append(np.mean(values))
    np.testing.assert_allclose(topics.umass(top, X, 5), umass, rtol=1e-12)
    np.testing.assert_allclose(topics.npmi(top, X, 5), npmi, rtol=1e-12)


def test_npmi_at_its_ends():
    """Never together -1, never apart 1, also where they are in all documents."""
    x = np.array([[0, 1, 2, -1], [0, 1, 3, -1], [0, 1, 4, 5], [0, 1, 4, 5]])
    found = topics.npmi(np.array([[0, 1], [2, 3], [4, 5]]), x, 6)
    np.testing.assert_allclose(found, [1, -1, 1], atol=1e-12)
    # Of independent words it is 0: half and half, a quarter together.
    x = np.array([[0, 1], [0, 2], [1, 2], [2, 2]])
    np.testing.assert_allclose(topics.npmi(np.array([[0, 1]]), x, 3), 0, atol=1e-12)


def test_fold_in_line_by_line():
    alpha, rounds = 0.4, 3
    found = np.asarray(topics.fold_in(PHI, X, alpha, rounds))
    for row, theta in zip(X, found, strict=True):
        words = row[row >= 0]
        q = np.zeros((len(words), 2))
        for _ in range(rounds):
            q = PHI[:, words].T * (alpha + q.sum(0) - q)
            q /= q.sum(1, keepdims=True)
        expected = (alpha + q.sum(0)) / (2 * alpha + len(words))
        np.testing.assert_allclose(theta, expected, rtol=1e-12)


def test_completion():
    held_out = np.array([[4, 0], [-1, -1], [3, -1], [1, 2], [0, 0]])
    found = topics.completion(PHI, X, held_out, 0.4)
    chance = topics.fold_in(PHI, X, 0.4) @ PHI
    for d, row in enumerate(held_out):
        expected = sum(np.log(chance[d, w]) for w in row if w >= 0)
        np.testing.assert_allclose(found[d], expected, rtol=1e-12)
    expected = np.exp(-np.sum(found) / 7)
    np.testing.assert_allclose(topics.perplexity(found, held_out), expected)


def exact(words, alpha):
    """p(words), over all topics of all of them."""
    value = 0.0
    for z in itertools.product(range(2), repeat=len(words)):
        n, chance = np.zeros(2), 1.0
        for w, k in zip(words, z, strict=True):
            chance *= (n[k] + alpha) / (n.sum() + 2 * alpha) * PHI[k, w]
            n[k] += 1
        value += chance
    return value


def test_left_to_right_is_without_bias():
    """Means of 2,000 estimates by 1 and by 4 particles; many particles: one of them."""
    x = np.array([[0, 3, 3, 1, 4], [3, -1, -1, -1, -1], [0, 0, 1, 0, -1]])
    truth = np.array([exact(row[row >= 0], 0.4) for row in x])
    for particles in (1, 4):
        run = lambda key, r=particles: topics.left_to_right(key, PHI, x, 0.4, r)
        found = np.exp(jax.vmap(run)(jax.random.split(jax.random.key(0), 2000)))
        error = found.std(0) / np.sqrt(2000)
        assert (np.abs(found.mean(0) - truth) <= 4 * error + 1e-12).all()
        np.testing.assert_allclose(found[:, 1], truth[1], rtol=1e-12)  # one word
    many = topics.left_to_right(KEY, PHI, x, 0.4, 20_000)
    np.testing.assert_allclose(many, np.log(truth), atol=0.01)


def test_one_topic_is_unigrams():
    many = topics.left_to_right(KEY, PHI[:1], X, 0.4, 3)
    expected = [np.log(PHI[0][row[row >= 0]]).sum() for row in X]
    np.testing.assert_allclose(many, expected, rtol=1e-12)
    np.testing.assert_allclose(topics.completion(PHI[:1], X, X, 0.4), expected)


def test_empty_documents():
    x = np.array([[0, 1], [-1, -1]])
    np.testing.assert_allclose(topics.fold_in(PHI, x, 0.4)[1], 0.5)
    assert topics.left_to_right(KEY, PHI, x, 0.4)[1] == 0
    assert topics.completion(PHI, x, x, 0.4)[1] == 0
    assert topics.completion(PHI, x[::-1], x, 0.4)[0] == pytest.approx(
        np.log(PHI.mean(0)[[0, 1]]).sum()
    )


def test_perplexity_of_pure_chance_is_the_vocabulary():
    phi = np.full((3, 5), 0.2)
    found = topics.left_to_right(KEY, phi, X, 0.7)
    np.testing.assert_allclose(topics.perplexity(found, X), 5, rtol=1e-12)


def test_types():
    low, x = np.float32(PHI), jnp.array(X)
    for f in (
        lambda phi: topics.fold_in(phi, x, 0.4),
        lambda phi: topics.completion(phi, x, x, 0.4),
        lambda phi: topics.left_to_right(KEY, phi, x, 0.4, 4),
    ):
        assert f(low).dtype == jnp.float32 and f(PHI).dtype == jnp.float64
    np.testing.assert_allclose(
        topics.fold_in(low, x, 0.4), topics.fold_in(PHI, x, 0.4), rtol=1e-5
    )
    slope = jax.grad(lambda phi: topics.completion(phi, x, x, 0.4).sum())(PHI)
    assert np.isfinite(slope).all() and np.any(slope)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: topics.top_words(PHI, 6), "count must be an integer from 1 to 5"),
        (lambda: topics.top_words(PHI[0]), r"phi must be \[K, V\], got \[5\]"),
        (lambda: topics.top_words(-PHI), "phi must be chances of 0 or more"),
        (lambda: topics.umass([[0, 5]], X, 5), "x must be from -1 to 4|top must be"),
        (
            lambda: topics.umass([[0, 4]], X[:2], 5),
            "words that are in a document, got 4",
        ),
        (lambda: topics.npmi([[0]], X, 5), "top must have 2 or more words a topic"),
        (lambda: topics.fold_in(PHI, X, 0.0), "alpha must be finite and above 0"),
        (lambda: topics.fold_in(PHI, X, 1.0, 0), "rounds must be a positive integer"),
        (lambda: topics.fold_in(PHI, X + 1, 1.0), "x must be from -1 to 4, below"),
        (lambda: topics.completion(PHI, X, X[:2], 1.0), "same documents, got 5 and 2"),
        (lambda: topics.left_to_right(KEY, PHI, X, 1.0, 0), "particles must be a pos"),
        (lambda: topics.left_to_right(KEY, PHI, X * 1.0, 1.0), r"integers \[D, L\]"),
    ],
)
def test_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call()
