"""Mean IoU of small networks on rendered shapes, by `experiments.segment`.

1,200 steps of 8 new scenes of 96 pixels, seed 0; tested on 100 scenes of another seed.
Seconds are those of the cores together, which do not depend on who else uses them:
half of them is what two idle cores need.
"""

import tempfile
import time

from benchmarks.results import Figure
from experiments import segment

STEPS, BOUND, LONGEST = 1200, 0.85, 30 * 60
MODELS = ("unet_small", "deeplabv3_small")
NAMES = tuple(f"segmentation.{model}{what}" for model in MODELS for what in ("", ".s"))


def measure(*names: str) -> list[Figure]:
    """Mean IoU and seconds of each, or of each that is named."""
    return [figure for name in names or MODELS for figure in _figures(name)]


def _figures(model):
    began = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        cfg = segment.Config(model=model, steps=STEPS, progress=False, run=folder)
        found = segment.main(cfg)
    seconds = time.process_time() - began
    borders = found["boundary_iou"]
    return [
        Figure(
            name=f"segmentation.{model}",
            what=f"mean IoU of {model} on rendered shapes, {STEPS:,} steps; along the "
            f"borders {borders:.3f}",
            value=found["mean_iou"],
            claim=f"value >= {BOUND}",
            seed=0,
        ),
        Figure(
            name=f"segmentation.{model}.s",
            what="of the cores, for all of it",
            value=seconds,
            unit="s",
            claim=f"value <= {LONGEST}",
            seed=0,
        ),
    ]
