"""A U-Net that saw one half of a picture finds the nuclei on the other half.

Run:    python -m experiments.nuclei
        python -m experiments.nuclei --data stardist-0.9.2-*.whl

Expect: on the right half of the embedded quarter, 18 nuclei after 25 on the left, a
Dice of 0.921. Of the nuclei: F1 at an IoU of a half 0.82, and an average precision of
0.56 by the watershed, 0.58 by components (seed 0). It takes a minute and a half of a
CPU core. `make acceptance ARGS=nuclei` holds the whole picture, 125 nuclei, seeds 0 to
4, to a Dice of 0.85.

The network learns from squares cut from the left half, turned and mirrored by chance.
Pixels of a nucleus that touches another's are background to it, and the narrow gaps
between nuclei weigh more, so that it learns to leave gaps. What it finds is parted into
nuclei in two ways: parts that hang together, and a watershed on how deep a pixel lies.

References:
    Ronneberger, Fischer and Brox, "U-Net: convolutional networks for biomedical image
    segmentation", MICCAI 2015, https://arxiv.org/abs/1505.04597
    Caicedo et al., "Nucleus segmentation across imaging experiments: the 2018 Data
    Science Bowl", Nature Methods 2019, https://doi.org/10.1038/s41592-019-0612-7
"""

import dataclasses
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import zoo
import zoo.metrics as M
from experiments._classifiers import positive
from experiments._pixels import curve, fitted
from zoo.data import Stream
from zoo.data.nuclei import nuclei, renumbered
from zoo.segmentation import (
    border_weights,
    components,
    instance_iou,
    pixel_cross_entropy,
    split,
)
from zoo.training import Machine, figures
from zoo.training.cli import run
from zoo.training.parallel import jit_once
from zoo.training.report import Report

MOST, FOUND = 24, 250  # nuclei in a square, and at most in what is tested
SIDE = 8  # U-Net halves three times
FORMS = {"components": components, "watershed": split}


@dataclasses.dataclass(frozen=True)
class Config:
    """Flags.

    Attributes:
        data: StarDist's wheel or a folder of its picture; nothing for the embedded.
        crop: pixels of a side of the squares, a multiple of 8.
        steps: of training.
        batch_size: squares of a step.
        width: channels of the first maps of the U-Net.
        learning_rate: of Adam, at its largest: it goes up and down once.
        border: weight of a gap without width; 0 for none.
        sigma: how wide a gap may be, in pixels.
        least: pixels of a nucleus; what is smaller is none.
        seed: of parameters and squares.
        run: the run folder.
        progress: show a progress bar.
        machine: devices and hosts.
    """

    data: str = ""
    crop: int = 64
    steps: int = 200
    batch_size: int = 8
    width: int = 16
    learning_rate: float = 4e-3
    border: float = 5.0
    sigma: float = 3.0
    least: int = 20
    seed: int = 0
    run: str = "runs/nuclei"
    progress: bool = True
    machine: Machine = Machine()


def apart(instances: np.ndarray) -> np.ndarray:
    """Numbers of nuclei without the pixels beside which another one lies."""
    near = np.pad(instances, 1)
    views = [
        near[1 + i : near.shape[0] - 1 + i, 1 + j : near.shape[1] - 1 + j]
        for i in (-1, 0, 1)
        for j in (-1, 0, 1)
    ]
    touch = np.any([(v > 0) & (v != instances) for v in views], 0)
    return np.where(touch, 0, instances)


def squares(
    x: np.ndarray, instances: np.ndarray, crop: int, batch_size: int, seed: int
) -> Stream:
    """Squares by chance, without end: `x`, `instances` and `y`, which is 1 inside."""

    def one(number: int) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng([seed, number])
        top, left = (int(rng.integers(0, n - crop + 1)) for n in instances.shape)
        turns, mirrored = int(rng.integers(4)), bool(rng.integers(2))
        cut = lambda a: a[top : top + crop, left : left + crop]
        turned = lambda a: np.rot90(a[:, ::-1] if mirrored else a, turns)
        return turned(cut(x)), np.minimum(renumbered(turned(cut(instances))), MOST)

    def rows(step: int, start: int, stop: int):
        index = np.arange(step * batch_size + start, step * batch_size + stop)
        images, numbers = zip(*(one(int(i)) for i in index), strict=True)
        numbers = np.stack(numbers).astype(np.int32)
        return {
            "x": np.stack(images)[..., None],
            "instances": numbers,
            "y": (numbers > 0).astype(np.int32),
            "index": (index % 2**31).astype(np.int32),
        }

    return Stream(
        at=lambda step: rows(step, 0, batch_size),
        rows=rows,
        batch_size=batch_size,
        examples=2**31 - 1,
    )


def measured(
    found: np.ndarray, truth: np.ndarray, chance: np.ndarray
) -> dict[str, float]:
    """How well nuclei are found, each as a whole.

    Args:
        found: their numbers, int [H, W].
        truth: likewise.
        chance: that a pixel is of a nucleus; a nucleus' score is its mean, [H, W].

    Returns:
        `f1` of nuclei with an IoU of at least a half; `ap`, COCO's average precision
        over ten thresholds from there on.
    """
    number = np.arange(1, FOUND + 1)
    pixels = np.bincount(found.reshape(-1), minlength=FOUND + 1)[1:]
    light = np.bincount(found.reshape(-1), chance.reshape(-1), FOUND + 1)[1:]
    count = int(truth.max())
    overlap = instance_iou(jnp.asarray(found), jnp.asarray(truth), FOUND, count)
    matches = M.detection_matches(
        *(overlap, np.float32(light / np.maximum(pixels, 1))),
        *(np.zeros(FOUND, np.int32), np.zeros(count, np.int32), 1),
        **dict(present=number <= found.max(), thresholds=M.detection.COCO),
        most=FOUND,
    )
    hits = float(matches.hit[0].sum())
    batch = jax.tree.map(lambda leaf: leaf[None], matches)
    return {
        "f1": 2 * hits / (int((pixels > 0).sum()) + count),
        "ap": float(M.mean_average_precision(batch)),
    }


