"""A start learned from many tasks adapts in five steps; joint training does not.

Run:    python -m experiments.maml
        python -m experiments.maml --steps 10000

Expect: after five steps errors of 0.10 to 0.23 by MAML, of 0.15 to 0.23 by Reptile and
of 0.21 to 0.46 by first order, on the seeds 0 to 4; of 0.92 to 1.17 by joint training
and of 1.88 to 2.13 from scratch. Three classes, an image of each, are told apart by an
accuracy, again on the seeds 0 to 4, of

                     digits                        clothes
                     new classes   known ones      new classes   known ones
    maml             0.69 to 0.74  0.91 to 0.93    0.68 to 0.73  0.78 to 0.86
    first order      0.73 to 0.78  0.91 to 0.92    0.72 to 0.76  0.82 to 0.84
    reptile          0.76 to 0.80  0.88 to 0.90    0.70 to 0.72  0.80 to 0.81
    pretrained       0.64 to 0.80  0.90 to 0.93    0.73 to 0.77  0.87 to 0.88
    scratch          0.74 to 0.77  0.86 to 0.87    0.69 to 0.71  0.70 to 0.73

On new images of classes that it has met MAML is better than a start at random on all
seeds; on classes that it has not met it is no better. So what it learns is these six
classes, and six say little of the other four. Of digits of 8x8 pixels the least: there
Reptile, which fits the six least, is best on new ones. Of clothes a classifier learns
what serves new ones best. Three minutes of a CPU core. A row of `benchmarks.claims`
holds MAML to that, and a test a smaller run.

Sinusoids of amplitudes 0.1 to 5 and phases 0 to pi are told by ten points each. Five
steps of gradient descent on these adapt a net of 40 and 40 units; its error, half of
the square, is then taken on other points of the sinusoid. Where the steps begin:

    maml          learned through the five steps, with second derivatives
    first order   likewise, the steps' gradients taken for constants
    reptile       learned by moving to where eight steps end
    joint         learned from the points of all tasks at once, as if they were one
    scratch       at random

All but scratch see the same tasks, equally often, and learn by Adam at the same rate.
No start can be better before the first step than `zoo.data.sinusoids.BEST_UNADAPTED`,
1.503. The rate of the steps at the test is for each the one of `--rates` that is best
on other tasks.

Then classes of images: of ten, six are learned from, and tasks are made of the other
four: three classes, an image of each. Half of the images of the six are kept back: the
tasks made of these are the known classes above, and choose the rate. Six are few, so
each is turned by right angles and mirrored, and each of these is a class of its own, 48
in all; this was chosen on the seeds shown, as from six unturned digits, of all images,
MAML has 0.65 to 0.68 and only Reptile adapts as well as from a start at random. Joint
training has no part in that, as labels are different ones in each task; in its place
stands

    pretrained    learned as a classifier of the 48, from as many images; its head
                  begins anew, at 0

References:
    Finn, Abbeel and Levine, "Model-agnostic meta-learning for fast adaptation of deep
    networks", ICML 2017, https://arxiv.org/abs/1703.03400
    Nichol, Achiam and Schulman, "On first-order meta-learning algorithms", 2018,
    https://arxiv.org/abs/1803.02999
"""

import dataclasses
import functools
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

import optim
import zoo
import zoo.functional as F
from experiments._classifiers import images, positive, small_images
from zoo.classical.mlp import MLP
from zoo.errors import unknown
from zoo.learner import mean
from zoo.meta import adapted, maml, reptile
from zoo.meta.inner import inner
from zoo.training import figures
from zoo.training.cli import run
from zoo.training.parallel import jit_once
from zoo.training.report import Report

SHOWN = 10  # steps of adaptation that curves show
AT = 5  # steps after which numbers are told
TURNS = 8  # by right angles, and mirrored: each makes a class of its own
BASE = tuple(10 * turn + label for turn in range(TURNS) for label in range(6))
NEW = (6, 7, 8, 9)
WAYS, QUERIES = 3, 5
DATA = ("digits", "clothes")
KINDS = ("maml", "first order", "reptile", "joint", "pretrained", "scratch")


