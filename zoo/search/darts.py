"""Differentiable search: the architecture is a weighted sum, and its weights learn.

    w <- w - its optimizer's step on grad_w L_train(w, a)
    a <- a - its optimizer's step on grad_a L_valid(w - xi grad_w L_train(w, a), a)

Choices are softmax(a): of what a side of a block reads, and of its operations. With
xi = 0 the second line takes w as it is (first order). Else its gradient is

    grad_a L_valid(w', a) - xi (grad_a L_train(w+, a) - grad_a L_train(w-, a)) / (2 e)
    w' = w - xi grad_w L_train(w, a),   w+- = w +- e grad_w' L_valid(w', a)

with e = 0.01 / |grad_w' L_valid|. In the end the largest weight of each choice is taken
(`discrete`).

Examples with an even `index` train w, the others a: so each example has its side for
good, whatever the batch and the number of devices.

Differs from the paper: a block has two sides that each choose one input and one
operation, as NASNet's, where the paper mixes operations on every edge and keeps the two
strongest edges.

Shapes: B examples, n blocks.

Reference:
    Liu, Simonyan and Yang, "DARTS: differentiable architecture search", ICLR 2019,
    https://arxiv.org/abs/1806.09055, algorithm 1, equations 7 and 8
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from zoo.functional.losses import cross_entropy
from zoo.learner import Learner
from zoo.metrics.classification import accuracy
from zoo.search.cells import OPERATIONS
from zoo.search.small_net import Choice, SmallNet

PyTree = Any


class DartsState(NamedTuple):
    step: jax.Array  # int32 scalar: steps taken
    params: PyTree  # w
    logits: Choice  # a
    params_state: PyTree  # of the optimizer of w
    logits_state: PyTree  # of that of a


def darts(
    model: SmallNet,
    params_optimizer: optax.GradientTransformation,
    logits_optimizer: optax.GradientTransformation,
    *,
    unroll: float = 0.0,
    axis_name: str | None = None,
) -> Learner:
    """The search by gradient descent.

    Args:
        model: called with images and weights of the choices.
        params_optimizer: of w.
        logits_optimizer: of a.
        unroll: xi; 0 is first order.
        axis_name: the parallel axis, if the step has one.

    Returns:
        A learner of batches with `x` [B, H, W, C], `y` [B] and `index` [B]. Metrics:
        `loss` and `accuracy` of the examples that train w, `valid` loss of the others.

    Raises:
        ValueError: unroll below 0.
    """
    if unroll < 0:
        raise ValueError(f"unroll must be at least 0, got {unroll}")

    def pairs(params, logits, batch, odd):
        outputs = model.apply({"params": params}, (batch["x"], weights(logits)))
        weight = (batch["index"] % 2 == odd).astype(outputs.dtype)
        batch = {**batch, "weight": weight * batch.get("weight", 1)}
        reported = {"loss": cross_entropy, "accuracy": accuracy}
        return {name: f(outputs, batch) for name, f in reported.items()}

    def gradients(params, logits, batch, odd):
        """Of the mean loss by w and by a, over all devices, and the metrics."""

        def local(params, logits):
            found = pairs(params, logits, batch, odd)
            return found["loss"][0], found

        grads, found = jax.grad(local, (0, 1), has_aux=True)(params, logits)
        if axis_name:
            grads, found = jax.lax.psum((grads, found), axis_name)
        weight = jnp.maximum(found["loss"][1], 1)
        return (*jax.tree.map(lambda g: g / weight, grads), found)

    def init(key, batch):
        to_params, to_logits = jax.random.split(key)
        inputs, of = jax.random.split(to_logits)
        n = model.blocks
        logits = Choice(
            1e-3 * jax.random.normal(inputs, (n, 2, n + 1)),
            1e-3 * jax.random.normal(of, (n, 2, len(OPERATIONS))),
        )
        params = model.init(to_params, (batch["x"], weights(logits)))["params"]
        return DartsState(
            jnp.int32(0),
            params,
            logits,
            params_optimizer.init(params),
            logits_optimizer.init(logits),
        )

    def step(state, batch):
        w, a = state.params, state.logits
        ahead = w
        if unroll:
            ahead = _moved(w, -unroll, gradients(w, a, batch, 0)[0])
        valid_w, slope, held_out = gradients(ahead, a, batch, 1)
        if unroll:
            e = 0.01 / jnp.maximum(optax.tree.norm(valid_w), 1e-12)
            up = gradients(_moved(w, e, valid_w), a, batch, 0)[1]
            down = gradients(_moved(w, -e, valid_w), a, batch, 0)[1]
            slope = jax.tree.map(
                lambda s, u, d: s - unroll * (u - d) / (2 * e), slope, up, down
            )
        change, logits_state = logits_optimizer.update(slope, state.logits_state, a)
        a = optax.apply_updates(a, change)
        by_w, _, trained = gradients(w, a, batch, 0)
        change, params_state = params_optimizer.update(by_w, state.params_state, w)
        new = DartsState(
            state.step + 1,
            optax.apply_updates(w, change),
            a,
            params_state,
            logits_state,
        )
        return new, {**trained, "valid": held_out["loss"]}

    def evaluate(state, batch):
        found = pairs(state.params, state.logits, batch, batch["index"] % 2)
        return jax.lax.psum(found, axis_name) if axis_name else found

    return Learner(init, step, evaluate)


def weights(logits: Choice) -> Choice:
    """The softmax of each choice; inputs that a block cannot read have weight 0."""
    blocks, _, most = logits.inputs.shape
    known = np.arange(most) < np.arange(blocks)[:, None, None] + 2
    return Choice(
        jax.nn.softmax(logits.inputs, where=known),
        jax.nn.softmax(logits.operations),
    )


def discrete(logits: Choice) -> jax.Array:
    """The cell of the largest weights: int32 [4 n]."""
    read, of = (part.argmax(-1).astype(jnp.int32) for part in weights(logits))
    return jnp.stack([read, of], -1).reshape(-1)


def _moved(params, by, along):
    return jax.tree.map(lambda p, d: p + by * d, params, along)
