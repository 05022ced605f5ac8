"""Metropolis reaches the distribution that it is built for, and Gibbs forgets by rho^2.

Run:    python -m experiments.markov_chains
        python -m experiments.markov_chains --target 1 1 1 5 --correlations 0.3 0.7

Expect: each state's share within 0.004 of what is wanted, for seeds 0 to 4; what Gibbs
keeps of x after one sweep within 0.003 of rho^2, 0.247 to 0.253 for rho = 0.5 and
0.9798 to 0.9804 for 0.99.

References are in `zoo.classical.markov`.
"""

import dataclasses
import functools
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from zoo.classical import markov
from zoo.training import figures
from zoo.training.cli import run
from zoo.training.parallel import jit_once
from zoo.training.report import Report

SEEDS = (0, 1, 2, 3, 4)
LAGS = 20


@dataclasses.dataclass(frozen=True)
class Config:
    """Flags.

    Attributes:
        target: the wanted distribution over states, > 0, of any sum.
        chains: run side by side; of each seed.
        steps: of each chain of states.
        correlations: rho of the Gaussians, from -1 to 1.
        sweeps: of Gibbs sampling, of each of the chains.
        drawn: sweeps that are drawn.
        run: the run folder.
    """

    target: tuple[float, ...] = (0.05, 0.1, 0.15, 0.3, 0.4)
    chains: int = 200
    steps: int = 2000
    correlations: tuple[float, ...] = (0.5, 0.9, 0.99)
    sweeps: int = 2000
    drawn: int = 60
    run: str = "runs/markov_chains"


def main(cfg: Config) -> dict[str, float]:
    """Runs the chains, prints the tables and writes the report.

    Returns:
        `proposal/apart` and `metropolis/apart`, the sum of |pi - target| of the
        stationary distribution of the proposals and of Metropolis on them, and
        `imbalance` of the latter; by seed s `s/apart` of the frequencies of all chains
        together and `s/slope`, of log apart of a single chain over log steps; and by
        rho `RHO/lag/1/s`, the autocorrelation after one sweep.

    Raises:
        ValueError: a flag out of range.
    """
    if len(cfg.target) < 2 or not min(cfg.target) > 0:
        raise ValueError(f"target must be two or more above 0, got {cfg.target}")
    if min(cfg.chains, cfg.drawn) < 1 or min(cfg.steps, cfg.sweeps) < 100:
        raise ValueError(
            "chains and drawn must be at least 1, steps and sweeps at least 100, got "
            f"{cfg.chains}, {cfg.drawn}, {cfg.steps} and {cfg.sweeps}"
        )
    if not cfg.correlations or not max(map(abs, cfg.correlations)) < 1:
        raise ValueError(
            f"correlations must be between -1 and 1, got {cfg.correlations}"
        )
    report = Report("Markov chains", "Metropolis over states, Gibbs of a Gaussian")
    numbers = _states(cfg, report) | _gaussians(cfg, report)
    report.table(["setting", "value"], list(dataclasses.asdict(cfg).items()))
    print(f"report: {report.write(Path(cfg.run, 'report.html'))}")
    return numbers


def _states(cfg, report) -> dict[str, float]:
    """A proposal by chance, made into a chain with the target."""
    target = np.array(cfg.target) / sum(cfg.target)
    proposal = np.random.default_rng(0).dirichlet(np.ones(len(target)), len(target))
    chain = markov.metropolis_matrix(proposal, target)
    own = {"proposal": proposal, "metropolis": chain}
    kept = {name: np.asarray(markov.stationary(p)) for name, p in own.items()}
    numbers = {f"{name}/apart": _apart(pi, target) for name, pi in kept.items()}
    numbers["imbalance"] = float(markov.imbalance(chain, target))
    counts = np.unique(np.geomspace(10, cfg.steps, 30).astype(int))
    walk = jit_once(functools.partial(_walk, cfg, len(target)))
    lines, rows = {}, []
    for seed in SEEDS:
        paths = np.asarray(walk(jax.random.key(seed), chain))  # [C, T, S], 0 or 1
        shares = paths.cumsum(1)[:, counts - 1] / counts.reshape(-1, 1)
        apart = np.abs(shares - target).sum(-1).mean(0)
        slope = np.polyfit(np.log(counts), np.log(apart), 1)[0]
        found = paths.mean((0, 1))
        numbers |= {f"{seed}/apart": _apart(found, target), f"{seed}/slope": slope}
        lines[f"seed {seed}"] = counts, apart
        rows.append((f"seed {seed}", *(f"{v:.4f}" for v in found)))
    first = [("wanted", *(f"{v:.4f}" for v in target))]
    first += [
        (f"{name}, stationary", *(f"{v:.4f}" for v in kept[name])) for name in own
    ]
    heads = ("", *(f"state {i}" for i in range(len(target))))
    title = f"Shares of states; of {cfg.chains} chains of {cfg.steps} steps"
    report.show(heads, first + rows, title)
    figure = figures.curves(lines, "steps", "sum of |share - wanted|", log=True)
    figure.axes[0].set_xscale("log")
    caption = "How far the shares of one chain are from those wanted, in the mean."
    report.figure(figure, caption, "states")
    return numbers


