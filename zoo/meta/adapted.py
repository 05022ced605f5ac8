"""A model that adapts before it answers: a function of a task's support and query.

    f(theta; support, query) = model(theta_K(theta, support), query x)

So learning by MAML is supervised learning of f. Batches of tasks are dicts of `support`
and `query`, each a batch of the model's own kind with the tasks' axis before it:

    support    x [T, S, ...], y [T, S, ...], and what else the loss needs
    query      x [T, Q, ...], y [T, Q, ...], likewise
    index      [T], the tasks' global numbers

Chance belongs to the task: its key is fold_in(step's key, index), and inner step i and
then the query draw from fold_in(that key, i), i = 0 .. K. So one device equals eight.

What a model keeps beside parameters (BatchNorm's statistics) begins in every task at
the common value, goes through the inner steps and the query, and is the mean over tasks
after. In evaluation it stays as it is. A task's own examples are normalized together,
so the model has no name of an axis of devices.

Shapes: T tasks, S and Q examples of a task's support and query, K inner steps.
"""

import inspect
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from zoo.learner import Batch, Learner, Pair, PyTree, supervised
from zoo.meta.inner import Inner, descend

Loss = Callable[[Any, Batch], Pair]


class Adapted:
    """What `zoo.supervised` takes for a model; its x is a batch of tasks.

    Attributes:
        model: a linen module; called as `model(x)`, with `train` and `index` as
            keywords if its `__call__` has them.
        loss: (outputs, batch of one task) -> (sum, weight), of the inner steps.
        training: how a task is adapted to, of `zoo.meta.inner.inner`.
        evaluation: likewise where it is evaluated.
    """

    def __init__(self, model, loss: Loss, training: Inner, evaluation: Inner):
        self.model, self.loss = model, loss
        self.training, self.evaluation = training, evaluation
        self.keywords = set(inspect.signature(type(model).__call__).parameters)

    def init(self, key: jax.Array, tasks: Batch, train: bool = False) -> PyTree:
        """The model's variables, made for the first task's support."""
        check(tasks)
        given = {"train": train} if "train" in self.keywords else {}
        return self.model.init(key, one(tasks["support"])["x"], **given)

    def apply(self, variables, tasks, *, mutable, rngs, train=False):
        """Outputs on the query, [T, Q, ...], and the new model_state."""
        del mutable  # all of it in training, else none
        return self(variables, tasks, train=train, key=rngs.get("dropout"))

    def __call__(self, variables, tasks, *, train=False, key=None):
        check(tasks)
        state = dict(variables)
        params = state.pop("params")
        how = self.training if train else self.evaluation

        def answer(task, key):
            theta, new, _ = self.adapt(params, state, task["support"], how, key)
            key = None if key is None else jax.random.fold_in(key, how.steps)
            return self.outputs(theta, new, task["query"], key)

        outputs, new = each(answer, tasks, key, how.unroll)
        return outputs, average(new)

    def adapt(self, params, state, support, how: Inner, key=None):
        """theta_K, model_state and the losses' pairs [K], on one task's examples."""

        def value(params, state, i):
            at = None if key is None else jax.random.fold_in(key, i)
            outputs, state = self.outputs(params, state, support, at)
            return self.loss(outputs, support), state

        return descend(value, params, state, how)

    def outputs(self, params, state, batch, key=None):
        """One task's outputs, and its new model_state; `key` only in training."""
        train = key is not None
        given = {"train": train, "index": batch.get("index")}
        given = {k: v for k, v in given.items() if k in self.keywords}
        outputs, new = self.model.apply(
            {"params": params, **state},
            batch["x"],
            mutable=list(state) if train else [],
            rngs={"dropout": key} if train else {},
            **given,
        )
        return outputs, (new if train else state)


