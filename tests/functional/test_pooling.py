"""Pooling: against loops, and the gradient where a window holds its maximum twice."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from zoo.functional.pooling import max_pool, mean_pool

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
