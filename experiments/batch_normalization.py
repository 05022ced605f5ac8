"""With batch normalization a net learns at rates from which it would never come back.

Run:    python -m experiments.batch_normalization
        python -m experiments.batch_normalization --rates 0.01 0.1 1 --steps 500

Expect: both nets come through at rates of 0.003 to 0.03, the normalized one to 0.80 of
the test set, the other to 0.75. At 0.1 the other does on two of the seeds 0 to 4, at
0.3 on none, where the normalized one is right on 0.72 to 0.78. It takes a minute and a
half of a core.

VGG of six convolutions, narrow, on images of clothing of 14x14 pixels, by SGD with
momentum; the two nets differ in their normalization alone. Both get the same batches,
steps and rates. A net has come through at a rate if it is right on more than half of
the test set.

References:
    Ioffe and Szegedy, "Batch normalization: accelerating deep network training by
    reducing internal covariate shift", ICML 2015, https://arxiv.org/abs/1502.03167
    Santurkar, Tsipras, Ilyas and Madry, "How does batch normalization help
    optimization?", NeurIPS 2018, https://arxiv.org/abs/1805.11604
"""

import dataclasses
import functools
from pathlib import Path

import numpy as np

import optim
from experiments._classifiers import by_rate, positive, small_images, trained
from zoo.training import figures
from zoo.training.cli import run
from zoo.training.report import Report
from zoo.vision import VGG

NET = functools.partial(VGG, num_classes=10, blocks=(2, 2, 2), widths=(), size=1)
NETS = {"with": True, "without": False}
THROUGH = 0.5  # test accuracy


@dataclasses.dataclass(frozen=True)
class Config:
    """Flags.

    Attributes:
        width: maps of the first stage.
        side: pixels of an image's side.
        steps: of each run.
        batch_size: examples of a step.
        rates: learning rates of SGD with momentum 0.9.
        seeds: runs of each net at each rate, 0, 1, ...
        run: the run folder.
    """

    width: int = 8
    side: int = 14
    steps: int = 150
    batch_size: int = 64
    rates: tuple[float, ...] = (0.003, 0.01, 0.03, 0.1, 0.3)
    seeds: int = 5
    run: str = "runs/batch_normalization"


def main(cfg: Config) -> dict[str, float]:
    """Trains both nets at all rates, and writes the report.

    Returns:
        `NET/RATE/SEED`, test accuracy; `NET/loss/RATE/SEED`, the training loss over the
        last tenth; and `NET/through/SEED`, at how many rates the net came through.

    Raises:
        ValueError: a flag out of range.
    """
    positive(cfg, "width", "steps", "batch_size", "rates", "seeds")
    train, test = small_images(cfg.side)
    numbers, rows, lines = {}, [], {}
    for name, norm in NETS.items():
        swept = trained(
            *(NET(width=cfg.width, norm=norm), train, test),
            **dict(steps=cfg.steps, batch_size=cfg.batch_size, rates=cfg.rates),
            seeds=range(cfg.seeds),
            optimizer=functools.partial(optim.momentum, gamma=0.9),
        )
        accuracy = by_rate(swept.final["accuracy"], cfg.rates)
        loss = by_rate(swept.history["loss"][:, -1], cfg.rates)
        for rate, right, lost in zip(cfg.rates, accuracy, loss, strict=True):
            for seed in range(cfg.seeds):
                numbers[f"{name}/{rate:g}/{seed}"] = float(right[seed])
                numbers[f"{name}/loss/{rate:g}/{seed}"] = float(lost[seed])
            each = [" ".join(f"{v:.3f}" for v in values) for values in (right, lost)]
            rows.append((name, rate, *each))
        for seed, count in enumerate((accuracy > THROUGH).sum(0)):
            numbers[f"{name}/through/{seed}"] = int(count)
        lines[name] = accuracy.mean(1), accuracy.min(1), accuracy.max(1)
        print(f"{name}: {np.round(accuracy.mean(1), 3)}", flush=True)
    report = Report("Batch normalization", "with and without", vars(cfg))
    headers = ("normalization", "rate", "test accuracy, each seed", "training loss")
    report.show(headers, rows, "The same net with and without batch normalization")
    figure = figures.sensitivity(cfg.rates, lines, "test accuracy", best="max")
    report.figure(
        figure, "Means and ranges over the seeds, and the best rate.", "rates"
    )
    print(f"report: {report.write(Path(cfg.run, 'report.html'))}")
    return numbers


if __name__ == "__main__":
    run(main, Config)
