"""Attention remembers over 40 distractors what an LSTM forgets over 20.

Run:    python -m experiments.sequence_memory
        python -m experiments.sequence_memory --delays 40 80 160 --steps 1000

Expect: a Transformer tells the symbol over all of 5 to 40 distractors, every time. A
GRU does over 20 on all of the seeds 0 to 4, and over 40 on one; a simple network over
5 on three, over 10 on one and 20 on one; an LSTM over 5 on four and 10 on one, and over
20 it is right one time in seven, as by chance. After 300 steps, each at its best of two
rates, which takes under three minutes of a CPU core.

A row begins with one of eight symbols; distractors follow, and then the question which
symbol it was. Nothing else is told and nothing else counts, so what a network learns
it has learned over the whole distance. Each network is taught anew for each distance,
sees the same batches, for as many steps, at the same rates, of which each has its best.
All have one layer, and 6,600 to 9,200 parameters.

What is told at the end reaches the symbol's step by as many multiplications as there
are distractors, or by one, where attention reads it. The LSTM's forget gate begins at
s(1) = 0.73: of what is kept, 0.002 is left after 20 steps. That is what it starts from,
and not what it could learn with more steps, or a larger bias.

    right     share of held-out rows whose symbol is told; one in eight by chance
    memory    the longest delay of those up to which a network is right on nine of ten

References:
    Hochreiter and Schmidhuber, "Long short-term memory", Neural Computation 1997,
    https://doi.org/10.1162/neco.1997.9.8.1735
    Bengio, Simard and Frasconi, "Learning long-term dependencies with gradient descent
    is difficult", IEEE Transactions on Neural Networks 1994,
    https://doi.org/10.1109/72.279181
    Vaswani et al., "Attention is all you need", NeurIPS 2017,
    https://arxiv.org/abs/1706.03762 (the length of the longest path, table 1)
"""

import dataclasses
from pathlib import Path

import jax
import numpy as np
import optax

import optim
from zoo.data import once, recall
from zoo.sequence import GPT, RecurrentLM, token_learner
from zoo.training import figures, sweep
from zoo.training.cli import run
from zoo.training.report import Report

MODELS = ("rnn", "lstm", "gru", "transformer")
TESTS, ENOUGH = 512, 0.9


@dataclasses.dataclass(frozen=True)
class Config:
    """Flags.

    Attributes:
        delays: distractors between the symbol and the question, ascending.
        models: rnn, lstm, gru or transformer.
        steps: how many each network learns.
        batch_size: rows of a step.
        symbols: how many there are.
        units: of the LSTM; the other have what makes about as many parameters.
        rates: of Adam, that are compared.
        seeds: of the first weights.
        run: the run folder.
    """

    delays: tuple[int, ...] = (5, 10, 20, 40)
    models: tuple[str, ...] = MODELS
    steps: int = 300
    batch_size: int = 16
    symbols: int = 8
    units: int = 32
    rates: tuple[float, ...] = (3e-3, 1e-2)
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    run: str = "runs/sequence_memory"


def main(cfg: Config) -> dict[str, float]:
    """Teaches every network at every delay, and reports.

    Returns:
        By seed s, network M and delay D, at its best rate, `s/M/D`, the share of
        held-out rows that are right, and `s/M/memory`, the longest delay up to which
        it is `ENOUGH`, 0 if there is none; and `M/parameters`, at the first delay.

    Raises:
        ValueError: a flag out of range.
    """
    if not cfg.models or set(cfg.models) - set(MODELS):
        raise ValueError(f"models must be of {', '.join(MODELS)}, got {cfg.models}")
    if not cfg.delays or sorted({*cfg.delays}) != list(cfg.delays):
        raise ValueError(f"delays must be some, and ascend, got {cfg.delays}")
    if not cfg.rates or not cfg.seeds or min(cfg.rates) <= 0:
        raise ValueError("rates must be positive, and some, as must be seeds")
    if cfg.units < 16 or cfg.units % 8:
        raise ValueError(f"units must be a multiple of 8 from 16, got {cfg.units}")
    numbers = {}
    for name in cfg.models:
        right = np.stack([_right(cfg, name, delay, numbers) for delay in cfg.delays])
        for i, seed in enumerate(cfg.seeds):
            for delay, value in zip(cfg.delays, right[:, i], strict=True):
                numbers[f"{seed}/{name}/{delay}"] = float(value)
            solved = np.minimum.accumulate(right[:, i] >= ENOUGH).sum()
            numbers[f"{seed}/{name}/memory"] = float((0, *cfg.delays)[solved])
    _report(cfg, numbers)
    return numbers


