"""A Boltzmann machine's features tell digits apart by few labels, once it has learned.

Run:    python -m experiments.rbm
        python -m experiments.rbm --data fashion_mnist_small --hidden 300
        python -m experiments.rbm --data mnist_5k.csv.gz --hidden 500

Expect: on digits, with seeds 0 to 4, the pseudo-likelihood rises from -44.4 nats before
learning to -26.4 after one epoch and -16.1 after thirty (medians). By five labelled
images of each class, 0.747 of the test images are called right by the learned features,
0.597 by those it began with and 0.672 by the pixels; learned is the best on every seed.
The squared error of a reconstruction falls from 16.0 to 2.9. Twenty seconds of a core.

The machine learns without labels, by persistent contrastive divergence, on pixels that
are black or white. It is then asked for features: the probabilities of its hidden
units, each centred, and all divided by the one number that brings their deviation to 1
in the mean. The machine that it began as gives features too, by the same number of
units; so do the pixels. On each of the three a softmax regression learns from a few
labelled images, with the best of the same penalties, which other labelled images tell.

A test holds a smaller run to it.
"""

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

import optim
import zoo
from zoo.classical import logistic
from zoo.generative import rbm
from zoo.training import figures
from zoo.training.cli import run
from zoo.training.report import Report

SEEDS = (0, 1, 2, 3, 4)
ALPHAS = (1.0, 10.0, 100.0)  # penalties of the regression
FEATURES = ("learned", "begun", "pixels")


@dataclasses.dataclass(frozen=True)
class Config:
    """Flags.

    Attributes:
        data: a data set of images, or the path of a table (CSV or npz) whose last
            column is the class.
        hidden: units of the machine.
        k: rounds of Gibbs sampling in a step.
        learning_rate: of plain gradient steps.
        batch_size: images of a step, and chains.
        epochs: of learning.
        labelled: images of each class whose labels are known.
        run: the run folder.
    """

    data: str = "digits"
    hidden: int = 100
    k: int = 1
    learning_rate: float = 0.1
    batch_size: int = 20
    epochs: int = 30
    labelled: int = 5
    run: str = "runs/rbm"


def main(cfg: Config) -> dict[str, float]:
    """Learns with five seeds, prints the tables and writes the report.

    Returns:
        By seed s, `s/pseudo/e` after epoch e (0 before the first), in nats;
        `s/error/learned` and `/begun`, the squared error of a test image's
        reconstruction; `s/accuracy/F` for features F: learned, begun, pixels.

    Raises:
        ValueError: a flag out of range, an unknown data set, too few images of a class.
    """
    counts = (cfg.hidden, cfg.k, cfg.batch_size, cfg.epochs, cfg.labelled)
    if min(counts) < 1 or not cfg.learning_rate > 0:
        raise ValueError(
            "hidden, k, batch_size, epochs, labelled and learning_rate must be "
            f"positive, got {counts} and {cfg.learning_rate}"
        )
    train, test, side = images(cfg.data)
    parts = _few(train["y"], cfg.labelled)
    report = Report("A restricted Boltzmann machine", f"of {cfg.data}, in {cfg.epochs}")
    fit = rbm.learner(
        cfg.hidden, optim.sgd(cfg.learning_rate), cfg.k, chains=cfg.batch_size
    )
    begun, learned, pseudo = learn(fit, train["x"], cfg.epochs, cfg.batch_size)
    numbers = {
        f"{s}/pseudo/{e}": float(pseudo[s, e])
        for s in SEEDS
        for e in range(cfg.epochs + 1)
    }
    numbers |= _features(parts, train, test, begun.params, learned.params)
    _tables(cfg, report, numbers)
    epochs = np.arange(1, cfg.epochs + 1)
    lines = {f"seed {s}": (epochs, pseudo[s, 1:]) for s in SEEDS}
    figure = figures.curves(lines, "epoch", "pseudo-likelihood, nats")
    report.figure(figure, "The pseudo-likelihood of the training images.", "pseudo")
    if side:
        _pictures(report, learned, side)
    print(f"report: {report.write(Path(cfg.run, 'report.html'))}")
    return numbers


def images(source: str) -> tuple[dict, dict, int]:
    """Images as zeros and ones with their labels, for training and test, and their
    side; 0 where they are not square. Of a table, each fifth row is for the test."""
    if "." in source or "/" in source:
        table = zoo.data.tabular(source)
        x, y = table.x / table.x.max(), np.int32(table.y)
        held = np.arange(len(x)) % 5 == 4
        splits = [{"x": x[rows], "y": y[rows]} for rows in (~held, held)]
    else:
        data = zoo.data.load(source)
        splits = [
            {"x": split["x"].reshape(len(split["x"]), -1) / data.scale, "y": split["y"]}
            for split in data[:2]
        ]
    for split in splits:
        split["x"] = np.float32(split["x"] > 0.5)
    d = splits[0]["x"].shape[1]
    side = int(np.sqrt(d))
    return *splits, side if side * side == d else 0


