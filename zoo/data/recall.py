"""A task of memory: which symbol came first, after so many others.

    d f f g ... f ?      d: one of S symbols; f, g, ...: distractors; ?: the question
    0 1 2 3     T-1      the answer, d, is told at the question and counts there alone

Between the symbol and the question there are D distractors, drawn evenly from an
alphabet of their own: what is to be kept stands out, and must be kept from them.

Shapes: B rows, T = D + 2 tokens.

References:
    Hochreiter and Schmidhuber, "Long short-term memory", Neural Computation 1997,
    https://doi.org/10.1162/neco.1997.9.8.1735 (experiment 2 is of this kind)
"""

import numpy as np

from zoo.data.checks import whole_number
from zoo.data.gather import Batch
from zoo.data.stream import Stream

QUESTION = 0


def recall(batch_size: int, delay: int, symbols: int = 8, seed: int = 0) -> Stream:
    """Rows that are drawn anew for every step.

    Args:
        batch_size: rows (B).
        delay: distractors between the symbol and the question (D), from 0 on.
        symbols: how many there are (S), from 2 on; there are as many distractors.
        seed: from 0 to 2**64 - 1; with the step it decides the batch.

    Returns:
        An endless stream of `x`, int32 [B, T], tokens below 2 S + 1; `y`, int32 [B, T],
        the symbol; `mask`, bool [B, T], True at the question; and `index` [B].

    Raises:
        ValueError: a number out of range.

    >>> batch = recall(1, delay=3).at(0)
    >>> int(batch["x"][0, 0]) == int(batch["y"][0, -1]), int(batch["x"][0, -1])
    (True, 0)
    """
    batch_size = whole_number("batch_size", batch_size, 1)
    delay = whole_number("delay", delay, 0)
    symbols = whole_number("symbols", symbols, 2)
    seed = whole_number("seed", seed, 0, 2**64 - 1)

    def at(step: int) -> Batch:
        step = whole_number("step", step, 0)
        bits = np.random.Philox(key=np.array([seed, step], np.uint64))
        rng = np.random.Generator(bits)
        first = 1 + rng.integers(0, symbols, (batch_size, 1), np.int32)
        size = (batch_size, delay)
        others = 1 + symbols + rng.integers(0, symbols, size, np.int32)
        last = np.full((batch_size, 1), QUESTION, np.int32)
        x = np.concatenate([first, others, last], axis=1)
        return {
            "x": x,
            "y": np.repeat(first, delay + 2, axis=1),
            "mask": np.repeat(np.arange(delay + 2)[None] == delay + 1, batch_size, 0),
            "index": np.arange(batch_size, dtype=np.int32),
        }

    return Stream(at=at, batch_size=batch_size, examples=batch_size)
