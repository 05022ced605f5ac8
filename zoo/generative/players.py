"""What learners of several players share: a player, what it tells, its step.

References:
    Goodfellow et al., "Generative adversarial nets", NeurIPS 2014,
    https://arxiv.org/abs/1406.2661
"""

import inspect
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from zoo.learner import Batch


class Player(NamedTuple):
    """One side of the game."""

    params: Any
    model_state: Any  # batch statistics; of a discriminator by kind: real, fake
    opt_state: Any


def start(module: nn.Module, key: jax.Array, x: Any, batch: Batch) -> dict[str, Any]:
    """Variables of a module."""
    x, given = _given(module, x, batch, False)
    return dict(module.init(key, x, **given))


def outputs(
    module: nn.Module,
    variables: Any,
    x: Any,
    batch: Batch,
    train: bool,
    key: jax.Array | None = None,
) -> tuple[jax.Array, Any]:
    """What a module tells, and its batch statistics after that.

    Args:
        module: one whose field `classes` is above 0 takes a dict of `x`, and of labels
            `y` from the batch; `train` and `index` are given if it has such keywords.
        variables: all of its variables.
        x: its input.
        batch: with `index`, perhaps `y`.
        train: as in training.
        key: of its dropout, in training.

    Raises:
        ValueError: labels are not there.
    """
    x, given = _given(module, x, batch, train)
    kinds = [kind for kind in variables if kind != "params"]
    rngs = {} if key is None else {"dropout": key}
    mutable = kinds if train else []
    return module.apply(variables, x, mutable=mutable, rngs=rngs, **given)


def moved(
    optimizer: optax.GradientTransformation, player: Player, grads: Any, state: Any
) -> Player:
    """A player after a step of its optimizer, with its new batch statistics."""
    updates, opt_state = optimizer.update(grads, player.opt_state, player.params)
    params = optax.apply_updates(player.params, updates)
    return Player(params=params, model_state=state, opt_state=opt_state)


def over(grads: Any, pair: tuple[jax.Array, jax.Array]) -> Any:
    """Gradients of a sum, divided by its weight."""
    weight = divisor(pair)
    return jax.tree.map(lambda g: g / weight.astype(g.dtype), grads)


def divisor(pair: tuple[jax.Array, jax.Array]) -> jax.Array:
    """The weight of (sum, weight); 1 where it is 0."""
    return jnp.where(pair[1] == 0, 1, pair[1])


def _given(module, x, batch, train):
    """Arguments of a module: the labels too, and what else it has keywords for."""
    if getattr(module, "classes", 0):
        if batch.get("y") is None:
            raise ValueError(f"{type(module).__name__} has classes, got no labels y")
        x = {"x": x, "y": batch["y"]}
    keywords = inspect.signature(type(module).__call__).parameters
    given = {"train": train, "index": batch.get("index")}
    return x, {name: value for name, value in given.items() if name in keywords}
