"""Runs in processes of their own: killed again and again, or joined over loopback.

The worker is that of tests/training: a convolution, BatchNorm and dropout, batch 16,
with checkpoints, evaluation and reports every few steps.
"""

import tempfile
from pathlib import Path

import numpy as np

from benchmarks.results import Figure
from tests.training.worker import finish, joined, killed, result, start

FORMS = ("pmap", "shard_map", "sharded")
NAMES = ("processes.killed", *(f"processes.two.{form}" for form in FORMS))
STEPS, TIMES = 300, 10


def kills() -> list[Figure]:
    """Leaves that differ between a run that was killed and one that was not."""
    with tempfile.TemporaryDirectory() as folder:
        whole, folder = Path(folder, "whole"), Path(folder, "killed")
        finish(start(whole, STEPS, "single", 1))
        reached = killed(folder, STEPS, TIMES)
        assert len(reached) == TIMES and reached == sorted(reached)
        assert reached[0] < STEPS, "it ended before it was killed"
        finish(start(folder, STEPS, "single", 1))
        expected, got = result(whole), result(folder)
    assert expected.keys() == got.keys()
    return [
        Figure(
            name="processes.killed",
            what=f"leaves of {len(expected)} that differ after {TIMES} SIGKILLs at "
            f"steps {', '.join(map(str, reached))} of {STEPS}",
            value=sum(not np.array_equal(expected[k], got[k]) for k in expected),
            unit="leaves",
            claim="value == 0",
            seed=0,
        )
    ]


def two() -> list[Figure]:
    """How far two processes of two devices each are from one."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        finish(start(Path(folder, "one"), 20, "single", 1))
        expected = result(Path(folder, "one"))
        for form in FORMS:
            joined(Path(folder, form), 20, form)
            got = result(Path(folder, form))
            found.append(
                Figure(
                    name=f"processes.two.{form}",
                    what="largest difference between parameters and statistics, two "
                    "processes of two devices and one of one, 20 steps of SGD",
                    value=max(float(np.abs(expected[k] - got[k]).max()) for k in got),
                    claim="value <= 1e-5",
                    seed=0,
                )
            )
    return found