def network(name: str, cfg: Config, delay: int):
    """A network of tokens, to be told the next one."""
    vocabulary = 2 * cfg.symbols + 1
    if name == "transformer":
        return GPT(
            vocabulary, features=cfg.units, heads=2, hidden=2 * cfg.units, layers=1,
            positions="rotary", longest=delay + 2,
        )  # fmt: skip
    units = {"rnn": 2, "lstm": 1, "gru": 9 / 8}[name] * cfg.units
    return RecurrentLM(vocabulary, cfg.units // 2, name, int(units))


def _right(cfg: Config, name: str, delay: int, numbers: dict) -> np.ndarray:
    """The share of held-out rows that are right at the best rate, by seed."""
    model = network(name, cfg, delay)

    def build(axis_name=None, **point):
        rate = optim.cosine_schedule(point["rate"], cfg.steps)
        tx = optax.chain(optim.clip_by_global_norm(1.0), optim.adam(rate))
        return token_learner(model, tx, axis_name)

    asked = recall(TESTS, delay, cfg.symbols, seed=1).at(0)
    result = sweep(
        build,
        recall(cfg.batch_size, delay, cfg.symbols),
        cfg.steps,
        grid={"rate": list(cfg.rates)},
        seeds=cfg.seeds,
        evaluation=once({k: v for k, v in asked.items() if k != "index"}, TESTS),
        devices=jax.devices()[:1],
    )
    sizes = (p[0].size for p in jax.tree.leaves(result.states.params))
    numbers.setdefault(f"{name}/parameters", float(sum(sizes)))
    right = result.final["tokens"].reshape(len(cfg.rates), len(cfg.seeds))
    best = right[right.mean(1).argmax()]
    print(f"{name}, {delay} distractors: " + ", ".join(f"{r:.3f}" for r in best))
    return best


def _report(cfg: Config, numbers: dict[str, float]) -> None:
    report = Report("How far back", f"{cfg.steps} steps, {cfg.symbols} symbols")
    seeds = [f"seed {seed}" for seed in cfg.seeds]
    rows = [
        (
            name,
            f"{numbers[f'{name}/parameters']:,.0f}",
            *(f"{numbers[f'{s}/{name}/memory']:.0f}" for s in cfg.seeds),
        )
        for name in cfg.models
    ]
    title = f"The longest delay up to which {ENOUGH:.0%} are right"
    report.show(("network", "parameters", *seeds), rows, title)
    lines = {}
    for name in cfg.models:
        values = np.array(
            [[numbers[f"{s}/{name}/{d}"] for s in cfg.seeds] for d in cfg.delays]
        )
        lines[name] = (cfg.delays, values.mean(1), values.min(1), values.max(1))
    figure = figures.curves(lines, "distractors", "share that is right")
    figure.axes[0].set_xscale("log")
    figure.axes[0].set_xticks(cfg.delays, [str(d) for d in cfg.delays])
    figure.axes[0].minorticks_off()
    about = "What is told of the first symbol. Bands: the least and most of the seeds."
    report.figure(figure, about, "memory")
    report.table(["setting", "value"], list(dataclasses.asdict(cfg).items()))
    print(f"report: {report.write(Path(cfg.run) / 'report.html')}")


if __name__ == "__main__":
    run(main, Config)
