"""DiracNet learns where a plain net as deep stalls, and neither has a shortcut.

Run:    python -m experiments.dirac
        python -m experiments.dirac --layers 2 --width 16

Expect: with 54 convolutions the DiracNet comes down to a training loss of 1.46 to 1.65
(seeds 0 to 4), the plain net to 1.96 to 2.28, where 2.30 is chance; on the test set
they are right on 0.42 to 0.54 and 0.12 to 0.26. With 30 convolutions one learns as well
as the other. Folded, the logits differ by 3e-5. It takes three minutes of a core.

Each kernel of a DiracNet is the identity plus a direction, diag(a) I + diag(b) W / |W|,
so at the start a layer passes on what it is given, as a residual block does, though
nothing is added to anything. Beside it a plain net, VGG with batch normalization, of as
many convolutions, as wide, and pooled at the same places. Both get the same images of
clothing, batches, steps and rates; each is shown at the rate at which its training loss
is lowest. At the end the identity is folded into the kernels: what is used is a plain
net, with the same answers.

References:
    Zagoruyko and Komodakis, "DiracNets: training very deep neural networks without
    skip-connections", 2017, https://arxiv.org/abs/1706.00388
"""

import dataclasses
import functools
from pathlib import Path

import jax
import numpy as np

import optim
from experiments._classifiers import by_rate, of_run, positive, small_images, trained
from zoo.training import figures
from zoo.training.cli import run
from zoo.training.report import Report
from zoo.vision import VGG, DiracNet
from zoo.vision.diracnet import folded


@dataclasses.dataclass(frozen=True)
class Config:
    """Flags.

    Attributes:
        layers: convolutions of each of the three stages.
        width: maps of the first stage.
        side: pixels of an image's side.
        steps: of each run.
        batch_size: examples of a step.
        rates: learning rates of SGD with momentum.
        seeds: runs of each net at each rate, 0, 1, ...
        run: the run folder.
    """

    layers: int = 18
    width: int = 8
    side: int = 10
    steps: int = 120
    batch_size: int = 32
    rates: tuple[float, ...] = (0.01, 0.03)
    seeds: int = 5
    run: str = "runs/dirac"


def main(cfg: Config) -> dict[str, float]:
    """Trains both nets, folds the one, and writes the report.

    Returns:
        `NET/SEED`, the training loss over the last tenth of the steps;
        `NET/accuracy/SEED`, on the test set; `folded`, the largest difference of a
        logit between a DiracNet and the same folded.

    Raises:
        ValueError: a flag out of range.
    """
    positive(cfg, "layers", "width", "steps", "batch_size", "rates", "seeds")
    train, test = small_images(cfg.side)
    blocks = (cfg.layers,) * 3
    dirac = functools.partial(
        *(DiracNet, 10, blocks),
        **dict(width=cfg.width, stem_width=cfg.width, stem="cifar"),
    )
    shape = dict(num_classes=10, width=cfg.width, norm=True, widths=(), size=1)
    nets = {
        "dirac": dirac(),
        "plain": VGG(blocks=(cfg.layers + 1, *blocks[1:]), **shape),
    }
    numbers, rows, curves = {}, [], {}
    for name, model in nets.items():
        swept = trained(
            *(model, train, test),
            **dict(steps=cfg.steps, batch_size=cfg.batch_size, rates=cfg.rates),
            seeds=range(cfg.seeds),
            optimizer=functools.partial(optim.momentum, gamma=0.9),
        )
        last = by_rate(swept.history["loss"][:, -1], cfg.rates)  # [rates, seeds]
        best = int(last.mean(1).argmin())
        accuracy = by_rate(swept.final["accuracy"], cfg.rates)[best]
        for seed in range(cfg.seeds):
            numbers[f"{name}/{seed}"] = float(last[best, seed])
            numbers[f"{name}/accuracy/{seed}"] = float(accuracy[seed])
        each = [" ".join(f"{v:.3f}" for v in vs) for vs in (last[best], accuracy)]
        rows.append((name, cfg.rates[best], *each))
        y = swept.history["loss"][best * cfg.seeds : (best + 1) * cfg.seeds]
        curves[name] = swept.steps, y.mean(0), y.min(0), y.max(0)
        print(f"{name}: training loss {each[0]}", flush=True)
        if name == "dirac":
            variables = of_run(swept.states, best * cfg.seeds)
            inner = dirac(folded=True)
            logits = jax.jit(model.apply)(variables, test["x"])
            plain = jax.jit(inner.apply)(folded(variables), test["x"])
            numbers["folded"] = float(np.abs(logits - plain).max())
    report = Report("DiracNet", f"{3 * cfg.layers + 1} convolutions", vars(cfg))
    headers = ("net", "rate", "training loss, each seed", "test accuracy, each seed")
    report.show(headers, rows, "Training loss over the last tenth, and test accuracy")
    figure = figures.curves(curves, "step", "training loss", log=True)
    report.figure(figure, "Means and ranges over the seeds.", "loss")
    said = f"Folded into a plain net, its logits differ by {numbers['folded']:.1e}."
    print(said)
    report.text(said)
    print(f"report: {report.write(Path(cfg.run, 'report.html'))}")
    return numbers


if __name__ == "__main__":
    run(main, Config)
