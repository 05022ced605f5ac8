"""The paths that optimizers take, with all that they saw and kept on the way."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from optim.descent import descend
from optim.problem import Problem


class Trace(NamedTuple):
    """A path of T steps in D variables; step t leads from point t to point t + 1."""

    positions: jax.Array  # [T + 1, D], the start first
    values: jax.Array  # [T + 1], f at the positions, without noise
    gradients: jax.Array  # [T, D], as the optimizer saw them, with noise
    updates: jax.Array  # [T, D], what the steps added
    state: dict[str, jax.Array]  # name -> [T + 1, ...], what it kept, but for keys


def trace(
    tx: optax.GradientTransformation,
    f: Problem | Callable[[jax.Array], jax.Array],
    start: Sequence[float] | jax.Array | None = None,
    steps: int = 100,
    key: jax.Array | None = None,
) -> Trace:
    """The way of an optimizer down a problem, in one scan.

    It may be mapped (`jax.vmap`) over starts, keys, and the numbers that `tx` is made
    of: thousands of paths are one call.

    Args:
        tx: the optimizer; it is handed value, grad, value_fn and grad_fn.
        f: a problem, or a function [D] -> scalar.
        start: the first point, [D]; None for the problem's own.
        steps: number of updates, >= 0.
        key: of the noise, for a problem that has some; step t draws from
            `fold_in(key, t)`.

    Returns:
        The trace. A leaf of the state is named by its field, as `m` of `AdamState`, or
        by its whole path (`0.m`) where two fields have one name.

    Raises:
        ValueError: no start, and f is not a problem; negative steps; a noisy problem
            without a key, or a key for one without noise.
    """
    sample = f.sample if isinstance(f, Problem) else None
    if start is None:
        if not isinstance(f, Problem):
            raise ValueError("start must be given for an f that is not a Problem")
        start = f.start
    if steps < 0:
        raise ValueError(f"steps must be >= 0, got {steps}")
    if (sample is None) != (key is None):
        name = f.name if isinstance(f, Problem) else "f"
        needs = "be None" if sample is None else "be given"
        raise ValueError(
            f"key must {needs} for {name}, "
            f"got {'none' if key is None else 'one'}: it is for noise"
        )
    x0 = jnp.array(start, jnp.result_type(float, *jax.tree.leaves(start)))
    state0 = tx.init(x0)

    def step(carry, t):
        x, state = carry
        seen = f
        if sample is not None:
            seen = lambda x: sample(jax.random.fold_in(key, t), x)
        taken = descend(tx, seen, x, state)
        value = taken.value if sample is None else f(x)
        carry = taken.x, taken.state
        return carry, (value, taken.grad, taken.updates, *carry)

    (end, _), rows = jax.lax.scan(step, (x0, state0), jnp.arange(steps))
    values, gradients, updates, positions, states = rows
    first = jax.tree.map(lambda x: jnp.asarray(x)[None], (x0, state0))
    positions, states = jax.tree.map(
        lambda x, rest: jnp.concatenate([x, rest]), first, (positions, states)
    )  # [1, ...] and [T, ...] -> [T + 1, ...]
    return Trace(
        positions=positions,
        values=jnp.concatenate([values, f(end)[None]]),
        gradients=gradients,
        updates=updates,
        state=_named(states),
    )


def trajectory(
    tx: optax.GradientTransformation,
    f: Problem | Callable[[jax.Array], jax.Array],
    start: Sequence[float] | jax.Array | None = None,
    steps: int = 100,
    key: jax.Array | None = None,
) -> jax.Array:
    """The positions of `trace` alone, [steps + 1, D]."""
    return trace(tx, f, start, steps, key).positions


def _named(tree) -> dict[str, jax.Array]:
    leaves = [
        (path, leaf)
        for path, leaf in jax.tree_util.tree_flatten_with_path(tree)[0]
        if not jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)  # no numbers to show
    ]
    full = [jax.tree_util.keystr(p, simple=True, separator=".") for p, _ in leaves]
    short = [
        next((k.name for k in reversed(p) if hasattr(k, "name")), whole)
        for (p, _), whole in zip(leaves, full, strict=True)
    ]
    return {
        s if short.count(s) == 1 else whole: leaf
        for s, whole, (_, leaf) in zip(short, full, leaves, strict=True)
    }
