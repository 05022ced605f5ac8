"""Convolutions in the form in which a backend is fast.

    y[p, q, o] = sum_{i, j, c} x[s p + d i, s q + d j, c] k[i, j, c, o]

`convolve` has the signature of `jax.lax.conv_general_dilated` and its results, and may
be given to `nn.Conv` as `conv_general_dilated`. On GPU and TPU it is XLA's own. On a
CPU, where XLA takes long for some kinds of layer, `form` names another route to the
same sums (`zoo/functional/convolution_forms.py` says what each does):

    kernel 1x1, one group                matmul
    depthwise, G = C                     shifts
    1 < G < C                            diagonal, kernels of at least WIDTH channels
    image spread (transposed), G = 1     phases
    stride 1, small images               patches
    else                                 xla

The kernel's shape, and so the count of parameters and converted weights, do not depend
on the form. Results agree to rounding.

Shapes: B examples, H height, W width, C channels, O output channels, G groups; h, w
kernel; s stride, d dilation.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from zoo.functional import convolution_forms as forms
from zoo.functional.convolution_blocks import NHWC, conv_by_blocks

WIDTH = 32  # input channels of a merged kernel, at least; not tuned
PATCHES = 50_000  # numbers in the patches of an image, beyond which they cost too much


def lowering(blocks: bool | None) -> Callable[..., jax.Array]:
    """`conv_general_dilated` in one form or the other, for kernels of few channels.

    Args:
        blocks: True by blocks, False as XLA does it, None by blocks on a CPU.
    """
    if blocks is None:
        blocks = jax.default_backend() == "cpu"
    return conv_by_blocks if blocks else jax.lax.conv_general_dilated


def form(
    kernel: tuple[int, int, int, int],
    image: tuple[int, int, int],
    strides: tuple[int, int] = (1, 1),
    spread: tuple[int, int] = (1, 1),
    dilation: tuple[int, int] = (1, 1),
) -> str:
    """The name of the form that is fast on a CPU.

    Args:
        kernel: its shape, [h, w, C / G, O].
        image: H, W and C.
        strides: s.
        spread: pixels from one of x to the next, zeros between them.
        dilation: d.
    """
    (h, w, inputs, _), (height, width, channels) = kernel, image
    if spread != (1, 1):
        plain = strides == dilation == (1, 1) and inputs == channels
        return "phases" if plain else "xla"
    if inputs == channels:
        if (h, w) == (1, 1):
            return "matmul"
        small = height * width * channels * h * w <= PATCHES
        return "patches" if small and strides == (1, 1) else "xla"
    return "shifts" if inputs == 1 else "diagonal"


def merged(groups: int, inputs: int) -> int:
    """How many groups share a kernel: the fewest that have WIDTH channels, if any."""
    sizes = [m for m in range(1, groups + 1) if groups % m == 0]
    return next((m for m in sizes if m * inputs >= WIDTH), groups)


def convolve(
    lhs: jax.Array,
    rhs: jax.Array,
    window_strides: Any,
    padding: Any,
    lhs_dilation: Any = None,
    rhs_dilation: Any = None,
    dimension_numbers: Any = None,
    feature_group_count: int = 1,
    precision: Any = None,
    **options: Any,
) -> jax.Array:
    """`jax.lax.conv_general_dilated`, in the form that is fast on the backend.

    Other forms than XLA's are for images, [B, H, W, C] and [h, w, C / G, O], on a CPU,
    without options and with no precision asked for.

    Args:
        lhs: images.
        rhs: kernel.
        window_strides, padding, lhs_dilation, rhs_dilation, dimension_numbers,
            feature_group_count, precision, options: as for `conv_general_dilated`.

    Returns:
        The convolution, [B, H', W', O].

    Raises:
        TypeError, ValueError: as `conv_general_dilated` does.
    """
    numbers = jax.lax.conv_dimension_numbers(lhs.shape, rhs.shape, dimension_numbers)
    asked = any(value is not None for value in (precision, *options.values()))
    fits = (
        lhs.ndim == 4 and lhs.shape[-1] == rhs.shape[2] * feature_group_count
        if numbers == NHWC
        else False
    )
    name, strides = "xla", tuple(window_strides)
    spread, dilation = (tuple(x or (1, 1)) for x in (lhs_dilation, rhs_dilation))
    if fits and not asked and jax.default_backend() == "cpu":
        name = form(rhs.shape, lhs.shape[1:], strides, spread, dilation)
    if isinstance(padding, str) and name == "phases":
        name = "xla"  # which says what is wrong
    elif isinstance(padding, str) and name != "xla":
        sides = [d * (n - 1) + 1 for n, d in zip(rhs.shape, dilation, strict=False)]
        sizes = lhs.shape[1:3]
        padding = jax.lax.padtype_to_pads(sizes, sides, strides, padding)
    if name == "phases":
        return forms.by_phases(lhs, rhs, spread, padding)
    if name == "xla" or any(pad < 0 for pads in padding for pad in pads):
        return jax.lax.conv_general_dilated(
            lhs,
            rhs,
            window_strides,
            padding,
            lhs_dilation=lhs_dilation,
            rhs_dilation=rhs_dilation,
            dimension_numbers=dimension_numbers,
            feature_group_count=feature_group_count,
            precision=precision,
            **options,
        )
    if any(pad for pads in padding for pad in pads):
        lhs = jnp.pad(lhs, ((0, 0), *padding, (0, 0)))
    if name == "matmul":
        return forms.by_matmul(lhs, rhs, strides)
    if name == "shifts":
        return forms.by_shifts(lhs, rhs, strides, dilation)
    if name == "patches":
        return forms.by_patches(lhs, rhs, strides, dilation)
    merge = merged(feature_group_count, rhs.shape[2])
    return forms.by_diagonal(lhs, rhs, strides, dilation, feature_group_count, merge)
