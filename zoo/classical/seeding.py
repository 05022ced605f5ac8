"""Where clusterings start: k-means++, or points drawn evenly; rounds of k-means.

The first centre is a point drawn evenly; each further one is a point drawn with

    p(x) = w(x) d(x)^2 / sum of w d^2    d: the distance to the nearest centre so far

Greedy, as in scikit-learn: of 2 + floor(log K) points so drawn the one is taken that
leaves the least sum of w d^2. `trials=1` is the paper's form; drawn often enough, it is
within a factor of 8 (log K + 2) of the best inertia on average.

Shapes: N points, D features, K centres, T trials.

References:
    Arthur and Vassilvitskii, "k-means++: the advantages of careful seeding", SODA
    2007, https://theory.stanford.edu/~sergei/papers/kMeansPP-soda.pdf
"""

import math

import jax
import jax.numpy as jnp
import numpy as np


def plus_plus(
    key: jax.Array,
    x: jax.Array,
    k: int,
    trials: int | None = None,
    weight: jax.Array | None = None,
) -> jax.Array:
    """The numbers of K points, drawn by k-means++.

    Args:
        key: for the draws.
        x: [N, D]; of points far from 0 the mean should be taken off first.
        k: K.
        trials: T, points drawn for each centre, of which the best is taken; None:
            2 + floor(log K).
        weight: w, by which a point counts, >= 0, [N]; None: 1.

    Returns:
        int32 [K]. Where there are fewer different points than K, some are the same.
    """
    trials = 2 + int(math.log(k)) if trials is None else trials
    weight = jnp.ones(len(x), x.dtype) if weight is None else weight
    draws = jax.random.uniform(key, (k, trials), x.dtype)
    squares = jnp.square(x).sum(1)

    def drawn(chance, uniform):  # [N], [T] -> [T]
        mass = jnp.cumsum(chance)
        passed = mass.reshape(1, -1) <= (uniform * mass[-1]).reshape(-1, 1)
        return jnp.minimum(passed.sum(1, dtype=jnp.int32), len(x) - 1)

    def to(at):  # [T] -> [T, N], squared distances to these points
        product = jnp.matmul(x[at], x.T, precision="highest")
        apart = squares[at].reshape(-1, 1) + squares.reshape(1, -1) - 2 * product
        itself = at.reshape(-1, 1) == jnp.arange(len(x)).reshape(1, -1)
        return jnp.where(itself, 0, jnp.maximum(apart, 0))

    def add(i, carry):
        chosen, least = carry
        at = drawn(least * weight, draws[i])
        after = jnp.minimum(least.reshape(1, -1), to(at))  # [T, N]
        best = (after @ weight).argmin()
        return chosen.at[i].set(at[best]), after[best]

    first = drawn(weight, draws[0, :1])
    chosen = jnp.zeros(k, jnp.int32).at[0].set(first[0])
    return jax.lax.fori_loop(1, k, add, (chosen, to(first)[0]))[0]


def settled(
    x: jax.Array, centres: jax.Array, weight: jax.Array, rounds: int
) -> jax.Array:
    """Centres after a few rounds of k-means; one without points stays where it is.

    Args:
        x: [N, D].
        centres: [K, D].
        weight: by which a point counts, >= 0, [N].
        rounds: each point goes to its nearest centre, each centre to their mean.

    Returns:
        [K, D].
    """

    def settle(_, centres):
        parts = nearest(x, centres) * weight.reshape(-1, 1)
        counts = parts.sum(0).reshape(-1, 1)
        means = (parts.T @ x) / jnp.where(counts > 0, counts, 1)
        return jnp.where(counts > 0, means, centres)

    return jax.lax.fori_loop(0, rounds, settle, centres)


def nearest(x: jax.Array, centres: jax.Array) -> jax.Array:  # [N, D] -> [N, K]
    """1 at the nearest centre of each point, of equal ones the first; else 0."""
    squares = lambda centre: jnp.sum((x - centre.reshape(1, -1)) ** 2, axis=1)
    near = jax.lax.map(squares, centres).argmin(0)
    return jax.nn.one_hot(near, len(centres), dtype=x.dtype)


def evenly(
    key: jax.Array, x: jax.Array, k: int, trials: int | None = None
) -> jax.Array:
    """The numbers of K different points, each set of them as likely as any.

    Args:
        key: for the draw.
        x: [N, D].
        k: K.
        trials: not used.

    Returns:
        int32 [K].
    """
    del trials
    return jax.random.permutation(key, len(x))[:k].astype(jnp.int32)


STARTS = {"k-means++": plus_plus, "random": evenly}


def positive(name: str, value: int) -> None:
    """Refuses what is not a positive integer.

    Raises:
        ValueError: another thing, or a number below 1.
    """
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not whole or value < 1:
        raise ValueError(f"{name} must be a positive integer, got {value!r}")
