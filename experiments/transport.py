"""The ink of one garment is moved to another: primal, dual and Sinkhorn's cost meet.

Run:    python -m experiments.transport
        python -m experiments.transport --first 3 --second 7 --side 14

Expect: from an ankle boot to a pullover the cheapest plan moves the ink 2.665702 cells
of 2 x 2 pixels on average, and dual and Lipschitz function say the same to 1e-15. It
has 616 pivots. Sinkhorn's plan is 1.9 cells above for epsilon 3, 0.034 for 0.1 and
0.0020 for 0.01; there it takes 5,511 iterations in float64. A test holds a smaller one
to it. It takes about 15 seconds on two cores.

Each picture is reduced to cells of mean grey, and what is not white is a distribution
of ink; the cost of a move is its length in cells. `zoo.functional.earth_mover` finds
the cheapest plan and potentials that prove it, and the theorem of Kantorovich and
Rubinstein says the same by a function of slope at most 1. Sinkhorn's plans for falling
epsilon are cheaper and cheaper, and end at the exact cost. Nothing is left to chance.
"""

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

import zoo
import zoo.functional as F
from zoo.training import figures
from zoo.training.cli import run
from zoo.training.parallel import jit_once  # compiling is most of the time
from zoo.training.report import Report


@dataclasses.dataclass(frozen=True)
class Config:
    """Flags.

    Attributes:
        data: a data set of `zoo.data.list_datasets()`.
        first: the number of the picture in the test set whose ink is moved.
        second: that of the picture it is moved to.
        side: cells along each side; the picture's pixels are a multiple of it.
        epsilons: weights of the entropy, in cells, falling.
        steps: iterations of Sinkhorn's algorithm for each, at most.
        run: the run folder.
    """

    data: str = "fashion_mnist_small"
    first: int = 0
    second: int = 1
    side: int = 14
    epsilons: tuple[float, ...] = (3.0, 1.0, 0.3, 0.1, 0.03, 0.01)
    steps: int = 20_000
    run: str = "runs/transport"


def main(cfg: Config) -> dict[str, float]:
    """Solves the problem in four ways, prints the table and writes the report.

    Returns:
        `primal`, `dual`, `lipschitz` (the value by Kantorovich and Rubinstein),
        `slope` (the largest of its function), `pivots`, `independent` (the cost of
        the plan a b') and, for each epsilon, `EPSILON/cost`, `EPSILON/iterations` and
        `EPSILON/error`.

    Raises:
        ValueError: a flag out of range.
    """
    images = zoo.data.load(cfg.data).test["x"]
    for name in ("first", "second"):
        if not 0 <= getattr(cfg, name) < len(images):
            raise ValueError(f"{name} must be from 0 to {len(images) - 1}")
    if cfg.side < 2 or any(size % cfg.side for size in images.shape[1:3]):
        raise ValueError(f"side must divide {images.shape[1:3]}, got {cfg.side}")
    falling = sorted(cfg.epsilons, reverse=True)
    if not falling or list(cfg.epsilons) != falling or not falling[-1] > 0:
        raise ValueError(
            f"epsilons must be positive and falling numbers, got {cfg.epsilons}"
        )
    if cfg.steps < 1:
        raise ValueError(f"steps must be positive, got {cfg.steps}")
    with jax.enable_x64(True):
        pair = jnp.asarray(images[[cfg.first, cfg.second]], jnp.float64)
        grey = F.adaptive_mean_pool(pair, cfg.side).mean(3)  # [2, side, side]
        (x, a), (y, b) = ink(grey[0]), ink(grey[1])
        numbers, plan, phi = _solve(cfg, x, y, a, b)
    _report(cfg, numbers, np.asarray(grey), (x, y), (a, b), plan, phi)
    return numbers


def ink(grey: jax.Array) -> tuple[np.ndarray, np.ndarray]:
    """Places and masses of a picture's cells that are not empty: [N, 2], [N]."""
    grey = np.asarray(grey)
    at = np.argwhere(grey > 0)
    mass = grey[tuple(at.T)]
    return at.astype(grey.dtype), mass / mass.sum()


