"""Whole training steps of convolutional networks, against PyTorch eager.

Three kinds of networks for images of 32x32x3, each built on both sides from one list of
layers: ResNet-20; depthwise separable layers, as in MobileNet; grouped bottlenecks, as
in ResNeXt. A layer is a convolution without bias, batch normalization and, but for the
last one of a residual block, a ReLU. Batch 64, float32, gradient descent.

Before anything is timed, both sides take a step from the same weights in float64 and
must end at the same kernels. (In float32 they need not: a ReLU whose input is 0 but for
rounding opens on one side and not on the other, and batch statistics spread that.)
PyTorch runs on two threads, in the faster of its two memory layouts; the second rival
is our own step with XLA's convolutions, which tells what `zoo.functional.convolve`
gains.
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

BATCH, PAIRS, RATE = 64, 9, 0.05
FEW_PAIRS = 3  # with XLA's own grouped convolutions, which take about a second a step
EPSILON = 1e-5  # of the batch normalization
FEW = 4  # images of the step in float64


class Conv(NamedTuple):
    """A convolution with batch normalization."""

    outputs: int
    kernel: int = 3
    stride: int = 1
    groups: int = 1


class Block(NamedTuple):
    """Layers beside a shortcut, which is a 1x1 convolution where shapes change."""

    layers: tuple[Conv, ...]

    @property
    def shortcut(self) -> Conv:
        strides = np.prod([layer.stride for layer in self.layers])
        return Conv(self.layers[-1].outputs, 1, int(strides))


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
            y = x
            for i, inner in enumerate(layer.layers):
                y = self._conv(inner, y if i == 0 else nn.relu(y))
            x = x if y.shape == x.shape else self._conv(layer.shortcut, x)
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
        return nn.BatchNorm(use_running_average=False, epsilon=EPSILON)(x)


def measure(*names: str) -> list[Figure]:
    """Two figures for each network, or for each that is named."""
    return [figure for name in names or NETWORKS for figure in compare(name)]


def data(batch: int, dtype: str = "float32") -> tuple[np.ndarray, np.ndarray]:
    """Images and labels."""
    rng = np.random.default_rng(0)
    return rng.normal(size=(batch, 32, 32, 3)).astype(dtype), rng.integers(0, 10, batch)


def parameters(layers: tuple):
    """Of the network, drawn."""
    model = Network(layers, convolve)
    return jax.jit(model.init)(jax.random.key(0), data(1)[0])["params"]


def stepper(layers: tuple, convolution: Callable, x, y) -> Callable:
    """params -> params after a step of gradient descent, compiled."""
    model = Network(layers, convolution)

    @jax.jit
    def step(params):
        def loss(params):
            z, _ = model.apply({"params": params}, x, mutable=["batch_stats"])
            return -jax.nn.log_softmax(z)[jnp.arange(len(y)), y].mean()

        grads = jax.grad(loss)(params)
        return jax.tree.map(lambda p, g: p - RATE * g, params, grads)

    return step


def disagreement(name: str) -> float:
    """In float64: the largest difference of a kernel, as a share of its move."""
    from benchmarks import torch_convnets as theirs  # late: a reference

    layers = NETWORKS[name]
    first = jax.tree.map(lambda a: np.asarray(a, np.float64), parameters(layers))
    x, y = data(FEW, "float64")
    with jax.enable_x64(True):
        one = jax.device_get(stepper(layers, convolve, x, y)(first))
    step = theirs.Stepper(layers, first, x, y, RATE, EPSILON, channels_last=False)
    step(1)
    share = []
    for i, kernel in enumerate(step.kernels()):
        began, ended = (tree[f"Conv_{i}"]["kernel"] for tree in (first, one))
        share.append(np.abs(ended - kernel).max() / np.abs(ended - began).max())
    return float(max(share))


def compare(name: str) -> list[Figure]:
    """Ours against PyTorch, and against ours with XLA's own convolutions."""
    from benchmarks import torch_convnets as theirs  # late: a reference

    layers = NETWORKS[name]
    worst = disagreement(name)
    assert worst < 1e-9, f"{name}: kernels moved otherwise by {worst:.1e} of the way"
    params, (x, y) = parameters(layers), data(BATCH)

    def ours(convolution):
        step = stepper(layers, convolution, jnp.asarray(x), jnp.asarray(y))

        def run():
            began = time.perf_counter()
            jax.block_until_ready(step(params))
            return time.perf_counter() - began

        run()
        return run

    rivals = []
    for channels_last in (False, True):
        step = theirs.Stepper(layers, params, x, y, RATE, EPSILON, channels_last)
        step(1)
        rivals.append((min(step(1) for _ in range(5)), channels_last, step))
    _, channels_last, best = min(rivals, key=lambda rival: rival[0])
    mine = ours(convolve)
    layout = "channels last" if channels_last else "contiguous"
    sides = {
        "torch": (f"PyTorch eager, 2 threads, {layout}", lambda: best(1), PAIRS),
        "xla": (
            "the same with XLA's own convolutions",
            ours(jax.lax.conv_general_dilated),
            FEW_PAIRS,
        ),
    }
    figures = []
    for rival, (reference, other, count) in sides.items():
        pairs = interleaved(mine, other, count)
        figures.append(
            Figure(
                name=f"convnet.{name}.{rival}",
                what=f"training step of {name.replace('_', '-')}, {BATCH} images of "
                f"32x32x3; in float64 a step moves the kernels alike to {worst:.0e}",
                value=1e3 * pairs.ours,
                unit="ms",
                reference=reference,
                reference_value=1e3 * pairs.theirs,
                ratio=pairs.ratio,
                seed=0,
            )
        )
    return figures
