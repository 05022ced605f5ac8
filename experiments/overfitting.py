"""On few images a net has them by heart; dropout and augmentation keep it from it.

Run:    python -m experiments.overfitting
        python -m experiments.overfitting --count 2000 --steps 2000

Expect: without either, all of 300 training images are known and 0.77 to 0.80 of the
test set (seeds 0 to 4), at a test loss of 0.94 to 1.16: it is sure where it is wrong.
With dropout the loss is 0.76 to 1.02, with augmentation 0.73 to 0.95, with both 0.58 to
0.66. Accuracy stays where it was; the gap shrinks from 0.21 to 0.12 with both, because
the training images are no longer known by heart. It takes 75 s of a core.

Two convolutions and two dense layers learn a few images of clothing for many epochs.
With dropout each hidden unit is left out half of the time; augmentation mirrors each
image by chance and moves it by up to two pixels. All get the same images, batches,
steps and rate. The gap is accuracy on the training images, as they are, less that on
the test set.

References:
    Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov, "Dropout: a simple way
    to prevent neural networks from overfitting", JMLR 2014,
    https://jmlr.org/papers/v15/srivastava14a.html
    Krizhevsky, Sutskever and Hinton, "ImageNet classification with deep convolutional
    neural networks", NeurIPS 2012, https://doi.org/10.1145/3065386 (sections 4.1, 4.2)
"""

import dataclasses
from pathlib import Path

import jax
import numpy as np

import zoo
import zoo.functional as F
from experiments._classifiers import images, of_run, positive, trained
from zoo.training import figures
from zoo.training.cli import run
from zoo.training.report import Report
from zoo.vision import VGG

KINDS = {"nothing": (), "dropout": (0,), "augmentation": (1,), "both": (0, 1)}


@dataclasses.dataclass(frozen=True)
class Config:
    """Flags.

    Attributes:
        count: training images.
        dropout: rate of hidden units, in (0, 1).
        shift: the largest shift, in pixels.
        width: maps of the first convolution; the second has twice as many.
        hidden: units of the dense layer.
        steps: of each run.
        batch_size: examples of a step.
        learning_rate: of Adam.
        seeds: runs of each kind, 0, 1, ...
        run: the run folder.
    """

    count: int = 300
    dropout: float = 0.5
    shift: int = 2
    width: int = 8
    hidden: int = 128
    steps: int = 400
    batch_size: int = 50
    learning_rate: float = 2e-3
    seeds: int = 5
    run: str = "runs/overfitting"


def augmented(key: jax.Array, image: jax.Array, shift: int) -> jax.Array:
    """The image or its mirror image, moved by whole pixels."""
    flip, crop = jax.random.split(key)
    image = F.random_flip(flip, image)
    return F.random_crop(crop, image, image.shape[:2], shift, "edge")


def main(cfg: Config) -> dict[str, float]:
    """Trains all four, and writes the report.

    Returns:
        `KIND/SEED`, test accuracy; `KIND/loss/SEED`, on the test set; `KIND/gap/SEED`.

    Raises:
        ValueError: a flag out of range.
    """
    positive(cfg, "count", "width", "hidden", "steps", "batch_size", "learning_rate")
    positive(cfg, "shift", "seeds")
    if not 0 < cfg.dropout < 1:
        raise ValueError(f"dropout must be in (0, 1), got {cfg.dropout}")
    train, test = images(zoo.data.load("fashion_mnist_small"), cfg.count)
    numbers, rows, curves = {}, [], {}
    for kind, parts in KINDS.items():
        model = VGG(
            *(10, (1, 1), cfg.width),
            **dict(widths=(cfg.hidden,), dropout=cfg.dropout if 0 in parts else 0.0),
        )
        change = lambda key, image: augmented(key, image, cfg.shift)
        swept = trained(
            *(model, train, test),
            **dict(steps=cfg.steps, batch_size=cfg.batch_size, seeds=range(cfg.seeds)),
            **dict(rates=[cfg.learning_rate], augment=change if 1 in parts else None),
        )
        apply = jax.jit(lambda v, model=model: model.apply(v, train["x"]).argmax(1))
        known = [
            (np.asarray(apply(of_run(swept.states, seed))) == train["y"]).mean()
            for seed in range(cfg.seeds)
        ]
        accuracy, loss = swept.final["accuracy"], swept.final["loss"]
        for seed in range(cfg.seeds):
            numbers[f"{kind}/{seed}"] = float(accuracy[seed])
            numbers[f"{kind}/loss/{seed}"] = float(loss[seed])
            numbers[f"{kind}/gap/{seed}"] = float(known[seed] - accuracy[seed])
        texts = [" ".join(f"{v:.3f}" for v in vs) for vs in (known, accuracy, loss)]
        rows.append((kind, *texts))
        y = swept.history["loss"]
        curves[kind] = swept.steps, y.mean(0), y.min(0), y.max(0)
        print(f"{kind}: test accuracy {texts[1]}", flush=True)
    report = Report("Overfitting", f"{cfg.count} images of clothing", vars(cfg))
    headers = ("with", "training accuracy, each seed", "test accuracy", "test loss")
    report.show(headers, rows, f"After {cfg.steps} steps on {cfg.count} images")
    figure = figures.curves(curves, "step", "training loss", log=True)
    caption = "Training loss as it is trained, by dropout and on changed images."
    report.figure(figure, f"{caption} Means and ranges over the seeds.", "loss")
    print(f"report: {report.write(Path(cfg.run, 'report.html'))}")
    return numbers


if __name__ == "__main__":
    run(main, Config)
