"""Clothes drawn by DCGAN, learned from all of Fashion-MNIST: `experiments.dcgan`.

45,000 steps of 64 photos, seed 0. Seconds are those of the cores together, which do not
depend on who else uses them: half of them is what two idle cores need. The samples are
in the report, `runs/dcgan_full/report.html`.
"""

import time

import zoo
from benchmarks.results import Figure
from experiments import dcgan

TIMES, SHARE, APART, LONGEST = 5.0, 0.03, 1.0, 2 * 25 * 60
CLAIMS = {
    "distance": f"value <= {TIMES}",
    "share": f"value >= {SHARE}",
    "nearest": f"value >= {APART}",
    "s": f"value <= {LONGEST}",
}
NAMES = tuple(f"dcgan.{name}" for name in CLAIMS)
SAID = {
    "distance": "Frechet distance of units of a LeNet 20-50-500, samples to half of "
    "the test photos, over that of its two halves",
    "share": "of samples, the rarest of ten classes, as that LeNet calls them",
    "nearest": "distance to the nearest training photo, the least of a thousand "
    "samples, over the least of a thousand test photos",
    "s": "of the cores, for all of it",
}


def measure() -> list[Figure]:
    """Distance, rarest class, nearest copy, seconds."""
    found = dict.fromkeys(CLAIMS)
    try:
        zoo.data.load("fashion_mnist")
    except zoo.data.DataError:
        said = dict.fromkeys(CLAIMS, "not measured: fashion_mnist was not found")
    else:
        said, found = SAID, _found()
    return [
        Figure(
            name=f"dcgan.{name}",
            what=said[name],
            value=found[name],
            unit="s" if name == "s" else "",
            claim=claim,
            seed=0,
        )
        for name, claim in CLAIMS.items()
    ]


def _found():
    began = time.process_time()
    cfg = dcgan.Config(**dcgan.FULL, run="runs/dcgan_full")
    numbers = dcgan.main(cfg)
    shares = [value for name, value in numbers.items() if name.startswith("share/")]
    return {
        "distance": numbers[f"distance/{cfg.steps}"],
        "share": min(shares),
        "nearest": numbers["least/samples"] / numbers["least/test"],
        "s": time.process_time() - began,
    }
