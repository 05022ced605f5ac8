"""What networks of pixels are at first, their sizes, and refusals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import zoo
from zoo.functional import bilinear_deconvolution
from zoo.segmentation import UNet, fcn
from zoo.segmentation.upward import Enlarged
from zoo.vision.layers import Kit


def test_enlarging_begins_as_bilinear_interpolation():
    x = np.random.default_rng(0).normal(size=(2, 3, 5, 4)).astype(np.float32)
    for factor in (2, 4, 8):
        for fast in (True, False):
            y, variables = Enlarged(factor, fast=fast).init_with_output(
                jax.random.key(0), jnp.asarray(x)
            )
            want = bilinear_deconvolution(x, factor)
            np.testing.assert_allclose(y, want, atol=1e-5)
            kernel = variables["params"]["kernel"]
            assert kernel.shape == (2 * factor, 2 * factor, 4, 4)


def test_the_context_module_begins_as_the_identity():
    x = np.random.default_rng(0).uniform(size=(1, 9, 8, 3)).astype(np.float32)
    y, _ = fcn.Context(Kit()).init_with_output(jax.random.key(0), x)
    np.testing.assert_allclose(y, x, atol=1e-6)  # of what is not negative


def test_unet_as_printed():
    model = zoo.create("unet", valid=True)
    x = jax.ShapeDtypeStruct((1, 572, 572, 1), jnp.float32)
    y, _ = jax.eval_shape(model.init_with_output, jax.random.key(0), x)
    assert y.shape == (1, 388, 388, 2)


def test_sizes_that_no_stride_divides():
    for name in ("fcn8s", "fcn32s", "dilated_context", "deeplab_largefov"):
        tiny = {**zoo.catalog.MODELS[name].tiny, "width": 2, "hidden": 2}
        model = zoo.create(name, **tiny)
        x = jax.ShapeDtypeStruct((1, 45, 38, 3), jnp.float32)
        y, _ = jax.eval_shape(model.init_with_output, jax.random.key(0), x)
        assert y.shape == (1, 45, 38, 3), name


@pytest.mark.parametrize(
    "make, size, message",
    [
        (lambda: UNet(depth=3), (36, 40), "sides that 8 divides"),
        (lambda: UNet(depth=3), (4, 40), "H and W of at least 8"),
        (lambda: fcn.FCN(stride=4), (32, 32), "stride must be one of 32, 16, 8, got 4"),
        (lambda: fcn.FCN(blocks=(1, 1)), (32, 32), "stages must be one of 5, got 2"),
    ],
)
def test_refuses(make, size, message):
    with pytest.raises(ValueError, match=message):
        make().init(jax.random.key(0), jnp.zeros((1, *size, 3)))
