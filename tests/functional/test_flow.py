"""Optical flow: the linear systems, known motions, errors and the wheel."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.ndimage
import scipy.sparse
import scipy.sparse.linalg

import zoo.data
import zoo.functional as F
from zoo.functional.flow import _finer, _linear, _local_flow

INNER = np.s_[8:-8, 8:-8]


def photo(size=64, blur=1.0):
    """A grey photo from 0 to 1, smoothed."""
    grey = zoo.data.photo() @ np.array([0.299, 0.587, 0.114]) / 255
    return scipy.ndimage.gaussian_filter(grey, blur)[40 : 40 + size, 40 : 40 + size]


def pair(flow, size=64, margin=8):
    """Two images and the exact motion between: second(x + w(x)) = first(x)."""
    second = photo(size + 2 * margin)
    y, x = np.mgrid[: size + 2 * margin, : size + 2 * margin].astype(float)
    u, v = flow(x - margin - (size - 1) / 2, y - margin - (size - 1) / 2)
    first = scipy.ndimage.map_coordinates(second, [y + v, x + u], order=5)
    cut = np.s_[margin:-margin, margin:-margin]
    truth = np.stack(np.broadcast_arrays(u, v), -1)
    return [jnp.array(a[cut], jnp.float32) for a in (first, second, truth)]


def shifted(u, v):
    return lambda x, y: (u + 0 * x, v + 0 * y)


def turned(degrees, scale=1.0):
    a = np.deg2rad(degrees)
    c, s = scale * np.cos(a) - 1, scale * np.sin(a)
    return lambda x, y: (c * x - s * y, s * x + c * y)


def small_pair():
    rng = np.random.default_rng(0)
    return [scipy.ndimage.gaussian_filter(rng.uniform(size=(9, 11)), 1) for _ in "12"]


def test_horn_schunck_solves_its_linear_system():
    """The Euler-Lagrange equations, set up as a sparse matrix and solved directly."""
    alpha = 0.2
    with jax.enable_x64(True):
        first, second = map(jnp.array, small_pair())
        solve = jax.jit(lambda a, b: F.horn_schunck(a, b, alpha, 100_000, 1e-14))
        flow = np.asarray(solve(first, second))
    first, second = np.asarray(first), np.asarray(second)
    mean = np.pad((first + second) / 2, 2, mode="edge")
    five = np.array([1, -8, 0, 8, -1]) / 12
    ix = scipy.ndimage.correlate1d(mean, five, 1)[2:-2, 2:-2].ravel()
    iy = scipy.ndimage.correlate1d(mean, five, 0)[2:-2, 2:-2].ravel()
    it = (second - first).ravel()
    h, w = first.shape
    around = scipy.sparse.lil_matrix((h * w, h * w))
    for i in range(h):
        for j in range(w):
            for di in (-1, 0, 1):
                for dj in (-1, 0, 1):
                    weight = {0: 0, 1: 1 / 6, 2: 1 / 12}[abs(di) + abs(dj)]
                    k, l = np.clip(i + di, 0, h - 1), np.clip(j + dj, 0, w - 1)
                    around[i * w + j, k * w + l] += weight
    smooth = alpha**2 * (scipy.sparse.identity(h * w) - around)
    d = scipy.sparse.diags
    system = scipy.sparse.bmat(
        [[smooth + d(ix * ix), d(ix * iy)], [d(ix * iy), smooth + d(iy * iy)]]
    )
    right = -np.concatenate([ix * it, iy * it])
    expected = scipy.sparse.linalg.spsolve(system.tocsc(), right)
    np.testing.assert_allclose(
        flow.transpose(2, 0, 1).ravel(), expected, rtol=1e-8, atol=1e-10
    )


def test_one_iteration_of_horn_schunck_by_hand():
    """From 0 it is normal flow, -g It / (alpha^2 + |g|^2)."""
    first, second = (jnp.array(x, jnp.float32) for x in small_pair())
    flow = jax.jit(lambda a, b: F.horn_schunck(a, b, 0.3, 1))(first, second)
    g, it = map(np.asarray, jax.jit(_linear)(first, second, jnp.zeros((9, 11, 2))))
    expected = -g * it[..., None] / (0.09 + (g**2).sum(-1, keepdims=True))
    np.testing.assert_allclose(flow, expected, atol=1e-6)


def test_derivative_of_horn_schunck_is_that_of_the_minimum():
    with jax.enable_x64(True):
        first, second = map(jnp.array, small_pair())
        f = jax.jit(
            lambda a: jnp.sin(F.horn_schunck(a, second, 0.3, 9999, 1e-13)).sum()
        )
        direction = np.random.default_rng(1).normal(size=first.shape)
        slope = (jax.grad(f)(first) * direction).sum()
        numeric = (f(first + 1e-5 * direction) - f(first - 1e-5 * direction)) / 2e-5
    np.testing.assert_allclose(slope, numeric, rtol=1e-6)


@pytest.mark.parametrize("weights", ["box", "gaussian"])
def test_lucas_kanade_is_least_squares_in_each_window(weights):
    first, second = small_pair()
    with jax.enable_x64(True):
        found = jax.jit(lambda a, b: F.lucas_kanade(a, b, 5, weights, 1e-3))(
            jnp.array(first), jnp.array(second)
        )
        images = map(jnp.array, (first, second))
        g, it = map(np.asarray, jax.jit(_linear)(*images, jnp.zeros((9, 11, 2))))
    bell = np.exp(-((np.arange(-2, 3) / (5 / 6)) ** 2) / 2)
    line = np.ones(5) if weights == "box" else bell
    kernel = np.outer(line, line) / line.sum() ** 2
    believed = 0
    for i in range(9):
        for j in range(11):
            a, b, k = [], [], []
            for di in range(-2, 3):
                for dj in range(-2, 3):
                    if 0 <= i + di < 9 and 0 <= j + dj < 11:
                        a.append(g[i + di, j + dj])
                        b.append(-it[i + di, j + dj])
                        k.append(np.sqrt(kernel[di + 2, dj + 2]))
            a, b = np.array(a) * np.array(k)[:, None], np.array(b) * k
            least = np.linalg.svd(a)[1][-1] ** 2
            np.testing.assert_allclose(found.eigenvalue[i, j], least, atol=1e-14)
            expected = np.linalg.lstsq(a, b)[0] if least > 1e-3 else np.zeros(2)
            believed += least > 1e-3
            np.testing.assert_allclose(found.flow[i, j], expected, atol=1e-9)
    assert 10 < believed < 99


MOTIONS = {
    "shift": (shifted(2.3, -1.4), 0.03, 0.02),
    "rotation": (turned(3), 0.03, 0.09),
    "zoom": (turned(0, 1.04), 0.03, 0.07),
}
METHODS = {
    "horn_schunck": jax.jit(lambda a, b: F.horn_schunck(a, b, levels=3, warps=3)),
    "lucas_kanade": jax.jit(lambda a, b: F.lucas_kanade(a, b, levels=3, warps=3).flow),
}


@pytest.mark.parametrize("motion", MOTIONS)
@pytest.mark.parametrize("method", METHODS)
def test_known_motions_of_a_photo(method, motion):
    field, *bounds = MOTIONS[motion]
    first, second, truth = pair(field)
    flow = METHODS[method](first, second)
    error = np.asarray(F.endpoint_error(flow, truth))[INNER].mean()
    assert error < dict(zip(METHODS, bounds, strict=True))[method]
    # It is the motion from first to second, not back.
    assert np.asarray(F.endpoint_error(-flow, truth))[INNER].mean() > 20 * error


def test_a_pyramid_sees_what_one_level_does_not():
    first, second, truth = pair(shifted(2.3, -1.4))
    single = jax.jit(F.horn_schunck)(first, second)
    pyramid = METHODS["horn_schunck"](first, second)
    errors = [F.endpoint_error(f, truth)[INNER].mean() for f in (single, pyramid)]
    assert errors[0] > 10 * errors[1]


def test_where_nothing_is_to_be_seen():
    flat = jnp.full((12, 13), 0.5)
    found = jax.jit(F.lucas_kanade)(flat, flat + 0.1)
    assert not found.flow.any() and not found.eigenvalue.any()
    assert np.abs(jax.jit(F.horn_schunck)(flat, flat + 0.1)).max() < 1e-5
    edge = jnp.broadcast_to(jnp.linspace(0, 1, 12)[:, None], (12, 13))  # only y is seen
    found = jax.jit(F.lucas_kanade)(edge, edge)
    assert np.abs(found.eigenvalue).max() < 1e-6 and not found.flow.any()


def test_a_pixel_that_leaves_the_image_has_no_equation():
    first, second = (jnp.array(x, jnp.float32) for x in small_pair())
    flow = jnp.zeros((9, 11, 2)).at[4, 9].set((1.1, 0)).at[0, 5].set((0, -0.1))
    flow = flow.at[4, 8].set((1.9, 0))  # it stays within
    gradient, difference = jax.jit(_linear)(first, second, flow)
    out = np.zeros((9, 11), bool)
    out[4, 9] = out[0, 5] = True
    np.testing.assert_array_equal(np.asarray(difference) == 0, out)
    np.testing.assert_array_equal((np.asarray(gradient) == 0).all(-1), out)


def test_flow_on_the_level_below_is_twice_as_long_at_twice_the_place():
    y, x = np.mgrid[:9, :12].astype(np.float32)
    fine = np.stack([1 + x - 2 * y, 3 * y + 0.5 * x], axis=-1)
    found = jax.jit(_finer, static_argnums=1)(jnp.array(fine[::2, ::2] / 2), (9, 12))
    np.testing.assert_allclose(found[:, :-1], fine[:, :-1], atol=1e-5)
    np.testing.assert_allclose(found[:, -1], fine[:, -2], atol=1e-5)  # repeated


def test_a_window_that_is_not_believed_keeps_the_flow_so_far():
    start = jnp.array(np.random.default_rng(0).normal(size=(5, 6, 2)), jnp.float32)
    nothing = jnp.zeros((5, 6, 2)), jnp.zeros((5, 6))
    flow, eigenvalue = _local_flow(*nothing, start, (0.2,) * 5, 1e-5)
    np.testing.assert_array_equal(flow, start)
    assert not eigenvalue.any()


def test_a_colour_of_each_direction():
    wheel = np.asarray(F.color_wheel())
    assert wheel.shape == (55, 3) and (wheel.max(1) == 1).all()
    assert (wheel.min(1) == 0).all()
    assert len(np.unique(wheel, axis=0)) == 55
    corners = wheel[np.cumsum((0, 15, 6, 4, 11, 13))]
    expected = [[1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 1, 1], [0, 0, 1], [1, 0, 1]]
    np.testing.assert_array_equal(corners, expected)
    flow = jnp.array(
        [[[-1.0, 0], [0, 0], [0.5, 0], [2, 0], [jnp.nan, 1], [jnp.inf, 0]]]
    )
    picture = np.asarray(jax.jit(F.flow_to_color, static_argnums=1)(flow, 1.0))[0]
    np.testing.assert_array_equal(picture[1], 1)  # no motion
    np.testing.assert_array_equal(picture[4:], 0)  # unknown
    right = picture[3] / 0.75  # too long: darkened
    np.testing.assert_allclose(picture[2], 1 - 0.5 * (1 - right), atol=1e-6)
    assert right.argmax() == 0 and picture[0].argmin() == 0
    ways = np.array([[[1.0, 0], [0, 1], [-1, 0], [0, -1]]])
    ways = np.asarray(F.flow_to_color(jnp.array(ways, jnp.float32)))[0]
    # Right red, down yellow, left cyan, up between blue and magenta.
    expected = [[1, 0, 0], [1, 0.9, 0], [0, 1, 1], [0.35, 0, 1]]
    np.testing.assert_allclose(ways, expected, atol=0.2)


def test_errors_by_hand():
    flow = jnp.array([[3.0, 4.0], [1.0, 0.0], [1.0, 2.0]])
    truth = jnp.array([[0.0, 0.0], [0.0, 1.0], [1.0, 2.0]])
    endpoint, angular = jax.jit(F.endpoint_error), jax.jit(F.angular_error)
    np.testing.assert_allclose(endpoint(flow, truth), [5, np.sqrt(2), 0], rtol=1e-6)
    cosines = [1 / np.sqrt(26), 1 / 2]
    expected = [*np.rad2deg(np.arccos(cosines)), 0]
    np.testing.assert_allclose(angular(flow, truth), expected, rtol=1e-6)
    back = angular(truth, flow)
    np.testing.assert_allclose(back, expected, rtol=1e-6)
    near = angular(jnp.array([1e-4, 0.0]), jnp.zeros(2))
    np.testing.assert_allclose(near, np.rad2deg(1e-4), rtol=1e-5)
    for error in (endpoint, angular):
        assert not jax.grad(lambda x, e=error: e(x, truth[2]))(flow[2]).any()


IMAGE = jnp.ones((8, 9))


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: F.horn_schunck(IMAGE, IMAGE[1:]), "second must be floats"),
        (lambda: F.horn_schunck(IMAGE[0], IMAGE[0]), r"first must be floats \[H, W\]"),
        (lambda: F.horn_schunck(IMAGE > 0, IMAGE), "first must be floats"),
        (lambda: F.horn_schunck(IMAGE, IMAGE, 0), "alpha must be above 0, got 0"),
        (lambda: F.horn_schunck(IMAGE, IMAGE, 1, 0), "iterations must be positive"),
        (lambda: F.horn_schunck(IMAGE, IMAGE, 1, 1, -1), "tolerance 0 or more"),
        (lambda: F.horn_schunck(IMAGE, IMAGE, levels=0), "levels and warps must be"),
        (lambda: F.horn_schunck(IMAGE, IMAGE, levels=4), "levels must leave 2 pixels"),
        (lambda: F.lucas_kanade(IMAGE, IMAGE, 4), "window must be odd and positive"),
        (lambda: F.lucas_kanade(IMAGE, IMAGE, 5, "x"), "weights must be one of box"),
        (lambda: F.lucas_kanade(IMAGE, IMAGE, threshold=0), "threshold must be above"),
        (lambda: F.lucas_kanade(IMAGE, IMAGE, warps=0), "levels and warps must be"),
        (lambda: F.endpoint_error(IMAGE, IMAGE), r"must be \[..., 2\] alike"),
        (lambda: F.angular_error(IMAGE[:, :2], IMAGE), r"must be \[..., 2\] alike"),
        (lambda: F.flow_to_color(IMAGE), r"flow must be floats \[H, W, 2\]"),
        (lambda: F.flow_to_color(jnp.ones((2, 3, 2)), 0.0), "longest must be above 0"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
