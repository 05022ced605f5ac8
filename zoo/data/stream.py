"""Streams: a batch is a pure function of (seed, step).

    epoch e    permutation p_e of 0..N-1, drawn from Philox with key (seed, e)
    sequence   p_0, p_1, p_2, ... one after the other, without end
    step t     positions t B .. (t + 1) B - 1 of that sequence

So a batch may straddle two epochs, every example appears exactly once an epoch,
and a run resumes from its step number alone: there is no iterator state to save.

A batch is a dict of NumPy arrays whose leading axis is examples. `index` is the
number of each example in the data set; `weight` (in evaluation) is 0 for padding.
A batch of zipped streams is a dict of such dicts.

Shapes: N examples of the data set, B examples of a batch, over all devices.

References:
    Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011,
    https://doi.org/10.1145/2063384.2063405 (Philox)
"""

import dataclasses
import functools
from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from zoo.data.checks import arrays_of, whole_number
from zoo.data.gather import At, Batch, Rows, Transform, gathered, sliced


@dataclasses.dataclass(frozen=True)
class Stream:
    """Batches by step number.

    Attributes:
        at: step -> the global batch; a pure function.
        batch_size: examples of a global batch (B).
        examples: examples of one epoch (N).
        steps: how many batches there are; None is without end.
        constant: whether `at` gives the same batch for every step.
        rows: (step, start, stop) -> these rows of the global batch, a process's
            share; by default a slice of `at(step)`.
    """

    at: At
    batch_size: int
    examples: int
    steps: int | None = None
    constant: bool = False
    rows: Rows | None = None

    def __post_init__(self):
        if self.rows is None:
            object.__setattr__(self, "rows", sliced(self.at))

    @property
    def steps_per_epoch(self) -> int | float:
        """Steps of one epoch, N / B; an int where B divides N."""
        whole, rest = divmod(self.examples, self.batch_size)
        return self.examples / self.batch_size if rest else whole


def batches(
    data: Mapping[str, np.ndarray],
    batch_size: int,
    seed: int = 0,
    shuffle: bool = True,
    transform: Transform | None = None,
) -> Stream:
    """An endless stream of shuffled batches, for training.

    Args:
        data: arrays of N examples each, by name, such as x and y.
        batch_size: examples of a global batch, from 1 to N.
        seed: from 0 to 2**64 - 1; with the step it decides the batch.
        shuffle: False keeps the order of the data set in every epoch.
        transform: (batch, rng) -> batch, with a generator of its own for each step:
            augmentation, or `to_float`. A transform that treats each example alone
            and draws nothing may say so by an attribute `rowwise = True`: then rng is
            None, and a process computes its own rows only.

    Returns:
        A Stream; its batches carry what `data` carries, and `index` [B] (int32).

    Raises:
        ValueError: for arrays of unequal length, a name that is taken, or a batch
            size or seed out of range.
    """
    data, examples = arrays_of(data)
    batch_size = whole_number("batch_size", batch_size, 1, examples)
    seed = whole_number("seed", seed, 0, 2**64 - 1)

    @functools.lru_cache(maxsize=2)  # a batch straddles two epochs at most
    def permutation(epoch: int) -> np.ndarray:
        if not shuffle:
            return np.arange(examples)
        bits = np.random.Philox(key=np.array([seed, epoch], np.uint64))
        return np.random.Generator(bits).permutation(examples)

    def numbers(step: int, start: int, stop: int) -> np.ndarray:
        epoch, first = divmod(step * batch_size + start, examples)
        last = first + stop - start
        head = permutation(epoch)[first:last]
        if last <= examples:
            return head
        return np.concatenate([head, permutation(epoch + 1)[: last - examples]])

    def gather(index: np.ndarray) -> Batch:
        return {name: array[index] for name, array in data.items()}

    at, rows = gathered(gather, numbers, batch_size, None, seed, transform)
    return Stream(at=at, rows=rows, batch_size=batch_size, examples=examples)


