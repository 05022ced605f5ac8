"""One tree reads new digits to 0.77, a forest of a hundred to 0.93.

Run:    python -m experiments.trees
        python -m experiments.trees --data wine --picture wine

Expect: to be measured.
"""

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from optim.errors import check_range
from zoo.classical import boosting, forest, pruning, tree
from zoo.data import tabular
from zoo.errors import unknown
from zoo.training import figures
from zoo.training.cli import run
from zoo.training.report import Report

# scikit-learn 1.9.1 on the halves of the digits, its default settings.
ORACLES = {"tree": 0.7575, "forest": 0.9321}


@dataclasses.dataclass(frozen=True)
class Config:
    """Flags.

    Attributes:
        data: a table of `zoo.data.tabular` with classes, or a path to CSV or npz.
        shuffle: shuffle before halving; None: all tables but the digits.
        deepest: trees of depth 1 to this many are compared.
        folds: of the cross-validation that chooses how far to prune.
        trees: of a forest.
        rounds: of boosting.
        rate: of boosting.
        depth: of the trees of boosting.
        seeds: forests, with the seeds 0, 1, ...
        picture: the table of the picture of regions.
        features: two of its features; by default its first two, for iris the last two.
        side: points along each side of the picture.
        run: the run folder.
    """

    data: str = "digits"
    shuffle: bool | None = None
    deepest: int = 14
    folds: int = 5
    trees: int = 100
    rounds: int = 40
    rate: float = 0.2
    depth: int = 3
    seeds: int = 5
    picture: str = "iris"
    features: tuple[str, ...] = ()
    side: int = 200
    run: str = "runs/trees"


def main(cfg: Config) -> dict[str, float]:
    """Trains each kind on one half, counts on the other, and writes the report.

    Returns:
        Accuracies on the half held out: `tree`, `pruned`, `boosting`, and by seed s
        `s/forest`, and `s/bag` out of bag on the other half; `leaves` and
        `pruned/leaves`; by depth d `train/d` and `test/d`.

    Raises:
        ValueError: a flag out of range, or a table without classes.
    """
    least = dict(deepest=1, folds=2, trees=1, rounds=1, depth=1, seeds=1, side=2)
    for name, low in least.items():
        if getattr(cfg, name) < low:
            raise ValueError(f"{name} must be >= {low}, got {getattr(cfg, name)}")
    table, plane = _table(cfg.data), _plane(cfg)
    x, y, held = _halves(cfg, table)
    check_range("rate", cfg.rate, 0, 1, "(]")
    if cfg.folds > len(x):
        raise ValueError(f"folds must be at most {len(x)} examples, got {cfg.folds}")
    report = Report("Trees", f"of {cfg.data}")
    count = len(table.classes)
    numbers = _depths(cfg, report, x, y, held, count)
    numbers |= _pruned(cfg, report, x, y, held, count)
    more, grown = _forests(cfg, report, x, y, held, count)
    numbers |= more | _boosted(cfg, report, x, y, held, count)
    _summary(cfg, report, numbers)
    _importances(report, table, grown)
    _regions(cfg, report, *plane)
    report.table(["setting", "value"], list(dataclasses.asdict(cfg).items()))
    print(f"report: {report.write(Path(cfg.run, 'report.html'))}")
    return numbers


def _table(source):
    table = tabular(source)
    if not table.classes:
        raise ValueError(f"data must have classes, but {source}'s target is a number")
    return table


def _halves(cfg, table):
    shuffle = cfg.data != "digits" if cfg.shuffle is None else cfg.shuffle
    order, half = np.arange(len(table.x)), len(table.x) // 2
    if shuffle:
        order = np.random.default_rng(0).permutation(order)
    first, second = order[:half], order[half:]
    x, y = np.float32(table.x), table.y.astype(np.int32)
    return x[first], y[first], (x[second], y[second])


def _right(called, y):
    return float((np.asarray(called) == y).mean())


def _depths(cfg, report, x, y, held, count) -> dict[str, float]:
    """Trees grow level by level: one of depth d is a deeper one that ends there."""
    depths, numbers = range(1, cfg.deepest + 1), {}
    whole = tree.fit(x, y, num_classes=count)
    for d in depths:
        found = whole._replace(depth=jnp.int32(d))
        numbers[f"train/{d}"] = _right(tree.predict(found, x), y)
        numbers[f"test/{d}"] = _right(tree.predict(found, held[0]), held[1])
    lines = {
        label: (depths, [numbers[f"{part}/{d}"] for d in depths])
        for label, part in (("training half", "train"), ("held-out half", "test"))
    }
    figure = figures.curves(lines, "depth of the tree", "accuracy")
    figure.axes[0].locator_params(axis="x", integer=True)
    report.figure(figure, "A deeper tree learns its own half by heart; on the other it "
                  "stops gaining.", "depth")  # fmt: skip
    return numbers


