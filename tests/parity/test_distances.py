"""Pairwise distances and neighbours against scikit-learn and SciPy."""

import jax
import numpy as np
import pytest
from scipy.spatial.distance import cdist
from sklearn.metrics import pairwise as theirs
from sklearn.neighbors import NearestNeighbors

import zoo.functional as F

SKLEARN = {
    "euclidean": theirs.euclidean_distances,
    "squared_euclidean": lambda x, y: theirs.euclidean_distances(x, y, squared=True),
    "cosine": theirs.cosine_distances,
}


def sets(dtype=np.float64):
    rng = np.random.default_rng(0)
    return (rng.normal(size=(n, 6)).astype(dtype) for n in (40, 30))


@pytest.mark.parametrize("name", SKLEARN)
def test_pairwise_is_scikit_learn(name):
    x, y = sets()
    x[3] = 0  # without direction
    ours = jax.jit(lambda x, y: F.pairwise(name, x, y, block=16))
    low = ours(*map(np.float32, (x, y)))
    with jax.enable_x64(True):
        np.testing.assert_allclose(ours(x, y), SKLEARN[name](x, y), rtol=1e-12)
    np.testing.assert_allclose(low, SKLEARN[name](x, y), rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize(
    "name, f",
    [
        ("cityblock", lambda x, y: F.minkowski_distance(x, y, 1)),
        ("minkowski", lambda x, y: F.minkowski_distance(x, y, 2.5)),
        ("chebyshev", F.chebyshev_distance),
        ("hamming", F.hamming_distance),
        ("correlation", F.pearson_distance),
    ],
    ids=lambda f: f if isinstance(f, str) else f.__name__,
)
def test_pairwise_is_scipy(name, f):
    x, y = sets()
    x[:, 0], y[:, 0] = x[:, 0].round(), y[:, 0].round()
    with jax.enable_x64(True):
        ours = jax.jit(lambda x, y: F.pairwise(f, x, y, block=16))(x, y)
    options = {"p": 2.5} if name == "minkowski" else {}
    np.testing.assert_allclose(ours, cdist(x, y, name, **options), rtol=1e-12)


def test_whitened_pairs_are_mahalanobis():
    x, y = sets()
    s = np.cov(x.T)
    with jax.enable_x64(True):
        whitened = lambda x, y: F.pairwise(
            "euclidean",
            F.mahalanobis_coordinates(x, s),
            F.mahalanobis_coordinates(y, s),
            block=16,
        )
        ours = jax.jit(whitened)(x, y)
    expected = cdist(x, y, "mahalanobis", VI=np.linalg.inv(s))
    np.testing.assert_allclose(ours, expected, rtol=1e-11)


def test_nearest_is_scikit_learn():
    x, y = sets(np.float32)
    d, i = jax.jit(lambda x, y: F.nearest("euclidean", x, y, 5, block=16))(x, y)
    distances, indices = NearestNeighbors(n_neighbors=5).fit(y).kneighbors(x)
    np.testing.assert_array_equal(i, indices)
    np.testing.assert_allclose(d, distances, rtol=2e-6)
