"""Learners: anything that improves by steps, as two pure functions and a state.

    init(key, batch)   -> state
    step(state, batch) -> (state, metrics)

The loop, the parallel forms, checkpoints, sweeps and reports know this and nothing
else. `supervised` turns a model, a loss and an optimizer into one.

    value, weight = psum of the local (sum, weight) of the loss
    grads         = psum of the local gradient of the sum / weight

A loss and a metric are pairs `(sum, weight)`: both are sums over examples, so they
add up over devices, micro-batches and batches, and are divided once. A mean of local
means is wrong as soon as examples are masked.

Chance belongs to the example: the step's key is fold_in(key, step), the same on every
device, and what a layer draws for an example comes from that key and the example's
`index`. So one device and eight draw the same numbers.
"""

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

import optim
from zoo.functional.dropout import example_keys

PyTree = Any
Batch = dict[str, Any]
Pair = tuple[jax.Array, jax.Array]  # (sum, weight)
AUGMENT = 0x41554747  # folded into the step's key: no layer's draws are the same


class Learner(NamedTuple):
    """What the loop runs.

    Attributes:
        init: (key, batch) -> state. Called once, on the whole batch, outside every
            parallel form; the state shares no buffer with its arguments.
        step: (state, batch) -> (state, metrics). The state keeps its shapes and
            types; metrics maps names to pairs (sum, weight), reduced over devices.
        evaluate: (state, batch) -> metrics, without a change of state.
        done: state -> bool scalar, for learners that finish; polled now and then.
        split: prefix tree of the state: the axis (an int) along which a leaf is per
            example, or -1 where the leaf is the same on every device. None: no leaf
            is split. Rows are reached by `zoo.functional.take_rows` and `put_rows`.
    """

    init: Callable[[jax.Array, Batch], PyTree]
    step: Callable[[PyTree, Batch], tuple[PyTree, dict[str, Pair]]]
    evaluate: Callable[[PyTree, Batch], dict[str, Pair]] | None = None
    done: Callable[[PyTree], jax.Array] | None = None
    split: Any = None


class TrainState(NamedTuple):
    step: jax.Array  # int32 scalar: steps taken
    key: jax.Array  # never advanced; a step's own key is fold_in(key, step)
    params: PyTree
    model_state: PyTree  # batch statistics and whatever else apply mutates
    opt_state: PyTree
    ema: PyTree  # moving average of params, or None


def mean(pair: Pair) -> jax.Array:
    """A pair's sum over its weight; 0 where nothing was counted."""
    return pair[0] / _divisor(pair)


def eval_variables(state: TrainState) -> dict[str, PyTree]:
    """The variables at which to evaluate a model.

    The parameters are their moving average if there is one, else what the optimizer
    says (`optim.eval_params`).
    """
    params = state.ema
    if params is None:
        params = optim.eval_params(state.opt_state, state.params)
    return {"params": params, **state.model_state}


