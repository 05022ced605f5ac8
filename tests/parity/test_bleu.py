"""BLEU against NLTK."""

import numpy as np
import pytest
from nltk.translate.bleu_score import corpus_bleu

from zoo.metrics import bleu, ngrams


@pytest.mark.parametrize("order", [1, 3, 4])
def test_corpus(order):
    rng = np.random.default_rng(order)
    written = rng.integers(1, 6, (30, 14))
    reference = np.where(rng.random((30, 14)) < 0.7, written, 5)
    for rows in (written, reference):
        for row, length in zip(rows, rng.integers(order, 15, 30), strict=True):
            row[length:] = 0
    cut = lambda rows: [[t for t in row if t] for row in rows.tolist()]
    shares = [1 / order] * order
    expected = corpus_bleu([[r] for r in cut(reference)], cut(written), shares)
    assert 0.2 < expected < 0.9
    got = bleu(ngrams(written, reference, 0, order))
    assert float(got) == pytest.approx(expected, rel=2e-6)
