"""Episodes: classification tasks of few examples, drawn from a data set's classes.

    task t   n of the classes, without replacement, in an order by chance: 0 .. n - 1
             k examples of each for the support, q others of each for the query

Which classes and examples these are depends on (seed, t) alone, and task t stands in
row t mod T of step t // T. Classes that are to be new at the test are kept apart by
`classes`: the training stream gets some, the other the rest.

Shapes: T tasks of a batch, n ways, k shots, q queries; S = n k, Q = n q.

References:
    Vinyals, Blundell, Lillicrap, Kavukcuoglu and Wierstra, "Matching networks for one
    shot learning", NeurIPS 2016, https://arxiv.org/abs/1606.04080
    Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011,
    https://doi.org/10.1145/2063384.2063405 (Philox)
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from zoo.data.checks import arrays_of, whole_number
from zoo.data.gather import Batch, gathered
from zoo.data.stream import Stream


def episodes(
    data: Mapping[str, np.ndarray],
    batch_size: int,
    ways: int = 5,
    shots: int = 1,
    queries: int = 5,
    classes: Sequence[int] | None = None,
    seed: int = 0,
    steps: int | None = None,
) -> Stream:
    """Batches of few-shot tasks.

    Args:
        data: `x`, [N, ...], and `y`, integer labels [N].
        batch_size: tasks of a global batch (T).
        ways: classes of a task (n), from 2 on.
        shots: examples of each class in the support (k).
        queries: and in the query (q).
        classes: labels that tasks are made of; None for all that there are.
        seed: from 0 to 2**64 - 1.
        steps: how many batches there are; None is without end.

    Returns:
        A Stream of `support` and `query`, dicts of `x`, [T, S or Q, ...], and `y`,
        int32; and `index` [T]. Classes take turns, so that every n examples in a row
        are one of each.

    Raises:
        ValueError: more ways than classes; a class with too few examples for shots
            and queries, or with none; labels that are not integers; a number out of
            range.
    """
    data, _ = arrays_of(data)
    if missing := {"x", "y"} - set(data):
        raise ValueError(f"data must hold x and y, but has no {sorted(missing)}")
    x, y = data["x"], data["y"]
    if y.ndim != 1 or y.dtype.kind not in "iu":
        raise ValueError(f"y must be integers [N], but is {y.dtype} {y.shape}")
    chosen = np.unique(y) if classes is None else np.asarray(classes)
    if len(np.unique(chosen)) != len(chosen):
        raise ValueError(f"classes must differ, but are {classes!r}")
    shots = whole_number("shots", shots, 1)
    queries = whole_number("queries", queries, 1)
    if not 2 <= whole_number("ways", ways, 2) <= len(chosen):
        raise ValueError(
            f"ways must be from 2 to {len(chosen)}, the classes that there are, "
            f"but is {ways}"
        )
    rows = [np.flatnonzero(y == label) for label in chosen]
    for label, row in zip(chosen, rows, strict=True):
        if len(row) < shots + queries:
            raise ValueError(
                f"shots + queries must be at most {len(row)}, the examples of class "
                f"{label}, but is {shots} + {queries}"
            )
    labels = np.arange(ways, dtype=np.int32)

    def make(rng: np.random.Generator) -> Batch:
        some = rng.permutation(len(chosen))[:ways]
        drawn = [rng.choice(rows[c], shots + queries, replace=False) for c in some]
        drawn = np.stack(drawn, 1)  # [k + q, n]
        return {
            name: {"x": x[part.ravel()], "y": np.tile(labels, len(part))}
            for name, part in (("support", drawn[:shots]), ("query", drawn[shots:]))
        }

    return of_tasks(make, batch_size, seed, steps)


def of_tasks(
    make: Callable[[np.random.Generator], Batch],
    batch_size: int,
    seed: int = 0,
    steps: int | None = None,
) -> Stream:
    """Batches of tasks that are made by chance.

    Args:
        make: generator -> one task: `support` and `query`, dicts of arrays; always of
            the same shapes.
        batch_size: tasks of a global batch (T).
        seed: with a task's number it decides the task; from 0 to 2**64 - 1.
        steps: how many batches there are; None is without end.

    Returns:
        A Stream; a process makes its own rows only. An endless stream has no epoch:
        its `examples` are those of a batch.

    Raises:
        ValueError: a number out of range.
    """
    batch_size = whole_number("batch_size", batch_size, 1)
    seed = whole_number("seed", seed, 0, 2**64 - 1)
    if steps is not None:
        steps = whole_number("steps", steps, 1)

    def numbers(step: int, start: int, stop: int) -> np.ndarray:
        return np.arange(step * batch_size + start, step * batch_size + stop)

    def gather(index: np.ndarray) -> Batch:
        tasks = [make(_generator(seed, i)) for i in index]
        parts = {
            part: {
                name: np.stack([task[part][name] for task in tasks]) for name in each
            }
            for part, each in tasks[0].items()
        }
        return {**parts, "index": (index % 2**31).astype(np.int32)}

    at, rows = gathered(gather, numbers, batch_size, steps, seed, None)
    return Stream(
        at=at,
        rows=rows,
        batch_size=batch_size,
        examples=batch_size * (steps or 1),
        steps=steps,
    )


def _generator(seed, number):
    bits = np.random.Philox(key=np.array([seed, number], np.uint64))
    return np.random.Generator(bits)
