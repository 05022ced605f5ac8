"""Normalizations against PyTorch, value and gradient, and batch's against flax's."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import zoo.functional as F
from tests.references import torch

T = torch.nn.functional
SHAPE = (2, 5, 4, 6)  # [B, H, W, C]


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def to_theirs(x):  # [B, H, W, C] -> [B, C, H, W]
    x = x.transpose(0, 3, 1, 2) if x.ndim == 4 else x
    return torch.tensor(x.copy(), requires_grad=True)


def to_ours(t):
    t = t.detach().numpy()
    return t.transpose(0, 2, 3, 1) if t.ndim == 4 else t


def assert_agree(ours, theirs, *arrays):
    """Values, and gradients of a weighted sum in all arguments, to 1e-12."""
    with jax.enable_x64(True):
        y, back = jax.vjp(ours, *map(jnp.array, arrays))
        weight = draw(*y.shape, seed=7)
        grads = back(jnp.array(weight))
        low = ours(*(jnp.array(x, jnp.float32) for x in arrays))
    tensors = [to_theirs(x) for x in arrays]
    t = theirs(*tensors)
    (t * to_theirs(weight)).sum().backward()
    np.testing.assert_allclose(y, to_ours(t), rtol=1e-12, atol=1e-12)
    assert low.dtype == jnp.float32
    np.testing.assert_allclose(low, to_ours(t), rtol=2e-6, atol=2e-6)
    for grad, tensor in zip(grads, tensors, strict=True):
        np.testing.assert_allclose(grad, to_ours(tensor.grad), rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("train", [True, False])
def test_batch_norm(train):
    x, (scale, bias, mean) = 2 * draw(*SHAPE) + 1, draw(3, 6, seed=1)
    variance = np.exp(draw(6, seed=2))

    def ours(x, scale, bias):
        averages = jnp.array(mean, x.dtype), jnp.array(variance, x.dtype)
        return F.batch_norm(x, scale, bias, *averages, train=train, momentum=0.8)[0]

    def theirs(x, scale, bias):
        averages = torch.tensor(mean), torch.tensor(variance)
        return T.batch_norm(x, *averages, scale, bias, training=train)

    assert_agree(ours, theirs, x, scale, bias)


def test_moving_averages_are_pytorchs_unbiased_and_flaxs_biased():
    x, (scale, bias, mean) = 2 * draw(*SHAPE) + 1, draw(3, 6, seed=1)
    variance = np.exp(draw(6, seed=2))
    m, v = torch.tensor(mean), torch.tensor(variance)
    T.batch_norm(
        to_theirs(x), m, v, torch.tensor(scale), torch.tensor(bias), True, momentum=0.2
    )
    with jax.enable_x64(True):
        args = [jnp.array(a) for a in (x, scale, bias, mean, variance)]
        step = lambda unbiased: F.batch_norm(
            *args, train=True, momentum=0.8, unbiased=unbiased
        )
        for ours, theirs in zip(step(True)[1:], (m, v), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-12)
        variables = {
            "params": {"scale": args[1], "bias": args[2]},
            "batch_stats": {"mean": args[3], "var": args[4]},
        }
        layer = nn.BatchNorm(use_running_average=False, momentum=0.8)
        y, state = layer.apply(variables, args[0], mutable=["batch_stats"])
        ours, mean, variance = step(False)
        np.testing.assert_allclose(ours, y, rtol=1e-10)
        np.testing.assert_allclose(mean, state["batch_stats"]["mean"], rtol=1e-12)
        np.testing.assert_allclose(variance, state["batch_stats"]["var"], rtol=1e-11)


@pytest.mark.parametrize("shape", [(6,), (4, 6), (5, 4, 6)], ids=str)
def test_layer_norm(shape):
    """Over one to three axes, on [B, H, W, C] as it lies."""
    x, scale, bias = draw(2, *SHAPE[1:]), draw(*shape, seed=1), draw(*shape, seed=2)
    flat = lambda f: lambda x, *rest: f(x.reshape(SHAPE), *rest).reshape(2, -1)
    theirs = lambda x, scale, bias: T.layer_norm(x, shape, scale, bias)
    assert_agree(flat(F.layer_norm), flat(theirs), x.reshape(2, -1), scale, bias)


def test_instance_norm():
    theirs = lambda x, scale, bias: T.instance_norm(x, weight=scale, bias=bias)
    assert_agree(F.instance_norm, theirs, draw(*SHAPE), *draw(2, 6, seed=1))


@pytest.mark.parametrize("groups", [1, 2, 3, 6])
def test_group_norm(groups):
    ours = lambda *args: F.group_norm(*args, groups)
    theirs = lambda x, scale, bias: T.group_norm(x, groups, scale, bias)
    assert_agree(ours, theirs, draw(*SHAPE), *draw(2, 6, seed=1))


@pytest.mark.parametrize("size", [1, 3, 5, 7])
def test_local_response_norm(size):
    """Their alpha is divided by the window's size."""
    ours = lambda x: F.local_response_norm(x, size=size, alpha=0.3, beta=0.6, k=1.5)
    theirs = lambda x: T.local_response_norm(x, size, 0.3 * size, 0.6, 1.5)
    assert_agree(ours, theirs, draw(*SHAPE))
    x = 50 * draw(*SHAPE)
    theirs = lambda x: T.local_response_norm(x, 5, 5e-4, 0.75, 2.0)
    with jax.enable_x64(True):
        np.testing.assert_allclose(
            F.local_response_norm(jnp.array(x)), to_ours(theirs(to_theirs(x)))
        )
