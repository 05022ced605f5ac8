"""LDA by Gibbs sampling, both forms: line by line, the exact posterior, devices.

`tests/parity/test_lda.py` holds it to the package lda, sweep by sweep.
"""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from scipy.special import gammaln

import zoo
from zoo.classical import corpus, lda, lda_parallel

KEY = np.array([0, 0], np.uint32)
WORD = np.array([0, 0, 1, 2, 2, 1, 0])
DOCUMENT = np.array([0, 0, 0, 1, 1, 2, 2])
ROWS = np.array([[0, 0, 1], [2, 2, -1], [1, 0, -1]])
ALPHA, BETA = 0.6, 0.3


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


def joint(z, word, document, k, v, d, alpha=ALPHA, beta=BETA):
    """log p(w, z), token by token, each by its predictive."""
    in_word, in_document = np.zeros((v, k)), np.zeros((d, k))
    value = 0.0
    for w, i, topic in zip(word, document, z, strict=True):
        of_topic, of_document = in_word[:, topic].sum(), in_document[i].sum()
        value += np.log((in_document[i, topic] + alpha) / (of_document + k * alpha))
        value += np.log((in_word[w, topic] + beta) / (of_topic + v * beta))
        in_word[w, topic] += 1
        in_document[i, topic] += 1
    return value


def state_at(z, word=WORD, document=DOCUMENT, k=2, v=3, d=3):
    return lda.start_at(jax.random.key(1), word, document, jnp.array(z), k, v, d)


def random_corpus(seed=0, tokens=60, v=7, d=6):
    rng = np.random.default_rng(seed)
    return rng.integers(0, v, tokens), np.sort(rng.integers(0, d, tokens))


def test_log_likelihood_is_the_product_of_predictives():
    word, document = random_corpus()
    z = np.random.default_rng(1).integers(0, 4, 60)
    state = state_at(z, word, document, 4, 7, 6)
    expected = joint(z, word, document, 4, 7, 6, 0.3, 0.05)
    np.testing.assert_allclose(
        lda.log_likelihood(state, 0.3, 0.05), expected, rtol=1e-12
    )
    both = lda.words_log_likelihood(state, 0.05), lda.topics_log_likelihood(state, 0.3)
    np.testing.assert_allclose(sum(both), expected, rtol=1e-12)


def test_counts_and_estimates():
    word, document = random_corpus()
    z = np.random.default_rng(1).integers(0, 4, 60)
    state = state_at(z, word, document, 4, 7, 6)
    of_word, of_document = np.zeros((7, 4), int), np.zeros((6, 4), int)
    np.add.at(of_word, (word, z), 1)
    np.add.at(of_document, (document, z), 1)
    np.testing.assert_array_equal(state.word_topic, of_word)
    np.testing.assert_array_equal(state.document_topic, of_document)
    phi = (of_word.T + 0.05) / (of_word.sum(0).reshape(-1, 1) + 7 * 0.05)
    np.testing.assert_allclose(lda.phi(state, 0.05), phi, rtol=1e-13)
    length = of_document.sum(1, keepdims=True)
    theta = (of_document + 0.3) / (length + 4 * 0.3)
    np.testing.assert_allclose(lda.theta(state, 0.3), theta, rtol=1e-13)


def test_a_sweep_line_by_line():
    word, document = random_corpus()
    k, v, d = 4, 7, 6
    gibbs = lda.learner(k, v, d, 0.3, 0.05)
    batch = {"word": np.int32(word), "document": np.int32(document)}
    state = gibbs.init(jax.random.key(3), batch)
    assert len(np.unique(state.topics)) == k
    step = jax.jit(gibbs.step)
    for sweep in range(2):
        key = jax.random.fold_in(state.key, sweep)
        uniform = np.asarray(jax.random.uniform(key, (60,)))
        z = np.array(state.topics)
        value = joint(z, word, document, k, v, d, 0.3, 0.05)
        for t in range(60):
            of_word, of_document = np.zeros((v, k)), np.zeros((d, k))
            others = np.arange(60) != t
            np.add.at(of_word, (word[others], z[others]), 1)
            np.add.at(of_document, (document[others], z[others]), 1)
            share = (of_word[word[t]] + 0.05) / (of_word.sum(0) + v * 0.05)
            mass = (share * (of_document[document[t]] + 0.3)).cumsum()
            z[t] = np.searchsorted(mass, uniform[t] * mass[-1], side="right")
        state, told = step(state, batch)
        np.testing.assert_array_equal(state.topics, z)
        np.testing.assert_allclose(told["log_likelihood"], [value, 60], rtol=1e-12)
    again = lda.start_at(state.key, word, document, jnp.array(z), k, v, d)
    np.testing.assert_array_equal(state.word_topic, again.word_topic)
    np.testing.assert_array_equal(state.document_topic, again.document_topic)
    assert state.step == 2


