"""Nuclei on the half of a picture that the network has not seen, seeds 0 to 4.

`experiments.nuclei` with its defaults, on the whole picture. It comes in a package from
PyPI, of which only two files are read:

    python -m pip download --no-deps --dest ~/.cache/zoo stardist==0.9.2

It is looked for in $ZOO_DATA and in that folder.
"""

import tempfile

from benchmarks.pretrained import find
from benchmarks.results import Figure
from experiments import nuclei as experiment

NAMES = ("nuclei.dice", "nuclei.f1")
SEEDS, DICE, F1 = range(5), 0.85, 0.7


def measure() -> list[Figure]:
    """The least Dice of five seeds, and the least F1 of nuclei, by the watershed."""
    wheel = find("stardist-*.whl")
    if wheel is None:
        said = "not measured: the picture was not found; see nuclei.py"
        return [Figure(name=name, what=said, value=None) for name in NAMES]
    found = []
    for seed in SEEDS:
        with tempfile.TemporaryDirectory() as folder:
            cfg = experiment.Config(
                data=str(wheel), seed=seed, run=folder, progress=False
            )
            found.append(experiment.main(cfg))
    told = lambda key: [numbers[key] for numbers in found]
    words = lambda key: " ".join(f"{value:.3f}" for value in told(key))
    half = f"on the half not seen, {found[0]['nuclei']:.0f} nuclei, least of five seeds"
    return [
        Figure(
            name=NAMES[0],
            what=f"Dice of nuclei {half} ({words('dice')})",
            value=min(told("dice")),
            claim=f"value >= {DICE}",
        ),
        Figure(
            name=NAMES[1],
            what=f"F1 of nuclei at an IoU of a half {half}, by watershed "
            f"({words('watershed/f1')}; by components {words('components/f1')})",
            value=min(told("watershed/f1")),
            claim=f"value >= {F1}",
        ),
    ]