def without_small(instances: np.ndarray, least: int) -> np.ndarray:
    """Numbers of objects, those of fewer pixels left out, at most FOUND of them."""
    pixels = np.bincount(instances.reshape(-1))
    kept = renumbered(np.where(pixels[instances] < least, 0, instances))
    return np.where(kept > FOUND, 0, kept)


def main(cfg: Config) -> dict[str, float]:
    """Trains on the left half, tests on the right one, and writes the report.

    Returns:
        On the right half: `dice` of pixels, `nuclei` that there are, and `FORM/f1`,
        `FORM/ap` and `FORM/found` of the two ways to part them.

    Raises:
        ValueError: a flag out of range.
        DataError: a picture that cannot be read.
    """
    positive(cfg, "crop", "steps", "batch_size", "width", "learning_rate", "sigma")
    positive(cfg, "least")
    whole = nuclei(cfg.data or None)
    middle = whole.x.shape[1] // 2
    if cfg.crop % SIDE or cfg.crop > min(len(whole.x), middle):
        raise ValueError(
            f"crop must be a multiple of {SIDE} of at most "
            f"{min(len(whole.x), middle)} pixels, got {cfg.crop}"
        )
    cfg.machine.start()
    light = np.log1p(whole.x.astype(np.float32))  # a few nuclei shine very brightly
    seen = light[:, :middle]
    light = (light - seen.mean()) / seen.std()
    stream = squares(
        *(light[:, :middle], apart(whole.instances[:, :middle])),
        *(cfg.crop, cfg.batch_size, cfg.seed),
    )
    weigh = jax.vmap(lambda n: border_weights(n, MOST, cfg.border, cfg.sigma, False))

    def loss(outputs: jax.Array, batch: dict[str, Any]):
        return pixel_cross_entropy(
            outputs, {**batch, "pixels": weigh(batch["instances"])}
        )

    def create(**fields):
        return zoo.create("unet_small", num_classes=2, width=cfg.width, **fields)

    def learns(optimizer, axis_name=None):
        model = create(axis_name=axis_name)
        return zoo.supervised(model, loss, optimizer, axis_name=axis_name)

    result = fitted(cfg, (learns, stream))
    model = create()
    height, width = (n // SIDE * SIDE for n in (len(light), light.shape[1] - middle))
    held = np.s_[:height, middle : middle + width]
    truth = renumbered(whole.instances[held])
    of = jit_once(
        lambda v, x: jax.nn.softmax(model.apply(v, x[None, ..., None]))[0, ..., 1]
    )
    chance = np.asarray(of(zoo.eval_variables(result.state), light[held]))
    mask = chance > 0.5
    table = M.confusion_matrix(
        (truth > 0).astype(np.int32)[None], mask.astype(np.int32)[None], 2
    )
    numbers = {"dice": float(M.f1(table, "binary")), "nuclei": float(truth.max())}
    parted = {}
    for name, form in FORMS.items():
        parted[name] = without_small(np.asarray(jit_once(form)(mask)), cfg.least)
        told = measured(parted[name], truth, chance) | {"found": parted[name].max()}
        numbers |= {f"{name}/{key}": float(value) for key, value in told.items()}
    if jax.process_index() == 0:
        picture = (whole.x / np.percentile(whole.x, 99.5)).clip(0, 1)[held]
        _report(cfg, result, numbers, picture, truth, chance, parted)
    return numbers


def coloured(instances: np.ndarray) -> np.ndarray:
    """A colour for each number, black for 0, [H, W] -> [H, W, 3]."""
    colours = np.random.default_rng(0).uniform(0.25, 1, (int(instances.max()) + 1, 3))
    colours[0] = 0
    return colours[instances]


def _report(cfg, result, numbers, picture, truth, chance, parted) -> None:
    report = Report("Nuclei", "one half learns, the other is tested", vars(cfg))
    rows = [("Dice of pixels", numbers["dice"]), ("nuclei", numbers["nuclei"])]
    report.show(("on the right half", "value"), rows, "Pixels")
    rows = [
        [f, *(numbers[f"{f}/{key}"] for key in ("found", "f1", "ap"))] for f in FORMS
    ]
    report.show(("parted by", "found", "F1", "AP"), rows, "Nuclei, each as a whole")
    figure = figures.curves({"loss": curve(result.history)}, "step", "loss", log=True)
    report.figure(figure, "The weighted loss on new squares.", "loss")
    grey = lambda x: np.repeat(x[..., None], 3, -1)
    shown = [
        grey(picture),
        grey(chance),
        coloured(truth),
        *map(coloured, parted.values()),
    ]
    titles = ["right half", "of a nucleus, chance", "by hand", *parted]
    figure = figures.gallery(np.stack(shown), titles, len(shown))
    report.figure(figure, "The half that the network has not seen.", "nuclei")
    print(f"report: {report.write(Path(cfg.run, 'report.html'))}")


if __name__ == "__main__":
    run(main, Config)
