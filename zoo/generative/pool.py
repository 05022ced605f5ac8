"""A pool of samples made earlier, from which a discriminator gets half of its own.

    for each new sample, in turn:
        while there is room    it is kept, and given
        then                   with probability 1/2 it takes the place of one in the
                               pool by chance, which is given; else it is given itself

So the discriminator does not forget what it has already told apart. The pool is part of
a learner's state: it stays on the device, and is saved with it. Chance is by the number
of the example. Over devices all samples are gathered, each device does the same to its
pool, and takes the part that is its own.

Shapes: B samples, K places.

References:
    Shrivastava et al., "Learning from simulated and unsupervised images through
    adversarial training", CVPR 2017, https://arxiv.org/abs/1612.07828 (section 2.3)
    Zhu, Park, Isola and Efros, "Unpaired image-to-image translation using
    cycle-consistent adversarial networks", ICCV 2017, https://arxiv.org/abs/1703.10593
    (section 4: 50 places)
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from zoo.functional.dropout import example_keys


class Pool(NamedTuple):
    """Samples made earlier."""

    kept: jax.Array  # [K, ...]
    count: jax.Array  # int32 scalar: places that are taken


def empty(places: int, like: jax.Array) -> Pool:
    """A pool for samples like these, [B, ...].

    Raises:
        ValueError: a number of places that is negative or no integer.
    """
    if not isinstance(places, int) or places < 0:
        raise ValueError(f"places must be an integer >= 0, got {places!r}")
    kept = jnp.zeros((places, *like.shape[1:]), like.dtype)
    return Pool(kept=kept, count=jnp.zeros((), jnp.int32))


def exchange(
    pool: Pool,
    x: jax.Array,
    key: jax.Array,
    index: jax.Array,
    axis_name: str | None = None,
) -> tuple[Pool, jax.Array]:
    """Samples for the discriminator, and the pool after them.

    Args:
        pool: of `empty`; without places, samples are given as they are.
        x: new samples, [B, ...].
        key: of the step.
        index: the numbers of the examples, [B].
        axis_name: the parallel axis, if there is one.

    Returns:
        The pool, and samples [B, ...].
    """
    places = len(pool.kept)
    if not places:
        return pool, x
    keys = example_keys(key, index)
    swaps = jax.vmap(lambda key: jax.random.bernoulli(jax.random.fold_in(key, 0)))(keys)
    where = jax.vmap(
        lambda key: jax.random.randint(jax.random.fold_in(key, 1), (), 0, places)
    )(keys)
    own = len(x)
    if axis_name:
        x, swaps, where = jax.lax.all_gather(
            (x, swaps, where), axis_name, axis=0, tiled=True
        )

    def one(pool, sample):
        x, swap, place = sample
        room = pool.count < places
        place = jnp.where(room, pool.count, place)
        takes = room | swap
        old = pool.kept[place]
        kept = pool.kept.at[place].set(jnp.where(takes, x, old))
        given = jnp.where(takes & ~room, old, x)
        return Pool(kept, pool.count + room.astype(jnp.int32)), given

    pool, given = jax.lax.scan(one, pool, (x, swaps, where))
    if axis_name:
        at = jax.lax.axis_index(axis_name) * own
        given = jax.lax.dynamic_slice_in_dim(given, at, own)
    return pool, given