def _solve(cfg: Config, x, y, a, b):
    everywhere = np.argwhere(np.ones((cfg.side, cfg.side))).astype(x.dtype)
    distances = jit_once(lambda x, y: F.pairwise(F.euclidean_distance, x, y))
    cost = distances(x, y)
    best = jit_once(F.earth_mover)(cost, a, b)
    lipschitz = jit_once(F.kantorovich_rubinstein)(cost, distances(y, y), a, b)
    phi = F.c_transform(distances(everywhere, y), best.g)
    apart = distances(everywhere, everywhere) + jnp.eye(len(everywhere))
    numbers = {
        "primal": best.cost,
        "dual": a @ best.f + b @ best.g,
        "lipschitz": lipschitz.value,
        "slope": (abs(phi[:, None] - phi[None]) / apart).max(),
        "pivots": best.pivots,
        "independent": a @ cost @ b,
    }
    fit = jax.jit(
        lambda epsilon, start: F.sinkhorn(cost, a, b, epsilon, 1e-9, cfg.steps, start)
    )
    start = jnp.zeros(len(b))
    for epsilon in cfg.epsilons:  # each begins with the potential of the one before
        r = fit(epsilon, start)
        start = r.g
        for name in ("cost", "value", "iterations", "error"):
            numbers[f"{epsilon:g}/{name}"] = getattr(r, name)
    numbers = {name: float(value) for name, value in numbers.items()}
    return numbers, np.asarray(best.plan), np.asarray(phi).reshape(cfg.side, cfg.side)


def _report(cfg, numbers, grey, places, masses, plan, phi) -> None:
    report = Report("Optimal transport", f"two pictures of {cfg.data}, as ink")
    exact = numbers["primal"]
    rows = [
        ("cheapest plan", f"{exact:.9f}", "", f"{numbers['pivots']:.0f} pivots"),
        ("its dual", f"{numbers['dual']:.9f}", f"{numbers['dual'] - exact:.1e}", ""),
        (
            "Kantorovich-Rubinstein",
            f"{numbers['lipschitz']:.9f}",
            f"{numbers['lipschitz'] - exact:.1e}",
            f"slope {numbers['slope']:.9f}",
        ),
    ]
    for epsilon in cfg.epsilons:
        cost, steps = (numbers[f"{epsilon:g}/{k}"] for k in ("cost", "iterations"))
        effort = f"{steps:.0f} iterations"
        rows.append(
            (f"Sinkhorn, {epsilon:g}", f"{cost:.9f}", f"{cost - exact:.1e}", effort)
        )
    rows.append(
        ("independent", f"{numbers['independent']:.9f}",
         f"{numbers['independent'] - exact:.1e}", "")
    )  # fmt: skip
    headers = ("plan", "cost, cells", "above", "effort")
    report.show(headers, rows, "The cost of moving the ink, in cells")
    report.figure(_moves(grey, places, masses, plan, phi), "Left: the cheapest plan; "
                  "each line is a move, as dark as its mass, from the first picture "
                  "(blue) to the second (rings). Right: the function of slope 1 "
                  "whose means differ most.", "plan")  # fmt: skip
    curves = {
        "cost of Sinkhorn's plan": [
            cfg.epsilons,
            [numbers[f"{e:g}/cost"] - exact for e in cfg.epsilons],
        ],
        "epsilon log N": [
            cfg.epsilons,
            [e * np.log(min(plan.shape)) for e in cfg.epsilons],
        ],
    }
    figure = figures.curves(
        curves, "epsilon, cells", "cells above the exact cost", True
    )
    figure.axes[0].set_xscale("log")
    report.figure(figure, "Sinkhorn's plan is never more than epsilon log N dearer "
                  "than the cheapest.", "epsilon")  # fmt: skip
    print(f"report: {report.write(Path(cfg.run, 'report.html'))}")


def _moves(grey, places, masses, plan, phi):
    from matplotlib.collections import LineCollection
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.2, 4.4), layout="constrained", facecolor="white")
    left, right = figure.subplots(1, 2)
    rows, columns = np.nonzero(plan)
    lines = np.stack([places[0][rows], places[1][columns]], 1)[..., ::-1]
    share = plan[rows, columns] / plan.max()
    colours = np.column_stack([np.zeros((len(share), 3)), 0.1 + 0.9 * share])
    left.add_collection(LineCollection(lines, colors=colours, linewidths=1))
    (blue, orange), dots = figures.COLOURS[:2], [60 * m / m.max() for m in masses]
    left.scatter(*places[0].T[::-1], s=dots[0], color=blue, alpha=0.7, linewidths=0)
    left.scatter(*places[1].T[::-1], s=dots[1], edgecolors=orange, facecolors="none")
    left.set_title("the cheapest plan", loc="left", fontweight="bold")
    image = right.imshow(phi - phi.mean(), cmap="RdBu")
    figure.colorbar(image, ax=right, shrink=0.85, label="phi, cells")
    right.contour(grey[0] > 0, [0.5], colors=blue, linewidths=1.4)
    right.contour(grey[1] > 0, [0.5], colors=orange, linewidths=1.4)
    right.set_title("the function of slope 1", loc="left", fontweight="bold")
    side = phi.shape[0] - 0.5
    for axes in (left, right):
        axes.set(aspect="equal", xlim=(-0.5, side), ylim=(side, -0.5))
        axes.set_xticks([])
        axes.set_yticks([])
    return figure


if __name__ == "__main__":
    run(main, Config)
