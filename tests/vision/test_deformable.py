"""Deformable convolution against loops, and what it is for offsets that are known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from zoo.vision.deformable import DeformableConv, deform_conv
from zoo.vision.layers import Kit

PLACES = np.array([(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1)], float)


def pixel(image, i, j):
    """[C]; zeros outside."""
    inside = 0 <= i < image.shape[0] and 0 <= j < image.shape[1]
    return image[i, j] if inside else np.zeros(image.shape[2])


def between(image, v, u):
    """Bilinear by its definition, from the four pixels around."""
    i, j = int(np.floor(v)), int(np.floor(u))
    return sum(
        pixel(image, i + a, j + b)
        * (v - i if a else 1 - v + i)
        * (u - j if b else 1 - u + j)
        for a in (0, 1)
        for b in (0, 1)
    )


def loops(x, kernel, offsets, mask, stride, padding, dilation):
    h, w, channels, features = kernel.shape
    batch, rows, columns, groups = offsets.shape[:4]
    y = np.zeros((batch, rows, columns, features))
    for b, i, j, g, k in np.ndindex(*mask.shape):
        own = slice(g * channels // groups, (g + 1) * channels // groups)
        v, u = (
            stride * at - padding + dilation * place + moved
            for at, place, moved in zip(
                (i, j), divmod(k, w), offsets[b, i, j, g, k], strict=True
            )
        )
        value = between(x[b, :, :, own], v, u) * mask[b, i, j, g, k]
        y[b, i, j] += value @ kernel[k // w, k % w, own]
    return y


def test_equals_loops():
    rng = np.random.default_rng(0)
    x, kernel = rng.normal(size=(2, 7, 6, 4)), rng.normal(size=(3, 2, 4, 3))
    options = dict(stride=2, padding=1, dilation=2)
    offsets = rng.normal(0, 2, (2, 3, 3, 2, 6, 2))
    mask = rng.uniform(size=(2, 3, 3, 2, 6))
    with jax.enable_x64(True):
        got = jax.jit(lambda *a: deform_conv(*a, **options))(x, kernel, offsets, mask)
    expected = loops(x, kernel, offsets, mask, *options.values())
    assert got.dtype == np.float64
    np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-12)


def test_offsets_that_are_known_convolutions():
    """None: the ordinary one. Outwards by a pixel: dilation. All by one: a shift."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 8, 7, 3)).astype(np.float32)
    kernel = rng.normal(size=(3, 3, 3, 2)).astype(np.float32)

    @jax.jit
    def both(x, kernel):
        def ordinary(x, dilation=1):
            return jax.lax.conv_general_dilated(
                *(x, kernel, (1, 1), [(dilation, dilation)] * 2),
                rhs_dilation=(dilation, dilation),
                dimension_numbers=("NHWC", "HWIO", "NHWC"),
            )

        def moved(offsets):
            offsets = jnp.asarray(offsets, jnp.float32).reshape(1, 1, 1, 1, 9, 2)
            return deform_conv(x, kernel, offsets, padding=1)

        down = jnp.pad(x, ((0, 0), (0, 1), (0, 0), (0, 0)))[:, 1:]
        return (
            (moved(0 * PLACES), ordinary(x)),
            (moved(PLACES), ordinary(x, 2)),
            (moved(0 * PLACES + [1, 0])[:, 1:], ordinary(down)[:, 1:]),
        )

    for got, expected in both(x, kernel):
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "kind, share", [("deformable", 1), ("active", 1), ("modulated", 0.5)]
)
def test_begins_as_the_ordinary_convolution(kind, share):
    x = np.random.default_rng(0).normal(size=(2, 6, 5, 4)).astype(np.float32)
    layer = DeformableConv(Kit(), 3, stride=2, kind=kind)

    @jax.jit
    def run(x):
        variables = layer.init(jax.random.key(0), x)
        expected = jax.lax.conv_general_dilated(
            *(x, variables["params"]["kernel"], (2, 2), [(1, 1)] * 2),
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )
        return layer.apply(variables, x), expected

    got, expected = run(x)
    np.testing.assert_allclose(got, share * expected, rtol=1e-5, atol=1e-5)


def test_the_middle_of_an_active_convolution_stays():
    """Nothing else is left of a kernel that is zero but in its middle."""
    x = np.random.default_rng(0).normal(size=(1, 5, 5, 2)).astype(np.float32)
    kernel = np.zeros((3, 3, 2, 2), np.float32)
    kernel[1, 1] = np.eye(2)
    places = np.full((8, 2), 0.7, np.float32)
    params = {"kernel": kernel, "bias": np.zeros(2, np.float32), "places": places}
    y = DeformableConv(Kit(), 2, kind="active").apply({"params": params}, x)
    np.testing.assert_array_equal(y, x)


@pytest.mark.parametrize(
    "offsets, mask, message",
    [
        ((2, 6, 5, 1, 9, 2), None, r"offsets must be \[2, 4, 3, G, 9, 2\]"),
        ((2, 4, 3, 1, 9), None, "offsets must be"),
        ((2, 4, 3, 3, 9, 2), None, "G dividing 4"),
        ((2, 4, 3, 1, 9, 2), (2, 4, 3, 9), r"mask must be \(2, 4, 3, 1, 9\)"),
    ],
)
def test_refuses(offsets, mask, message):
    x, kernel = np.zeros((2, 6, 5, 4)), np.zeros((3, 3, 4, 1))
    mask = None if mask is None else np.zeros(mask)
    with pytest.raises(ValueError, match=message):
        deform_conv(x, kernel, np.zeros(offsets), mask)
    with pytest.raises(ValueError, match="takes images .* and a kernel"):
        deform_conv(x, kernel[:, :, 1:], np.zeros(offsets))
