"""What a small CNN has learned: the pixels that it looks at, and what excites it most.

Run:    python -m experiments.inside_a_cnn
        python -m experiments.inside_a_cnn --steps 2000 --seeds 1

Expect: over five seeds, test accuracy 0.83 to 0.88; with the tenth of the pixels hidden
that is most salient 0.70 to 0.75, with that of another image 0.77 to 0.84, and with a
tenth by chance 0.80 to 0.85. Each of the ten made-up images excites its class more than
any photo of the test set, with every seed. What is led back is 0 outside of the unit's
field. 50 seconds of a CPU core. A row of `benchmarks.claims` holds it to that.

A LeNet-5 learns Fashion-MNIST; its first layer's filters, and all maps of one image,
are drawn as they are. Three questions are asked of it, by `zoo.vision.inside`:

- Which pixels does an answer rest on? Saliency says: those with the largest slope. Then
  hiding them (with the mean of the data) must cost more of the accuracy than hiding as
  many others: by chance, or those of another image, which lie in the middle just as
  well.
- What is an image of a class, for the net? Ascent finds one, from zeros; its logit is
  compared with that of every image of the test set.
- What in an image excites a map of the second layer? The strongest responses of the
  training set are led back to the pixels through a deconvnet, and nothing may come out
  of it beyond the 14x14 pixels that the unit sees.

References:
    Simonyan, Vedaldi and Zisserman, "Deep inside convolutional networks", 2013,
    https://arxiv.org/abs/1312.6034
    Zeiler and Fergus, "Visualizing and understanding convolutional networks", ECCV
    2014, https://arxiv.org/abs/1311.2901
"""

import dataclasses
import functools
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

import zoo
from experiments._classifiers import images, of_run, positive, trained
from zoo.training import figures
from zoo.training.cli import run
from zoo.training.parallel import jit_once
from zoo.training.report import Report
from zoo.vision import features
from zoo.vision.inside import maximal, projection, saliency

MODEL = zoo.create("lenet5")
HIDDEN = ("its own", "another's", "by chance")


@dataclasses.dataclass(frozen=True)
class Config:
    """Flags.

    Attributes:
        steps: of training.
        batch_size: examples of a step.
        learning_rate: of Adam.
        share: of the pixels that are hidden, in (0, 1).
        ascent: steps towards an image that excites a class.
        channels: maps of the second layer that are shown.
        seeds: networks, 0, 1, ...; the first is shown.
        run: the run folder.
    """

    steps: int = 400
    batch_size: int = 64
    learning_rate: float = 1e-3
    share: float = 0.1
    ascent: int = 150
    channels: tuple[int, ...] = (0, 4, 8, 12)
    seeds: int = 5
    run: str = "runs/inside_a_cnn"


def main(cfg: Config) -> dict[str, float]:
    """Trains, looks inside, and writes the report.

    Returns:
        By seed: `accuracy/SEED`; `hidden, WHOSE/SEED`, the accuracy with pixels hidden;
        `above/SEED`, how many of ten made-up images excite their class more than all
        of the test set; and `outside`, the largest value that was led back to a pixel
        which the unit does not see.

    Raises:
        ValueError: a flag out of range.
    """
    positive(cfg, "steps", "batch_size", "learning_rate", "ascent", "seeds")
    if not 0 < cfg.share < 1:
        raise ValueError(f"share must be in (0, 1), got {cfg.share}")
    data = zoo.data.load("fashion_mnist_small")
    train, test = images(data)
    swept = trained(
        *(MODEL, train, test),
        **dict(steps=cfg.steps, batch_size=cfg.batch_size, seeds=range(cfg.seeds)),
        rates=[cfg.learning_rate],
    )
    logits = jax.jit(MODEL.apply)
    salient = jit_once(lambda v, x, y: saliency(lambda x: MODEL.apply(v, x), x, y))
    numbers, rows = {}, []
    for seed in range(cfg.seeds):
        variables = of_run(swept.states, seed)
        scores = np.asarray(logits(variables, test["x"]))
        called = scores.argmax(1)
        slopes = np.asarray(salient(variables, test["x"], called))
        right = lambda x, v=variables: float(
            (np.asarray(logits(v, x)).argmax(1) == test["y"]).mean()
        )
        of = [right(hide(test["x"], m, cfg.share)) for m in _orders(slopes, seed)]
        made = maximal(
            *(_of_class, jnp.zeros((10, 28, 28, 1)), variables),
            **dict(steps=cfg.ascent, decay=0.02),
        )
        best = np.diag(logits(variables, made))
        above = int((best > scores.max(0)).sum())
        numbers[f"accuracy/{seed}"] = right(test["x"])
        numbers |= {f"hidden, {w}/{seed}": a for w, a in zip(HIDDEN, of, strict=True)}
        numbers[f"above/{seed}"] = above
        rows.append((seed, right(test["x"]), *of, above))
        if seed == 0:
            shown = variables, slopes, made
    report = Report("Inside a CNN", "what LeNet-5 learned of clothes", vars(cfg))
    headers = ("seed", "accuracy", *(f"hidden: {w}" for w in HIDDEN), "above all")
    caption = f"Test accuracy, and with {cfg.share:.0%} of the pixels hidden; made-up "
    report.show(headers, rows, f"{caption}images that excite their class above all.")
    numbers["outside"] = _pictures(cfg, report, shown, (train, test), data)
    print(f"report: {report.write(Path(cfg.run, 'report.html'))}")
    return numbers


