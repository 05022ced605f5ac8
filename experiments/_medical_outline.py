"""The task of the experiment `medical` that draws an organ's outline where a part of
the image is lost, with a critic that has seen outlines, and no images."""

import numpy as np

import zoo
from experiments import _translation as T
from experiments._head_baselines import best_band
from experiments._heads import dice, outcome, signed
from zoo.data.phantoms import TISSUES

TASKS = ("outline",)
NOISE, LOST, FEW = 0.3, 14, 40  # deviation; pixels of a side; pairs to learn from
WEIGHT = 10.0  # of the absolute difference, beside the critic
BRAIN = TISSUES.index("fluid")  # and all after it


def pairs(slices, seed: int) -> dict[str, np.ndarray]:
    """Noisy t1 with a square lost, and the brain as 1, all else as -1."""
    rng = np.random.default_rng([14, seed])
    x = slices.t1 + rng.normal(0, NOISE, slices.t1.shape)
    side = x.shape[1]
    at = rng.integers(0, side - LOST + 1, (len(x), 2, 1))
    rows, columns = ((np.arange(side) - at[:, i]) // LOST == 0 for i in (0, 1))
    x[rows[:, :, None] & columns[:, None]] = 0
    return {
        "x": signed(x),
        "y": np.float32(2 * (slices.tissue >= BRAIN) - 1)[..., None],
    }


def steps(x: np.ndarray) -> int:
    """Between pixels of an organ and others: how long its outline is."""
    inside = np.asarray(x) > 0
    return sum((inside != np.roll(inside, 1, axis)).sum() for axis in (1, 2))


def measure(made, true) -> dict[str, float]:
    """Dice, and the length of the outline, over that of the true one."""
    return {"dice": dice(made, true), "rough": float(steps(made) / steps(true))}


def outcomes(tasks, cfg, train, test):
    """("outline", Outcome): from few pairs alone, and with the critic."""
    known, held = (
        pairs(part, 2 * cfg.seed + i) for i, part in enumerate((train, test))
    )
    known = {name: value[:FEW] for name, value in known.items()}
    made = {"baseline": best_band(known, held["x"])}
    builders = {
        "alone": T.alone(cfg.learning_rate),
        "shapes": T.judged(cfg.learning_rate, WEIGHT, conditional=False),
    }
    for way, build in builders.items():
        stream = zoo.data.batches(known, cfg.batch_size, cfg.seed)
        state = T.fitter(build)(stream, cfg.steps, cfg.seed)
        made[way] = T.by_unet(T.variables_of(state), held["x"])
    yield "outline", outcome(held["x"], made, held["y"], measure)
