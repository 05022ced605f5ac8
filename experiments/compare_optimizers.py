"""Optimizers side by side: same start, same budget, same grid of rates, ten seeds.

Run:    python -m experiments.compare_optimizers
        python -m experiments.compare_optimizers --every --models mlp
        python -m experiments.compare_optimizers --replay

Expect: training losses at the end, means over ten seeds, at the best rates: on the MLP
0.46 by adam at 0.0025, 0.49 by momentum at 0.04, 0.52 by sgd at 0.16; on LeNet-5 0.59
by adam at 0.01, 0.63 by momentum at 0.04, 0.69 by sgd at 0.16. A test holds a smaller
run to the order of adam and sgd. It takes about two minutes on two cores.

The protocol: every optimizer runs once with each of the rates, which are log-spaced
over seven decades. Its best rate is the one with the least mean training loss in the
last tenth of the steps. With that rate it runs again with seeds that the choice has not
seen; what is shown of it (loss, accuracy, curves) is of these runs alone, and the test
set has no say in anything. SGD and Adam are always among those compared.

All runs are kept as arrays in runs.npz; --replay runs them again and says whether they
are the same to the bit.
"""

import dataclasses
import json
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console
from rich.table import Table

import optim
import zoo
from zoo.training import Machine, Run, Tuned
from zoo.training.cli import run
from zoo.training.progress import Progress
from zoo.training.report import Report
from zoo.training.tuned_report import HEADERS, SPREAD, add_figures, rows

RUNS = "runs.npz"
FREE = {"data_dir", "run", "replay", "progress", "machine"}  # flags that do not count
GROUND = 256  # examples of the batch on which surfaces are drawn
SURFACES = (optim.rosenbrock, optim.rastrigin)


@dataclasses.dataclass(frozen=True)
class Config:
    """Flags.

    Attributes:
        optimizers: names of `optim.names()`, beside sgd and adam.
        every: all of them instead.
        models: names of `python -m zoo list`.
        rates: learning rates of the grid.
        least_rate: the first of them.
        largest_rate: the last.
        seeds: runs at the best rate; they differ in parameters and chance, the order
            of the images is the same.
        steps: of each run.
        batch_size: examples of a step.
        path_steps: of the paths on two test surfaces; 0 for no such figures.
        side: points along an edge of the loss surface under a network's path.
        data: the data set.
        data_dir: where it lies, if not in the usual places.
        run: the run folder; by default runs/compare_optimizers/ and the models.
        replay: run what is in the run folder again, and compare.
        progress: show progress bars.
        machine: devices and hosts.
    """

    optimizers: tuple[str, ...] = ("momentum",)
    every: bool = False
    models: tuple[str, ...] = ("mlp", "lenet5")
    rates: int = 36
    least_rate: float = 1e-5
    largest_rate: float = 1e2
    seeds: int = 10
    steps: int = 60
    batch_size: int = 64
    path_steps: int = 200
    side: int = 15
    data: str = "fashion_mnist_small"
    data_dir: str | None = None
    run: str | None = None
    replay: bool = False
    progress: bool = True
    machine: Machine = Machine()


def main(cfg: Config) -> dict[str, float]:
    """Runs the grid, prints the table and writes the report.

    Returns:
        For each model and optimizer, `MODEL/OPTIMIZER/` followed by `rate`, `loss`,
        `accuracy` (means over seeds) and `seconds`.

    Raises:
        ValueError: a flag that names nothing or is out of range; a replay that differs
            from what is in the run folder, or finds nothing there.
    """
    cfg.machine.start()
    named = dict.fromkeys(("sgd", *cfg.optimizers, "adam"))
    names = optim.names() if cfg.every else tuple(named)
    folder = Path(cfg.run or Path("runs", "compare_optimizers", "-".join(cfg.models)))
    _check(cfg, names, folder)
    dataset = zoo.data.load(cfg.data, cfg.data_dir)
    settings = dataclasses.asdict(cfg)
    with nullcontext() if cfg.replay else Run(folder, settings, tensorboard=False):
        with Progress(cfg.progress) as progress:
            found = {
                model: _compare(cfg, dataset, model, names, progress)
                for model in cfg.models
            }
        for model, methods in found.items():
            table = Table(*HEADERS, box=None, title=model, caption=SPREAD)
            for row in rows(methods):
                table.add_row(*row)
            Console().print(table)
        arrays = _arrays(found)
        numbers = _numbers(arrays)
        if cfg.replay:
            print(_same(arrays, folder / RUNS))
        else:
            np.savez(folder / RUNS, **arrays)
            (folder / "numbers.json").write_text(json.dumps(numbers, indent=1) + "\n")
            print(f"report: {_report(cfg, names, found, folder)}")
    return numbers


