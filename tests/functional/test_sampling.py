"""Bilinear sampling against its formula, on images that NumPy has padded."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from zoo import functional as F

BORDERS = {"zeros": "constant", "edge": "edge"} | {
    name: name for name in ("reflect", "symmetric")
}
sample = jax.jit(F.bilinear_sample, static_argnames="border")


def formula(x, at):
    """The sum over all pixels, as the module's docstring has it."""
    near = lambda u, n: np.maximum(0, 1 - abs(u[:, None] - np.arange(n)))
    return np.einsum(
        "ni,nj,ijc->nc", near(at[:, 0], x.shape[0]), near(at[:, 1], x.shape[1]), x
    )


@pytest.mark.parametrize("size", [(4, 5), (1, 3), (2, 1)], ids=str)
@pytest.mark.parametrize("border", BORDERS)
def test_is_the_formula_on_the_padded_image(border, size):
    """Points up to twelve pixels outside: the mirrors turn several times."""
    rng, far = np.random.default_rng(0), 12
    x, at = rng.normal(size=(*size, 3)), rng.uniform(-far, far, (200, 2))
    padded = np.pad(x, ((far, far), (far, far), (0, 0)), BORDERS[border])
    at = np.concatenate([at, np.floor(at[:20])])  # some at the centres of pixels
    with jax.enable_x64(True):
        y = sample(jnp.asarray(x), jnp.asarray(at), border=border)
    np.testing.assert_allclose(y, formula(padded, at + far), atol=1e-12)


def test_the_nearer_pixel_weighs_more():
    x = jnp.array([0.0, 0, 0, 4, 8]).reshape(1, 5, 1)
    points = jnp.array([[0, 3.5], [0, 3.25], [0, 4.0], [0, 4.5], [-0.25, 3]])
    found = sample(x, points)[:, 0]
    np.testing.assert_array_equal(found, [6, 5, 8, 4, 3])
    np.testing.assert_array_equal(sample(x, points, border="edge")[3:, 0], [8, 4])


@pytest.mark.parametrize("border", BORDERS)
def test_coordinates_that_are_far_out_or_no_numbers(border):
    """What is read is within the image whatever the coordinate says."""
    x = jnp.arange(1.0, 7).reshape(2, 3, 1)
    points = jnp.array([[0, 3e9], [0, -3e9], [0, jnp.inf], [0, jnp.nan]])
    value, back = jax.vjp(lambda at: sample(x, at, border=border), points)
    value, slope = np.asarray(value)[:, 0], np.asarray(back(jnp.ones((4, 1)))[0])
    assert np.isfinite(value[:2]).all() and np.isfinite(slope[:2]).all()
    assert np.isnan(value[3])
    expected = {"zeros": [0, 0, 0], "edge": [3, 1, 3]}
    if border in expected:
        np.testing.assert_array_equal(value[:3], expected[border])
        assert not slope[:3].any()


@pytest.mark.parametrize("border", BORDERS)
def test_gradient_to_coordinates_is_the_slope(border):
    """Between centres the difference of two neighbours; at one, towards the next."""
    x = jnp.array([1.0, 4, 2, 7]).reshape(1, 4, 1)
    columns = jnp.array([-0.5, 0, 0.3, 1, 1.9, 2, 3, 3.25])
    slope = jax.vmap(
        jax.grad(lambda v: sample(x, jnp.stack([0 * v, v]), border=border)[0])
    )(columns)
    inner = [3, -2, -2, 5]
    expected = {
        "zeros": [1, 3, *inner, -7, -7],
        "edge": [0, 0, *inner, 0, 0],
        "reflect": [-3, 0, *inner, 0, -5],
        "symmetric": [0, 0, *inner, 0, 0],
    }
    np.testing.assert_allclose(slope, expected[border], atol=1e-6)


