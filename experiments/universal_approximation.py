"""The wider the hidden layer, the smaller the largest error on a function.

Run:    python -m experiments.universal_approximation
        python -m experiments.universal_approximation --widths 4 16 64 --steps 4000

Expect: from 2 to 64 hidden units the largest error, median of five seeds, falls from
0.94 to 0.013 on the smooth function, from 0.17 to 0.023 on the one with kinks, and
from 0.074 to 0.016 away from the jump; on each seed the widest net is closer than the
narrowest. 30 seconds of a CPU core. A test holds a smaller run to it.

A net of one hidden layer, f(x) = b + sum_k v_k tanh(w_k x + c_k), is fitted to three
functions on [0, 1]: a smooth one, one with kinks and one with a jump, near which no
continuous function comes close in the sup-norm: what counts there is the error away
from the jump. Theorems promise that some net comes as close as one likes, not that
descent finds it.

One that needs no training is a staircase. With N sigmoids of steepness a N, halfway
between the points k / N, each of the height of f's rise from one point to the next,

    f(0) + sum_k (f(k/N) - f((k-1)/N)) sigmoid(a N (x - (k - 1/2) / N))

is nowhere further from f than (1 + 2 e^(-a/2) / (1 - e^-a)) L / N, where L bounds the
slope of f: half of a step for the stair, half for the sigmoid that is passed, and what
the others lack to 0 or 1.

References:
    Cybenko, "Approximation by superpositions of a sigmoidal function", Mathematics of
    Control, Signals and Systems 1989, https://doi.org/10.1007/BF02551274
    Hornik, Stinchcombe and White, "Multilayer feedforward networks are universal
    approximators", Neural Networks 1989, https://doi.org/10.1016/0893-6080(89)90020-8
    Barron, "Universal approximation bounds for superpositions of a sigmoidal
    function", IEEE Transactions on Information Theory 1993,
    https://doi.org/10.1109/18.256500
"""

import dataclasses
import math
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

import optim
import zoo
from zoo.training import figures
from zoo.training.cli import run
from zoo.training.parallel import jit_once  # compiling is most of the time
from zoo.training.report import Report

SEEDS = (0, 1, 2, 3, 4)
JUMP, GAP = 0.6, 0.1  # of the step, and what is left out on either side of it
TARGETS = {
    "smooth": lambda x: jnp.sin(2 * jnp.pi * x) + 0.3 * jnp.cos(6 * jnp.pi * x),
    "kinked": lambda x: jnp.abs(x - 0.3) - 2 * jnp.abs(x - 0.7) + 0.7,
    "jump": lambda x: jnp.where(x < JUMP, 0.2 * x, 1 - 0.5 * x),
}
SLOPES = {"smooth": 2 * math.pi + 1.8 * math.pi, "kinked": 3.0}  # their Lipschitz L


@dataclasses.dataclass(frozen=True)
class Config:
    """Flags.

    Attributes:
        widths: hidden units, from few to many.
        steps: of Adam, on all points at once.
        points: of the grid that is fitted; errors are taken on four times as many.
        learning_rate: at the start; it falls to 0 along a cosine.
        steepness: a, of the staircase.
        run: the run folder.
    """

    widths: tuple[int, ...] = (2, 4, 8, 16, 32, 64)
    steps: int = 3000
    points: int = 129
    learning_rate: float = 0.02
    steepness: float = 20.0
    run: str = "runs/universal_approximation"