def _walk(cfg, states, key, transition):
    kernel = markov.along(transition)
    walk = functools.partial(markov.sample, kernel=kernel, steps=cfg.steps)
    keys = jax.random.split(key, cfg.chains)
    paths = jax.vmap(walk)(keys, start=jnp.zeros(cfg.chains, jnp.int32))
    return jax.nn.one_hot(paths, states)


def _gaussians(cfg, report) -> dict[str, float]:
    numbers, lines, rows, paths = {}, {}, [], {}
    sweep = jit_once(functools.partial(_sweeps, cfg))
    lags = np.arange(LAGS + 1)
    for rho in cfg.correlations:
        found = []
        for seed in SEEDS:
            path, correlation, moments = sweep(jax.random.key(seed), rho)
            found.append(correlation)
            numbers[f"{rho:g}/lag/1/{seed}"] = float(correlation[1])
            cells = (float(correlation[1]), rho**2, *map(float, moments))
            rows.append((f"{rho:g}", seed, *(f"{v:.4f}" for v in cells)))
            if seed == 0:
                paths[f"rho = {rho:g}"] = np.asarray(path)
        lines[f"rho = {rho:g}"] = lags, np.mean(found, 0)
        lines[f"{rho:g}^(2 lag)"] = lags, rho ** (2.0 * lags)
    heads = ("rho", "seed", "after one sweep", "rho^2", "variance", "covariance")
    report.show(heads, rows, "Gibbs sampling of a Gaussian of variance 1")
    figure = figures.curves(lines, "lag, sweeps", "autocorrelation")
    report.figure(figure, "Measured, and as it should be.", "autocorrelation")
    report.figure(_path_picture(paths), "The first sweeps, from (3, -3).", "paths")
    return numbers


def _sweeps(cfg, key, rho):
    one = jnp.ones_like(rho)
    covariance = jnp.stack([one, rho, rho, one]).reshape(2, 2)
    kernel = markov.gibbs_gaussian(jnp.zeros(2), covariance)
    walk = functools.partial(markov.sample, kernel=kernel, steps=cfg.sweeps)
    start = jnp.broadcast_to(jnp.array([[3.0, -3.0]]), (cfg.chains, 2))
    path = jax.vmap(walk)(jax.random.split(key, cfg.chains), start=start)  # [C, T, 2]
    settled = path[:, cfg.sweeps // 2 :, 1]
    # About the known mean 0: about its own a short series looks less correlated.
    square = (settled**2).mean()
    each = [
        (settled[:, l:] * settled[:, : settled.shape[1] - l]).mean()
        for l in range(LAGS + 1)
    ]
    product = (path[:, cfg.sweeps // 2 :, 0] * settled).mean()
    return path[0, : cfg.drawn], jnp.stack(each) / square, (square, product)


def _path_picture(paths):
    from matplotlib.figure import Figure

    figure = Figure(
        figsize=(3.4 * len(paths), 3.5), layout="constrained", facecolor="white"
    )
    grid = figure.subplots(1, len(paths), squeeze=False)[0]
    for axes, (title, path) in zip(grid, paths.items(), strict=True):
        # Coordinate by coordinate: along one axis, then along the other.
        points = np.concatenate([[[3.0, -3.0]], path])
        corners = np.stack([points[1:, 0], points[:-1, 1]], 1)
        line = np.stack([points[:-1], corners], 1).reshape(-1, 2)
        axes.plot(*line.T, color=figures.COLOURS[0], linewidth=0.8)
        axes.plot(*path.T, "o", color=figures.COLOURS[1], markersize=3)
        axes.set_title(title, fontsize=10, color=figures.INK)
        axes.set_xlim(-4, 4)
        axes.set_ylim(-4, 4)
        axes.set_aspect("equal")
    return figure


def _apart(found, target) -> float:
    return float(np.abs(np.asarray(found) - target).sum())


if __name__ == "__main__":
    run(main, Config)
