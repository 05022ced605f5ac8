"""Whitening, warping and colour against scikit-learn, scikit-image and torchvision."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import skimage.transform
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

import zoo.functional as F
from tests.references import torch, torchvision


@pytest.fixture(autouse=True)
def doubles():
    with jax.enable_x64(True):
        yield


def features():
    rng = np.random.default_rng(0)
    return rng.normal(size=(30, 4)) @ rng.normal(size=(4, 4)) + rng.normal(size=4)


@pytest.mark.parametrize("components", [4, 2])
def test_whitening_is_that_of_pca(components):
    x = features()
    theirs = PCA(components, whiten=True, svd_solver="full").fit(x)
    axes = F.principal_axes(jnp.array(x), components, ddof=1)
    np.testing.assert_allclose(axes.axes, theirs.components_, atol=1e-12)
    np.testing.assert_allclose(axes.variance, theirs.explained_variance_, rtol=1e-12)
    y = F.whiten(axes, jnp.array(x), "pca")
    np.testing.assert_allclose(y, theirs.transform(x), atol=1e-12)
    back = F.unwhiten(axes, y, "pca")
    np.testing.assert_allclose(back, theirs.inverse_transform(y), atol=1e-12)


def test_standardize_is_standard_scaler():
    x = features()
    y = F.standardize(F.feature_moments(jnp.array(x)), jnp.array(x))
    np.testing.assert_allclose(y, StandardScaler().fit_transform(x), atol=1e-12)


@pytest.mark.parametrize("degrees", [-100.0, 20.0, 90.0])
@pytest.mark.parametrize("border, mode", [("edge", "edge"), ("reflect", "reflect")])
def test_rotation_is_that_of_scikit_image(degrees, border, mode):
    image = np.random.default_rng(0).uniform(size=(8, 11, 3))
    theirs = skimage.transform.rotate(image, degrees, order=1, mode=mode)
    ours = jax.jit(F.rotate, static_argnums=2)(jnp.array(image), degrees, border)
    np.testing.assert_allclose(ours, theirs, atol=1e-12)


def test_cubic_values_are_those_of_scikit_image():
    image = np.random.default_rng(0).uniform(size=(9, 12))
    u, v = 1.3, -0.4
    move = skimage.transform.AffineTransform(translation=(u, v))
    theirs = skimage.transform.warp(image, move, order=3, mode="edge", clip=False)
    flow = jnp.broadcast_to(jnp.array([u, v]), (9, 12, 2))
    ours = F.warp(jnp.array(image)[..., None], flow, method="cubic")[..., 0]
    np.testing.assert_allclose(ours, theirs, atol=1e-12)


def test_colour_jitter_is_three_steps_of_torchvision():
    image = np.random.default_rng(0).uniform(size=(6, 7, 3))
    T = torchvision.transforms.functional
    clipped = 0
    for i in range(6):
        key = jax.random.key(i)
        unit = jax.random.uniform(key, (3,), jnp.float32, -1, 1).astype(float)
        b, c, s = (float(1 + m * u) for m, u in zip((0.4, 0.7, 0.9), unit, strict=True))
        theirs = torch.from_numpy(image.transpose(2, 0, 1))
        theirs = T.adjust_contrast(T.adjust_brightness(theirs, b), c)
        theirs = T.adjust_saturation(theirs, s).numpy().transpose(1, 2, 0)
        ours = F.color_jitter(key, jnp.array(image), 0.4, 0.7, 0.9)
        # torchvision's weights of grey are rounded: 0.2989, 0.587, 0.114.
        np.testing.assert_allclose(ours, theirs, atol=3e-4)
        clipped += int(((theirs == 0) | (theirs == 1)).sum())
    assert clipped
