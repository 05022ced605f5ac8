"""Two parallel lines: Jensen-Shannon is stuck at log 2; Wasserstein falls with the gap.

Run:    python -m experiments.wgan
        python -m experiments.wgan --gaps 0 0.1 0.2 0.4 0.8 --width 64

Expect: with each of the seeds 0 to 4, at gaps of 0.125 to 1 the discriminator tells
0.693 = log 2, and 0.000 at 0. The critic tells 0.124 to 0.129 at 0.125, 0.510 to 0.512
at 0.5 and 1.048 to 1.052 at 1; the penalty of 10 lets its slope be 1 + g / 20. Then
minimax leaves the gap at 1.000, and Wasserstein closes it, to within 0.1. Fifteen
seconds of a CPU core.

Examples lie on the line from (0, -1) to (0, 1), samples on one beside it, at a gap of
g. Where g > 0 the two laws share no point:

    JSD(p, q) = log 2 for every g > 0, and 0 at g = 0;      W_1(p, q) = |g|

Each is told by a network that has learned against samples that stand still: by its loss
a discriminator tells 2 JSD - log 4, a critic with a gradient penalty -W_1. Then the
samples' line may move, by plain gradient steps, the other player being such a one: of
minimax the gradient is gone, of Wasserstein it is 1.

A test holds a smaller run to it.
"""

import dataclasses
from pathlib import Path

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

import optim
from zoo.generative import gan, gan_losses, mlp_gan
from zoo.training import figures
from zoo.training.cli import run
from zoo.training.parallel import jit_once  # compiling is most of the time
from zoo.training.report import Report

SEEDS = (0, 1, 2, 3, 4)
KINDS = {"minimax": {}, "wasserstein": {"penalty": 10.0}}


@dataclasses.dataclass(frozen=True)
class Config:
    """Flags.

    Attributes:
        gaps: between the lines, from 0 on; the last is the one that may close.
        width: units of each of the two hidden layers.
        steps: of the discriminator, against samples that stand still.
        moves: of the generator, after these; five of the discriminator before each.
        rate: of the generator's steps.
        batch_size: examples of a step of the discriminator.
        run: the run folder.
    """

    gaps: tuple[float, ...] = (0.0, 0.125, 0.25, 0.5, 0.75, 1.0)
    width: int = 32
    steps: int = 400
    moves: int = 50
    rate: float = 0.02
    batch_size: int = 64
    run: str = "runs/wgan"


class Line(nn.Module):
    """A generator of one parameter: [B, 1] -> [B, 2], (gap, z)."""

    latents: int = 1

    @nn.compact
    def __call__(self, z: jax.Array) -> jax.Array:
        gap = self.param("gap", nn.initializers.ones, ())
        return jnp.concatenate([jnp.full_like(z, 1) * gap, z], 1)


def main(cfg: Config) -> dict[str, float]:
    """Learns both with five seeds, prints the table and writes the report.

    Returns:
        `js/GAP/SEED` and `wasserstein/GAP/SEED`, as the networks tell them, and
        `end/LOSS/SEED`, the gap after the generator's steps from the last of the gaps.

    Raises:
        ValueError: a flag out of range.
    """
    counts = (cfg.width, cfg.steps, cfg.moves, cfg.batch_size)
    if min(counts) < 1 or not cfg.rate > 0 or len(cfg.gaps) < 2 or min(cfg.gaps) < 0:
        raise ValueError(
            "width, steps, moves, batch_size and rate must be positive and gaps two or "
            f"more from 0 on, got {cfg}"
        )
    told, paths = {}, {}
    for name in KINDS:
        value, paths[name] = jax.device_get(learn(cfg, name))
        told[name] = np.log(2) - value / 2 if name == "minimax" else -value
        print(f"{name}: told of {len(cfg.gaps)} gaps")
    numbers = {}
    for s in SEEDS:
        for i, gap in enumerate(cfg.gaps):
            numbers[f"js/{gap:g}/{s}"] = float(told["minimax"][s, i])
            numbers[f"wasserstein/{gap:g}/{s}"] = float(told["wasserstein"][s, i])
        for name, path in paths.items():
            numbers[f"end/{name}/{s}"] = float(path[s, -1])
    _report(cfg, told, paths)
    return numbers