def test_gradient_to_the_image_is_the_weights():
    x, at = jnp.zeros((3, 4, 1)), jnp.array([[0.25, 2.5], [-0.5, 0.0]])
    grad = jax.grad(lambda x: sample(x, at).sum())(x)[:, :, 0]
    expected = np.zeros((3, 4))
    expected[:2, 2:] = np.outer([0.75, 0.25], [0.5, 0.5])
    expected[0, 0] = 0.5  # the other half falls on the zeros
    np.testing.assert_allclose(grad, expected, atol=1e-7)


def test_a_plane_is_sampled_exactly():
    rows, columns = np.mgrid[:5, :6]
    x = jnp.asarray(2.0 + 3 * rows - columns + 0.5 * rows * columns, jnp.float32)
    at = np.random.default_rng(0).uniform(0, 4, (20, 2)).astype(np.float32)
    u, v = at.T
    expected = 2 + 3 * u - v + 0.5 * u * v
    found = sample(x[..., None], jnp.asarray(at))[:, 0]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_warping_by_whole_pixels_moves_them():
    x = np.random.default_rng(0).normal(size=(5, 6, 2)).astype(np.float32)
    at = np.stack(np.mgrid[:5, :6], axis=-1) + np.array([1, -2])
    expected = np.zeros_like(x)
    expected[:4, 2:] = x[1:, :4]
    np.testing.assert_array_equal(sample(x, jnp.asarray(at, jnp.float32)), expected)


@pytest.mark.parametrize("align", [True, False])
@pytest.mark.parametrize(
    "theta, expected",
    [
        ([[1, 0, 0], [0, 1, 0]], lambda x: x),
        ([[-1, 0, 0], [0, 1, 0]], lambda x: x[:, ::-1]),
        ([[0, 1, 0], [1, 0, 0]], lambda x: x.transpose(1, 0, 2)),
        ([[0, -1, 0], [1, 0, 0]], np.rot90),
    ],
    ids=["identity", "mirror", "transpose", "quarter"],
)
def test_affine_maps(theta, expected, align):
    x = np.random.default_rng(0).normal(size=(5, 5, 2)).astype(np.float32)
    grid = F.affine_grid(jnp.array(theta, jnp.float32), (5, 5), align)
    y = sample(x, F.grid_to_pixels(grid, (5, 5), align))
    np.testing.assert_allclose(y, expected(x), atol=1e-5)


def test_normalised_points():
    """-1 and 1 are centres, or outer edges, of the first and the last pixel."""
    grid = jnp.array([[-1.0, 1.0], [0.5, 0.0]])
    found = F.grid_to_pixels(grid, (3, 5), align_corners=True)
    np.testing.assert_array_equal(found, [[2, 0], [1, 3]])
    found = F.grid_to_pixels(grid, (3, 5), align_corners=False)
    np.testing.assert_array_equal(found, [[2.5, -0.5], [1, 3.25]])


X, AT = jnp.zeros((2, 3, 1)), jnp.zeros((4, 2))


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: F.bilinear_sample(X[0], AT), r"image must be \[H, W, C\] .*\(3, 1\)"),
        (lambda: F.bilinear_sample(X[:, :0], AT), "image must be .* with pixels"),
        (lambda: F.bilinear_sample(X, AT.T), r"coordinates must be \[..., 2\], got"),
        (lambda: F.bilinear_sample(X.astype(int), AT), "image must be floats, got int"),
        (lambda: F.bilinear_sample(X, AT.astype(int)), "coordinates must be floats"),
        (lambda: F.bilinear_sample(X, AT, "wrap"), "border must be one of .*'wrap'"),
        (lambda: F.grid_to_pixels(AT.T, (2, 3)), r"grid must be \[..., 2\], got"),
        (lambda: F.affine_grid(AT, (2, 3)), r"theta must be \[2, 3\], got \(4, 2\)"),
        (lambda: F.affine_grid(jnp.zeros((2, 3)), (2, 0)), "size must be"),
    ],
)
def test_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call()
