"""Whole training steps of convolutional networks, against PyTorch eager.

Three kinds of networks for images of 32x32x3, built from one list of layers on both
sides: ResNet-20, one of depthwise separable layers (MobileNet's) and one of grouped
bottlenecks (ResNeXt's). Each layer is a convolution without bias, batch normalization
and, but for the last one of a residual block, a ReLU. Batch 64, float32, gradient
descent. Both sides start from the same weights and end at the same. PyTorch runs in the
faster of its two memory layouts, on two threads; ours with XLA's own convolutions is
the third row, which tells what the forms of `zoo.functional.convolve` gain.
"""

import time
from collections.abc import Callable
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.results import Figure
from benchmarks.timing import interleaved
from zoo.functional.convolution import convolve

BATCH, PAIRS, STEPS, RATE = 64, 9, 3, 0.05


class Conv(NamedTuple):
    """A convolution with batch normalization."""

    outputs: int
    kernel: int = 3
    stride: int = 1
    groups: int = 1


class Block(NamedTuple):
    """Layers beside a shortcut, which is a 1x1 convolution where shapes change."""

    layers: tuple[Conv, ...]


def _resnet20() -> tuple:
    blocks = [
        Block((Conv(c, stride=2 if c > 16 and not i else 1), Conv(c)))
        for c in (16, 32, 64)
        for i in range(3)
    ]
    return Conv(16), *blocks


def _separable() -> tuple:
    layers, inputs = [Conv(32)], 32
    for outputs, stride in ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1)):
        layers += [Conv(inputs, 3, stride, groups=inputs), Conv(outputs, 1)]
        inputs = outputs
    return tuple(layers)


def _bottlenecks() -> tuple:
    blocks = [
        Block((Conv(c, 1), Conv(c, 3, 2 if c > 64 and not i else 1, 8), Conv(2 * c, 1)))
        for c in (64, 128)
        for i in range(2)
    ]
    return Conv(64), *blocks


NETWORKS = {
    "resnet20": _resnet20(),
    "mobilenet_like": _separable(),
    "resnext_like": _bottlenecks(),
}
NAMES = tuple(f"convnet.{n}.{rival}" for n in NETWORKS for rival in ("torch", "xla"))


class Network(nn.Module):
    """The layers, the mean over pixels, and ten classes."""

    layers: tuple
    convolution: Callable

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:  # [B, H, W, C] -> [B, 10]
        for layer in self.layers:
            if isinstance(layer, Conv):
                x = nn.relu(self._conv(layer, x))
                continue
            y, strides = x, 1
            for i, inner in enumerate(layer.layers):
                y = self._conv(inner, y)
                y = y if i == len(layer.layers) - 1 else nn.relu(y)
                strides *= inner.stride
            if y.shape != x.shape:
                x = self._conv(Conv(y.shape[-1], 1, strides), x)
            x = nn.relu(x + y)
        return nn.Dense(10)(x.mean((1, 2)))

    def _conv(self, layer, x):
        side = layer.kernel // 2
        x = nn.Conv(
            layer.outputs,
            (layer.kernel,) * 2,
            layer.stride,
            ((side, side),) * 2,
            feature_group_count=layer.groups,
            use_bias=False,
            conv_general_dilated=self.convolution,
        )(x)
        return nn.BatchNorm(use_running_average=False, epsilon=1e-5)(x)


def measure() -> list[Figure]:
    """Two figures for each network."""
    return [figure for name in NETWORKS for figure in compare(name)]