def learn(cfg: Config, name: str) -> tuple[jax.Array, jax.Array]:
    """The discriminator's loss at the end, [S, gaps], and the gap's way, [S, moves]."""
    made, asked = Line(), mlp_gan.MLPDiscriminator((cfg.width,) * 2)
    loss = gan_losses.LOSSES[name]()
    options = dict(prior="uniform", **KINDS[name])
    of = lambda rate, n: gan.learner(
        made, asked, loss, optim.sgd(rate), optim.adam(0.01, b1=0.5),
        critic_steps=n, **options,
    )  # fmt: skip
    still, moving = of(0.0, 1), of(cfg.rate, 5)

    def batch(key, i, size):
        up = jax.random.uniform(jax.random.fold_in(key, i), (size, 1), minval=-1)
        x = jnp.concatenate([jnp.zeros((size, 1)), up], 1)
        return {"x": x, "index": jnp.arange(size, dtype=jnp.int32)}

    def one(seed, gap):
        key = jax.random.key(seed)
        state = still.init(key, batch(key, 0, cfg.batch_size))
        player = state.generator._replace(params={"gap": gap})
        state = state._replace(generator=player)

        def step(state, i):
            state, metrics = still.step(state, batch(key, i, cfg.batch_size))
            a, b = metrics["real"], metrics["fake"]
            value = metrics["discriminator"][0]
            if name == "wasserstein":
                value = b[0] - a[0]  # without the penalty
            return state, value / a[1]

        def move(state, i):
            state, _ = moving.step(state, batch(key, i, 5 * cfg.batch_size))
            return state, state.generator.params["gap"]

        state, values = jax.lax.scan(step, state, jnp.arange(cfg.steps))
        _, path = jax.lax.scan(move, state, cfg.steps + jnp.arange(cfg.moves))
        return values[-cfg.steps // 10 :].mean(), path

    gaps = jnp.array(cfg.gaps)
    each = jax.vmap(jax.vmap(one, (None, 0)), (0, None))
    values, paths = jit_once(each)(jnp.array(SEEDS), gaps)
    return values, paths[:, -1]


def _report(cfg, told, paths) -> None:
    report = Report("Two parallel lines", "what two distances say of their gap")
    names = {"minimax": "Jensen-Shannon", "wasserstein": "Wasserstein"}
    exact = {
        "minimax": [np.log(2) * (gap > 0) for gap in cfg.gaps],
        "wasserstein": list(cfg.gaps),
    }
    heads = ("gap", "exactly", *(f"seed {s}" for s in SEEDS))
    for kind, title in names.items():
        rows = [
            (f"{gap:g}", f"{exact[kind][i]:.3f}",
             *(f"{value:.3f}" for value in told[kind][:, i]))
            for i, gap in enumerate(cfg.gaps)
        ]  # fmt: skip
        report.show(heads, rows, f"{title}, as a network tells it")
    rows = [(n, "", *(f"{v:.3f}" for v in path[:, -1])) for n, path in paths.items()]
    title = f"The gap, {cfg.gaps[-1]:g} at first, after {cfg.moves} steps by each loss"
    report.show(("loss", "", *heads[2:]), rows, title)
    lines = {}
    for kind, title in names.items():
        values = np.sort(told[kind], 0)
        lines[title] = (cfg.gaps, np.median(values, 0), values[0], values[-1])
    most = max(cfg.gaps)
    lines["Jensen-Shannon, exactly"] = (0, 0, most), (0, np.log(2), np.log(2))
    lines["Wasserstein, exactly"] = (0, most), (0, most)
    figure = figures.curves(lines, "gap", "distance")
    report.figure(figure, "Median and range of five seeds.", "distances")
    at = np.arange(1, cfg.moves + 1)
    lines = {name: (at, np.median(path, 0)) for name, path in paths.items()}
    figure = figures.curves(lines, "step of the generator", "gap")
    report.figure(figure, "How the line of samples moves.", "moves")
    print(f"report: {report.write(Path(cfg.run, 'report.html'))}")


if __name__ == "__main__":
    run(main, Config)
