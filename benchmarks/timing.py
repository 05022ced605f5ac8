"""Two sides by turns in one process: the median of their ratios.

Shared machines are fast in one second and slow in the next. Run one after the other,
the two halves of a pair meet the same weather, and the ratio of a pair leaves it out.
Between them is a pause: the threads of OpenMP, which PyTorch has, wait for more work by
turning for some 200 ms, on the cores of the one who comes next.
"""

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import jax

PAUSE = 0.3  # seconds


class Pairs(NamedTuple):
    """Seconds of both sides, medians, and the median of theirs / ours."""

    ours: float
    theirs: float
    ratio: float


def seconds(work: Callable[[], object]) -> float:
    """How long a call takes, until its result is there."""
    began = time.perf_counter()
    jax.block_until_ready(work())
    return time.perf_counter() - began


def interleaved(
    ours: Callable[[], float], theirs: Callable[[], float], pairs: int
) -> Pairs:
    """Runs both by turns; each call returns the seconds that it counted.

    Every other pair begins with the other side. Warm up before.
    """
    a, b = [], []
    for i in range(pairs):
        for side, into in ((ours, a), (theirs, b))[:: 1 if i % 2 else -1]:
            time.sleep(PAUSE)
            into.append(side())
    ratios = [y / x for x, y in zip(a, b, strict=True)]
    return Pairs(statistics.median(a), statistics.median(b), statistics.median(ratios))


class Compiling:
    """Seconds in which JAX traced, lowered or compiled, overlaps counted once."""

    def __init__(self):
        self.spans: list[tuple[float, float]] = []

    @property
    def seconds(self) -> float:
        total, end = 0.0, 0.0
        for first, last in sorted(self.spans):
            total += max(0.0, last - max(first, end))
            end = max(end, last)
        return total


@contextmanager
def compiling() -> Iterator[Compiling]:
    """Listens, while open, to what JAX says about its own compiling."""
    heard = Compiling()

    def listen(event: str, duration: float, **about) -> None:
        if event.startswith("/jax/core/compile/"):
            now = time.perf_counter()
            heard.spans.append((now - duration, now))

    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        yield heard
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)
