"""Stacked autoencoders: greedy layer by layer, then all of it at once.

    level l: an autoencoder of one layer learns on the codes of the l layers below it,
             which stand still; L levels
    then:    the layers, put together, are a deep autoencoder, which is tuned as one

Each level is a stage of `zoo.training.fit_stages`, as is the tuning:

    Stage(lambda axis_name=None: level(model, l, ..., axis_name=axis_name), stream,
          steps, carry(l) if l else None)        for l in range(L)
    Stage(lambda axis_name=None: learner(model, ..., axis_name), stream, steps,
          tuning(L, optimizer))

With sigmoid units and the bernoulli error a level's reconstruction is exactly what the
deep network computes there: its logits, then the logistic function. Put together, the
parts are the composition of what was learned.

References:
    Bengio, Lamblin, Popovici and Larochelle, "Greedy layer-wise training of deep
    networks", NIPS 2006
    Vincent, Larochelle, Lajoie, Bengio and Manzagol, "Stacked denoising autoencoders",
    JMLR 2010, https://jmlr.org/papers/v11/vincent10a.html
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from zoo.generative.autoencoder import Autoencoder
from zoo.generative.objective import Objective, learner
from zoo.learner import Learner, TrainState


class StackState(NamedTuple):
    below: Any  # parameters of the whole network; those of lower levels are learned
    top: TrainState  # of this level


def part(model: Autoencoder, level: int) -> Autoencoder:
    """The autoencoder of one layer that a level trains.

    Args:
        model: the whole network, not tied.
        level: from 0, the layer next to the examples.

    Raises:
        ValueError: a level that there is not; a network with tied weights.
    """
    if not 0 <= level < len(model.widths):
        raise ValueError(
            f"level must be from 0 to {len(model.widths) - 1}, got {level}"
        )
    if model.tied:
        raise ValueError("model must not be tied: its parts are put together, got tied")
    last = level == len(model.widths) - 1
    return Autoencoder(
        shape=model.shape if level == 0 else (model.widths[level - 1],),
        widths=(model.widths[level],),
        activation=(model.code or model.activation) if last else model.activation,
    )


def level(
    model: Autoencoder,
    number: int,
    objective: Objective,
    optimizer: optax.GradientTransformation,
    axis_name: str | None = None,
) -> Learner:
    """One layer, learned on what those below make of the examples.

    Args:
        model: the whole network.
        number: of the level, from 0.
        objective: such as `reconstruction("bernoulli")`.
        optimizer: any optax transformation.
        axis_name: the parallel axis over which the step reduces, if it has one.

    Returns:
        A learner with the metrics of `objective.learner`.

    Raises:
        ValueError: as `part`.
    """
    inner = learner(part(model, number), objective, optimizer, axis_name)

    def codes(params, batch):
        if number == 0:
            return batch
        h = model.apply({"params": params}, batch["x"], number, method="encode")
        return {**batch, "x": h}

    def init(key, batch):
        below, top = jax.random.split(key)
        params = model.init(below, batch["x"])["params"]
        return StackState(below=params, top=inner.init(top, codes(params, batch)))

    def step(state, batch):
        top, metrics = inner.step(state.top, codes(state.below, batch))
        return StackState(below=state.below, top=top), metrics

    def evaluate(state, batch):
        return inner.evaluate(state.top, codes(state.below, batch))

    return Learner(init=init, step=step, evaluate=evaluate)


def carry(number: int) -> Callable[[StackState, StackState], StackState]:
    """A carry to this level from the one below: its own layer fresh, theirs learned."""
    return lambda before, fresh: fresh._replace(below=together(before, number - 1))


def tuning(
    levels: int, optimizer: optax.GradientTransformation
) -> Callable[[StackState, TrainState], TrainState]:
    """A carry from the last level to the whole network.

    Args:
        levels: how many there were.
        optimizer: the one that tunes; its state starts at the learned parameters.
    """

    def carry_all(before, fresh):
        params = together(before, levels - 1)
        return fresh._replace(params=params, opt_state=optimizer.init(params))

    return carry_all


def together(state: StackState, number: int) -> Any:
    """The whole network's parameters, with those that this level has learned."""
    below, learned = state.below, state.top.params
    depth = sum(name.startswith("encoder_") for name in below)
    both = dict(below) | {
        f"encoder_{number}": learned["encoder_0"],
        f"decoder_{depth - 1 - number}": learned["decoder_0"],
    }
    return jax.tree.map(jnp.array, both)  # copies: no buffer is shared
