"""Kernels: as they are written, and positive semidefinite where they should be."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from zoo.classical import kernels

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(9, 3)), RNG.normal(size=(7, 3)) + 0.5
FORMS = {
    "linear": lambda x, y: x @ y,
    "polynomial": lambda x, y: (0.7 * (x @ y) + 0.2) ** 4,
    "rbf": lambda x, y: np.exp(-0.7 * np.sum((x - y) ** 2)),
    "sigmoid": lambda x, y: np.tanh(0.7 * (x @ y) + 0.2),
}


@pytest.mark.parametrize("name", FORMS)
def test_a_pair_at_a_time(name):
    with jax.enable_x64(True), jax.numpy_dtype_promotion("strict"):
        x, y = jnp.asarray(X), jnp.asarray(Y)
        kernel = kernels.kernel(name, x, 0.7, 0.2, 4)
        found = jax.jit(kernels.gram)(kernel, x, y)
        square = jax.jit(kernels.gram)(kernel, x, x)
    want = [[FORMS[name](a, b) for b in Y] for a in X]
    np.testing.assert_allclose(found, want, rtol=1e-12)
    np.testing.assert_allclose(square, square.T, rtol=1e-14)
    lowest = np.linalg.eigvalsh(square)[0]
    assert lowest < -0.1 if name == "sigmoid" else lowest > -1e-9
    low = kernels.gram(kernels.kernel(name, jnp.float32(X), 0.7, 0.2, 4), *map(
        jnp.float32, (X, Y)))  # fmt: skip
    assert low.dtype == jnp.float32
    np.testing.assert_allclose(low, want, rtol=1e-5, atol=2e-6)


def test_gamma():
    x = jnp.asarray(X, jnp.float32)
    scale = kernels.kernel("rbf", x).gamma
    np.testing.assert_allclose(scale, 1 / (3 * np.float32(X).var()), rtol=1e-6)
    assert kernels.kernel("rbf", x, "auto").gamma == np.float32(1 / 3)
    assert kernels.kernel("rbf", jnp.ones((4, 2))).gamma == 0.5  # no variance


def test_rbf_far_from_zero():
    """Distances are counted from the mean, and keep their digits."""
    x, y = jnp.float32(X + 1000), jnp.float32(Y + 1000)
    found = kernels.gram(kernels.kernel("rbf", x, 0.7), x, y)
    apart = np.float64(x)[:, None] - np.float64(y)[None]
    want = np.exp(-0.7 * (apart**2).sum(-1))
    np.testing.assert_allclose(found, want, rtol=1e-4, atol=1e-6)  # 1000 has 2^-14


@pytest.mark.parametrize(
    "options, message",
    [
        (dict(name="poly"), "unknown kernel 'poly'; did you mean 'polynomial'"),
        (dict(name="rbf", gamma="scal"), "unknown gamma 'scal'; did you mean 'scale'"),
        (dict(name="rbf", gamma=-1.0), r"gamma must be a number in \[0, inf\)"),
        (dict(name="rbf", gamma=np.nan), "gamma must be a number"),
        (dict(name="rbf", coef0=np.inf), "coef0 must be a number"),
        (dict(name="polynomial", degree=0), "degree must be an integer >= 1, got 0"),
        (dict(name="polynomial", degree=2.5), "degree must be an integer >= 1"),
    ],
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        kernels.kernel(x=jnp.ones((3, 2)), **options)
    with pytest.raises(ValueError, match=r"x and y must be \[N, D\] and \[M, D\]"):
        kernels.gram(kernels.kernel("rbf", jnp.ones((3, 2))), X, X[:, :2])
