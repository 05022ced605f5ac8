"""Shift, rotation and warp against scipy, and their limits."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.ndimage

import zoo.functional as F

warp = jax.jit(F.warp, static_argnames=("border", "method"))
shift = jax.jit(F.shift, static_argnames="border")
rotate = jax.jit(F.rotate, static_argnames="border")
BORDERS = {"zeros": "grid-constant", "edge": "nearest", "reflect": "mirror"}
IMAGE = np.random.default_rng(0).uniform(size=(6, 9, 2))


@pytest.fixture(autouse=True)
def doubles():
    with jax.enable_x64(True):
        yield


@pytest.mark.parametrize("border, mode", BORDERS.items())
def test_against_scipy(border, mode):
    image = jnp.array(IMAGE)
    for offset in ((0.3, -1.7), (-12.2, 3.0)):
        theirs = scipy.ndimage.shift(IMAGE, (*offset, 0), order=1, mode=mode)
        ours = shift(image, jnp.array(offset), border=border)
        np.testing.assert_allclose(ours, theirs, atol=1e-12)
    for degrees in (37.0, -110.0):
        theirs = scipy.ndimage.rotate(IMAGE, degrees, reshape=False, order=1, mode=mode)
        ours = rotate(image, degrees, border=border)
        np.testing.assert_allclose(ours, theirs, atol=1e-12)
    flow = 3 * np.random.default_rng(1).normal(size=(6, 9, 2))
    y, x = np.mgrid[:6, :9]
    at = [y + flow[..., 1], x + flow[..., 0]]
    for c in range(2):
        theirs = scipy.ndimage.map_coordinates(IMAGE[..., c], at, order=1, mode=mode)
        ours = warp(image, jnp.array(flow), border=border)[..., c]
        np.testing.assert_allclose(ours, theirs, atol=1e-12)


@pytest.mark.parametrize("border, mode", BORDERS.items())
def test_cubic_is_the_sum_over_sixteen_pixels(border, mode):
    """Keys's kernel in its two pieces, over an image padded by scipy's rule."""

    def kernel(d):
        d = np.abs(d)
        near, far = 1.5 * d**3 - 2.5 * d**2 + 1, -0.5 * d**3 + 2.5 * d**2 - 4 * d + 2
        return np.where(d < 1, near, np.where(d < 2, far, 0))

    flow = 4 * np.random.default_rng(1).normal(size=(6, 9, 2))
    y, x = np.mgrid[:6, :9]
    at = np.mgrid[-30:36, -30:39]
    wide = scipy.ndimage.map_coordinates(IMAGE[..., 0], at, order=0, mode=mode)
    down = kernel((y + flow[..., 1])[..., None] - at[0, :, 0])  # [H, W, 66]
    across = kernel((x + flow[..., 0])[..., None] - at[1, 0])
    expected = np.einsum("hwi,hwj,ij->hw", down, across, wide)
    ours = warp(jnp.array(IMAGE), jnp.array(flow), border=border, method="cubic")[
        ..., 0
    ]
    np.testing.assert_allclose(ours, expected, atol=1e-12)


def test_what_each_method_is_exact_for():
    """Bilinear for planes, cubic for all of degree 2; both at whole pixels."""
    y, x = np.mgrid[:8, :9].astype(float)
    plane = lambda y, x: 1 + 2 * x - 3 * y + 0.5 * x * y
    bowl = lambda y, x: x * x - 2 * x * y + 3 * y * y + x
    flow = np.random.default_rng(2).uniform(-1, 1, (8, 9, 2))
    inner = np.s_[3:-3, 3:-3]
    for f, method, off in (
        (plane, "linear", 0),
        (plane, "cubic", 0),
        (bowl, "linear", 0.1),
        (bowl, "cubic", 0),
    ):
        moved = warp(jnp.array(f(y, x))[..., None], jnp.array(flow), method=method)
        error = np.abs(moved[..., 0] - f(y + flow[..., 1], x + flow[..., 0]))[inner]
        assert error.max() > off if off else error.max() < 1e-12
    whole = jnp.array(np.round(3 * flow))
    both = [warp(jnp.array(f(y, x))[..., None], whole, method=m)
            for m in ("linear", "cubic")]  # fmt: skip
    np.testing.assert_allclose(*both, atol=1e-12)


def test_quarter_turns_and_whole_pixels():
    square = np.random.default_rng(3).uniform(size=(7, 7, 1))
    turned = rotate(jnp.array(square), 90.0, border="edge")
    np.testing.assert_allclose(turned, np.rot90(square), atol=1e-12)
    moved = shift(jnp.array(IMAGE), jnp.array([2.0, -3.0]))
    expected = np.zeros_like(IMAGE)
    expected[2:, :-3] = IMAGE[:-2, 3:]
    np.testing.assert_allclose(moved, expected, atol=1e-12)
    still = jnp.zeros((6, 9, 2))
    np.testing.assert_array_equal(warp(jnp.array(IMAGE), still), IMAGE)


def test_bad_input():
    image, flow = jnp.array(IMAGE), jnp.zeros((6, 9, 2))
    for call, message in (
        (lambda: F.warp(image[..., 0], flow), r"image must be floats \[H, W, C\]"),
        (lambda: F.warp(image.astype(int), flow), "image must be floats"),
        (lambda: F.warp(image, flow[:5]), r"flow must be \[6, 9, 2\] for the image"),
        (lambda: F.warp(image, flow, "wrap"), "border must be one of zeros, edge"),
        (lambda: F.warp(image, flow, method="x"), "method must be linear or cubic"),
        (lambda: F.shift(image, 1.0), r"offset must be \(dy, dx\)"),
        (lambda: F.shift(image[0], jnp.ones(2)), "image must be floats"),
        (lambda: F.rotate(image, jnp.ones(2)), "degrees must be one number"),
        (lambda: F.rotate(image, 1.0, "no"), "border must be one of"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
