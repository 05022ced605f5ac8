"""Pictures of the paths that optimizers take: one that stands, one that moves."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np

from optim.problem import Problem

if TYPE_CHECKING:  # matplotlib is loaded only by those who draw
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's palette, told apart by the colour-blind; after it, other dashes.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
DASHES = ("-", "--", ":", "-.")
GROUND = ("#ffffff", "#e9eef4", "#c3cedb")  # low to high
LINES = "#9fadbd"
LEVELS = 14  # contour lines
GRID = 241  # points a side at which a picture samples its problem
FRAMES_PER_SECOND = 12


def picture(paths: Mapping[str, jax.Array], problem: Problem) -> "Figure":
    """Paths over the problem's contours, which are log-spaced above its least value.

    A problem of one variable is drawn as its curve, with the paths on it.

    Args:
        paths: label -> [points, D]; drawn in this order, with a colour each.
        problem: of one or two variables; gives contours, minima and axes.

    Returns:
        A matplotlib figure that no window or pyplot state knows of.
    """
    figure, _, _ = _drawn(paths, problem)
    return figure


def animation(
    paths: Mapping[str, jax.Array],
    problem: Problem,
    file: str | os.PathLike,
    frames: int = 60,
) -> Path:
    """The picture as an animated GIF: the paths grow together, step by step.

    Args:
        paths: label -> [points, D]; of one length or of several.
        problem: of one or two variables.
        file: where to write; its folder must exist.
        frames: at most so many, spread evenly over the steps, >= 1.

    Returns:
        The file's path.

    Raises:
        ValueError: no paths, or frames below 1.
    """
    from matplotlib.animation import PillowWriter

    if not paths or frames < 1:
        raise ValueError(
            f"paths must not be empty and frames must be >= 1, got {len(paths)} paths "
            f"and frames={frames}"
        )
    figure, axes, drawn = _drawn(paths, problem)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # it is laid out; not again for each frame
    for image in axes.images:  # a GIF has 256 colours, and packs even areas well
        image.set_cmap(image.get_cmap().resampled(LEVELS - 1))
    last = max(len(line.get_xdata()) for line, _ in drawn) - 1
    full = [line.get_xydata().copy() for line, _ in drawn]  # [points, 2] each
    writer = PillowWriter(fps=FRAMES_PER_SECOND)
    with writer.saving(figure, os.fspath(file), dpi=80):
        for step in np.unique(np.linspace(0, last, frames).round().astype(int)):
            for (line, end), xy in zip(drawn, full, strict=True):
                line.set_data(*xy[: step + 1].T)
                end.set_data(*xy[: step + 1][-1:].T)
            axes.set_title(f"{_title(problem)}, step {step}")
            writer.grab_frame()
    return Path(file)


def _drawn(paths, problem: Problem) -> tuple["Figure", "Axes", list]:
    """The figure, its axes, and each path's line and end."""
    from matplotlib.figure import Figure

    size = (7.2, 5.4)
    if len(paths) > 16:  # a legend that is longer than the picture is high
        size = (8.8, 0.22 * (len(paths) + 3))
    figure = Figure(figsize=size, layout="constrained", facecolor="white")
    axes = figure.add_subplot()
    flat = len(problem.bounds) == 1
    (_curve if flat else _contours)(axes, problem)

    def place(points):  # [N, D] -> [N, 2]
        points = np.asarray(points)
        if flat:
            values = np.asarray(
                problem(jnp.asarray(points))
            )  # without NumPy's warnings
            return np.stack([points[:, 0], values], axis=1)
        return points

    drawn = []
    for i, (label, path) in enumerate(paths.items()):
        xy = place(path)
        colour = COLOURS[i % len(COLOURS)]
        dash = DASHES[i // len(COLOURS) % len(DASHES)]
        (line,) = axes.plot(*xy.T, dash, color=colour, linewidth=1.8, label=label)
        ball = dict(color=colour, markersize=6, markeredgecolor="white")
        (end,) = axes.plot(*xy[-1:].T, "o", **ball)
        drawn.append((line, end))
    edge = dict(markeredgecolor="white", linestyle="none", color="black")
    if paths:
        starts = place(np.stack([np.asarray(path)[0] for path in paths.values()]))
        axes.plot(*starts.T, marker="s", markersize=6, label="start", **edge)
    label = "minimum" if len(problem.minima) == 1 else "minima"
    minima = place(problem.minima)
    axes.plot(*minima.T, marker="*", markersize=14, label=label, **edge)
    axes.set_title(_title(problem))
    figure.legend(loc="outside right upper", frameon=False)
    return figure, axes, drawn


def _title(problem: Problem) -> str:
    return problem.name.replace("_", " ").capitalize()


def _contours(axes: "Axes", problem: Problem) -> None:
    from matplotlib.colors import LinearSegmentedColormap

    (left, right), (bottom, top) = problem.bounds
    x, y = np.linspace(left, right, GRID), np.linspace(bottom, top, GRID)
    points = np.stack(np.meshgrid(x, y), axis=-1)  # [GRID, GRID, 2]
    height = np.log10(np.asarray(problem(points)) - problem.least + 1e-3)
    low, high = np.percentile(height, (0.5, 100))
    ground = LinearSegmentedColormap.from_list("ground", GROUND)
    extent = (left, right, bottom, top)
    look = dict(extent=extent, origin="lower", aspect="auto", vmin=low, vmax=high)
    axes.imshow(
        height,
        cmap=ground,
        interpolation="bilinear",
        interpolation_stage="data",
        **look,
    )
    levels = np.linspace(low, high, LEVELS)
    lines = dict(colors=LINES, linewidths=0.6, linestyles="solid")
    axes.contour(x, y, height, levels=levels, **lines)
    axes.set(xlim=(left, right), ylim=(bottom, top), xlabel="x", ylabel="y")


def _curve(axes: "Axes", problem: Problem) -> None:
    ((left, right),) = problem.bounds
    x = np.linspace(left, right, GRID)
    axes.plot(x, np.asarray(problem(x[:, None])), color=LINES, linewidth=1.2)
    axes.set(xlim=(left, right), xlabel="x", ylabel=f"{problem.name}(x)")