def _check(cfg: Config, names, folder: Path) -> None:
    """Refuses now what would be refused after half of the work."""
    if not cfg.models:
        raise ValueError("models must have at least one value")
    for name, least in (
        ("rates", 1), ("seeds", 1), ("steps", 1), ("batch_size", 1),
        ("path_steps", 0), ("side", 2),
    ):  # fmt: skip
        if getattr(cfg, name) < least:
            raise ValueError(
                f"{name} must be at least {least}, got {getattr(cfg, name)}"
            )
    if not 0 < cfg.least_rate <= cfg.largest_rate < np.inf:
        raise ValueError(
            f"least_rate must be positive and not above largest_rate, got "
            f"{cfg.least_rate} and {cfg.largest_rate}"
        )
    if cfg.machine.parallel or cfg.machine.distributed:
        raise ValueError(
            "runs are shared over the devices of one host here: leave out "
            "--parallel and --distributed"
        )
    for model in cfg.models:
        zoo.create(model)
    for name in names:
        optim.get(name, learning_rate=cfg.least_rate)
    if cfg.replay:
        if not (folder / RUNS).exists():
            raise ValueError(f"replay needs a run: there is no {folder / RUNS}")
        old = json.loads((folder / "config.json").read_text())
        new = json.loads(json.dumps(dataclasses.asdict(cfg)))
        for flag in new.keys() - FREE:
            if old.get(flag) != new[flag]:
                raise ValueError(
                    f"replay needs the flags of the run in {folder}: {flag} was "
                    f"{old.get(flag)!r}, got {new[flag]!r}"
                )


def _grid(cfg: Config) -> tuple[float, ...]:
    rates = np.geomspace(cfg.least_rate, cfg.largest_rate, cfg.rates)
    return tuple(float(f"{rate:.6g}") for rate in rates)


def _compare(cfg: Config, dataset, model: str, names, progress) -> dict:
    """optimizer -> what it did with the model; one judge for all of them."""
    transform = zoo.data.standardize(dataset.train)
    batches = partial(zoo.data.batches, dataset.train, transform=transform)
    tests = zoo.data.once(dataset.test, 4 * cfg.batch_size, transform=transform)

    def build(optimizer, axis_name=None, learning_rate=None):
        return zoo.supervised(
            zoo.create(model, num_classes=len(dataset.classes), axis_name=axis_name),
            zoo.functional.cross_entropy,
            optim.get(optimizer, learning_rate=learning_rate),
            metrics={"accuracy": zoo.metrics.accuracy},
            axis_name=axis_name,
        )

    ground = batches(min(GROUND, len(dataset.train["y"]))).at(0)
    judge = zoo.training.judge(build("sgd", None, cfg.least_rate), tests, ground)
    return {
        name: zoo.training.tuned(
            partial(build, name),
            batches(cfg.batch_size),
            cfg.steps,
            rates=_grid(cfg),
            seeds=cfg.seeds,
            judge=judge,
            side=cfg.side,
            progress=progress,
            label=f"{model} {name}",
        )
        for name in names
    }


def _arrays(found: dict[str, dict[str, Tuned]]) -> dict[str, np.ndarray]:
    return {
        f"{model}/{name}/{field}": array
        for model, methods in found.items()
        for name, each in methods.items()
        for field, array in each._asdict().items()
    }


def _same(arrays: dict[str, np.ndarray], kept: Path) -> str:
    """Compares a replay with what was kept, to the bit; times differ, of course.

    Raises:
        ValueError: it differs; the first array that does is named.
    """
    with np.load(kept) as old:
        for name, array in arrays.items():
            same = np.array_equal(old[name], array, equal_nan=True)
            if not (same or name.endswith("/seconds")):
                raise ValueError(f"the replay differs from {kept} in {name}")
    return f"replayed: {len(arrays)} arrays, the same to the bit as in {kept}"


def _numbers(arrays: dict[str, np.ndarray]) -> dict[str, float]:
    shown = {"rate", "loss", "accuracy", "seconds"}
    return {
        name: float(array.mean())
        for name, array in arrays.items()
        if name.rpartition("/")[2] in shown
    }


def _report(cfg: Config, names, found, folder: Path) -> Path:
    report = Report("Optimizers compared", f"{cfg.data}, {cfg.steps} steps")
    for model, methods in found.items():
        caption = f"{model}; {SPREAD}"
        report.table(HEADERS, rows(methods), caption)
        add_figures(report, model, methods, f"{GROUND} training examples")
    for surface in SURFACES if cfg.path_steps else ():
        paths = dict(_best_path(cfg, name, surface) for name in names)
        report.figure(
            optim.picture(paths, surface),
            f"{surface.name}: {cfg.path_steps} steps from {surface.start}, each at the "
            "rate of the grid that ends lowest.",
            f"paths_{surface.name}",
        )
    settings = {k: str(v) for k, v in dataclasses.asdict(cfg).items()}
    report.table(["setting", "value"], list(settings.items()))
    return report.write(folder / "report.html")


def _best_path(cfg: Config, name: str, surface) -> tuple[str, np.ndarray]:
    def walk(rate):
        tx = optim.get(name, learning_rate=rate)
        return optim.trajectory(tx, surface, steps=cfg.path_steps)

    paths = jax.jit(jax.vmap(walk))(jnp.asarray(_grid(cfg)))  # [R, path_steps + 1, 2]
    ends = jnp.nan_to_num(surface(paths[:, -1]), nan=jnp.inf)
    best = int(ends.argmin())
    return f"{name} {_grid(cfg)[best]:.2g}", np.asarray(paths[best])


if __name__ == "__main__":
    run(main, Config)
