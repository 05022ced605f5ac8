"""Backward passes by hand against PyTorch: layers, pooling, networks through time."""

import jax
import numpy as np
import pytest

from tests.references import torch
from zoo.functional import backprop

F = torch.nn.functional


def assert_same(ours, theirs, args, tolerance=1e-11):
    """Values and gradients of random projections, in float64; images are NHWC."""
    tensors = [torch.tensor(a, requires_grad=True) for a in args]
    expected = theirs(*tensors)
    rng = np.random.default_rng(9)
    dy = [rng.normal(size=tuple(y.shape)) for y in expected]
    torch.autograd.backward(expected, [torch.tensor(d) for d in dy])

    @jax.jit
    def run(*args):
        y, back = jax.vjp(ours, *args)
        return y, back(tuple(dy))

    with jax.enable_x64(True):
        y, grads = run(*args)
    pairs = [(a, b.detach()) for a, b in zip(y, expected, strict=True)]
    pairs += [(a, b.grad) for a, b in zip(grads, tensors, strict=True)]
    for a, b in pairs:
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def draw(seed, *shapes):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=shape) for shape in shapes]


def images(f):
    """f of [B, C, H, W] as one of [B, H, W, C]."""
    return lambda x, *rest: (f(x.permute(0, 3, 1, 2), *rest).permute(0, 2, 3, 1),)


LAYERS = {
    "dense": (
        backprop.dense,
        lambda x, w, b: (F.linear(x, w.T, b),),
        draw(0, (2, 3), (3, 4), (4,)),
    ),
    "conv": (
        lambda x, k, b: backprop.conv(x, k, b, 2),
        images(lambda x, k, b: F.conv2d(x, k.permute(3, 2, 0, 1), b, stride=2)),
        draw(1, (2, 6, 9, 3), (3, 2, 3, 4), (4,)),
    ),
    "batch_norm": (
        lambda *args: backprop.batch_norm(*args, 1e-3),
        images(lambda x, g, b: F.batch_norm(x, None, None, g, b, True, eps=1e-3)),
        draw(2, (2, 3, 4, 5), (5,), (5,)),
    ),
    "softmax_cross_entropy": (
        backprop.softmax_cross_entropy,
        lambda z, y: (F.cross_entropy(z, y, reduction="none"),),
        draw(3, (4, 3), (4, 3)),
    ),
    "mean_pool": (backprop.mean_pool, images(lambda x: F.avg_pool2d(x, 2)), None),
    "max_pool": (backprop.max_pool, images(lambda x: F.max_pool2d(x, 2)), None),
    "lp_pool": (
        lambda x: backprop.lp_pool(x, p=4.0),
        images(lambda x: F.lp_pool2d(x, 4.0, 2)),
        None,
    ),
    "lp_pool/odd power, x > 0": (
        lambda x: backprop.lp_pool(abs(x), p=3.0),
        images(lambda x: F.lp_pool2d(abs(x), 3.0, 2)),
        None,
    ),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers(name):
    ours, theirs, args = LAYERS[name]
    assert_same(lambda *args: (ours(*args),), theirs, args or draw(4, (2, 5, 6, 3)))


def test_the_first_of_equal_maxima_gets_all():
    x = np.random.default_rng(5).integers(0, 2, (2, 4, 6, 3)).astype(float)
    assert_same(lambda x: (backprop.max_pool(x),), LAYERS["max_pool"][1], [x])


B, T, D, H = 2, 4, 3, 5


def network(kind, **options):
    """A network of PyTorch's with random weights, and ours of the same."""
    torch.manual_seed(0)
    theirs = kind(D, H, batch_first=True, dtype=torch.float64, **options)
    weights = {k.removesuffix("_l0"): v for k, v in theirs.named_parameters()}
    w_x, w_h = (weights[k].detach().numpy().T for k in ("weight_ih", "weight_hh"))
    b_x, b_h = (weights[k].detach().numpy() for k in ("bias_ih", "bias_hh"))
    return theirs, weights, w_x, w_h, b_x, b_h


def check(ours, theirs, weights, args, state, grads_of):
    """Outputs, gradients of inputs and states, and of weights by PyTorch's names."""
    x, *first = (torch.tensor(a, requires_grad=True) for a in args[: 1 + state])
    given = tuple(s[None] for s in first)
    y, last = theirs(x, given if state == 2 else given[0])
    expected = (y, last[1][0]) if state == 2 else (y,)
    rng = np.random.default_rng(9)
    dy = tuple(rng.normal(size=tuple(y.shape)) for y in expected)
    torch.autograd.backward(expected, [torch.tensor(d) for d in dy])

    @jax.jit
    def run(*args):
        y, back = jax.vjp(ours, *args)
        return y, back(dy)

    with jax.enable_x64(True):
        y, grads = run(*args)
    pairs = [(a, b.detach()) for a, b in zip(y, expected, strict=True)]
    pairs += list(zip(grads[: 1 + state], (t.grad for t in (x, *first)), strict=True))
    ours_by_name = grads_of(*map(np.asarray, grads[1 + state :]))
    assert ours_by_name.keys() == weights.keys()
    pairs += [(grad, weights[name].grad) for name, grad in ours_by_name.items()]
    for a, b in pairs:
        np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-12)


