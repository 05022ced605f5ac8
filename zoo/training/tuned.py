"""A method at its best: a grid of rates with one seed, then new seeds at the best rate.

    loss(rate) = mean training loss of the run (rate, seed 0) in the last tenth
    best       = argmin over rates of loss(rate)
    shown      = the runs (best, seed 1), ..., (best, seed S)

Every method gets the same steps, batches, rates and seeds. The choice sees training
losses of a seed that is not shown, and the test set has no say in it.

The way of the first run that is shown is drawn in the plane where it moves most, over
the training loss there (see `optim.plane`).

Shapes: R rates, S seeds, W windows of the curve, N = W + 1 points of the way.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import numpy as np
from jax.flatten_util import ravel_pytree

import optim
from zoo.data.stream import Stream
from zoo.learner import Learner, mean
from zoo.training.loop import positive
from zoo.training.progress import Progress
from zoo.training.sweep import sweeper

WINDOWS = 30  # of a curve, at most


class Tuned(NamedTuple):
    """What one method did with one model, as arrays."""

    rates: np.ndarray  # [R]
    losses: np.ndarray  # [R], training loss over the last tenth; inf if it diverged
    rate: np.ndarray  # the best
    loss: np.ndarray  # [S] at the best rate, over the last tenth
    accuracy: np.ndarray  # [S] on the test set
    steps: np.ndarray  # [W]
    curve: np.ndarray  # [S, W], training loss
    path: np.ndarray  # [N, 2], of the first seed's parameters in their plane
    explained: np.ndarray  # [2], the plane's shares of the path
    x: np.ndarray  # [side], the surface's grid
    y: np.ndarray  # [side]
    surface: np.ndarray  # [side, side], training loss
    seconds: np.ndarray  # of all its runs, compiling included


class Judge(NamedTuple):
    """Functions of states, each compiled once, whatever the optimizer was.

    Attributes:
        score: states, with an axis S -> name -> [S], means over the test set.
        height: (params, state) -> training loss of params on one fixed batch.
    """

    score: Callable
    height: Callable


def judge(learner: Learner, tests: Stream, batch) -> Judge:
    """The judge of a model's states.

    Args:
        learner: from `zoo.supervised`, with the metric `accuracy` and any optimizer.
        tests: a finite stream.
        batch: on which surfaces are drawn.
    """
    evaluate = jax.jit(jax.vmap(learner.evaluate, (0, None)))
    at = jax.jit(lambda state, batch: mean(learner.evaluate(state, batch)["loss"]))

    def score(states):
        params = jax.vmap(optim.eval_params)(states.opt_state, states.params)
        # without the optimizer's state: what is compiled is the same for all
        states = states._replace(params=params, opt_state=())
        parts = [evaluate(states, tests.at(i)) for i in range(tests.steps)]
        totals = jax.tree.map(lambda *x: np.sum(np.float64(x), 0), *parts)
        return {name: total / weight for name, (total, weight) in totals.items()}

    def height(params, state):
        return at(state._replace(params=params, opt_state=()), batch)

    return Judge(score, height)


def tuned(
    build: Callable,
    stream: Stream,
    steps: int,
    *,
    rates: Sequence[float],
    seeds: int,
    judge: Judge,
    side: int = 15,
    progress: Progress | None = None,
    label: str = "",
) -> Tuned:
    """Tunes a method's learning rate and runs it with new seeds.

    Args:
        build: build(axis_name=None, learning_rate=...) -> Learner, whose states are
            `zoo.learner.TrainState`.
        stream: the batches of all runs.
        steps: of each run.
        rates: the grid.
        seeds: S, runs at the best rate.
        judge: of the model.
        side: points along an edge of the surface.
        progress: a display; None shows nothing.
        label: what its bars are called.

    Raises:
        ValueError: a bad count, or no rates.
    """
    positive("seeds", seeds)
    sweep = sweeper(
        build,
        stream,
        steps,
        log_every=-(-steps // WINDOWS),
        at_once=_at_once(len(rates)),
        snapshot=lambda state: ravel_pytree(state.params)[0],
    )
    search = sweep({"learning_rate": rates}, (0,), None, progress, f"{label}: rates")
    losses = _last_tenth(search)
    losses = np.where(np.isfinite(losses), losses, np.inf)
    rate = rates[int(losses.argmin())]
    new = range(1, seeds + 1)
    shown = sweep({"learning_rate": (rate,)}, new, None, progress, f"{label}: seeds")
    way = np.concatenate([shown.path, shown.path[-1:]])  # a plane needs three points
    on = optim.plane(way)
    first = jax.tree.map(lambda x: x[0], shown.states)
    height = lambda params: judge.height(params, first)
    x, y, surface = optim.surface(height, first.params, on, side)
    return Tuned(
        rates=np.array(rates),
        losses=losses,
        rate=np.array(rate),
        loss=_last_tenth(shown),
        accuracy=judge.score(shown.states)["accuracy"],
        steps=shown.steps,
        curve=shown.history["loss"],
        path=np.asarray(on.coordinates[:-1]),
        explained=np.asarray(on.explained),
        x=np.asarray(x),
        y=np.asarray(y),
        surface=np.asarray(surface),
        seconds=np.array(search.seconds + shown.seconds),
    )


def _at_once(rates: int) -> int:
    """Runs of a program, which is one for the grid and for the new seeds.

    On a CPU few: LeNet-5's mapped convolutions took 13.6 ms of a core for a run's step
    where four ran at once, as alone, but 21 to 30 ms where twelve or thirty-six did.
    """
    few = jax.default_backend() == "cpu"
    return min(rates, 4 * len(jax.devices())) if few else rates


def _last_tenth(swept) -> np.ndarray:  # [R]
    windows = swept.history["loss"]  # [R, W]
    return windows[:, -max(1, windows.shape[1] // 10) :].mean(1)