def learn(fit, x: np.ndarray, epochs: int, batch_size: int, seeds=SEEDS):
    """First states and last, an axis of seeds on each leaf, and [S, epochs + 1] of the
    pseudo-likelihood, all seeds as one program."""
    stream = zoo.data.batches({"x": x}, batch_size, seed=0)
    steps = len(x) // batch_size
    index = np.array([stream.at(i)["index"] for i in range(epochs * steps)])
    index = jnp.array(index.reshape(epochs, steps, batch_size))
    x = jnp.array(x)
    whole = {"x": x, "index": jnp.arange(len(x), dtype=jnp.int32)}

    def epoch(state, rows):
        def step(state, i):
            return fit.step(state, {"x": x[i], "index": i})[0], None

        state, _ = jax.lax.scan(step, state, rows)
        return state, zoo.learner.mean(fit.evaluate(state, whole)["pseudo"])

    def one(seed):
        first = fit.init(jax.random.key(seed), whole)
        before = zoo.learner.mean(fit.evaluate(first, whole)["pseudo"])
        last, after = jax.lax.scan(epoch, first, index)
        return first, last, jnp.concatenate([before.reshape(1), after])

    first, last, pseudo = jax.jit(jax.vmap(one))(jnp.array(seeds))
    return first, last, np.asarray(pseudo)


def _few(y, labelled):
    """Numbers of the labelled images, and of others that tell the penalty."""
    places = [np.flatnonzero(y == c) for c in range(y.max() + 1)]
    if min(map(len, places)) <= labelled:
        raise ValueError(
            f"labelled must be below {min(map(len, places))}, the images of a class, "
            f"got {labelled}"
        )
    few = np.concatenate([p[:labelled] for p in places])
    rest = np.concatenate([p[labelled : 4 * labelled] for p in places])
    return jnp.array(few), jnp.array(rest)


def _features(parts, train, test, begun, learned) -> dict[str, float]:
    few, rest = parts
    y, y_test = jnp.array(train["y"]), jnp.array(test["y"])
    classes = int(y.max()) + 1

    def accuracies(of):
        """[A] on the images that tell the penalty, and on the test images."""
        h = of(jnp.array(train["x"]))
        mean, spread = h.mean(0), h.std(0).mean()
        scaled = lambda h: (h - mean[None]) / spread
        h, h_test = scaled(h), scaled(of(jnp.array(test["x"])))

        def at(alpha):
            model = logistic.fit(h[few], y[few], alpha, method="lbfgs", classes=classes)
            right = lambda h, y: (logistic.logits(model, h).argmax(1) == y).mean()
            return right(h[rest], y[rest]), right(h_test, y_test)

        return jax.vmap(at)(jnp.array(ALPHAS))

    def machine(params):
        x = jnp.array(test["x"])
        back = rbm.visible_mean(params, rbm.hidden_mean(params, x))
        error = jnp.square(x - back).sum(1).mean()
        return *accuracies(lambda x: rbm.hidden_mean(params, x)), error

    every = jax.jit(jax.vmap(machine))
    pixels = jax.jit(lambda: accuracies(lambda x: x))()
    alike = lambda a: np.broadcast_to(a, (len(SEEDS), len(ALPHAS)))
    found = {
        "learned": every(learned),
        "begun": every(begun),
        "pixels": (*map(alike, pixels), None),
    }
    numbers = {}
    for name, (told, right, error) in found.items():
        best = int(np.asarray(told).mean(0).argmax())
        numbers |= {f"{s}/accuracy/{name}": float(right[s, best]) for s in SEEDS}
        if error is not None:
            numbers |= {f"{s}/error/{name}": float(error[s]) for s in SEEDS}
    return numbers


def _tables(cfg, report, numbers) -> None:
    last, heads = cfg.epochs, ("", *(f"seed {s}" for s in SEEDS))
    of = lambda name: [f"{numbers[f'{s}/{name}']:.3f}" for s in SEEDS]
    rows = [(f"after epoch {e}", *of(f"pseudo/{e}")) for e in sorted({0, 1, last})]
    report.show(heads, rows, "Pseudo-likelihood of the training images, nats")
    rows = [(name, *of(f"accuracy/{name}")) for name in FEATURES]
    title = f"Accuracy on test images, {cfg.labelled} labelled images of each class"
    report.show(heads, rows, title)
    rows = [(name, *of(f"error/{name}")) for name in FEATURES[:2]]
    report.show(heads, rows, "Squared error of the reconstruction of a test image")


def _pictures(report, learned, side) -> None:
    p = jax.tree.map(lambda leaf: leaf[0], learned.params)
    w = np.asarray(p.W).T[:40]
    w = (w / np.abs(w).max(1, keepdims=True) + 1) / 2
    figure = figures.gallery(w.reshape(-1, side, side, 1), [""] * len(w), 10)
    report.figure(figure, "Weights of hidden units, seed 0; grey is 0.", "filters")
    mean = rbm.visible_mean(p, learned.chains[0])[:20]
    pictures = np.asarray(mean).reshape(-1, side, side, 1)
    figure = figures.gallery(pictures, [""] * len(pictures), 10)
    report.figure(figure, "Where the chains of seed 0 are at the end.", "chains")


if __name__ == "__main__":
    run(main, Config)
