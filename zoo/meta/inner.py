"""The inner loop: steps of gradient descent on one task's few examples.

    theta_0     = theta
    theta_{i+1} = theta_i - m alpha grad L(theta_i)      i = 0 .. K - 1

alpha, the inner rate, is a number or one for each parameter; m is 1 for what adapts and
0 for the rest. Seen from outside theta_K is a function of theta, with the derivative

    order 2    (I - m alpha H_{K-1}) ... (I - m alpha H_0)     H_i: Hessian of L
    order 1    I                                               as if H were 0

Whatever does not adapt is no argument of the inner gradient, so it costs nothing there;
it is learned outside all the same.

References:
    Finn, Abbeel and Levine, "Model-agnostic meta-learning for fast adaptation of deep
    networks", ICML 2017, https://arxiv.org/abs/1703.03400
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from optim.errors import check_count
from zoo.learner import Pair, PyTree, mean

Adapts = Callable[[str], bool] | PyTree | None


class Inner(NamedTuple):
    """How a task is adapted to; made by `inner`, which checks it."""

    rate: Any  # alpha: a number, or a prefix tree of numbers or arrays
    steps: int  # K
    adapts: Adapts  # None: everything
    order: int  # 1 or 2
    unroll: bool  # written out, not scanned


def inner(
    rate: Any,
    steps: int,
    adapts: Adapts = None,
    order: int = 2,
    unroll: bool = False,
) -> Inner:
    """Checks how a task is adapted to.

    Args:
        rate: alpha, a finite number >= 0; or a prefix tree of the parameters whose
            leaves are such numbers, or arrays that broadcast to a parameter. May be
            traced.
        steps: K, >= 1.
        adapts: which parameters move: a predicate on paths such as `head/kernel`, or
            a prefix tree of bools; None for all of them.
        order: 2 differentiates through the steps, 1 takes their gradients as constants.
        unroll: tasks and steps are written out one after the other: for nets that
            convolve, on a CPU (there a convolution in a loop, or mapped over kernels,
            is many times slower).

    Raises:
        ValueError: a rate or a count out of range; an order that is neither 1 nor 2.
    """
    steps = check_count("steps", steps)
    if order not in (1, 2):
        raise ValueError(f"order must be 1 or 2, got {order!r}")
    for leaf in jax.tree.leaves(rate):
        if isinstance(leaf, jax.core.Tracer):
            continue
        values = np.asarray(leaf)
        number = values.dtype.kind in "fiu" or values.dtype == jnp.bfloat16
        if not (number and np.isfinite(values).all() and (values >= 0).all()):
            raise ValueError(f"rate must be finite numbers >= 0, got {leaf!r}")
    return Inner(rate, steps, adapts, order, unroll)


def mask(params: PyTree, adapts: Adapts = None) -> list[bool]:
    """For each leaf of the parameters, in their order, whether it adapts.

    Args:
        params: a tree of arrays, or of anything.
        adapts: as of `inner`.

    Raises:
        ValueError: no parameter adapts; a tree that is no prefix, or not of bools.
    """
    leaves = jax.tree.leaves_with_path(params)
    paths = [
        jax.tree_util.keystr(path, simple=True, separator="/") for path, _ in leaves
    ]
    if adapts is None:
        chosen = [True] * len(paths)
    elif callable(adapts):
        chosen = [bool(adapts(path)) for path in paths]
    else:
        chosen = spread("adapts", adapts, params)
        if not all(isinstance(leaf, bool | np.bool_) for leaf in chosen):
            raise ValueError(f"adapts must be a tree of bools, got {adapts!r:.80}")
    if not any(chosen):
        raise ValueError(
            f"adapts must choose a parameter or more, got none of {', '.join(paths)}"
        )
    return chosen


def spread(name: str, prefix: PyTree, params: PyTree) -> list:
    """A prefix tree's leaf for each leaf of the parameters, in their order.

    Raises:
        ValueError: it is no prefix of theirs; the message begins with `name`.
    """
    try:
        return jax.tree.leaves(jax.tree.broadcast(prefix, params))
    except ValueError as error:
        raise ValueError(
            f"{name} must be a prefix of the tree of parameters: {error}"
        ) from None


def descend(
    value: Callable[[PyTree, PyTree, jax.Array], tuple[Pair, PyTree]],
    params: PyTree,
    model_state: PyTree,
    how: Inner,
) -> tuple[PyTree, PyTree, Pair]:
    """K steps down a loss.

    Args:
        value: (params, model_state, i) -> ((sum, weight) of the loss, new model_state)
            of step i, an int32 scalar.
        params: theta.
        model_state: what `value` carries on from step to step.
        how: of `inner`.

    Returns:
        theta_K, the last model_state, and the losses' pairs before each step, [K] each.

    Raises:
        ValueError: no parameter adapts; rates that do not fit the parameters.
    """
    leaves, tree = jax.tree.flatten(params)
    chosen = mask(params, how.adapts)
    rates = [
        _rate(rate, leaf)
        for rate, leaf, moves in zip(
            spread("rate", how.rate, params), leaves, chosen, strict=True
        )
        if moves
    ]
    held = jax.lax.stop_gradient if how.order == 1 else lambda x: x

    def whole(fast, rest=leaves):
        fast = iter(fast)
        pairs = zip(rest, chosen, strict=True)
        return tree.unflatten([next(fast) if moves else leaf for leaf, moves in pairs])

    def step(carry, i):
        fast, model_state = carry

        def loss(fast):
            pair, new = value(whole(fast, held(leaves)), model_state, i)
            return mean(pair), (pair, new)

        grads, (pair, new) = jax.grad(loss, has_aux=True)(held(fast))
        fast = [p - r * g for p, r, g in zip(fast, rates, grads, strict=True)]
        return (fast, new), pair

    fast = [leaf for leaf, moves in zip(leaves, chosen, strict=True) if moves]
    unroll = how.steps if how.unroll else 1
    steps = jnp.arange(how.steps, dtype=jnp.int32)
    (fast, model_state), pairs = jax.lax.scan(
        step, (fast, model_state), steps, unroll=unroll
    )
    return whole(fast), model_state, pairs


def _rate(rate, leaf):
    rate = jnp.asarray(rate).astype(leaf.dtype)
    try:
        fits = jnp.broadcast_shapes(rate.shape, leaf.shape) == leaf.shape
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(f"rate of shape {rate.shape} does not fit {leaf.shape}")
    return jnp.broadcast_to(rate, leaf.shape) if rate.ndim else rate
