"""Five ways to search an architecture, hundreds of times each, on a table of all cells.

Run:    python -m experiments.nas
        python -m experiments.nas --budget 72 --repeats 300 --children 0

Expect: of 200 searches of 144 cells each a method's is better than a random one with
probability 0.87 (evolution), 0.86 (REINFORCE), 0.75 (proximal policy) and 0.99 (the
progressive search); all p are below 1e-17. A controller asks about cells of 0.92 at
first, as random search does, and of 0.96 in the end. The progressive search's predictor
orders cells that it has not seen with rank correlation 0.79 to 0.81. With MnasNet's
reward the found cell takes 1.57, 1.02, 0.75 and 0.70 of the target for w = 0, -0.07,
-0.2 and -0.5, and is right on 0.967, 0.952, 0.920 and 0.904. In earnest 60 children are
too few to tell: on the test images 0.969 by random search, 0.962 by evolution and 0.922
by DARTS. Two minutes of a CPU core, and three for the search in earnest.

Every cell of one and two blocks has been trained before (`zoo.search.read_table`), so a
search is a look at the table. Each method asks about `budget` cells, four at a time,
and answers with the best by validation accuracy; by that they are compared. Of the test
images, which no method sees, the table tells as much; there the luck of the best of
many by validation is gone.

    P(better than random) = share of all pairs of a method's search and a random one in
                            which the method's cell is better, ties as half

with the one-sided test of Mann and Whitney. The progressive search first trains the 36
cells of one block, as its budget too; its predictor's rank correlation is over the
cells of two blocks that it has not seen. MnasNet's reward is accuracy times (time /
target)^w; the target is the median of the table, and times are measured.

Then one search in earnest: `children` cells are trained on half of the digits, by
regularized evolution, and the search by gradient descent (DARTS) has one network for
all of it. What a child is worth is kept in the run folder; stopped, the search replays.

A test holds a smaller run to it.
"""

import dataclasses
import json
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

import optim
from experiments.cell_table import digits
from zoo.errors import unknown
from zoo.metrics.ranks import rank_correlation, superiority
from zoo.search import (
    SmallNet,
    cell_space,
    choice,
    curve,
    darts,
    describe,
    discrete,
    look_up,
    progressive,
    proposals,
    random_search,
    read_table,
    regularized_evolution,
    reinforce,
    search,
    timed_reward,
    trainer,
)
from zoo.search.cells import count, number
from zoo.search.progressive import Predictor
from zoo.training import figures
from zoo.training.cli import run
from zoo.training.report import Report

TOGETHER = 4  # cells of a step
METHODS = ("evolution", "REINFORCE", "proximal policy", "progressive")
EXPONENTS = (0.0, -0.07, -0.2, -0.5, -1.0)  # of MnasNet's reward


@dataclasses.dataclass(frozen=True)
class Config:
    """Flags.

    Attributes:
        methods: some of `METHODS`; random search is always among them.
        budget: cells that a search may ask about, above 36.
        repeats: searches of each method.
        children: cells of the search in earnest; 0: none.
        seed: of the searches.
        run: the run folder.
    """

    methods: tuple[str, ...] = METHODS
    budget: int = 144
    repeats: int = 200
    children: int = 60
    seed: int = 0
    run: str = "runs/nas"


def methods(budget: int) -> dict:
    """name -> a method over cells of two blocks, and how many go side by side."""
    of = cell_space(2)
    adam = optim.adam(0.02)
    ppo = dict(clip=0.2, epochs=4, optimizer=optim.adam(0.01))
    return {
        "random": (random_search(of), None),
        "evolution": (regularized_evolution(of, members=16, drawn=8), None),
        "REINFORCE": (reinforce(of, optimizer=adam), None),
        "proximal policy": (reinforce(of, **ppo), None),
        "progressive": (progressive(2, budget - count(1), fit_steps=150), 1),
    }


def main(cfg: Config) -> dict[str, float]:
    """Searches, prints the tables and writes the report.

    Returns:
        `better/METHOD` and `p/METHOD`, against random search, and `better on
        test/METHOD`; `first/METHOD` and `last/METHOD`, mean validation accuracy of what
        is asked in the first and the last tenth; `ranks/SEED` of the predictor;
        `accuracy/W` and `time/W`, of what the proximal policy finds by MnasNet's
        reward, the time relative to the target; and of the search in earnest
        `child/random`, `child/evolution` and `child/darts`, test accuracies.

    Raises:
        ValueError: a flag out of range.
    """
    if cfg.budget < count(1) + TOGETHER or cfg.repeats < 2 or cfg.children < 0:
        raise ValueError(
            f"budget must be at least {count(1) + TOGETHER}, repeats 2 and children 0; "
            f"got {cfg}"
        )
    for name in cfg.methods:
        if name not in METHODS:
            raise unknown("method", name, METHODS)
    table = read_table()
    report = Report("Searching architectures", "on a table of all cells", vars(cfg))
    numbers = _compared(cfg, table, report)
    if "proximal policy" in cfg.methods:
        numbers |= _timed(cfg, table, report)
    if cfg.children:
        numbers |= in_earnest(cfg, report)
    print(f"report: {report.write(Path(cfg.run, 'report.html'))}")
    return numbers


