"""The deep belief network: Boltzmann machines on top of each other, learned greedily.

    level l   an RBM learns on p(h | v) of the one below, which stands still
    then      unrolled, the layers are a deep autoencoder, up by W and c, down by W^T
              and b, that is tuned as one; or they begin a classifier

    up        h_l = s(h_{l-1} W_l + c_l)
    generate  Gibbs sampling between the two topmost layers, then down: each layer drawn
              given the one above, the last as means

Each level is a stage of `zoo.training.fit_stages`, with `carry` between them. What the
levels raise is a bound of log p(x), as long as each starts as the one below, turned;
machines that start at random, as here and mostly, only come near to that.

Shapes: B examples, D values of an example, H_l units of layer l.

References:
    Hinton, Osindero and Teh, "A fast learning algorithm for deep belief nets", Neural
    Computation 2006, https://doi.org/10.1162/neco.2006.18.7.1527
    Hinton and Salakhutdinov, "Reducing the dimensionality of data with neural
    networks", Science 2006, https://doi.org/10.1126/science.1127647 (unrolling)
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from zoo.generative import rbm
from zoo.learner import Learner


class DBNState(NamedTuple):
    below: tuple[rbm.RBM, ...]  # the machines of lower levels, learned
    top: rbm.RBMState  # of this level


def level(
    widths: Sequence[int],
    number: int,
    optimizer: optax.GradientTransformation,
    axis_name: str | None = None,
    **options: Any,
) -> Learner:
    """One machine, learned on the probabilities that those below give.

    Args:
        widths: hidden units of each level.
        number: of this level, from 0.
        optimizer: any optax transformation.
        axis_name: the parallel axis, if there is one.
        **options: of `rbm.learner`: `k`, `chains`, and of level 0 `visible`.

    Returns:
        A learner of the metrics of `rbm.learner`.

    Raises:
        ValueError: a level that there is not; as `rbm.learner`.
    """
    if not 0 <= number < len(widths):
        raise ValueError(f"number must be from 0 to {len(widths) - 1}, got {number}")
    inner = rbm.learner(widths[number], optimizer, axis_name=axis_name, **options)

    def codes(below, batch):
        return {**batch, "x": up(below, batch["x"])}

    def init(key, batch):
        keys, below = jax.random.split(key, number + 1), ()
        size = batch["x"].reshape(len(batch["x"]), -1).shape[1]
        for key, width in zip(keys[:-1], widths, strict=False):
            below += (rbm.start(key, size, width, batch["x"].dtype),)
            size = width
        return DBNState(below=below, top=inner.init(keys[-1], codes(below, batch)))

    def step(state, batch):
        top, metrics = inner.step(state.top, codes(state.below, batch))
        return DBNState(below=state.below, top=top), metrics

    def evaluate(state, batch):
        return inner.evaluate(state.top, codes(state.below, batch))

    split = inner.split and DBNState(below=-1, top=inner.split)
    return Learner(init, step, evaluate, split=split)


def carry(before: DBNState, fresh: DBNState) -> DBNState:
    """The next level's first state: its own machine fresh, those below learned."""
    return fresh._replace(below=layers(before))


def layers(state: DBNState) -> tuple[rbm.RBM, ...]:
    """All machines, this level's too, from the examples up."""
    return jax.tree.map(jnp.array, (*state.below, state.top.params))


def up(machines: Sequence[rbm.RBM], x: jax.Array) -> jax.Array:
    """What the machines make of examples: [B, ...] -> [B, H_L], probabilities."""
    h = x.reshape(len(x), -1)
    for machine in machines:
        h = rbm.hidden_mean(machine, h)
    return h


def unrolled(machines: Sequence[rbm.RBM]) -> dict[str, dict[str, jax.Array]]:
    """Parameters of the `Autoencoder` whose layers these are, up and then down.

    Its fields are the widths of the machines; its activation is the sigmoid, and its
    likelihood bernoulli.
    """
    params, last = {}, len(machines) - 1
    for i, machine in enumerate(machines):
        params[f"encoder_{i}"] = {"kernel": machine.W, "bias": machine.c}
        params[f"decoder_{last - i}"] = {"kernel": machine.W.T, "bias": machine.b}
    return jax.tree.map(jnp.array, params)


def tuning(
    optimizer: optax.GradientTransformation,
) -> Callable[[DBNState, Any], Any]:
    """A carry from the last level to the learner of the unrolled network.

    Args:
        optimizer: the one that tunes; its state starts at the unrolled parameters.
    """

    def carry_all(before, fresh):
        params = unrolled(layers(before))
        return fresh._replace(params=params, opt_state=optimizer.init(params))

    return carry_all


def generate(
    machines: Sequence[rbm.RBM], keys: jax.Array, rounds: int = 100
) -> jax.Array:
    """Examples that the network dreams of, bernoulli units throughout.

    Args:
        machines: from the examples up.
        keys: one for each example wanted, [B].
        rounds: of Gibbs sampling in the topmost machine.

    Returns:
        Means of the visible units, [B, D].
    """
    top = machines[-1]
    h = jnp.zeros((len(keys), top.c.shape[0]), top.W.dtype)
    _, h = rbm.gibbs(top, keys, h, rounds)
    mean = rbm.visible_mean(top, h)
    for i, machine in enumerate(machines[-2::-1], rounds + 1):  # after the rounds' keys
        draw = lambda key, p, i=i: jax.random.bernoulli(jax.random.fold_in(key, i), p)
        v = jax.vmap(draw)(keys, mean).astype(mean.dtype)
        mean = rbm.visible_mean(machine, v)
    return mean