def test_a_parallel_sweep_line_by_line():
    """With phi drawn beforehand; documents in another order than their numbers."""
    word, document = random_corpus()
    k, v, d = 4, 7, 6
    x = corpus.rows(word, document, d)
    index = np.int32([3, 0, 5, 1, 4, 2])
    gibbs = lda_parallel.learner(k, v, 0.3, 0.05)
    batch = {"x": x[index], "index": index}
    state = gibbs.init(jax.random.key(3), batch)
    z = np.array(state.topics)
    value = joint(z[x >= 0], x[x >= 0], document, k, v, d, 0.3, 0.05)
    for_phi, for_z = jax.random.split(jax.random.fold_in(state.key, 0))
    phi = np.asarray(lda_parallel.draw_dirichlet(for_phi, state.word_topic.T + 0.05))
    for i in range(d):
        draws = jax.random.uniform(jax.random.fold_in(for_z, i), x.shape[1:])
        n = np.bincount(z[i][x[i] >= 0], minlength=k).astype(float)
        for t in np.flatnonzero(x[i] >= 0):
            n[z[i, t]] -= 1
            mass = (phi[:, x[i, t]] * (n + 0.3)).cumsum()
            z[i, t] = np.searchsorted(mass, draws[t] * mass[-1], side="right")
            n[z[i, t]] += 1
    state, told = jax.jit(gibbs.step)(state, batch)
    np.testing.assert_array_equal(np.array(state.topics)[x >= 0], z[x >= 0])
    np.testing.assert_allclose(told["log_likelihood"], [value, 60], rtol=1e-12)
    again = state_at(z[x >= 0], word, document, k, v, d)
    np.testing.assert_array_equal(state.word_topic, again.word_topic)
    np.testing.assert_array_equal(state.document_topic, again.document_topic)


@pytest.mark.parametrize("form", ["sequential", "parallel"])
def test_draws_are_of_the_posterior(form):
    """All 128 topics of seven tokens: their chance, and how often they were drawn."""
    every = np.array(list(itertools.product(range(2), repeat=7)))
    logs = np.array([joint(z, WORD, DOCUMENT, 2, 3, 3) for z in every])
    chance = np.exp(logs - logs.max())
    chance /= chance.sum()
    if form == "sequential":
        gibbs = lda.learner(2, 3, 3, ALPHA, BETA)
        batch = {
            "word": jnp.array(WORD, "int32"),
            "document": jnp.array(DOCUMENT, "int32"),
        }
        read = lambda topics: topics
    else:
        gibbs = lda_parallel.learner(2, 3, ALPHA, BETA)
        batch = {"x": jnp.array(ROWS, "int32"), "index": jnp.arange(3, dtype="int32")}
        read = lambda topics: topics[ROWS >= 0]
    chains, sweeps, thin = 1000, 30, 3

    @jax.jit
    @jax.vmap
    def walk(key):
        state = gibbs.init(key, batch)

        def some(state, _):
            step = lambda _, state: gibbs.step(state, batch)[0]
            state = jax.lax.fori_loop(0, thin, step, state)
            return state, read(state.topics)

        return jax.lax.scan(some, state, None, sweeps)[1]

    z = np.asarray(walk(jax.random.split(jax.random.key(0), chains)))[:, 5:]
    number = z.reshape(-1, 7) @ (2 ** np.arange(7)[::-1])
    found = np.bincount(number, minlength=128) / len(number)
    # 25,000 nearly independent draws: four standard errors each, and together.
    np.testing.assert_allclose(found, chance, atol=4 * np.sqrt(chance.max() / 20_000))
    assert np.abs(found - chance).sum() < 0.06


