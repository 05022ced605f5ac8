"""Averages read faint textures better, and maxima sparse strokes.

Run:    python -m experiments.pooling
        python -m experiments.pooling --sizes 32 --seeds 2

Expect: of faint textures of 16x16 and 32x32 pixels averages tell 0.86 to 0.88 and all
but one in 500, maxima 0.69 to 0.73 and 0.89 to 0.92 (seeds 0 to 4). Of strokes it is
0.90 to 0.92 and 0.45 to 0.55 for averages, 0.97 to 0.99 and 0.97 to 0.99 for maxima. By
chance it would be 0.25. It takes a minute of a core. A row of `benchmarks.claims` holds
it to that.

Which of four directions? A convolution of 7x7, ReLU, and one pooling over the whole
image answer it; all else is the same. In a texture the direction is everywhere and
faint, a grating far below the noise: the mean over the image adds up what is there, and
the maximum sees a single place. In the strokes it is at one place, a short bar above
the noise: the maximum finds it, and in the mean it is one of many. The larger the image
and its noise, the more so. Both get the same images, steps and rates; each is shown at
the rate at which it is best on the training images.

References:
    Boureau, Ponce and LeCun, "A theoretical analysis of feature pooling in visual
    recognition", ICML 2010, https://icml.cc/Conferences/2010/papers/638.pdf
"""

import dataclasses
from pathlib import Path

import flax.linen as nn
import jax
import numpy as np

import zoo.functional as F
from experiments._classifiers import by_rate, positive, trained
from zoo.training import figures
from zoo.training.cli import run
from zoo.training.report import Report

POOLS = {"average": F.global_mean_pool, "maximum": F.global_max_pool}
ANGLES = np.pi * np.arange(4) / 4
KINDS = ("texture", "strokes")


@dataclasses.dataclass(frozen=True)
class Config:
    """Flags.

    Attributes:
        sizes: sides of the images.
        faint: amplitude of a texture's grating; the noise has deviation 1.
        strong: height of a stroke above the noise.
        count: training images, and test images.
        maps: of the convolution.
        steps: of each run.
        batch_size: examples of a step.
        rates: learning rates of Adam.
        seeds: runs of each net at each rate, 0, 1, ...
        run: the run folder.
    """

    sizes: tuple[int, ...] = (16, 32)
    faint: float = 0.25
    strong: float = 2.5
    count: int = 1000
    maps: int = 8
    steps: int = 200
    batch_size: int = 50
    rates: tuple[float, ...] = (0.01, 0.03)
    seeds: int = 5
    run: str = "runs/pooling"


class Net(nn.Module):
    """A convolution, ReLU, one pooling over all pixels, and a dense layer.

    Attributes:
        pool: `average` or `maximum`.
        maps: of the convolution.
    """

    pool: str
    maps: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:  # [B, H, W, 1] -> [B, 4]
        conv = nn.Conv(
            self.maps, (7, 7), padding="VALID", conv_general_dilated=F.convolve
        )
        return nn.Dense(len(ANGLES))(POOLS[self.pool](nn.relu(conv(x))))


def main(cfg: Config) -> dict[str, float]:
    """Trains both poolings on both kinds and all sizes, and writes the report.

    Returns:
        `KIND/SIZE/POOL/SEED`, test accuracy.

    Raises:
        ValueError: a flag out of range.
    """
    positive(cfg, "faint", "strong", "count", "maps", "steps", "batch_size")
    positive(cfg, "rates", "seeds", "sizes")
    if min(cfg.sizes) < 12:
        raise ValueError(f"sizes must be 12 or more, got {cfg.sizes}")
    numbers, rows, shown = {}, [], []
    for size in cfg.sizes:
        for kind in KINDS:
            train, test = (images(cfg, kind, size, seed) for seed in (0, 1))
            shown.append(images(cfg, kind, size, 2)["x"][:4])
            row = [kind, f"{size}x{size}"]
            for pool in POOLS:
                swept = trained(
                    *(Net(pool, cfg.maps), train, test),
                    **dict(steps=cfg.steps, batch_size=cfg.batch_size),
                    **dict(rates=cfg.rates, seeds=range(cfg.seeds)),
                )
                last = by_rate(swept.history["loss"][:, -1], cfg.rates)
                best = last.mean(1).argmin()
                right = by_rate(swept.final["accuracy"], cfg.rates)[best]
                for seed, value in enumerate(right):
                    numbers[f"{kind}/{size}/{pool}/{seed}"] = float(value)
                row.append(" ".join(f"{value:.3f}" for value in right))
            rows.append(row)
            print(*row, flush=True)
    report = Report("Pooling", "average against maximum", vars(cfg))
    headers = ("kind", "image", *POOLS)
    report.show(headers, rows, "Test accuracy, each seed; by chance it is 0.25")
    for size in cfg.sizes:
        of_size = [x for x in shown if x.shape[1] == size]
        pictures = np.concatenate(of_size).clip(-3, 3) / 6 + 0.5
        titles = [f"{kind}, {c}" for kind in KINDS for c in range(4)]
        figure = figures.gallery(pictures, titles)
        caption = f"An image of each direction, {size}x{size}: a grating in the noise, "
        report.figure(figure, f"{caption}and a bar.", f"images_{size}")
    print(f"report: {report.write(Path(cfg.run, 'report.html'))}")
    return numbers


def images(cfg: Config, kind: str, size: int, seed: int) -> dict[str, np.ndarray]:
    """Noise, and in it gratings or a bar; x [N, size, size, 1], y the direction."""
    rng = np.random.default_rng(seed)
    y = np.arange(cfg.count, dtype=np.int32) % len(ANGLES)
    noise = rng.normal(size=(cfg.count, size, size))
    row, column = np.mgrid[:size, :size][:, None].astype(float)  # [1, size, size]
    if kind == "strokes":  # the bar lies inside
        centre = rng.uniform(4, size - 5, (2, cfg.count, 1, 1))
        row, column = row - centre[0], column - centre[1]
    angle = ANGLES[y][:, None, None]
    along = column * np.cos(angle) + row * np.sin(angle)
    across = row * np.cos(angle) - column * np.sin(angle)
    if kind == "texture":
        phase = rng.uniform(0, 2 * np.pi, (cfg.count, 1, 1))
        signal = cfg.faint * np.sqrt(2) * np.sin(2 * np.pi * across / 4 + phase)
    else:
        signal = cfg.strong * ((abs(along) <= 3.5) & (abs(across) <= 0.6))
    return {"x": np.float32(noise + signal)[..., None], "y": y}


if __name__ == "__main__":
    run(main, Config)