@dataclasses.dataclass(frozen=True)
class Config:
    """Flags.

    Attributes:
        steps: outer ones, on sinusoids; 0 leaves them out.
        tasks: sinusoids of a step.
        shots: points of a sinusoid that are told, and as many that are asked for.
        learning_rate: of Adam, outside.
        inner_rate: of the five steps, in training on sinusoids.
        rates: of the steps at the test on sinusoids.
        data: image data, of `DATA`.
        image_steps: outer ones, on images.
        image_tasks: tasks of a step.
        image_shots: images of a class.
        image_rate: of the five steps, in training on images.
        image_rates: of the steps at the test on images.
        width: hidden units, of two layers each.
        kinds: starts, of `KINDS`.
        seeds: runs of each kind, 0, 1, ...
        run: the run folder.
    """

    steps: int = 1000
    tasks: int = 25
    shots: int = 10
    learning_rate: float = 3e-3
    inner_rate: float = 0.01
    rates: tuple[float, ...] = (0.003, 0.01, 0.03)
    data: tuple[str, ...] = DATA
    image_steps: int = 300
    image_tasks: int = 8
    image_shots: int = 1
    image_rate: float = 0.1
    image_rates: tuple[float, ...] = (0.01, 0.03, 0.1, 0.3, 1.0)
    width: int = 40
    kinds: tuple[str, ...] = KINDS
    seeds: int = 5
    run: str = "runs/maml"


def main(cfg: Config) -> dict[str, float]:
    """Learns all starts, adapts from them and writes the report.

    Returns:
        After five steps: `KIND/SEED`, the error on sinusoids, and the accuracies
        `DATA/KIND/SEED` on new classes and `DATA/known/KIND/SEED` on new images of the
        classes that were learned from.

    Raises:
        ValueError: a flag out of range.
    """
    positive(cfg, "tasks", "shots", "learning_rate", "inner_rate", "rates", "width")
    positive(cfg, "image_steps", "image_tasks", "image_shots", "image_rate")
    positive(cfg, "image_rates", "seeds")
    if cfg.steps < 0:
        raise ValueError(f"steps must be at least 0, got {cfg.steps}")
    for name in cfg.data:
        if name not in DATA:
            raise unknown("image data", name, DATA)
    for kind in cfg.kinds:
        if kind not in KINDS:
            raise unknown("start", kind, KINDS)
    report = Report("MAML", "where to begin, learned", dataclasses.asdict(cfg))
    numbers = _sinusoids(cfg, report) if cfg.steps else {}
    for name in cfg.data:
        numbers |= _images(cfg, report, name)
    print(f"report: {report.write(Path(cfg.run, 'report.html'))}")
    return numbers


def _sinusoids(cfg, report):
    net, loss = MLP(1, (cfg.width, cfg.width)), F.quadratic
    stream = zoo.data.sinusoids(cfg.tasks, cfg.shots, cfg.shots)
    learn = functools.partial(_learned, cfg, steps=cfg.steps)
    tx = optim.adam(cfg.learning_rate)
    pooled = _pooled(stream)
    joint = lambda: zoo.supervised(net, loss, tx)
    ways = _met(learn, net, loss, tx, stream, cfg.inner_rate) | {
        "joint": lambda: learn(joint, pooled),
        "scratch": lambda: learn(joint, pooled, steps=0),
    }
    starts = {kind: ways[kind]() for kind in cfg.kinds if kind in ways}
    valid, test = (zoo.data.sinusoids(100, cfg.shots, 50, s).at(0) for s in (1, 2))
    score = _curves(net, loss, loss, cfg.rates)
    _, found, rates = _best(score, starts, valid, test, cfg.rates, np.argmin)
    _shown(report, found, "sinusoids", "error on sinusoids", cfg, log=True)
    _drawn(report, net, starts, rates, test)
    return {
        f"{kind}/{seed}": float(row[AT])
        for kind, rows in found.items()
        for seed, row in enumerate(rows)
    }


