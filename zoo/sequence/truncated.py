"""Truncated back-propagation through time, as a learner that carries its states.

    step k reads T tokens of each stream, from the state that step k - 1 left there:
    loss_k(theta; h_{k-1}),  h_{k-1} held fixed,   h_k = what is left after them

So the state reaches back as far as the network remembers, and the gradient T tokens.
The states are the learner's: row `index` of each belongs to the stream of that number,
and on several devices each holds some of the streams. Where `first` is True a stream
begins anew, from zeros.

Shapes: B streams, T tokens that a step reads of each.
Differs from the paper: its truncation has a window that moves on by k1 of k2 steps;
here k1 = k2 = T, as is usual since.

References:
    Williams and Peng, "An efficient gradient-based algorithm for on-line training of
    recurrent network trajectories", Neural Computation 1990,
    https://doi.org/10.1162/neco.1990.2.4.490
    Mikolov et al., "Recurrent neural network based language model", Interspeech 2010,
    https://doi.org/10.21437/Interspeech.2010-343
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from zoo.functional.rows import put_rows, take_rows
from zoo.learner import Batch, Learner, Pair, mean
from zoo.sequence.language import token_cross_entropy


class TruncatedState(NamedTuple):
    step: jax.Array  # int32 scalar: steps taken
    key: jax.Array  # never advanced; a step's own key is fold_in(key, step)
    params: Any
    opt_state: Any
    carry: Any  # the model's state of each stream, [B, ...]: split over devices


def learner(
    model: nn.Module,
    optimizer: optax.GradientTransformation,
    loss: Callable[[jax.Array, Batch], Pair] = token_cross_entropy,
    metrics: dict[str, Callable[[jax.Array, Batch], Pair]] | None = None,
    axis_name: str | None = None,
) -> Learner:
    """A learner of streams that go on from batch to batch.

    Args:
        model: called as `model(x, state, train=, index=)`, with a state in and out,
            as those of `zoo.sequence.language`.
        optimizer: any optax transformation.
        loss: (outputs, batch) -> (sum, weight).
        metrics: more of that kind, by name; reported beside `loss`.
        axis_name: the axis over which the streams are split, or None.

    Returns:
        A learner of batches as of `zoo.data.pieces`: `x`, what the loss needs, `index`,
        the streams' numbers 0 to B - 1, and optionally `first`, bool [B]. Evaluation
        begins each row from zeros and leaves the streams' states alone.
    """
    reported = {"loss": loss, **(metrics or {})}
    optimizer = optax.with_extra_args_support(optimizer)
    total = lambda tree: jax.lax.psum(tree, axis_name) if axis_name else tree

    def init(key, batch):
        params_key, key = jax.random.split(key)
        params = model.init(params_key, batch["x"])["params"]
        return TruncatedState(
            step=jnp.int32(0),
            key=key,
            params=params,
            opt_state=optimizer.init(params),
            carry=jax.tree.map(jnp.copy, model.initial_state(len(batch["x"]))),
        )

    def step(state, batch):
        index = batch["index"]
        carry = jax.tree.map(lambda t: take_rows(t, index, axis_name), state.carry)
        if "first" in batch:
            fresh = jnp.asarray(batch["first"])
            carry = jax.tree.map(
                lambda t: jnp.where(fresh.reshape(-1, *[1] * (t.ndim - 1)), 0, t), carry
            )
        key = jax.random.fold_in(state.key, state.step)

        def local_sum(params):
            outputs, after = model.apply(
                {"params": params},
                batch["x"],
                carry,
                train=True,
                index=index,
                rngs={"dropout": key},
            )
            pairs = {name: f(outputs, batch) for name, f in reported.items()}
            return pairs["loss"][0], (pairs, after)

        grads, (pairs, after) = jax.grad(local_sum, has_aux=True)(state.params)
        grads, pairs = total((grads, pairs))
        weight = jnp.where(pairs["loss"][1] == 0, 1, pairs["loss"][1])
        grads = jax.tree.map(lambda g: g / weight, grads)
        updates, opt_state = optimizer.update(
            grads, state.opt_state, state.params, value=mean(pairs["loss"]), grad=grads
        )
        return TruncatedState(
            step=state.step + 1,
            key=state.key,
            params=optax.apply_updates(state.params, updates),
            opt_state=opt_state,
            carry=jax.tree.map(
                lambda t, new: put_rows(t, index, new, axis_name), state.carry, after
            ),
        ), pairs

    def evaluate(state, batch):
        outputs = model.apply({"params": state.params}, batch["x"])
        return total({name: f(outputs, batch) for name, f in reported.items()})

    split = TruncatedState(step=-1, key=-1, params=-1, opt_state=-1, carry=0)
    return Learner(init=init, step=step, evaluate=evaluate, split=split)
