"""A network that reads Moby Dick tells its next character in less than 3 bits.

Run:    python -m experiments.char_lm
        python -m experiments.char_lm --model char_gpt --minutes 10
        python -m experiments.char_lm --data book.txt --features 512 --minutes 10

Expect: 2.75 bits of a held-out character after the 1,000 steps of the default, where
its frequency alone takes 4.45; 2.68 after 600 steps with 256 units (seed 0). Of the
whole book, by its path, 2.10 bits after 6,000 steps with 256 units, which take ten
minutes of a CPU core (seed 0; `char_lm.bits` of benchmarks/results.csv).

The last tenth of the text is held out, and each of its characters told once, with at
least 64 before it. Recurrent networks read the text in pieces and carry their states
on; a GPT reads windows from places drawn by chance. The rate falls along half a cosine,
so a run learns as many steps as were asked for: with `minutes` the first of them are
timed, and as many are taken as there is time for.

References are in `zoo.sequence.language`, `truncated` and `transformer`.
"""

import dataclasses
import time
from pathlib import Path

import jax
import numpy as np
import optax

import optim
import zoo
from zoo.data import characters, held_out, pieces, spell, text, windows
from zoo.errors import unknown
from zoo.sequence import bits, sample, token_cross_entropy, truncated
from zoo.training import Machine, figures
from zoo.training.cli import run
from zoo.training.report import Report

CONTEXT = 64  # characters before each that is told
TIMED = 8  # steps that are timed for `minutes`
MODELS = ("char_lstm", "char_gru", "char_rnn", "char_gpt")


@dataclasses.dataclass(frozen=True)
class Config:
    """Flags.

    Attributes:
        data: moby_dick ships with the code; else the path of a text file.
        model: char_lstm, char_gru, char_rnn or char_gpt.
        features: units of a layer.
        layers: of them; None: the model's own number.
        steps: how many to learn; or
        minutes: to learn as many as there is time for on this machine.
        batch_size: rows that are read side by side.
        length: characters of a row.
        learning_rate: the highest, of Adam.
        temperature: of the text that is drawn in the end; 0 takes the likeliest.
        top_k: how many of the likeliest characters may be drawn; 0 for all.
        drawn: characters to draw.
        seed: of parameters, order and chance.
        run: the run folder; by default runs/char_lm/ and the model.
        progress: show a progress bar.
        machine: devices and hosts.
    """

    data: str = "moby_dick"
    model: str = "char_lstm"
    features: int = 128
    layers: int | None = None
    steps: int = 1000
    minutes: float | None = None
    batch_size: int = 32
    length: int = 64
    learning_rate: float = 4e-3
    temperature: float = 0.7
    top_k: int = 0
    drawn: int = 400
    seed: int = 0
    run: str | None = None
    progress: bool = True
    machine: Machine = Machine()


