"""word2vec against gensim: words read per second, and the likeness of words.

Skip-gram with negative samples: 100 features, five words to each side, five negatives,
frequent words dropped at 1e-3, the rate from 0.1 down; a word counts each time it is
read, kept or dropped. Ours takes 256 pairs a step, in the order of the text, a hundred
steps in one call; gensim, its C code, pair by pair, with two workers, which write over
each other. Both make their batches as they go. What they learn is compared first: the
cosines of the hundred most frequent words with each other must correlate. XLA has one
thread: with two, which wait for each other in operations of microseconds, it takes
twice as long. The next batches are made meanwhile.

`shared` is another algorithm, with the same settings: 16 pairs share their five
negatives, and come in an order drawn anew in each epoch, so that they are seldom of
one word; in the order of the text it diverges at this rate.

`similarity` asks what readers said of pairs of words (WordSim-353, of which gensim has
a copy): the rank correlation of their marks with the cosines, from five seeds of each.
The text is in benchmarks/book.py.
"""

import time
from typing import Any, NamedTuple

import jax
import numpy as np

from benchmarks.book import book
from benchmarks.results import Figure
from benchmarks.timing import interleaved
from zoo.data import Words, contexts, text
from zoo.data.words import tokenise
from zoo.sequence import word2vec

NAMES = (
    *("vectors.word2vec", "vectors.shared"),
    *("vectors.similarity", "vectors.shared.similarity"),
)
FEATURES, WINDOW, NEGATIVE, EPOCHS, ROWS, CALL, PAIRS = 100, 5, 5, 5, 256, 100, 5
WORKERS, ALIKE, RATES, SEEDS, GROUP = 2, 0.5, (0.1, 1e-4), 5, 16
OTHER = f"skip-gram whose negatives {GROUP} pairs share, another algorithm"


class Text(NamedTuple):
    """A text as both read it.

    Attributes:
        sentences: gensim's, a thousand words each.
        found: ours.
        fields: gensim's settings.
    """

    sentences: list[list[str]]
    found: Words
    fields: dict[str, Any]


def measure() -> list[Figure]:
    """Speed on the embedded text; see the module."""
    from gensim.models import Word2Vec  # late: a reference

    given = _text(text("moby_dick"))
    plain, shared = (_ours(given.found, name) for name in ("negative", "shared"))

    def theirs(seed):
        model = Word2Vec(**given.fields, workers=WORKERS, seed=seed)
        model.build_vocab(given.sentences)
        began = time.perf_counter()
        total = len(given.sentences)
        model.train(given.sentences, total_examples=total, epochs=EPOCHS)
        return time.perf_counter() - began, model.wv.vectors

    gensim, own = _cosines(theirs(1)[1]), _cosines(plain(0)[1])
    numbers, names = given.found.numbers, given.found.names
    read = EPOCHS * len(numbers)
    size = f"{len(numbers):,} words of {len(names):,}, {FEATURES} features"

    def figure(name, what, run):
        found = _cosines(run(0)[1])
        alike = np.corrcoef(found, gensim)[0, 1]
        assert alike >= ALIKE, f"cosines of frequent words correlate by {alike:.2f}"
        what += f", {size}, {EPOCHS} epochs; cosines correlate by {alike:.2f}"
        if run is not plain:
            what += f", and by {np.corrcoef(found, own)[0, 1]:.2f} with skip-gram's"
        pairs = interleaved(lambda: run(0)[0], lambda: theirs(1)[0], PAIRS)
        return Figure(
            name=name,
            what=what,
            value=read / pairs.ours,
            unit="words/s",
            reference=f"gensim, {WORKERS} workers",
            reference_value=read / pairs.theirs,
            ratio=pairs.ratio,
            claim="ratio >= 1.0",
            seed=0,
        )

    return [
        figure("vectors.word2vec", "skip-gram", plain),
        figure("vectors.shared", OTHER, shared),
    ]


