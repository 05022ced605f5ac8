"""The LeNets, the perceptron and softmax regression against PyTorch's layers.

Outputs, every intermediate layer and every gradient, in float64, with all parameters
random.
PyTorch's images are [B, C, H, W] and its kernels [O, C, h, w]; a dense layer after a
flattened feature map reads it in the order C, H, W there, and H, W, C here.
"""

import jax
import numpy as np
import pytest

from tests.references import torch
from zoo.catalog import create
from zoo.functional.losses import cross_entropy

nn = torch.nn
Y = np.array([7, 2])


class LeNet5(nn.Sequential):
    def __init__(self, f=nn.ReLU, pool=nn.MaxPool2d, channels=1, flat=(5, 5)):
        super().__init__(
            nn.Conv2d(channels, 6, 5, padding=2), f(), pool(2),
            nn.Conv2d(6, 16, 5), f(), pool(2),
            nn.Flatten(),
            nn.Linear(16 * flat[0] * flat[1], 120), f(),
            nn.Linear(120, 84), f(),
            nn.Linear(84, 10),
        )  # fmt: skip


def caffe():
    """examples/mnist/lenet.prototxt: one ReLU, after the first dense layer."""
    return nn.Sequential(
        nn.Conv2d(1, 20, 5), nn.MaxPool2d(2), nn.Conv2d(20, 50, 5), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(800, 500), nn.ReLU(), nn.Linear(500, 10),
    )  # fmt: skip


def mlp(*widths, f=nn.ReLU):
    layers = [nn.Flatten(), nn.Linear(784, widths[0])]
    for inputs, outputs in zip(widths, widths[1:], strict=False):
        layers += [f(), nn.Linear(inputs, outputs)]
    return nn.Sequential(*layers)


# name of ours, its fields, theirs, size of an image, [H, W, C]
TANH = {"activation": "tanh", "pool": "mean"}
CASES = {
    "linear_softmax": ("linear_softmax", {}, lambda: mlp(10), (28, 28, 1)),
    "mlp": ("mlp", {}, lambda: mlp(128, 10), (28, 28, 1)),
    "mlp_500": ("mlp_500", {}, lambda: mlp(500, 10, f=nn.Tanh), (28, 28, 1)),
    "lenet5": ("lenet5", {}, LeNet5, (28, 28, 1)),
    "lenet5 unlike": (
        *("lenet5", {}),
        lambda: LeNet5(channels=3, flat=(4, 6)),
        (24, 33, 3),  # height unlike width, a rest at the border, three channels
    ),
    "lenet5 tanh": (
        *("lenet5", TANH),
        lambda: LeNet5(f=nn.Tanh, pool=nn.AvgPool2d),
        (28, 28, 1),
    ),
    "lenet5 published": ("lenet5", {"fast": False}, LeNet5, (28, 28, 1)),
    "lenet_caffe": ("lenet_caffe", {}, caffe, (28, 28, 1)),
}


def ours_of(weight, before):
    """A kernel as linen has it; `before`: C, H, W where it follows a flattened map."""
    weight = weight.detach().numpy()
    if weight.ndim == 4:
        return weight.transpose(2, 3, 1, 0)  # O C h w -> h w C O
    if before:
        weight = weight.reshape(-1, *before).transpose(0, 2, 3, 1)
        weight = weight.reshape(len(weight), -1)  # O, C H W -> O, H W C
    return weight.T


@pytest.mark.parametrize("case", CASES)
def test_outputs_intermediates_and_gradients(case):
    name, fields, make, size = CASES[case]
    rng = np.random.default_rng(0)
    theirs = make().double()
    with torch.no_grad():
        for p in theirs.parameters():
            p.copy_(
                torch.from_numpy(rng.normal(size=p.shape)) * 2 / p[0].numel() ** 0.5
            )
    x = rng.normal(size=(2, *size))
    flat, layers, h = None, [], torch.from_numpy(x.transpose(0, 3, 1, 2).copy())
    for layer in theirs:
        before = h
        h = layer(h)
        if isinstance(layer, nn.Flatten):
            flat = before.shape[1:]
        elif any(True for _ in layer.parameters()):
            layers.append((layer, None if h.ndim == 4 else flat, h))
            flat = flat if h.ndim == 4 else None
    nn.functional.cross_entropy(h, torch.from_numpy(Y), reduction="sum").backward()

    model = create(name, **fields)
    names = sorted(jax.eval_shape(model.init, jax.random.key(0), x)["params"])
    assert len(names) == len(layers)
    tree = {
        n: {"kernel": ours_of(layer.weight, flat), "bias": layer.bias.detach().numpy()}
        for n, (layer, flat, _) in zip(names, layers, strict=True)
    }

    def loss(params):
        y, more = model.apply({"params": params}, x, capture_intermediates=True)
        return cross_entropy(y, {"y": Y})[0], (y, more["intermediates"])

    with jax.enable_x64(True):
        grads, (y, intermediates) = jax.jit(jax.grad(loss, has_aux=True))(tree)
    close = lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-10)
    close(y, h.detach().numpy())
    for n, (layer, flat, expected) in zip(names, layers, strict=True):
        expected = expected.detach().numpy()
        if expected.ndim == 4:
            expected = expected.transpose(0, 2, 3, 1)
        close(intermediates[n]["__call__"][0], expected)
        close(grads[n]["kernel"], ours_of(layer.weight.grad, flat))
        close(grads[n]["bias"], layer.bias.grad.numpy())


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_cross_entropy(smoothing):
    rng = np.random.default_rng(0)
    z = torch.tensor(rng.normal(size=(5, 7)) * 4, requires_grad=True)
    y = rng.integers(0, 7, 5)
    theirs = nn.functional.cross_entropy(
        z, torch.from_numpy(y), reduction="sum", label_smoothing=smoothing
    )
    theirs.backward()
    with jax.enable_x64(True):
        ours = lambda z: cross_entropy(z, {"y": y}, smoothing)[0]
        value, grad = jax.value_and_grad(ours)(jax.numpy.asarray(z.detach().numpy()))
    np.testing.assert_allclose(value, theirs.item(), rtol=1e-12)
    np.testing.assert_allclose(grad, z.grad.numpy(), atol=1e-12)
