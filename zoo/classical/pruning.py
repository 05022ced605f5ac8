"""Cost-complexity pruning: the best subtrees of a tree, by weakest links.

    R(T)  = the impurity of the leaves, each times its share of the examples' weight
    R_a(T) = R(T) + a (number of leaves of T)
    g(t)  = (R(t) - R(T_t)) / (leaves of T_t - 1)

For each a there is a smallest subtree of the least R_a. They are nested, and are found
by making the node t with the least g(t) a leaf, over and over; the next subtree is the
best from a = g(t) on. Since R(t) - R(T_t) is the sum of the decreases by the splits in
T_t, and there is one more leaf than splits, g(t) is the mean of these decreases.

Nodes are numbered in preorder, where a subtree is an interval. A step then is a few
operations on vectors of all nodes, and there are at most M / 2 steps.

Shapes: M nodes at most, P = (M + 1) / 2 splits at most, and none.

References:
    Breiman, Friedman, Olshen and Stone, "Classification and regression trees", 1984,
    Chapter 3, https://doi.org/10.1201/9781315139470
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from optim.errors import check_range
from zoo.classical.tree import Tree


class Path(NamedTuple):
    """The subtrees, largest first. Behind the last, the root alone, it is repeated."""

    alphas: jax.Array  # [P], rising from 0, from which on the subtree is the best
    impurities: jax.Array  # [P], R of its leaves
    leaves: jax.Array  # int32 [P], how many
    steps: jax.Array  # int32 scalar, subtrees before the root alone
    ends: jax.Array  # [M], the alpha from which on a node is not split; inf at leaves


@jax.jit
def path(tree: Tree) -> Path:
    """All best subtrees.

    Args:
        tree: of `zoo.classical.tree.fit`.

    Returns:
        The subtrees by a. Of nodes with equal g the one made first goes first, so that
        neighbours may have equal alphas, as in scikit-learn.
    """
    m = len(tree.feature)
    sums, splits, place = _preorder(tree)
    size = 2 * splits + 1  # nodes of the whole subtree
    total = jnp.where(tree.feature[0] >= 0, sums[0], 0)

    def step(carry):
        k, sums, splits, ends, alphas, impurities, leaves = carry
        g = jnp.where(
            splits > 0, sums / jnp.maximum(splits, 1).astype(sums.dtype), jnp.inf
        )
        t = g.argmin()
        alpha = jnp.maximum(g[t], alphas[k])  # it rises, but for rounding
        below = (place >= place[t]) & (place < place[t] + size[t])
        above = (place <= place[t]) & (place[t] < place + size)
        less = lambda array: jnp.where(below, 0, array - jnp.where(above, array[t], 0))
        ends = jnp.where(below & (splits > 0), alpha, ends)
        alphas = alphas.at[k + 1].set(alpha)
        impurities = impurities.at[k + 1].set(impurities[k] + sums[t])
        leaves = leaves.at[k + 1].set(leaves[k] - splits[t])
        return k + 1, less(sums), less(splits), ends, alphas, impurities, leaves

    zeros = jnp.zeros((m + 1) // 2, tree.decrease.dtype)
    start = (
        jnp.zeros((), jnp.int32),
        sums,
        splits,
        jnp.full(m, jnp.inf, zeros.dtype),
        zeros,
        zeros.at[0].set(tree.impurity - total),
        jnp.zeros(len(zeros), jnp.int32).at[0].set(splits[0] + 1),
    )
    k, *_, ends, alphas, impurities, leaves = jax.lax.while_loop(
        lambda carry: carry[2][0] > 0, step, start
    )
    at = jnp.minimum(jnp.arange(len(zeros)), k)
    return Path(alphas[at], impurities[at], leaves[at], k, ends)


def prune(tree: Tree, alpha: float | jax.Array, found: Path | None = None) -> Tree:
    """The smallest subtree with the least R_a.

    Args:
        tree: of `zoo.classical.tree.fit`.
        alpha: a, >= 0.
        found: its path, if it is known already.

    Returns:
        The tree, where all nodes that are no longer split are leaves; those below stay
        in the arrays, out of reach.

    Raises:
        ValueError: alpha is out of range.
    """
    alpha = check_range("alpha", alpha, 0, jnp.inf)
    return _cut(tree, jnp.asarray(alpha, tree.decrease.dtype), found or path(tree))


@jax.jit
def _cut(tree, alpha, found):
    stays = found.ends > alpha
    own = jnp.arange(len(tree.feature), dtype=jnp.int32)
    return tree._replace(
        feature=jnp.where(stays, tree.feature, -1),
        threshold=jnp.where(stays, tree.threshold, jnp.inf),
        left=jnp.where(stays, tree.left, own),
        decrease=jnp.where(stays, tree.decrease, 0),
    )


def _preorder(tree):
    """Of each node's subtree the sum of decreases and the splits; and its place."""
    m = len(tree.feature)
    own = jnp.arange(m, dtype=jnp.int32)
    split = tree.feature >= 0
    out = jnp.where(split, tree.left, m)
    parent = own.at[out].set(own, mode="drop").at[out + 1].set(own, mode="drop")
    right = jnp.zeros(m, bool).at[out + 1].set(True, mode="drop")
    deepen = lambda _, depth: jnp.where(parent == own, 0, depth[parent] + 1)
    depth = jax.lax.fori_loop(0, tree.depth, deepen, jnp.zeros(m, jnp.int32))

    def up(i, carry):
        at = (depth == tree.depth - i) & (parent != own)
        to = jnp.where(at, parent, m)
        return [array.at[to].add(array, mode="drop") for array in carry]

    carry = [tree.decrease, split.astype(jnp.int32)]
    sums, splits = jax.lax.fori_loop(0, tree.depth, up, carry)

    def down(_, place):
        before = jnp.where(right, 2 * splits[jnp.maximum(own - 1, 0)] + 1, 0)
        return jnp.where(parent == own, place, place[parent] + 1 + before)

    # Nodes out of reach lie behind all others, in no subtree but their own.
    start = jnp.where(own == 0, 0, 2 * m + own)
    return sums, splits, jax.lax.fori_loop(0, tree.depth, down, start)
