"""Sweeps: one learner over a grid of hyperparameters and seeds, as one program.

A builder is cheap and takes traced values, so `build(learning_rate=...)` can be mapped:

    runs = grid x seeds;  states = vmap(init)(runs);  scan over steps of vmap(step)

Every run sees the same batches, so what multiplies the inputs is one large matmul for
all runs. Several devices take equal shares of the runs; nothing is reduced.

Compiling is most of a short sweep. A `sweeper` compiles once for all its sweeps, if
the runs go `at_once` at a time: thirty-six rates and then ten seeds, four at once, are
twelve calls of one program.

On a CPU a convolution mapped over kernels becomes a grouped convolution, and one
inside a scan is slower still (a factor of fifty); learners that convolve are looped
there: one compiled step for all runs, one run after another. So are those that
decompose matrices. SOAP does that in one step of ten, but mapped it would be in each,
since runs that are mapped take both sides of every branch; and thirty-six QR
decompositions of 784 x 784 in one program were seen to wait for each other for ever.
"""

import functools
import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from zoo.data.stream import Stream
from zoo.errors import unknown
from zoo.training.keys import is_key
from zoo.training.loop import positive
from zoo.training.mapped import Mapped, looped, looped_on_cpu, scanned
from zoo.training.progress import Progress

MODES = ("scan", "loop")


class SweepResult(NamedTuple):
    """What a sweep leaves; R runs, W reports.

    Attributes:
        points: for each run, its hyperparameters and `seed`.
        steps: the step at the end of each report's window, [W].
        history: name -> mean over each window, [R, W].
        final: name -> evaluation at the end, [R]; empty without an evaluation.
        states: the last states, a leading axis R on every leaf, on the host.
        path: snapshots of the first run, at its start and at each report, an axis
            W + 1 on every leaf, on the host; None if none were asked for.
        seconds: from the first call to the last result, compiling included.
    """

    points: list[dict[str, float]]
    steps: np.ndarray
    history: dict[str, np.ndarray]
    final: dict[str, np.ndarray]
    states: Any
    path: Any
    seconds: float


def sweep(
    build: Callable,
    stream: Stream,
    steps: int,
    *,
    grid: Mapping[str, Sequence[float]],
    seeds: Sequence[int] = (0,),
    evaluation: Stream | None = None,
    progress: Progress | None = None,
    label: str = "sweep",
    **options: Any,
) -> SweepResult:
    """Runs a learner once for every point of the grid and every seed.

    A run is `fit(partial(build, **point), stream, steps, seed=seed)`, to rounding. A
    run that diverges is reported with its NaN, and the others go on.

    Args:
        build: build(axis_name=None, **point) -> Learner; the point's values are traced.
        stream: the batches, the same for all runs.
        steps: how many, for each run.
        grid: hyperparameter -> values.
        seeds: of the learner's key.
        evaluation: a finite stream, on which every run is evaluated at its end.
        progress: a display of which a bar is begun; None shows nothing.
        label: what the bar is called.
        **options: of `sweeper`.

    Raises:
        ValueError: an empty grid axis, a value that is not a number, a bad count.
    """
    once = sweeper(build, stream, steps, **options)
    return once(grid, seeds, evaluation, progress, label)


def sweeper(
    build: Callable,
    stream: Stream,
    steps: int,
    *,
    log_every: int | None = None,
    devices: Sequence | None = None,
    mode: str | None = None,
    at_once: int | None = None,
    snapshot: Callable | None = None,
) -> Callable[..., SweepResult]:
    """A function that sweeps, and compiles only when it must.

    Args:
        build: as for `sweep`; also stream and steps.
        stream: the batches.
        steps: of each run.
        log_every: steps between reports; None: a tenth of `steps`.
        devices: over which the runs are shared in mode `scan`; None for all.
        mode: `scan` or `loop`; None: `loop` on a CPU for a learner that convolves or
            decomposes matrices, else `scan`.
        at_once: how many runs one program of mode `scan` takes; None for all of a
            sweep. Sweeps of other sizes share a program if it is given, and memory is
            bounded. The last program of a sweep is filled up.
        snapshot: state -> what of it is kept on the way of each sweep's first run.

    Returns:
        run(grid, seeds=(0,), evaluation=None, progress=None, label="sweep"), which
        returns a `SweepResult` and takes what `sweep` takes.

    Raises:
        ValueError: a bad count, an unknown mode.
    """
    positive("steps", steps)
    log_every = min(steps, log_every or -(-steps // 10))
    positive("log_every", log_every)
    if at_once is not None:
        positive("at_once", at_once)
    if mode not in (None, *MODES):
        raise unknown("sweep mode", mode, MODES)
    devices = tuple(devices or jax.devices())
    ends = [min(i + log_every, steps) for i in range(0, steps, log_every)]
    mapped = Mapped(build, stream.at(0))

    @functools.cache
    def programs(form, size):
        if form == "loop":
            return looped(mapped, stream, ends, snapshot)
        return scanned(mapped, stream, ends, snapshot, size, devices)

    def run(grid, seeds=(0,), evaluation=None, progress=None, label="sweep"):
        nonlocal mode
        began = time.perf_counter()
        points = _points(grid, seeds)
        columns = {k: np.array([p[k] for p in points]) for k in points[0]}
        if mode is None:
            mode = "loop" if looped_on_cpu(mapped, points[0]) else "scan"
        progress = progress or Progress(enabled=False)
        runs = "1 run" if len(points) == 1 else f"{len(points)} runs"
        progress.begin(f"{label}, {runs}", len(points) * steps)
        size = 1 if mode == "loop" else at_once or len(points)
        parts, paths = [], []
        for first in range(0, len(points), size):
            part = {k: v[first : first + size] for k, v in columns.items()}
            done = lambda n, first=first: progress.update(first * steps + n)
            kept, path = programs(mode, size)(part, evaluation, done)
            parts.append(kept)
            paths.append(path)
        states, windows, final = _joined(np.concatenate, parts)
        history = {k: np.stack([w[k] for w in windows], -1) for k in windows[0]}
        return SweepResult(
            points=points,
            steps=np.array(ends),
            history={k: _ratio(v) for k, v in history.items()},
            final={k: _ratio(v) for k, v in final.items()},
            states=states,
            path=_joined(np.stack, paths[0]),
            seconds=time.perf_counter() - began,
        )

    return run


def _points(grid, seeds) -> list[dict[str, float]]:
    for name, values in {**grid, "seeds": seeds}.items():
        if len(values) == 0:
            raise ValueError(f"{name} must have at least one value, got {values!r}")
        for value in values:
            if isinstance(value, bool) or not isinstance(
                value, int | float | np.number
            ):
                raise ValueError(f"{name} must be numbers, got {value!r}")
    names = [*grid, "seed"]
    rows = itertools.product(*grid.values(), seeds)
    return [dict(zip(names, row, strict=True)) for row in rows]


def _ratio(pairs: np.ndarray) -> np.ndarray:  # [R, 2, ...] -> [R, ...]
    total, weight = pairs[:, 0], pairs[:, 1]
    return np.divide(total, weight, out=np.zeros_like(total), where=weight != 0)


def _joined(together: Callable, trees: Sequence[Any]) -> Any:
    """One tree, its leaves put together by NumPy's function of that name; or None."""

    def join(*leaves):
        if is_key(leaves[0]):
            return getattr(jnp, together.__name__)(leaves)
        return together(leaves)

    return jax.tree.map(join, *trees)
