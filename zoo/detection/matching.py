"""Which anchor answers for which object, and which of the anchors are learned from.

    match    anchor j -> object argmax_i q_ij     if that q >= high
                      -> BELOW                    if q < low: background
                      -> BETWEEN                  else: left out
             and, with `rescue`, the anchors that are best for an object belong to
             the object of their own largest q, however small it is

    sample   n+ = min(positives, floor(share count)) positives and
             n- = min(negatives, count - n+) negatives, by chance

q is a quality, most often the IoU. An object that is not there has q = -1 everywhere.

Differs from torchvision: an anchor that shares nothing with an object is not rescued
for it (there, an object that no anchor touches takes all that do not touch it); an
image without objects is no error, all of its anchors are BELOW.

Shapes: G objects, padded; N anchors or proposals.

References:
    Ren et al., "Faster R-CNN", NeurIPS 2015, https://arxiv.org/abs/1506.01497
    (section 3.1.2, loss function; section 3.1.3, sampling)
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

BELOW, BETWEEN = -1, -2


class Sample(NamedTuple):
    """Which are learned from; K of them, the positives first.

    Attributes:
        index: int32 [K], their numbers; 0 where there is none.
        positive: bool [K].
        present: bool [K].
    """

    index: jax.Array
    positive: jax.Array
    present: jax.Array


def match(
    quality: jax.Array,
    present: jax.Array,
    high: float,
    low: float,
    rescue: bool = False,
) -> jax.Array:
    """The object of each anchor.

    Args:
        quality: floats, [G, N].
        present: which objects there are, bool [G].
        high: from here on an anchor belongs to an object.
        low: below, it is background.
        rescue: objects keep their best anchors.

    Returns:
        int32 [N]: the number of an object, or BELOW, or BETWEEN. Of equal ones the
        first object.

    Raises:
        ValueError: shapes that do not fit; thresholds that are not 0 <= low <= high.
    """
    if quality.ndim != 2 or present.shape != quality.shape[:1]:
        raise ValueError(
            f"quality must be [G, N] for present [G], got {quality.shape} and "
            f"{present.shape}"
        )
    if not 0 <= low <= high:
        raise ValueError(f"it must be 0 <= low <= high, got {low} and {high}")
    if not len(quality):  # no place for an object
        return jnp.full(quality.shape[1], BELOW, jnp.int32)
    quality = jnp.where(present[:, None], quality, -1)
    best, own = quality.max(0), quality.argmax(0).astype(jnp.int32)
    found = jnp.where(best < low, BELOW, jnp.where(best < high, BETWEEN, own))
    if rescue:
        most = quality.max(1, keepdims=True)
        found = jnp.where(((quality == most) & (most > 0)).any(0), own, found)
    return found.astype(jnp.int32)


def sample(key: jax.Array, matched: jax.Array, count: int, share: float) -> Sample:
    """Positives and negatives by chance, in a bounded proportion.

    Args:
        key: of the draw.
        matched: as from `match`, int [N].
        count: K, how many at most.
        share: of positives, at most, from 0 to 1.

    Returns:
        The sample; fewer are present where there are not so many.

    Raises:
        ValueError: matches that are not [N]; a count below 1; a share out of range.
    """
    if matched.ndim != 1:
        raise ValueError(f"matched must be [N], got {matched.shape}")
    if count < 1 or not 0 <= share <= 1:
        raise ValueError(
            f"count must be from 1, and share from 0 to 1, got {count} and {share}"
        )
    matched = jnp.asarray(matched)
    positive, negative = matched >= 0, matched == BELOW
    chance = jax.random.uniform(key, matched.shape)
    most = jnp.minimum(positive.sum(), int(share * count))
    taken = positive & (_rank(chance, positive) < most)
    order = jnp.where(taken, 2 - chance, jnp.where(negative, 1 - chance, 0))
    picked = min(count, len(matched))
    _, index = jax.lax.top_k(order, picked)
    index = jnp.pad(index, (0, count - picked))
    inside = jnp.arange(count) < picked
    kept, chosen = inside & (taken | negative)[index], inside & taken[index]
    return Sample(jnp.where(kept, index, 0).astype(jnp.int32), chosen, kept)


def _rank(chance, among):
    """The place of each in the order of chance, those of `among` first."""
    order = jnp.argsort(jnp.where(among, chance, 2))
    return jnp.zeros(order.shape, jnp.int32).at[order].set(jnp.arange(len(order)))
