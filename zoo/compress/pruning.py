"""Pruning by magnitude: the smallest weights are set to zero and stay there.

    mask = rank of |w| >= round(s n)         n weights; of one layer, or of all
    s_t  = s_f + (s_i - s_f) (1 - (t - t_0) / (t_1 - t_0))^3       t_0 <= t <= t_1

The share s that is gone may grow while the network learns (the cubic law of Zhu and
Gupta); what is gone has no gradient and stays exactly 0, whatever the optimizer adds.

Shapes: n weights of what is ranked together.

References:
    Han, Pool, Tran and Dally, "Learning both weights and connections for efficient
    neural networks", NeurIPS 2015, https://arxiv.org/abs/1506.02626
    Zhu and Gupta, "To prune, or not to prune", 2017, https://arxiv.org/abs/1710.01878
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from optim import eval_params
from zoo.compress.reparameterise import (
    Rule,
    Select,
    flat,
    is_kernel,
    nested,
    replaced,
    selected,
)
from zoo.errors import unknown

PyTree = Any
Masks = dict[str, jax.Array]  # bool, by path: what stays
SCOPES = ("layer", "global")


def magnitude_masks(
    params: PyTree,
    sparsity: float | jax.Array | Mapping[str, float],
    scope: str = "layer",
    select: Select = is_kernel,
) -> Masks:
    """Which weights stay if the smallest go.

    Args:
        params: of a network.
        sparsity: the share that goes, in [0, 1); by path, if layers differ.
        scope: `layer`, the share of each, or `global`, of all of them together.
        select: which leaves are pruned.

    Returns:
        For each leaf, by path, True where it stays. Exactly round(s n) go; of equal
        ones those that come first.

    Raises:
        ValueError: a sparsity out of range, an unknown scope or path, nothing selected,
            or a sparsity at which nothing would be left.
    """
    if scope not in SCOPES:
        raise unknown("scope", scope, SCOPES)
    weights = selected(params, select)
    if isinstance(sparsity, Mapping):
        if scope == "global":
            raise ValueError("sparsity must be one number where scope is 'global'")
        for path in sparsity:
            if path not in weights:
                raise unknown("weight", path, weights)
        return {
            path: _largest(leaf.ravel(), sparsity.get(path, 0.0)).reshape(leaf.shape)
            for path, leaf in weights.items()
        }
    if scope == "layer":
        return {
            path: _largest(leaf.ravel(), sparsity).reshape(leaf.shape)
            for path, leaf in weights.items()
        }
    stays = _largest(jnp.concatenate([x.ravel() for x in weights.values()]), sparsity)
    ends = np.cumsum([x.size for x in weights.values()])[:-1].tolist()
    parts = zip(weights.items(), jnp.split(stays, ends), strict=True)
    return {path: part.reshape(leaf.shape) for (path, leaf), part in parts}


def _largest(values: jax.Array, sparsity: float | jax.Array) -> jax.Array:  # [n]
    """True for all but the round(s n) smallest."""
    n = values.size
    if not isinstance(sparsity, jax.core.Tracer):
        _check("sparsity", sparsity)
        if round(float(sparsity) * n) >= n:
            raise ValueError(
                f"sparsity must leave a weight at least, got {sparsity} of {n} weights"
            )
    gone = jnp.round(jnp.asarray(sparsity, jnp.float32) * n).astype(jnp.int32)
    order = jnp.argsort(jnp.abs(values), stable=True)
    return jnp.zeros(n, bool).at[order].set(jnp.arange(n) >= gone)


def masked_params(params: PyTree, masks: Masks) -> PyTree:
    """The parameters with what is masked at 0."""
    leaves = flat(params)
    held = {path: jnp.where(m, leaves[path], 0) for path, m in masks.items()}
    return replaced(params, held)


def sparsity_of(params: PyTree, select: Select = is_kernel) -> float:
    """The share of the weights that is exactly 0."""
    weights = selected(params, select).values()
    return 1 - sum(int((np.asarray(x) != 0).sum()) for x in weights) / sum(
        x.size for x in weights
    )


def cubic_sparsity(
    final: float, begin: int = 0, end: int = 0, initial: float = 0.0
) -> Callable[[jax.Array], jax.Array]:
    """The share that is gone, by step: 0 before `begin`, `final` from `end` on.

    Args:
        final: s_f, in [0, 1).
        begin: t_0; from there on `initial` is gone.
        end: t_1; the same as `begin` prunes at once.
        initial: s_i, in [0, final].

    Raises:
        ValueError: a share or a step out of range.

    >>> round(float(cubic_sparsity(0.8, 0, 10)(5)), 4)
    0.7
    """
    _check("final", final)
    if not 0 <= initial <= final:
        raise ValueError(f"initial must be in [0, final = {final}], got {initial}")
    if not 0 <= begin <= end:
        raise ValueError(f"begin and end must be 0 <= begin <= end, got {begin}, {end}")

    def at(step):
        part = (step - begin) / max(end - begin, 1)
        part = jnp.where(step >= end, 1.0, jnp.clip(part, 0.0, 1.0))
        now = final + (initial - final) * (1 - part) ** 3
        return jnp.where(step < begin, 0.0, now)

    return at


class PrunedState(NamedTuple):
    """Of `pruned`."""

    inner: optax.OptState  # of the optimizer that is wrapped
    count: jax.Array  # int32 scalar: steps taken
    masks: Masks  # what stays

    def eval_params(self, params: optax.Params) -> optax.Params:
        """Where the wrapped optimizer evaluates, with what is pruned at 0."""
        return masked_params(eval_params(self.inner, params), self.masks)


def pruned(
    inner: optax.GradientTransformation,
    final: float,
    begin: int = 0,
    end: int = 0,
    every: int = 100,
    *,
    initial: float = 0.0,
    scope: str = "global",
    select: Select = is_kernel,
) -> optax.GradientTransformationExtraArgs:
    """Prunes while it trains: an optimizer whose masks are part of its state.

    Masks are made anew at step `begin`, every so many steps from there on, and at
    `end`; after that the weights that are left are retrained. What was masked is ranked
    with the rest, as zeros.

    Args:
        inner: the whole optimizer.
        final: the share that is gone in the end, in [0, 1).
        begin: the first step that prunes.
        end: the last; with `begin`, the default, all goes at once.
        every: steps from one pruning to the next.
        initial: the share that goes at `begin`.
        scope: see `magnitude_masks`.
        select: likewise.

    Raises:
        ValueError: a share, step or scope out of range.
    """
    at = cubic_sparsity(final, begin, end, initial)
    if not every >= 1:
        raise ValueError(f"every must be an integer >= 1, got {every}")
    if scope not in SCOPES:
        raise unknown("scope", scope, SCOPES)
    inner = optax.with_extra_args_support(inner)

    def init(params):
        weights = selected(params, select)
        magnitude_masks(  # only to refuse what would leave nothing
            jax.tree.map(lambda x: np.zeros(x.shape, np.float32), nested(weights)),
            *(final, scope, lambda path: True),
        )
        return PrunedState(
            inner=inner.init(params),
            count=jnp.zeros((), jnp.int32),
            masks={path: jnp.ones(leaf.shape, bool) for path, leaf in weights.items()},
        )

    def update(updates, state, params=None, **extra_args):
        if params is None:
            raise ValueError("pruned needs params: it ranks them")
        t = state.count
        due = ((t >= begin) & (t < end) & ((t - begin) % every == 0)) | (t == end)
        masks = jax.lax.cond(
            due,
            lambda: magnitude_masks(
                masked_params(params, state.masks), at(t), scope, select
            ),
            lambda: state.masks,
        )
        updates, new = inner.update(
            masked_params(updates, masks), state.inner, params, **extra_args
        )
        leaves, now = flat(updates), flat(params)
        held = {p: jnp.where(m, leaves[p], -now[p]) for p, m in masks.items()}
        updates = replaced(updates, held)
        return updates, PrunedState(new, optax.safe_increment(t), masks)

    return optax.GradientTransformationExtraArgs(init, update)


def masked(masks: Masks | None = None, select: Select = is_kernel) -> Rule:
    """A rule: the weights times a mask, which is model state.

    Args:
        masks: what stays; None keeps what is not 0.
        select: which leaves are masked, if no masks are given.
    """

    def encode(params):
        if masks is not None:
            return params, {path: jnp.asarray(m) for path, m in masks.items()}
        return params, {p: x != 0 for p, x in selected(params, select).items()}

    return Rule(encode, lambda floats, codes, key: masked_params(floats, codes))


def sensitivity(
    evaluate: Callable[[PyTree], float],
    params: PyTree,
    sparsities: Sequence[float],
    select: Select = is_kernel,
) -> dict[str, list[float]]:
    """How a network takes it if one layer alone is pruned, without retraining.

    Args:
        evaluate: params -> a number, such as the accuracy on held-out examples.
        params: of the network.
        sparsities: shares that go.
        select: which leaves are tried.

    Returns:
        For each leaf, by path, the number at each sparsity.

    Raises:
        ValueError: a sparsity out of range.
    """

    def without(path, share):
        masks = magnitude_masks(params, {path: share}, select=select)
        return float(evaluate(masked_params(params, masks)))

    paths = selected(params, select)
    return {path: [without(path, s) for s in sparsities] for path in paths}


def _check(name: str, share: float) -> None:
    if not 0 <= share < 1:
        raise ValueError(f"{name} must be a number in [0, 1), got {share}")