def similarity() -> list[Figure]:
    """How well cosines rank the pairs of WordSim-353; see the module."""
    from gensim.models import KeyedVectors, Word2Vec
    from gensim.test.utils import datapath

    given = _text(book())

    def marked(vectors):
        known = KeyedVectors(FEATURES)
        known.add_vectors(list(given.found.names), np.asarray(vectors))
        _, ranks, missing = known.evaluate_word_pairs(datapath("wordsim353.tsv"))
        return float(ranks.statistic), missing

    theirs = []
    for seed in range(SEEDS):
        model = Word2Vec(
            given.sentences, **given.fields, epochs=EPOCHS, workers=1, seed=seed + 1
        )
        mark, missing = marked(model.wv.vectors)
        theirs.append(mark)
    told = lambda marks: " ".join(f"{mark:.3f}" for mark in marks)

    def figure(name, what, objective):
        run = _ours(given.found, objective)
        found = [marked(run(seed)[1])[0] for seed in range(SEEDS)]
        return Figure(
            name=name,
            what=f"{what}, {len(given.found.numbers):,} words: mean of {SEEDS} "
            f"seeds' rank correlations with WordSim-353 without the {missing:.0f} % of "
            f"its pairs that are not in the text ({told(found)}; gensim "
            f"{told(theirs)}), against gensim's worst seed",
            value=float(np.mean(found)),
            reference="gensim, worst of its seeds",
            reference_value=min(theirs),
            ratio=float(np.mean(found) / min(theirs)),
            claim="ratio >= 1.0",
        )

    return [
        figure("vectors.similarity", "skip-gram", "negative"),
        figure("vectors.shared.similarity", OTHER, "shared"),
    ]


def _text(written: str) -> Text:
    from gensim.models import Word2Vec

    every = tokenise(written)
    sentences = [every[i : i + 1000] for i in range(0, len(every), 1000)]
    fields = dict(vector_size=FEATURES, window=WINDOW, negative=NEGATIVE, sg=1)
    fields |= dict(min_count=5, sample=1e-3, alpha=RATES[0], min_alpha=RATES[1])
    vocabulary = Word2Vec(**fields)
    vocabulary.build_vocab(sentences)
    names = vocabulary.wv.index_to_key
    place = {name: i for i, name in enumerate(names)}
    numbers = np.array([place[w] for w in every if w in place], np.int32)
    counts = np.array([vocabulary.wv.get_vecattr(name, "count") for name in names])
    return Text(sentences, Words(numbers, tuple(names), counts), fields)


def _ours(found, objective):
    """seed -> seconds and vectors; a hundred steps are one program, compiled once."""
    stream = contexts(found, ROWS, window=WINDOW, shuffle=objective == "shared")
    steps = EPOCHS * int(stream.steps_per_epoch) // CALL * CALL
    high, low = RATES
    fall = lambda step: high + (low - high) / steps * step  # optax's costs 14 us a step
    fields = dict(negative=NEGATIVE, group=GROUP)
    learner = word2vec.learner(found.counts, FEATURES, fall, objective, **fields)
    scan = lambda state, batches: jax.lax.scan(learner.step, state, batches)[0]
    advance = jax.jit(scan, donate_argnums=0)

    def run(seed):
        state = learner.init(jax.random.key(seed), stream.at(0))
        began = time.perf_counter()
        for first in range(0, steps, CALL):
            batches = [stream.at(i) for i in range(first, first + CALL)]
            state = advance(state, jax.tree.map(lambda *a: np.stack(a), *batches))
        jax.block_until_ready(state)
        return time.perf_counter() - began, state.inputs

    return run


def _cosines(vectors) -> np.ndarray:
    v = np.asarray(vectors)[:100]
    v = v / np.linalg.norm(v, axis=1, keepdims=True)
    return (v @ v.T)[np.triu_indices(100, 1)]