@pytest.mark.parametrize("form", ["sequential", "parallel"])
def test_one_topic_is_unigrams(form):
    """K = 1: nothing to draw; p(w, z) is that of one Dirichlet-multinomial."""
    if form == "sequential":
        state = lda.fit(KEY, WORD, DOCUMENT, 1, alpha=2.0, beta=BETA, sweeps=2)
    else:
        state = lda_parallel.fit(KEY, ROWS, 1, 3, alpha=2.0, beta=BETA, sweeps=2)
    n = np.bincount(WORD)
    expected = gammaln(n + BETA).sum() - 3 * gammaln(BETA)
    expected += gammaln(3 * BETA) - gammaln(7 + 3 * BETA)
    np.testing.assert_allclose(
        lda.log_likelihood(state, 2.0, BETA), expected, rtol=1e-12
    )
    np.testing.assert_allclose(lda.phi(state, BETA)[0], (n + BETA) / (7 + 3 * BETA))
    np.testing.assert_array_equal(lda.theta(state, 2.0), 1)


def planted(seed=0, documents=40, length=30):
    """Three topics with words of their own, each document of mostly one."""
    rng = np.random.default_rng(seed)
    phi = np.kron(np.eye(3), np.full(4, 0.25))
    x = np.empty((documents, length), np.int32)
    for row in x:
        theta = rng.dirichlet(np.full(3, 0.2))
        row[:] = [rng.choice(12, p=phi[rng.choice(3, p=theta)]) for _ in row]
    return x, phi


@pytest.mark.parametrize("form", ["sequential", "parallel"])
def test_finds_planted_topics(form):
    x, phi = planted()
    found = []
    for seed in range(5):
        key = jax.random.key(seed)
        if form == "sequential":
            word, document = x.ravel(), np.repeat(np.arange(len(x)), x.shape[1])
            state = lda.fit(key, word, document, 3, alpha=0.2, beta=0.05, sweeps=60)
        else:
            state = lda_parallel.fit(key, x, 3, 12, alpha=0.2, beta=0.05, sweeps=60)
        words = np.asarray(lda.phi(state, 0.05))
        overlap = np.minimum(words[:, None], phi[None]).sum(-1)
        all_three = sorted(overlap.argmax(1)) == [0, 1, 2]
        found.append(bool(all_three and overlap.max(1).min() > 0.9))
    print(found)
    assert sum(found) >= 4


def test_empty_documents_and_places_change_nothing():
    """Rows of -1 at the end, and -1 in lists: the others' draws stay the same."""
    batch = {"x": ROWS, "index": np.arange(3, dtype=np.int32)}
    gibbs = lda_parallel.learner(2, 3, ALPHA, BETA)
    run = lambda batch: jax.jit(gibbs.step)(gibbs.init(KEY, batch), batch)
    state, told = run(jax.tree.map(jnp.array, batch))
    more = np.concatenate([ROWS, np.full((2, 3), -1)])
    padded, told_too = run({"x": more, "index": np.arange(5, dtype=np.int32)})
    np.testing.assert_array_equal(padded.topics[:3], state.topics)
    np.testing.assert_array_equal(padded.word_topic, state.word_topic)
    np.testing.assert_array_equal(padded.document_topic[3:], 0)
    np.testing.assert_array_equal(lda.theta(padded, ALPHA)[3:], 0.5)
    np.testing.assert_allclose(
        told["log_likelihood"], told_too["log_likelihood"], rtol=1e-14
    )
    fill = lambda a, value: np.append(a, [value] * 3)
    z = jnp.array([0, 1, 1, 0, 1, 0, 0])
    state = state_at(z)
    filled = lda.start_at(
        state.key, fill(WORD, -1), fill(DOCUMENT, 1), fill(z, 1), 2, 3, 3
    )
    gibbs = lda.learner(2, 3, 3, ALPHA, BETA)
    batch = {"word": fill(WORD, -1), "document": fill(DOCUMENT, 1)}
    new, told = jax.jit(gibbs.step)(filled, batch)
    assert told["log_likelihood"][1] == new.word_topic.sum() == 7
    expected = lda.log_likelihood(state, ALPHA, BETA)
    np.testing.assert_allclose(told["log_likelihood"][0], expected, rtol=1e-14)
    np.testing.assert_array_equal(new.topics[7:], 1)


