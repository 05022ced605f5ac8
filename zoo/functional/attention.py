"""Attention: each query reads a mean of the values, weighted by how its keys score.

    o_t = sum_s p_ts v_s,   p_ts = exp(e_ts) / sum over allowed s' of exp(e_ts')

    multiplicative  e_ts = c q_t . k_s          scaled: c = 1 / sqrt(D), the default
    general         e_ts = c q_t^T W k_s
    additive        e_ts = c v^T tanh(W q_t + U k_s)

A mask says with True which keys a query may read. A query that may read none gets
zeros, and finite gradients; `jax.nn.dot_product_attention` gives it the mean of all
values.

In blocks, the T x S scores never exist at once: a scan over blocks of keys carries
for each query the largest score so far, m, and the sums up to it, which are rescaled
when m grows:

    m' = max(m, e_ts of the block),  z' = z exp(m - m') + sum exp(e_ts - m'),
    o' = o exp(m - m') + sum exp(e_ts - m') v_s,  in the end o / z

The result does not depend on m, so m is a constant to the gradient, the sums are
linear in what is carried, and scores are computed once more on the way back. Memory
then grows with T + S, not with T S, but for two numbers that the gradient keeps for
each query and block. Take blocks of some hundreds of keys; it is memory that they
save, and on a CPU not time.

The axes are those of `jax.nn.dot_product_attention`: time before heads. It is the
fast one on accelerators, where they have a kernel for it; PyTorch's
`scaled_dot_product_attention` has heads before time.

Shapes: T queries, S keys, N heads, D features of a query and a key, E of a value, A
hidden units; ... any axes, such as the batch.

References:
    Bahdanau, Cho and Bengio, "Neural machine translation by jointly learning to align
    and translate", ICLR 2015, https://arxiv.org/abs/1409.0473 (additive)
    Luong, Pham and Manning, "Effective approaches to attention-based neural machine
    translation", EMNLP 2015, https://arxiv.org/abs/1508.04025 (dot, general)
    Vaswani et al., "Attention is all you need", NeurIPS 2017,
    https://arxiv.org/abs/1706.03762 (scaled)
    Rabe and Staats, "Self-attention does not need O(n^2) memory", 2021,
    https://arxiv.org/abs/2112.05682 (blocks)
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp

from zoo.functional.products import product

Score = Callable[[jax.Array, jax.Array], jax.Array]  # (q, k) -> [..., N, T, S]


def attention(
    q: jax.Array,
    k: jax.Array,
    v: jax.Array,
    mask: jax.Array | None = None,
    *,
    causal: bool = False,
    score: Score | None = None,
    scale: float | None = None,
    block: int | None = None,
) -> jax.Array:
    """What each query reads.

    Args:
        q: queries, [..., T, N, D].
        k: keys, [..., S, N, D].
        v: values, [..., S, N, E].
        mask: True where a query may read a key, bool, broadcast to [..., N, T, S].
        causal: whether query t may read only keys 0..t; in blocks without a mask of
            T x S.
        score: (q, k) -> [..., N, T, S], of each pair apart; None is `dot_scores`.
        scale: factor of the scores; None is 1 / sqrt(D) for `dot_scores` and 1 for a
            `score` that is given.
        block: keys in a block; None is all at once.

    Returns:
        [..., T, N, E], of the type of v.

    Raises:
        ValueError: shapes that do not fit, a mask that is not bool, a block below 1.
    """
    _check(q, k, mask)
    if v.ndim != k.ndim or v.shape[:-1] != k.shape[:-1]:
        raise ValueError(f"v must be [..., S, N, E] for k {k.shape}, got {v.shape}")
    if block is not None and (not isinstance(block, int) or block < 1):
        raise ValueError(f"block must be an integer of 1 or more, got {block!r}")
    scores = _scaled(score, scale, q)
    if block is None or block >= k.shape[-3]:
        p = _softmax(scores(q, k), _allowed(mask, q, k, causal))
        return jnp.einsum("...nts,...sne->...tne", p.astype(v.dtype), v)
    return _in_blocks(q, k, v, mask, causal, scores, block)


def attention_weights(
    q: jax.Array,
    k: jax.Array,
    mask: jax.Array | None = None,
    *,
    causal: bool = False,
    score: Score | None = None,
    scale: float | None = None,
) -> jax.Array:
    """How much of each key each query reads.

    Args:
        q, k, mask, causal, score, scale: as for `attention`.

    Returns:
        p, [..., N, T, S], float32 or wider; a row sums to 1, or to 0 if no key is
        allowed.

    Raises:
        ValueError: shapes that do not fit, a mask that is not bool.
    """
    _check(q, k, mask)
    return _softmax(_scaled(score, scale, q)(q, k), _allowed(mask, q, k, causal))


def dot_scores(q: jax.Array, k: jax.Array) -> jax.Array:
    """Multiplicative scores, without a scale: q . k.

    Args:
        q: [..., T, N, D].
        k: [..., S, N, D].

    Returns:
        [..., N, T, S].
    """
    return jnp.einsum("...tnd,...snd->...nts", q, k)


def general_scores(q: jax.Array, k: jax.Array, w: jax.Array) -> jax.Array:
    """Luong's general scores: q^T W k. For `attention`, bind w by `functools.partial`.

    Args:
        q: [..., T, N, D].
        k: [..., S, N, D'], of any other width.
        w: W, the same for all heads, [D, D'].

    Returns:
        [..., N, T, S].
    """
    return dot_scores(product(q, w), k)


def additive_scores(
    q: jax.Array, k: jax.Array, w: jax.Array, u: jax.Array, v: jax.Array
) -> jax.Array:
    """Bahdanau's additive scores: v^T tanh(W q + U k). Bind w, u and v by `partial`.

    Args:
        q: [..., T, N, D].
        k: [..., S, N, D'], of any other width.
        w: W, the same for all heads, [D, A].
        u: U, [D', A].
        v: [A].

    Returns:
        [..., N, T, S]. On the way there are A times as many numbers.
    """
    q = jnp.einsum("...tnd,da->...nta", q, w)
    k = jnp.einsum("...snd,da->...nsa", k, u)
    hidden = jnp.tanh(q[..., :, None, :] + k[..., None, :, :])  # [..., N, T, S, A]
    return jnp.einsum("...a,a->...", hidden, v)


def causal_mask(queries: int, keys: int, offset: int = 0) -> jax.Array:
    """True where key s is not later than query t: s <= t + offset.

    Args:
        queries: T.
        keys: S.
        offset: keys that came before query 0; S - T when the last T are decoded.

    Returns:
        bool, [T, S].
    """
    return jnp.tri(queries, keys, offset, dtype=bool)


def padding_mask(lengths: jax.Array, size: int) -> jax.Array:
    """True where a key is part of its sequence.

    Args:
        lengths: of the sequences, int [...].
        size: S, to which they are padded.

    Returns:
        bool, [..., 1, 1, S]: for all heads and queries.

    Raises:
        ValueError: lengths that are not integers.
    """
    if not jnp.issubdtype(lengths.dtype, jnp.integer):
        raise ValueError(f"lengths must be integers, got {lengths.dtype}")
    lengths = lengths[..., None, None, None]
    places = jnp.arange(size, dtype=lengths.dtype)
    return places.reshape((1,) * (lengths.ndim - 1) + (size,)) < lengths


def _check(q, k, mask):
    if q.ndim < 3 or k.ndim != q.ndim:
        raise ValueError(
            "q and k must be [..., T, N, D] and [..., S, N, D], got "
            f"{q.shape} and {k.shape}"
        )
    if q.shape[:-3] != k.shape[:-3] or q.shape[-2] != k.shape[-2]:
        raise ValueError(
            f"q and k must agree in heads and in the axes before time, got {q.shape} "
            f"and {k.shape}"
        )
    if mask is None:
        return
    if mask.dtype != bool:
        raise ValueError(f"mask must be bool, True to be read, got {mask.dtype}")
    full = (*q.shape[:-3], q.shape[-2], q.shape[-3], k.shape[-3])
    whole = (1,) * (len(full) - mask.ndim) + mask.shape
    if len(whole) > len(full) or any(
        m not in (1, n) for m, n in zip(whole, full, strict=True)
    ):
        raise ValueError(f"mask must broadcast to {full}, got {mask.shape}")


def _scaled(score, scale, q) -> Score:
    """The scores as given to the exponential, in float32 or wider."""
    if scale is None:
        scale = q.shape[-1] ** -0.5 if score is None else 1.0
    score = score or dot_scores

    def scores(q, k):
        e = score(q, k)
        full = (*q.shape[:-3], q.shape[-2], q.shape[-3], k.shape[-3])
        if e.shape != full:
            raise ValueError(f"score must give {full}, [..., N, T, S], got {e.shape}")
        return scale * (e if jnp.finfo(e.dtype).bits >= 32 else e.astype(jnp.float32))

    return scores


def _whole(mask, ndim):
    return mask.reshape((1,) * (ndim - mask.ndim) + mask.shape)


def _allowed(mask, q, k, causal):
    """Mask and causality in one, bool with as many axes as the scores; or None."""
    if causal:
        ordered = _whole(causal_mask(q.shape[-3], k.shape[-3]), q.ndim)
        return ordered if mask is None else ordered & _whole(mask, q.ndim)
    return None if mask is None else _whole(mask, q.ndim)


def _softmax(e, allowed):
    """Over the last axis; a row without an allowed key is zeros."""
    p, z, _ = _exponentials(e, allowed, jnp.full(e.shape[:-1], -jnp.inf, e.dtype))
    return p / jnp.where(z == 0, 1, z)[..., None]


def _exponentials(e, allowed, m):
    """exp(e - m') of what is allowed, their sum, and m' = max(m, e), a constant."""
    if allowed is not None:
        e = jnp.where(allowed, e, -jnp.inf)
    m = jnp.maximum(m, jax.lax.stop_gradient(e).max(-1, initial=-jnp.inf))
    p = jnp.exp(e - _finite(m)[..., None])
    return p, p.sum(-1), m


def _finite(m):  # minus infinity is the maximum of nothing
    return jnp.where(m == -jnp.inf, 0, m)


def _in_blocks(q, k, v, mask, causal, scores, block):
    size, queries = k.shape[-3], q.shape[-3]
    count = -(-size // block)

    def cut(x, axis):  # [..., S, ...] -> [count, ..., block, ...]; zeros at the end
        after = x.ndim - axis - 1
        x = jnp.pad(x, [(0, 0)] * axis + [(0, count * block - size)] + [(0, 0)] * after)
        x = x.reshape(*x.shape[:axis], count, block, *x.shape[axis + 1 :])
        return jnp.moveaxis(x, axis, 0)

    masks = None
    if mask is not None:
        mask = _whole(mask, q.ndim)
        mask = jnp.broadcast_to(mask, (*mask.shape[:-1], size))
        masks = cut(mask, mask.ndim - 1)

    @functools.partial(jax.checkpoint, prevent_cse=False)  # the scan prevents it
    def one(q, k, v, mask, first, m):
        place = first + jnp.arange(block)[None]
        allowed = place < size
        if causal:
            allowed = allowed & (place <= jnp.arange(queries)[:, None])
        allowed = _whole(allowed, q.ndim)
        p, z, m = _exponentials(
            scores(q, k), allowed if mask is None else allowed & mask, m
        )
        return jnp.einsum("...nts,...sne->...nte", p, v.astype(p.dtype)), z, m

    def step(carry, xs):
        o, z, m = carry
        more_o, more_z, new_m = one(q, *xs, m)
        shrink = jnp.exp(m - _finite(new_m))
        return (o * shrink[..., None] + more_o, z * shrink + more_z, new_m), None

    xs = (cut(k, k.ndim - 3), cut(v, v.ndim - 3), masks, block * jnp.arange(count))
    e = jax.eval_shape(scores, q, xs[0][0])  # [..., N, T, block]
    full = lambda value, *last: jnp.full((*e.shape[:-1], *last), value, e.dtype)
    carry = (full(0, v.shape[-1]), full(0), full(-jnp.inf))
    (o, z, _), _ = jax.lax.scan(step, carry, xs)
    o = o / jnp.where(z == 0, 1, z)[..., None]
    return jnp.moveaxis(o, -3, -2).astype(v.dtype)  # [..., N, T, E] -> [..., T, N, E]
