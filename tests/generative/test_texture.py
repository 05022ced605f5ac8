"""Textures: statistics by loops, shifts that change nothing, descent, refusals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import optim
from zoo.generative import texture

RNG = np.random.default_rng(0)
FILTERS = texture.random_filters(jax.random.key(0), 5, 3, 2)


def test_grams_by_loops():
    x = RNG.normal(size=(2, 8, 7, 2)).astype("f")
    found = jax.jit(lambda x: texture.grams(x, FILTERS, 2))(x)
    w = np.asarray(FILTERS)
    np.testing.assert_allclose((w**2).sum((0, 1, 2)), 1, rtol=1e-5)
    np.testing.assert_allclose(w.sum((0, 1)), 0, atol=1e-5)
    for level, gram in enumerate(found):
        if level:
            x = x[:, :8, :6].reshape(2, 4, 2, 3, 2, 2).mean((2, 4))
        h, wide = x.shape[1] - 2, x.shape[2] - 2
        expected = np.zeros((2, 5, 5))
        for b, i, j in np.ndindex(2, h, wide):
            part = x[b, i : i + 3, j : j + 3]
            seen = np.maximum(np.einsum("ijc,ijck->k", part, w), 0)
            expected[b] += np.outer(seen, seen) / (h * wide)
        np.testing.assert_allclose(gram, expected, rtol=1e-4, atol=1e-6)
    other = [2 * g for g in found]
    np.testing.assert_allclose(texture.difference(other, found), 1, rtol=1e-5)


def test_noise_becomes_the_texture_and_where_does_not_matter():
    """Stripes of four pixels, whatever their phase, turned into from noise."""
    wave = np.float32([1, 1, -1, -1])
    stripes = np.tile(wave, 5)[None, None, :, None] * np.ones((1, 20, 1, 1), "f")
    of = jax.jit(lambda x: texture.grams(x, FILTERS[:, :, :1], 2))
    # 20 - 2 places are not whole periods: near, and 2 of 18 columns differ.
    moved = texture.difference(of(np.roll(stripes, 2, 2)), of(stripes))
    noise = RNG.normal(size=(1, 24, 24, 1)).astype("f")
    made, path = texture.synthesize(
        jnp.asarray(stripes), jnp.asarray(noise), optim.adam(0.1), 80, of
    )
    print(moved, path[0], path[-1])
    assert moved[0] < 0.05 < 0.5 < path[0, 0] and path[-1, 0] < 0.1 * path[0, 0]
    assert made.shape == noise.shape and path.shape == (80, 1)
    down, right = (np.abs(np.diff(made[0, :, :, 0], axis=a)).mean() for a in (0, 1))
    assert down < 0.6 * right  # upright stripes, as there


@pytest.mark.parametrize(
    "x, message",
    [
        (jnp.ones((1, 11, 20, 2)), "12 pixels or more, got"),
        (jnp.ones((1, 20, 20, 3)), r"images \[B, H, W, 2\]"),
    ],
)
def test_refuses(x, message):
    with pytest.raises(ValueError, match=message):
        texture.grams(x, FILTERS, 3)
    with pytest.raises(ValueError, match="channels must be positive and side 2"):
        texture.random_filters(jax.random.key(0), 0)
    with pytest.raises(ValueError, match="as many images as sample, .* got 1, 2 and 1"):
        texture.synthesize(
            jnp.ones((2, 8, 8, 1)), jnp.ones((1, 8, 8, 1)), optim.sgd(1.0), 1, list
        )
