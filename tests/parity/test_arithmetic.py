"""Convolution arithmetic against PyTorch."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.references import torch
from zoo import functional as F

small = lambda most: st.integers(1, most)


@given(small(20), small(6), small(5), st.integers(0, 4), small(4))
def test_sizes(size, kernel, stride, padding, dilation):
    x, k = torch.zeros(1, 1, size), torch.zeros(1, 1, kernel)
    args = (size, kernel, stride, padding, dilation)
    if size + 2 * padding < dilation * (kernel - 1) + 1:
        with pytest.raises(RuntimeError, match="can't be greater than"):
            torch.nn.functional.conv1d(x, k, None, stride, padding, dilation)
        with pytest.raises(ValueError, match="kernel must fit"):
            F.conv_size(*args)
        return
    y = torch.nn.functional.conv1d(x, k, None, stride, padding, dilation)
    assert F.conv_size(*args) == y.shape[2]


@given(small(8), small(6), small(4), st.integers(0, 3), st.integers(0, 3), small(3))
def test_transposed_sizes(size, kernel, stride, padding, output_padding, dilation):
    assume(output_padding < stride)
    bare = stride * (size - 1) + dilation * (kernel - 1) + 1 - 2 * padding
    assume(bare + output_padding > 0)
    y = torch.nn.functional.conv_transpose1d(
        torch.zeros(1, 1, size), torch.zeros(1, 1, kernel), None,
        stride, padding, output_padding, 1, dilation,
    )  # fmt: skip
    args = (size, kernel, stride, padding, output_padding, dilation)
    assert F.conv_transpose_size(*args) == y.shape[2]


@pytest.mark.parametrize(
    "stride, padding, output_padding, dilation",
    [(1, 0, 0, 1), (2, 1, 1, 1), (3, 2, 1, 1), (2, 1, 0, 2), (3, 0, 2, 2)],
)
def test_the_transposed_matrix(stride, padding, output_padding, dilation):
    """PyTorch's kernel is [O, C, h, w]: its input has the convolution's outputs."""
    rng = np.random.default_rng(0)
    kernel, g = rng.normal(size=(3, 2, 2, 4)), rng.normal(size=(1, 3, 4, 4))
    theirs = torch.nn.functional.conv_transpose2d(
        torch.tensor(g.transpose(0, 3, 1, 2)),
        torch.tensor(kernel.transpose(3, 2, 0, 1)),
        None, stride, padding, output_padding, 1, dilation,
    ).numpy().transpose(0, 2, 3, 1)  # fmt: skip
    size = tuple(
        F.conv_transpose_size(n, k, stride, padding, output_padding, dilation)
        for n, k in zip(g.shape[1:3], kernel.shape[:2], strict=True)
    )
    assert theirs.shape == (1, *size, 2)
    with jax.enable_x64(True):
        c = F.conv_matrix(jnp.asarray(kernel), size, stride, padding, dilation)
        np.testing.assert_allclose(c.T @ g.ravel(), theirs.ravel(), atol=1e-13)


@pytest.mark.parametrize("stride, padding, dilation", [(1, 0, 1), (2, 1, 1), (1, 2, 2)])
def test_patches(stride, padding, dilation):
    """PyTorch's unfold has channels outermost, and the windows in one axis."""
    x = np.random.default_rng(0).normal(size=(2, 5, 6, 3)).astype(np.float32)
    theirs = torch.nn.functional.unfold(
        torch.tensor(x.transpose(0, 3, 1, 2)), (3, 2), dilation, padding, stride
    ).numpy()  # [B, C h w, H' W']
    ours = F.im2col(jnp.asarray(x), (3, 2), stride, padding, dilation)
    b, rows, columns, _ = ours.shape
    theirs = theirs.reshape(b, 3, 6, rows, columns).transpose(0, 3, 4, 2, 1)
    np.testing.assert_array_equal(ours, theirs.reshape(ours.shape))
