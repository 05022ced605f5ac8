"""The networks of benchmarks/convnets.py as PyTorch's users write them, our weights."""

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks import convnets


class Residual(nn.Module):
    """relu(shortcut(x) + body(x))."""

    def __init__(self, body: nn.Module, shortcut: nn.Module | None):
        super().__init__()
        self.body, self.shortcut = body, shortcut

    def forward(self, x):
        return torch.relu(
            (x if self.shortcut is None else self.shortcut(x)) + self.body(x)
        )


class Stepper:
    """A network that takes steps of gradient descent, always from the same start.

    Args:
        layers: as in `convnets.NETWORKS`.
        params: of `convnets.Network`.
        x, y: images [B, H, W, C] and labels [B].
        rate: of the descent.
        epsilon: of the batch normalization.
        channels_last: the memory layout.
    """

    def __init__(
        self,
        layers: tuple,
        params: Mapping[str, Any],
        x: np.ndarray,
        y: np.ndarray,
        rate: float,
        epsilon: float,
        channels_last: bool,
    ):
        torch.set_num_threads(2)
        self.convs, self.epsilon = [], epsilon
        memory = torch.channels_last if channels_last else torch.contiguous_format
        self.x = torch.tensor(x).permute(0, 3, 1, 2).contiguous(memory_format=memory)
        self.y = torch.tensor(y)
        net = self._build(layers, x.shape[-1]).to(self.x.dtype)
        self._copy(params, net)
        self.net = net.to(memory_format=memory)
        self.optimizer = torch.optim.SGD(net.parameters(), rate)
        self.start = [p.detach().clone() for p in net.parameters()]

    def __call__(self, steps: int) -> float:
        """Seconds of a step."""
        with torch.no_grad():
            for p, first in zip(self.net.parameters(), self.start, strict=True):
                p.copy_(first)
        began = time.perf_counter()
        for _ in range(steps):
            self.optimizer.zero_grad()
            nn.functional.cross_entropy(self.net(self.x), self.y).backward()
            self.optimizer.step()
        return (time.perf_counter() - began) / steps

    def kernels(self) -> list[np.ndarray]:
        """Of the convolutions in their order, [h, w, C / G, O]."""
        return [
            conv.weight.detach().numpy().copy().transpose(2, 3, 1, 0)
            for conv, _ in self.convs
        ]

    def _build(self, layers, channels):
        parts = []
        for layer in layers:
            if isinstance(layer, convnets.Conv):
                parts += [self._conv(layer, channels), nn.ReLU(inplace=True)]
                channels = layer.outputs
                continue
            body, inputs = [], channels
            for inner in layer.layers:
                body += [self._conv(inner, inputs), nn.ReLU(inplace=True)]
                inputs = inner.outputs
            short = layer.shortcut
            changes = short.stride > 1 or short.outputs != channels
            shortcut = self._conv(short, channels) if changes else None
            parts.append(Residual(nn.Sequential(*body[:-1]), shortcut))
            channels = inputs
        head = nn.Linear(channels, 10)
        return nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), head)

    def _conv(self, layer, inputs):
        conv = nn.Conv2d(
            inputs,
            layer.outputs,
            layer.kernel,
            layer.stride,
            layer.kernel // 2,
            groups=layer.groups,
            bias=False,
        )
        both = nn.Sequential(conv, nn.BatchNorm2d(layer.outputs, eps=self.epsilon))
        self.convs.append(both)
        return both

    def _copy(self, params, net):
        """Batch normalization begins alike on both sides: scale 1, bias 0."""
        head = net[-1]
        with torch.no_grad():
            for i, (conv, _) in enumerate(self.convs):
                kernel = np.array(params[f"Conv_{i}"]["kernel"])
                conv.weight.copy_(torch.tensor(kernel).permute(3, 2, 0, 1))
            head.weight.copy_(torch.tensor(np.array(params["Dense_0"]["kernel"])).T)
            head.bias.copy_(torch.tensor(np.array(params["Dense_0"]["bias"])))
