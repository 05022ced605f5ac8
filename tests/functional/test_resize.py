"""Resizing against numpy.interp, Keys' sum, the sampler, and jax.image."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from zoo import functional as F
from zoo.functional.resize import COORDINATES, METHODS

enlarge = jax.jit(F.bilinear_deconvolution, static_argnames="factor")
sample = jax.jit(jax.vmap(F.bilinear_sample, (0, None)))
resize = jax.jit(F.resize, static_argnames=("size", "method", "coordinates", "a"))
SIZES = [(1, 1), (1, 4), (4, 1), (3, 4), (5, 11), (11, 5), (6, 6), (7, 3)]
pairs = pytest.mark.parametrize("n, m", SIZES)


def image(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def look_up(n, m, coordinates):
    """u as the formulas have it."""
    i = np.arange(m)
    return {
        "half_pixel": (i + 0.5) * n / m - 0.5,
        "aligned": i * (n - 1) / (m - 1) if m > 1 else 0.0 * i,
        "asymmetric": i * n / m,
    }[coordinates]


@pairs
@pytest.mark.parametrize("coordinates", COORDINATES)
def test_bilinear_is_linear_interpolation(coordinates, n, m):
    x = image(n)
    matrix = F.interpolation_matrix(n, m, "bilinear", coordinates)
    expected = np.interp(look_up(n, m, coordinates), np.arange(n), x)
    np.testing.assert_allclose(matrix @ x, expected, atol=1e-14)


def keys(t, a):
    t = abs(t)
    near = (a + 2) * t**3 - (a + 3) * t**2 + 1
    far = a * t**3 - 5 * a * t**2 + 8 * a * t - 4 * a
    return np.select([t <= 1, t < 2], [near, far], 0)


@pairs
@pytest.mark.parametrize("coordinates", COORDINATES)
@pytest.mark.parametrize("a", [-0.75, -0.5])
def test_bicubic_is_keys_sum_over_the_padded_row(a, coordinates, n, m):
    x, far = image(n), 8
    u = look_up(n, m, coordinates)
    t = u[:, None] - np.arange(-far, n + far)
    expected = keys(t, a) @ np.pad(x, far, "edge")
    matrix = F.interpolation_matrix(n, m, "bicubic", coordinates, a)
    np.testing.assert_allclose(matrix @ x, expected, atol=1e-13)


@pairs
@pytest.mark.parametrize("coordinates", COORDINATES)
def test_nearest_rounds_and_floors(coordinates, n, m):
    u = look_up(n, m, coordinates) + 1e-9  # so that what is exact is not below it
    for method, pixel in (("nearest", u + 0.5), ("nearest_floor", u)):
        matrix = F.interpolation_matrix(n, m, method, coordinates)
        expected = np.clip(np.floor(pixel), 0, n - 1)
        np.testing.assert_array_equal(matrix @ np.arange(n), expected)


def test_nearest_of_three_rows_to_four():
    x = jnp.array([[234, 38, 22], [67, 44, 12], [89, 65, 63]])[..., None]
    expected = [[234, 38, 22, 22], [67, 44, 12, 12], [89, 65, 63, 63], [89, 65, 63, 63]]
    y = resize(x, (4, 4), "nearest", "asymmetric")
    assert y.dtype == x.dtype
    np.testing.assert_array_equal(y[..., 0], expected)


@pytest.mark.parametrize("coordinates", COORDINATES)
@pytest.mark.parametrize("method", METHODS)
def test_a_constant_stays_and_so_does_the_same_size(method, coordinates):
    """To the last row and column, which a loop with floor and ceil leaves at 0."""
    y = resize(jnp.full((3, 4, 1), 7.0), (8, 5), method, coordinates)
    np.testing.assert_allclose(y, 7, rtol=1e-6)
    x = jnp.asarray(image(3, 4, 2), jnp.float32)
    y = resize(x, (3, 4), method, coordinates)
    np.testing.assert_allclose(y, x, atol=1e-6)


def test_aligned_keeps_the_corners():
    x = jnp.asarray(image(3, 4, 1), jnp.float32)
    for method in METHODS:
        y = resize(x, (8, 5), method, "aligned")
        np.testing.assert_allclose(y[::7, ::4], x[::2, ::3], atol=1e-6)


def test_which_a_is_of_third_order():
    """With a = -1/2 a parabola is met, away from the border; with -3/4 it is not."""
    x = np.arange(12.0) ** 2
    u = look_up(12, 30, "half_pixel")
    inner = (u >= 1) & (u <= 10)
    found = F.interpolation_matrix(12, 30, "bicubic", a=-0.5) @ x
    np.testing.assert_allclose(found[inner], u[inner] ** 2, rtol=1e-12)
    other = F.interpolation_matrix(12, 30, "bicubic") @ x
    assert abs(other - u**2)[inner].max() > 0.05


@pytest.mark.parametrize("method", METHODS)
def test_rows_and_columns_are_apart_and_axes_lead(method):
    x = image(2, 3, 4, 5, 2)
    with jax.enable_x64(True):
        y = resize(jnp.asarray(x), (7, 3), method)
    rows, columns = (F.interpolation_matrix(*p, method) for p in ((4, 7), (5, 3)))
    expected = np.einsum("ph,qw,abhwc->abpqc", rows, columns, x)
    np.testing.assert_allclose(y, expected, atol=1e-14)


@pytest.mark.parametrize("size", [(9, 7), (2, 3)], ids=str)
def test_is_the_sampler_at_the_pixels_of_the_result(size):
    x = jnp.asarray(image(4, 5, 2), jnp.float32)
    u, v = (look_up(n, m, "half_pixel") for n, m in zip((4, 5), size, strict=True))
    at = jnp.asarray(np.stack(np.meshgrid(u, v, indexing="ij"), -1), jnp.float32)
    expected = jax.jit(lambda x: F.bilinear_sample(x, at, "edge"))(x)
    np.testing.assert_allclose(resize(x, size), expected, atol=1e-6)


@pytest.mark.parametrize("size", [(9, 11), (3, 4)], ids=["larger", "smaller"])
def test_is_jax_image_without_antialias(size):
    with jax.enable_x64(True):
        x = jnp.asarray(image(5, 6, 2))
        linear = jax.image.resize(x, (*size, 2), "linear", antialias=False)
        cubic = np.asarray(jax.image.resize(x, (*size, 2), "cubic", antialias=False))
        nearest = jax.image.resize(x, (*size, 2), "nearest")
        np.testing.assert_allclose(resize(x, size), linear, atol=1e-13)
        np.testing.assert_array_equal(resize(x, size, "nearest"), nearest)
        ours = np.asarray(resize(x, size, "bicubic", a=-0.5))
    u, v = (look_up(n, m, "half_pixel") for n, m in zip((5, 6), size, strict=True))
    inner = np.ix_((u >= 1) & (u <= 3), (v >= 1) & (v <= 4))
    np.testing.assert_allclose(ours[inner], cubic[inner], atol=1e-13)
    assert abs(ours - cubic).max() > 0.01  # at the border


def test_jax_image_smooths_before_it_shrinks():
    x = jnp.asarray(image(12, 12, 1), jnp.float32)
    smoothed = jax.image.resize(x, (4, 4, 1), "linear")
    assert abs(smoothed - resize(x, (4, 4))).max() > 0.1


def test_kernels():
    w = np.array([0.25, 0.75, 0.75, 0.25])
    np.testing.assert_array_equal(F.bilinear_kernel(2), np.outer(w, w))
    w = np.array([1, 2, 3, 2, 1]) / 3
    np.testing.assert_allclose(F.bilinear_kernel(3), np.outer(w, w))
    np.testing.assert_array_equal(F.bilinear_kernel(1), [[1]])


def test_deconvolution_of_eighteen_pixels():
    """The border: there a quarter of the weight falls on zeros outside."""
    x = jnp.arange(1.0, 19).reshape(1, 3, 6, 1)
    y, larger = np.asarray(enlarge(x)), np.asarray(resize(x, (6, 12)))
    y, larger, x = y[0, :, :, 0], larger[0, :, :, 0], np.asarray(x)[0, :, :, 0]
    assert y.shape == (6, 12)
    np.testing.assert_allclose(y[1:-1, 1:-1], larger[1:-1, 1:-1], rtol=1e-6)
    np.testing.assert_allclose(y[0, 1:-1], 0.75 * larger[0, 1:-1], rtol=1e-6)
    np.testing.assert_allclose(y[1:-1, -1], 0.75 * larger[1:-1, -1], rtol=1e-6)
    np.testing.assert_allclose(y[::5, ::11], 9 / 16 * x[::2, ::5], rtol=1e-6)


@pytest.mark.parametrize("factor", [1, 2, 3, 4, 5])
def test_deconvolution_is_the_sampler_with_zeros_outside(factor):
    x = jnp.asarray(image(2, 4, 5, 3), jnp.float32)
    u, v = (look_up(n, factor * n, "half_pixel") for n in (4, 5))
    at = jnp.asarray(np.stack(np.meshgrid(u, v, indexing="ij"), -1), jnp.float32)
    expected = np.asarray(sample(x, at))
    y = np.asarray(enlarge(x, factor))
    np.testing.assert_allclose(y, expected, atol=2e-6)  # sums of four products
    border, size = factor // 2, (4 * factor, 5 * factor)
    inside = np.s_[:, border : size[0] - border, border : size[1] - border]
    np.testing.assert_allclose(
        y[inside], np.asarray(resize(x, size))[inside], atol=2e-6
    )


X = jnp.zeros((1, 3, 4, 1))


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: F.resize(X, (5, 5), "cubic"), "method must be one of .*got 'cubic'"),
        (lambda: F.resize(X, (5, 5), "nearest_up"), "method must be one of"),
        (
            lambda: F.resize(X, (5, 5), "nearest", "corner"),
            "coordinates must be one",
        ),
        (lambda: F.resize(X, (5, 0)), "outputs must be an integer of 1 or more, got 0"),
        (lambda: F.resize(X, (5, 2.5), "nearest"), "outputs must be"),
        (lambda: F.resize(X[:, :0], (5, 5)), "inputs must be"),
        (lambda: F.resize(X[0, 0], (5, 5)), r"images must be \[..., H, W, C\], got"),
        (lambda: F.resize(X.astype(int), (5, 5)), "images must be floats for bilinear"),
        (lambda: F.bilinear_kernel(0), "factor must be an integer of 1 or more, got 0"),
        (lambda: F.bilinear_deconvolution(X[0]), r"images must be \[B, H, W, C\], got"),
    ],
)
def test_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call()
