"""Streams over `grain`: data that is read example by example, in or out of core.

The same contract as `zoo.data.batches`: the batch is a pure function of
(seed, step), reshuffled each epoch, every example once an epoch, and it may
straddle two epochs. What makes this possible is that a `grain.MapDataset` is
random access: `dataset[position]` is defined for every position, and position
e N + i is example i of epoch e.

grain costs some 80 microseconds an example: arrays in memory are better served by
`zoo.data.batches`. It is imported only where a dataset is made here, being slow to
import.

References:
    Grain, "Feeding JAX models", https://google-grain.readthedocs.io
"""

import sys
from typing import Any

import numpy as np

from zoo.data.checks import whole_number
from zoo.data.gather import Batch, Transform, gathered
from zoo.data.stream import Stream


def grain_batches(
    source: Any, batch_size: int, seed: int = 0, transform: Transform | None = None
) -> Stream:
    """An endless shuffled stream over a source that is read example by example.

    Args:
        source: anything with `len(source)` and `source[i]` -> dict of arrays of one
            example, such as a `grain` data source.
        batch_size: examples of a global batch, from 1 to N.
        seed: from 0 to 2**64 - 1.
        transform: as in `zoo.data.batches`.

    Returns:
        A Stream; its batches carry what the examples carry, and `index` [B] (int32).

    Raises:
        ValueError: for an empty source, or a batch size or seed out of range.
    """
    import grain

    seed = whole_number("seed", seed, 0, 2**64 - 1)
    # grain shuffles epoch e by seed + e; without hashing, seed 1 is seed 0 an epoch on.
    hashed = int(np.random.SeedSequence(seed).generate_state(1)[0])
    dataset = grain.MapDataset.source(_Numbered(source)).shuffle(seed=hashed)
    return from_grain(dataset, batch_size, seed, transform)


def from_grain(
    map_dataset: Any,
    batch_size: int,
    seed: int = 0,
    transform: Transform | None = None,
) -> Stream:
    """The stream over a `grain.MapDataset` that the caller has put together.

    Args:
        map_dataset: a MapDataset of dicts of arrays, one example each. Each carries
            `index`, its number in the data set, given before any shuffle. Neither
            batched (that is done here) nor repeated (a stream has no end).
        batch_size: examples of a global batch, from 1 to N.
        seed: with the step, the key of the transform's generator; the order of the
            examples is the dataset's.
        transform: as in `zoo.data.batches`.

    Raises:
        ValueError: for a dataset that is empty or repeated, whose elements are not
            dicts with `index`, or a batch size or seed out of range.
    """
    examples = len(map_dataset)
    if examples >= sys.maxsize:
        raise ValueError("map_dataset is repeated; leave out .repeat()")
    examples = whole_number("len(map_dataset)", examples, 1, 2**31 - 1)
    batch_size = whole_number("batch_size", batch_size, 1, examples)
    seed = whole_number("seed", seed, 0, 2**64 - 1)
    _checked_element(map_dataset[0])

    def numbers(step: int, start: int, stop: int) -> np.ndarray:
        return np.arange(step * batch_size + start, step * batch_size + stop)

    def gather(positions: np.ndarray) -> Batch:
        elements = [_checked_element(map_dataset[int(i)]) for i in positions]
        if not elements:  # a process without rows: no element tells the shapes
            return {name: array[:0] for name, array in gather(np.arange(1)).items()}
        batch = {name: np.stack([e[name] for e in elements]) for name in elements[0]}
        batch["index"] = batch["index"].astype(np.int32)
        return batch

    at, rows = gathered(gather, numbers, batch_size, None, seed, transform)
    return Stream(at=at, rows=rows, batch_size=batch_size, examples=examples)


class _Numbered:
    """The source, each example with its number."""

    def __init__(self, source: Any):
        self.source = source

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, i: int) -> Batch:
        return {**self.source[i], "index": np.int32(i)}


def _checked_element(element: Any) -> Batch:
    if isinstance(element, dict) and "index" in element:
        return element
    found = sorted(element) if isinstance(element, dict) else type(element).__name__
    raise ValueError(
        "each element of map_dataset must be a dict with 'index', the number of the "
        f"example, but one is {found}; number the source before shuffling, and filter "
        "it beforehand"
    )
