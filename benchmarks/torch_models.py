"""The models that are timed, as PyTorch's users write them, with our weights.

Images go in as PyTorch has them, [B, C, H, W]; ours are [B, H, W, C]. So a dense layer
after a convolution reads its inputs in another order, and `copy` reorders its rows.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

# How PyTorch's Adam can run eagerly; which is fastest depends on the sizes.
FORMS = {
    "foreach": {"foreach": True},
    "fused": {"fused": True},
    "for-loop": {"foreach": False},
}


def mlp(widths: tuple[int, ...]) -> nn.Sequential:
    """Linear layers with ReLU between them; `widths` from the inputs to the classes."""
    layers = []
    for inputs, outputs in zip(widths, widths[1:], strict=False):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(nn.Flatten(), *layers[:-1])


def lenet5() -> nn.Sequential:
    """`zoo.create("lenet5")`, for images of 28x28x1."""
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(400, 120),
        nn.ReLU(),
        nn.Linear(120, 84),
        nn.ReLU(),
        nn.Linear(84, 10),
    )


def copy(params: Mapping[str, Any], module: nn.Sequential) -> nn.Sequential:
    """Gives a module the parameters of a linen model of the same layers.

    Args:
        params: {layer: {kernel, bias}}, as linen has them; the layers' names sort in
            the order in which they run.
        module: its layers with parameters are in that order.

    Returns:
        The module.
    """
    layers = [layer for layer in module if list(layer.parameters())]
    for layer, own in zip(layers, arrange(params, module), strict=True):
        for name, value in own.items():
            with torch.no_grad():
                getattr(layer, name).copy_(torch.from_numpy(np.array(value)))
    return module


def arrange(params: Mapping[str, Any], module: nn.Sequential) -> list[dict]:
    """A linen model's arrays in PyTorch's layout: weight and bias of each layer."""
    layers = [layer for layer in module if list(layer.parameters())]
    arranged, channels = [], None
    for layer, name in zip(layers, sorted(params), strict=True):
        kernel = np.asarray(params[name]["kernel"])
        if isinstance(layer, nn.Conv2d):
            weight = kernel.transpose(3, 2, 0, 1)  # [h, w, I, O] -> [O, I, h, w]
            channels = weight.shape[0]
        else:
            if channels:  # rows in the order (pixel, channel) -> (channel, pixel)
                kernel = kernel.reshape(-1, channels, kernel.shape[1])
                kernel = kernel.swapaxes(0, 1).reshape(-1, kernel.shape[2])
            weight, channels = kernel.T, None  # [I, O] -> [O, I]
        arranged.append({"weight": weight, "bias": np.asarray(params[name]["bias"])})
    return arranged


def difference(params: Mapping[str, Any], module: nn.Sequential) -> float:
    """The largest difference between our parameters and the module's."""
    layers = [layer for layer in module if list(layer.parameters())]
    return max(
        float(np.abs(value - getattr(layer, name).detach().numpy()).max())
        for layer, own in zip(layers, arrange(params, module), strict=True)
        for name, value in own.items()
    )


def tensors(batch: Mapping[str, np.ndarray]) -> tuple[torch.Tensor, torch.Tensor]:
    """x [B, C, H, W] and y [B] of a batch."""
    x = np.ascontiguousarray(batch["x"].transpose(0, 3, 1, 2))
    return torch.from_numpy(x), torch.from_numpy(batch["y"].astype(np.int64))


def train(module, optimizer, batches: list[tuple[torch.Tensor, torch.Tensor]]) -> float:
    """One step for each batch; the loss of the last."""
    for x, y in batches:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(module(x), y)
        loss.backward()
        optimizer.step()
    return loss.item()