def data() -> tuple[np.ndarray, np.ndarray]:
    """Images and labels."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(BATCH, 32, 32, 3)).astype(np.float32)
    return x, rng.integers(0, 10, BATCH)


def our_side(layers: tuple, convolution: Callable, params=None):
    """Parameters and a function that takes STEPS steps and gives what they become."""
    model = Network(layers, convolution)
    x, y = (jnp.asarray(a) for a in data())
    variables = jax.jit(model.init)(jax.random.key(0), x)
    params = variables["params"] if params is None else params
    rest = {k: v for k, v in variables.items() if k != "params"}

    @jax.jit
    def step(params):
        def loss(params):
            z, _ = model.apply({"params": params, **rest}, x, mutable=list(rest))
            return -jax.nn.log_softmax(z)[jnp.arange(BATCH), y].mean()

        grads = jax.grad(loss)(params)
        return jax.tree.map(lambda p, g: p - RATE * g, params, grads)

    def run():
        now, began = params, time.perf_counter()
        for _ in range(STEPS):
            now = step(now)
        jax.block_until_ready(now)
        run.params = now
        return (time.perf_counter() - began) / STEPS

    run()
    return params, run


def torch_side(layers: tuple, params, channels_last: bool):
    """The same in PyTorch, from our parameters."""
    from benchmarks.torch_models import torch  # late: a reference

    from torch import nn as tnn  # isort: skip

    convs = []

    def conv(layer, inputs):
        made = tnn.Conv2d(
            inputs,
            layer.outputs,
            layer.kernel,
            layer.stride,
            layer.kernel // 2,
            groups=layer.groups,
            bias=False,
        )
        both = tnn.Sequential(made, tnn.BatchNorm2d(layer.outputs))
        convs.append(both)
        return both

    class Residual(tnn.Module):
        def __init__(self, block, inputs):
            super().__init__()
            steps, channels, strides = [], inputs, 1
            for i, layer in enumerate(block.layers):
                steps.append(conv(layer, channels))
                if i < len(block.layers) - 1:
                    steps.append(tnn.ReLU(inplace=True))
                channels, strides = layer.outputs, strides * layer.stride
            self.body = tnn.Sequential(*steps)
            changes = strides > 1 or channels != inputs
            self.short = conv(Conv(channels, 1, strides), inputs) if changes else None

        def forward(self, x):
            short = x if self.short is None else self.short(x)
            return torch.relu(short + self.body(x))

    parts, channels = [], 3
    for layer in layers:
        if isinstance(layer, Conv):
            parts += [conv(layer, channels), tnn.ReLU(inplace=True)]
            channels = layer.outputs
        else:
            parts.append(Residual(layer, channels))
            channels = layer.layers[-1].outputs
    head = tnn.Linear(channels, 10)
    net = tnn.Sequential(*parts, tnn.AdaptiveAvgPool2d(1), tnn.Flatten(), head)
    with torch.no_grad():
        for i, (kernel, norm) in enumerate(convs):
            array = np.array(params[f"Conv_{i}"]["kernel"]).transpose(3, 2, 0, 1)
            kernel.weight.copy_(torch.from_numpy(array.copy()))
            norm.weight.copy_(
                torch.from_numpy(np.array(params[f"BatchNorm_{i}"]["scale"]))
            )
            norm.bias.copy_(
                torch.from_numpy(np.array(params[f"BatchNorm_{i}"]["bias"]))
            )
        head.weight.copy_(
            torch.from_numpy(np.array(params["Dense_0"]["kernel"]).T.copy())
        )
        head.bias.copy_(torch.from_numpy(np.array(params["Dense_0"]["bias"])))
    memory = torch.channels_last if channels_last else torch.contiguous_format
    net = net.to(memory_format=memory)
    x, y = data()
    x = torch.from_numpy(x).permute(0, 3, 1, 2).contiguous(memory_format=memory)
    y = torch.from_numpy(y)
    optimizer = torch.optim.SGD(net.parameters(), RATE)
    start = [p.detach().clone() for p in net.parameters()]

    def run():
        with torch.no_grad():
            for p, first in zip(net.parameters(), start, strict=True):
                p.copy_(first)
        began = time.perf_counter()
        for _ in range(STEPS):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(net(x), y).backward()
            optimizer.step()
        return (time.perf_counter() - began) / STEPS

    run()
    kernels = [k.weight.detach().numpy().transpose(2, 3, 1, 0) for k, _ in convs]
    return run, kernels


def compare(name: str) -> list[Figure]:
    """Ours against PyTorch, and against ours with XLA's own convolutions."""
    from benchmarks.torch_models import torch  # late: a reference

    torch.set_num_threads(2)
    layers = NETWORKS[name]
    params, run = our_side(layers, convolve)
    _, plain = our_side(layers, jax.lax.conv_general_dilated, params)
    best, fastest, layout, worst = None, np.inf, "", 0.0
    for channels_last in (False, True):
        theirs, kernels = torch_side(layers, params, channels_last)
        for i, kernel in enumerate(kernels):
            moved = np.asarray(run.params[f"Conv_{i}"]["kernel"])
            first = np.asarray(params[f"Conv_{i}"]["kernel"])
            change = np.abs(moved - first).max()
            worst = max(worst, float(np.abs(moved - kernel).max() / change))
        seconds = min(theirs() for _ in range(3))
        if seconds < fastest:
            best, fastest = theirs, seconds
            layout = "channels last" if channels_last else "contiguous"
    # Batch statistics of a deep network amplify rounding.
    assert worst < 0.02, f"{name}: kernels moved otherwise by {worst:.1e} of the way"
    what = (
        f"training step of {name}, {BATCH} images of 32x32; kernels moved the same way "
        f"to {worst:.0e}"
    )
    pairs = (
        ("torch", f"PyTorch eager, 2 threads, {layout}", best),
        ("xla", "the same with XLA's own convolutions", plain),
    )
    figures = []
    for rival, reference, other in pairs:
        ratio = interleaved(run, other, PAIRS)
        figures.append(
            Figure(
                name=f"convnet.{name}.{rival}",
                what=what,
                value=1e3 * ratio.ours,
                unit="ms",
                reference=reference,
                reference_value=1e3 * ratio.theirs,
                ratio=ratio.ratio,
                seed=0,
            )
        )
    return figures
