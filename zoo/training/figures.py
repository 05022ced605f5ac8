"""The few plots that reports need, as matplotlib figures without pyplot's state."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:  # matplotlib is loaded only by those who draw
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's palette, told apart by the colour-blind; after it, other dashes.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
DASHES = ("-", "--", ":", "-.")
INK, RULE = "#33373d", "#d9dce1"


def curves(
    series: Mapping[str, Sequence],
    xlabel: str,
    ylabel: str,
    log: bool = False,
    title: str = "",
) -> "Figure":
    """Lines over a common axis, such as losses over steps.

    Args:
        series: label -> (x, y), or (x, y, low, high) for a line with a band; all [N].
            An empty one, of a run that reported nothing, is left out.
        xlabel: name of the horizontal axis, with its unit.
        ylabel: likewise of the vertical one.
        log: a logarithmic vertical axis.
        title: above the plot.

    Raises:
        ValueError: a series is not of two or four arrays of one length.
    """
    figure, axes = _figure(xlabel, ylabel, title)
    series = {label: arrays for label, arrays in series.items() if len(arrays)}
    for i, (label, arrays) in enumerate(series.items()):
        arrays = _arrays(f"series[{label!r}]", arrays, (2, 4))
        style = _style(i)
        axes.plot(*arrays[:2], linewidth=1.8, label=label, **style)
        if len(arrays) == 4:
            x, _, low, high = arrays
            axes.fill_between(
                x, low, high, color=style["color"], alpha=0.18, linewidth=0
            )
    if log:
        axes.set_yscale("log")
        _plain(axes.yaxis)
    _legend(figure, axes, len(series))
    return figure


def sensitivity(
    rates: Sequence[float],
    series: Mapping[str, Sequence],
    ylabel: str = "final loss",
    best: str = "min",
    xlabel: str = "learning rate",
    log: bool = False,
    title: str = "",
    top: float | None = None,
) -> "Figure":
    """A result over learning rates: a peak is tuned, a plateau is robust.

    Args:
        rates: [N], > 0; the logarithmic horizontal axis.
        series: label -> (mean, low, high), each [N]; a NaN (a run that diverged) is
            left out.
        ylabel: name of the result.
        best: "min" or "max": which mean to mark with a star.
        xlabel: name of the horizontal axis.
        log: a logarithmic vertical axis too.
        title: above the plot.
        top: where the vertical axis, then logarithmic, ends; lines may leave it there.

    Raises:
        ValueError: a rate is not above 0, a series is not of three arrays as long as
            rates, or best is neither word.
    """
    if best not in ("min", "max"):
        raise ValueError(f"best must be 'min' or 'max', got {best!r}")
    rates = np.asarray(rates, float)
    if not (rates > 0).all():
        raise ValueError(f"rates must be > 0, on a logarithmic axis, got {rates}")
    order = np.argsort(rates)
    figure, axes = _figure(xlabel, ylabel, title)
    for i, (label, arrays) in enumerate(series.items()):
        arrays = _arrays(f"series[{label!r}]", (rates, *arrays), (4,))
        x, mean, low, high = (a[order] for a in arrays)
        style = _style(i)
        axes.plot(x, mean, marker="o", markersize=4, label=label, **style)
        axes.fill_between(x, low, high, color=style["color"], alpha=0.18, linewidth=0)
        if np.isfinite(mean).any():
            at = (np.nanargmax if best == "max" else np.nanargmin)(
                np.where(np.isfinite(mean), mean, np.nan)
            )
            star = dict(marker="*", markersize=15, markeredgecolor="white")
            axes.plot(x[at], mean[at], color=style["color"], zorder=3, **star)
    axes.set_xscale("log")
    _plain(axes.xaxis)
    if log or top is not None:
        axes.set_yscale("log")
        _plain(axes.yaxis)
    if top is not None:
        seen = [line.get_ydata() for line in axes.lines]
        seen = np.concatenate([y[(y > 0) & (y < top)] for y in seen] or [[]])
        axes.set_ylim(0.9 * min(seen, default=top / 2), top)
    _legend(figure, axes, len(series))
    return figure


def landscapes(panels: Mapping[str, Mapping], columns: int = 3) -> "Figure":
    """Paths, each over the contours of its surface, which are log-spaced.

    Args:
        panels: title -> x, the coordinates of the surface's columns, [X]; y, those of
            its rows, [Y]; values, its heights, > 0, [Y, X], of which those that are
            not finite stay blank; path, points from square to star, [N, 2]; and
            xlabel and ylabel.
        columns: panels in a row, at most.

    Raises:
        ValueError: the values of a panel are not [Y, X].
    """
    from matplotlib.figure import Figure

    columns = max(1, min(columns, len(panels)))
    rows = -(-len(panels) // columns)
    size = (3.2 * columns + 0.4, 2.9 * rows + 0.2)
    figure = Figure(figsize=size, layout="constrained", facecolor="white")
    grid = figure.subplots(max(1, rows), columns, squeeze=False)
    for axes in grid.flat[len(panels) :]:
        axes.set_axis_off()
    for axes, (title, panel) in zip(grid.flat, panels.items(), strict=False):
        _landscape(axes, title, **panel)
    return figure


def _landscape(axes: "Axes", title, x, y, values, path, xlabel="", ylabel="") -> None:
    if np.shape(values) != (len(y), len(x)):
        raise ValueError(
            f"values of {title} must be [{len(y)}, {len(x)}], got shape "
            f"{np.shape(values)}"
        )
    axes.set_title(title, color=INK, fontsize=10, fontweight="bold")
    axes.set_xlabel(xlabel, color=INK, fontsize=8)
    axes.set_ylabel(ylabel, color=INK, fontsize=8)
    axes.tick_params(colors=INK, labelsize=7)
    if not (np.isfinite(values).any() and np.isfinite(path).all()):
        axes.text(0.5, 0.5, "diverged", transform=axes.transAxes, ha="center")
        return
    heights = np.ma.masked_invalid(np.log10(np.maximum(values, 1e-12)))
    axes.contourf(x, y, heights, 24, cmap="Blues")
    thin = dict(colors=INK, linewidths=0.4, linestyles="solid", alpha=0.5)
    lines = axes.contour(x, y, heights, 8, **thin)
    axes.clabel(lines, fmt=lambda v: f"{10**v:.2g}", fontsize=6)
    axes.plot(*np.transpose(path), "-o", color=COLOURS[1], markersize=2, linewidth=1.4)
    axes.plot(*path[0], "ks", markersize=6, markeredgecolor="white")
    axes.plot(*path[-1], "k*", markersize=12, markeredgecolor="white")


def confusion(
    truth: np.ndarray, called: np.ndarray, classes: Sequence[str]
) -> "Figure":
    """What is taken for what: a row for each true class, a column for each answer.

    Args:
        truth: true classes, int [N].
        called: answers, int [N].
        classes: names of the classes 0, 1, ...

    Returns:
        A figure whose cells hold counts and are shaded by the share of their row.
    """
    from matplotlib.figure import Figure

    count = np.zeros((len(classes), len(classes)), int)
    np.add.at(count, (np.asarray(truth), np.asarray(called)), 1)
    share = count / np.maximum(count.sum(axis=1, keepdims=True), 1)

    side = 2.6 + 0.44 * len(classes)
    figure = Figure(figsize=(side, side), layout="constrained", facecolor="white")
    axes = figure.add_subplot()
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for (i, j), n in np.ndenumerate(count):
        if n:
            colour = "white" if share[i, j] > 0.5 else INK
            axes.text(j, i, n, ha="center", va="center", color=colour, fontsize=8)
    ticks = range(len(classes))
    axes.set_xticks(ticks, classes, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(ticks, classes)
    axes.set_xlabel("called", color=INK)
    axes.set_ylabel("truth", color=INK)
    axes.tick_params(colors=INK, length=0)
    axes.spines[:].set_visible(False)
    return figure


def gallery(images: np.ndarray, titles: Sequence[str], columns: int = 4) -> "Figure":
    """Small images in a grid, each under its title.

    Args:
        images: [N, H, W, C], C = 1 (grey) or 3; integers, or floats in [0, 1].
        titles: N of them.
        columns: images in a row.

    Raises:
        ValueError: there are not as many titles as images.
    """
    from matplotlib.figure import Figure

    if len(images) != len(titles):
        raise ValueError(
            f"titles must be {len(images)}, one for each image, got {len(titles)}"
        )
    rows = max(1, -(-len(images) // columns))
    size = (1.8 * columns, 2.1 * rows)
    figure = Figure(figsize=size, layout="constrained", facecolor="white")
    grid = figure.subplots(rows, columns, squeeze=False)
    top = np.max(images, initial=1)  # 1, 16 or 255
    for axes in grid.flat:
        axes.set_axis_off()
    for axes, image, title in zip(grid.flat, images, titles, strict=False):
        image = np.asarray(image) / top  # [H, W, C]
        axes.imshow(
            image.squeeze(-1) if image.shape[-1] == 1 else image,
            cmap="gray",
            vmin=0,
            vmax=1,
        )
        axes.set_title(textwrap.fill(title, 20), fontsize=8, color=INK)
    return figure


def panels(plots: Mapping[str, Mapping[str, Sequence]], columns: int = 6) -> "Figure":
    """Small plots in a grid, each under its title, with the same kinds of line.

    Args:
        plots: title -> label -> (x, y), both [N]; a NaN in y is a gap. The labels of
            the first plot are the legend.
        columns: plots in a row.

    Raises:
        ValueError: there is no plot, or a line is not two arrays of one length.
    """
    from matplotlib.figure import Figure

    if not plots:
        raise ValueError("plots must have at least one plot")
    rows = -(-len(plots) // columns)
    size = (2 * columns, 2.2 * rows + 0.4)
    figure = Figure(figsize=size, layout="constrained", facecolor="white")
    grid = figure.subplots(rows, columns, squeeze=False).flat
    for axes in grid[len(plots) :]:
        axes.set_axis_off()
    for axes, (title, lines) in zip(grid, plots.items(), strict=False):
        axes.axhline(0, color=RULE, linewidth=0.8)
        axes.axvline(0, color=RULE, linewidth=0.8)
        for i, (label, arrays) in enumerate(lines.items()):
            x, y = _arrays(f"plots[{title!r}][{label!r}]", arrays, (2,))
            style = {"color": COLOURS[i % len(COLOURS)], "linewidth": 1.6}
            axes.plot(x, y, DASHES[i % len(DASHES)], label=label, **style)
        axes.set_title(title, fontsize=10, color=INK)
        axes.tick_params(labelsize=7, colors=INK)
        axes.spines[["top", "right"]].set_visible(False)
    handles, labels = grid[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside lower right", ncols=len(labels), frameon=False,
        labelcolor=INK,
    )  # fmt: skip
    return figure


def _figure(xlabel: str, ylabel: str, title: str) -> tuple["Figure", "Axes"]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 4.2), layout="constrained", facecolor="white")
    axes = figure.add_subplot()
    axes.set_xlabel(xlabel, color=INK)
    axes.set_ylabel(ylabel, color=INK)
    axes.set_title(title, color=INK, loc="left", fontweight="bold")
    axes.tick_params(colors=INK, which="both")
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(INK)
    axes.grid(color=RULE, linewidth=0.7)
    axes.set_axisbelow(True)
    return figure, axes


def _style(i: int) -> dict[str, str]:
    dash = DASHES[i // len(COLOURS) % len(DASHES)]
    return {"color": COLOURS[i % len(COLOURS)], "linestyle": dash}


def _plain(axis) -> None:
    """Ticks of a logarithmic axis as 0.6 and 2, not as multiples of powers of ten."""
    from matplotlib.ticker import LogFormatter

    class Plain(LogFormatter):
        def __call__(self, x, pos=None):
            return f"{x:g}" if super().__call__(x, pos) else ""

    axis.set_major_formatter(Plain())
    axis.set_minor_formatter(Plain(minor_thresholds=(1, 0.5)))


def _legend(figure: "Figure", axes: "Axes", count: int) -> None:
    if count > 6:  # beside the plot, all of it
        width, height = figure.get_size_inches()
        figure.set_size_inches(width + 1.8, max(height + 0.8, 0.2 * count + 0.3))
        look = dict(frameon=False, labelcolor=INK, fontsize=9)
        figure.legend(loc="outside right upper", **look)
    elif count > 1:
        axes.legend(framealpha=0.85, edgecolor="none", labelcolor=INK)


def _arrays(name: str, arrays: Sequence, counts: tuple[int, ...]) -> list[np.ndarray]:
    arrays = [np.asarray(a, float) for a in arrays]
    shapes = [a.shape for a in arrays]
    flat = all(s == shapes[0] and len(s) == 1 for s in shapes)
    if len(arrays) not in counts or not flat:
        allowed = " or ".join(map(str, counts))
        raise ValueError(f"{name} must be {allowed} arrays of one length, got {shapes}")
    return arrays
