"""What adversarial nets do for slices of heads, each task beside a plain baseline.

Run:    python -m experiments.medical
        python -m experiments.medical --tasks noise contrast --steps 1000
        python -m experiments.medical --template FOLDER

Expect: with seed 0, on slices of the test

    task       what        baseline    alone    judged
    noise      psnr        22.1        24.8     24.5
    lines      psnr        16.6        21.4     21.2
    contrast   psnr        20.9        25.2     25.1
    white      dice        0.901       0.937    0.936
    outline    dice        0.656       0.969    0.966   (shapes)

    unpaired   psnr        11.3        22.5             (cyclegan)
    domain     dice        0.033       0.910            (cyclegan)
    lesion     auc         0.655       0.848            (search)
    scanner    dice        0.775       0.843            (reversed)
    missing    accuracy    0.745       0.822            (coupled)

With pairs, a network by the absolute difference alone is far better than what needs no
learning, and a discriminator adds to none of these figures: they are by pixels, and
heads of 32 pixels have few ways to be. Without pairs, CycleGAN comes within three
decibels of what pairs teach, and a network that knows masks of t2 alone finds the white
matter in its t2 of a t1; with the paper's weights, 10 for the way there and back and 5
for an identity, ventricles stay dark (12.5 decibels, Dice 0.443). Of ends of heads,
features before learning give 0.752: what two GANs have seen without answers is worth
something, and yet two numbers that a person would think of, the mean and the greatest
brightness, give 0.838; and what the two draw is poor after so few steps. How lesions
are scored, how much of the gradient is reversed, CycleGAN's weights and which features
the classifier is given were chosen with this seed. Seven minutes of a CPU core, half of
it compiling.

The slices are phantoms, drawn by `zoo.data.phantoms` in two contrasts, t1 and t2, with
their tissues; the heads of the test are others. With `--template` they are slices of
the ICBM 152 template, t1 as it is and t2 drawn from its shares of tissues; every fourth
twelve of them are the test. In pairs, by `experiments/_translation`

    noise      a t1 with noise of a tenth of its range     baseline: blurred
    lines      a t1 of a quarter of its lines of k-space   baseline: zeros for others
    contrast   the t2 of a t1                              baseline: of each brightness
                                                           the mean t2, a table
    white      the white matter of a noisy t1              baseline: a band of
                                                           brightness, blurred

are learned by one U-Net, `alone` by the absolute difference, and `judged` by that and a
discriminator of patches. Without pairs, by CycleGAN,

    unpaired   the t2 of a t1                              baseline: brightness in the
                                                           order of that of t2
    domain     white matter of a t1, by a network that     baseline: the network, of
               knows masks of t2 alone: of the t1 as t2    the t1 as it is

by a DCGAN that has learned to draw t1 without lesions,

    lesion     which t1 has one: how far it is from the    baseline: how far from the
               nearest that can be drawn, by a search in   mean t1
               the space of latents

by a gradient that is reversed,

    scanner    white matter of a t1 whose brightness is    baseline: the same network,
               another, by a network that knows masks of   not reversed
               usual t1, and the other t1 without masks

by a critic that sees outlines alone,

    outline    the brain in a very noisy t1 of which a     baseline: a band; alone: no
               part is lost, from 40 pairs                 critic

and by two GANs that share one half of their layers,

    missing    whether a head's last slices are missing,   baseline: the same, of
               from 20 answers, by a linear classifier     pixels; two: of their mean
               of the discriminators' features             and greatest; untrained: of
                                                           features before learning

Blurs and bands are the best ones of a list, on training slices. PSNR and SSIM are of
images, Dice of masks; of lesions, half of the slices have one, it is the area under the
ROC curve (AUC), and how far is the largest difference, blurred. `rough` is how long
outlines are, by the true ones. Each task is in a file of its own, `_medical_*`.

A test holds a smaller run to it.
"""

import dataclasses
from pathlib import Path

import numpy as np