def learner(
    model: Adapted, optimizer, metrics: dict[str, Loss] | None = None, **options
) -> Learner:
    """`zoo.supervised` of an adapted model, for batches of tasks.

    Args:
        model: of this file.
        optimizer: any optax transformation.
        metrics: more functions as the loss, of a task's outputs and query.
        **options: of `zoo.supervised`.
    """

    def over_tasks(f):
        def pair(outputs, batch):
            pairs = jax.vmap(f)(outputs, batch["x"]["query"])
            return jax.tree.map(lambda a: a.sum(0), pairs)

        return pair

    def wrapped(batch):
        check(batch)
        return {"x": batch, "index": batch["index"]}

    outer = supervised(
        model,
        over_tasks(model.loss),
        optimizer,
        metrics={name: over_tasks(f) for name, f in (metrics or {}).items()},
        **options,
    )
    return Learner(
        init=lambda key, batch: outer.init(key, wrapped(batch)),
        step=lambda state, batch: outer.step(state, wrapped(batch)),
        evaluate=lambda state, batch: outer.evaluate(state, wrapped(batch)),
    )


def each(function: Callable, tasks: Batch, key: jax.Array | None, unroll: bool) -> Any:
    """function(task, the task's key or None) of each task, stacked, [T, ...]."""

    def call(task):
        own = None if key is None else jax.random.fold_in(key, task["index"])
        return function(task, own)

    if not unroll:
        return jax.vmap(call)(tasks)
    found = [call(one(tasks, i)) for i in range(len(tasks["index"]))]
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *found)


def average(state: PyTree) -> PyTree:
    """The mean over tasks of what are floats; counters are the same in all."""

    def reduce(a):
        return a.mean(0) if jnp.issubdtype(a.dtype, jnp.floating) else a[0]

    return jax.tree.map(reduce, state)


def one(tasks: PyTree, i: int = 0) -> PyTree:
    """One task of several."""
    return jax.tree.map(lambda a: a[i], tasks)


def check(tasks: Batch) -> None:
    """Refuses what is no batch of tasks.

    Raises:
        ValueError: a part is missing, has no example, or is not of as many tasks.
    """
    parts = ("support", "query", "index")
    if missing := [name for name in parts if name not in tasks]:
        raise ValueError(
            f"a batch of tasks has {', '.join(parts)}; {', '.join(missing)} is missing "
            f"among {', '.join(map(str, tasks))}"
        )
    count = len(tasks["index"])
    for name in parts[:2]:
        for path, leaf in jax.tree.leaves_with_path(tasks[name]):
            if leaf.ndim < 2 or leaf.shape[0] != count or not leaf.shape[1]:
                where = name + jax.tree_util.keystr(path)
                raise ValueError(
                    f"{where} must be of {count} tasks and at least 1 example each, "
                    f"[{count}, examples, ...], got shape {leaf.shape}"
                )


def curve(
    model: Adapted,
    variables: PyTree,
    tasks: Batch,
    rate: Any = None,
    score: Loss | None = None,
) -> Pair:
    """The loss on the query before adaptation and after each of its steps.

    Args:
        model: of this file; its `evaluation` says how and for how many steps, K.
        variables: of the model.
        tasks: a batch of them.
        rate: in place of the one in `evaluation`; may be traced.
        score: (outputs, query) -> (sum, weight), in place of the loss.

    Returns:
        Sums and weights over tasks, [K + 1] each.
    """
    check(tasks)
    state = dict(variables)
    params = state.pop("params")
    how = model.evaluation._replace(steps=1)
    how = how if rate is None else how._replace(rate=rate)

    def told(task, key):
        def scored(params):
            outputs, _ = model.outputs(params, state, task["query"], key)
            return (score or model.loss)(outputs, task["query"])

        def step(params, _):
            params, _, _ = model.adapt(params, state, task["support"], how)
            return params, scored(params)

        first, later = scored(params), model.evaluation.steps
        _, rest = jax.lax.scan(
            step, params, length=later, unroll=later if how.unroll else 1
        )
        return jax.tree.map(lambda a, b: jnp.append(a, b), first, rest)

    pairs = each(told, tasks, None, how.unroll)
    return jax.tree.map(lambda a: a.sum(0), pairs)
