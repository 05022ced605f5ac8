"""What the experiments on pixels and boxes share: how a network learns from scenes."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import optim
import zoo
from zoo.data.stream import Stream
from zoo.learner import Learner
from zoo.training import Result, Stage

# (optimizer, axis_name=...) -> Learner
Learns = Callable[..., Learner]


def fitted(
    cfg: Any,
    *stages: tuple[Learns, Stream],
    run: str | None = None,
    carry: Callable | None = None,
) -> Result:
    """Stages of training, each of `cfg.steps` by Adam, whose rate goes up and down.

    Args:
        cfg: flags: `steps`, `learning_rate`, `seed`, `run`, `progress` and `machine`.
        stages: (optimizer, axis_name=...) -> learner, and the batches.
        run: the run folder, in place of `cfg.run`.
        carry: from one stage to the next, see `zoo.training.Stage`.
    """

    def stage(learns: Learns, stream: Stream) -> Stage:
        def build(axis_name: str | None = None) -> Learner:
            rate = optim.one_cycle_schedule(cfg.learning_rate, cfg.steps)
            return learns(optim.adam(rate), axis_name=axis_name)

        return Stage(build, stream, cfg.steps, carry)

    return zoo.training.fit_stages(
        [stage(*parts) for parts in stages],
        **dict(seed=cfg.seed, parallel=cfg.machine.parallel, run=run or cfg.run),
        **dict(config=dataclasses.asdict(cfg), progress=cfg.progress),
    )


def curve(
    history: Sequence[dict], name: str = "loss", stage: int | None = None
) -> tuple[list[int], list[float]]:
    """Steps and values of a metric in a run's reports, or in those of one stage."""
    rows = [r for r in history if name in r and stage in (None, r["stage"])]
    return [row["step"] for row in rows], [row[name] for row in rows]
