"""word2vec on the embedded text, in words read per second, against gensim.

Skip-gram with negative samples: 100 features, five words to each side, five negatives,
frequent words dropped at 1e-3, the rate from 0.1 down; a word counts each time it is
read, kept or dropped. Ours takes 256 pairs a step, in the order of the text, a hundred
steps in one call; gensim, its C code, pair by pair, with two workers, which write over
each other. Both make their batches as they go. What they learn is compared first: the
cosines of the hundred most frequent words with each other must correlate.
"""

import time

import jax
import numpy as np
import optax

from benchmarks.results import Figure
from benchmarks.timing import interleaved
from zoo.data import Words, contexts, text
from zoo.data.words import tokenise
from zoo.sequence import word2vec

NAMES = ("vectors.word2vec",)
FEATURES, WINDOW, NEGATIVE, EPOCHS, ROWS, CALL, PAIRS = 100, 5, 5, 5, 256, 100, 5
WORKERS, ALIKE, RATES = 2, 0.5, (0.1, 1e-4)


def measure() -> list[Figure]:
    """One figure; see the module."""
    from gensim.models import Word2Vec  # late: a reference

    every = tokenise(text("moby_dick"))
    sentences = [every[i : i + 1000] for i in range(0, len(every), 1000)]
    fields = dict(vector_size=FEATURES, window=WINDOW, negative=NEGATIVE, sg=1)
    fields |= dict(min_count=5, sample=1e-3, alpha=RATES[0], min_alpha=RATES[1])
    vocabulary = Word2Vec(**fields)
    vocabulary.build_vocab(sentences)
    names = vocabulary.wv.index_to_key
    place = {name: i for i, name in enumerate(names)}
    numbers = np.array([place[w] for w in every if w in place], np.int32)
    counts = np.array([vocabulary.wv.get_vecattr(name, "count") for name in names])
    found = Words(numbers, tuple(names), counts)
    advance, start, stream, steps = _ours(found)

    def ours():
        state, began = start(), time.perf_counter()
        for first in range(0, steps, CALL):
            batches = [stream.at(i) for i in range(first, first + CALL)]
            state = advance(state, jax.tree.map(lambda *a: np.stack(a), *batches))
        jax.block_until_ready(state)
        return time.perf_counter() - began, state.inputs

    def theirs():
        model = Word2Vec(**fields, workers=WORKERS, seed=1)
        model.build_vocab(sentences)
        began = time.perf_counter()
        model.train(sentences, total_examples=len(sentences), epochs=EPOCHS)
        return time.perf_counter() - began, model.wv.vectors

    alike = np.corrcoef(_cosines(ours()[1]), _cosines(theirs()[1]))[0, 1]
    assert alike >= ALIKE, f"cosines of frequent words correlate by {alike:.2f} only"
    pairs = interleaved(lambda: ours()[0], lambda: theirs()[0], PAIRS)
    read = EPOCHS * len(numbers)
    return [
        Figure(
            name=NAMES[0],
            what=f"skip-gram, {len(numbers):,} words of {len(names):,}, {FEATURES} "
            f"features, {EPOCHS} epochs; cosines correlate by {alike:.2f}",
            value=read / pairs.ours,
            unit="words/s",
            reference=f"gensim, {WORKERS} workers",
            reference_value=read / pairs.theirs,
            ratio=pairs.ratio,
            seed=0,
        )
    ]


def _ours(found):
    """A hundred steps as one program, a first state, the batches and their number."""
    stream = contexts(found, ROWS, window=WINDOW, shuffle=False)
    steps = EPOCHS * int(stream.steps_per_epoch) // CALL * CALL
    rate = optax.linear_schedule(*RATES, steps)
    learner = word2vec.learner(found.counts, FEATURES, rate, negative=NEGATIVE)
    scan = lambda state, batches: jax.lax.scan(learner.step, state, batches)[0]
    start = lambda: learner.init(jax.random.key(0), stream.at(0))
    return jax.jit(scan, donate_argnums=0), start, stream, steps


def _cosines(vectors) -> np.ndarray:
    v = np.asarray(vectors)[:100]
    v = v / np.linalg.norm(v, axis=1, keepdims=True)
    return (v @ v.T)[np.triu_indices(100, 1)]
