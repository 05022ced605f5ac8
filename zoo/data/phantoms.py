"""Phantoms: drawn slices of a head in two contrasts, with their tissues, without end.

From outside: background, scalp, fluid, grey matter, white matter with folds towards the
grey, and two ventricles of fluid in the middle. Outlines are circles of a radius that
waves with the angle; no two heads are alike. Each contrast is a brightness a tissue, by
chance a little more or less, times a slow shade across the image, as of a coil:

                 scalp   fluid   grey   white
    t1           0.9     0.15    0.5    0.8
    t2           0.3     0.95    0.6    0.35

A pixel at a border shows both of its tissues: four points of it are drawn.

Shapes: N slices, S pixels of a side.

References:
    Shepp and Logan, "The Fourier reconstruction of a head section", IEEE Transactions
    on Nuclear Science 1974, https://doi.org/10.1109/TNS.1974.6499235: an older one
"""

from typing import NamedTuple

import numpy as np

from zoo.data.checks import whole_number

TISSUES = ("background", "scalp", "fluid", "grey", "white")
T1 = (0.0, 0.9, 0.15, 0.5, 0.8)  # brightness by tissue
T2 = (0.0, 0.3, 0.95, 0.6, 0.35)
OVER = 2  # points of a pixel's side


class Phantoms(NamedTuple):
    """Slices of heads, the same heads in both contrasts.

    Attributes:
        t1: float32 [N, S, S, 1], from 0 to about 1.
        t2: likewise.
        tissue: uint8 [N, S, S], of `TISSUES`, the one that most of a pixel is.
    """

    t1: np.ndarray
    t2: np.ndarray
    tissue: np.ndarray


def phantoms(count: int, seed: int = 0, size: int = 32) -> Phantoms:
    """Drawn slices.

    Args:
        count: N, at least 1.
        seed: another one gives other heads.
        size: S, at least 16.

    Raises:
        ValueError: a number out of range.
    """
    whole_number("count", count, 1)
    whole_number("size", size, 16)
    rng = np.random.default_rng([11, whole_number("seed", seed, 0)])
    slices = [_slice(rng, size) for _ in range(count)]
    t1, t2, tissue = (np.stack(part) for part in zip(*slices, strict=True))
    return Phantoms(t1[..., None], t2[..., None], tissue)


def _slice(rng, size):
    tissue = _tissue(rng, size * OVER)
    cells = tissue.reshape(size, OVER, size, OVER)
    shares = [(cells == i).mean((1, 3)) for i in range(len(TISSUES))]
    images = []
    for means in (T1, T2):
        bright = np.array(means) * rng.normal(1, 0.04, len(means))
        image = sum(b * share for b, share in zip(bright, shares, strict=True))
        slope = rng.uniform(-0.12, 0.12, 2)
        rows = np.linspace(-1, 1, size)
        shade = 1 + slope[0] * rows[:, None] + slope[1] * rows
        images.append((image * shade).astype(np.float32))
    return *images, np.argmax(shares, 0).astype(np.uint8)


def _tissue(rng, size):
    """The tissue of each point, int [size, size]."""
    rows = (np.arange(size) + 0.5) / size * 2 - 1
    turn, (top, left) = rng.uniform(-0.2, 0.2), rng.uniform(-0.04, 0.04, 2)
    y, x = np.meshgrid(rows - top, rows - left, indexing="ij")
    y, x = np.cos(turn) * y - np.sin(turn) * x, np.sin(turn) * y + np.cos(turn) * x
    angle = np.arctan2(y, x)

    def waving(lowest, highest, most):
        waves = np.arange(lowest, highest)
        sizes = rng.uniform(0, most, len(waves))
        starts = rng.uniform(0, 2 * np.pi, len(waves))
        each = np.cos(waves * angle[..., None] + starts)
        return 1 + (sizes * each).sum(-1)

    tall, wide = rng.uniform(0.8, 0.9), rng.uniform(0.66, 0.78)
    reach = np.hypot(y / tall, x / wide) / waving(2, 5, 0.02)  # 1 at the skin
    folds = waving(2, 5, 0.04) * waving(6, 13, 0.05)
    tissue = np.zeros((size, size), int)
    for inside, kind in ((1.0, 1), (0.9, 2), (0.84, 3)):
        tissue[reach < inside] = kind
    tissue[reach < 0.62 * folds] = 4
    tall, wide = rng.uniform(0.16, 0.28), rng.uniform(0.05, 0.1)
    for side in (-1, 1):
        lean = x - side * (rng.uniform(0.1, 0.15) + 0.2 * np.abs(y))
        tissue[np.hypot(y / tall, lean / wide) < 1] = 2
    return tissue
