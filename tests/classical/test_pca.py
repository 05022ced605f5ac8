"""PCA: printed figures, what each way to the components promises, and identities.

`tests/parity/test_pca.py` holds it to scikit-learn.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from zoo import data
from zoo.classical import pca


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


def cloud(shape=(40, 6), seed=0, dtype=np.float64):
    """Correlated points far from the origin."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=shape) * 1.5 ** -np.arange(shape[1])
    return (x @ rng.normal(size=(shape[1], shape[1])) + 3).astype(dtype)


@functools.partial(jax.jit, static_argnums=(1, 2, 3))
def fitted(x, components=None, method="svd", center=True, seed=0):
    key = jax.random.key(seed)
    return pca.fit(x, components, method=method, center=center, key=key)


@pytest.mark.parametrize("method", pca.METHODS)
def test_digits_and_iris_are_as_printed_elsewhere(method):
    digits = fitted(data.tabular("digits").x, 10, method)
    iris = fitted(data.tabular("iris").x, 2, method)
    share = pca.share(digits)
    # Without the power iterations the random directions miss the last of these.
    first = [0.14891, 0.13619, 0.11795, 0.08410, 0.05782]
    np.testing.assert_allclose(share[:5], first, atol=5e-6)
    np.testing.assert_allclose(share.sum(), 0.73823, atol=5e-6)
    np.testing.assert_allclose(pca.share(iris), [0.92461872, 0.05306648], atol=5e-9)
    np.testing.assert_allclose(iris.singular, [25.09996044, 6.01314738], atol=5e-9)


@pytest.mark.parametrize("method", pca.METHODS)
@pytest.mark.parametrize("center", [True, False])
def test_formula(method, center):
    """Against NumPy's SVD, and the eigenvectors of A^T A."""
    x = cloud()
    got = fitted(x, 4, method, center)
    mean = x.mean(0) if center else np.zeros(6)
    a, divisor = x - mean, 39 if center else 40
    _, s, v = np.linalg.svd(a, full_matrices=False)
    np.testing.assert_allclose(got.mean, mean, rtol=1e-12)
    np.testing.assert_allclose(got.singular, s[:4], rtol=1e-11)
    np.testing.assert_allclose(got.variance, s[:4] ** 2 / divisor, rtol=1e-11)
    np.testing.assert_allclose(got.total, (a**2).sum() / divisor, rtol=1e-12)
    w = np.asarray(got.components)
    np.testing.assert_allclose(abs((w * v[:4]).sum(1)), 1, rtol=1e-11)
    np.testing.assert_allclose(a.T @ a @ w.T, w.T * s[:4] ** 2, atol=1e-9 * s[0] ** 2)
    at = abs(w).argmax(1)
    assert (w[range(4), at] > 0).all()


def test_float32_stays_and_agrees():
    x = cloud(dtype=np.float32)
    whole = fitted(x)
    for method in ("eigen", "random"):
        got = fitted(x, None, method)
        assert {leaf.dtype for leaf in got} == {jnp.dtype("float32")}
        assert got.components.shape == (6, 6)
        for a, b in zip(got, whole, strict=True):
            # Of the least direction `eigen` has sqrt(eps) s_1 / s_6 left.
            np.testing.assert_allclose(a, b, atol=1e-3 if a.ndim == 2 else 1e-4)


@pytest.mark.parametrize("shape", [(5, 9), (9, 5)])
@pytest.mark.parametrize("method", pca.METHODS)
def test_wide_tables_and_all_components(method, shape):
    """All that there are: nothing is left of the examples themselves."""
    x = cloud(shape)
    state = fitted(x, None, method)
    back = pca.inverse(state, pca.transform(state, x))
    assert state.components.shape == (5, shape[1])
    np.testing.assert_allclose(back, x, atol=1e-7 if method == "eigen" else 1e-11)
    np.testing.assert_allclose(pca.share(state).sum(), 1, rtol=1e-11)


