"""Sizes against lax's own shapes; the matrix and the patches against lax's values."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from zoo import functional as F
from zoo.functional.arithmetic import _both, _padding
from zoo.receptive import receptive_field

LAYOUT = ("NHWC", "HWIO", "NHWC")
PAIRS = st.tuples(st.integers(0, 4), st.integers(0, 4))
PADDINGS = st.sampled_from(["VALID", "SAME"]) | PAIRS
small = lambda most: st.integers(1, most)


def lax_size(size, kernel, stride, padding, dilation):
    """Along an axis, by the shape that XLA gives; 0 where nothing fits."""
    padding = padding if isinstance(padding, str) else [padding]
    f = lambda x, k: jax.lax.conv_general_dilated(
        x, k, (stride,), padding, rhs_dilation=(dilation,)
    )
    x, k = (jax.ShapeDtypeStruct((1, 1, n), jnp.float32) for n in (size, kernel))
    return jax.eval_shape(f, x, k).shape[2]


@given(small(20), small(6), small(5), PADDINGS, small(4))
def test_sizes_are_those_of_lax(size, kernel, stride, padding, dilation):
    args = (size, kernel, stride, padding, dilation)
    if lax_size(*args):
        assert F.conv_size(*args) == lax_size(*args)
    else:
        with pytest.raises(ValueError, match="kernel must fit into the padded input"):
            F.conv_size(*args)
    extent = dilation * (kernel - 1) + 1
    if size >= extent:
        assert F.conv_size(size, kernel, stride, "VALID", dilation) == -(
            -(size - extent + 1) // stride
        )
    assert F.conv_size(size, kernel, stride, "SAME", dilation) == -(-size // stride)


@given(small(20), small(6), small(5), small(4))
def test_same_pads_as_lax(size, kernel, stride, dilation):
    extent = dilation * (kernel - 1) + 1
    expected = jax.lax.padtype_to_pads((size,), (extent,), (stride,), "SAME")
    assert F.same_padding(size, kernel, stride, dilation) == tuple(expected[0])


def test_same_has_its_odd_zero_at_the_end():
    assert F.same_padding(28, 4) == (1, 2)
    assert F.same_padding(224, 7, stride=2) == (2, 3)
    assert F.same_padding(5, 1, stride=2) == (0, 0)


@given(small(12), small(6), small(5), PADDINGS, small(3))
def test_transposed_sizes_are_those_of_lax(size, kernel, stride, padding, dilation):
    extent = dilation * (kernel - 1) + 1
    spread = padding  # lax takes what is put around the spread-out input
    if not isinstance(padding, str):
        spread = [tuple(extent - 1 - p for p in padding)]
        assume(stride * (size - 1) + extent > sum(padding))
    f = lambda x, k: jax.lax.conv_transpose(
        x, k, (stride,), spread, (dilation,), ("NHC", "HIO", "NHC")
    )
    shape = jax.eval_shape(f, jnp.zeros((1, size, 1)), jnp.zeros((kernel, 1, 1))).shape
    found = F.conv_transpose_size(size, kernel, stride, padding, 0, dilation)
    assert found == shape[1]


@given(small(20), small(6), small(5), PAIRS, small(3))
def test_the_transpose_goes_back_to_each_size(size, kernel, stride, padding, dilation):
    """And output_padding is what the strides of the convolution leave over."""
    extent = dilation * (kernel - 1) + 1
    assume(size + sum(padding) >= extent)
    outputs = F.conv_size(size, kernel, stride, padding, dilation)
    rest = (size + sum(padding) - extent) % stride
    back = (outputs, kernel, stride, padding)
    assert F.conv_transpose_size(*back, rest, dilation) == size


def test_a_small_network():
    """28x28, 5x5 convolution, 2x2 pooling, and both once more."""
    sizes = [28]
    for kernel, stride in [(5, 1), (2, 2), (5, 1), (2, 2)]:
        sizes.append(F.conv_size(sizes[-1], kernel, stride))
    assert sizes == [28, 24, 12, 8, 4]


LAYERS = st.lists(st.tuples(small(3), small(2), small(2)), min_size=1, max_size=3)


class Chain(nn.Module):
    layers: tuple

    @nn.compact
    def __call__(self, x):
        for kernel, stride, dilation in self.layers:
            x = nn.Conv(
                1, (kernel, 1), (stride, 1), "SAME", kernel_dilation=(dilation, 1)
            )(x)
        return x.sum((1, 2))


@pytest.mark.parametrize(
    "layers, expected",
    [
        ([], 1),
        ([(3, 1, 1)] * 3, 7),
        ([(3, 1, 1), (3, 1, 2), (3, 1, 4)], 15),  # doubled dilations: 2^(L + 1) - 1
        ([(7, 2, 1), (3, 2, 1), (3, 1, 1)], 19),  # a ResNet's stem, and one more
        ([(3, 1, 2), (2, 3, 1), (4, 2, 2), (2, 1, 3)], 42),
        ([(1, 2, 3), (3, 1, 1)], 5),
    ],
    ids=str,
)
def test_receptive_field_is_what_is_measured(layers, expected):
    assert F.layers_receptive_field(layers) == expected
    if layers:
        inputs = jax.ShapeDtypeStruct((1, 140, 1, 1), jnp.float32)
        measured = receptive_field(Chain(tuple(layers)), inputs)
        assert measured == (expected, 1)


SETTINGS = [  # size, kernel, stride, padding, dilation
    ((5, 4), (3, 2), 1, "VALID", 1),
    ((5, 6), (3, 3), 2, "SAME", 1),
    ((6, 5), (2, 3), 3, ((1, 2), (0, 3)), 1),
    ((7, 6), (3, 2), 2, 1, 2),
    ((4, 4), (1, 1), 2, "VALID", 3),
]
each = pytest.mark.parametrize("size, window, stride, padding, dilation", SETTINGS)


def conv(x, kernel, stride, padding, dilation):
    size, window = x.shape[1:3], kernel.shape[:2]
    pads = [
        _padding(n, k, stride, p, dilation)
        for n, k, p in zip(size, window, _both(padding), strict=True)
    ]
    padding = padding if isinstance(padding, str) else pads
    return jax.lax.conv_general_dilated(
        x, kernel, (stride,) * 2, padding, None, (dilation,) * 2, LAYOUT
    )


@each
def test_matrix_is_the_convolution(size, window, stride, padding, dilation):
    rng, rest = np.random.default_rng(0), (stride, padding, dilation)
    with jax.enable_x64(True):
        x = jnp.asarray(rng.normal(size=(1, *size, 2)))
        kernel = jnp.asarray(rng.normal(size=(*window, 2, 3)))

        @jax.jit
        def both(x, kernel):
            y, back = jax.vjp(lambda x: conv(x, kernel, *rest), x)
            g = jnp.cos(y)
            return y, g, back(g)[0], F.conv_matrix(kernel, size, *rest)

        y, g, image, c = (np.asarray(z) for z in both(x, kernel))
        assert c.shape == (y.size, x.size)
        np.testing.assert_allclose(c @ x.ravel(), y.ravel(), atol=1e-13)
        np.testing.assert_allclose(c.T @ g.ravel(), image.ravel(), atol=1e-13)


def test_matrix_of_a_row_of_three():
    """Kernel 1, 2 over three pixels, as one would write it down."""
    kernel = jnp.array([1.0, 2.0]).reshape(1, 2, 1, 1)
    expected = [[1, 2, 0], [0, 1, 2]]
    np.testing.assert_array_equal(F.conv_matrix(kernel, (1, 3)), expected)
    padded = F.conv_matrix(kernel, (1, 3), stride=2, padding=((0, 0), (1, 1)))
    np.testing.assert_array_equal(padded, [[2, 0, 0], [0, 1, 2]])


@pytest.mark.parametrize("padding", ["SAME", "VALID", (1, 0)], ids=str)
@pytest.mark.parametrize("stride, kernel", [(1, 3), (2, 4), (2, 3), (3, 5), (3, 2)])
def test_transpose_is_lax_conv_transpose(stride, kernel, padding):
    """Of lax the transposed kernel is asked for, and its words mean sizes."""
    rng = np.random.default_rng(0)
    k = jnp.asarray(rng.normal(size=(kernel, kernel, 2, 3)), jnp.float32)
    g = jnp.asarray(rng.normal(size=(1, 4, 3, 3)), jnp.float32)
    pairs = around = padding
    if not isinstance(padding, str):
        pairs = tuple((p, p) for p in padding)
        around = [(kernel - 1 - p,) * 2 for p in padding]
    x = jax.lax.conv_transpose(
        g, k, (stride, stride), around, None, LAYOUT, transpose_kernel=True
    )
    size = tuple(
        F.conv_transpose_size(n, kernel, stride, p)
        for n, p in zip((4, 3), _both(padding), strict=True)
    )
    assert x.shape == (1, *size, 2)
    c = F.conv_matrix(k, size, stride, pairs)
    np.testing.assert_allclose(c.T @ g.ravel(), x.ravel(), atol=1e-5)


@each
def test_patches_times_kernel_are_the_convolution(
    size, window, stride, padding, dilation
):
    rng, rest = np.random.default_rng(0), (stride, padding, dilation)
    with jax.enable_x64(True):
        x = jnp.asarray(rng.normal(size=(2, *size, 2)))
        kernel = jnp.asarray(rng.normal(size=(*window, 2, 3)))
        patches = F.im2col(x, window, *rest)
        y = patches @ kernel.reshape(-1, 3)
        np.testing.assert_allclose(y, conv(x, kernel, *rest), atol=1e-13)


def test_patches_go_back_to_where_they_came_from():
    """col2im of ones counts the windows that hold a pixel."""
    x = jnp.zeros((1, 3, 4, 1))
    patches, back = jax.vjp(lambda x: F.im2col(x, (2, 2)), x)
    count = back(jnp.ones_like(patches))[0][0, :, :, 0]
    expected = np.outer([1, 2, 1], [1, 2, 2, 1])
    np.testing.assert_array_equal(count, expected)


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_mixing_channels_is_a_convolution_of_one_pixel(stride):
    rng = np.random.default_rng(0)
    with jax.enable_x64(True):
        x, k = jnp.asarray(rng.normal(size=(2, 5, 4, 3))), rng.normal(size=(3, 4))
        y = F.channel_mix(x, jnp.asarray(k), stride)
        expected = conv(x, jnp.asarray(k.reshape(1, 1, 3, 4)), stride, "SAME", 1)
        np.testing.assert_allclose(y, expected, atol=1e-14)


X, K = jnp.zeros((1, 5, 5, 2)), jnp.zeros((2, 2, 2, 1))


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: F.conv_size(0, 3), "size must be an integer of 1 or more, got 0"),
        (lambda: F.conv_size(5, 2.5), "kernel must be an integer of 1 .*got 2.5"),
        (lambda: F.conv_size(5, 3, 0), "stride must be"),
        (lambda: F.conv_size(5, 3, dilation=0), "dilation must be"),
        (lambda: F.conv_size(5, 3, 1, "FULL"), "padding must be 'VALID', .*'FULL'"),
        (lambda: F.conv_size(5, 3, 1, (1, 2, 3)), "padding must be 'VALID'"),
        (lambda: F.conv_size(5, 3, 1, -1), "padding must be an integer of 0 or more"),
        (lambda: F.conv_size(5, 3, 1, (0, -1)), "padding must be an integer of 0"),
        (lambda: F.conv_size(5, 4, 1, 0, 2), "must fit .*got 7 pixels .* for 5"),
        (lambda: F.conv_transpose_size(0, 3), "size must be"),
        (lambda: F.conv_transpose_size(4, 3, 2, 1, 2), "output_padding must be in 0"),
        (lambda: F.conv_transpose_size(4, 3, 2, "SAME", 1), "output_padding must be"),
        (lambda: F.conv_transpose_size(1, 3, 1, 2), "padding must leave an output"),
        (lambda: F.same_padding(5, 3, 0), "stride must be"),
        (lambda: F.layers_receptive_field([(3, 0, 1)]), "stride must be"),
        (lambda: F.layers_receptive_field([(0, 1, 1)]), "kernel must be"),
        (lambda: F.conv_matrix(K[0], (5, 5)), r"kernel must be \[h, w, C, O\], got"),
        (lambda: F.im2col(X[0], (2, 2)), r"images must be \[B, H, W, C\], got"),
        (lambda: F.channel_mix(X, jnp.zeros((3, 2))), "x and kernel must be"),
        (lambda: F.channel_mix(X, jnp.zeros((2, 2)), 0), "stride must be"),
    ],
)  # fmt: skip
def test_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call()
