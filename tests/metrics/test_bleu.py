"""BLEU: the paper's examples, limits, and a loop over n-grams."""

import math
from collections import Counter

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from zoo.metrics import bleu, ngrams

END = 0


def tokens(*texts):
    """Rows of numbers of words, END after them."""
    names = {}
    rows = [[names.setdefault(w, len(names) + 1) for w in t.split()] for t in texts]
    width = max(map(len, rows)) + 1
    return jnp.array([row + [END] * (width - len(row)) for row in rows], jnp.int32)


def test_the_paper():
    """Section 2.1, candidate and reference 1: clipped unigrams 2 of 7."""
    both = tokens("the the the the the the the", "the cat is on the mat")
    sums = ngrams(both[:1], both[1:], END, order=2)
    np.testing.assert_array_equal(sums.right, [2, 0])
    np.testing.assert_array_equal(sums.total, [7, 6])
    assert (float(sums.written), float(sums.reference)) == (7, 6)
    assert bleu(sums) == 0
    # With unigrams alone, and no penalty as it is long enough.
    assert float(bleu(ngrams(both[:1], both[1:], END, 1))) == pytest.approx(2 / 7)


def test_brevity():
    """A beginning is all right, and pays exp(1 - r / c) for what it leaves out."""
    both = tokens("a b c d e", "a b c d e f g h")
    short = bleu(ngrams(both[:1], both[1:], END))
    assert float(short) == pytest.approx(math.exp(1 - 8 / 5), rel=1e-6)
    long = bleu(ngrams(both[1:], both[:1], END))
    shares = [5 / 8, 4 / 7, 3 / 6, 2 / 5]
    assert float(long) == pytest.approx(math.prod(shares) ** 0.25, rel=1e-6)
    assert float(bleu(ngrams(both, both, END))) == 1
    assert float(bleu(ngrams(both[:1] + 99 * (both[:1] > 0), both[1:], END))) == 0


def by_counting(written, reference, order):
    """n-grams as tuples, counted by Counter; the product of the shares as written."""
    cut = lambda row: row[: row.index(END)] if END in row else row
    pairs = [(cut(a), cut(b)) for a, b in zip(written, reference, strict=True)]
    grams = lambda row, n: Counter(zip(*(row[i:] for i in range(n)), strict=False))
    shares = []
    for n in range(1, order + 1):
        right = sum((grams(a, n) & grams(b, n)).total() for a, b in pairs)
        shares.append(right / max(1, sum(grams(a, n).total() for a, b in pairs)))
    c, r = (sum(map(len, side)) for side in zip(*pairs, strict=True))
    return min(1, math.exp(1 - r / c)) * math.prod(shares) ** (1 / order)


def test_by_counting():
    """Few words, so that n-grams repeat; rows without an end, and empty ones."""
    score = jax.jit(lambda a, b: [bleu(ngrams(a, b, END, n)) for n in (1, 2, 4)])
    for seed in range(5):
        rng = np.random.default_rng(seed)
        written = rng.integers(0, 4, (20, 9))
        reference = np.where(rng.random((20, 9)) < 0.8, written, 1)
        written[0, 0] = reference[1, 0] = END
        written[2] = 3
        reference = np.pad(reference, ((0, 0), (0, 2)), constant_values=2)
        for n, got in zip((1, 2, 4), score(written, reference), strict=True):
            expected = by_counting(written.tolist(), reference.tolist(), n)
            assert float(got) == pytest.approx(expected, rel=1e-5) and expected > 0.05


def test_texts_shorter_than_the_order():
    both = tokens("a b", "a b")
    assert bleu(ngrams(both[:1], both[1:], END)) == 0
    assert bleu(ngrams(both[:1, :2], both[1:, :2], 99, order=2)) == 1


@pytest.mark.parametrize(
    "change, message",
    [
        ({"written": jnp.ones((2, 3))}, "written must be integers, got float32"),
        ({"reference": jnp.ones((3, 3), int)}, r"must be \[B, T\] and \[B, S\], got"),
        ({"order": 0}, "order must be an integer >= 1, got 0"),
        ({"weight": jnp.array([1.0, -1.0])}, "weight must be finite and >= 0, got -1"),
    ],
)
def test_refuses(change, message):
    row = jnp.ones((2, 3), jnp.int32)
    with pytest.raises(ValueError, match=message):
        ngrams(**{"written": row, "reference": row, "end": END, **change})