def test_random_is_the_paper():
    """Line by line. Each iteration, each direction more, comes nearer."""
    x = np.random.default_rng(0).normal(size=(60, 30))
    a = x - x.mean(0)
    exact, found = np.linalg.svd(a)[1][:3], []
    for oversamples, power in [(0, 0), (2, 2), (27, 0)]:
        key = jax.random.key(0)
        options = dict(oversamples=oversamples, power=power)
        fit = functools.partial(pca.fit, method="random", **options)
        got = jax.jit(lambda x, fit=fit, key=key: fit(x, 3, key=key))(x)
        w = np.asarray(jax.random.normal(key, (30, 3 + oversamples), a.dtype))
        q, _ = np.linalg.qr(a @ w)
        for _ in range(power):
            q, _ = np.linalg.qr(a @ (a.T @ q))
        _, s, v = np.linalg.svd(q.T @ a)
        np.testing.assert_allclose(got.singular, s[:3], rtol=1e-9)
        np.testing.assert_allclose(
            abs((np.asarray(got.components) * v[:3]).sum(1)), 1, rtol=1e-9
        )
        found.append(np.abs(s[:3] - exact).max())
    assert found == sorted(found, reverse=True) and found[-1] < 1e-12


def test_random_keeps_what_is_small():
    """Singular values over nine decades."""
    rng = np.random.default_rng(0)
    u, v = (np.linalg.qr(rng.normal(size=(n, 10)))[0] for n in (60, 10))
    s = 10.0 ** -np.arange(10)
    got = fitted((u * s) @ v.T, 10, "random", False)
    np.testing.assert_allclose(got.singular, s, rtol=1e-5)


@pytest.mark.parametrize("whiten", [False, True])
def test_coordinates(whiten):
    x = cloud((50, 4))
    state = fitted(x, 3)
    z = np.asarray(pca.transform(state, x, whiten))
    again = pca.transform(state, pca.inverse(state, z, whiten), whiten)
    one = pca.transform(state, x[7], whiten)
    batches = pca.transform(state, x.reshape(5, 10, 4), whiten)
    home = pca.inverse(state, z[7], whiten)
    error = pca.reconstruction_error(state, x)
    rest = fitted(x).singular[3]
    np.testing.assert_allclose(z.mean(0), 0, atol=1e-12)
    variance = np.ones(3) if whiten else state.variance
    np.testing.assert_allclose(np.cov(z.T), np.diag(variance), atol=1e-10)
    np.testing.assert_allclose(again, z, atol=1e-11)
    np.testing.assert_allclose(one, z[7], atol=1e-12)
    np.testing.assert_allclose(batches, z.reshape(5, 10, 3), atol=1e-12)
    np.testing.assert_allclose(error[7], ((x[7] - home) ** 2).sum(), rtol=1e-10)
    np.testing.assert_allclose(error.sum(), rest**2, rtol=1e-9)  # what was left out


def test_directions_without_spread_whiten_to_zero():
    x = cloud((20, 3))
    x = np.concatenate([x, x[:, :1] + x[:, 1:2]], axis=1)
    state = fitted(x)
    z = np.asarray(pca.transform(state, x, whiten=True))
    back = pca.inverse(state, z, whiten=True)
    np.testing.assert_allclose(z[:, :3].std(0, ddof=1), 1, rtol=1e-10)
    assert (z[:, 3] == 0).all()
    np.testing.assert_allclose(back, x, atol=1e-11)


def test_nothing_varies():
    state = fitted(np.full((4, 3), 2, np.float32))
    for array in (pca.share(state), pca.transform(state, state.mean, whiten=True)):
        np.testing.assert_array_equal(array, 0)


def test_the_sign_does_not_hang_on_rounding():
    """Of two loadings as large as each other the first is positive."""
    equal = jnp.array([[-1, 1], [1 - 1e-7, -1], [-0.5, -1], [0.5, 1]], jnp.float32)
    expected = [[1, -1], [1, -1], [0.5, 1], [0.5, 1]]
    np.testing.assert_allclose(pca.signed(equal), expected, rtol=1e-6)
    np.testing.assert_array_equal(pca.signed(-equal), pca.signed(equal))


def test_turning_the_features_turns_the_components():
    x, rng = cloud((30, 4)), np.random.default_rng(1)
    turn, _ = np.linalg.qr(rng.normal(size=(4, 4)))
    a, b = fitted(x), fitted(x @ turn)
    np.testing.assert_allclose(a.singular, b.singular, rtol=1e-10)
    cosines = (np.asarray(a.components @ turn) * np.asarray(b.components)).sum(1)
    np.testing.assert_allclose(abs(cosines), 1, rtol=1e-10)


