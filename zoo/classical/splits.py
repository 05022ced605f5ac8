"""The best split of each of many nodes, from their histograms.

A node t holds examples with weights w_n. Its channels s are sums over them, and P(s) is
minus its impurity times its weight W, but for what no split changes:

    gini           s_k = sum of w_n [y_n = k]        P(s) = sum_k s_k^2 / W
    entropy        s_k likewise                      P(s) = sum_k s_k log2(s_k / W)
    squared_error  s   = (sum w_n, sum w_n y_n)      P(s) = s_1^2 / (s_0 + penalty)

A split of t in l and r gains P(s_l) + P(s_r) - P(s_t), of which the largest is taken;
of those that are equal, to rounding, that of the lowest feature, then of the lowest
threshold.

The histogram h[b, q, t, f] is the sum of channel q over the examples in node t whose
feature f is in bin b. A split is tried below each bin that is not empty, so no side can
be. The sides are L h and (1 - L) h with L strictly lower triangular, products of
matrices for all nodes, features and channels; neither is a difference, which would lose
digits.

Shapes: B bins, Q channels, C nodes, F features, K classes.

References:
    Breiman, Friedman, Olshen and Stone, "Classification and regression trees", 1984,
    https://doi.org/10.1201/9781315139470
    Quinlan, "Induction of decision trees", Machine Learning, 1986,
    https://doi.org/10.1007/BF00116251 (entropy)
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

CRITERIA = ("gini", "entropy", "squared_error")
GROUP = 16  # bins that are summed at once, where there are many
CLOSE = 64  # splits are equal whose scores differ by so many units of rounding


class Split(NamedTuple):
    """The best split of each node, and what it makes of the channels."""

    gain: jax.Array  # [C]; -inf where no split is allowed
    feature: jax.Array  # int32 [C], among the F
    below: jax.Array  # int32 [C], the last bin on the left that is not empty
    bin: jax.Array  # int32 [C], the first bin on the right, which is not empty
    total: jax.Array  # [Q, C], the channels of the node
    left: jax.Array  # [Q, C], of the left side
    right: jax.Array  # [Q, C], of the right side


def weight(sums: jax.Array, criterion: str, axis: int = 0) -> jax.Array:
    """W of channels along an axis, [.., Q, ..] -> [.., ..]."""
    if criterion == "squared_error":
        return jax.lax.index_in_dim(sums, 0, axis, keepdims=False)
    return sums.sum(axis)


def purity(
    sums: jax.Array, criterion: str, penalty: float | jax.Array = 0.0, axis: int = 0
) -> jax.Array:
    """P of channels along an axis, [.., Q, ..] -> [.., ..]; 0 without examples.

    Args:
        sums: the channels.
        criterion: one of `CRITERIA`.
        penalty: of the squared error.
        axis: where the channels are.
    """
    w = weight(sums, criterion, axis)
    if criterion == "squared_error":
        w = w + penalty
        top = jnp.square(jax.lax.index_in_dim(sums, 1, axis, keepdims=False))
        return top / jnp.where(w > 0, w, 1)
    if criterion == "gini":
        return jnp.square(sums).sum(axis) / jnp.where(w > 0, w, 1)
    return _times_log(sums).sum(axis) - _times_log(w)


def sides(h: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Sums over the bins below each bin, and over the others, [B, M] -> [B, M] twice.

    Many bins are summed in groups, and the groups then, which takes B / 32 times fewer
    products.
    """
    b, m = h.shape
    size = b if b <= 2 * GROUP else GROUP
    below = jnp.tri(size, k=-1, dtype=h.dtype)
    both = jnp.concatenate([below, 1 - below])  # [2 size, size]
    if size == b:
        left, right = jnp.matmul(both, h, precision="highest").reshape(2, b, m)
        return left, right
    count = -(-b // size)
    parts = jnp.pad(h, ((0, count * size - b), (0, 0))).reshape(count, size, m)
    found = jnp.einsum("ij,gjm->gim", both, parts, precision="highest")
    before = jnp.tri(count, k=-1, dtype=h.dtype)
    after = 1 - jnp.tri(count, dtype=h.dtype)
    rest = jnp.concatenate([before, after])  # [2 count, count]
    rest = jnp.matmul(rest, parts.sum(1), precision="highest")
    rest = rest.reshape(2, count, 1, m)
    left = (found[:, :size] + rest[0]).reshape(-1, m)[:b]
    right = (found[:, size:] + rest[1]).reshape(-1, m)[:b]
    return left, right


def best(
    histogram: jax.Array,
    criterion: str,
    penalty: float | jax.Array = 0.0,
    least: int = 1,
    counted: bool = False,
) -> Split:
    """The best split of each node.

    Args:
        histogram: h, [B, Q, C, F].
        criterion: one of `CRITERIA`.
        penalty: of the squared error.
        least: examples on each side, at least.
        counted: whether one more channel, the last, is the number of examples; else
            the weight is taken for it if `least` is more than 1.

    Returns:
        For each node; the channels are returned without the number of examples.
    """
    b, q, c, f = histogram.shape
    left, right = (s.reshape(b, q, c, f) for s in sides(histogram.reshape(b, -1)))
    total = histogram[..., 0].sum(0)  # [Q, C]
    here = histogram
    if counted:
        numbers = left[:, -1], right[:, -1]
        left, right, here = left[:, :-1], right[:, :-1], histogram[:, :-1]
        total = total[:-1]
    of = lambda sums: weight(sums, criterion, 1)  # [B, Q, C, F] -> [B, C, F]
    allowed = (of(left) > 0) & (of(here) > 0)
    if least > 1:
        numbers = numbers if counted else (of(left), of(right))
        allowed = allowed & (numbers[0] >= least) & (numbers[1] >= least)
    score = purity(left, criterion, penalty, 1) + purity(right, criterion, penalty, 1)
    score = jnp.where(allowed, score, -jnp.inf)

    # Of splits equal but for rounding the first, so that no order of sums decides.
    top = score.max((0, 2))  # [C]
    scale = jnp.abs(top)
    if criterion != "squared_error":
        scale = jnp.maximum(scale, total.sum(0))
    some = scale < jnp.inf
    near = jnp.where(some, top - CLOSE * jnp.finfo(top.dtype).eps * scale, jnp.inf)
    equal = score >= near.reshape(1, -1, 1)  # [B, C, F]
    feature = equal.any(0).argmax(1).astype(jnp.int32)  # [C]
    pick = feature.reshape(-1, 1)
    at = jnp.take_along_axis(equal.argmax(0), pick, 1)[:, 0].astype(jnp.int32)
    column = jnp.take_along_axis(here, pick.reshape(1, 1, -1, 1), 3)[..., 0]
    number = jnp.arange(b, dtype=jnp.int32).reshape(-1, 1)
    is_left = number < at.reshape(1, -1)  # [B, C]
    some = is_left & (weight(column, criterion, 1) > 0)
    return Split(
        gain=top - purity(total, criterion, penalty),
        feature=feature,
        below=jnp.where(some, number, 0).max(0),
        bin=at,
        total=total,
        left=jnp.where(is_left[:, None], column, 0).sum(0),
        right=jnp.where(is_left[:, None], 0, column).sum(0),
    )


def _times_log(p):  # p log2 p, and 0 at 0
    some = p > 0
    return jnp.where(some, p * jnp.log2(jnp.where(some, p, 1)), 0)
