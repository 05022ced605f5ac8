"""Losses and pooling against PyTorch."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.references import torch
from zoo.functional.losses import cross_entropy
from zoo.functional.pooling import max_pool, mean_pool

F = torch.nn.functional
POOLS = {"max": (max_pool, F.max_pool2d), "mean": (mean_pool, F.avg_pool2d)}
SIZES = [(4, 6), (5, 7), (6, 5), (9, 12)]


def weighted_mean(z, y, weight, smoothing):
    value, total = cross_entropy(z, {"y": y, "weight": weight}, smoothing)
    return value / total


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.9])
def test_the_weighted_mean_of_cross_entropy(smoothing):
    """Value and gradient; PyTorch weighs classes, so each has a weight here."""
    rng = np.random.default_rng(0)
    y, weight = np.array([3, 0, 3, 1, 2, 0]), np.array([2.0, 0.0, 0.5, 1.0])
    logits = 4 * rng.normal(size=(6, 4))
    z = torch.tensor(logits, requires_grad=True)
    each = F.cross_entropy(
        z, torch.tensor(y), reduction="none", label_smoothing=smoothing
    )
    w = torch.tensor(weight[y])
    theirs = (each * w).sum() / w.sum()
    theirs.backward()
    with jax.enable_x64(True):
        value, grad = jax.value_and_grad(weighted_mean)(
            jnp.array(logits), y, weight[y], smoothing
        )
    np.testing.assert_allclose(value, theirs.item(), rtol=1e-12)
    np.testing.assert_allclose(grad, z.grad, atol=1e-14)
    if not smoothing:  # PyTorch's own division by the weights
        own = F.cross_entropy(z, torch.tensor(y), torch.tensor(weight))
        np.testing.assert_allclose(value, own.item(), rtol=1e-12)


def pooled(name, x, window):
    """Output and the gradient of a sum of its squares, of ours and of theirs."""
    ours, theirs = POOLS[name]
    y, back = jax.vjp(lambda x: ours(x, window), jnp.asarray(x))
    image = torch.from_numpy(x.transpose(0, 3, 1, 2).copy()).requires_grad_()
    expected = theirs(image, window)
    (expected * expected).sum().backward()
    nhwc = lambda t: t.detach().numpy().transpose(0, 2, 3, 1)
    return (y, back(2 * y)[0]), (nhwc(expected), nhwc(image.grad))


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("window", [2, 3])
@pytest.mark.parametrize("name", POOLS)
def test_pooling(name, window, size):
    x = np.random.default_rng(1).normal(size=(2, *size, 3)).astype(np.float32)
    for ours, theirs in zip(*pooled(name, x, window), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_gradient_of_the_maximum_where_pixels_are_equal(size):
    """With a rest at the border it is PyTorch's. Where windows tile it is shared, and
    what a window's pixels get sums up to PyTorch's."""
    x = np.random.default_rng(2).integers(0, 2, (2, *size, 3)).astype(np.float32)
    (y, ours), (expected, theirs) = pooled("max", x, 2)
    np.testing.assert_array_equal(y, expected)
    if size[0] % 2 or size[1] % 2:
        np.testing.assert_array_equal(ours, theirs)
        return
    assert (ours != theirs).any()
    np.testing.assert_allclose(4 * mean_pool(ours), 4 * mean_pool(jnp.array(theirs)))
    largest = np.repeat(np.repeat(y, 2, 1), 2, 2)
    assert not np.asarray(ours)[x != largest].any()
