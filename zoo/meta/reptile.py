"""Reptile: the start moves towards where a task's training ends.

    theta_K(task) = K steps of gradient descent from theta on the task's examples
    theta         = theta + epsilon mean over tasks of (theta_K(task) - theta)

The outer optimizer is given theta - theta_K for a gradient, so `optim.sgd(epsilon)` is
the formula, and Adam is the paper's choice for images. No gradient goes through the
steps. With K = 1 it is joint training, at a rate of epsilon alpha; from K = 2 on, steps
on different examples of a task make it favour starts where their gradients agree.

A task's support and query are joined, as the paper does not tell them apart, and cut
into `parts` mini-batches, which the steps take in turn.

References:
    Nichol, Achiam and Schulman, "On first-order meta-learning algorithms", 2018,
    https://arxiv.org/abs/1803.02999
"""

from typing import Any

import jax
import jax.numpy as jnp
import optax

from optim.errors import check_count
from zoo.learner import Learner, mean
from zoo.meta import adapted
from zoo.meta.inner import Adapts, descend, inner


def learner(
    model,
    loss: adapted.Loss,
    optimizer: optax.GradientTransformation,
    *,
    rate: Any = 0.01,
    steps: int = 5,
    eval_rate: Any = None,
    eval_steps: int | None = None,
    parts: int = 1,
    adapts: Adapts = None,
    unroll: bool = False,
    metrics: dict[str, adapted.Loss] | None = None,
    axis_name: str | None = None,
) -> Learner:
    """Reptile, on batches of tasks (see `zoo.meta.adapted`).

    Args:
        model: a linen module, without an axis name.
        loss: (outputs, batch of one task) -> (sum, weight).
        optimizer: the outer one. It is told no `value_fn`: there is no function of
            which Reptile's step is the gradient.
        rate: of the inner steps; see `zoo.meta.maml`, as for the rest.
        steps: inner ones, K >= 1.
        eval_rate: of evaluation; None: as in training.
        eval_steps: likewise.
        parts: mini-batches of a task in training; must divide S + Q.
        adapts: what moves; nothing else is ever learned.
        unroll: write tasks and steps out, for nets that convolve.
        metrics: more functions as the loss, in evaluation.
        axis_name: the axis over which tasks are split, or None.

    Returns:
        A learner with `zoo.TrainState`. The metric `loss` of a step is that of the
        inner steps, before each; `evaluate` adapts on the support and scores the query.

    Raises:
        ValueError: as `zoo.meta.maml.learner`; when traced, `parts` that do not divide
            a task's examples, or a support and query that are not alike.
    """
    parts = check_count("parts", parts)
    how = inner(rate, steps, adapts, 1, unroll)
    evaluation = inner(
        rate if eval_rate is None else eval_rate,
        steps if eval_steps is None else eval_steps,
        adapts,
        1,
        unroll,
    )
    model = adapted.Adapted(model, loss, how, evaluation)
    outer = adapted.learner(model, optimizer, metrics, axis_name=axis_name)
    optimizer = optax.with_extra_args_support(optimizer)

    def total(tree):
        return jax.lax.psum(tree, axis_name) if axis_name else tree

    def step(state, batch):
        adapted.check(batch)
        batches = _batches(batch, parts)
        key = jax.random.fold_in(state.key, state.step)

        def trained(task, key):
            def value(params, model_state, i):
                part = adapted.one(task["parts"], i % parts)
                at = jax.random.fold_in(key, i)
                outputs, new = model.outputs(params, model_state, part, at)
                return loss(outputs, part), new

            theta, new, pairs = descend(value, state.params, state.model_state, how)
            gone = jax.tree.map(jnp.subtract, state.params, theta)
            counts = (pairs[1].sum() > 0).astype(pairs[1].dtype)  # else it is padding
            return gone, new, jax.tree.map(jnp.sum, pairs), counts

        gone, model_state, pair, counts = adapted.each(trained, batches, key, unroll)
        model_state = adapted.average(model_state)
        gone, pair, counts, model_state, devices = total(
            (*jax.tree.map(lambda a: a.sum(0), (gone, pair, counts)), model_state, 1)
        )
        counts = jnp.where(counts == 0, 1, counts)
        grads = jax.tree.map(lambda g: g / counts.astype(g.dtype), gone)
        updates, opt_state = optimizer.update(
            grads, state.opt_state, state.params, value=mean(pair), grad=grads
        )
        new = state._replace(
            step=state.step + 1,
            params=optax.apply_updates(state.params, updates),
            model_state=jax.tree.map(
                lambda new, old: (new / devices).astype(old.dtype),
                model_state,
                state.model_state,
            ),
            opt_state=opt_state,
        )
        return new, {"loss": pair}

    return Learner(outer.init, step, outer.evaluate)


def _batches(batch, parts):
    """Support and query as one, [T, S + Q, ...] -> [T, parts, (S + Q) / parts, ...]."""
    first, second = batch["support"], batch["query"]
    if jax.tree.structure(first) != jax.tree.structure(second):
        raise ValueError("support and query must hold the same names for Reptile")

    def join(a, b):
        joined = jnp.concatenate([a, b], 1)
        count = joined.shape[1]
        if count % parts:
            raise ValueError(
                f"parts must divide a task's {count} examples, got {parts}"
            )
        return joined.reshape(len(a), parts, count // parts, *a.shape[2:])

    return {"parts": jax.tree.map(join, first, second), "index": batch["index"]}
