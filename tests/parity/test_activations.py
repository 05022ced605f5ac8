"""Activations against PyTorch: values and gradients, and the kinks where they part."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import zoo.functional as F
from tests.references import torch

T = torch.nn.functional
THEIRS = {
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "hard_tanh": T.hardtanh,
    # Theirs of that name is relu6(x + 3) / 6, so by hardtanh.
    "hard_sigmoid": lambda x: (T.hardtanh(x) + 1) / 2,
    "relu": T.relu,
    "relu6": T.relu6,
    "leaky_relu": T.leaky_relu,
    "prelu": lambda x: T.prelu(x, torch.tensor(0.25, dtype=x.dtype)),
    "elu": T.elu,
    "selu": T.selu,
    "softplus": lambda x: T.softplus(x, threshold=100),  # linear above 20 otherwise
    "gelu": lambda x: T.gelu(x, approximate="tanh"),
    "gelu_exact": T.gelu,
    "silu": T.silu,
}


def both(name, x):
    """Values and gradients, ours and theirs."""
    ours = jax.jit(jax.vmap(jax.value_and_grad(F.ACTIVATIONS[name])))(jnp.array(x))
    t = torch.tensor(x, requires_grad=True)
    y = THEIRS[name](t)
    y.sum().backward()
    return ours, (y.detach().numpy(), t.grad.numpy())


def test_all_but_one_are_compared():
    assert set(F.ACTIVATIONS) - set(THEIRS) == {"sign"}  # its derivative is our own


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", sorted(THEIRS))
def test_values_and_gradients(name, dtype):
    x = (3 * np.random.default_rng(0).normal(size=500)).astype(dtype)
    # In float32, 1 + tanh u of gelu is off by some 1e-6 and multiplied by x, up to 10.
    single = 1e-5 if name == "gelu" else 3e-6
    tolerance = single if dtype == np.float32 else 1e-13
    with jax.enable_x64(dtype == np.float64):
        for ours, theirs in zip(*both(name, x), strict=True):
            assert ours.dtype == dtype
            np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(
    "name, theirs",
    [
        ("relu", [0]),
        ("relu6", [0, 0]),
        ("selu", None),  # the same
        ("leaky_relu", [0.01]),
        ("prelu", [0.25]),
        ("hard_tanh", [0, 0]),
        ("hard_sigmoid", [0, 0]),
    ],
)
def test_gradients_at_the_kinks(name, theirs):
    """Where the docstring says that PyTorch takes another side, it does."""
    (_, ours), (_, found) = both(name, np.array(F.KINKS[name], np.float32))
    same = name in ("relu", "relu6", "selu")
    assert np.allclose(ours, found) == same
    if theirs is not None:
        np.testing.assert_allclose(found, theirs)


def test_prelu_by_unit():
    """Value, and the gradients by x and by the slopes; their channels are axis 1."""
    rng = np.random.default_rng(1)
    x, slope = rng.normal(size=(3, 4, 5, 2)), rng.normal(size=2)
    with jax.enable_x64(True):
        f = lambda x, a: (F.prelu(x, a) ** 3).sum()
        value, grads = jax.value_and_grad(f, (0, 1))(jnp.array(x), jnp.array(slope))
    t = torch.tensor(x.transpose(0, 3, 1, 2).copy(), requires_grad=True)
    a = torch.tensor(slope, requires_grad=True)
    theirs = (T.prelu(t, a) ** 3).sum()
    theirs.backward()
    np.testing.assert_allclose(value, theirs.item(), rtol=1e-12)
    np.testing.assert_allclose(grads[0], t.grad.numpy().transpose(0, 2, 3, 1))
    np.testing.assert_allclose(grads[1], a.grad, rtol=1e-12)


def test_softmax_and_maxout():
    x = np.random.default_rng(2).normal(size=(5, 6))
    weight = np.random.default_rng(3).normal(size=(5, 6))
    t = torch.tensor(x, requires_grad=True)
    theirs = (T.softmax(t, -1) * torch.tensor(weight)).sum()
    theirs = theirs + (t.reshape(5, 2, 3).max(-1).values ** 2).sum()
    theirs.backward()
    with jax.enable_x64(True):
        f = lambda x: (F.softmax(x) * weight).sum() + (F.maxout(x, 3) ** 2).sum()
        value, grad = jax.value_and_grad(f)(jnp.array(x))
    np.testing.assert_allclose(value, theirs.item(), rtol=1e-12)
    np.testing.assert_allclose(grad, t.grad, rtol=1e-12, atol=1e-15)


def test_the_two_forms_of_gelu_differ_by_less_than_said():
    x = torch.linspace(-8, 8, 4001, dtype=torch.float64)
    difference = (T.gelu(x) - T.gelu(x, approximate="tanh")).abs().max()
    assert 4e-4 < difference < 5e-4