def main(cfg: Config) -> dict[str, float]:
    """Learns, measures the bits of a held-out character, draws a text, and reports.

    Returns:
        `bits` of a held-out character, `unigram`, the bits of one that is told by its
        frequency alone, and `steps` taken.

    Raises:
        ValueError: a flag that names nothing or is out of range.
    """
    if cfg.model not in MODELS:
        raise unknown("model", cfg.model, MODELS)
    if min(cfg.steps, cfg.drawn) < 1 or not (cfg.minutes or 1) > 0:
        raise ValueError(
            "steps, drawn and minutes must be positive, got "
            f"{cfg.steps}, {cfg.drawn} and {cfg.minutes}"
        )
    cfg.machine.start()
    numbers, alphabet = characters(text(cfg.data))
    cut = len(numbers) - len(numbers) // 10
    train, test = numbers[:cut], numbers[cut:]
    model = _model(cfg, len(alphabet))
    recurrent = cfg.model != "char_gpt"
    if recurrent:
        stream = pieces(train, cfg.batch_size, cfg.length)
    else:
        stream = windows(train, cfg.batch_size, cfg.length, cfg.seed)
    tests = held_out(test, cfg.batch_size, CONTEXT + cfg.length, CONTEXT)

    def build(axis_name=None):
        rate = optim.cosine_schedule(cfg.learning_rate, steps)
        tx = optax.chain(optim.clip_by_global_norm(1.0), optim.adam(rate))
        given = dict(metrics={"bits": bits}, axis_name=axis_name)
        if recurrent:
            return truncated.learner(model, tx, **given)
        return zoo.supervised(model, token_cross_entropy, tx, **given)

    steps = cfg.steps
    if cfg.minutes:
        steps = max(1, int(60 * cfg.minutes / _seconds(cfg, build, stream)))
    folder = Path(cfg.run or Path("runs", "char_lm", cfg.model))
    result = zoo.training.fit(
        build,
        stream,
        steps,
        evaluation=tests,
        eval_every=max(1, steps // 4),
        log_every=max(1, min(20, steps // 10)),
        seed=cfg.seed,
        parallel=cfg.machine.parallel,
        run=folder,
        config=dataclasses.asdict(cfg),
        progress=cfg.progress,
    )
    written = _draw(cfg, model, result.state, train, alphabet)
    share = np.bincount(train, minlength=len(alphabet)) / len(train)
    numbers = {
        "bits": result.metrics["bits"],
        "unigram": float(-np.log2(np.maximum(share[test], 1 / len(train))).mean()),
        "steps": result.history[-1]["step"],
    }
    _report(cfg, result, numbers, written, len(train), folder)
    return numbers


def _model(cfg, vocabulary):
    fields = {"vocabulary": vocabulary, "features": cfg.features}
    if cfg.layers is not None:
        fields["layers"] = cfg.layers
    if cfg.model == "char_rnn":
        return zoo.create("char_lstm", cell="rnn", **fields)
    if cfg.model == "char_gpt":
        fields["longest"] = max(256, CONTEXT + cfg.length)
        fields["hidden"] = 4 * cfg.features
    return zoo.create(cfg.model, **fields)


def _seconds(cfg, build, stream) -> float:
    """Of a step, its compiling left out."""
    engine = zoo.training.engine(build, cfg.machine.parallel)
    batch = engine.put_batch(stream.at(0))
    state = engine.put_state(engine.init(jax.random.key(0), stream.at(0)))
    for i in range(TIMED + 1):
        if i == 1:
            began = time.perf_counter()
        state, metrics = engine.step(state, batch)
        jax.block_until_ready(metrics)
    return (time.perf_counter() - began) / TIMED


def _draw(cfg, model, state, train, alphabet) -> str:
    prompt = train[None, : min(20, len(train))]
    length = cfg.drawn
    if hasattr(model, "longest"):
        length = min(length, model.longest - prompt.shape[1])
    options = dict(temperature=cfg.temperature, top_k=cfg.top_k or None)
    drawn = jax.jit(
        lambda params, key: sample(
            model, {"params": params}, key, prompt, length, **options
        )
    )(state.params, jax.random.key(cfg.seed))
    return spell(drawn[0], alphabet)


def _report(cfg, result, numbers, written, size, folder) -> None:
    report = Report("Moby Dick by character", f"{cfg.model}, {numbers['steps']} steps")
    rows = [
        ("the network", f"{numbers['bits']:.3f}"),
        ("by frequency alone", f"{numbers['unigram']:.3f}"),
    ]
    title = f"Bits of a held-out character, after {size:,} of the text"
    report.show(("told by", "bits"), rows, title)
    curves = {}
    for split, label in (("train", "training"), ("test", "held out")):
        rows = [(r["step"], r["bits"]) for r in result.history if r["split"] == split]
        curves[label] = tuple(zip(*rows, strict=True))
    figure = figures.curves(curves, "step", "bits of a character")
    report.figure(figure, "Bits of a character by step.", "bits")
    print(f"\n{written}\n")
    report.heading("Drawn").text(written)
    report.table(["setting", "value"], list(dataclasses.asdict(cfg).items()))
    print(f"report: {report.write(folder / 'report.html')}")


if __name__ == "__main__":
    run(main, Config)