import zoo
from experiments import (
    _medical_lesions,
    _medical_missing,
    _medical_outline,
    _medical_pairs,
    _medical_scanner,
    _medical_unpaired,
)
from experiments._classifiers import positive
from experiments._heads import WHAT
from experiments._translation import SIDE
from zoo.data.phantoms import Phantoms, phantoms
from zoo.errors import unknown
from zoo.training import figures
from zoo.training.cli import run
from zoo.training.report import Report

PARTS = (
    _medical_pairs,
    _medical_unpaired,
    _medical_lesions,
    _medical_scanner,
    _medical_outline,
    _medical_missing,
)
TASKS = tuple(task for part in PARTS for task in part.TASKS)
SHOWN = 6


@dataclasses.dataclass(frozen=True)
class Config:
    """Flags.

    Attributes:
        tasks: of the list above.
        train: phantoms to learn from.
        test: phantoms to be measured by.
        template: the folder of the template's three files, or nilearn's wheel; see
            `zoo.data.template`; empty for phantoms.
        steps: of each learner.
        batch_size: slices of a step.
        learning_rate: of Adam, of all networks.
        weight: of the absolute difference, beside a discriminator.
        seed: of phantoms, parameters and the order of examples.
        run: the run folder.
    """

    tasks: tuple[str, ...] = TASKS
    train: int = 400
    test: int = 100
    template: str = ""
    steps: int = 400
    batch_size: int = 8
    learning_rate: float = 1e-3
    weight: float = 100.0
    seed: int = 0
    run: str = "runs/medical"


def main(cfg: Config) -> dict[str, float]:
    """Learns each task, prints the table and writes the report.

    Returns:
        `TASK/WAY/WHAT`: what of psnr and ssim, or dice, rough, auc or accuracy; ways
        are baseline, and those above: alone, judged, cyclegan, search, reversed,
        shapes, two, untrained, coupled.

    Raises:
        ValueError: a flag out of range, an unknown task.
    """
    positive(cfg, "train", "test", "steps", "batch_size", "learning_rate", "weight")
    for task in cfg.tasks:
        if task not in TASKS:
            raise unknown("task", task, TASKS)
    train, test = heads(cfg)
    numbers, found = {}, {}
    for part in PARTS:
        tasks = [task for task in part.TASKS if task in cfg.tasks]
        if not tasks:
            continue
        for task, outcome in part.outcomes(tasks, cfg, train, test):
            found[task] = outcome
            numbers |= {f"{task}/{name}": v for name, v in outcome.numbers.items()}
            print(task, *(f"{name} {v:.3f}" for name, v in outcome.numbers.items()))
    _report(cfg, found)
    return numbers


def heads(cfg: Config) -> list[Phantoms]:
    """Of training and of the test."""
    if not cfg.template:
        counts = enumerate((cfg.train, cfg.test))
        return [phantoms(count, 2 * cfg.seed + i, SIDE) for i, count in counts]
    whole = zoo.data.template(cfg.template, SIDE)
    held = np.arange(len(whole.t1)) // 12 % 4 == 3
    return [Phantoms(*(part[rows] for part in whole)) for rows in (~held, held)]


def _report(cfg, found) -> None:
    kind = "template" if cfg.template else f"{cfg.train} phantoms"
    report = Report("Slices of heads", f"{kind}, {cfg.steps} steps, seed {cfg.seed}")
    rows = [
        (task, way, *(of.numbers.get(f"{way}/{what}") for what in WHAT))
        for task, of in found.items()
        for way in dict.fromkeys(name.split("/")[0] for name in of.numbers)
    ]
    report.show(("task", "way", *WHAT), rows, "On slices of the test")
    for task, of in found.items():
        ways = {"given": of.given, **of.made}
        if of.true is not None:
            ways["true"] = of.true
        tiles = np.concatenate([(x[:SHOWN] + 1) / 2 for x in ways.values()])
        titles = [way for way in ways for _ in range(SHOWN)]
        figure = figures.gallery(np.clip(tiles, 0, 1), titles, SHOWN)
        report.figure(figure, f"{task}: test slices, not chosen.", task)
    print(f"report: {report.write(Path(cfg.run, 'report.html'))}")


if __name__ == "__main__":
    run(main, Config)
