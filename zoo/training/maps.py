"""Maps of points in the plane, coloured by class: side by side, or as a film."""

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from zoo.training.figures import COLOURS, INK, RULE

if TYPE_CHECKING:  # matplotlib is loaded only by those who draw
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARKERS = "o^sv"  # one for each round of the colours
FRAMES_PER_SECOND = 12
DPI = 100  # of a film


def maps(
    panels: Mapping[str, np.ndarray],
    labels: np.ndarray | None = None,
    classes: Sequence[str] = (),
    columns: int = 2,
) -> "Figure":
    """Points in the plane under their titles, one panel each, all of the same points.

    A map has no axes: only who is near to whom is told.

    Args:
        panels: title -> places, [N, 2].
        labels: classes 0, 1, ... of the points, [N]; None: all of one.
        classes: names of the classes.
        columns: panels in a row, at most.

    Raises:
        ValueError: no panel, or places that are not [N, 2] with as many as labels.
    """
    return _drawn(panels, labels, classes, columns)[0]


def film(
    frames: np.ndarray,
    labels: np.ndarray | None = None,
    classes: Sequence[str] = (),
    titles: Sequence[str] = (),
) -> bytes:
    """A map that moves, as an animated GIF.

    Each frame has the scale of its own points, whose spread may grow by powers of ten.

    Args:
        frames: places, [F, N, 2].
        labels: classes of the points, [N]; None: all of one.
        classes: names of the classes.
        titles: of the frames, F; or none.

    Raises:
        ValueError: as `maps`; frames that are not [F, N, 2], or titles that are not F.
    """
    from PIL import Image

    frames = np.asarray(frames)
    if frames.ndim != 3 or not len(frames):
        raise ValueError(f"frames must be [F, N, 2], got {list(frames.shape)}")
    if titles and len(titles) != len(frames):
        raise ValueError(f"titles must be {len(frames)}, got {len(titles)}")
    titles = titles or [" "] * len(frames)
    figure, (axes,), (groups,) = _drawn({titles[0]: frames[-1]}, labels, classes, 1)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # it is laid out; not again for each frame
    pictures = []
    for places, title in zip(frames, titles, strict=True):
        for group, rows in groups:
            group.set_offsets(places[rows])
        _framed(axes, places)
        axes.set_title(title)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="rgba", dpi=DPI)
        size = tuple(int(round(side * DPI)) for side in figure.get_size_inches())
        picture = Image.frombytes("RGBA", size, buffer.getvalue()).convert("RGB")
        pictures.append(picture.convert("P", palette=Image.Palette.ADAPTIVE))
    stream = io.BytesIO()
    pictures[0].save(
        stream, "gif", save_all=True, append_images=pictures[1:], loop=0,
        duration=1000 // FRAMES_PER_SECOND,
    )  # fmt: skip
    return stream.getvalue()


def _drawn(panels, labels, classes, columns):
    """The figure, its axes, and of each the groups of points with their rows."""
    from matplotlib.figure import Figure

    if not panels:
        raise ValueError("panels must have at least one map")
    sizes = {len(places) for places in panels.values()}
    if labels is None:
        labels = np.zeros(max(sizes), int)
    labels = np.asarray(labels)
    for title, places in panels.items():
        if np.shape(places) != (len(labels), 2):
            raise ValueError(
                f"the map {title!r} must be [{len(labels)}, 2], as many as there are "
                f"labels, got {list(np.shape(places))}"
            )
    columns = max(1, min(columns, len(panels)))
    rows = -(-len(panels) // columns)
    size = (3.9 * columns + 1.2, 3.9 * rows)
    figure = Figure(figsize=size, layout="constrained", facecolor="white")
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat[len(panels) :]:
        axes.set_axis_off()
    groups = []
    for axes, (title, places) in zip(grid.flat, panels.items(), strict=False):
        groups.append(_scattered(axes, np.asarray(places), labels, classes))
        axes.set_title(title, color=INK, fontsize=10, fontweight="bold")
    if len(classes) > 1:
        handles, names = grid[0, 0].get_legend_handles_labels()
        look = dict(frameon=False, labelcolor=INK, markerscale=2)
        figure.legend(handles, names, loc="outside right upper", **look)
    return figure, list(grid.flat[: len(panels)]), groups


def _scattered(axes: "Axes", places, labels, classes):
    groups, size = [], float(np.clip(6000 / len(places), 4, 24))
    for c in np.unique(labels):
        rows = labels == c
        drawn = axes.scatter(
            *places[rows].T, s=size, alpha=0.75, linewidths=0,
            color=COLOURS[c % 7], marker=MARKERS[c // 7 % len(MARKERS)],
            label=classes[c] if len(classes) else None,
        )  # fmt: skip
        groups.append((drawn, rows))
    axes.set_aspect("equal", adjustable="box")
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_color(RULE)
    _framed(axes, places)
    return groups


def _framed(axes: "Axes", places) -> None:
    """A square about the points."""
    low, high = places.min(0), places.max(0)
    middle, half = (low + high) / 2, 0.54 * max((high - low).max(), 1e-12)
    axes.set(xlim=middle[0] + half * np.array([-1, 1]))
    axes.set(ylim=middle[1] + half * np.array([-1, 1]))
