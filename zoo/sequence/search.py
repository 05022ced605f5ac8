"""Searching for a sequence, token by token: greedy and by beam, as one program.

    greedy   y_t = argmax p(y | y_1 .. y_{t-1})
    beam     the K likeliest beginnings of length t, among the K V ones that go on from
             those of length t - 1; one that has ended stays as it is

A model is a function: (tokens, int [R]; state) -> (logits, [R, V]; state), and a state.
In a state every array has rows first; one without axes (a count of tokens) is shared.

At the end hypotheses of n tokens, the end included, are ranked by
log p / ((5 + n) / 6)^penalty: with penalty 0 by log p, which prefers short ones.

Shapes: B sequences, K beams, V tokens of the vocabulary, T tokens at most.
Differs from the paper (Wu et al.): ranks by the penalty in the end only, no coverage.

References:
    Graves, "Sequence transduction with recurrent neural networks", ICML workshop on
    representation learning 2012, https://arxiv.org/abs/1211.3711
    Sutskever, Vinyals and Le, "Sequence to sequence learning with neural networks",
    NeurIPS 2014, https://arxiv.org/abs/1409.3215
    Wu et al., "Google's neural machine translation system", 2016,
    https://arxiv.org/abs/1609.08144 (the penalty, equation 14)
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

Step = Callable[[jax.Array, Any], tuple[jax.Array, Any]]


def greedy(
    step: Step, state: Any, first: jax.Array, length: int, end: int
) -> tuple[jax.Array, jax.Array]:
    """The likeliest token at each place, given those before.

    Args:
        step: (tokens [B], state) -> (logits [B, V], state).
        state: before the first token.
        first: the tokens that begin, int [B].
        length: tokens to find (T).
        end: the token that ends a sequence; after it there is nothing but it.

    Returns:
        Tokens, int32 [B, T], and log p of each sequence, [B].

    Raises:
        ValueError: a length below 1; `first` not int [B].
    """
    _check(first, length)

    def body(carry, _):
        tokens, state, done, value = carry
        logits, state = step(tokens, state)
        log_p = jax.nn.log_softmax(logits)
        best = jnp.where(done, end, log_p.argmax(1)).astype(jnp.int32)
        value = value + jnp.where(done, 0, log_p.max(1))
        return (best, state, done | (best == end), value), best

    start = (first.astype(jnp.int32), state, jnp.zeros(first.shape, bool))
    start += (jnp.zeros(first.shape),)
    (_, _, _, value), tokens = jax.lax.scan(body, start, None, length=length)
    return tokens.T, value


def beam(
    step: Step,
    state: Any,
    first: jax.Array,
    length: int,
    end: int,
    beams: int = 4,
    penalty: float = 0.0,
) -> tuple[jax.Array, jax.Array]:
    """The likeliest sequences that a beam of K finds.

    Args:
        step: (tokens [B K], state) -> (logits [B K, V], state).
        state: before the first token, for B rows; it is repeated for the beams.
        first: the tokens that begin, int [B].
        length: tokens to find (T).
        end: the token that ends a sequence; after it there is nothing but it.
        beams: K.
        penalty: exponent of the length's.

    Returns:
        Tokens, int32 [B, K, T], and what they are ranked by, [B, K], the best first.
        With penalty 0 that is log p; where there are fewer than K, minus infinity.

    Raises:
        ValueError: a length or beams below 1; `first` not int [B].
    """
    _check(first, length)
    if beams < 1:
        raise ValueError(f"beams must be positive, got {beams}")
    rows = len(first)
    wide = lambda x: jnp.repeat(x, beams, axis=0) if jnp.ndim(x) else x
    fold = lambda x: x.reshape(rows * beams, *x.shape[2:])  # [B, K, ...] -> [B K, ...]

    def body(carry, t):
        tokens, state, done, value, found = carry
        logits, state = step(fold(tokens), state)
        log_p = jax.nn.log_softmax(logits).reshape(rows, beams, -1)
        size = log_p.shape[2]
        ends = jnp.arange(size) == end
        stay = jnp.where(ends, 0, -jnp.inf).reshape(1, 1, -1)
        log_p = jnp.where(done[..., None], stay, log_p)
        total = (value[..., None] + log_p).reshape(rows, -1)  # [B, K V]
        value, at = jax.lax.top_k(total, beams)
        parent, tokens = at // size, (at % size).astype(jnp.int32)
        of_parent = lambda x: jnp.take_along_axis(x, parent, 1)
        own = (beams * jnp.arange(rows)[:, None] + parent).reshape(-1)
        state = jax.tree.map(lambda x: x[own] if jnp.ndim(x) else x, state)
        found = jnp.take_along_axis(found, parent[..., None], 1).at[:, :, t].set(tokens)
        done = of_parent(done) | (tokens == end)
        return (tokens, state, done, value, found), None

    tokens = jnp.repeat(first.astype(jnp.int32)[:, None], beams, 1)
    alone = jnp.where(jnp.arange(beams) == 0, 0, -jnp.inf)  # beams would be all alike
    value = jnp.broadcast_to(alone, (rows, beams))
    start = (tokens, jax.tree.map(wide, state), jnp.zeros((rows, beams), bool), value)
    start += (jnp.full((rows, beams, length), end, jnp.int32),)
    (_, _, _, value, found), _ = jax.lax.scan(body, start, jnp.arange(length))
    tokens = jnp.minimum((found != end).sum(2) + 1, length).astype(value.dtype)
    value = value / ((5 + tokens) / 6) ** penalty
    order = jnp.argsort(-value, axis=1)
    found = jnp.take_along_axis(found, order[..., None], 1)
    return found, jnp.take_along_axis(value, order, 1)


def _check(first, length):
    if first.ndim != 1 or not jnp.issubdtype(first.dtype, jnp.integer):
        raise ValueError(f"first must be int [B], got {first.dtype} {first.shape}")
    if length < 1:
        raise ValueError(f"length must be positive, got {length}")
