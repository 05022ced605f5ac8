"""Paths of optimizers over test problems: pictures, an animation, a page that plays.

Run:    python -m experiments.trajectories
        python -m experiments.trajectories --problems rosenbrock --optimizers adam sgd
        python -m experiments.trajectories --every --steps 400
Expect: after 200 steps, values above the least: in the bowl of condition 100 sgd 0.18,
        momentum 2e-7, adam 1e-7; in Rosenbrock's valley sgd 0.27, momentum 1e-5, adam
        0.03; Rastrigin's egg box holds all three in some hollow (4 to 13). A test
        holds a smaller run to it. 40 seconds of a CPU core, and a page of 7 MB.

On each problem every optimizer gets every learning rate, all in one call. It is shown
at the rate whose path ends lowest, by the mean of its last tenth: what is compared is
each at its best. The page shows any step's arithmetic.
"""

import dataclasses
import inspect
import json
import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console
from rich.table import Table

import optim
from optim.page import Walk, page
from zoo.training import Machine, Run
from zoo.training.cli import run

COLUMNS = 3  # of a printed table, at most


@dataclasses.dataclass(frozen=True)
class Config:
    """Flags.

    Attributes:
        problems: names of `optim.PROBLEMS`; none for all of them.
        optimizers: names of `optim.names()`.
        every: all of them instead.
        learning_rates: the grid, the same for all.
        steps: of each path.
        film: the problem of the animation.
        frames: of the animation, at most.
        seed: of the noise of problems that have some.
        run: the run folder; by default runs/trajectories.
        machine: devices and hosts.
    """

    problems: tuple[str, ...] = ()
    optimizers: tuple[str, ...] = ("sgd", "momentum", "adam")
    every: bool = False
    learning_rates: tuple[float, ...] = tuple(
        float(f"{m}e{e}") for e in range(-4, 1) for m in (1, 2, 5)
    )
    steps: int = 200
    film: str = "rosenbrock"
    frames: int = 60
    seed: int = 0
    run: str | None = None
    machine: Machine = Machine()


def main(cfg: Config) -> dict[str, float]:
    """Walks, prints the table and writes pictures, animation and page.

    Returns:
        For each problem and optimizer, `PROBLEM/OPTIMIZER/` followed by `rate` and
        `above`, the mean value of the path's last tenth above the problem's least.

    Raises:
        ValueError: a flag that names nothing or is out of range.
    """
    cfg.machine.start()
    problems = [optim.get_problem(name) for name in cfg.problems or optim.PROBLEMS]
    names = optim.names() if cfg.every else list(cfg.optimizers)
    _check(cfg, problems, names)
    folder = Path(cfg.run or Path("runs", "trajectories"))
    walks, numbers = [], {}
    with Run(folder, dataclasses.asdict(cfg), tensorboard=False):
        (folder / "figures").mkdir(exist_ok=True)
        for problem in problems:
            walked = {}
            for name in names:
                rate, trace, above = _best(cfg, name, problem)
                walked[name] = Walk(trace, _settings(name, rate))
                numbers[f"{problem.name}/{name}/rate"] = rate
                numbers[f"{problem.name}/{name}/above"] = above
            walks.append((problem, walked))
            paths = {
                f"{name} {numbers[f'{problem.name}/{name}/rate']:g}": w.trace.positions
                for name, w in walked.items()
            }
            picture = folder / "figures" / f"paths_{problem.name}"
            optim.picture(paths, problem).savefig(f"{picture}.png", dpi=160)
            if problem.name == cfg.film:
                optim.animation(paths, problem, f"{picture}.gif", cfg.frames)
        formulas = {name: _formula(name) for name in names}
        walks.sort(key=lambda walk: walk[0].name != cfg.film)  # it is shown first
        out = folder / "trajectories.html"
        out.write_text(page(walks, formulas, "Paths of optimizers"), encoding="utf-8")
        (folder / "numbers.json").write_text(json.dumps(numbers, indent=1) + "\n")
        _print(problems, names, numbers)
        print(f"page: {out}")
    return numbers


def _check(cfg: Config, problems, names) -> None:
    """Refuses now what would be refused after half of the work."""
    for name in ("steps", "frames"):
        if getattr(cfg, name) < 1:
            raise ValueError(f"{name} must be positive, got {getattr(cfg, name)}")
    if not names or not cfg.learning_rates:
        raise ValueError("optimizers and learning_rates must have at least one value")
    if min(cfg.learning_rates) <= 0:
        raise ValueError(f"learning_rates must be positive, got {cfg.learning_rates}")
    if cfg.film not in [problem.name for problem in problems]:
        raise ValueError(
            f"film must be one of the problems shown, got {cfg.film!r}; "
            f"problems: {', '.join(problem.name for problem in problems)}"
        )
    for name in names:
        optim.get(name, learning_rate=cfg.learning_rates[0])


def _best(cfg: Config, name: str, problem) -> tuple[float, optim.Trace, float]:
    """The rate of the grid whose path ends lowest, that path, and how low; doubles."""
    key = None if problem.sample is None else jax.random.key(cfg.seed)

    def walk(rate):
        tx = optim.get(name, learning_rate=rate)
        return optim.trace(tx, problem, steps=cfg.steps, key=key)

    with jax.enable_x64(True):
        traces = jax.jit(jax.vmap(walk))(jnp.asarray(cfg.learning_rates))
    tail = np.asarray(traces.values)[:, -max(1, cfg.steps // 10) :].mean(1)
    tail = np.where(np.isfinite(tail), tail, np.inf) - problem.least
    best = int(tail.argmin())
    trace = jax.tree.map(lambda x: np.asarray(x)[best], traces)
    return cfg.learning_rates[best], trace, float(tail[best])


def _settings(name: str, rate: float) -> str:
    """The arguments of the optimizer, as its formula names them."""
    defaults = inspect.signature(optim.table.OPTIMIZERS[name]).parameters
    settings = {k: p.default for k, p in defaults.items() if p.default != p.empty}
    settings.pop("learning_rate", None)  # adadelta's has a default
    settings = {"learning_rate": f"{rate:g}"} | settings
    return ", ".join(f"{k} = {v}" for k, v in settings.items() if v is not None)


def _formula(name: str) -> str:
    """The first indented block of the docstring of the optimizer's file."""
    text = inspect.getdoc(inspect.getmodule(optim.table.OPTIMIZERS[name]))
    block = re.search(r"(?:^    \S.*\n)+", text, re.MULTILINE)
    return inspect.cleandoc(block[0]) if block else ""


def _print(problems, names, numbers) -> None:
    """Few optimizers are columns; many are rows, for some problems at a time."""

    def cell(problem, name):
        of = f"{problem.name}/{name}"
        return f"{numbers[f'{of}/above']:.2g} at {numbers[f'{of}/rate']:g}"

    console = Console()
    console.print("mean value of the last tenth above the least, at the best rate:")
    if len(names) <= COLUMNS:
        table = Table("problem", *names, box=None)
        for problem in problems:
            table.add_row(problem.name, *(cell(problem, name) for name in names))
        console.print(table)
        return
    for first in range(0, len(problems), COLUMNS):
        some = problems[first : first + COLUMNS]
        table = Table("optimizer", *(problem.name for problem in some), box=None)
        for name in names:
            table.add_row(name, *(cell(problem, name) for problem in some))
        console.print(table, "")


if __name__ == "__main__":
    run(main, Config)
