"""Resizing against PyTorch, OpenCV and scikit-image."""

import cv2
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import skimage.transform

from tests.references import torch
from zoo import functional as F

interpolate = torch.nn.functional.interpolate
resize = jax.jit(F.resize, static_argnames=("size", "method", "coordinates", "a"))
sizes = pytest.mark.parametrize("size", [(9, 13), (3, 4), (8, 2), (1, 9)], ids=str)


def image(*shape):
    return np.random.default_rng(0).normal(size=shape)


@sizes
@pytest.mark.parametrize("align", [True, False])
@pytest.mark.parametrize("method", ["bilinear", "bicubic"])
def test_pytorch(method, align, size):
    """Values, and gradients of a sum of their squares."""
    x, coordinates = image(2, 5, 6, 3), "aligned" if align else "half_pixel"
    t = torch.tensor(x.transpose(0, 3, 1, 2), requires_grad=True)
    theirs = interpolate(t, size, mode=method, align_corners=align)
    (theirs * theirs).sum().backward()
    with jax.enable_x64(True):
        f = lambda x: resize(x, size, method, coordinates)
        y, back = jax.vjp(f, jnp.asarray(x))
        grad = back(2 * y)[0]
    np.testing.assert_allclose(y, theirs.detach().permute(0, 2, 3, 1), atol=1e-12)
    np.testing.assert_allclose(grad, t.grad.permute(0, 2, 3, 1), atol=1e-11)


def test_pytorch_bicubic_with_antialias_has_the_other_a():
    """Enlarging it smooths nothing; it differs from ours at the border only."""
    x = image(8, 9)
    theirs = interpolate(
        torch.tensor(x[None, None]), (16, 27), mode="bicubic", antialias=True
    )[0, 0]
    with jax.enable_x64(True):
        y = resize(jnp.asarray(x)[..., None], (16, 27), "bicubic", a=-0.5)[..., 0]
    np.testing.assert_allclose(y[3:-3, 4:-4], theirs[3:-3, 4:-4], atol=1e-12)


@sizes
@pytest.mark.parametrize(
    "method, flag", [("bilinear", cv2.INTER_LINEAR), ("bicubic", cv2.INTER_CUBIC)]
)
def test_opencv(method, flag, size):
    """OpenCV takes (width, height), and its coordinates are of 32 bits."""
    x = image(5, 6, 3).astype(np.float32)
    theirs = cv2.resize(x, size[::-1], interpolation=flag)
    np.testing.assert_allclose(resize(x, size, method), theirs, atol=5e-6)


@sizes
def test_scikit_image(size):
    x = image(5, 6, 2)
    theirs = skimage.transform.resize(
        x, size, order=1, mode="edge", anti_aliasing=False, clip=False
    )
    with jax.enable_x64(True):
        y = resize(jnp.asarray(x), size)
    np.testing.assert_allclose(y, theirs, atol=1e-12)


NEAREST = {
    "torch nearest": lambda x, m: interpolate(torch.tensor(x)[None, None], m)[0, 0],
    "torch nearest-exact": lambda x, m: interpolate(
        torch.tensor(x)[None, None], m, mode="nearest-exact"
    )[0, 0],
    "cv2 INTER_NEAREST": lambda x, m: cv2.resize(
        x[None], (m, 1), interpolation=cv2.INTER_NEAREST
    )[0],
    "cv2 INTER_NEAREST_EXACT": lambda x, m: cv2.resize(
        x[None], (m, 1), interpolation=cv2.INTER_NEAREST_EXACT
    )[0],
    "skimage order 0": lambda x, m: skimage.transform.resize(
        x[None], (1, m), order=0, mode="edge", anti_aliasing=False
    )[0],
}


@pytest.mark.parametrize("name", NEAREST)
def test_nearest(name):
    """The same pixel wherever the choice is not on the point of a knife."""
    whole = name in ("torch nearest", "cv2 INTER_NEAREST")
    rule = ("nearest_floor", "asymmetric") if whole else ("nearest", "half_pixel")
    clear = compared = 0
    for n in range(1, 25):
        for m in range(1, 25):
            i, x = np.arange(m), np.arange(n, dtype=np.float32)
            ours = F.interpolation_matrix(n, m, *rule) @ x
            theirs = np.asarray(NEAREST[name](x, m))
            sure = (i * n % m if whole else (2 * i + 1) * n % (2 * m)) != 0
            np.testing.assert_array_equal(ours[sure], theirs[sure], f"{n} to {m}")
            assert abs(ours - theirs).max() <= 1
            clear, compared = clear + sure.sum(), compared + m
    assert clear > 0.7 * compared


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_deconvolution(factor):
    """PyTorch's padding for it is ceil((f - 1) / 2)."""
    x = image(2, 4, 5, 3).astype(np.float32)
    kernel = torch.tensor(F.bilinear_kernel(factor), dtype=torch.float32)
    theirs = torch.nn.functional.conv_transpose2d(
        torch.tensor(x.transpose(0, 3, 1, 2).copy()),
        kernel.expand(3, 1, *kernel.shape),
        stride=factor,
        padding=factor // 2,
        groups=3,
    ).permute(0, 2, 3, 1)
    y = F.bilinear_deconvolution(jnp.asarray(x), factor)
    np.testing.assert_allclose(y, theirs, atol=1e-6)
