"""Convolutions of small images: a forward and backward pass of each kind of layer.

Batch 64, float32. Ours is `zoo.functional.convolve`, which chooses a form; XLA's own is
`conv_general_dilated`; PyTorch runs eagerly, in the faster of its two memory layouts.
All three take the same images, kernels and residuals, and their results are held to
each other before anything is timed. The time is that of the output and both gradients.
"""

import time
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.results import Figure
from benchmarks.timing import interleaved
from zoo.functional.convolution import convolve

BATCH, PAIRS, REPEATS = 64, 15, 3
FEW_PAIRS = 3  # where a pass takes a second, as XLA's grouped kernel gradients do
LAYOUT = ("NHWC", "HWIO", "NHWC")


class Layer(NamedTuple):
    """A kind of layer; its images are size x size."""

    size: int
    channels: int
    outputs: int
    kernel: int
    stride: int = 1
    groups: int = 1
    transposed: bool = False


LAYERS = {
    "dense3x3_16": Layer(32, 16, 16, 3),
    "dense3x3_32": Layer(16, 32, 32, 3),
    "dense3x3_64": Layer(8, 64, 64, 3),
    "strided3x3": Layer(32, 16, 32, 3, stride=2),
    "pointwise_64": Layer(32, 64, 64, 1),
    "pointwise_strided": Layer(32, 64, 128, 1, stride=2),
    "depthwise_64": Layer(32, 64, 64, 3, groups=64),
    "depthwise_strided": Layer(32, 64, 64, 3, stride=2, groups=64),
    "grouped_32x4": Layer(16, 128, 128, 3, groups=32),
    "grouped_8": Layer(32, 64, 64, 3, groups=8),
    "transposed4x4": Layer(16, 64, 32, 4, stride=2, transposed=True),
}
NAMES = tuple(
    f"convolution.{layer}.{rival}" for layer in LAYERS for rival in ("xla", "torch")
)


def measure(*names: str) -> list[Figure]:
    """Two figures for each kind of layer, or for each that is named."""
    return [figure for name in names or LAYERS for figure in compare(name)]


def arguments(layer: Layer) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Images, kernel and residual."""
    rng = np.random.default_rng(0)
    size = layer.size * layer.stride if layer.transposed else layer.size // layer.stride
    shapes = (
        (BATCH, layer.size, layer.size, layer.channels),
        (layer.kernel, layer.kernel, layer.channels // layer.groups, layer.outputs),
        (BATCH, size, size, layer.outputs),
    )
    return tuple(rng.normal(size=shape).astype(np.float32) for shape in shapes)


def passes(layer: Layer, form: Callable) -> Callable:
    """Output and both gradients, compiled."""
    side, stride = layer.kernel, layer.stride
    if layer.transposed:  # as PyTorch's, with padding 1
        pads, strides, spread = (side - 2, side - 2), (1, 1), (stride, stride)
    else:
        pads, strides, spread = (side // 2, (side - 1) // 2), (stride, stride), (1, 1)

    def run(x, k, g):
        y, back = jax.vjp(
            lambda x, k: form(
                x,
                k,
                strides,
                (pads, pads),
                lhs_dilation=spread,
                dimension_numbers=LAYOUT,
                feature_group_count=layer.groups,
            ),
            x,
            k,
        )
        return y, *back(g)

    return jax.jit(run)


def torch_passes(layer: Layer, arrays, channels_last: bool) -> Callable:
    """The same in PyTorch; gives arrays of our layout."""
    from benchmarks.torch_models import torch  # late: a reference

    x, k, g = (torch.from_numpy(array) for array in arrays)
    memory = torch.channels_last if channels_last else torch.contiguous_format
    x, g = (t.permute(0, 3, 1, 2).contiguous(memory_format=memory) for t in (x, g))
    if layer.transposed:  # its kernel is [C, O, h, w], and turned around
        k = k.flip(0, 1).permute(2, 3, 0, 1).contiguous()
        run = torch.nn.functional.conv_transpose2d
        options = dict(stride=layer.stride, padding=1)
    else:
        k = k.permute(3, 2, 0, 1).contiguous(memory_format=memory)
        run = torch.nn.functional.conv2d
        options = dict(
            stride=layer.stride, padding=layer.kernel // 2, groups=layer.groups
        )
    x, k = x.requires_grad_(), k.requires_grad_()

    def work():
        y = run(x, k, **options)
        return y, *torch.autograd.grad(y, (x, k), g)

    def ours(y, gx, gk):
        if layer.transposed:
            gk = gk.permute(2, 3, 0, 1).flip(0, 1)
        else:
            gk = gk.permute(2, 3, 1, 0)
        images = (t.detach().permute(0, 2, 3, 1) for t in (y, gx))
        return [t.numpy() for t in (*images, gk)]

    return work, ours


def compare(name: str) -> list[Figure]:
    """Ours against XLA's own, and against PyTorch."""
    from benchmarks.torch_models import torch  # late: a reference

    torch.set_num_threads(2)
    layer = LAYERS[name]
    arrays = arguments(layer)
    args = [jnp.asarray(array) for array in arrays]
    ours, xla = (
        passes(layer, form) for form in (convolve, jax.lax.conv_general_dilated)
    )
    results = [np.asarray(y) for y in ours(*args)]
    worst = _worst(results, xla(*args))

    def timed(work):
        def run():
            began = time.perf_counter()
            for _ in range(REPEATS):
                jax.block_until_ready(work())
            return (time.perf_counter() - began) / REPEATS

        run()
        return run

    mine, theirs = (timed(lambda f=f: f(*args)) for f in (ours, xla))
    against_xla = interleaved(mine, theirs, FEW_PAIRS if theirs() > 0.3 else PAIRS)
    best, fastest, layout = None, np.inf, ""
    for channels_last in (False, True):
        work, as_ours = torch_passes(layer, arrays, channels_last)
        worst = max(worst, _worst(results, as_ours(*work())))
        run = timed(work)
        seconds = min(run() for _ in range(5))
        if seconds < fastest:
            best, fastest = run, seconds
            layout = "channels last" if channels_last else "contiguous"
    assert worst < 2e-4, f"{name}: results differ by {worst:.1e} of the largest"
    against_torch = interleaved(mine, best, PAIRS)
    what = (
        f"forward and backward pass of a convolution, {BATCH} images of "
        f"{layer.size}x{layer.size}x{layer.channels} to {layer.outputs} channels, "
        f"{layer.kernel}x{layer.kernel}"
        + f", stride {layer.stride}" * (layer.stride > 1)
        + f", {layer.groups} groups" * (layer.groups > 1)
        + ", transposed" * layer.transposed
    )
    return [
        Figure(
            name=f"convolution.{name}.{rival}",
            what=f"{what}; results agree to {worst:.0e}",
            value=1e3 * pairs.ours,
            unit="ms",
            reference=reference,
            reference_value=1e3 * pairs.theirs,
            ratio=pairs.ratio,
            seed=0,
        )
        for rival, reference, pairs in (
            ("xla", "XLA's own form", against_xla),
            ("torch", f"PyTorch eager, 2 threads, {layout}", against_torch),
        )
    ]


def _worst(ours, theirs) -> float:
    """The largest difference, as a share of the largest value."""
    return max(
        float(np.abs(a - np.asarray(b)).max() / np.abs(a).max())
        for a, b in zip(ours, theirs, strict=True)
    )
