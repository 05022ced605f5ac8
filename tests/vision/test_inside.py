"""Looking inside: a two-layer net written out in NumPy, and what is known of it."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import zoo
from zoo.vision import features
from zoo.vision.inside import (
    deconv_relu,
    guided_relu,
    maximal,
    projection,
    saliency,
)

RNG = np.random.default_rng(0)
A, B = (RNG.normal(size=s).astype(np.float32) for s in ((18, 7), (7, 8)))
X = RNG.normal(size=(3, 3, 3, 2)).astype(np.float32)
HIDDEN = X.reshape(3, -1) @ A


def net(f, x):  # maps of 2x2x2, or 8 logits
    return f(x.reshape(len(x), -1) @ A) @ B


@pytest.mark.parametrize("f", [jax.nn.relu, deconv_relu, guided_relu])
def test_projection_is_the_net_backwards(f):
    maps = lambda x: net(f, x).reshape(-1, 2, 2, 2)
    got = jax.jit(functools.partial(projection, maps, channel=1))(X)
    responses = (np.maximum(HIDDEN, 0) @ B).reshape(3, 2, 2, 2)[..., 1]
    for i, response in enumerate(responses):
        row, column = np.unravel_index(response.argmax(), (2, 2))
        assert got.place[i].tolist() == [row, column]
        g = response.max() * B[:, 4 * row + 2 * column + 1]
        if f is not jax.nn.relu:
            g = np.maximum(g, 0)
        if f is not deconv_relu:
            g = g * (HIDDEN[i] > 0)
        np.testing.assert_allclose(got.response[i], response.max(), rtol=1e-5)
        want = (A @ g).reshape(3, 3, 2)
        np.testing.assert_allclose(got.pixels[i], want, rtol=1e-4, atol=1e-5)


def test_saliency_is_the_largest_slope_of_the_class():
    classes = np.array([5, 0, 7])
    got = jax.jit(functools.partial(saliency, functools.partial(net, jax.nn.relu)))(
        X, jnp.asarray(classes)
    )
    slopes = np.stack(
        [A @ (B[:, c] * (h > 0)) for c, h in zip(classes, HIDDEN, strict=True)]
    )
    want = abs(slopes.reshape(3, 3, 3, 2)).max(-1)
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


def test_maximal_finds_the_top_of_a_paraboloid():
    """b.x - decay |x|^2 / 2 is largest at b / decay."""
    b = jnp.asarray(X)
    along = lambda x, b: (b * x).sum((1, 2, 3))
    got = maximal(along, 0 * b, b, steps=400, decay=2.0)
    np.testing.assert_allclose(got, X / 2, atol=1e-3)


def test_lenet_led_back_stays_in_the_unit_s_field():
    """14x14 pixels see a unit of the second maps; what lies outside is 0."""
    model = zoo.create("lenet5", activation="deconv")
    x = jnp.asarray(RNG.normal(size=(2, 28, 28, 1)), jnp.float32)
    variables = jax.jit(model.init)(jax.random.key(0), x)
    maps = lambda x: features(model, variables, x, ["conv_1"])["conv_1"]
    got = jax.jit(functools.partial(projection, maps, channel=3))(x)
    for pixels, (row, column) in zip(got.pixels, got.place, strict=True):
        field = np.zeros((28, 28, 1), bool)
        rows, columns = (slice(max(2 * i - 2, 0), 2 * i + 12) for i in (row, column))
        field[rows, columns] = True
        assert np.abs(pixels[field]).max() > 0 and not np.asarray(pixels)[~field].any()
    same = zoo.create("lenet5")
    np.testing.assert_array_equal(
        jax.jit(model.apply)(variables, x), jax.jit(same.apply)(variables, x)
    )


def test_refuses():
    logits = functools.partial(net, jax.nn.relu)
    with pytest.raises(ValueError, match=r"classes must be \(3,\).*got \(2,\)"):
        saliency(logits, X, jnp.zeros(2, jnp.int32))
    with pytest.raises(ValueError, match="channel must be below 2, got 2"):
        projection(lambda x: logits(x).reshape(-1, 2, 2, 2), X, 2)
    with pytest.raises(ValueError, match="steps and learning_rate must be positive"):
        maximal(lambda x: x.sum((1, 2, 3)), X, steps=0)
