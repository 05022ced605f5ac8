"""K-means: ten clusters of the digits are 0.74 homogeneous, and no elbow tells of ten.

Run:    python -m experiments.kmeans
        python -m experiments.kmeans --data my.npz --k 5 --elbow 2 3 4 5 6 8

Expect: with the seeds 0 to 4, the best of ten starts has an inertia of 1,165,162
1,165,225 1,168,319 1,165,219 1,165,179 (scikit-learn: 1,165,188.89), a homogeneity of
0.739 0.740 0.734 0.736 0.743 and an adjusted Rand index of 0.667 0.665 0.645 0.665
0.671. Of the first, seven clusters are of one digit by 84 % or more, and those of 1, 8
and 9 by 45 to 60 %. Inertia falls smoothly with K: it is 0.747 of that of one cluster
by 4, 0.651 by 6, 0.586 by 8, 0.540 by 10, 0.511 by 12 and 0.439 by 20. The first two
principal components hold 28.5 % of the variance. A minute and a half on two cores,
most of it compiling.
"""

import dataclasses
from pathlib import Path

import jax
import numpy as np
from rich.console import Console
from rich.table import Table

from zoo import metrics
from zoo.classical import kmeans
from zoo.data import tabular
from zoo.training import figures
from zoo.training.cli import run
from zoo.training.report import Report


@dataclasses.dataclass(frozen=True)
class Config:
    """Flags.

    Attributes:
        data: a table of `zoo.data.tabular`, or a path to CSV or npz.
        standardize: scale each feature to mean 0 and variance 1.
        k: clusters.
        starts: of each fit, of which the best is kept.
        seeds: fits, with the seeds 0, 1, ...; pictures are of the first.
        elbow: numbers of clusters of the elbow curve.
        side: points along each side of the picture of the cells.
        run: the run folder.
    """

    data: str = "digits"
    standardize: bool = False
    k: int = 10
    starts: int = 10
    seeds: int = 5
    elbow: tuple[int, ...] = (1, 2, 4, 6, 8, 10, 12, 14, 20)
    side: int = 300
    run: str = "runs/kmeans"


def main(cfg: Config) -> dict[str, float]:
    """Fits by every seed, then for every K, and writes the report.

    Returns:
        By seed s `s/inertia` and `s/steps`, and where the table has classes
        `s/homogeneity` and `s/ari`; by K `elbow/K`, the inertia over that of one
        cluster; `plane/share`, the part of the variance that the plane of the cells
        holds.

    Raises:
        ValueError: a flag out of range.
    """
    if min(cfg.seeds, cfg.side - 1, cfg.k - 1, len(cfg.elbow)) < 1:
        raise ValueError(
            "seeds and the number of elbow's values must be at least 1, side and k at "
            f"least 2, got {cfg.seeds}, {len(cfg.elbow)}, {cfg.side} and {cfg.k}"
        )
    table = tabular(cfg.data)
    x = table.x
    for k in cfg.elbow:
        if not 1 <= k <= len(x):
            raise ValueError(f"elbow must be from 1 to {len(x)} clusters, got {k}")
    if cfg.standardize:
        std = x.std(0)
        x = (x - x.mean(0)) / np.where(std == 0, 1, std)
    x = np.float32(x)
    report = Report("K-means", f"{cfg.data}, {cfg.k} clusters, {cfg.starts} starts")
    numbers, state = _seeds(cfg, report, table, x)
    found = np.asarray(kmeans.predict(state, x))
    side = int(x.shape[1] ** 0.5)
    if side > 1 and side * side == x.shape[1] and not cfg.standardize:
        _centres(report, table, np.asarray(state.centres), found, side)
    numbers |= _cells(cfg, report, x)
    numbers |= _elbow(cfg, report, x)
    report.table(["setting", "value"], list(dataclasses.asdict(cfg).items()))
    print(f"report: {report.write(Path(cfg.run, 'report.html'))}")
    return numbers


def _seeds(cfg, report, table, x):
    """The numbers of all seeds, and the state of the first."""
    numbers, rows, states = {}, [], []
    for seed in range(cfg.seeds):
        state = kmeans.fit(jax.random.key(seed), x, cfg.k, cfg.starts)
        row = {"inertia": float(state.inertia), "steps": int(state.step)}
        if table.classes:
            found = kmeans.predict(state, x)
            both = metrics.contingency(table.y, found, len(table.classes), cfg.k)
            row["homogeneity"] = float(metrics.homogeneity(both))
            row["ari"] = float(metrics.adjusted_rand_index(both))
        numbers |= {f"{seed}/{name}": value for name, value in row.items()}
        rows.append((seed, f"{row['inertia']:,.1f}", *list(row.values())[1:]))
        states.append(state)
    headers = ("seed", *row)
    shown = Table(*headers, box=None)
    for line in rows:
        shown.add_row(*(f"{v:.4f}" if isinstance(v, float) else str(v) for v in line))
    Console(markup=False).print("\nBy seed, best of the starts", shown)
    report.table(headers, rows, f"By seed, the best of {cfg.starts} starts.")
    return numbers, states[0]


