"""Least squares ends where descent was heading; the lasso takes features in one by one.

Run:    python -m experiments.linear_regression
        python -m experiments.linear_regression --data my.csv --target price --alpha 0.3

Expect: the line through the 17 points is y = 0.2516 x + 0.7988 by all three methods,
with a cost of 0.076929 where 1000 epochs of descent had come to 0.077117. On the other
eight points descent, stopped early, is the better by a little: 0.077960 to 0.078288. On
diabetes least squares explain 0.51775 of the spread; the lasso at 0.1 explains 0.50884
with 7 of 10 features, at an objective of 1629.0545. As its penalty falls, features come
in one by one: bmi, ltg, bp, hdl, sex, glu, tc, tch, ldl, age. hdl goes out once on its
way from a negative weight to a positive one. Nothing is left to chance. Half a minute.

The features are scaled to mean 0 and length 1, so that one penalty treats them alike.
"""

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console
from rich.table import Table

from experiments.gradient_descent import LINE_X, LINE_Y, TEST_X, TEST_Y
from zoo import data
from zoo.classical import lasso, linear
from zoo.training import figures
from zoo.training.cli import run
from zoo.training.report import Report

# Where 1000 epochs of descent, sample by sample at rate 0.01, had come: slope,
# intercept, and half the mean squared error on the 17 points and on the other eight.
DESCENT = (0.256104, 0.754630, 0.077117, 0.077960)
SPAN = 1e-4  # of the path: the least alpha over the one from which on all weights are 0


@dataclasses.dataclass(frozen=True)
class Config:
    """Flags.

    Attributes:
        data: `diabetes`, or a path to a .csv, .csv.gz or .npz of numbers.
        target: the column that is predicted; the last one by default.
        alpha: the lasso's and the ridge's penalty in the table; 0 is least squares.
        penalties: of the lasso's path.
        run: the run folder.
    """

    data: str = "diabetes"
    target: str | None = None
    alpha: float = 0.1
    penalties: int = 200
    run: str = "runs/linear_regression"


def main(cfg: Config) -> dict[str, float]:
    """Fits the line and the table, prints what was found and writes the report.

    Returns:
        `line/w`, `/b`, `/cost`, `/test` and `/r2`; `least_squares/r2`, `ridge/r2`,
        `lasso/r2`, `lasso/objective`, `lasso/kept`; `intercept`; along the path,
        `path/kept/I` with I from 0, the largest penalty.

    Raises:
        ValueError: a flag out of range, or data that cannot be read.
    """
    if cfg.penalties < 2:
        raise ValueError(f"penalties must be at least 2, got {cfg.penalties}")
    if not cfg.alpha >= 0:
        raise ValueError(f"alpha must be a number >= 0, got {cfg.alpha}")
    table = data.tabular(cfg.data, cfg.target, labels=False)
    report = Report("Linear regression", f"17 points, and {cfg.data}")
    with jax.enable_x64(True):
        numbers = {**_line(report), **_table(cfg, report, table)}
    print(f"report: {report.write(Path(cfg.run, 'report.html'))}")
    return numbers


def _line(report) -> dict[str, float]:
    """The line through 17 points, by the normal equation and its rivals."""
    x, y, *tests = map(jnp.asarray, (LINE_X, LINE_Y, TEST_X, TEST_Y))

    def cost(model, x, y):
        return float(jnp.mean((linear.predict(model, x[:, None]) - y) ** 2)) / 2

    rows = [("1000 epochs of descent", *(f"{v:.6f}" for v in DESCENT))]
    for method in linear.METHODS:
        model = linear.least_squares(x[:, None], y, method=method)
        found = (float(model.weights[0]), float(model.intercept), cost(model, x, y))
        found += (cost(model, *tests),)
        rows.append((f"least squares, {method}", *(f"{v:.6f}" for v in found)))
    headers = ("", "slope", "intercept", "cost", "cost of the test")
    _show(report, "A line through 17 points", headers, rows)
    grid = np.array([1.5, 11.5])
    lines = {
        f"{name}: y = {w:.4f} x + {b:.4f}": (grid, w * grid + b)
        for name, (w, b) in {"descent": DESCENT[:2], "least squares": found[:2]}.items()
    }
    figure = figures.curves(lines, "x", "y")
    figure.axes[0].plot(x, y, "o", color="#33373d", markersize=4)
    figure.axes[0].plot(*tests, "o", color="#33373d", markersize=4, fillstyle="none")
    report.figure(figure, "The lines; open circles are the points of the test.", "line")
    numbers = dict(
        zip(("line/w", "line/b", "line/cost", "line/test"), found, strict=True)
    )
    return numbers | {"line/r2": float(linear.score(model, x[:, None], y))}


