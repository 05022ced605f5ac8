"""Where to begin with K centres: k-means++, and a few rounds of k-means.

    c_1  any example;  then, one after the other,
    c_k  an example x with probability proportional to min_{j < k} |x - c_j|^2
    round: each example goes to its nearest centre; each centre to the mean of its own

An example that is chosen already has probability 0, so that the centres differ as long
as there are K different examples. A centre without examples stays where it is.

Shapes: N examples, D features, K centres.

References:
    Arthur and Vassilvitskii, "k-means++: the advantages of careful seeding", SODA
    2007, https://theory.stanford.edu/~sergei/papers/kMeansPP-soda.pdf
"""

import jax
import jax.numpy as jnp


def seeds(
    key: jax.Array, x: jax.Array, count: int, weight: jax.Array, rounds: int = 0
) -> jax.Array:
    """Centres far from each other: [K, D].

    Args:
        key: of the draws.
        x: examples, [N, D].
        count: K, at most N.
        weight: by which an example counts, >= 0, [N].
        rounds: of k-means, after the draws.
    """
    # Drawn at once, as the largest of log chance + Gumbel noise: one program less.
    noise = jax.random.gumbel(key, (count, len(x)), x.dtype)

    def pick(k, chance):
        return x[jnp.argmax(jnp.log(chance) + noise[k])]

    def add(k, carry):
        chosen, least = carry
        least = jnp.minimum(least, _squares(x, chosen[k - 1]))
        return chosen.at[k].set(pick(k, least * weight)), least

    def settle(_, centres):
        parts = nearest(x, centres) * weight[:, None]
        counts = parts.sum(0)[:, None]
        means = (parts.T @ x) / jnp.where(counts > 0, counts, 1)
        return jnp.where(counts > 0, means, centres)

    chosen = jnp.zeros((count, x.shape[1]), x.dtype).at[0].set(pick(0, weight))
    least = jnp.full(len(x), jnp.inf, x.dtype)
    chosen, _ = jax.lax.fori_loop(1, count, add, (chosen, least))
    return jax.lax.fori_loop(0, rounds, settle, chosen)


def nearest(x: jax.Array, centres: jax.Array) -> jax.Array:  # [N, D] -> [N, K]
    """1 at the nearest centre of each example, of equal ones the first; else 0."""
    near = jax.lax.map(lambda centre: _squares(x, centre), centres).argmin(0)
    return jax.nn.one_hot(near, len(centres), dtype=x.dtype)


def _squares(x, centre):  # [N]
    return jnp.sum((x - centre[None]) ** 2, axis=1)
