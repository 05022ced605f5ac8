"""Bilinear sampling against PyTorch's grid_sample and SciPy's map_coordinates."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.ndimage

from tests.references import torch
from zoo import functional as F

SCIPY = {
    "zeros": "grid-constant",
    "edge": "nearest",
    "reflect": "mirror",  # SciPy's names are the other way round
    "symmetric": "reflect",
}
sample = jax.jit(F.bilinear_sample, static_argnames="border")


@pytest.mark.parametrize("align", [True, False])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
def test_grid_sample(padding, align):
    """Values and both gradients, at points within and far outside, a batch of two."""
    mirror = "reflect" if align else "symmetric"
    border = {"zeros": "zeros", "border": "edge", "reflection": mirror}[padding]
    rng = np.random.default_rng(0)
    x, grid = rng.normal(size=(2, 4, 5, 3)), rng.uniform(-3, 3, (2, 6, 7, 2))
    weight = rng.normal(size=(2, 6, 7, 3))
    image = torch.tensor(x.transpose(0, 3, 1, 2), requires_grad=True)
    points = torch.tensor(grid, requires_grad=True)
    theirs = torch.nn.functional.grid_sample(
        image, points, padding_mode=padding, align_corners=align
    ).permute(0, 2, 3, 1)
    (theirs * torch.tensor(weight)).sum().backward()

    def total(x, grid):
        at = F.grid_to_pixels(grid, x.shape[1:3], align)
        y = jax.vmap(lambda x, at: F.bilinear_sample(x, at, border))(x, at)
        return (y * weight).sum(), y

    with jax.enable_x64(True):
        grads, y = jax.jit(jax.grad(total, argnums=(0, 1), has_aux=True))(x, grid)
    np.testing.assert_allclose(y, theirs.detach(), atol=1e-12)
    expected = image.grad.permute(0, 2, 3, 1)
    np.testing.assert_allclose(grads[0], expected, atol=1e-12)
    np.testing.assert_allclose(grads[1], points.grad, atol=1e-11)


@pytest.mark.parametrize("align", [True, False])
def test_affine_grid(align):
    theta = np.random.default_rng(0).normal(size=(2, 3))
    theirs = torch.nn.functional.affine_grid(
        torch.tensor(theta[None]), (1, 1, 4, 7), align_corners=align
    )[0]
    with jax.enable_x64(True):
        ours = F.affine_grid(jnp.asarray(theta), (4, 7), align)
    np.testing.assert_allclose(ours, theirs, atol=1e-14)


def test_affine_grid_of_one_row():
    """A single pixel lies in the middle, whatever the corners are."""
    theta = torch.tensor([[[1.0, 0.5, 0], [0, 1, 0.25]]])
    theirs = torch.nn.functional.affine_grid(theta, (1, 1, 1, 3), align_corners=False)
    ours = F.affine_grid(jnp.asarray(theta[0].numpy()), (1, 3), False)
    np.testing.assert_allclose(ours, theirs[0], atol=1e-6)
    one = F.affine_grid(jnp.asarray(theta[0].numpy()), (1, 1), True)
    np.testing.assert_array_equal(one[0, 0], [0, 0.25])


@pytest.mark.parametrize("border", SCIPY)
def test_map_coordinates(border):
    rng = np.random.default_rng(0)
    x, at = rng.normal(size=(4, 5)), rng.uniform(-8, 12, (50, 2))
    theirs = scipy.ndimage.map_coordinates(x, at.T, order=1, mode=SCIPY[border])
    with jax.enable_x64(True):
        ours = sample(jnp.asarray(x)[..., None], jnp.asarray(at), border=border)
    np.testing.assert_allclose(ours[:, 0], theirs, atol=1e-12)