def _table(cfg: Config, report, table) -> dict[str, float]:
    """Least squares, ridge and the lasso on features of mean 0 and length 1."""
    x = table.x - table.x.mean(0)
    length = np.linalg.norm(x, axis=0)
    x, y = x / np.where(length > 0, length, 1), table.y
    exact = dict(tolerance=1e-10, steps=100_000)
    models = {
        "least squares": linear.least_squares(x, y),
        "ridge": linear.ridge(x, y, cfg.alpha),
        "lasso": lasso.lasso(x, y, cfg.alpha, **exact),
    }
    scores = {name: float(linear.score(m, x, y)) for name, m in models.items()}
    weights = np.array([m.weights for m in models.values()]).T
    rows = [
        (name, *(f"{w:.4f}" for w in row))
        for name, row in zip(table.features, weights, strict=True)
    ]
    rows.append(("intercept", *(f"{m.intercept:.4f}" for m in models.values())))
    rows.append(("R2", *(f"{score:.6f}" for score in scores.values())))
    title = (
        f"{cfg.data}: weights of features of mean 0 and length 1, alpha {cfg.alpha:g}"
    )
    _show(report, title, ("feature", *models), rows)

    most = float(np.abs(x.T @ (y - y.mean())).max()) / len(x)
    alphas = most * np.geomspace(1, SPAN, cfg.penalties)
    path = jax.vmap(lambda alpha: lasso.lasso(x, y, alpha, **exact))(alphas)
    w = np.asarray(path.weights)  # [penalties, D]
    kept = (w != 0).sum(1)
    order = np.argsort(-np.abs(w[-1]))[:12]  # a legend of more is not read
    lines = {table.features[i]: (alphas, w[:, i]) for i in order}
    figure = figures.curves(lines, "alpha", "weight")
    axes = figure.axes[0]
    axes.set_xscale("log")
    axes.invert_xaxis()
    axes.axvline(cfg.alpha, color=figures.INK, linewidth=0.8, linestyle=":")
    caption = (
        "The lasso's weights as its penalty falls; the dots are the table's alpha."
    )
    report.figure(figure, caption, "path")
    first = np.where((w != 0).any(0), np.argmax(w != 0, axis=0), cfg.penalties)
    came = [i for i in np.argsort(first, stable=True) if first[i] < cfg.penalties]
    rows = [(table.features[i], f"{alphas[first[i]]:.4f}") for i in came]
    _show(report, "The order in which features come in", ("feature", "alpha"), rows)
    sparse = models["lasso"]
    return {
        **{f"{name.replace(' ', '_')}/r2": value for name, value in scores.items()},
        "intercept": float(models["least squares"].intercept),
        "lasso/objective": float(sparse.objective),
        "lasso/kept": int((sparse.weights != 0).sum()),
        "path/done": bool(path.done.all()),
        **{f"path/kept/{i}": int(k) for i, k in enumerate(kept)},
    }


def _show(report, title: str, headers, rows) -> None:
    table = Table(*headers, box=None)
    for row in rows:
        table.add_row(*map(str, row))
    Console(markup=False).print(f"\n{title}", table)
    report.table(headers, rows, title)


if __name__ == "__main__":
    run(main, Config)