@pytest.mark.xdist_group("devices")
@pytest.mark.parametrize("form", ["sequential", "parallel"])
def test_one_device_equals_eight(form, devices):
    """Bit for bit, in float32, over several sweeps: integers, by the same numbers."""
    with jax.enable_x64(False):
        word, document = random_corpus(tokens=96, d=13)
        if form == "sequential":
            build = functools.partial(lda.learner, 3, 7, 13, 0.3, 0.05)
            batch = {"word": np.int32(word), "document": np.int32(document)}
        else:
            build = functools.partial(lda_parallel.learner, 3, 7, 0.3, 0.05)
            index = np.random.default_rng(2).permutation(16).astype(np.int32)
            batch = {"x": corpus.rows(word, document, 16)[index], "index": index}

        def run(form, devices):
            builder = lambda axis_name=None: build(axis_name=axis_name)
            engine = zoo.training.engine(builder, form, devices)
            state = engine.put_state(engine.init(jax.random.key(0), batch))
            for _ in range(3):
                state, told = engine.step(state, engine.put_batch(batch))
            return engine.get_state(state), jax.device_get(told)

        (one, told), (eight, told_too) = run("single", None), run("pmap", devices)
        for name in ("topics", "document_topic", "word_topic"):
            np.testing.assert_array_equal(getattr(eight, name), getattr(one, name))
        np.testing.assert_allclose(
            told_too["log_likelihood"], told["log_likelihood"], rtol=1e-6
        )


def test_dirichlet_draws():
    """Marginals are betas, also far below 1; rows are independent."""
    alpha = np.array([0.02, 0.3, 1.0, 4.0, 30.0])
    rows = jnp.broadcast_to(jnp.array(alpha), (20_000, 5))
    draws = np.asarray(jax.jit(lda_parallel.draw_dirichlet)(KEY, rows))
    np.testing.assert_allclose(draws.sum(1), 1, rtol=1e-12)
    for k in range(5):
        beta = stats.beta(alpha[k], alpha.sum() - alpha[k])
        assert stats.kstest(draws[:, k], beta.cdf).pvalue > 1e-3
    correlation = np.corrcoef(draws[:-1, 3], draws[1:, 3])[0, 1]
    assert abs(correlation) < 4 / np.sqrt(20_000)
    small = lda_parallel.draw_dirichlet(KEY, np.full((50, 3), 1e-3, np.float32))
    assert small.dtype == jnp.float32
    np.testing.assert_allclose(small.sum(1), 1, rtol=1e-6)


def test_seeds_and_lengths():
    """The same key, the same topics; ten sweeps are three and then seven."""
    fit = functools.partial(lda.fit, word=WORD, document=DOCUMENT, topics=2)
    a, b = fit(KEY, sweeps=10), fit(KEY, sweeps=10)
    np.testing.assert_array_equal(a.topics, b.topics)
    gibbs = lda.learner(2, 3, 3)
    batch = {"word": jnp.array(WORD), "document": jnp.array(DOCUMENT)}
    state = fit(KEY, sweeps=3)
    for _ in range(7):
        state, _ = jax.jit(gibbs.step)(state, batch)
    np.testing.assert_array_equal(state.topics, a.topics)


def test_rows_and_counts():
    word = np.array([5, 1, -1, 2, 2, 0])
    document = np.array([3, 0, 0, 3, 0, 3])
    x = corpus.rows(word, document, 5)
    expected = [[1, 2, -1], [-1] * 3, [-1] * 3, [5, 2, 0], [-1] * 3]
    np.testing.assert_array_equal(x, expected)
    assert x.dtype == np.int32
    counts = np.zeros((5, 6), int)
    for d, w in zip(document, word, strict=True):
        counts[d, w] += w >= 0
    np.testing.assert_array_equal(corpus.counts(x, 6), counts)
    assert corpus.rows(word, document).shape == (4, 3)


