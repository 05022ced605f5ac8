"""What a Spatial Transformer is for maps that are known."""

import jax
import numpy as np
import pytest

import zoo
from zoo.vision.layers import features
from zoo.vision.spatial_transformer import transform

X = np.random.default_rng(0).normal(size=(2, 20, 19, 1)).astype(np.float32)


def test_at_the_start_it_passes_on_what_it_is_given():
    model = zoo.create("stn_mnist")
    variables = jax.jit(model.init)(jax.random.key(0), X)
    names = ["transformed", "transformer/theta"]
    got = jax.jit(lambda v: features(model, v, X, names))(variables)
    np.testing.assert_allclose(
        got["transformed"], X, atol=2e-5
    )  # coordinates are rounded
    np.testing.assert_array_equal(got["transformer/theta"][1], np.eye(2, 3))


@pytest.mark.parametrize(
    "theta, expected",
    [
        ([[-1, 0, 0], [0, 1, 0]], X[:, :, ::-1]),
        ([[0, -1, 0], [1, 0, 0]], np.rot90(X[:, :19], axes=(1, 2))),
        ([[1, 0, 2 / 19], [0, 1, 0]], np.pad(X, [(0, 0)] * 2 + [(0, 1), (0, 0)])),
    ],
)
def test_maps_that_are_known(theta, expected):
    """Mirrored; a quarter turn; the column to the right, zeros behind the last."""
    shape = expected.shape
    if shape[2] > 19:
        x, expected = X, expected[:, :, 1:]
    else:
        x = X[:, : shape[1]]
    theta = np.broadcast_to(np.asarray(theta, np.float32), (2, 2, 3))
    got = jax.jit(transform)(x, theta)
    np.testing.assert_allclose(got, expected, atol=2e-5)


def test_refuses():
    with pytest.raises(ValueError, match=r"theta \[B, 2, 3\], got .*\(3, 2, 3\)"):
        transform(X, np.zeros((3, 2, 3), np.float32))
