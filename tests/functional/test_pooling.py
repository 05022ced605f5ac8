"""Pooling: against loops, and the gradient where a window holds its maximum twice."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from zoo.functional.pooling import (
    adaptive_max_pool,
    adaptive_mean_pool,
    global_max_pool,
    global_mean_pool,
    lp_pool,
    max_pool,
    mean_pool,
)

PAIRS = [(max_pool, np.max), (mean_pool, np.mean)]


def loops(x, window, reduce):
    b, h, w, c = x.shape
    y = np.empty((b, h // window, w // window, c))
    for i in range(h // window):
        for j in range(w // window):
            rows = slice(i * window, (i + 1) * window)
            columns = slice(j * window, (j + 1) * window)
            y[:, i, j] = reduce(x[:, rows, columns], axis=(1, 2))
    return y


@pytest.mark.parametrize("pool, reduce", PAIRS, ids=["max", "mean"])
@pytest.mark.parametrize("window", [1, 2, 3])
@pytest.mark.parametrize("size", [(6, 12), (7, 5), (6, 7)])  # tiled, and with a rest
def test_equals_loops(pool, reduce, window, size):
    x = np.random.default_rng(0).normal(size=(2, *size, 3)).astype(np.float32)
    expected = loops(x, window, reduce)
    np.testing.assert_allclose(pool(x, window), expected, rtol=1e-5, atol=1e-6)


def test_tiled_windows_do_without_reduce_window():
    grad = jax.grad(lambda x: max_pool(x).sum())
    x = jnp.zeros((1, 4, 4, 1))
    assert "select_and_scatter" not in str(jax.make_jaxpr(grad)(x))


def test_gradient_without_ties_goes_to_the_maximum():
    x = np.random.default_rng(0).permutation(48).reshape(1, 4, 6, 2).astype(np.float32)
    grad = jax.grad(lambda x: (max_pool(x) * max_pool(x)).sum() / 2)(x)
    largest = np.repeat(np.repeat(max_pool(x), 2, 1), 2, 2)
    np.testing.assert_array_equal(grad, np.where(x == largest, x, 0))


def test_gradient_at_ties_is_shared():
    """Tiled: among those that are equal. With a rest: to the first, as in PyTorch."""
    grad = jax.grad(lambda x: max_pool(x).sum())
    np.testing.assert_array_equal(grad(jnp.ones((1, 2, 2, 1))).ravel(), [0.25] * 4)
    two = jnp.array([[3.0, 1.0], [0.0, 3.0]]).reshape(1, 2, 2, 1)
    np.testing.assert_array_equal(grad(two).ravel(), [0.5, 0, 0, 0.5])
    first = grad(jnp.ones((1, 3, 2, 1))).ravel()
    np.testing.assert_array_equal(first, [1, 0, 0, 0, 0, 0])


@pytest.mark.parametrize(
    "shape, window, message",
    [
        ((4, 6, 1), 2, r"images must be \[B, H, W, C\], got \(4, 6, 1\)"),
        ((1, 4, 6, 1), 5, "window must be an integer from 1 to the images' 4 .*got 5"),
        ((1, 4, 6, 1), 0, "window must be"),
        ((1, 4, 6, 1), 2.0, "window must be"),
    ],
)
@pytest.mark.parametrize("pool", [max_pool, mean_pool])
def test_refuses(pool, shape, window, message):
    with pytest.raises(ValueError, match=message):
        pool(jnp.zeros(shape), window)


def images(h=5, w=7, seed=0):
    return np.random.default_rng(seed).normal(size=(2, h, w, 3)).astype(np.float32)


@pytest.mark.parametrize("pool", [max_pool, mean_pool, lp_pool])
def test_windows_that_step_by_themselves_are_the_tiles(pool):
    """The same values and the same gradients, spelled out or not."""
    x = images(4, 6)
    for ours, theirs in (
        (lambda x: pool(x, (2, 3)), lambda x: pool(x, (2, 3), stride=(2, 3))),
        (lambda x: pool(x), lambda x: pool(x, 2, stride=2, padding=0, ceil=True)),
    ):
        a, b = (jax.vjp(jax.jit(f), x) for f in (ours, theirs))
        np.testing.assert_array_equal(a[0], b[0])
        np.testing.assert_array_equal(a[1](a[0])[0], b[1](b[0])[0])
    assert "reduce_window" not in str(jax.make_jaxpr(lambda x: pool(x, (2, 3)))(x))


def lp_loops(x, window, stride, p):
    """Values, and the gradient of their sum: sign(x) (|x| / y)^(p - 1), added up."""
    (h, w), (down, right) = window, stride
    rows, columns = (x.shape[1] - h) // down + 1, (x.shape[2] - w) // right + 1
    y, slope = np.empty((len(x), rows, columns, x.shape[3])), np.zeros(x.shape)
    for i in range(rows):
        for j in range(columns):
            at = np.s_[:, i * down : i * down + h, j * right : j * right + w]
            size = abs(x[at])
            if p == np.inf:
                norm = size.max((1, 2))
                share = size == norm[:, None, None]
            else:
                norm = (size**p).sum((1, 2)) ** (1 / p)
                share = (size / norm[:, None, None]) ** (p - 1)
            y[:, i, j] = norm
            slope[at] += np.sign(x[at]) * share
    return y, slope


@pytest.mark.parametrize("p", [0.5, 1, 2.5, 3, np.inf])
@pytest.mark.parametrize("window, stride", [((2, 4), None), ((3, 2), (2, 1))], ids=str)
def test_lp_pool_equals_loops(window, stride, p):
    x = images(6, 8).astype(np.float64)
    expected, slope = lp_loops(x, window, stride or window, p)
    with jax.enable_x64(True):
        pool = jax.jit(lambda x: lp_pool(x, window, p, stride))
        y, back = jax.vjp(pool, x)
        np.testing.assert_allclose(y, expected, rtol=1e-13)
        np.testing.assert_allclose(back(jnp.ones_like(y))[0], slope, rtol=1e-12)


def test_limits_of_lp_pool():
    x = images(6, 8)
    np.testing.assert_allclose(lp_pool(x, 2, 1), 4 * mean_pool(abs(x)), rtol=1e-6)
    np.testing.assert_array_equal(lp_pool(x, 2, np.inf), max_pool(abs(x)))
    np.testing.assert_allclose(
        lp_pool(x, 3, 200.0, 2), max_pool(abs(x), 3, 2), rtol=0.02
    )
    np.testing.assert_array_equal(lp_pool(-x, 3, 3, 2), lp_pool(x, 3, 3, 2))
    assert not np.asarray(lp_pool(0 * x, 2, 3)).any()


@pytest.mark.parametrize("p", [0.5, 1, 2, 3, np.inf])
@pytest.mark.parametrize("layout", [(2,), (3, 2, 1)], ids=["tiled", "padded"])
def test_gradient_of_lp_pool_where_there_is_nothing(p, layout):
    """Windows of zeros, and zeros beside other pixels: 0 and not NaN."""
    window, *rest = layout
    x = images(4, 4)
    x[0], x[1, 0] = 0, 0
    grad = jax.jit(jax.grad(lambda x: lp_pool(x, window, p, *rest).sum()))(x)
    assert np.isfinite(grad).all()
    np.testing.assert_array_equal(np.asarray(grad)[x == 0], 0)
    assert np.asarray(grad)[1].any()


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (5, 7), (7, 5), (3, 9)], ids=str)
def test_adaptive_windows(size):
    """The i-th from floor(i H / h) to ceil((i + 1) H / h)."""
    x = images()
    edges = lambda i, n, s: slice(i * n // s, int(np.ceil((i + 1) * n / s)))
    for pool, reduce in ((adaptive_mean_pool, np.mean), (adaptive_max_pool, np.max)):
        y = pool(x, size)
        assert y.shape == (2, *size, 3)
        for i in range(size[0]):
            for j in range(size[1]):
                part = x[:, edges(i, 5, size[0]), edges(j, 7, size[1])]
                np.testing.assert_allclose(
                    y[:, i, j], reduce(part, axis=(1, 2)), rtol=1e-5, atol=1e-7
                )


def test_adaptive_and_global_agree():
    x = images(4, 6)
    np.testing.assert_allclose(global_mean_pool(x), x.mean((1, 2)), rtol=1e-5)
    np.testing.assert_array_equal(global_max_pool(x), x.max((1, 2)))
    np.testing.assert_allclose(
        adaptive_mean_pool(x, 1)[:, 0, 0], global_mean_pool(x), rtol=1e-5, atol=1e-7
    )
    np.testing.assert_array_equal(adaptive_max_pool(x, 1)[:, 0, 0], global_max_pool(x))
    np.testing.assert_array_equal(adaptive_max_pool(x, (2, 3)), max_pool(x))
    np.testing.assert_allclose(adaptive_mean_pool(x, (2, 3)), mean_pool(x), rtol=1e-5)
    ones = jax.grad(lambda x: global_max_pool(x).sum())(jnp.ones((1, 2, 2, 1)))
    np.testing.assert_array_equal(ones.ravel(), [0.25] * 4)


def test_padding_is_no_maximum_and_counts_in_the_mean_if_it_may():
    x = -jnp.ones((1, 4, 4, 1))
    np.testing.assert_array_equal(max_pool(x, 3, 2, 1).ravel(), [-1] * 4)
    counted = mean_pool(x, 3, 2, 1).reshape(2, 2)
    np.testing.assert_allclose(counted, [[-4 / 9, -6 / 9], [-6 / 9, -1]], rtol=1e-6)
    own = mean_pool(x, 3, 2, 1, count_padding=False)
    np.testing.assert_allclose(own.ravel(), [-1] * 4, rtol=1e-6)


@pytest.mark.parametrize(
    "size, layout, expected",
    [
        (55, (3, 2), 27),  # AlexNet
        (112, (3, 2, 1), 56),  # the stem of ResNet
        (112, (3, 2, 0, True), 56),  # GoogLeNet
        (109, (3, 2, 0, True), 54),  # SqueezeNet 1.0
        (6, (2, 3, 1, True), 3),  # a third window begins in the image
        (5, (2, 3, 1, True), 2),  # a third would begin in the padding on the right
    ],
)
def test_sizes_of_known_nets(size, layout, expected):
    x = jax.ShapeDtypeStruct((1, size, size, 1), jnp.float32)
    window, *rest = layout
    for pool in (max_pool, mean_pool, functools.partial(lp_pool, p=2)):
        names = ("stride", "padding", "ceil")
        options = dict(zip(names, rest, strict=False))
        y = jax.eval_shape(functools.partial(pool, window=window, **options), x)
        assert y.shape == (1, expected, expected, 1)


def test_refuses_layouts():
    x = jnp.zeros((1, 6, 4, 1))
    for pool in (max_pool, mean_pool):
        for window in ((2, 5), (7, 2), (2, 2, 2), (0, 1)):
            with pytest.raises(ValueError, match="window must be an integer from 1"):
                pool(x, window)
        for stride in (0, 1.0, (2, 2, 2)):
            with pytest.raises(ValueError, match="stride must be an integer from 1"):
                pool(x, 2, stride)
        for padding in (2, -1, 0.5, (1, 2)):
            with pytest.raises(ValueError, match="padding must be an integer from 0"):
                pool(x, 2, 1, padding)
    for p in (0, -1):
        with pytest.raises(ValueError, match="p must be a number > 0"):
            lp_pool(x, 2, p)
    for pool in (adaptive_mean_pool, adaptive_max_pool):
        for size in (0, 2.0, (1, 0)):
            with pytest.raises(ValueError, match="size must be an integer from 1"):
                pool(x, size)
        with pytest.raises(ValueError, match=r"images must be \[B, H, W, C\]"):
            pool(x[0], 1)
    for pool in (global_mean_pool, global_max_pool):
        with pytest.raises(ValueError, match=r"images must be \[B, H, W, C\]"):
            pool(x[0])
