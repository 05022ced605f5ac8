"""Losses of pixels, the distance transform, and U-Net's weights, by other ways."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage

from zoo.segmentation import border_weights, distances, pixel_cross_entropy


def blobs(seed=0):
    """Three squares that nearly touch."""
    rng = np.random.default_rng(seed)
    x = np.zeros((20, 24), np.int32)
    for i, (top, left) in enumerate([(2, 2), (2, 9), (10, 5)], 1):
        x[top : top + 6, left : left + rng.integers(4, 7)] = i
    return x


def test_distances_are_scipys():
    rng = np.random.default_rng(0)
    for share in (0.02, 0.3, 1.0):
        mask = rng.uniform(size=(17, 23)) < share
        want = ndimage.distance_transform_edt(~mask)
        np.testing.assert_allclose(distances(mask), want, rtol=1e-6)
    assert (distances(np.zeros((4, 5), bool)) >= 1e6).all()


def test_border_weights_are_the_papers():
    x = blobs()
    each = np.stack([ndimage.distance_transform_edt(x != i) for i in (1, 2, 3)])
    d1, d2, _ = np.sort(each, 0)
    gap = np.where(x == 0, 7 * np.exp(-((d1 + d2) ** 2) / (2 * 3.0**2)), 0)
    weights = jax.jit(lambda x: border_weights(x, 5, 7.0, 3.0, False))
    np.testing.assert_allclose(weights(x), 1 + gap, rtol=1e-5)
    balanced = border_weights(x, 3, 0.0)
    assert balanced[x > 0].sum() == pytest.approx(balanced[x == 0].sum(), rel=1e-5)
    assert balanced.mean() == pytest.approx(1, rel=1e-5)
    np.testing.assert_array_equal(border_weights(0 * x, 3), np.ones_like(x))
    one = border_weights(jnp.minimum(x, 1), 1, 7.0, 3.0, False)
    np.testing.assert_array_equal(one, np.ones_like(x))  # a gap needs two objects


def test_cross_entropy_of_pixels():
    rng = np.random.default_rng(0)
    z = np.float32(rng.normal(size=(2, 3, 4, 5)))
    y = rng.integers(-1, 6, (2, 3, 4)).astype(np.int32)  # -1 and 5 do not count
    pixels = np.float32(rng.uniform(size=y.shape))
    weight = np.float32([0.5, 2])
    p = np.exp(z) / np.exp(z).sum(-1, keepdims=True)
    total = count = 0
    for b, i, j in np.ndindex(y.shape):
        if 0 <= y[b, i, j] < 5:
            w = pixels[b, i, j] * weight[b]
            total += -w * np.log(p[b, i, j, y[b, i, j]])
            count += w
    batch = {"y": y, "pixels": pixels, "weight": weight}
    got = pixel_cross_entropy(jnp.asarray(z), batch)
    np.testing.assert_allclose(got, (total, count), rtol=1e-5)
    batch |= {"weight": np.float32([0, 2])}
    spoiled = jnp.asarray(z).at[0].set(jnp.nan)
    kept = pixel_cross_entropy(spoiled, batch)
    np.testing.assert_allclose(kept, pixel_cross_entropy(jnp.asarray(z), batch))


SQUARE = np.zeros((3, 3), np.int32)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: distances(SQUARE[0] > 0), r"mask must be \[H, W\]"),
        (lambda: border_weights(SQUARE, 0), "most at least 1"),
        (lambda: border_weights(SQUARE, 1, sigma=0.0), "sigma positive"),
        (
            lambda: pixel_cross_entropy(jnp.zeros((1, 3, 3)), {"y": SQUARE[None]}),
            r"logits \[B, H, W, K\]",
        ),
        (
            lambda: pixel_cross_entropy(
                jnp.zeros((1, 3, 3, 2)), {"y": SQUARE[None], "pixels": SQUARE}
            ),
            r"pixels must be \[1, 3, 3\]",
        ),
    ],
)
def test_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call()
