"""Slices of heads for the experiment `medical`: what is given, and how it is judged."""

from typing import NamedTuple

import numpy as np

from experiments import _translation as T
from zoo.data.phantoms import TISSUES, Phantoms

NOISE = 0.1  # its deviation
LINES, CENTRE = 8, 4  # lines of k-space that are kept, and how many in the middle
RADIUS, BRIGHT = 2.5, 0.4  # of a lesion, in pixels; what it adds, of 0 to 1
WHITE = TISSUES.index("white")
WHAT = ("psnr", "ssim", "dice", "rough", "auc", "accuracy")


class Outcome(NamedTuple):
    """Of one task.

    Attributes:
        given: images of the test, [N, S, S, 1], from -1 to 1.
        made: of each way, the images that it makes of them.
        true: the images that were to be made, if any.
        numbers: "WAY/WHAT" -> a figure, what of `WHAT`.
    """

    given: np.ndarray
    made: dict[str, np.ndarray]
    true: np.ndarray | None
    numbers: dict[str, float]


def outcome(given, made: dict, true, measure) -> Outcome:
    """With `measure`, (made, true) -> a figure each of `WHAT`, of each way."""
    made = {way: np.asarray(x) for way, x in made.items()}
    numbers = {
        f"{way}/{what}": value
        for way, x in made.items()
        for what, value in measure(x, true).items()
    }
    return Outcome(given, made, true, numbers)


def of_images(made, true) -> dict[str, float]:
    """PSNR and SSIM."""
    found = T.measures(made, true)
    return {what: found[what] for what in ("psnr", "ssim")}


def of_masks(made, true) -> dict[str, float]:
    """Dice."""
    return {"dice": dice(made, true)}


def signed(x: np.ndarray) -> np.ndarray:
    """Brightness from 0 to 1 as from -1 to 1."""
    return np.float32(2 * np.clip(x, 0, 1) - 1)


def mask(tissue: np.ndarray) -> np.ndarray:
    """White matter as 1, all else as -1, [N, S, S, 1]."""
    return np.float32(2 * (tissue[..., None] == WHITE) - 1)


def pair(task: str, slices: Phantoms, seed: int) -> dict[str, np.ndarray]:
    """What is given and what is asked for, [N, S, S, 1], from -1 to 1."""
    rng = np.random.default_rng([12, seed])
    noisy = lambda: slices.t1 + rng.normal(0, NOISE, slices.t1.shape)
    if task == "lines":
        return {"x": signed(of_lines(slices.t1, rng)), "y": signed(slices.t1)}
    if task == "contrast":
        return {"x": signed(slices.t1), "y": signed(slices.t2)}
    y = mask(slices.tissue) if task == "white" else signed(slices.t1)
    return {"x": signed(noisy()), "y": y}


def of_lines(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Images of a part of the rows of their Fourier transforms, zeros in the others.

    The middle `CENTRE` rows are kept, and others by chance, `LINES` in all.
    """
    n = x.shape[1]
    low = np.abs(np.fft.fftfreq(n, 1 / n) + 0.5) < CENTRE / 2
    order = rng.uniform(size=(len(x), n)) - 2.0 * low
    kept = order.argsort(1).argsort(1) < LINES
    whole = np.fft.fft2(x[..., 0]) * kept[:, :, None]
    return np.abs(np.fft.ifft2(whole))[..., None]


def dice(made: np.ndarray, y: np.ndarray) -> float:
    """2 |A and B| / (|A| + |B|) of what is above 0, over all images together."""
    a, b = np.asarray(made) > 0, y > 0
    return float(2 * (a & b).sum() / max(1, a.sum() + b.sum()))


def with_lesions(test: Phantoms, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Slices of t1, every second one with a bright disc in grey or white matter, and
    which those are."""
    rng = np.random.default_rng([13, seed])
    x, ill = test.t1.copy(), np.arange(len(test.t1)) % 2 == 0
    rows = np.arange(x.shape[1])
    for i in np.flatnonzero(ill):
        places = np.argwhere(test.tissue[i] >= TISSUES.index("grey"))
        top, left = places[rng.integers(len(places))]
        disc = np.hypot(rows[:, None] - top, rows - left) <= RADIUS
        x[i, disc] += BRIGHT
    return signed(x), ill


def auc(score: np.ndarray, positive: np.ndarray) -> float:
    """The chance that a positive scores above a negative; ties are one half."""
    apart = score[positive][:, None] - score[~positive]
    return float((apart > 0).mean() + (apart == 0).mean() / 2)