def _centres(report, table, centres, found, side) -> None:
    """Each centre as a picture, in the order of the class that is most in it."""
    titles, order = [], []
    for k in range(len(centres)):
        counts = np.bincount(table.y[found == k], minlength=len(table.classes))
        most = int(counts.argmax())
        titles.append(
            f"{counts.sum()}, of them {counts[most]} are {table.classes[most]}"
        )
        order.append((most, -counts[most], k))
    order = [k for *_, k in sorted(order)]
    images = centres[order].reshape(-1, side, side, 1)
    figure = figures.gallery(images, [titles[k] for k in order], columns=5)
    report.figure(figure, "The centres. Above each the digit that is most in its "
                  "cluster, and how much of it.", "centres")  # fmt: skip


def _cells(cfg, report, x) -> dict[str, float]:
    """K-means of the first two principal components, and the cells of its centres."""
    from matplotlib.figure import Figure

    centred = np.float64(x) - x.mean(0)
    _, lengths, axes = np.linalg.svd(centred, full_matrices=False)
    plane = np.float32(centred @ axes[:2].T)  # [N, 2]
    state = kmeans.fit(jax.random.key(0), plane, cfg.k, cfg.starts)
    margin = 0.05 * (plane.max(0) - plane.min(0))
    low, high = plane.min(0) - margin, plane.max(0) + margin
    lines = [np.linspace(low[i], high[i], cfg.side, dtype=np.float32) for i in (0, 1)]
    points = np.stack(np.meshgrid(*lines), -1).reshape(-1, 2)
    cells = np.asarray(kmeans.predict(state, points)).reshape(cfg.side, cfg.side)

    figure = Figure(figsize=(6.4, 5.2), layout="constrained", facecolor="white")
    axes = figure.add_subplot()
    extent = (low[0], high[0], low[1], high[1])
    axes.imshow(cells, origin="lower", extent=extent, alpha=0.35, aspect="auto",
                cmap="Pastel1" if cfg.k < 10 else "tab20",
                interpolation="nearest")  # fmt: skip
    axes.scatter(*plane.T, s=4, color=figures.INK, alpha=0.5, linewidths=0)
    axes.scatter(*np.asarray(state.centres).T, marker="X", s=90, color="white",
                 edgecolors="black", linewidths=1.2)  # fmt: skip
    axes.set_xlabel("first principal component", color=figures.INK)
    axes.set_ylabel("second", color=figures.INK)
    axes.tick_params(colors=figures.INK)
    share = float((lengths[:2] ** 2).sum() / (lengths**2).sum())
    report.figure(figure, f"K-means on the first two principal components, which hold "
                  f"{share:.1%} of the variance: each cell is what is nearest to a "
                  "centre.", "cells")  # fmt: skip
    return {"plane/share": share}


def _elbow(cfg, report, x) -> dict[str, float]:
    whole = float(np.square(x - x.mean(0)).sum())
    shares = []
    for k in cfg.elbow:
        state = kmeans.fit(jax.random.key(0), x, k, cfg.starts)
        shares.append(float(state.inertia) / whole)
    series = {"inertia": (cfg.elbow, shares)}
    figure = figures.curves(series, "clusters", "inertia, of that of one cluster")
    figure.axes[0].plot(cfg.elbow, shares, "o", color=figures.COLOURS[0], markersize=4)
    figure.axes[0].set_ylim(0)
    figure.axes[0].locator_params(axis="x", integer=True)
    report.figure(figure, "The elbow curve: a kink would speak for a number of "
                  "clusters.", "elbow")  # fmt: skip
    rows = [(k, f"{share:.4f}") for k, share in zip(cfg.elbow, shares, strict=True)]
    shown = Table("K", "share", box=None)
    for k, share in rows:
        shown.add_row(str(k), share)
    Console(markup=False).print("\nInertia, of that of one cluster", shown)
    report.table(("K", "share"), rows, "Inertia, as a share of that of one cluster.")
    return {f"elbow/{k}": share for k, share in zip(cfg.elbow, shares, strict=True)}


if __name__ == "__main__":
    run(main, Config)
