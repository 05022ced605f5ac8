"""With attention a network copies words that one without it mostly gets wrong.

Run:    python -m experiments.alignment
        python -m experiments.alignment --task dates --steps 2000

Expect: of 200 held-out words of up to eight letters greedy search copies a share of
0.915 to 0.980 without a mistake with additive attention, 0.770 to 0.975 with general,
0.915 to 0.995 with scaled, and 0.420 to 0.485 without (seeds 0 to 4, 300 steps).

Both are a GRU that reads the word, both ways, and a GRU that writes it. Without
attention all letters must pass through the writer's first state; with it, the writer
looks at each letter when it comes to it, which the picture shows. All see the same
batches, for as many steps, at the same rate.

References are in `zoo.sequence.seq2seq`.
"""

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

import optim
import zoo
from zoo.data import batches, once, task, teach
from zoo.data.tasks import END, START
from zoo.sequence import beam, greedy, stepper, token_learner
from zoo.sequence.seq2seq import SCORES
from zoo.training import figures, sweep
from zoo.training.cli import run
from zoo.training.parallel import jit_once
from zoo.training.report import Report

SEEDS = (0, 1, 2, 3, 4)


@dataclasses.dataclass(frozen=True)
class Config:
    """Flags.

    Attributes:
        task: copy, sort, addition or dates.
        length: letters of the longest word; digits of the longest summand.
        scores: kinds of attention that are compared: additive, general, scaled, none.
        examples: to learn from.
        tests: held-out examples.
        steps: how many each network learns.
        batch_size: examples of a step.
        features: units of a layer.
        width: numbers that stand for a letter.
        learning_rate: of Adam.
        beams: of the search by beam.
        run: the run folder.
    """

    task: str = "copy"
    length: int = 8
    scores: tuple[str, ...] = ("additive", "general", "scaled", "none")
    examples: int = 4000
    tests: int = 200
    steps: int = 300
    batch_size: int = 32
    features: int = 48
    width: int = 24
    learning_rate: float = 1e-2
    beams: int = 4
    run: str = "runs/alignment"


def main(cfg: Config) -> dict[str, float]:
    """Teaches all of them from five starts, writes held-out targets, and reports.

    Returns:
        By seed s and score F, `s/F/exact`, the share of held-out targets that greedy
        search writes without a mistake, `s/F/tokens`, that of tokens told right under
        teacher forcing, and for seed 0 `0/F/beam`, exact by beam.

    Raises:
        ValueError: a flag out of range.
    """
    if min(cfg.examples, cfg.tests, cfg.steps, cfg.features, cfg.width) < 1:
        raise ValueError("examples, tests, steps, features and width must be positive")
    if not cfg.scores or set(cfg.scores) - set(SCORES):
        raise ValueError(f"scores must be of {', '.join(SCORES)}, got {cfg.scores}")
    found = task(cfg.task, cfg.examples + cfg.tests, length=cfg.length)
    data = found.data()
    train = {name: array[: cfg.examples] for name, array in data.items()}
    tests = {name: array[cfg.examples :] for name, array in data.items()}
    stream = batches(train, cfg.batch_size, transform=teach())
    asked = once(tests, cfg.tests, transform=teach())
    numbers, pictures = {}, {}
    for score in cfg.scores:
        model = zoo.create(
            "seq2seq", vocabulary=found.vocabulary, score=score,
            features=cfg.features, width=cfg.width,
        )  # fmt: skip

        def build(axis_name=None, model=model, **point):
            return token_learner(model, optim.adam(point["rate"]), axis_name)

        result = sweep(
            build,
            stream,
            cfg.steps,
            grid={"rate": [cfg.learning_rate]},
            seeds=SEEDS,
            evaluation=asked,
            devices=jax.devices()[:1],
        )
        written, best = _write(cfg, model, result.states.params, asked.at(0))
        right = _right(written, asked.at(0)["y"])  # [R, N]
        for s, exact, tokens in zip(
            SEEDS, right.mean(1), result.final["tokens"], strict=True
        ):
            numbers[f"{s}/{score}/exact"] = float(exact)
            numbers[f"{s}/{score}/tokens"] = float(tokens)
        by_beam = _right(best[None], asked.at(0)["y"])
        numbers[f"0/{score}/beam"] = float(by_beam.mean())
        if score != "none":
            params = jax.tree.map(lambda p: p[0], result.states.params)
            pictures[score] = _look(model, params, tests, found)
    _report(cfg, numbers, pictures)
    return numbers