def _images(cfg, report, name):
    parts = images(zoo.data.load("digits")) if name == "digits" else small_images(14)
    data = {k: parts[0][k] for k in "xy"}
    of = functools.partial(
        zoo.data.episodes, ways=WAYS, shots=cfg.image_shots, queries=QUERIES
    )
    halves = [_turned({k: v[i::2] for k, v in data.items()}) for i in (0, 1)]
    stream = of(halves[0], cfg.image_tasks, classes=BASE)
    base = {k: v[np.isin(halves[0]["y"], BASE)] for k, v in halves[0].items()}
    count = 10 * TURNS  # labels of the classifier, of which it sees those of BASE
    size = cfg.image_tasks * WAYS * (cfg.image_shots + QUERIES)
    size = min(size, len(base["y"]))
    net, many = (MLP(k, (cfg.width, cfg.width)) for k in (WAYS, count))
    learn = functools.partial(_learned, cfg, steps=cfg.image_steps)
    tx, loss = optim.adam(cfg.learning_rate), F.cross_entropy

    def pretrained():
        build = lambda: zoo.supervised(many, loss, tx)
        params = learn(build, zoo.data.batches(base, size))
        head = jax.tree.map(lambda p: jnp.zeros_like(p[..., :WAYS]), params["head"])
        return {**params, "head": head}

    ways = _met(learn, net, loss, tx, stream, cfg.image_rate)
    ways["pretrained"] = pretrained
    ways["scratch"] = lambda: learn(
        lambda: maml.learner(net, loss, tx), stream, steps=0
    )
    starts = {kind: ways[kind]() for kind in cfg.kinds if kind in ways}
    valid = of(halves[1], 200, classes=BASE, seed=1).at(0)
    test = of(data, 200, classes=NEW, seed=2).at(0)
    score = _curves(net, loss, zoo.metrics.accuracy, cfg.image_rates)
    both = _best(score, starts, valid, test, cfg.image_rates, np.argmax)[:2]
    numbers, each = {}, zip(("/known", ""), ("known", "new"), both, strict=True)
    for mark, what, found in each:
        _shown(report, found, f"{name}_{what}", f"accuracy on {what} {name}", cfg)
        for kind, rows in found.items():
            for seed, row in enumerate(rows):
                numbers[f"{name}{mark}/{kind}/{seed}"] = float(row[AT])
    return numbers


def _turned(data):
    """Images in all eight ways; way i of class k is class 10 i + k."""
    sides = data["x"], data["x"][:, :, ::-1]
    x = [np.rot90(x, k, (1, 2)) for x in sides for k in range(4)]
    y = [data["y"] + 10 * i for i in range(TURNS)]
    return {"x": np.concatenate(x), "y": np.concatenate(y).astype(np.int32)}


def _met(learn, net, loss, tx, stream, rate):
    """Each way of learning to learn: () -> parameters of all seeds."""
    of = functools.partial(maml.learner, net, loss, tx, rate=rate, steps=AT)
    moved = functools.partial(reptile.learner, net, loss, tx, rate=rate)
    return {
        "maml": lambda: learn(of, stream),
        "first order": lambda: learn(lambda: of(order=1), stream),
        "reptile": lambda: learn(lambda: moved(steps=8, parts=2), stream),
    }


def _learned(cfg, build, stream, *, steps):
    """Parameters of all seeds, [seeds, ...] on every leaf; 0 steps: as they begin."""
    if not steps:
        init = lambda seed: build().init(jax.random.key(seed), stream.at(0)).params
        return jit_once(jax.vmap(init))(jnp.arange(cfg.seeds))
    builder = lambda axis_name=None: build()
    seeds = range(cfg.seeds)
    return zoo.training.sweep(
        builder, stream, steps, grid={}, seeds=seeds
    ).states.params


