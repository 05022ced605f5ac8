"""Pooling with overlap, padding and `ceil`, Lp and adaptive, against PyTorch."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import zoo.functional as F
from tests.references import torch

P = torch.nn.functional
LAYOUTS = {  # window, stride, padding, ceil
    "AlexNet": (3, 2, 0, False),
    "ResNet": (3, 2, 1, False),
    "GoogLeNet": (3, 2, 0, True),
    "one way": ((2, 3), (1, 2), (1, 0), True),
    "with gaps": (2, 3, 1, True),
}
SIZES = [(7, 9), (8, 6)]


def check(ours, theirs, x, rtol=2e-6):
    """Values and the gradient of the sum of squares; x is [B, H, W, C]."""
    y, back = jax.vjp(jax.jit(ours), jnp.asarray(x))
    image = torch.from_numpy(x.transpose(0, 3, 1, 2).copy()).requires_grad_()
    expected = theirs(image)
    (expected * expected).sum().backward()
    nhwc = lambda t: t.detach().numpy().transpose(0, 2, 3, 1)
    np.testing.assert_allclose(y, nhwc(expected), rtol=rtol, atol=1e-6)
    np.testing.assert_allclose(back(2 * y)[0], nhwc(image.grad), rtol=1e-5, atol=2e-6)


def images(size, ties=False):
    rng = np.random.default_rng(0)
    x = rng.integers(0, 3, (2, *size, 3)) if ties else rng.normal(size=(2, *size, 3))
    return x.astype(np.float32)


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("name", LAYOUTS)
def test_max_and_mean(name, size):
    """Where windows overlap the first of equal maxima has the gradient, as there."""
    layout = window, stride, padding, ceil = LAYOUTS[name]
    for ties in (False, True):
        check(
            lambda x: F.max_pool(x, *layout),
            lambda x: P.max_pool2d(x, window, stride, padding, ceil_mode=ceil),
            images(size, ties),
        )
    for count in (True, False):
        check(
            lambda x, count=count: F.mean_pool(x, *layout, count),
            lambda x, count=count: P.avg_pool2d(x, *layout, count),
            images(size),
        )


@pytest.mark.parametrize("p", [1, 1.5, 2, 4])
@pytest.mark.parametrize(
    "window, stride, ceil", [(2, 2, False), (3, 2, False), ((2, 3), 1, False)], ids=str
)
def test_lp(window, stride, ceil, p):
    """Of any sign where p is even; PyTorch takes no absolute value."""
    x = images((8, 6))
    check(
        lambda x: F.lp_pool(x, window, p, stride, 0, ceil),
        lambda x: P.lp_pool2d(x, p, window, stride, ceil),
        x if p in (2, 4) else abs(x) + np.float32(0.01),
    )


@pytest.mark.parametrize("output", [1, (2, 3), (5, 4), (7, 9), (9, 10)], ids=str)
def test_adaptive(output):
    x = images((7, 9))
    check(
        lambda x: F.adaptive_mean_pool(x, output),
        lambda x: P.adaptive_avg_pool2d(x, output),
        x,
    )
    check(
        lambda x: F.adaptive_max_pool(x, output),
        lambda x: P.adaptive_max_pool2d(x, output),
        x,
    )


def test_global():
    x = images((7, 9))
    check(
        lambda x: F.global_mean_pool(x)[:, None, None],
        lambda x: x.mean((2, 3), keepdim=True),
        x,
    )
    check(
        lambda x: F.global_max_pool(x)[:, None, None],
        lambda x: x.amax((2, 3), keepdim=True),
        x,
    )
