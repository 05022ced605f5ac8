"""Mean IoU of small networks on rendered shapes, by `experiments.segment`.

Steps of 8 new scenes of 96 pixels, seed 0; tested on 100 scenes of another seed.
Seconds are those of the cores together, which do not depend on who else uses them:
half of them is what two idle cores need.
"""

import tempfile
import time

from benchmarks.results import Figure
from experiments import segment

BOUND, LONGEST = 0.85, 30 * 60
MODELS = {"unet_small": 1200, "deeplabv3_small": 3000}  # steps
NAMES = tuple(f"segmentation.{model}{what}" for model in MODELS for what in ("", ".s"))


def measure(*names: str) -> list[Figure]:
    """Mean IoU and seconds of each, or of each that is named."""
    return [figure for name in names or MODELS for figure in _figures(name)]


def _figures(model):
    began, steps = time.process_time(), MODELS[model]
    with tempfile.TemporaryDirectory() as folder:
        cfg = segment.Config(model=model, steps=steps, progress=False, run=folder)
        found = segment.main(cfg)
    seconds = time.process_time() - began
    borders = found["boundary_iou"]
    return [
        Figure(
            name=f"segmentation.{model}",
            what=f"mean IoU of {model} on rendered shapes, {steps:,} steps; along the "
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
