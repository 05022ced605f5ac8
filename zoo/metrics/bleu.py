"""BLEU: how much of what was written stands in a translation of a person's.

    p_n  = sum over rows and n-grams g of min(count of g in the row's text, in its
           reference) / sum over rows of the n-grams of the text
    c, r = tokens of all texts, and of all references
    BLEU = min(1, exp(1 - r / c)) exp(1 / N sum_n log p_n)

The sums are over a whole corpus, so they add over batches and devices, and the mean of
rows' own figures is another number. An n-gram that the text has more often than its
reference counts no more often than there ("the the the" of "the cat": p_1 = 1/3); a
text that is too short pays for what it leaves out.

Where no N-gram of any row is right, BLEU is 0.

Shapes: B rows, T and S tokens of the longest text and reference, N order.
Differs from the paper: one reference for each text.

References:
    Papineni, Roukos, Ward and Zhu, "BLEU: a method for automatic evaluation of machine
    translation", ACL 2002, https://doi.org/10.3115/1073083.1073135
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from zoo.metrics import checks


class Ngrams(NamedTuple):
    """Sums over rows, weighted; they add."""

    right: jax.Array  # [N], n-grams of the texts that the references have
    total: jax.Array  # [N], n-grams of the texts
    written: jax.Array  # c
    reference: jax.Array  # r


def ngrams(
    written: jax.Array,
    reference: jax.Array,
    end: int,
    order: int = 4,
    weight: jax.Array | None = None,
) -> Ngrams:
    """The sums from which BLEU is computed.

    Args:
        written: tokens of the texts, int [B, T].
        reference: tokens of the references, int [B, S].
        end: the token that ends a row; it and what is after it do not count.
        order: the longest n-grams (N).
        weight: [B]; 0 leaves a row out, whatever its tokens are.

    Returns:
        Floats; NaN for a weight that is bad and cannot be read.

    Raises:
        ValueError: tokens that are no integers [B, T] and [B, S]; an order below 1;
            weights that are not [B], negative or not finite.
    """
    written = checks.labels("written", written)
    reference = checks.labels("reference", reference)
    if (written.ndim, reference.ndim) != (2, 2) or len(written) != len(reference):
        raise ValueError(
            "written and reference must be [B, T] and [B, S], got "
            f"{list(written.shape)} and {list(reference.shape)}"
        )
    order = checks.size("order", order)
    dtype = jnp.zeros(()).dtype  # float64 in 64-bit mode
    weight = checks.weights(weight, written.shape[:1], dtype)
    c, r = (_before(tokens, end) for tokens in (written, reference))  # [B]
    one = written[:, :, None] == written[:, None, :]  # [B, T, T]
    other = written[:, :, None] == reference[:, None, :]  # [B, T, S]
    own, there, right, total = one, other, [], []
    for n in range(1, order + 1):
        if n > 1:  # of n tokens, alike up to the last and in it
            own = own[:, :-1, :-1] & one[:, n - 1 :, n - 1 :]
            there = there[:, :-1, :-1] & other[:, n - 1 :, n - 1 :]
        whole = _whole(own, n, c)  # [B, T - n + 1]
        in_reference = _whole(there, n, r)
        counts = (own & whole[:, None]).sum(2)
        found = (there & in_reference[:, None]).sum(2)
        # Each n-gram once: where it stands for the first time.
        before = jnp.tril(own, -1).any(2)
        clipped = jnp.where(whole & ~before, jnp.minimum(counts, found), 0)
        right.append(clipped.sum(1))
        total.append(whole.sum(1))
    sums = lambda rows: rows.astype(weight.dtype) @ weight
    return Ngrams(sums(jnp.stack(right)), sums(jnp.stack(total)), sums(c), sums(r))


def bleu(sums: Ngrams) -> jax.Array:
    """BLEU of all rows together, from 0 to 1.

    Args:
        sums: from `ngrams`.

    Returns:
        A scalar; NaN where no reference was counted and that cannot be read.

    Raises:
        ValueError: sums of no reference.
    """
    right, total, c, r = (
        checks.floats(name, value) for name, value in sums._asdict().items()
    )
    empty = checks.refuse(
        r == 0, lambda: "sums must be of one reference or more, got none"
    )
    nothing = (right == 0).any()  # that of no n-gram at all too
    share = jnp.where(nothing, 1, right / jnp.where(total == 0, 1, total))
    short = jnp.minimum(0, 1 - r / jnp.where(c == 0, 1, c))
    value = jnp.exp(short + jnp.log(share).mean())
    return jnp.where(empty, jnp.nan, jnp.where(nothing, 0, value))


def _before(tokens: jax.Array, end: int) -> jax.Array:
    """How many tokens stand before the end, [B]."""
    return jnp.cumprod((tokens != end).astype(jnp.int32), axis=1).sum(1)


def _whole(alike: jax.Array, n: int, length: jax.Array) -> jax.Array:
    """Whether the n-gram at each of the last axis' places is within the row."""
    return jnp.arange(n, n + alike.shape[2])[None] <= length[:, None]
