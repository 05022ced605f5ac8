"""What the losses of two players are compared on: eight clouds, or pictures."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import zoo
import zoo.metrics as M
from experiments._classifiers import judge
from zoo.training import figures

ANGLES = np.arange(8) * np.pi / 4
CENTRES = np.float32(2 * np.stack([np.cos(ANGLES), np.sin(ANGLES)], 1))
DEVIATION = 0.05
AWAY = 6.0  # how far the clouds are moved where samples stand still
TILES = 4  # of a side of the square of pictures that is shown of a loss


class Source(NamedTuple):
    """Of examples.

    Attributes:
        examples: (key, count) -> x, [count, *shape].
        shape: of an example.
        bounded: from -1 to 1.
        latents: of a generator of them.
        code: numbers of an autoencoder's code, where that is the discriminator.
        away: moves examples from samples that stand still, if they are not apart.
        modes: that there are.
        measured: samples -> modes that are covered, share of good ones, and squared
            maximum mean discrepancy to new examples.
        draw: (loss -> samples [S, M, *shape]) -> a figure of seed 0.
    """

    examples: Callable
    shape: tuple[int, ...]
    bounded: bool
    latents: int
    code: int
    away: Callable
    modes: int
    measured: Callable
    draw: Callable


def clouds(count: int) -> Source:
    """Eight normal laws on a circle.

    Args:
        count: new examples, to which samples are compared.
    """

    def examples(key, count):
        where, noise = jax.random.split(key)
        centres = jnp.array(CENTRES)[jax.random.randint(where, (count,), 0, 8)]
        return centres + DEVIATION * jax.random.normal(noise, (count, 2))

    def measured(x):
        near = M.modes(x, jnp.array(CENTRES), 3 * DEVIATION)
        fresh = _opaque(examples(jax.random.key(101), count))
        return {
            "modes": M.modes_covered(near),
            "good": M.good_share(near),
            "mmd": M.maximum_mean_discrepancy(fresh, x),
        }

    move = lambda x: x + jnp.array([[AWAY, 0]])
    return Source(examples, (2,), False, 2, 1, move, 8, measured, _scattered)


def pictures(name: str) -> Source:
    """A data set of pictures, whose classes are its modes.

    A class is covered by at least a fifth of its part of the samples, by a classifier
    of ours, good or not. Good samples lie where test pictures do, by its features; by
    them, in units of their median distance, is the discrepancy to test pictures too.

    Args:
        name: of the data set; classes as frequent as each other.
    """
    data = zoo.data.load(name)
    train, test = (np.float32(s["x"]) * (2 / data.scale) - 1 for s in data[:2])
    features, classes = judge(train, data.train["y"])
    real = np.asarray(features(test))
    apart = np.linalg.norm(real[:100, None] - real[None, 100:200], axis=-1)
    unit, count = float(np.median(apart)), len(data.classes)

    def examples(key, count):
        chosen = jax.random.randint(key, (count,), 0, len(train))
        return jnp.asarray(train)[chosen]

    def measured(x):
        seen, there = features(x) / unit, _opaque(jnp.asarray(real / unit))
        told = jax.nn.one_hot(classes(x), count).sum(0)
        found = M.Modes(good=told, count=told.sum())
        return {
            "modes": M.modes_covered(found),
            "good": M.sample_precision_recall(there, seen)[0],
            "mmd": M.maximum_mean_discrepancy(there, seen),
        }

    return Source(
        examples, train.shape[1:], True, 32, 32, lambda x: x, count, measured, _tiled
    )


def _opaque(x):
    """What the compiler is not to compute with, which takes it seconds."""
    return jax.lax.optimization_barrier(x)


def _scattered(last):
    figure, grid = _grid(last)
    for axes, (name, x) in zip(grid, last.items(), strict=False):
        axes.scatter(*CENTRES.T, s=90, color=figures.COLOURS[1], alpha=0.35, lw=0)
        axes.scatter(*x[0].T, s=3, color=figures.COLOURS[0], alpha=0.5, linewidths=0)
        axes.set(xlim=(-3, 3), ylim=(-3, 3), aspect="equal")
        axes.set_title(name, fontsize=10, color=figures.INK)
    return figure


def _tiled(last):
    figure, grid = _grid(last)
    for axes, (name, x) in zip(grid, last.items(), strict=False):
        tiles = x[0, : TILES**2, ..., 0]
        rows = [np.concatenate(tiles[i::TILES], 1) for i in range(TILES)]
        axes.imshow(np.concatenate(rows), cmap="gray", vmin=-1, vmax=1)
        axes.set_title(name, fontsize=10, color=figures.INK)
    return figure


def _grid(last):
    from matplotlib.figure import Figure

    rows = -(-len(last) // 4)
    figure = Figure((9, 2.4 * rows), layout="constrained", facecolor="white")
    grid = figure.subplots(rows, 4, squeeze=False).ravel()
    for axes in grid:
        axes.set_axis_off()
    return figure, grid