def supervised(
    model,
    loss: Callable[[Any, Batch], Pair],
    optimizer: optax.GradientTransformation,
    *,
    metrics: dict[str, Callable[[Any, Batch], Pair]] | None = None,
    axis_name: str | None = None,
    ema: float | None = None,
    dtype: jax.typing.DTypeLike | None = None,
    accumulate: int = 1,
    augment: Callable[[jax.Array, Any], Any] | None = None,
) -> Learner:
    """A network that learns from labelled batches.

    The optimizer is told, as optax's extra arguments, what some need beside the
    gradient, all of it reduced over devices: `value`, `grad`, `value_fn(params)` and
    `grad_fn(params)`. Evaluation uses the moving average of the parameters if there
    is one, else `optim.eval_params`.

    BatchNorm is synchronised over devices if the model has the axis name as a field
    (`zoo.create(..., axis_name=axis_name)`). Without it each device normalises by
    its own examples, and the running statistics are the mean over the devices: their
    variance leaves out the spread between devices.

    Args:
        model: a linen module; called as `model(x)`, with `train` and `index` as
            keywords if its `__call__` has them.
        loss: (outputs, batch) -> (sum, weight).
        optimizer: any optax transformation.
        metrics: more functions of that kind, by name; reported beside `loss`.
        axis_name: the parallel axis over which the step reduces, if it has one.
        ema: decay of a moving average of the parameters, in (0, 1). The decay used
            at step n is min(ema, (1 + n) / (10 + n)).
        dtype: compute in this type (bfloat16); parameters, statistics, loss and
            gradients keep theirs.
        accumulate: micro-batches for each step; must divide each device's batch.
        augment: (key, example of x) -> example, applied in training alone, with a key
            of the example's own; such as those of `zoo.functional.augmentation`.

    Returns:
        A learner whose batches are dicts with `x`, what the loss needs (`y`,
        `weight`) and `index`, the global numbers of the examples.

    Raises:
        ValueError: for an ema or accumulate out of range, or, when traced, a batch
            that `accumulate` does not divide.
    """
    if ema is not None and not 0 < ema < 1:
        raise ValueError(f"ema must be in (0, 1), got {ema}")
    if not (isinstance(accumulate, int) and accumulate >= 1):
        raise ValueError(f"accumulate must be an integer >= 1, got {accumulate!r}")
    reported = {"loss": loss, **(metrics or {})}
    optimizer = optax.with_extra_args_support(optimizer)
    keywords = inspect.signature(type(model).__call__).parameters

    def total(tree):
        return jax.lax.psum(tree, axis_name) if axis_name else tree

    def mean_of_floats(tree):  # integers (counters) are equal everywhere already
        def reduce(x):
            floating = jnp.issubdtype(x.dtype, jnp.floating)
            return jax.lax.pmean(x, axis_name) if axis_name and floating else x

        return jax.tree.map(reduce, tree)

    def apply(params, model_state, batch, key=None):
        """The metrics' pairs and the new model state; `key` only in training."""
        train = key is not None
        given = {"train": train, "index": batch.get("index")}
        given = {name: value for name, value in given.items() if name in keywords}
        x = batch["x"]
        if train and augment is not None:
            draws = example_keys(jax.random.fold_in(key, AUGMENT), batch["index"])
            x = jax.vmap(augment)(draws, x)
        params, x = _cast((params, x), dtype)
        outputs, new_state = model.apply(
            {"params": params, **model_state},
            x,
            mutable=list(model_state) if train else [],
            rngs={"dropout": key} if train else {},
            **given,
        )
        outputs = _cast(outputs, dtype and jnp.float32)
        return {name: f(outputs, batch) for name, f in reported.items()}, new_state

    def local(params, model_state, batch, key):
        """Gradient of the local sum, statistics and pairs, over the micro-batches."""

        def local_sum(params, model_state, batch):
            pairs, model_state = apply(params, model_state, batch, key)
            return pairs["loss"][0], (pairs, model_state)

        def body(carry, batch):
            grads, pairs, model_state = carry
            more, (new, model_state) = gradient(params, model_state, batch)
            grads, pairs = jax.tree.map(jnp.add, (grads, pairs), (more, new))
            return (grads, pairs, model_state), None

        gradient = jax.grad(local_sum, has_aux=True)
        if accumulate == 1:
            grads, (pairs, model_state) = gradient(params, model_state, batch)
            return grads, pairs, model_state
        parts = _micro_batches(batch, accumulate)
        one = jax.tree.map(lambda x: x[0], parts)
        shapes, (pairs, _) = jax.eval_shape(gradient, params, model_state, one)
        zeros = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), (shapes, pairs))
        # Unrolled on a CPU: a convolution inside a loop is fifty times slower there.
        unroll = accumulate if jax.default_backend() == "cpu" else 1
        return jax.lax.scan(body, (*zeros, model_state), parts, unroll=unroll)[0]

    def init(key, batch):
        given = {"train": False} if "train" in keywords else {}
        params_key, key = jax.random.split(key)
        variables = dict(model.init(params_key, batch["x"], **given))
        params = variables.pop("params")
        return TrainState(
            step=jnp.int32(0),
            key=key,
            params=params,
            model_state=variables,
            opt_state=optimizer.init(params),
            ema=None if ema is None else jax.tree.map(jnp.copy, params),
        )

    def step(state, batch):
        key = jax.random.fold_in(state.key, state.step)

        def reduced(params):
            grads, pairs, model_state = local(params, state.model_state, batch, key)
            grads, pairs = total((grads, pairs))
            weight = _divisor(pairs["loss"])
            grads = jax.tree.map(lambda g: g / weight.astype(g.dtype), grads)
            return grads, pairs, mean_of_floats(model_state)

        def value_fn(params, grad_fn=None):
            del grad_fn  # optax's line searches refuse arguments that this one does
            return mean(reduced(params)[1]["loss"])

        grads, pairs, model_state = reduced(state.params)
        updates, opt_state = optimizer.update(
            grads,
            state.opt_state,
            state.params,
            value=mean(pairs["loss"]),
            grad=grads,
            value_fn=value_fn,
            grad_fn=lambda params: reduced(params)[0],
        )
        params = optax.apply_updates(state.params, updates)
        new = TrainState(
            step=state.step + 1,
            key=state.key,
            params=params,
            model_state=model_state,
            opt_state=opt_state,
            ema=None if ema is None else _average(ema, state, params),
        )
        return new, pairs

    def evaluate(state, batch):
        variables = eval_variables(state)
        return total(apply(variables["params"], state.model_state, batch)[0])

    return Learner(init, step, evaluate)


def _divisor(pair):
    return jnp.where(pair[1] == 0, 1, pair[1])  # a batch without examples: 0, not NaN


def _cast(tree, dtype):
    """Floating leaves in `dtype`; None leaves everything as it is."""
    if dtype is None:
        return tree

    def cast(x):
        return x.astype(dtype) if jnp.issubdtype(x.dtype, jnp.floating) else x

    return jax.tree.map(cast, tree)


def _micro_batches(batch, count):  # [B, ...] -> [count, B / count, ...]
    """Every count-th example, so that a sharded batch keeps rows on their device."""

    def split(x):
        if x.shape[0] % count:
            raise ValueError(
                f"accumulate must divide the batch of each device: {x.shape[0]} "
                f"examples cannot be cut into {count} micro-batches"
            )
        return jnp.moveaxis(x.reshape(-1, count, *x.shape[1:]), 1, 0)

    return jax.tree.map(split, batch)


def _average(decay, state, params):
    n = state.step.astype(jnp.float32)
    d = jnp.minimum(decay, (1 + n) / (10 + n))
    return jax.tree.map(
        lambda a, p: (d * a + (1 - d) * p).astype(p.dtype), state.ema, params
    )
