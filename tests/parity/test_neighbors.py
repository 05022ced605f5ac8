"""Nearest neighbours against scikit-learn, point by point.

Where the k-th and the next neighbour are equally far, scikit-learn takes whichever its
heap holds, and ours the lower index. Such queries are left out of what depends on it.
"""

import functools

import jax
import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

from zoo.classical import neighbors
from zoo.data import tabular

CLASSES = ("breast_cancer", "digits", "iris", "wine")


def decided(distances):
    """Whether a query's last but one neighbour is nearer than its last: [N, k + 1]."""
    return distances[:, -1] - distances[:, -2] > 1e-9


def halves(name):
    """Every other example is held out; the digits by their order, as published."""
    table = tabular(name)
    if name == "digits":
        n = len(table.x) // 2
        train, test = slice(n), slice(n, None)
    else:
        train, test = slice(0, None, 2), slice(1, None, 2)
    x = table.x if name == "digits" else table.x / table.x[train].std(0)
    return x[train], table.y[train], x[test], table.y[test]


@pytest.mark.parametrize("name", CLASSES)
def test_classes(name):
    base, y, x, _ = halves(name)
    theirs = KNeighborsClassifier(3).fit(base, y)
    with jax.enable_x64(True):
        ours = neighbors.predict(base, y, x, 3)
    kept = decided(theirs.kneighbors(x, 4)[0]) | (name == "digits")  # there, all agree
    assert kept.mean() > 0.9
    np.testing.assert_array_equal(ours[kept], theirs.predict(x)[kept])


@pytest.mark.parametrize("name", CLASSES)
def test_shares(name):
    base, y, x, _ = halves(name)
    theirs = KNeighborsClassifier(6, weights="distance").fit(base, y)
    with jax.enable_x64(True):
        ours = neighbors.predict_probability(base, y, x, 6, "distance")
    kept = decided(theirs.kneighbors(x, 7)[0])
    assert kept.mean() > 0.9
    np.testing.assert_allclose(ours[kept], theirs.predict_proba(x)[kept], atol=1e-12)


@pytest.mark.parametrize("k, published", [(1, 0.9611), (3, 0.9633)])
def test_digits_in_float32_are_as_published(k, published):
    base, y, x, truth = halves("digits")
    found = neighbors.predict(np.float32(base), y, np.float32(x), k)
    assert round(float((np.asarray(found) == truth).mean()), 4) == published


@pytest.mark.parametrize(
    "ours, theirs",
    [
        ("manhattan", "manhattan"),
        ("chebyshev", "chebyshev"),
        ("cosine", "cosine"),
        ("pearson", "correlation"),
    ],
)
def test_distances(ours, theirs):
    base, y, x, _ = halves("wine")
    theirs = KNeighborsClassifier(4, metric=theirs, algorithm="brute").fit(base, y)
    with jax.enable_x64(True):
        distances, near = neighbors.kneighbors(base, x, 4, ours)
    expected, order = theirs.kneighbors(x, 5)
    np.testing.assert_allclose(distances, expected[:, :4], atol=1e-12)
    kept = (np.diff(expected) > 1e-9).all(1)
    assert kept.mean() > 0.8
    np.testing.assert_array_equal(near[kept], order[kept, :4])


@pytest.mark.parametrize("weights", neighbors.WEIGHTS)
def test_regression(weights):
    base, y, x, _ = halves("diabetes")
    targets = np.stack([y, y**2], 1)
    theirs = KNeighborsRegressor(7, weights=weights).fit(base, targets)
    with jax.enable_x64(True):
        call = functools.partial(neighbors.regress, k=7, weights=weights)
        ours = jax.jit(call)(base, targets, x)
    np.testing.assert_allclose(ours, theirs.predict(x), rtol=1e-12)