def by_name(dw_x, dw_h, db_x, db_h):
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    return dict(zip(names, (dw_x.T, dw_h.T, db_x, db_h), strict=True))


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_rnn(activation):
    theirs, weights, w_x, w_h, b_x, b_h = network(torch.nn.RNN, nonlinearity=activation)
    args = [*draw(6, (B, T, D), (B, H)), w_x, w_h, b_x + b_h]
    ours = lambda *args: (backprop.rnn(*args, activation=activation),)
    check(ours, theirs, weights, args, 1, lambda w, u, b: by_name(w, u, b, b))


def test_lstm():
    theirs, weights, w_x, w_h, b_x, b_h = network(torch.nn.LSTM)
    args = [*draw(7, (B, T, D), (B, H), (B, H)), w_x, w_h, b_x + b_h]
    check(backprop.lstm, theirs, weights, args, 2, lambda w, u, b: by_name(w, u, b, b))


def test_gru():
    """Its two biases of r and z are one; those of n stay two."""
    theirs, weights, w_x, w_h, b_x, b_h = network(torch.nn.GRU)
    b = b_x + np.concatenate([b_h[: 2 * H], np.zeros(H)])
    args = [*draw(8, (B, T, D), (B, H)), w_x, w_h, b, b_h[2 * H :]]

    def grads_of(dw_x, dw_h, db, db_n):
        return by_name(dw_x, dw_h, db, np.concatenate([db[: 2 * H], db_n]))

    check(lambda *a: (backprop.gru(*a),), theirs, weights, args, 1, grads_of)


def test_unequal_lengths_are_those_of_packed_sequences():
    theirs, _, w_x, w_h, b_x, b_h = network(torch.nn.LSTM)
    x, h, c = draw(10, (B, T, D), (B, H), (B, H))
    lengths = np.array([4, 2])
    packed = torch.nn.utils.rnn.pack_padded_sequence(
        torch.tensor(x), torch.tensor(lengths), batch_first=True
    )
    _, (h_last, c_last) = theirs(packed, (torch.tensor(h)[None], torch.tensor(c)[None]))
    mask = np.arange(T)[None] < lengths[:, None]
    with jax.enable_x64(True):
        ours, c_ours = jax.jit(backprop.lstm)(x, h, c, w_x, w_h, b_x + b_h, mask)
    np.testing.assert_allclose(ours[:, -1], h_last[0].detach(), rtol=1e-12)
    np.testing.assert_allclose(c_ours, c_last[0].detach(), rtol=1e-12)
