"""Convolution by blocks is the convolution."""

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from zoo.functional.convolution_blocks import conv_by_blocks

LAYOUT = ("NHWC", "HWIO", "NHWC")
PADDINGS = ("SAME", "VALID", [(1, 2), (0, 3)])


def arrays(size, kernel, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(2, *size, 3)), rng.normal(size=(*kernel, 3, 4))


@pytest.mark.parametrize("padding", PADDINGS, ids=str)
@pytest.mark.parametrize("kernel", [(5, 5), (3, 3), (2, 5), (1, 4)])
@pytest.mark.parametrize("size", [(9, 12), (10, 7)])
def test_equals_xla(size, kernel, padding):
    x, k = arrays(size, kernel)

    def both(convolve, x, k):
        y, back = jax.vjp(
            lambda x, k: convolve(x, k, (1, 1), padding, dimension_numbers=LAYOUT), x, k
        )
        return y, back(jnp.cos(y))

    with jax.enable_x64(True):
        theirs = jax.jit(partial(both, jax.lax.conv_general_dilated))(x, k)
        ours = jax.jit(partial(both, conv_by_blocks))(x, k)
    jax.tree.map(partial(np.testing.assert_allclose, atol=1e-11), ours, theirs)


def test_takes_no_convolution_of_xla():
    x, k = arrays((8, 8), (3, 3))
    f = partial(conv_by_blocks, dimension_numbers=LAYOUT)
    jaxpr = str(jax.make_jaxpr(lambda x, k: f(x, k, (1, 1), "SAME"))(x, k))
    assert "conv_general_dilated" not in jaxpr and "dot_general" in jaxpr


@pytest.mark.parametrize(
    "options",
    [
        {"strides": 2},
        {"kernel_dilation": 2},
        {"input_dilation": 2, "padding": 1},
        {"feature_group_count": 3},
    ],
    ids=str,
)
def test_leaves_the_rest_to_xla(options):
    x, _ = arrays((9, 12), (3, 3))
    ours = nn.Conv(6, (3, 3), conv_general_dilated=conv_by_blocks, **options)
    theirs = nn.Conv(6, (3, 3), **options)
    variables = ours.init(jax.random.key(0), x)
    np.testing.assert_array_equal(ours.apply(variables, x), theirs.apply(variables, x))


def test_a_dimension_other_than_two_is_left_to_xla():
    x = np.ones((2, 9, 3), np.float32)
    ours = nn.Conv(4, (3,), conv_general_dilated=conv_by_blocks)
    variables = ours.init(jax.random.key(0), x)
    expected = nn.Conv(4, (3,)).apply(variables, x)
    np.testing.assert_array_equal(ours.apply(variables, x), expected)
