"""Recurrent networks against PyTorch's: two layers, both ways, unequal lengths."""

import jax
import numpy as np
import pytest

from tests.references import torch
from zoo.sequence import Recurrent, params_from_torch

B, T, D, H = 3, 5, 2, 4
LENGTHS = np.array([5, 2, 4])
KINDS = {
    "rnn": (torch.nn.RNN, {"nonlinearity": "relu"}, {"activation": "relu"}),
    "lstm": (torch.nn.LSTM, {}, {}),
    "gru": (torch.nn.GRU, {}, {}),
}


@pytest.mark.parametrize("cell", KINDS)
def test_outputs_states_and_gradients(cell):
    kind, theirs_of, ours_of = KINDS[cell]
    torch.manual_seed(0)
    size = dict(num_layers=2, bidirectional=True, batch_first=True)
    theirs = kind(D, H, **size, **theirs_of, dtype=torch.float64)
    rng = np.random.default_rng(0)
    x, h, c = (rng.normal(size=s) for s in ((B, T, D), (4, B, H), (4, B, H)))
    dy, dh = rng.normal(size=(B, T, 2 * H)), rng.normal(size=(4, B, H))
    tensors = [torch.tensor(a, requires_grad=True) for a in (x, h, c)]
    packed = torch.nn.utils.rnn.pack_padded_sequence(
        tensors[0], torch.tensor(LENGTHS), batch_first=True, enforce_sorted=False
    )
    y, last = theirs(packed, tuple(tensors[1:]) if cell == "lstm" else tensors[1])
    y = torch.nn.utils.rnn.pad_packed_sequence(y, batch_first=True)[0]
    finals = last if cell == "lstm" else (last,)
    value = (y * torch.tensor(dy)).sum() + sum(
        (f * torch.tensor(dh)).sum() for f in finals
    )
    value.backward()

    model = Recurrent(H, cell, layers=2, bidirectional=True, biases=2, **ours_of)
    mask = np.arange(T) < LENGTHS[:, None]

    def loss(params, x, *initial):
        state = tuple(zip(*initial, strict=True))
        y, final = model.apply({"params": params}, x, mask=mask, initial=state)
        finals = [jax.numpy.stack(parts) for parts in zip(*final, strict=True)]
        return (y * dy).sum() + sum((f * dh).sum() for f in finals), (y, finals)

    names = dict(theirs.named_parameters())
    with jax.enable_x64(True):
        arrays = {name: p.detach().numpy() for name, p in names.items()}
        initial = (h, c)[: len(finals)]
        gradient = jax.jit(jax.grad(loss, tuple(range(2 + len(finals))), has_aux=True))
        grads, (ours, states) = gradient(params_from_torch(arrays), x, *initial)
        of_names = params_from_torch({k: p.grad.numpy() for k, p in names.items()})
    close = lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-11)
    close(ours, y.detach())
    for a, b in zip(states, finals, strict=True):
        close(a, b.detach())
    jax.tree.map(close, grads[0], of_names)
    for a, b in zip(grads[1:], tensors, strict=False):
        close(a, b.grad)
