"""PCA, the truncated SVD and incremental PCA against scikit-learn's, on all tables."""

import functools

import jax
import numpy as np
import pytest
from sklearn import decomposition

from zoo.classical import incremental_pca, pca
from zoo.data import tabular

TABLES = ("breast_cancer", "diabetes", "digits", "iris", "wine")


@functools.partial(jax.jit, static_argnums=(1, 2, 3))
def fitted(x, components, method, center=True):
    key = jax.random.key(0)
    return pca.fit(x, components, method=method, center=center, key=key, power=8)


def close(got, expected, rtol=1e-9):
    expected = np.asarray(expected)
    atol = rtol * abs(expected).max()
    np.testing.assert_allclose(got, expected, rtol=rtol, atol=atol)


@pytest.mark.parametrize("method", pca.METHODS)
@pytest.mark.parametrize("name", TABLES)
def test_pca(name, method):
    x, k = tabular(name).x, 4
    theirs = decomposition.PCA(k, svd_solver="full").fit(x)
    white = decomposition.PCA(k, svd_solver="full", whiten=True).fit(x)
    with jax.enable_x64(True):
        ours = fitted(x, k, method)
        z, z_white = (pca.transform(ours, x, whiten) for whiten in (False, True))
        back = pca.inverse(ours, z)
        back_white = pca.inverse(ours, z_white, whiten=True)
        share = pca.share(ours)
    # `random` finds an invariant space by iteration, `eigen` squares the condition:
    # the variance of proline in wine is 1e4 times that of all others together.
    loose = 1e-9 if method == "svd" else 1e-6
    close(ours.components, theirs.components_, loose)
    close(ours.singular, theirs.singular_values_)
    close(ours.variance, theirs.explained_variance_)
    close(share, theirs.explained_variance_ratio_)
    close(z, theirs.transform(x), loose)
    close(z_white, white.transform(x), loose)
    close(back, theirs.inverse_transform(theirs.transform(x)), loose)
    close(back_white, white.inverse_transform(white.transform(x)), loose)


@pytest.mark.parametrize("name", TABLES)
def test_truncated_svd(name):
    """Their shares are of the variance about the mean, ours of the energy."""
    x = tabular(name).x
    k = min(4, x.shape[1] - 1)
    theirs = decomposition.TruncatedSVD(k, algorithm="arpack").fit(x)
    with jax.enable_x64(True):
        ours = fitted(x, k, "svd", False)
        z = np.asarray(pca.transform(ours, x))
    close(ours.components, theirs.components_, 1e-8)
    close(ours.singular, theirs.singular_values_)
    close(z, theirs.transform(x), 1e-8)
    share = z.var(0) / x.var(0).sum()
    close(share, theirs.explained_variance_ratio_, 1e-8)


@pytest.mark.parametrize("name", TABLES)
def test_incremental(name):
    x, k = tabular(name).x, 3
    theirs = decomposition.IncrementalPCA(k)
    for start in range(0, len(x), 50):
        theirs.partial_fit(x[start : start + 50])
    with jax.enable_x64(True):
        fit = functools.partial(incremental_pca.fit, components=k, batch_size=50)
        ours = jax.jit(fit)(x)
        z, share = pca.transform(ours, x), pca.share(ours)
    close(ours.mean, theirs.mean_)
    close(ours.components, theirs.components_)
    close(ours.singular, theirs.singular_values_)
    close(ours.variance, theirs.explained_variance_)
    close(share, theirs.explained_variance_ratio_)
    close(z, theirs.transform(x))