def _pruned(cfg, report, x, y, held, count) -> dict[str, float]:
    """Prunes the tree as far as cross-validation on its half says."""
    whole = tree.fit(x, y, num_classes=count)
    found = jax.device_get(pruning.path(whole))
    alphas = found.alphas[: int(found.steps) + 1]
    between = np.sqrt(alphas * np.append(alphas[1:], alphas[-1]))  # geometric means

    @jax.jit
    def each(one, x):  # [A, N]: what the subtree for each alpha says
        path = pruning.path(one)
        called = lambda alpha: tree.predict(pruning.prune(one, alpha, path), x)
        return jax.lax.map(called, jnp.asarray(between))

    fold = np.random.default_rng(0).permutation(len(x)) % cfg.folds
    right = np.zeros((len(between), len(x)))
    for k in range(cfg.folds):
        weight = np.float32(fold != k)
        one = tree.fit(x, y, num_classes=count, weight=weight)
        right[:, fold == k] = (np.asarray(each(one, x)) == y)[:, fold == k]
    chosen = right.mean(1)
    best = int(np.flatnonzero(chosen == chosen.max())[-1])  # the smallest of the best
    test = (np.asarray(each(whole, held[0])) == held[1]).mean(1)
    leaves = found.leaves[: len(alphas)]
    lines = {
        f"{cfg.folds} folds of the training half": (leaves, chosen),
        "held-out half": (leaves, test),
    }
    figure = figures.curves(lines, "leaves that are left", "accuracy")
    axes = figure.axes[0]
    axes.set_xscale("log")
    axes.axvline(leaves[best], color=figures.INK, linewidth=0.8, linestyle=":")
    report.figure(figure, "The path of weakest links; dotted, the subtree that "
                  "cross-validation chooses.", "pruning")  # fmt: skip
    return {
        "tree": float(test[0]),
        "pruned": float(test[best]),
        "leaves": int(leaves[0]),
        "pruned/leaves": int(leaves[best]),
    }


def _forests(cfg, report, x, y, held, count):
    """The numbers of all seeds, and the forest of the first."""
    numbers, curves, first = {}, [], None
    for seed in range(cfg.seeds):
        grown = forest.fit(jax.random.key(seed), x, y, cfg.trees, num_classes=count)
        first = first or grown
        numbers[f"{seed}/forest"] = _right(forest.predict(grown, held[0]), held[1])
        error = _bag_errors(grown, x, y)
        numbers[f"{seed}/bag"] = 1 - float(error[-1])
        tests = _growing(grown, held[0], held[1])
        curves.append((error, tests))
    at, curves = np.arange(1, cfg.trees + 1), np.array(curves)  # [S, 2, T]
    lines = {
        label: (at, part.mean(0), part.min(0), part.max(0))
        for label, part in zip(
            ("out of bag", "held-out half"), curves.swapaxes(0, 1), strict=True
        )
    }
    figure = figures.curves(lines, "trees of the forest", "error")
    figure.axes[0].set_ylim(0)
    report.figure(figure, "The error of a growing forest; the bands span the seeds. "
                  "Out of bag, each example is judged by the trees that did not see "
                  "it.", "forest")  # fmt: skip
    return numbers, first


def _bag_errors(grown, x, y):  # -> [T]
    out = forest.samples(grown.key, len(grown.trees.nodes), len(x)) == 0  # [T, N]
    return _growing(grown, x, y, out)


@jax.jit
def _growing(grown, x, y, counts=None):
    """The error of the first 1, 2, ... trees; of those examples that have a say."""
    at = tree.route(grown.trees, x)  # [T, N]
    votes = jnp.take_along_axis(grown.trees.value, at[..., None], 1)  # [T, N, K]
    if counts is None:
        counts = jnp.ones(at.shape, bool)
    votes = jnp.cumsum(jnp.where(counts[..., None], votes, 0), 0)
    some = jnp.cumsum(counts, 0) > 0
    wrong = (votes.argmax(2) != y.reshape(1, -1)) & some
    return wrong.sum(1) / jnp.maximum(some.sum(1), 1)


def _boosted(cfg, report, x, y, held, count) -> dict[str, float]:
    options = dict(rounds=cfg.rounds, rate=cfg.rate, max_depth=cfg.depth)
    loss = {} if count == 2 else {"num_classes": count}
    name = "logistic" if count == 2 else "softmax"
    state = boosting.fit(jax.random.key(0), x, y, name, **loss, **options)
    return {"boosting": _right(boosting.predict(state, held[0], name), held[1])}