def _pooled(stream):
    """All points of a batch of tasks, as if they were of one."""

    def at(step):
        batch = stream.at(step)
        parts = batch["support"], batch["query"]
        both = {k: np.concatenate([p[k].reshape(-1, 1) for p in parts]) for k in "xy"}
        return both | {"index": np.arange(len(both["x"]), dtype=np.int32)}

    size = len(at(0)["index"])
    return zoo.data.Stream(at=at, batch_size=size, examples=size)


def _curves(net, loss, score, rates):
    """(parameters of all seeds, tasks) -> scores, [rates, seeds, SHOWN + 1]."""
    how = inner(0.0, SHOWN)
    model, rates = adapted.Adapted(net, loss, how, how), jnp.array(rates)

    def one(rate, params, tasks):
        variables = {"params": params}
        return mean(adapted.curve(model, variables, tasks, rate, score))

    over = jax.vmap(jax.vmap(one, (None, 0, None)), (0, None, None))
    return jit_once(lambda params, tasks: over(rates, params, tasks))


def _best(score, starts, valid, test, rates, best):
    """Each kind's scores on both at the rate best on the first; and that rate."""
    known, found, chosen = {}, {}, {}
    for kind, params in starts.items():
        worst = np.inf if best is np.argmin else -np.inf
        tried = np.asarray(score(params, valid))
        means = tried[:, :, AT].mean(1)
        at = best(np.where(np.isfinite(means), means, worst))
        known[kind], found[kind] = tried[at], np.asarray(score(params, test))[at]
        chosen[kind] = rates[at]
        print(f"{kind}: rate {rates[at]}, {found[kind][:, AT].round(3)}", end="")
        print(f", where it was chosen {known[kind][:, AT].mean():.3f}", flush=True)
    return known, found, chosen


def _shown(report, found, name, ylabel, cfg, log=False):
    rows = [
        (kind, f"{rows[:, 0].mean():.3f}", *(f"{row[AT]:.3f}" for row in rows))
        for kind, rows in found.items()
    ]
    heads = ("start", "at once", *(f"seed {seed}" for seed in range(cfg.seeds)))
    report.show(heads, rows, f"The {ylabel}, at once (mean) and after {AT} steps")
    steps = np.arange(SHOWN + 1)
    lines = {
        kind: (steps, rows.mean(0), rows.min(0), rows.max(0))
        for kind, rows in found.items()
    }
    figure = figures.curves(lines, "steps of adaptation", ylabel, log=log)
    report.figure(figure, "Mean over seeds; the bands span them.", name)


def _drawn(report, net, starts, rates, test):
    """A sinusoid, what is told of it, and what nets make of it as they adapt."""
    x = np.linspace(-5, 5, 200, dtype=np.float32)[:, None]
    amplitudes = np.abs(test["query"]["y"][..., 0]).max(1)
    task = adapted.one(test["support"], int(amplitudes.argmax()))
    for kind in [k for k in ("maml", "joint") if k in starts]:
        params, lines = adapted.one(starts[kind]), {}
        for steps, name in {0: "at once", 1: "1 step", AT: f"{AT} steps"}.items():
            how = inner(rates[kind], max(steps, 1))
            model = adapted.Adapted(net, F.quadratic, how, how)
            moved = model.adapt(params, {}, task, how)[0] if steps else params
            lines[name] = x[:, 0], net.apply({"params": moved}, x)[:, 0]
        figure = figures.curves(lines, "x", "y", title=kind)
        figure.axes[0].plot(task["x"][:, 0], task["y"][:, 0], "k^", label="told")
        figure.axes[0].set_ylim(-6, 6)
        figure.axes[0].legend()
        report.figure(figure, f"{kind}: seed 0, on a sinusoid of the test.", kind)


if __name__ == "__main__":
    run(main, Config)
