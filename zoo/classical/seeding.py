"""Where clusterings start: k-means++, or points drawn evenly.

The first centre is a point drawn evenly; each further one is a point drawn with

    p(x) = d(x)^2 / sum of d^2        d: the distance to the nearest centre so far

Greedy, as in scikit-learn: of 2 + floor(log K) points so drawn the one is taken that
leaves the least sum of d^2. `trials=1` is the paper's form; drawn often enough, it is
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
    key: jax.Array, x: jax.Array, k: int, trials: int | None = None
) -> jax.Array:
    """The numbers of K points, drawn by k-means++.

    Args:
        key: for the draws.
        x: [N, D]; of points far from 0 the mean should be taken off first.
        k: K.
        trials: T, points drawn for each centre, of which the best is taken; None:
            2 + floor(log K).

    Returns:
        int32 [K]. Where there are fewer different points than K, some are the same.
    """
    trials = 2 + int(math.log(k)) if trials is None else trials
    draws = jax.random.uniform(key, (k, trials), x.dtype)
    squares = jnp.square(x).sum(1)

    def to(at):  # [T] -> [T, N], squared distances to these points
        product = jnp.matmul(x[at], x.T, precision="highest")
        apart = squares[at].reshape(-1, 1) + squares.reshape(1, -1) - 2 * product
        itself = at.reshape(-1, 1) == jnp.arange(len(x)).reshape(1, -1)
        return jnp.where(itself, 0, jnp.maximum(apart, 0))

    def add(i, carry):
        chosen, least = carry
        mass = jnp.cumsum(least)
        passed = mass.reshape(1, -1) <= (draws[i] * mass[-1]).reshape(-1, 1)
        at = jnp.minimum(passed.sum(1, dtype=jnp.int32), len(x) - 1)
        after = jnp.minimum(least.reshape(1, -1), to(at))  # [T, N]
        best = after.sum(1).argmin()
        return chosen.at[i].set(at[best]), after[best]

    first = jnp.minimum((draws[0, 0] * len(x)).astype(jnp.int32), len(x) - 1)
    chosen = jnp.zeros(k, jnp.int32).at[0].set(first)
    return jax.lax.fori_loop(1, k, add, (chosen, to(first.reshape(1))[0]))[0]


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