def _summary(cfg, report, numbers) -> None:
    seeds = range(cfg.seeds)
    oracles = ORACLES if cfg.data == "digits" and not cfg.shuffle else {}
    scores = [numbers[f"{seed}/forest"] for seed in seeds]
    bags = [numbers[f"{seed}/bag"] for seed in seeds]
    show = lambda values: " ".join(f"{v:.4f}" for v in values)
    rows = [
        ("tree", show([numbers["tree"]]), oracles.get("tree")),
        ("tree, pruned", show([numbers["pruned"]]), None),
        (f"forest of {cfg.trees}, by seed", show(scores), oracles.get("forest")),
        ("forest, out of bag, by seed", show(bags), None),
        (f"boosting, {cfg.rounds} rounds", show([numbers["boosting"]]), None),
    ]
    report.show(
        ("learner", "accuracy", "scikit-learn"),
        rows,
        "Accuracy on the held-out half; out of bag, on the training half. The tree has "
        f"{numbers['leaves']} leaves, pruned {numbers['pruned/leaves']}.",
    )


def _importances(report, table, grown) -> None:
    """As a picture where the features are the pixels of a square, else as a table."""
    d = table.x.shape[1]
    found, side = np.asarray(forest.importances(grown, d)), int(d**0.5)
    if side < 4 or side * side != d or not table.features[0].startswith("pixel"):
        order = np.argsort(-found)[:10]
        rows = [(table.features[i], f"{found[i]:.4f}") for i in order]
        report.table(("feature", "importance"), rows, "Importances in the forest.")
        return
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.6, 3.1), layout="constrained", facecolor="white")
    left, right = figure.subplots(1, 2)
    left.imshow(table.x.mean(0).reshape(side, side), cmap="gray_r")
    shown = right.imshow(found.reshape(side, side), cmap="Blues", vmin=0)
    bar = figure.colorbar(shown, ax=right, shrink=0.9)
    bar.ax.tick_params(colors=figures.INK, labelsize=8)
    for axes, title in ((left, "mean image"), (right, "importance")):
        axes.set_title(title, loc="left", fontsize=10, color=figures.INK)
        axes.set_xticks([])
        axes.set_yticks([])
    report.figure(figure, "How much each pixel's splits decrease impurity, in the "
                  "forest; all of it is 1.", "importances")  # fmt: skip


def _plane(cfg):
    """The table of the picture, its two features' names and values, [N, 2]."""
    table = _table(cfg.picture)
    names = cfg.features or (table.features[-2:] if cfg.picture == "iris" else ())
    names = names or table.features[:2]
    if len(names) != 2:
        raise ValueError(f"features must be two names, got {names}")
    for name in names:
        if name not in table.features:
            raise unknown(f"feature of {cfg.picture}", name, table.features)
    x = table.x[:, [table.features.index(name) for name in names]]
    return table, names, np.float32(x)


def _regions(cfg, report, table, names, x) -> None:
    from matplotlib.colors import to_rgb
    from matplotlib.figure import Figure

    margin = 0.05 * (x.max(0) - x.min(0))
    low, high = x.min(0) - margin, x.max(0) + margin
    lines = [np.linspace(low[i], high[i], cfg.side, dtype=np.float32) for i in (0, 1)]
    points = np.stack(np.meshgrid(*lines), -1).reshape(-1, 2)
    y, count = table.y.astype(np.int32), len(table.classes)
    one = tree.fit(x, y, num_classes=count)
    many = forest.fit(jax.random.key(0), x, y, cfg.trees, num_classes=count)
    shares = {
        "tree": tree.predict_probability(one, points),
        f"forest of {cfg.trees}": forest.predict_probability(many, points),
    }
    inks = [figures.COLOURS[i % len(figures.COLOURS)] for i in range(count)]
    pale = np.array([[1 - 0.45 * (1 - c) for c in to_rgb(ink)] for ink in inks])

    figure = Figure(figsize=(8.8, 4.0), layout="constrained", facecolor="white")
    grid = figure.subplots(1, 2, sharey=True)
    for axes, (title, share) in zip(grid, shares.items(), strict=True):
        image = (np.asarray(share) @ pale).reshape(cfg.side, cfg.side, 3)
        axes.imshow(image, origin="lower", aspect="auto", interpolation="nearest",
                    extent=(low[0], high[0], low[1], high[1]))  # fmt: skip
        for i, name in enumerate(table.classes):
            axes.scatter(*x[y == i].T, s=16, color=inks[i], edgecolors="white",
                         linewidths=0.5, label=name)  # fmt: skip
        axes.set_title(title, loc="left", fontweight="bold", color=figures.INK)
        axes.set_xlabel(names[0].replace("_", " "), color=figures.INK)
        axes.tick_params(colors=figures.INK)
    grid[0].set_ylabel(names[1].replace("_", " "), color=figures.INK)
    handles, words = grid[0].get_legend_handles_labels()
    figure.legend(handles, words, loc="outside right upper", frameon=False)
    report.figure(figure, f"The shares of the classes on two features of {cfg.picture}."
                  " A tree is sure everywhere; a forest where its trees agree.",
                  "regions")  # fmt: skip


if __name__ == "__main__":
    run(main, Config)
