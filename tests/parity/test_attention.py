"""Attention against PyTorch's scaled_dot_product_attention."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.references import torch
from zoo import functional as F


@pytest.mark.parametrize("block", [None, 3])
@pytest.mark.parametrize("rule", ["whole", "causal", "mask", "scale"])
def test_scaled_dot_product_attention(rule, block):
    """Values and gradients; a query that may read nothing reads zeros in both."""
    rng = np.random.default_rng(0)
    shapes = (2, 4, 3, 5), (2, 7, 3, 5), (2, 7, 3, 6)
    args = [rng.normal(size=shape) for shape in shapes]
    mask = rng.random((2, 1, 4, 7)) < 0.5
    mask[1, 0, 2] = False
    ours, theirs = {
        "whole": ({}, {}),
        "causal": ({"causal": True}, {"is_causal": True}),
        "mask": ({"mask": jnp.asarray(mask)}, {"attn_mask": torch.tensor(mask)}),
        "scale": ({"scale": 0.3}, {"scale": 0.3}),
    }[rule]
    tensors = [torch.tensor(x, requires_grad=True) for x in args]
    expected = torch.nn.functional.scaled_dot_product_attention(
        *(t.transpose(1, 2) for t in tensors), **theirs
    ).transpose(1, 2)
    torch.sin(expected).sum().backward()
    with jax.enable_x64(True):
        y, back = jax.vjp(jax.jit(partial(F.attention, **ours, block=block)), *args)
        grads = back(jnp.cos(y))
    np.testing.assert_allclose(y, expected.detach(), atol=1e-13)
    for grad, t in zip(grads, tensors, strict=True):
        assert np.isfinite(grad).all()
        np.testing.assert_allclose(grad, t.grad, atol=1e-13)
