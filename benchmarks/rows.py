"""A row of a table of learners: the same work by two libraries, at growing sizes.

What both sides find is compared before anything is timed. Each row is measured at four
sizes, each twice the one before. The figure is that of the largest; `.growth` is the
exponent p of a time that grows as N^p, fitted to all four. Compiling is not counted.

Each call begins from rest: the threads of OpenBLAS and OpenMP go on spinning for some
25 ms after their work, on the cores that the next side would count as its own (PCA of
40,000 x 128: 28 ms in a tight loop, 18 from rest; with OpenBLAS on one thread, 14).
"""

import time
from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np

from benchmarks.results import Figure
from benchmarks.timing import interleaved, seconds

DOUBLINGS = 3
REST = 0.1  # seconds before each call


class Sides(NamedTuple):
    """Two ways to one result.

    Attributes:
        ours, theirs: take nothing and give what they found.
        apart: how far the second result is from the first, a number.
    """

    ours: Callable[[], object]
    theirs: Callable[[], object]
    apart: Callable[[object, object], float]


class Row(NamedTuple):
    """What is measured.

    Attributes:
        what: for a reader; `{n}` is the size.
        sides: of a size.
        size: the largest.
        within: what `apart` may be at most.
        least: the ratio that is claimed.
        pairs: how often both sides are timed.
    """

    what: str
    sides: Callable[[int], Sides]
    size: int
    within: float
    least: float = 1.0
    pairs: int = 5


def _from_rest(work):
    time.sleep(REST)
    return seconds(work)


def relative(a: float, b: float) -> float:
    """How much more b is than a, as a share: 0 where ours is better."""
    return max(0.0, (float(a) - float(b)) / abs(float(b)))


def compare(name: str, row: Row, reference: str) -> list[Figure]:
    """Time and growth of a row, two figures: `name` and `name.growth`."""
    sizes = [row.size >> i for i in range(DOUBLINGS, -1, -1)]
    found = []
    for n in sizes:
        sides = row.sides(n)
        apart = sides.apart(jax.device_get(sides.ours()), sides.theirs())
        assert apart <= row.within, f"{name}, N = {n}: results differ by {apart:.1e}"
        found.append(
            interleaved(
                lambda sides=sides: _from_rest(sides.ours),
                lambda sides=sides: _from_rest(sides.theirs),
                row.pairs,
            )
        )
    largest = found[-1]
    ours, theirs = (
        float(np.polyfit(np.log(sizes), np.log(times), 1)[0])
        for times in ([p.ours for p in found], [p.theirs for p in found])
    )
    times = ", ".join(
        f"N = {n}: {1e3 * p.ours:.3g} against {1e3 * p.theirs:.3g} ms"
        for n, p in zip(sizes, found, strict=True)
    )
    about = dict(reference=reference, seed=0)
    return [
        Figure(
            name=name,
            what=f"{row.what.format(n=row.size)}; results differ by {apart:.0e}",
            value=1e3 * largest.ours,
            unit="ms",
            reference_value=1e3 * largest.theirs,
            ratio=largest.ratio,
            # Below 20 ms the reference measures its own overhead.
            claim=f"ratio >= {row.least:g}" if largest.theirs > 0.02 else "",
            **about,
        ),
        Figure(
            name=f"{name}.growth",
            what=f"exponent of the time's growth with N; {times}",
            value=ours,
            reference_value=theirs,
            **about,
        ),
    ]
