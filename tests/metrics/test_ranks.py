"""Ranks against SciPy's."""

import jax
import numpy as np
import pytest
import scipy.stats

from zoo.metrics.ranks import rank_correlation, ranks, superiority

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("values", [3, 1000], ids=["ties", "hardly any"])
def test_equal_scipy(values):
    a = RNG.integers(0, values, 40).astype(np.float32)
    b = (a + RNG.integers(-values, values, 40)).astype(np.float32)
    np.testing.assert_allclose(ranks(a), scipy.stats.rankdata(a))
    expected = scipy.stats.spearmanr(a, b).statistic
    np.testing.assert_allclose(rank_correlation(a, b), expected, rtol=1e-5)
    b = b[:25] - values / 10
    share, p = jax.jit(superiority)(a, b)
    test = scipy.stats.mannwhitneyu(a, b, alternative="greater", method="asymptotic")
    np.testing.assert_allclose(share, test.statistic / (40 * 25), rtol=1e-5)
    np.testing.assert_allclose(p, test.pvalue, rtol=1e-3)
    assert 1e-3 < p < 0.999


def test_refuse():
    with pytest.raises(ValueError, match="of one size, got 3 and 4"):
        rank_correlation(np.zeros(3), np.zeros(4))
    with pytest.raises(ValueError, match="b must be 1 points at least, got 0"):
        superiority(np.zeros(3), np.zeros(0))