def hide(x: np.ndarray, order: np.ndarray, share: float) -> np.ndarray:
    """Images with those pixels at 0 whose value in `order` [N, H, W] is largest."""
    flat = order.reshape(len(x), -1)
    count = round(share * flat.shape[1])
    first = np.argsort(-flat, axis=1)[:, :count]
    hidden = x.reshape(flat.shape).copy()
    np.put_along_axis(hidden, first, 0, axis=1)
    return hidden.reshape(x.shape)


def _orders(slopes, seed):  # by whose largest values are hidden, as in HIDDEN
    rng = np.random.default_rng(seed)
    return slopes, slopes[rng.permutation(len(slopes))], rng.random(slopes.shape)


def _of_class(x, variables):  # the logit of class i for image i
    return jnp.diagonal(MODEL.apply(variables, x))


def _pictures(cfg, report, shown, parts, data) -> float:
    variables, slopes, made = shown
    train, test = parts
    kernels = variables["params"]["conv_0"]["kernel"]  # [5, 5, 1, maps]
    grey = lambda x: np.asarray(x / (2 * abs(x).max((1, 2, 3), keepdims=True)) + 0.5)
    figure = figures.gallery(
        grey(jnp.moveaxis(kernels, 3, 0)), [*map(str, range(6))], 6
    )
    report.figure(figure, "Filters of the first layer; grey is 0.", "filters")
    names = ["conv_0", "conv_1"]
    found = jit_once(lambda v, x: features(MODEL, v, x, names))(
        variables, test["x"][:1]
    )
    for name in names:
        maps = np.moveaxis(np.maximum(found[name], 0), 3, 0)[:, 0, :, :, None]
        maps = maps / maps.max((1, 2, 3), keepdims=True, initial=1e-6)
        figure = figures.gallery(maps, [*map(str, range(len(maps)))], 8)
        caption = f"Maps of {name} behind the ReLU, for the first image of the test set"
        report.figure(figure, f"{caption}; each in its own scale.", name)
    some = [int(np.flatnonzero(test["y"] == c)[0]) for c in range(10)]
    low = test["x"].min()
    plain = (test["x"][some] - low) / (test["x"].max() - low)
    bright = slopes[some] / slopes[some].max((1, 2), keepdims=True)
    both = np.concatenate([plain, bright[..., None]], 1)  # one below the other
    figure = figures.gallery(both, data.classes, 10)
    report.figure(figure, "Images, and below their saliency.", "saliency")
    figure = figures.gallery(grey(made), data.classes, 5)
    caption = "What excites each class most, found by ascent; grey is the data's mean."
    report.figure(figure, caption, "maximal")
    twin = zoo.create("lenet5", activation="deconv")
    maps = lambda v, x: features(twin, v, x, ["conv_1"])["conv_1"]
    back = jit_once(
        lambda v, x: [
            projection(functools.partial(maps, v), x, channel)
            for channel in cfg.channels
        ]
    )
    pictures, titles, outside = [], [], 0.0
    for channel, led in zip(cfg.channels, back(variables, train["x"]), strict=True):
        first = np.argsort(-np.asarray(led.response))[:5]
        pixels = np.asarray(led.pixels)
        outside = max(outside, _outside(pixels, np.asarray(led.place)))
        x = (train["x"][first] - low) / (train["x"].max() - low)
        cause = grey(jnp.asarray(pixels[first]))
        pictures.append(np.concatenate([x.clip(0, 1), cause], 1))
        titles += [f"map {channel}"] * 5
    figure = figures.gallery(np.concatenate(pictures), titles, 5)
    caption = "Training images that excite a map of the second layer most, and below "
    report.figure(figure, f"{caption}what in them does, by a deconvnet.", "deconvnet")
    return outside


def _outside(pixels, places) -> float:
    """The largest value at a pixel that a unit of conv_1 does not see."""
    at = np.arange(28)
    first = 2 * places[:, :, None] - 2  # [N, 2, 1]
    inside = (first <= at) & (at < first + 14)
    seen = inside[:, 0, :, None] & inside[:, 1, None, :]  # [N, 28, 28]
    return float(np.abs(np.where(seen[..., None], 0, pixels)).max())


if __name__ == "__main__":
    run(main, Config)