def test_shuffled():
    x = np.array([list(range(40)), list(range(20)) + [-1] * 20])
    found = np.asarray(corpus.shuffled(KEY, x))
    np.testing.assert_array_equal(np.sort(found[0]), x[0])
    np.testing.assert_array_equal(np.sort(found[1, :20]), x[1, :20])
    np.testing.assert_array_equal(found[1, 20:], -1)
    assert (found != x).sum() > 50


@pytest.mark.parametrize(
    "change, message",
    [
        ({"topics": 0}, "topics must be a positive integer, got 0"),
        ({"alpha": 0}, "alpha must be finite and above 0, got 0"),
        ({"alpha": np.inf}, "alpha must be finite and above 0, got inf"),
        ({"beta": -0.1}, "beta must be finite and above 0, got -0.1"),
        ({"sweeps": 0}, "sweeps must be a positive integer, got 0"),
        ({"vocabulary": 2}, "word must be from -1 to 1, below vocabulary, got 2"),
        ({"documents": 2}, "document must be from 0 to 1, below documents, got 2"),
        ({"vocabulary": 0}, "vocabulary must be a positive integer, got 0"),
        ({"word": WORD - 2}, "word must be from -1 to .*, got -2"),
        ({"document": DOCUMENT - 1}, "document must be from 0 to .*, got -1"),
        ({"word": WORD[:3]}, "word and document must be of one length, got 3 and 7"),
        ({"word": WORD * 1.0}, r"word must be integers \[T\], got float64 \[7\]"),
        ({"word": WORD[:0], "document": WORD[:0]}, "word must not be empty"),
        ({"word": WORD * 0 - 1}, "word must hold at least one token"),
    ],
)
def test_refuses(change, message):
    given = dict(word=WORD, document=DOCUMENT, topics=2, sweeps=1) | change
    with pytest.raises(ValueError, match=message):
        lda.fit(KEY, **given)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"topics": 0}, "topics must be a positive integer, got 0"),
        ({"alpha": -1.0}, "alpha must be finite and above 0, got -1"),
        ({"vocabulary": 2}, "x must be from -1 to 1, below vocabulary, got 2"),
        ({"x": ROWS - 1}, "x must be from -1 to 2, below vocabulary, got -2"),
        ({"x": WORD}, r"x must be integers \[D, L\], got int64 \[7\]"),
        ({"x": ROWS[:, :0]}, r"x must not be empty, got \[3, 0\]"),
        ({"x": ROWS * 0 - 1}, "x must hold at least one token, got -1 only"),
        ({"sweeps": 0}, "sweeps must be a positive integer, got 0"),
    ],
)
def test_parallel_refuses(change, message):
    given = dict(x=ROWS, topics=2, vocabulary=3, sweeps=1) | change
    with pytest.raises(ValueError, match=message):
        lda_parallel.fit(KEY, **given)


def test_sizes_must_be_given_where_values_cannot_be_read():
    traced = jax.jit(lambda word: lda.fit(KEY, word, DOCUMENT, 2, sweeps=1))
    with pytest.raises(
        ValueError, match="vocabulary must be given where word is traced"
    ):
        traced(WORD)
    sized = functools.partial(lda.fit, vocabulary=3, documents=3, sweeps=2)
    found = jax.jit(lambda word: sized(KEY, word, DOCUMENT, 2))(WORD)
    np.testing.assert_array_equal(found.topics, sized(KEY, WORD, DOCUMENT, 2).topics)


def test_alphas_side_by_side():
    """Priors are values: one program for all of them."""
    fit = lambda alpha: lda.fit(KEY, WORD, DOCUMENT, 2, 3, 3, alpha, BETA, sweeps=4)
    found = jax.vmap(fit)(jnp.array([0.1, 5.0]))
    for i, alpha in enumerate((0.1, 5.0)):
        np.testing.assert_array_equal(found.topics[i], fit(alpha).topics)
