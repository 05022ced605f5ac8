"""Fewer pixels, or a hole: a network restores what interpolation leaves smooth.

Run:    python -m experiments.restoration
        python -m experiments.restoration --tasks inpainting --hole 20

Expect: on 500 test photos, with seed 0,

    super_resolution   psnr   ssim    sharp    inpainting    psnr   ssim    sharp
    bicubic            16.7   0.472   0.505    harmonic      11.6   0.112   0.299
    alone              19.4   0.662   0.649    biharmonic    11.2   0.072   0.459
    judged             18.4   0.630   0.879    alone         14.5   0.282   0.515
                                               judged        13.7   0.238   0.793

Networks know clothes, and interpolation does not. The discriminator costs a decibel or
less and gives back more than half of the sharpness that was lost. Eighty seconds of a
CPU core, most of it compiling.

Clothes of the embedded set, 32 x 32, of which something is lost:

    super_resolution    three pixels of four in each direction: 8 x 8 are left, the
                        means of squares of 4 x 4, enlarged by bicubic interpolation
    inpainting          a square in the middle, filled in from around it so that the
                        Laplacian vanishes (`harmonic`), as a soap film would

What is so restored is what the networks begin from, both of pix2pix:

    alone       a U-Net, by the mean absolute difference alone
    judged      the same, with a discriminator of patches that sees what it began from:
                of a hole that is the loss of context encoders, an adversarial one
                beside a reconstruction

Test photos are measured, of a hole the hole alone: PSNR, SSIM, and `sharp`, the mean
step from a pixel to the next, over that of the photos. `biharmonic`, the smoother film
whose Laplacian's own Laplacian vanishes, is there for comparison.

References:
    Ledig et al., "Photo-realistic single image super-resolution using a generative
    adversarial network", CVPR 2017, https://arxiv.org/abs/1609.04802
    Pathak et al., "Context encoders: feature learning by inpainting", CVPR 2016,
    https://arxiv.org/abs/1604.07379

A slow test holds it to that, and `python -m benchmarks.acceptance claims:restoration`
the seeds 0 to 4.
"""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np

import zoo
from experiments import _translation as T
from experiments._classifiers import positive
from zoo.errors import unknown
from zoo.training import figures
from zoo.training.cli import run
from zoo.training.report import Report

FACTOR = 4  # of the sides, in super-resolution
WHAT = ("psnr", "ssim", "sharp")
LEARNED = ("alone", "judged")
PLAIN = {
    "super_resolution": ("bicubic",),
    "inpainting": ("harmonic", "biharmonic"),
}
SHOWN = 8


@dataclasses.dataclass(frozen=True)
class Config:
    """Flags.

    Attributes:
        tasks: super_resolution, inpainting.
        hole: pixels of the side of the square, 11 to 24.
        steps: of each network.
        batch_size: images of a step.
        learning_rate: of Adam, of all networks.
        weight: of the absolute difference, where there is a discriminator.
        seeds: of parameters and of the order of examples.
        run: the run folder.
    """

    tasks: tuple[str, ...] = tuple(PLAIN)
    hole: int = 14
    steps: int = 500
    batch_size: int = 8
    learning_rate: float = 1e-3
    weight: float = 30.0
    seeds: tuple[int, ...] = (0,)
    run: str = "runs/restoration"


def main(cfg: Config) -> dict[str, float]:
    """Learns two ways with each seed, prints the tables and writes the report.

    Returns:
        `WHAT/TASK/KIND/SEED` for what of psnr, ssim and sharp, and kinds of alone and
        judged, and plain ones of a task, which are the same for all seeds.

    Raises:
        ValueError: a flag out of range, an unknown task.
    """
    positive(cfg, "steps", "batch_size", "learning_rate", "weight")
    for task in cfg.tasks:
        if task not in PLAIN:
            raise unknown("task", task, PLAIN)
    if not (cfg.tasks and cfg.seeds) or not 11 <= cfg.hole <= 24:
        raise ValueError(
            "tasks and seeds must be one or more, hole from 11 to 24 pixels, got "
            f"{cfg.tasks}, {cfg.seeds} and {cfg.hole}"
        )
    data = zoo.data.load("fashion_mnist_small")
    train, test = (padded(part["x"]) for part in data[:2])
    report = Report("What is lost of pictures", f"{cfg.steps} steps, seeds {cfg.seeds}")
    # Each compiled once for both tasks.
    learned = {
        "alone": T.fitter(T.alone(cfg.learning_rate)),
        "judged": T.fitter(T.judged(cfg.learning_rate, cfg.weight)),
    }
    numbers = {}
    for task in cfg.tasks:
        first = PLAIN[task][0]
        begin = lambda y, task=task, kind=first: restored(task, kind, y, cfg.hole)
        pairs = {"x": begin(train), "y": train}
        shown = {kind: restored(task, kind, test, cfg.hole) for kind in PLAIN[task]}
        seen = middle(cfg.hole) if task == "inpainting" else slice(None)
        of = lambda x, seen=seen: T.measures(x[:, seen, seen], test[:, seen, seen])
        for kind, x in shown.items():
            plain = {k: v for k, v in of(x).items() if k in WHAT}
            numbers |= {
                f"{k}/{task}/{kind}/{s}": v for k, v in plain.items() for s in cfg.seeds
            }
        for kind, fit in learned.items():
            for seed in cfg.seeds:
                stream = zoo.data.batches(pairs, cfg.batch_size, seed)
                variables = T.variables_of(fit(stream, cfg.steps, seed))
                made = np.asarray(T.by_unet(variables, shown[first]))
                found = {k: v for k, v in of(made).items() if k in WHAT}
                numbers |= {f"{k}/{task}/{kind}/{seed}": v for k, v in found.items()}
                print(task, kind, seed, *(f"{k} {v:.3f}" for k, v in found.items()))
                shown.setdefault(kind, _kept(made, test, seen))
        _report(report, cfg, task, numbers, shown | {"photo": test})
    print(f"report: {report.write(Path(cfg.run, 'report.html'))}")
    return numbers


