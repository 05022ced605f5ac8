"""Averages help: of what several nets say, or of one net's weights on its way.

Run:    python -m experiments.model_averaging
        python -m experiments.model_averaging --rate 0.05 --steps 1000

Expect: the last weights of five runs are right on 0.79 to 0.84 of the test set, the
means of their paths on 0.85 to 0.88 (seeds 0 to 4, each better than its last weights),
the mean of the five answers on 0.86, and the mean of the five runs' weights on 0.10, as
by chance. It takes 25 s of a core.

LeNet-5 on Fashion-MNIST by SGD with momentum at a constant rate that is too large to
settle, from several seeds. Compared on the test set:

    last        a run's last weights
    path        the mean of its weights, every so many steps of its second half (SWA)
    answers     the mean of the probabilities of all runs' last weights: an ensemble
    weights     the mean of all runs' last weights: they lie in different valleys, and
                the mean of two valleys is a hill

Shown too is the test loss along the straight line from one run to another, and from a
run's last weights through the mean of its path, as far again beyond it.

References:
    Breiman, "Bagging predictors", Machine Learning 1996,
    https://doi.org/10.1007/BF00058655
    Izmailov et al., "Averaging weights leads to wider optima and better
    generalization", UAI 2018, https://arxiv.org/abs/1803.05407
"""

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

import optim
import zoo
import zoo.functional as F
from experiments._classifiers import images, positive, trained
from zoo.training import figures
from zoo.training.cli import run
from zoo.training.report import Report

KINDS = ("last", "path")


@dataclasses.dataclass(frozen=True)
class Config:
    """Flags.

    Attributes:
        model: a classifier of 28x28 pixels without a normalization.
        rate: the learning rate.
        steps: of each run.
        every: steps between two weights that the path's mean takes.
        batch_size: examples of a step.
        seeds: runs, 0, 1, ...
        run: the run folder.
    """

    model: str = "lenet5"
    rate: float = 0.03
    steps: int = 600
    every: int = 10
    batch_size: int = 32
    seeds: int = 5
    run: str = "runs/model_averaging"


def main(cfg: Config) -> dict[str, float]:
    """Trains the runs, averages in all ways, and writes the report.

    Returns:
        `KIND/SEED` and `KIND/loss/SEED` for last and path, and `answers`, `weights`,
        `answers/loss`, `weights/loss`: accuracy and loss on the test set.

    Raises:
        ValueError: a flag out of range; fewer than two seeds.
    """
    positive(cfg, "rate", "steps", "every", "batch_size", "seeds")
    if cfg.seeds < 2:
        raise ValueError(f"seeds must be 2 or more, got {cfg.seeds}")
    train, test = images(zoo.data.load("fashion_mnist_small"))
    model = zoo.create(cfg.model, num_classes=10)

    def optimizer(rate):
        start = max(cfg.steps // 2, 1)
        return optim.with_swa(optim.momentum(rate, 0.9), start, cfg.every)

    swept = trained(
        *(model, train, test),
        **dict(steps=cfg.steps, batch_size=cfg.batch_size, seeds=range(cfg.seeds)),
        **dict(rates=[cfg.rate], optimizer=optimizer),
    )
    logits = jax.jit(lambda params: model.apply({"params": params}, test["x"]))
    points = {"last": swept.states.params, "path": swept.states.opt_state.mean}
    numbers, said = {}, {}
    for kind, every in points.items():
        said[kind] = np.stack([logits(_one(every, i)) for i in range(cfg.seeds)])
        for seed, each in enumerate(said[kind]):
            right, loss = _told(each, test)
            numbers |= {f"{kind}/{seed}": right, f"{kind}/loss/{seed}": loss}
    mean = jax.tree.map(lambda p: p.mean(0), points["last"])
    chances = np.log(np.asarray(jax.nn.softmax(said["last"])).mean(0))
    for kind, each in (("answers", chances), ("weights", logits(mean))):
        numbers[kind], numbers[f"{kind}/loss"] = _told(each, test)
    rows = []
    for what, name in (("accuracy", "{}/{}"), ("loss", "{}/loss/{}")):
        each = [[numbers[name.format(k, i)] for i in range(cfg.seeds)] for k in KINDS]
        texts = (" ".join(f"{v:.3f}" for v in values) for values in each)
        ends = "" if what == "accuracy" else "/loss"
        together = (numbers[kind + ends] for kind in ("answers", "weights"))
        rows.append((what, *texts, *together))
    report = Report("Model averaging", "of answers and of weights", vars(cfg))
    headers = ("test", "last, each seed", "path, each seed", "answers", "weights")
    report.show(headers, rows, f"{cfg.model}, averaged in four ways")
    report.figure(_lines(points, logits, test), CAPTION, "lines")
    print(f"report: {report.write(Path(cfg.run, 'report.html'))}")
    return numbers


CAPTION = (
    "Test loss on straight lines: from the first run's last weights (0) to the second's"
    " (1), and to the mean of its own path (1) and beyond."
)


def _told(logits, test) -> tuple[float, float]:
    """Accuracy and mean cross-entropy."""
    total, count = F.cross_entropy(jnp.asarray(logits), {"y": test["y"]})
    right = (np.asarray(logits).argmax(1) == test["y"]).mean()
    return float(right), float(total / count)


def _one(tree, run: int):
    return jax.tree.map(lambda leaf: leaf[run], tree)


def _lines(points, logits, test):
    start = _one(points["last"], 0)
    ends = {
        "to another run": (_one(points["last"], 1), np.linspace(0, 1, 13)),
        "to the mean of its path": (_one(points["path"], 0), np.linspace(0, 2, 13)),
    }
    curves = {}
    for name, (end, at) in ends.items():
        between = lambda t, end=end: jax.tree.map(
            lambda a, b: a + np.float32(t) * (b - a), start, end
        )
        curves[name] = at, [_told(logits(between(t)), test)[1] for t in at]
    return figures.curves(curves, "along the line", "test loss")


if __name__ == "__main__":
    run(main, Config)
