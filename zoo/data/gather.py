"""What the streams of examples share: from numbers of examples to a batch.

A stream is made of two functions: `numbers(step, start, stop)` says which examples
stand in these rows of a step's batch, `gather(numbers)` fetches them. What the two
have in common for every source is here: `index`, the transform and its generator,
and the share of one process.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from zoo.data.checks import rows_within, whole_number

Batch = dict[str, Any]  # arrays by name, or batches by name where streams are zipped
Transform = Callable[[Batch, np.random.Generator], Batch]
At = Callable[[int], Batch]
Rows = Callable[[int, int, int], Batch]


def sliced(at: At) -> Rows:
    """The rows of a batch, cut out of the whole of it."""

    def cut(tree, start, stop):
        if isinstance(tree, dict):
            return {name: cut(value, start, stop) for name, value in tree.items()}
        rows_within(start, stop, len(tree))
        return tree[start:stop]

    return lambda step, start, stop: cut(at(step), start, stop)


def gathered(
    gather: Callable[[np.ndarray], Batch],
    numbers: Callable[[int, int, int], np.ndarray],
    batch_size: int,
    steps: int | None,
    seed: int,
    transform: Transform | None,
) -> tuple[At, Rows]:
    """The two functions of a stream, `at` and `rows`.

    Args:
        gather: numbers [n] -> batch of these n examples.
        numbers: (step, start, stop) -> numbers of these rows' examples [n].
        batch_size: rows of the global batch.
        steps: how many batches there are; None is without end.
        seed: with the step, the key of the transform's generator.
        transform: (batch, rng) -> batch, or None.
    """
    rowwise = transform is None or getattr(transform, "rowwise", False)
    last = None if steps is None else steps - 1

    def compute(step: int, start: int, stop: int) -> Batch:
        chosen = numbers(step, start, stop)
        batch = gather(chosen)
        batch.setdefault("index", chosen.astype(np.int32))
        if transform is None:
            return batch
        # A row-wise transform draws nothing, and a generator costs 10 microseconds.
        batch = transform(batch, None if rowwise else _generator(seed, step))
        if not isinstance(batch, dict):
            raise ValueError(f"transform must return a dict, but gave {batch!r:.80}")
        return batch

    def at(step: int) -> Batch:
        return compute(whole_number("step", step, 0, last), 0, batch_size)

    def rows(step: int, start: int, stop: int) -> Batch:
        rows_within(start, stop, batch_size)
        return compute(whole_number("step", step, 0, last), start, stop)

    return at, rows if rowwise else sliced(at)


def _generator(seed: int, step: int) -> np.random.Generator:
    # The counter keeps these draws apart from the permutations', which start at 0.
    key = np.array([seed, step], np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=[0, 0, 0, 1]))