def main(cfg: Config) -> dict[str, float]:
    """Fits all nets and stairs, prints the tables and writes the report.

    Returns:
        `TARGET/WIDTH/SEED`, the largest error of a net; `TARGET/stairs/WIDTH` and
        `/bound/WIDTH`, of the staircase and what it may not exceed.

    Raises:
        ValueError: a flag that is out of range.
    """
    if len(cfg.widths) < 2 or min(cfg.widths) < 1:
        raise ValueError(f"widths must be two positive ones or more, got {cfg.widths}")
    if min(cfg.steps, cfg.points - 1) < 1:
        raise ValueError(
            f"steps must be at least 1 and points 2, got {cfg.steps} and {cfg.points}"
        )
    if not min(cfg.learning_rate, cfg.steepness) > 0:
        raise ValueError(
            f"learning_rate and steepness must be positive, got {cfg.learning_rate} "
            f"and {cfg.steepness}"
        )
    report = Report("Universal approximation", "largest error against width")
    fine = jnp.linspace(0, 1, 4 * cfg.points)
    away = {name: jnp.ones(fine.shape, bool) for name in TARGETS}
    away["jump"] = jnp.abs(fine - JUMP) > GAP
    numbers, errors, fits = {}, {name: [] for name in TARGETS}, {}
    for width in cfg.widths:
        outputs = fit(cfg, width, fine)  # [targets, seeds, points]
        for (name, f), output in zip(TARGETS.items(), outputs, strict=True):
            off = jnp.abs(output - f(fine)[None])  # [seeds, points]
            off = jnp.where(away[name][None], off, 0).max(1)
            errors[name].append(np.asarray(off))
            fits[name, width] = np.asarray(output[0])
            for seed, error in zip(SEEDS, off, strict=True):
                numbers[f"{name}/{width}/{seed}"] = float(error)
    for name in TARGETS:
        rows = [
            (width, *(f"{e:.4f}" for e in each))
            for width, each in zip(cfg.widths, errors[name], strict=True)
        ]
        heads = ("width", *(f"seed {seed}" for seed in SEEDS))
        report.show(heads, rows, f"Largest error of nets, {name} target")
    middle = {
        name: (cfg.widths, *(f(each, 1) for f in (np.median, np.min, np.max)))
        for name, each in errors.items()
    }
    figure = figures.curves(middle, "hidden units", "largest error", log=True)
    figure.axes[0].set_xscale("log", base=2)
    figure.axes[0].set_xticks(cfg.widths, cfg.widths)
    caption = "Median over five seeds; the band spans them. The jump: away from it."
    report.figure(figure, caption, "errors")
    for name, f in TARGETS.items():
        lines = {"target": (fine, f(fine))} | {
            f"{width} units": (fine, fits[name, width])
            for width in cfg.widths[:: -max(1, len(cfg.widths) // 3)]  # with the last
        }
        report.figure(figures.curves(lines, "x", "f(x)"), f"{name}, seed 0", name)
    numbers |= _stairs(cfg, report, fine)
    print(f"report: {report.write(Path(cfg.run, 'report.html'))}")
    return numbers


def fit(cfg: Config, width: int, fine: jax.Array) -> jax.Array:
    """What nets of a width give at the points `fine` after training.

    Returns:
        [targets, seeds, points].
    """
    x = jnp.linspace(0, 1, cfg.points)
    rate = optim.cosine_schedule(cfg.learning_rate, cfg.steps)
    tx = optim.adam(rate)

    def train(y, seed):
        kernel, place, out = jax.random.split(jax.random.key(seed), 3)
        # Each unit bends somewhere in [0, 1], half of them up and half down.
        w = 10 * jax.random.normal(kernel, (width,))
        c = -w * jax.random.uniform(place, (width,))
        v = jax.random.normal(out, (width,)) / math.sqrt(width)
        params = {"w": w, "c": c, "v": v, "b": jnp.float32(0)}
        loss = lambda p: 2 * zoo.functional.quadratic(net(p, x), {"y": y})[0] / len(x)

        def update(carry, _):
            taken = optim.descend(tx, loss, *carry)
            return (taken.x, taken.state), None

        (params, _), _ = jax.lax.scan(
            update, (params, tx.init(params)), length=cfg.steps
        )
        return net(params, fine)

    y = jnp.stack([f(x) for f in TARGETS.values()])
    over_seeds = jax.vmap(train, (None, 0))
    return jit_once(jax.vmap(over_seeds, (0, None)))(y, jnp.array(SEEDS))


def net(params: dict[str, jax.Array], x: jax.Array) -> jax.Array:
    """b + sum_k v_k tanh(w_k x + c_k), [points]."""
    h = jnp.tanh(jnp.outer(x, params["w"]) + params["c"][None])  # [points, width]
    return h @ params["v"] + params["b"]


def staircase(f, x: jax.Array, steps: int, steepness: float) -> jax.Array:
    """f on [0, 1] as a sum of steep sigmoids, one for each of the steps.

    Args:
        f: the function.
        x: where it is wanted, [points].
        steps: N.
        steepness: a.

    Returns:
        [points].
    """
    knots = jnp.arange(steps + 1, dtype=x.dtype) / steps
    heights = f(knots)
    centres = (knots[1:] + knots[:-1]) / 2
    rise = jax.nn.sigmoid(steepness * steps * (x[:, None] - centres[None]))
    return heights[0] + rise @ jnp.diff(heights)


def bound(slope: float, steps: int, steepness: float) -> float:
    """What the staircase's error does not exceed."""
    others = 2 * math.exp(-steepness / 2) / (1 - math.exp(-steepness))
    return (1 + others) * slope / steps


def _stairs(cfg, report, fine) -> dict[str, float]:
    numbers, rows = {}, []
    for width in cfg.widths:
        row = [width]
        for name, slope in SLOPES.items():
            f = TARGETS[name]
            off = jnp.abs(staircase(f, fine, width, cfg.steepness) - f(fine)).max()
            most = bound(slope, width, cfg.steepness)
            numbers[f"{name}/stairs/{width}"] = float(off)
            numbers[f"{name}/bound/{width}"] = most
            row += [f"{off:.4f}", f"{most:.4f}"]
        rows.append(row)
    heads = [h for name in SLOPES for h in (f"{name}: error", "at most")]
    title = "Largest error of staircases, which nobody trains"
    report.show(("steps", *heads), rows, title)
    f, width = TARGETS["smooth"], 16
    lines = {
        "target": (fine, f(fine)),
        f"{width} steps": (fine, staircase(f, fine, width, cfg.steepness)),
    }
    figure = figures.curves(lines, "x", "f(x)")
    report.figure(figure, "The smooth target as a sum of steep sigmoids.", "stairs")
    return numbers


if __name__ == "__main__":
    run(main, Config)
