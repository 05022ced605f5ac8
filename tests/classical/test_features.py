"""Polynomial features are all products of features up to a degree."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from zoo.classical import features


def test_two_features_are_six_products():
    x = np.array([[2.0, 3.0], [-1.0, 0.5]])
    want = np.stack([np.ones(2), *x.T, x[:, 0] ** 2, x[:, 0] * x[:, 1], x[:, 1] ** 2])
    np.testing.assert_allclose(features.polynomial(x), want.T)
    np.testing.assert_allclose(features.polynomial(x, constant=False), want.T[:, 1:])
    np.testing.assert_allclose(features.polynomial(x[0]), want[:, 0])


@pytest.mark.parametrize("d, degree", [(1, 5), (3, 1), (3, 3), (4, 4)])
def test_each_is_its_product_and_there_are_as_many_as_said(d, degree):
    x = np.random.default_rng(0).normal(size=(2, 3, d)).astype(np.float32)
    got = features.polynomial(x, degree)
    assert got.shape == (2, 3, math.comb(d + degree, degree))
    products = features.monomials(d, degree)
    assert len(set(products)) == len(products) == got.shape[-1]
    want = np.stack([x[..., list(m)].prod(-1) for m in products], axis=-1)
    np.testing.assert_allclose(got, want, rtol=1e-6)


def test_a_polynomial_is_linear_in_them():
    """(1 + x1 - 2 x2)^2, by its weights; and its gradient."""
    weights = jnp.array([1.0, 2, -4, 1, -4, 4])
    f = jax.jit(lambda x: features.polynomial(x) @ weights)
    x = jnp.array([0.3, 0.7])
    root = 1 + x[0] - 2 * x[1]
    np.testing.assert_allclose(f(x), root**2, rtol=1e-5)
    np.testing.assert_allclose(jax.grad(f)(x), [2 * root, -4 * root], rtol=1e-5)


def test_dtype_is_kept():
    assert features.polynomial(np.ones((2, 2), np.float32)).dtype == jnp.float32
    with jax.enable_x64(True):
        assert features.polynomial(np.ones((2, 2))).dtype == jnp.float64


def test_refuses():
    for name, call in [
        ("degree", lambda: features.polynomial(np.ones((2, 2)), 0)),
        ("degree", lambda: features.polynomial(np.ones((2, 2)), 1.5)),
        ("features", lambda: features.monomials(0, 2)),
        ("x", lambda: features.polynomial(np.array([1, np.nan]))),
        ("x", lambda: features.polynomial(np.float32(3))),
    ]:
        with pytest.raises(ValueError, match=f"{name} must be"):
            call()
