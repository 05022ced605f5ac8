"""Scores of random queries have variance d; divided by sqrt(d), the softmax learns.

Run:    python -m experiments.attention_scale

Expect: with 32 keys the variance of plain scores is 0.97 to 1.04 d from d = 64 on, of
scaled ones 0.97 to 1.04 at the same; the trace of the Jacobian falls from 0.93 at d = 1
to 0.23 to 0.27 at 64 and 0.04 to 0.09 at 1,024, and with scaled scores stays at 0.92 to
0.93 (seeds 0 to 4). A few seconds, most of them imports.

Queries and keys have d numbers each, of mean 0 and variance 1, all independent. Then
q . k is a sum of d products of variance 1: its variance is d. Among S keys the largest
score is some sqrt(2 d log S) above the mean, one key gets all, and the softmax's
Jacobian diag(p) - p p^T falls to nothing; with q . k / sqrt(d) neither depends on d.

    size of the Jacobian: trace = sum_s p_s (1 - p_s), 1 - 1/S where p is even, 0 where
    one key has all

References:
    Vaswani et al., "Attention is all you need", NeurIPS 2017,
    https://arxiv.org/abs/1706.03762, section 3.2.1 and its footnote
"""

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from zoo.functional.attention import attention_weights, dot_scores
from zoo.training import figures
from zoo.training.cli import run
from zoo.training.report import Report

SEEDS = (0, 1, 2, 3, 4)
FORMS = {"plain": lambda d: 1.0, "scaled": lambda d: d**-0.5}


@dataclasses.dataclass(frozen=True)
class Config:
    """Flags.

    Attributes:
        widths: numbers of a query and a key (d).
        queries: how many for each width and seed.
        keys: how many each query reads (S).
        run: the run folder.
    """

    widths: tuple[int, ...] = (1, 4, 16, 64, 256, 1024)
    queries: int = 256
    keys: int = 32
    run: str = "runs/attention_scale"


def main(cfg: Config) -> dict[str, float]:
    """Measures both forms, prints the table and writes the report.

    Returns:
        By seed s, form F and width d, `s/F/d/variance` of the scores and
        `s/F/d/gradient`, the mean trace of the softmax's Jacobian.

    Raises:
        ValueError: a flag out of range.
    """
    if min(*cfg.widths, cfg.queries, cfg.keys - 1, 1) < 1 or not cfg.widths:
        raise ValueError(
            "widths and queries must be positive and keys 2 or more, got "
            f"{cfg.widths}, {cfg.queries} and {cfg.keys}"
        )
    numbers = {}
    for seed in SEEDS:
        for d in cfg.widths:
            for form, scale in FORMS.items():
                found = _measure(seed, d, scale(d), cfg.queries, cfg.keys)
                for what, value in zip(("variance", "gradient"), found, strict=True):
                    numbers[f"{seed}/{form}/{d}/{what}"] = float(value)
    _report(cfg, numbers)
    return numbers


def _measure(seed, d, scale, queries, keys) -> jax.Array:
    """Variance of the scores, and mean trace of the Jacobian, [2]."""
    rng = np.random.default_rng([seed, d])
    draw = lambda *shape: jnp.asarray(rng.normal(size=shape), jnp.float32)
    return _values(draw(queries, 1, 1, d), draw(queries, keys, 1, d), scale)


@jax.jit
def _values(q, k, scale):
    p = attention_weights(q, k, scale=scale)  # [Q, 1, 1, S]
    trace = (p * (1 - p)).sum(-1)
    return jnp.stack([(scale * dot_scores(q, k)).var(), trace.mean()])


def _report(cfg, numbers) -> None:
    report = Report("Why attention divides by sqrt(d)", f"{cfg.keys} keys")
    for what, title in (
        ("variance", "variance of the scores"),
        ("gradient", "mean trace of the softmax's Jacobian"),
    ):
        rows = [
            (form, d, *(f"{numbers[f'{s}/{form}/{d}/{what}']:.3g}" for s in SEEDS))
            for form in FORMS
            for d in cfg.widths
        ]
        heads = ("scores", "d", *(f"seed {s}" for s in SEEDS))
        report.show(heads, rows, f"The {title}")
        lines = {}
        for form in FORMS:
            y = np.array(
                [[numbers[f"{s}/{form}/{d}/{what}"] for d in cfg.widths] for s in SEEDS]
            )
            lines[form] = cfg.widths, y.mean(0), y.min(0), y.max(0)
        figure = figures.curves(lines, "d", title, log=what == "variance")
        figure.axes[0].set_xscale("log", base=2)
        report.figure(figure, f"The {title} by d, mean and range of the seeds.", what)
    print(f"report: {report.write(Path(cfg.run) / 'report.html')}")


if __name__ == "__main__":
    run(main, Config)
