"""The losses of boosting: what a round of trees is fitted to.

With F the scores of an example, y its target, g = dL/dF and h = d2L/dF2,

    squared    L = (y - F)^2 / 2                  g = F - y          h = 1
    logistic   L = -log P(y), P(1) = sigmoid(F)   g = P(1) - y       h = P(1) (1 - P(1))
    softmax    L = -log P(y), P = softmax(F)      g_k = P_k - [y=k]  h_k = P_k (1 - P_k)

The best constant F_0 is the mean of y, log(share of 1 / share of 0), or the logarithms
of the classes' shares.

Shapes: N examples, K trees of a round (classes for softmax, else 1).

References:
    Friedman, "Greedy function approximation: a gradient boosting machine", Annals of
    Statistics, 2001, https://doi.org/10.1214/aos/1013203451
"""

import jax
import jax.numpy as jnp

from zoo.classical import checks
from zoo.functional.losses import binary_cross_entropy, cross_entropy

LOSSES = ("squared", "logistic", "softmax")


def targets(loss: str, k: int, y: jax.Array, x: jax.Array) -> jax.Array:
    """y as floats of x's type, or as labels.

    Args:
        loss: one of `LOSSES`.
        k: K.
        y: [N].
        x: the examples, [N, D].

    Raises:
        ValueError: not finite, labels out of range or of one class, not as many as x.
    """
    if loss == "squared":
        y = checks.finite("y", y).astype(x.dtype)
    else:
        y = checks.labels("y", y)
        checks.classes(y, max(k, 2))
    if y.shape != x.shape[:1]:
        raise ValueError(f"y must be [{len(x)}], as many as x, got {list(y.shape)}")
    return y


def start(loss: str, k: int, y: jax.Array, weight: jax.Array) -> jax.Array:
    """F_0, [K]; a class that is not there counts as a share of one unit of rounding."""
    if loss == "squared":
        return ((weight * y).sum() / weight.sum()).reshape(1)
    hit = jax.nn.one_hot(y, max(k, 2), dtype=weight.dtype)  # [N, K]
    share = jnp.matmul(weight, hit, precision="highest") / weight.sum()
    share = jnp.maximum(share, jnp.finfo(weight.dtype).eps)
    return jnp.log(share) if loss == "softmax" else jnp.log(share[1:] / share[:1])


def slopes(
    loss: str, scores: jax.Array, y: jax.Array
) -> tuple[jax.Array, jax.Array]:  # [N, K], [N] -> [K, N] each
    """g and h."""
    if loss == "squared":
        g = scores - y.astype(scores.dtype).reshape(-1, 1)
        return g.T, jnp.ones_like(g.T)
    if loss == "logistic":
        p, rest = jax.nn.sigmoid(scores), jax.nn.sigmoid(-scores)
        hit = y.reshape(-1, 1) == 1
        return jnp.where(hit, -rest, p).T, (p * rest).T
    p = jax.nn.softmax(scores)
    hit = jax.nn.one_hot(y, scores.shape[1], dtype=scores.dtype)
    return (p - hit).T, (p * (1 - p)).T


def total(
    loss: str, scores: jax.Array, batch: dict[str, jax.Array]
) -> tuple[jax.Array, jax.Array]:
    """L of a batch, `y` and optionally `weight`, as a pair (sum, weight)."""
    if loss == "softmax":
        return cross_entropy(scores, batch)
    scores = scores[:, 0]
    y = batch["y"].astype(scores.dtype)
    if loss == "logistic":
        return binary_cross_entropy(scores, {**batch, "y": y})
    weight = batch.get("weight", jnp.ones_like(scores))
    return (weight * jnp.square(y - scores) / 2).sum(), weight.sum()


def called(loss: str, scores: jax.Array) -> jax.Array:  # [N, K] -> [N]
    """The number, or the likeliest class, of equal ones the lowest."""
    if loss == "squared":
        return scores[:, 0]
    if loss == "logistic":
        return (scores[:, 0] > 0).astype(jnp.int32)
    return scores.argmax(1).astype(jnp.int32)