def _compared(cfg, table, report):
    """Each method against random search."""
    worth, truth = table.valid.mean(1), look_up(table.test.mean(1))
    keys = jax.random.split(jax.random.key(cfg.seed), cfg.repeats)
    steps, numbers, lines, ends, rows = cfg.budget // TOGETHER, {}, {}, {}, []
    asked = TOGETHER * np.arange(1, steps + 1)
    every = methods(cfg.budget)
    for name in ("random", *cfg.methods):
        method, side = every[name]
        learner = search(method, look_up(worth))
        state, means, best = curve(
            learner, keys, steps, together=TOGETHER, side_by_side=side
        )
        found = np.asarray(means["best"])  # [R, steps]
        low, high = np.quantile(found, (0.1, 0.9), 0)
        lines[name] = asked, found.mean(0), low, high
        ends[name] = found[:, -1], np.asarray(truth(best[:, -1]))
        (better, p), (unseen, _) = (
            map(float, superiority(mine, random))
            for mine, random in zip(ends[name], ends["random"], strict=True)
        )
        tenth = max(1, steps // 10)
        asked_for = np.asarray(means["reward"]).mean(0)
        numbers |= {
            f"better/{name}": better,
            f"p/{name}": p,
            f"better on test/{name}": unseen,
            f"first/{name}": float(asked_for[:tenth].mean()),
            f"last/{name}": float(asked_for[-tenth:].mean()),
        }
        valid, test = (of.mean() for of in ends[name])
        asked_at = [numbers[f"{at}/{name}"] for at in ("first", "last")]
        shares = f"{better:.2f}", "<1e-30" if p < 1e-30 else f"{p:.0e}", f"{unseen:.2f}"
        means = (f"{value:.4f}" for value in (valid, test, *asked_at))
        rows.append((name, *shares, *means))
        print(f"{name}: {valid:.4f}, better {better:.2f}", flush=True)
        if name == "progressive":
            numbers |= _ranks(state.method, worth, min(5, cfg.repeats), report)
    heads = ("method", "P(better)", "p", "on test", "best", "its test")
    heads += ("asked first", "asked last")
    report.show(heads, rows, f"{cfg.repeats} searches of {cfg.budget} cells each")
    figure = figures.curves(
        lines, "cells asked about", "validation accuracy of the best"
    )
    report.figure(figure, "Means, and the middle eight tenths.", "methods")
    return numbers


def _ranks(state, worth, searches, report):
    """Whether predictors order cells that they have not seen."""
    model = Predictor(3, 4)
    everything = read_table().tokens[count(1) :]
    predict = jax.jit(jax.vmap(jax.vmap(model.apply, (None, 0)), (0, None)))
    numbers, shown = {}, None
    for s in range(searches):
        params = jax.tree.map(lambda p, s=s: p[s], state.params)
        seen = np.asarray(jax.jit(number)(state.tokens[s]))
        unseen = np.setdiff1d(np.arange(count(1), len(worth)), seen)
        predicted = np.asarray(predict(params, everything).mean(0))[unseen - count(1)]
        numbers[f"ranks/{s}"] = float(rank_correlation(predicted, worth[unseen]))
        shown = shown or (predicted, worth[unseen])
    agree = " ".join(f"{value:.2f}" for value in numbers.values())
    print(f"progressive: predicted and true order of unseen cells: {agree}")
    order = np.argsort(shown[0])
    groups = np.array_split(order, 20)
    lines = {
        "cells, by twentieths of the prediction": (
            [shown[0][at].mean() for at in groups],
            [shown[1][at].mean() for at in groups],
            [np.quantile(shown[1][at], 0.1) for at in groups],
            [np.quantile(shown[1][at], 0.9) for at in groups],
        )
    }
    figure = figures.curves(lines, "predicted accuracy", "validation accuracy")
    report.figure(figure, f"Unseen cells; rank correlation {agree}.", "predictor")
    return numbers


def _timed(cfg, table, report):
    """Accuracy and time of what is found, by the exponent of time."""
    worth, seconds = jnp.asarray(table.valid.mean(1)), jnp.asarray(table.seconds)
    target = float(np.median(table.seconds))
    keys = jax.random.split(jax.random.key(cfg.seed), min(cfg.repeats, 100))
    method = methods(cfg.budget)["proximal policy"][0]
    rewards = [timed_reward(worth, seconds, target, w, w) for w in EXPONENTS]
    steps = cfg.budget // TOGETHER

    def found(reward):
        learner = search(method, look_up(reward))
        return number(curve(learner, keys, steps, together=TOGETHER)[0].best)

    cells = np.asarray(jax.jit(jax.vmap(found))(jnp.stack(rewards)))  # [W, R]
    numbers, rows = {}, []
    for w, at in zip(EXPONENTS, cells, strict=True):
        accuracy = float(table.test.mean(1)[at].mean())
        relative = float(np.asarray(seconds)[at].mean() / target)
        numbers |= {f"accuracy/{w:g}": accuracy, f"time/{w:g}": relative}
        rows.append((f"{w:g}", f"{accuracy:.4f}", f"{relative:.3f}"))
        print(f"w = {w:g}: accuracy {accuracy:.4f}, time {relative:.3f}", flush=True)
    heads = ("w", "test accuracy", "time / target")
    report.show(heads, rows, "MnasNet's reward: accuracy (time / target)^w")
    lines = {
        "found": (
            [numbers[f"time/{w:g}"] for w in EXPONENTS],
            [numbers[f"accuracy/{w:g}"] for w in EXPONENTS],
        )
    }
    figure = figures.curves(lines, "time / target", "test accuracy")
    report.figure(figure, "The further w is below 0, the faster.", "timed")
    return numbers


def in_earnest(cfg: Config, report: Report) -> dict[str, float]:
    """Children trained by evolution and at random, and one network by DARTS."""
    start, images = time.perf_counter(), digits()
    train = jax.jit(trainer(images))
    file = Path(cfg.run, "children.json")
    file.parent.mkdir(parents=True, exist_ok=True)
    known = json.loads(file.read_text()) if file.exists() else {}

    def scores(tokens):
        name = " ".join(map(str, tokens))
        if name not in known:
            valid, test = train(jax.random.key(0), choice(jnp.asarray(tokens)))
            known[name] = float(valid), float(test)
            part = file.with_suffix(".part")
            part.write_text(json.dumps(known))
            part.replace(file)
        return known[name]

    numbers, rows, of = {}, [], cell_space(2)
    batch = {"index": jnp.arange(TOGETHER)}
    population = min(24, max(TOGETHER, cfg.children // 3))
    for name, method in {
        "random": random_search(of),
        "evolution": regularized_evolution(of, population, min(6, population)),
    }.items():
        learner = search(method)
        state, step = learner.init(jax.random.key(0), batch), jax.jit(learner.step)
        for i in range(0, cfg.children, TOGETHER):
            tokens = np.asarray(proposals(method, state, batch["index"]))
            rewards = jnp.array([scores(row)[0] for row in tokens])
            state, _ = step(state, {**batch, "reward": rewards})
            print(f"{name}: {i + TOGETHER} children, best {state.best_reward:.3f}")
        _told(name, np.asarray(state.best), scores, of, numbers, rows)
    tokens = np.asarray(by_gradient(images))
    _told("darts", tokens, scores, of, numbers, rows)
    minutes = (time.perf_counter() - start) / 60
    print(f"{len(known)} children, {minutes:.1f} minutes")
    report.show(("search", "validation", "test", "cell"), rows, "In earnest, on digits")
    return numbers


def by_gradient(images, steps: int = 500, batch_size: int = 64) -> jax.Array:
    """The cell that DARTS finds."""
    fall = optim.cosine_schedule(0.02, steps)
    learner = darts(SmallNet(10), optim.adam(fall), optim.adam(3e-3, b1=0.5))
    rng = np.random.default_rng(0)
    step, state = jax.jit(learner.step, donate_argnums=0), None
    for _ in range(steps):
        at = rng.integers(0, len(images.x), batch_size)
        batch = {"x": images.x[at], "y": images.y[at], "index": at.astype(np.int32)}
        state = learner.init(jax.random.key(0), batch) if state is None else state
        state, _ = step(state, batch)
    return discrete(state.logits)


def _told(name, tokens, scores, of, numbers, rows):
    valid, test = scores(tokens)
    numbers[f"child/{name}"] = test
    cell = ", ".join(describe(of, tokens).values())
    rows.append((name, f"{valid:.3f}", f"{test:.3f}", cell))
    print(f"{name}: validation {valid:.3f}, test {test:.3f}: {cell}", flush=True)


if __name__ == "__main__":
    run(main, Config)
