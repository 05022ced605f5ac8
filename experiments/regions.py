"""A tree is sure nearly everywhere, a forest only where its trees agree.

Run:    python -m experiments.regions
        python -m experiments.regions --data wine --features alcohol hue

Expect: by the petals' length and width a tree of 8 leaves gives one kind of iris a
share above 0.99 on 0.878 of the picture; the rest is a box of flowers that measure the
same and are of two kinds. Forests with seeds 0 to 4 do so on 0.272 0.268 0.273 0.268
0.277: far from the flowers their trees differ. 20 seconds of one core. A test holds a
smaller run to it.
"""

import dataclasses
from pathlib import Path

import jax
import numpy as np

from experiments.trees import labelled
from zoo.classical import forest, tree
from zoo.errors import unknown
from zoo.training import figures
from zoo.training.cli import run
from zoo.training.report import Report

SURE = 0.99  # the share of a class that counts as sure


@dataclasses.dataclass(frozen=True)
class Config:
    """Flags.

    Attributes:
        data: a table of `zoo.data.tabular` with classes, or a path to CSV or npz.
        features: two of its features; by default its first two, for iris the last two.
        trees: of a forest.
        seeds: forests, with the seeds 0, 1, ...; the picture is of the first.
        side: points along each side of the picture.
        run: the run folder.
    """

    data: str = "iris"
    features: tuple[str, ...] = ()
    trees: int = 100
    seeds: int = 5
    side: int = 200
    run: str = "runs/regions"


def main(cfg: Config) -> dict[str, float]:
    """Trains on two features, asks for the classes everywhere, and writes the report.

    Returns:
        The share of the picture where one class has a share above `SURE`: `tree`, and
        by seed s `s/forest`; the leaves of the tree, `leaves`.

    Raises:
        ValueError: a flag out of range, or a table without classes.
    """
    for name, low in {"trees": 1, "seeds": 1, "side": 2}.items():
        if getattr(cfg, name) < low:
            raise ValueError(f"{name} must be >= {low}, got {getattr(cfg, name)}")
    table = labelled(cfg.data)
    names = cfg.features or table.features[-2:] if cfg.data == "iris" else cfg.features
    names = names or table.features[:2]
    for name in names:
        if name not in table.features:
            raise unknown(f"feature of {cfg.data}", name, table.features)
    if len(names) != 2 or len(set(names)) != 2:
        raise ValueError(f"features must be two different names, got {names}")
    x = np.float32(table.x[:, [table.features.index(name) for name in names]])
    y, count = np.int32(table.y), len(table.classes)

    margin = 0.05 * (x.max(0) - x.min(0))
    low, high = x.min(0) - margin, x.max(0) + margin
    lines = [np.linspace(low[i], high[i], cfg.side, dtype=np.float32) for i in (0, 1)]
    points = np.stack(np.meshgrid(*lines), -1).reshape(-1, 2)
    one = tree.fit(x, y, num_classes=count)
    shares = {"tree": tree.predict_probability(one, points)}
    for seed in range(cfg.seeds):
        many = forest.fit(jax.random.key(seed), x, y, cfg.trees, num_classes=count)
        shares[f"{seed}/forest"] = forest.predict_probability(many, points)
    shares = {name: np.asarray(share) for name, share in shares.items()}
    numbers = {k: float((share.max(1) > SURE).mean()) for k, share in shares.items()}
    numbers["leaves"] = int(tree.leaves(one))

    report = Report("Regions", f"of {' and '.join(names)}, {cfg.data}")
    forests = " ".join(f"{numbers[f'{seed}/forest']:.3f}" for seed in range(cfg.seeds))
    rows = [
        (f"tree of {numbers['leaves']} leaves", f"{numbers['tree']:.3f}"),
        (f"forest of {cfg.trees}, by seed", forests),
    ]
    title = f"The part of the picture where a class has a share above {SURE}"
    report.show(("learner", "part"), rows, title)
    drawn = {"tree": shares["tree"], f"forest of {cfg.trees}": shares["0/forest"]}
    figure = _picture(table.classes, names, x, y, drawn, cfg.side, (low, high))
    report.figure(figure, "The shares of the classes, as mixed colours. A tree is sure "
                  "in nearly all of its boxes; a forest where its trees agree.",
                  "regions")  # fmt: skip
    report.table(["setting", "value"], list(dataclasses.asdict(cfg).items()))
    print(f"report: {report.write(Path(cfg.run, 'report.html'))}")
    return numbers


def _picture(classes, names, x, y, shares, side, ends):
    from matplotlib.colors import to_rgb
    from matplotlib.figure import Figure

    inks = [figures.COLOURS[i % len(figures.COLOURS)] for i in range(len(classes))]
    pale = np.array([[1 - 0.45 * (1 - c) for c in to_rgb(ink)] for ink in inks])
    figure = Figure(figsize=(8.8, 4.0), layout="constrained", facecolor="white")
    grid = figure.subplots(1, 2, sharey=True)
    for axes, (title, share) in zip(grid, shares.items(), strict=True):
        axes.imshow((share @ pale).reshape(side, side, 3), origin="lower",
                    aspect="auto", interpolation="nearest",
                    extent=np.transpose(ends).ravel())  # fmt: skip
        for i, name in enumerate(classes):
            axes.scatter(*x[y == i].T, s=16, color=inks[i], edgecolors="white",
                         linewidths=0.5, label=name)  # fmt: skip
        axes.set_title(title, loc="left", fontweight="bold", color=figures.INK)
        axes.set_xlabel(names[0].replace("_", " "), color=figures.INK)
        axes.tick_params(colors=figures.INK)
    grid[0].set_ylabel(names[1].replace("_", " "), color=figures.INK)
    handles, words = grid[0].get_legend_handles_labels()
    figure.legend(handles, words, loc="outside right upper", frameon=False)
    return figure


if __name__ == "__main__":
    run(main, Config)
