"""What the rows of learners are made of."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from zoo.learner import Batch, Learner


class LearnerRow(NamedTuple):
    """A kind of learner, small: what the tests hold to the promises of all learners.

    Attributes:
        build: (axis_name=None) -> Learner.
        at: step -> a batch of 16 examples, as `at` of a stream.
        exempt: promises that it cannot keep, each with its reason.
    """

    build: Callable[..., Learner]
    at: Callable[[int], Batch]
    exempt: dict[str, str] = {}


def of(make: Callable[..., Learner], *args, **fields) -> Callable[..., Learner]:
    """A builder: of the parallel axis and nothing else."""
    return lambda axis_name=None: make(*args, **fields, axis_name=axis_name)


def labelled(step: int) -> Batch:
    rng = np.random.default_rng([0, step])
    x = rng.normal(size=(16, 6, 5, 1)).astype(np.float32)
    y = rng.integers(0, 3, 16).astype(np.int32)
    return {"x": x, "y": y, "index": np.arange(16, dtype=np.int32)}


def clouds(classes: int, apart: float) -> Callable[[int], Batch]:
    """Batches of 16 examples with 4 features, a cloud for each class."""

    def at(step: int) -> Batch:
        rng = np.random.default_rng([2, step])
        y = rng.permutation(np.arange(16) % classes).astype(np.int32)
        x = rng.normal(size=(16, 4)) + apart * np.eye(4)[y]
        index = np.arange(16, dtype=np.int32)
        return {"x": x.astype(np.float32), "y": y, "index": index}

    return at
