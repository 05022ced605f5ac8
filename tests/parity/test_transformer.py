"""The stacks against torch.nn.Transformer: after every layer, both orders of norms."""

import flax.linen as nn
import jax
import numpy as np
import pytest

from tests.references import torch
from zoo.sequence import Stack, stack_from_torch

B, S, T, D = 2, 5, 4, 8


@pytest.mark.filterwarnings("ignore:enable_nested_tensor")  # pre-norm has no fast path
@pytest.mark.parametrize("pre_norm", [False, True])
def test_every_layer(pre_norm):
    """Weights all random; padding in the source, causality in the target."""
    torch.manual_seed(0)
    theirs = torch.nn.Transformer(
        D, 2, 2, 3, 12, dropout=0.0, activation="gelu", batch_first=True,
        norm_first=pre_norm, dtype=torch.float64,
    )  # fmt: skip
    for p in theirs.parameters():
        torch.nn.init.normal_(p, std=0.5)
    theirs.train()  # its fast path in evaluation leaves hooks out
    stages = []
    for part in (theirs.encoder, theirs.decoder):
        for layer in part.layers:
            layer.register_forward_hook(
                lambda module, inputs, y: stages.append(y.detach().numpy())
            )
    rng = np.random.default_rng(0)
    source, target = rng.normal(size=(B, S, D)), rng.normal(size=(B, T, D))
    there = np.arange(S) < np.array([[5], [3]])
    padding = torch.tensor(~there)
    expected = theirs(
        torch.tensor(source),
        torch.tensor(target),
        tgt_mask=torch.nn.Transformer.generate_square_subsequent_mask(
            T, dtype=torch.float64
        ),
        tgt_is_causal=True,
        src_key_padding_mask=padding,
        memory_key_padding_mask=padding,
    )
    fields = dict(heads=2, hidden=12, pre_norm=pre_norm, final_norm=True)
    fields |= dict(activation="gelu", dropout=0.0)
    encoder, decoder = Stack(2, **fields), Stack(3, **fields, cross=True)
    weights = {k: v.numpy() for k, v in theirs.state_dict().items()}
    mask = there[:, None, None]
    ours = []

    def watch(next_function, args, kwargs, context):
        y = next_function(*args, **kwargs)
        if context.module.name and context.module.name.startswith("layer_"):
            if context.method_name == "__call__":
                ours.append(y[0])
        return y

    @jax.jit
    def run(params, source, target):
        ours.clear()
        with nn.intercept_methods(watch):
            first, second = ({"params": p} for p in params)
            memory = encoder.apply(first, source, mask=mask)
            y = decoder.apply(
                second, target, causal=True, memory=memory, memory_mask=mask
            )
        return y, list(ours)

    with jax.enable_x64(True):
        params = [stack_from_torch(weights, f"{p}coder.") for p in ("en", "de")]
        y, found = run(params, source, target)
    assert len(found) == len(stages) == 5
    for a, b in zip(found, stages, strict=True):
        a, b = np.asarray(a), b
        if a.shape[1] == S:  # what stands in the padding is nobody's business
            a, b = a[there], b[there]
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(y, expected.detach(), rtol=1e-9, atol=1e-10)
