"""Depth costs a plain net its training loss, and a residual one hardly any of it.

Run:    python -m experiments.degradation
        python -m experiments.degradation --blocks 3 9 --width 16 --side 28

Expect: 56 layers without shortcuts stay at a training loss of 1.71 to 2.15 (seeds 0 to
4), where 20 layers come down to 0.98 to 1.02 with the same steps: it is not that they
fit too well. With shortcuts it is 0.87 to 0.95 and 0.74 to 0.78. On the test set they
are right on 0.10 to 0.30 and 0.55 to 0.67 without, 0.64 to 0.71 and 0.71 to 0.76 with.
It takes two minutes of a core.

The nets are those of CIFAR, three stages of so many blocks of two convolutions, with
batch normalization; `plain20_cifar` and `plain56_cifar` of the catalog are 3 and 9
blocks of them without shortcuts, `resnet20_cifar` and `resnet56_cifar` with. Here they
are narrower, and images of clothing smaller, so that the deep ones learn in seconds.
All get the same batches, steps and rates; each is shown at the rate at which its
training loss is lowest.

References:
    He, Zhang, Ren and Sun, "Deep residual learning for image recognition", CVPR 2016,
    https://arxiv.org/abs/1512.03385 (figures 1 and 6)
"""

import dataclasses
import functools
from pathlib import Path

import optim
import zoo
from experiments._classifiers import by_rate, positive, small_images, trained
from zoo.training import figures
from zoo.training.cli import run
from zoo.training.report import Report

KINDS = {"plain": "plain20_cifar", "residual": "resnet20_cifar"}


@dataclasses.dataclass(frozen=True)
class Config:
    """Flags.

    Attributes:
        blocks: of each of the three stages, a shallow net and a deeper one; n blocks
            are 6 n + 2 layers.
        width: maps of the first stage; 16 in the paper.
        side: pixels of an image's side.
        count: training images.
        steps: of each run.
        batch_size: examples of a step.
        rates: learning rates of SGD with momentum.
        seeds: runs of each net at each rate, 0, 1, ...
        run: the run folder.
    """

    blocks: tuple[int, int] = (3, 9)
    width: int = 8
    side: int = 10
    count: int = 2000
    steps: int = 120
    batch_size: int = 32
    rates: tuple[float, ...] = (0.03,)
    seeds: int = 5
    run: str = "runs/degradation"


def main(cfg: Config) -> dict[str, float]:
    """Trains shallow and deep nets of both kinds, and writes the report.

    Returns:
        `KIND/BLOCKS/SEED`, the training loss over the last tenth of the steps, and
        `KIND/BLOCKS/accuracy/SEED`, on the test set.

    Raises:
        ValueError: a flag out of range.
    """
    positive(cfg, "blocks", "width", "count", "steps", "batch_size", "rates", "seeds")
    if not cfg.blocks[0] < cfg.blocks[1]:
        raise ValueError(f"blocks must be fewer and then more, got {cfg.blocks}")
    train, test = small_images(cfg.side, cfg.count)
    numbers, rows, curves = {}, [], {}
    for kind, name in KINDS.items():
        for blocks in cfg.blocks:
            sizes = dict(blocks=(blocks,) * 3, width=cfg.width, stem_width=cfg.width)
            swept = trained(
                *(zoo.create(name, **sizes), train, test),
                **dict(steps=cfg.steps, batch_size=cfg.batch_size, rates=cfg.rates),
                **dict(seeds=range(cfg.seeds), optimizer=_momentum),
            )
            last = by_rate(swept.history["loss"][:, -1], cfg.rates)  # [rates, seeds]
            best = int(last.mean(1).argmin())
            accuracy = by_rate(swept.final["accuracy"], cfg.rates)[best]
            for seed in range(cfg.seeds):
                numbers[f"{kind}/{blocks}/{seed}"] = float(last[best, seed])
                numbers[f"{kind}/{blocks}/accuracy/{seed}"] = float(accuracy[seed])
            layers = f"{kind}, {6 * blocks + 2} layers"
            each = [" ".join(f"{v:.3f}" for v in vs) for vs in (last[best], accuracy)]
            rows.append((layers, cfg.rates[best], *each))
            runs = slice(best * cfg.seeds, (best + 1) * cfg.seeds)
            y = swept.history["loss"][runs]
            curves[layers] = swept.steps, y.mean(0), y.min(0), y.max(0)
            print(f"{layers}: training loss {each[0]}", flush=True)
    report = Report("Degradation", "deeper plain nets are worse", vars(cfg))
    headers = ("net", "rate", "training loss, each seed", "test accuracy, each seed")
    report.show(headers, rows, "Training loss over the last tenth, and test accuracy")
    figure = figures.curves(curves, "step", "training loss", log=True)
    report.figure(figure, "Means and ranges over the seeds.", "loss")
    print(f"report: {report.write(Path(cfg.run, 'report.html'))}")
    return numbers


_momentum = functools.partial(optim.momentum, gamma=0.9)


if __name__ == "__main__":
    run(main, Config)
