"""Four times the batch wants four times the rate, until no rate makes up for steps.

Run:    python -m experiments.batch_size
        python -m experiments.batch_size --model linear_softmax --epochs 40

Expect: at the two slowest rates four times the batch and rate change the training loss
by 0.008, the same rate by 0.45: 8 at 1/1024, 32 at 1/256, 128 at 1/64 and 512 at 1/16
come to 0.598, 0.605, 0.593 and 0.606. At its best rate a batch of 8 comes to 0.19, one
of 512 to 0.53, at 1/16 and 1/4. It takes 40 s of a core.

A net learns images of clothing by plain SGD; every run sees as many images, so a larger
batch means fewer steps. A step of rate r on a batch of B moves about as far along the
mean gradient as B / b steps of rate r b / B on batches of b: the linear scaling rule.
It holds while the rate is small for the curvature; beyond, large batches fall behind,
whatever their rate. All sizes get the same rates.

References:
    Goyal et al., "Accurate, large minibatch SGD: training ImageNet in 1 hour", 2017,
    https://arxiv.org/abs/1706.02677 (the linear scaling rule)
    Shallue et al., "Measuring the effects of data parallelism on neural network
    training", JMLR 2019, https://jmlr.org/papers/v20/18-789.html
"""

import dataclasses
from pathlib import Path

import numpy as np

import optim
import zoo
from experiments._classifiers import by_rate, images, positive, trained
from zoo.training import figures
from zoo.training.cli import run
from zoo.training.report import Report


@dataclasses.dataclass(frozen=True)
class Config:
    """Flags.

    Attributes:
        model: a classifier of 28x28 pixels.
        sizes: of batches, each four times the one before.
        rates: learning rates of SGD, likewise.
        epochs: passes over the 2,000 images, of each run.
        seeds: runs of each size at each rate, 0, 1, ...
        run: the run folder.
    """

    model: str = "mlp"
    sizes: tuple[int, ...] = (8, 32, 128, 512)
    rates: tuple[float, ...] = (
        *(1 / 1024, 1 / 256, 1 / 64, 1 / 16),
        *(1 / 4, 1.0),
    )
    epochs: int = 10
    seeds: int = 5
    run: str = "runs/batch_size"


def main(cfg: Config) -> dict[str, float]:
    """Trains all sizes at all rates, and writes the report.

    Returns:
        `SIZE/RATE/SEED`, the training loss over the last tenth of the steps;
        `SIZE/best/SEED`, the rate at which it is lowest; `SIZE/accuracy/SEED`, on the
        test set at that rate; `scaled/SEED`, the mean over pairs (size, rate) and (four
        times both) of the difference of their losses, over pairs of slow rates.

    Raises:
        ValueError: a flag out of range.
    """
    positive(cfg, "sizes", "rates", "epochs", "seeds")
    for name in ("sizes", "rates"):
        values = np.array(getattr(cfg, name), float)
        if len(values) < 2 or not np.allclose(values[1:], 4 * values[:-1]):
            raise ValueError(
                f"{name} must be two or more, each four times the one before, got "
                f"{getattr(cfg, name)}"
            )
    train, test = images(zoo.data.load("fashion_mnist_small"))
    if max(cfg.sizes) > len(train["y"]):
        raise ValueError(f"sizes must be at most {len(train['y'])}, got {cfg.sizes}")
    model = zoo.create(cfg.model, num_classes=10)
    numbers, losses, lines, rows = {}, [], {}, []
    for size in cfg.sizes:
        swept = trained(
            *(model, train, test),
            steps=-(-cfg.epochs * len(train["y"]) // size),
            **dict(batch_size=size, rates=cfg.rates, seeds=range(cfg.seeds)),
            optimizer=optim.sgd,
        )
        loss = by_rate(swept.history["loss"][:, -1], cfg.rates)  # [rates, seeds]
        loss = np.where(np.isfinite(loss), loss, np.inf)
        accuracy = by_rate(swept.final["accuracy"], cfg.rates)
        best = loss.argmin(0)
        for seed in range(cfg.seeds):
            for rate, value in zip(cfg.rates, loss[:, seed], strict=True):
                numbers[f"{size}/{rate:g}/{seed}"] = float(value)
            numbers[f"{size}/best/{seed}"] = cfg.rates[best[seed]]
            numbers[f"{size}/accuracy/{seed}"] = float(accuracy[best[seed], seed])
        losses.append(loss)
        shown = np.where(np.isfinite(loss), loss, np.nan)
        lines[f"{size}"] = shown.mean(1), shown.min(1), shown.max(1)
        rows.append((size, *(f"{value:.3f}" for value in loss.mean(1))))
        print(f"batches of {size}: {loss.mean(1).round(3)}", flush=True)
    apart = [abs(b[1:] - a[:-1]) for a, b in zip(losses, losses[1:], strict=False)]
    along = [abs(b - a) for a, b in zip(losses, losses[1:], strict=False)]
    slow = slice(0, 2)
    for seed in range(cfg.seeds):
        for name, pairs in (("scaled", apart), ("unscaled", along)):
            numbers[f"{name}/{seed}"] = float(np.mean([p[slow, seed] for p in pairs]))
    report = Report("Batch size", "and the learning rate", vars(cfg))
    headers = ("batch", *(f"rate {rate:g}" for rate in cfg.rates))
    report.show(headers, rows, "Training loss over the last tenth, mean over seeds")
    mean = [np.mean([numbers[f"{n}/{i}"] for i in range(cfg.seeds)])
            for n in ("scaled", "unscaled")]  # fmt: skip
    said = f"Four times the batch changes the loss by {mean[0]:.3f} at four times the "
    said += f"rate, and by {mean[1]:.3f} at the same rate (the two slowest rates)."
    print(said)
    report.text(said)
    figure = figures.sensitivity(cfg.rates, lines, "training loss", log=True)
    report.figure(figure, "For each batch size; a star at its best rate.", "rates")
    print(f"report: {report.write(Path(cfg.run, 'report.html'))}")
    return numbers


if __name__ == "__main__":
    run(main, Config)
