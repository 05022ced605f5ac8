"""A search on digits from end to end, no table: `experiments.nas.in_earnest`.

Sixty children each of random search and of regularized evolution, every one trained,
and one network by DARTS. Seconds are those of the cores together, which do not depend
on who else uses them: half of them is what two idle cores need.
"""

import tempfile
import time
from pathlib import Path

from benchmarks.results import Figure
from experiments import nas
from zoo.training.report import Report

LONGEST, LEAST = 2 * 10 * 60, 0.95
NAMES = ("searching.digits", "searching.digits.s")


def measure() -> list[Figure]:
    """Test accuracy of what evolution finds, and the seconds of all three searches."""
    began = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        cfg = nas.Config(run=folder)
        found = nas.in_earnest(cfg, Report("Searching", "on digits", vars(cfg)))
        assert Path(folder, "children.json").exists()
    seconds = time.process_time() - began
    told = ", ".join(f"{name[6:]} {value:.3f}" for name, value in found.items())
    return [
        Figure(
            name="searching.digits",
            what=f"test accuracy of the cell that evolution finds; {cfg.children} "
            f"children a search ({told})",
            value=found["child/evolution"],
            claim=f"value >= {LEAST}",
            seed=cfg.seed,
        ),
        Figure(
            name="searching.digits.s",
            what="of the cores, for all three searches",
            value=seconds,
            unit="s",
            claim=f"value <= {LONGEST}",
            seed=cfg.seed,
        ),
    ]
