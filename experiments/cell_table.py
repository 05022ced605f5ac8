"""Training every cell of a small space, once and for all, for others to search.

Run:    python -m experiments.cell_table
        python -m experiments.cell_table --cells 100 --run runs/some_cells

Expect: 2,844 cells with three seeds each, in random order, about 0.5 s a network: an
hour of a CPU core. Stopped, it goes on where it was. Mean validation accuracies from
0.53 to 0.97, half of them above 0.93; of one seed and another the rank correlation is
0.75, of mean validation and mean test accuracy 0.96. Separable convolutions do it: with
none in a cell it is 0.87, with one 0.93, with four 0.96. Of the networks without any
three do not learn with one of the seeds.

Each cell is a network of `zoo.search.SmallNet`, trained by `zoo.search.trainer` on half
of the digits; what comes out is `cells.npz` of the form that `zoo.search.read_table`
reads, and the one that comes with the project is such a file. The time of a network is
that of its answer to 64 images, the least of `repeats`: run that on a quiet machine.

A test holds a smaller run to it.
"""

import dataclasses
import os
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

import zoo
from zoo.metrics.ranks import rank_correlation
from zoo.search import Images, SmallNet, choice, halves, trainer
from zoo.search.cells import OPERATIONS
from zoo.search.table import all_cells
from zoo.training import figures
from zoo.training.cli import run
from zoo.training.report import Report

SEEDS = 3


@dataclasses.dataclass(frozen=True)
class Config:
    """Flags.

    Attributes:
        cells: how many, from the front of a random order; 0: all of them.
        steps: of each training.
        repeats: of an answer's timing.
        run: the run folder.
    """

    cells: int = 0
    steps: int = 500
    repeats: int = 20
    run: str = "runs/cell_table"


def digits() -> Images:
    """The digits, half to train on, a quarter to choose by, a quarter to report."""
    data = zoo.data.load("digits")
    x, y = (np.concatenate([part[k] for part in data[:2]]) for k in "xy")
    return halves((x.reshape(-1, 8, 8, 1) / data.scale).astype(np.float32), y)


def main(cfg: Config) -> dict[str, float]:
    """Trains the cells, times them, and writes the table and the report.

    Returns:
        `cells`, `low` and `high`, the least and largest mean validation accuracy, and
        `seeds` and `test`, the rank correlations between the first two seeds and
        between validation and test.

    Raises:
        ValueError: a flag out of range.
    """
    tokens = all_cells()
    if not 0 <= cfg.cells <= len(tokens) or min(cfg.steps, cfg.repeats) < 1:
        raise ValueError(
            f"cells must be in [0, {len(tokens)}], steps and repeats positive, "
            f"got {cfg}"
        )
    order = np.random.default_rng(0).permutation(len(tokens))
    order = order[: cfg.cells or len(tokens)]
    folder = Path(cfg.run)
    folder.mkdir(parents=True, exist_ok=True)
    found = _trained(cfg, tokens, order, folder / "cells.npz")
    valid, test = (found[name][order].mean(1) for name in ("valid", "test"))
    numbers = {
        "cells": len(order),
        "low": float(valid.min()),
        "high": float(valid.max()),
        "seeds": float(rank_correlation(*found["valid"][order, :2].T)),
        "test": float(rank_correlation(valid, test)),
    }
    _report(cfg, tokens[order], valid, test, numbers)
    return numbers


def _trained(cfg, tokens, order, file):
    """The table so far, and the rest of it."""
    shape = len(tokens), SEEDS
    found = {"valid": np.zeros(shape, np.float32), "test": np.zeros(shape, np.float32)}
    found |= {"seconds": np.zeros(len(tokens), np.float32)}
    if file.exists():
        with np.load(file) as stored:
            found = {name: stored[name] for name in found}
    images = digits()
    train = jax.jit(trainer(images, steps=cfg.steps))
    left = [i for i in order if not found["valid"][i].all()]
    for n, i in enumerate(left, 1):
        for seed in range(SEEDS):
            scores = train(jax.random.key(seed), choice(jnp.asarray(tokens[i])))
            found["valid"][i, seed], found["test"][i, seed] = scores
        if n % 50 == 0 or n == len(left):
            _write(file, found)
            print(f"{len(order) - len(left) + n} of {len(order)} cells", flush=True)
    left = [i for i in order if not found["seconds"][i]]
    answer = _answer(images.x[:64])
    for i in left:
        found["seconds"][i] = min(answer(tokens[i]) for _ in range(cfg.repeats))
    _write(file, found)
    return found


def _answer(x):
    """What times an answer to images x: tokens -> seconds."""
    model = SmallNet(10)
    params = model.init(jax.random.key(0), (x, choice(jnp.zeros(8, jnp.int32))))
    apply, x = jax.jit(model.apply), jnp.asarray(x)

    def seconds(tokens):
        chosen = choice(jnp.asarray(tokens))
        start = time.perf_counter()
        apply(params, (x, chosen)).block_until_ready()
        return time.perf_counter() - start

    seconds(np.zeros(8, np.int32))  # compiled
    return seconds


def _write(file, found):
    """Whole, or not at all."""
    with open(f"{file}.part", "wb") as out:
        np.savez_compressed(out, **found)
    os.replace(f"{file}.part", file)


def _report(cfg, tokens, valid, test, numbers):
    report = Report("Every small cell", "trained once and for all", vars(cfg))
    sides = tokens.reshape(-1, 2, 2, 2)
    rows = []
    for o, name in enumerate(OPERATIONS):
        has = ((sides[..., 1] == o) & (sides[..., 0] >= 0)).sum((1, 2))
        means = [
            valid[has == n].mean() if (has == n).any() else np.nan for n in range(5)
        ]
        rows.append((name, *(f"{mean:.3f}" for mean in means)))
    heads = ("operation", *(f"{n} of it" for n in range(5)))
    report.show(heads, rows, "Mean validation accuracy of cells with so many of one")
    at = np.linspace(0, 1, len(valid))
    lines = {"validation": (at, np.sort(valid)), "test": (at, np.sort(test))}
    figure = figures.curves(lines, "share of the cells", "mean accuracy of three seeds")
    report.figure(figure, "All cells, from the worst to the best.", "accuracies")
    print(
        f"seeds agree {numbers['seeds']:.2f}, validation and test {numbers['test']:.2f}"
    )
    print(f"report: {report.write(Path(cfg.run, 'report.html'))}")


if __name__ == "__main__":
    run(main, Config)
