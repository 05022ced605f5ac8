"""Initializers against PyTorch's formulas, on kernels in each one's layout."""

import jax
import numpy as np
import pytest

import zoo.functional as F
from tests.references import torch

init = torch.nn.init
SHAPES = [(300, 200), (3, 5, 20, 60)]
THEIRS = {
    "xavier_uniform": init.xavier_uniform_,
    "xavier_normal": init.xavier_normal_,
    "he_uniform": lambda w: init.kaiming_uniform_(w, nonlinearity="relu"),
    "he_normal": lambda w: init.kaiming_normal_(w, nonlinearity="relu"),
    "lecun_uniform": lambda w: init.kaiming_uniform_(w, nonlinearity="linear"),
    "lecun_normal": lambda w: init.kaiming_normal_(w, nonlinearity="linear"),
}


def draw(name, shape):
    return np.asarray(F.INITIALIZERS[name](jax.random.key(0), shape))


def torch_kernel(shape):  # [h, w, C, O] -> [O, C, h, w], and [C, O] -> [O, C]
    *window, inputs, outputs = shape
    return torch.empty(outputs, inputs, *window)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", sorted(THEIRS))
def test_the_same_variance(name, shape):
    """Of uniform ones the bound, to 1e-3; of normal ones the deviation, to sampling."""
    torch.manual_seed(0)
    theirs = THEIRS[name](torch_kernel(shape)).numpy()
    ours = draw(name, shape)
    if name.endswith("uniform"):
        np.testing.assert_allclose(abs(ours).max(), abs(theirs).max(), rtol=1e-3)
    np.testing.assert_allclose(ours.std(), theirs.std(), rtol=4 / np.sqrt(ours.size))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_same_fans(shape):
    theirs = init._calculate_fan_in_and_fan_out(torch_kernel(shape))
    assert F.fans(shape) == theirs


def test_only_ours_are_cut():
    """Beyond twice the deviation of the formula, widened by 1 / 0.8796: 2.27 of it."""
    limit = 2 / 0.87962566 * np.sqrt(2 / 300)
    torch.manual_seed(0)
    theirs = THEIRS["he_normal"](torch_kernel((300, 200))).numpy()
    assert abs(draw("he_normal", (300, 200))).max() < limit < abs(theirs).max()


def test_orthogonal():
    """Theirs of [O, C h w] has orthonormal rows where ours has columns."""
    shape = (3, 5, 20, 60)
    torch.manual_seed(0)
    theirs = init.orthogonal_(torch_kernel(shape)).numpy().reshape(60, -1)
    ours = draw("orthogonal", shape).reshape(-1, 60)
    np.testing.assert_allclose(ours.T @ ours, theirs @ theirs.T, atol=1e-5)
