"""Centring, standardising, whitening: identities, limits and inverses."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import zoo.functional as F


def features(n=40, d=5):
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) + rng.normal(size=d)


@pytest.fixture(scope="module", autouse=True)
def doubles():
    with jax.enable_x64(True):
        yield


@pytest.mark.parametrize("ddof", [0, 1])
def test_moments(ddof):
    x = features()
    m = F.feature_moments(jnp.array(x), ddof)
    np.testing.assert_allclose(m.mean, x.sum(0) / 40, rtol=1e-12)
    variance = ((x - x.mean(0)) ** 2).sum(0) / (40 - ddof)
    np.testing.assert_allclose(m.variance, variance, rtol=1e-12)
    y = F.standardize(m, jnp.array(x), 0.3)
    np.testing.assert_allclose(y, (x - x.mean(0)) / np.sqrt(variance + 0.3), rtol=1e-11)
    np.testing.assert_allclose(F.unstandardize(m, y, 0.3), x, rtol=1e-12)
    np.testing.assert_allclose(
        F.zero_center(m, jnp.array(x)), x - x.mean(0), rtol=1e-11
    )


@pytest.mark.parametrize("kind", ["pca", "zca"])
@pytest.mark.parametrize("eps", [0.0, 0.5])
def test_covariance_of_whitened_features(kind, eps):
    """The identity; with eps, eigenvalues l / (l + eps)."""
    x = features()
    axes = F.principal_axes(jnp.array(x))
    y = np.asarray(F.whiten(axes, jnp.array(x), kind, eps))
    values, vectors = np.linalg.eigh(np.cov(x.T, ddof=0))
    expected = np.diag((values / (values + eps))[::-1])
    if kind == "zca":
        expected = vectors @ np.diag(values / (values + eps)) @ vectors.T
    np.testing.assert_allclose(np.cov(y.T, ddof=0), expected, atol=1e-12)
    np.testing.assert_allclose(y.mean(0), 0, atol=1e-12)
    back = F.unwhiten(axes, jnp.array(y), kind, eps)
    np.testing.assert_allclose(back, x, atol=1e-12)


def test_zca_is_the_inverse_root_of_the_covariance():
    import scipy.linalg

    x = features()
    root = scipy.linalg.sqrtm(np.cov(x.T, ddof=0) + 0.1 * np.eye(5))
    expected = (x - x.mean(0)) @ np.linalg.inv(root)
    y = F.whiten(F.principal_axes(jnp.array(x)), jnp.array(x), "zca", 0.1)
    np.testing.assert_allclose(y, expected, atol=1e-10)


def test_zca_moves_features_least():
    """Of all whitenings, that is of all rotations of one of them."""
    x = jnp.array(features())
    axes = F.principal_axes(x)
    distance = lambda y: float(jnp.sum((y - F.zero_center(axes, x)) ** 2))
    zca, pca = (F.whiten(axes, x, kind) for kind in ("zca", "pca"))
    rng = np.random.default_rng(1)
    for _ in range(20):
        turn, _ = np.linalg.qr(rng.normal(size=(5, 5)))
        assert distance(zca) < distance(zca @ turn)
    assert distance(zca) < distance(pca)


def test_fewer_components_are_a_projection():
    x = features()
    axes = F.principal_axes(jnp.array(x), components=2)
    assert axes.axes.shape == (2, 5) and axes.variance[0] > axes.variance[1]
    projected = {}
    for kind, width in (("pca", 2), ("zca", 5)):
        y = F.whiten(axes, jnp.array(x), kind)
        assert y.shape == (40, width)
        projected[kind] = F.unwhiten(axes, y, kind)
    _, _, rows = np.linalg.svd(x - x.mean(0))
    nearest = (x - x.mean(0)) @ rows[:2].T @ rows[:2] + x.mean(0)
    for y in projected.values():
        np.testing.assert_allclose(y, nearest, atol=1e-12)


def test_without_variance_eps_or_fewer_components_keep_it_finite():
    x = features()
    x[:, 2] = 7.0
    x = jnp.array(x)
    axes = F.principal_axes(x)
    assert 0 <= axes.variance[-1] < 1e-14
    assert np.isfinite(F.whiten(axes, x, "zca", 1e-3)).all()
    four = F.principal_axes(x, components=4)
    y = np.asarray(F.whiten(four, x, "pca"))
    np.testing.assert_allclose(np.cov(y.T, ddof=0), np.eye(4), atol=1e-12)


def test_sign_and_order_of_the_axes():
    axes = F.principal_axes(jnp.array(features()))
    rows = np.asarray(axes.axes)
    assert (rows[np.arange(5), np.abs(rows).argmax(1)] > 0).all()
    assert (np.diff(axes.variance) < 0).all()
    np.testing.assert_allclose(rows @ rows.T, np.eye(5), atol=1e-13)


X = jnp.ones((4, 3))
MOMENTS = F.Moments(jnp.zeros(3), jnp.ones(3))
AXES = F.PrincipalAxes(jnp.zeros(3), jnp.eye(3)[:2], jnp.ones(2))


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: F.feature_moments(jnp.ones(3)), r"x must be floats \[N, D\] with N"),
        (lambda: F.feature_moments(jnp.ones((4, 3), int)), "x must be floats"),
        (lambda: F.feature_moments(X, -1), "ddof must be 0 or more, got -1"),
        (lambda: F.principal_axes(X[:1], ddof=1), "with N > 1"),
        (lambda: F.principal_axes(X, 4), "components must be from 1 to 3 features"),
        (lambda: F.principal_axes(X, 0), "components must be from 1 to 3 features"),
        (lambda: F.zero_center(MOMENTS, X[:, :2]), r"x must be \[..., 3\]"),
        (lambda: F.standardize(MOMENTS, X, -1.0), "eps must be 0 or more"),
        (lambda: F.unstandardize(MOMENTS, X[:, :2]), r"y must be \[..., 3\]"),
        (lambda: F.whiten(AXES, X, "cholesky"), "kind must be one of pca, zca"),
        (lambda: F.whiten(AXES, X[:, :2]), r"x must be \[..., 3\]"),
        (lambda: F.whiten(AXES, X, eps=-1.0), "eps must be 0 or more"),
        (lambda: F.unwhiten(AXES, X, "pca"), r"y must be \[..., 2\]"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