def test_gradient():
    """Of the largest variance: 2/(N - 1) z_1 v_1 for each example."""
    x = cloud((12, 3))
    grad = jax.jit(jax.grad(lambda x: pca.fit(x, method="eigen").variance[0]))(x)
    state = fitted(x)
    z = pca.transform(state, x)
    outer = 2 / 11 * np.outer(z[:, 0], state.components[0])
    np.testing.assert_allclose(grad, outer, atol=1e-11)


def test_vmap_over_tables():
    x = np.stack([cloud((20, 3), seed) for seed in range(2)])
    both = jax.jit(jax.vmap(lambda x: pca.fit(x, 2)))(x)
    for i in range(2):
        alone = fitted(x[i], 2)
        for a, b in zip(both, alone, strict=True):
            np.testing.assert_allclose(a[i], b, atol=1e-11)


def test_one_device_equals_eight(devices):
    x = cloud((40, 5)).astype(np.float32)
    fit = functools.partial(pca.fit, components=5, method="eigen", axis_name="batch")
    several = jax.pmap(fit, axis_name="batch", devices=devices, out_axes=None)
    parts = several(x.reshape(8, 5, 5))
    for a, b in zip(parts, fitted(x, 5, "eigen"), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("rank", [0, 1, 3, 5])
def test_low_rank_is_the_nearest(rank):
    x = cloud((7, 5))
    u, s, v = np.linalg.svd(x, full_matrices=False)
    got, energy = jax.jit(pca.low_rank)(x, rank)
    np.testing.assert_allclose(got, (u * s)[:, :rank] @ v[:rank], atol=1e-12)
    np.testing.assert_allclose(energy, (s[:rank] ** 2).sum() / (s**2).sum(), atol=1e-14)
    left = ((x - got) ** 2).sum()
    np.testing.assert_allclose(left, (s[rank:] ** 2).sum(), atol=1e-10)


def test_low_rank_is_the_truncated_svd_and_maps_over_ranks():
    x = cloud((7, 5))
    state = fitted(x, 2, "svd", False)
    both, energy = jax.jit(jax.vmap(pca.low_rank, (None, 0)))(x, np.array([2, 4]))
    plane = pca.inverse(state, pca.transform(state, x))
    share = pca.share(state).sum()
    np.testing.assert_allclose(both[0], plane, atol=1e-12)
    np.testing.assert_allclose(energy[0], share, rtol=1e-12)
    assert np.linalg.matrix_rank(both[1]) == 4
    nothing, energy = pca.low_rank(np.zeros((3, 2), np.float32), 2)
    assert energy == 0 and (nothing == 0).all()


X = np.ones((4, 3), np.float32)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: pca.fit(X[0]), r"x must be \[N, D\] with N >= 2, got \[3\]"),
        (lambda: pca.fit(X[:1]), r"x must be \[N, D\] with N >= 2, got \[1, 3\]"),
        (lambda: pca.fit(X[:0]), r"x must not be empty, got shape \(0, 3"),
        (lambda: pca.fit(X.astype(complex)), "x must be real numbers, got complex128"),
        (lambda: pca.fit(X * np.nan), "x must be finite, got nan"),
        (lambda: pca.fit(X, 4), "components must be an integer from 1 to 3"),
        (lambda: pca.fit(X, 0), "components must be an integer .*got 0"),
        (
            lambda: pca.fit(X.T, 4),
            "components must be .*1 to 3, .* examples and features",
        ),
        (lambda: pca.fit(X, method="svds"), "unknown method of PCA 'svds'; .*'svd'"),
        (lambda: pca.fit(X, method="random"), "key must be given for method 'random'"),
        (lambda: pca.fit(X, axis_name="batch"), "axis_name is for method 'eigen' only"),
        (lambda: pca.fit(X, power=-1), "oversamples and power must be 0 or more"),
        (lambda: pca.fit(X, oversamples=-2), "oversamples and power must .*got -2"),
        (lambda: pca.low_rank(X, 4), "rank must be from 0 to 3, got 4"),
        (lambda: pca.low_rank(X[0], 1), r"x must be a matrix \[H, W\], got shape \[3"),
        (lambda: pca.low_rank(X * np.inf, 1), "x must be finite, got inf"),
        (
            lambda: pca.transform(fitted(X), X[:, :2]),
            r"x must be \[..., 3\], got \[4, 2\]",
        ),
        (
            lambda: pca.inverse(fitted(X, 2), X),
            r"z must be \[..., 2\], got \[4, 3\]",
        ),
    ],
)
def test_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call()