def once(
    data: Mapping[str, np.ndarray],
    batch_size: int,
    transform: Transform | None = None,
) -> Stream:
    """A finite stream that counts each example exactly once, for evaluation.

    The last batch is filled up with example 0 at weight 0, so all have one shape.

    Args:
        data: arrays of N examples each, by name. A `weight` [N] among them is kept,
            and is 0 in the padding.
        batch_size: examples of a global batch, at least 1; it may exceed N.
        transform: as in `batches`, with seed 0.

    Returns:
        A Stream of ceil(N / B) steps; its batches carry what `data` carries, `index`
        [B] (int32) and `weight` [B] (float32).

    Raises:
        ValueError: for arrays of unequal length, a name that is taken, or a batch
            size out of range.
    """
    data, examples = arrays_of(data)
    batch_size = whole_number("batch_size", batch_size, 1)
    steps = -(-examples // batch_size)
    weight = np.asarray(data.get("weight", np.ones(examples)), np.float32)
    if weight.shape != (examples,):
        raise ValueError(f"data['weight'] must be [{examples}], but is {weight.shape}")

    def numbers(step: int, start: int, stop: int) -> np.ndarray:
        return np.arange(step * batch_size + start, step * batch_size + stop)

    def gather(index: np.ndarray) -> Batch:
        present = index < examples
        index = np.where(present, index, 0)
        batch = {name: array[index] for name, array in data.items()}
        batch["index"] = index.astype(np.int32)
        batch["weight"] = np.where(present, weight[index], np.float32(0))
        return batch

    at, rows = gathered(gather, numbers, batch_size, steps, 0, transform)
    return Stream(
        at=at, rows=rows, batch_size=batch_size, examples=examples, steps=steps
    )


def constant(batch: Mapping[str, np.ndarray]) -> Stream:
    """The same batch at every step; the loop places it on the device once.

    Args:
        batch: arrays of N examples each, by name; `index` is added where it lacks.

    Raises:
        ValueError: for no array, or arrays of unequal length.
    """
    arrays, examples = arrays_of(batch, reserved=())
    arrays.setdefault("index", np.arange(examples, dtype=np.int32))

    def at(step: int) -> Batch:
        whole_number("step", step, 0)
        return dict(arrays)

    return Stream(at=at, batch_size=examples, examples=examples, constant=True)


def zipped(**streams: Stream) -> Stream:
    """Several streams side by side; their epochs may differ in length.

    Args:
        streams: by name; all of one batch size. Finite ones have one step count, so
            that none loses examples.

    Returns:
        A Stream whose batch is {name: batch of that stream}. Its `examples` are those
        of the longest.

    Raises:
        ValueError: for no stream, or for batch sizes or step counts that differ.
    """
    if not streams:
        raise ValueError("zipped: no stream was given; give at least one, by name")
    sizes = {name: s.batch_size for name, s in streams.items()}
    if len(set(sizes.values())) > 1:
        raise ValueError(f"zipped: batch sizes differ, {sizes}; they must be equal")
    counts = {name: s.steps for name, s in streams.items() if s.steps is not None}
    if len(set(counts.values())) > 1:
        raise ValueError(f"zipped: step counts differ, {counts}; they must be equal")
    return Stream(
        at=lambda step: {name: s.at(step) for name, s in streams.items()},
        rows=lambda step, start, stop: {
            name: s.rows(step, start, stop) for name, s in streams.items()
        },
        batch_size=next(iter(sizes.values())),
        examples=max(s.examples for s in streams.values()),
        steps=min(counts.values(), default=None),
        constant=all(s.constant for s in streams.values()),
    )


@dataclasses.dataclass(frozen=True)
class standardize:  # used as a function, as to_float
    """The transform (x - mean) / std as float32, with the moments of other data.

    Args:
        data: the training set; the mean and the standard deviation are over all
            values of its x.

    Raises:
        ValueError: if all values are equal.

    >>> standardize({"x": np.array([1, 3], np.uint8)})({"x": np.array([5])}, None)["x"]
    array([3.], dtype=float32)
    """

    data: dataclasses.InitVar[Mapping[str, np.ndarray]]
    mean: float = dataclasses.field(init=False)
    std: float = dataclasses.field(init=False)
    rowwise: ClassVar[bool] = True

    def __post_init__(self, data):
        object.__setattr__(self, "mean", float(np.mean(data["x"])))
        object.__setattr__(self, "std", float(np.std(data["x"])))
        if not 0 < self.std < float("inf"):
            raise ValueError(f"x must vary and be finite, but its std is {self.std}")

    def __call__(self, batch: Batch, rng: np.random.Generator | None) -> Batch:
        del rng
        x = np.subtract(batch["x"], np.float32(self.mean), dtype=np.float32)
        return {**batch, "x": np.divide(x, np.float32(self.std), out=x)}


@dataclasses.dataclass(frozen=True)
class to_float:  # used as a function; as a class it can be compared and printed
    """The transform x / scale as float32, such as pixels 0..255 to 0..1.

    Args:
        scale: the largest value of x: `dataset.scale`.

    >>> to_float(255)({"x": np.array([0, 255], np.uint8)}, None)["x"]
    array([0., 1.], dtype=float32)
    """

    scale: float
    rowwise: ClassVar[bool] = True

    def __post_init__(self):
        if not 0 < self.scale < float("inf"):
            raise ValueError(
                f"scale must be positive and finite, but is {self.scale!r}"
            )

    def __call__(self, batch: Batch, rng: np.random.Generator | None) -> Batch:
        del rng
        x = np.divide(batch["x"], np.float32(self.scale), dtype=np.float32)
        return {**batch, "x": x}