def _write(cfg, model, params, batch):
    """Targets that greedy search writes, by run, [R, N, T]; the first's by beam."""
    x, (rows, length) = batch["x"], batch["y"].shape
    first = jnp.full(rows, START, jnp.int32)

    def begin(params):
        return stepper(model, {"params": params}, x["source"], x["source_mask"])

    @jit_once
    def write(params):
        one = lambda p: greedy(*begin(p), first, length, END)[0]
        of_first = jax.tree.map(lambda p: p[0], params)
        best = beam(*begin(of_first), first, length, END, cfg.beams)[0]
        return jax.lax.map(one, params), best[:, 0]

    return jax.device_get(write(params))


def _right(written, y):
    """Whether all of a target is right, up to its end, [R, N]."""
    return ((written == y[None]) | (y[None] == 0)).all(-1)


def _look(model, params, tests, found):
    """Attention while the longest held-out target is written, and its letters."""
    i = int((tests["y"] != 0).sum(1).argmax())
    row = {name: array[i : i + 1] for name, array in tests.items()}
    x = teach()(row, None)["x"]
    _, kept = model.apply({"params": params}, x, mutable=["intermediates"])
    (weights,) = kept["intermediates"]["attention"]
    source, target = found.spell(tests["source"][i]), found.spell(tests["y"][i])
    weights = np.asarray(weights)[0, : len(target) + 1, : len(source)]
    return weights, list(source), [*target, "end"]


def _report(cfg, numbers, pictures) -> None:
    report = Report("Where a network looks", f"{cfg.task}, {cfg.steps} steps")
    for what, title in (
        ("exact", "Held-out targets written without a mistake"),
        ("tokens", "Held-out tokens told right, the true ones before them known"),
    ):
        rows = [
            (score, *(f"{numbers[f'{s}/{score}/{what}']:.3f}" for s in SEEDS))
            for score in cfg.scores
        ]
        report.show(("attention", *(f"seed {s}" for s in SEEDS)), rows, title)
    rows = [(score, f"{numbers[f'0/{score}/beam']:.3f}") for score in cfg.scores]
    title = f"The same by a beam of {cfg.beams}"
    report.show(("attention", "seed 0"), rows, title)
    if pictures:
        about = "What is written (down) and what is looked at (across), seed 0."
        report.figure(_picture(pictures), about, "attention")
    report.table(["setting", "value"], list(dataclasses.asdict(cfg).items()))
    print(f"report: {report.write(Path(cfg.run) / 'report.html')}")


def _picture(pictures):
    from matplotlib.figure import Figure

    size = (3.6 * len(pictures), 3.9)
    figure = Figure(figsize=size, layout="constrained", facecolor="white")
    grid = figure.subplots(1, len(pictures), squeeze=False)[0]
    for axes, (score, (weights, across, down)) in zip(
        grid, pictures.items(), strict=True
    ):
        axes.imshow(weights, cmap="Blues", vmin=0, vmax=1)
        axes.set_xticks(range(len(across)), across)
        axes.set_yticks(range(len(down)), down)
        axes.set_title(score, color=figures.INK)
        axes.tick_params(colors=figures.INK, length=0)
        axes.spines[:].set_visible(False)
    return figure


if __name__ == "__main__":
    run(main, Config)