def padded(x: np.ndarray) -> np.ndarray:
    """Bytes [N, 28, 28, 1] as photos of 32 pixels, from -1 to 1."""
    edge = ((0, 0), (2, 2), (2, 2), (0, 0))
    return np.pad(np.float32(x) / 127.5 - 1, edge, "edge")


def restored(task: str, kind: str, y: np.ndarray, hole: int) -> np.ndarray:
    """Photos without what is lost, by interpolation.

    Args:
        task: super_resolution or inpainting.
        kind: bicubic; harmonic or biharmonic.
        y: photos, [N, S, S, 1].
        hole: see `middle`.
    """
    if task == "super_resolution":
        n, side = y.shape[:2]
        small = y.reshape(n, side // FACTOR, FACTOR, side // FACTOR, FACTOR, 1)
        large: Callable = jax.jit(
            lambda x: zoo.functional.resize(x, (side, side), kind)
        )
        return np.asarray(large(small.mean((2, 4)))).clip(-1, 1)
    return filled(y, middle(hole, y.shape[1]), 1 + (kind == "biharmonic"))


def middle(hole: int, side: int = T.SIDE) -> slice:
    """Rows, or columns, of a square of so many pixels in the middle."""
    first = (side - hole) // 2
    return slice(first, first + hole)


def filled(y: np.ndarray, where: slice, order: int) -> np.ndarray:
    """A square hole filled from around it: L^order u = 0 in it, L the Laplacian.

    Args:
        y: pictures, [N, S, S, 1]; what is in the hole is not looked at.
        where: rows and columns of the hole, `order` or more from the border.
        order: 1, harmonic; 2, biharmonic.

    Returns:
        Pictures, clipped to the values from -1 to 1.
    """
    side = y.shape[1]
    line = 2 * np.eye(side) - np.eye(side, k=1) - np.eye(side, k=-1)
    whole = np.kron(line, np.eye(side)) + np.kron(np.eye(side), line)
    whole = np.linalg.matrix_power(whole, order)
    lost = np.zeros((side, side), bool)
    lost[where, where] = True
    lost = lost.ravel()
    film = -np.linalg.solve(whole[lost][:, lost], whole[lost][:, ~lost])
    x = y.reshape(len(y), -1).copy()
    x[:, lost] = x[:, ~lost] @ np.float32(film).T
    return x.reshape(y.shape).clip(-1, 1)


def _kept(made, test, seen):
    """What was made of the lost part, in the photos as they are."""
    x = test.copy()
    x[:, seen, seen] = made[:, seen, seen]
    return x


def _report(report, cfg, task, numbers, shown) -> None:
    mean = lambda name: float(np.mean([numbers[f"{name}/{s}"] for s in cfg.seeds]))
    kinds = (*PLAIN[task], *LEARNED)
    rows = [(k, *(mean(f"{what}/{task}/{k}") for what in WHAT)) for k in kinds]
    title = task.replace("_", "-").capitalize()
    report.show(("kind", *WHAT), rows, f"{title}: test photos, the mean of the seeds")
    tiles = np.concatenate([(x[:SHOWN] + 1) / 2 for x in shown.values()])
    titles = [name for name in shown for _ in range(SHOWN)]
    figure = figures.gallery(np.clip(tiles, 0, 1), titles, SHOWN)
    report.figure(figure, f"{title}: test photos, not chosen.", task)


if __name__ == "__main__":
    run(main, Config)
