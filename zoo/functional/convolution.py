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
    stride 1, C <= FEW                   blocks
    else                                 parts

The kernel's shape, and so the count of parameters and converted weights, do not depend
on the form. Results agree to rounding.

What was tried for the gradient of a dense 3x3 kernel, with stride 1 and as many outputs
as inputs: ms for 64 images, float32, on two cores, all in one hour. Forms that part the
batch in 8 are the fastest that need no tuning; none reaches PyTorch.

    images                               32x32x16  16x16x32  8x8x64  32x32x64
    XLA's own                                28.7      14.0    10.7      1336
    the batch in 4 parts                      6.9      11.0     8.4       176
    the batch in 8 parts                      6.6       6.2     5.6       251
    the batch in 16 parts                    13.9       8.2     6.2       164
    the batch in 32 parts                    25.8       7.4     8.6       173
    the image's rows in 4 parts              12.4       8.9     9.8       209
    batch and rows in 4 parts each            6.6       6.2     6.4       122
    one matmul, of patches                   52.8      28.6     5.9       245
    nine matmuls, of shifted images          32.7      12.4     7.6       260
    a matmul of patches for each image       40.6      26.2    35.1       266
    whole rows as features                   28.9      14.6     9.6       522
    four neighbouring columns as one         35.3       7.9     9.4       227
    nine matmuls, in a scan over 16 parts    11.6      11.0    15.5       124
    the batch as channels                    15.5      14.1     9.5      1176
    PyTorch                                   3.0       3.5     3.5        55

Shapes: B examples, H height, W width, C channels, O output channels, G groups; h, w
kernel; s stride, d dilation.
"""

from typing import Any

import jax
import jax.numpy as jnp

from zoo.functional import convolution_forms as forms

NHWC = jax.lax.ConvDimensionNumbers((0, 3, 1, 2), (3, 2, 0, 1), (0, 3, 1, 2))
WIDTH = 16  # input channels of a merged kernel, at least
FEW = 8  # input channels
PARTS = 8  # of a batch, at most


def form(
    kernel: tuple[int, int, int, int],
    channels: int,
    strides: tuple[int, int] = (1, 1),
    spread: tuple[int, int] = (1, 1),
    dilation: tuple[int, int] = (1, 1),
) -> str:
    """The name of the form that is fast on a CPU.

    Args:
        kernel: its shape, [h, w, C / G, O].
        channels: C.
        strides: s.
        spread: pixels from one of x to the next, zeros between them.
        dilation: d.
    """
    h, w, inputs, _ = kernel
    if spread != (1, 1):
        plain = strides == dilation == (1, 1) and inputs == channels
        return "phases" if plain else "xla"
    if inputs == channels:
        if (h, w) == (1, 1):
            return "matmul"
        plain = strides == dilation == (1, 1)
        return "blocks" if plain and channels <= FEW else "parts"
    return "shifts" if inputs == 1 else "diagonal"


def merged(groups: int, inputs: int) -> int:
    """How many groups share a kernel: the fewest that have WIDTH channels, if any."""
    sizes = [m for m in range(1, groups + 1) if groups % m == 0]
    return next((m for m in sizes if m * inputs >= WIDTH), groups)


def shares(batch: int) -> int:
    """How many devices may hold a batch that is split over all of them."""
    return jax.device_count() if batch % jax.device_count() == 0 else 1


def parts(batch: int) -> int:
    """Into how many parts a batch goes: PARTS, or the most that leave a device's share
    whole where the batch is split over all of them."""
    each = batch // jax.device_count() if batch % jax.device_count() == 0 else 1
    return next(n for n in range(PARTS, 0, -1) if each % n == 0)


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
        name = form(rhs.shape, lhs.shape[-1], strides, spread, dilation)
    if isinstance(padding, str) and name == "phases":
        name = "xla"  # which says what is wrong
    elif isinstance(padding, str) and name != "xla":
        sides = [d * (n - 1) + 1 for n, d in zip(rhs.shape, dilation, strict=False)]
        sizes = lhs.shape[1:3]
        padding = jax.lax.padtype_to_pads(sizes, sides, strides, padding)
    if name == "phases":
        return forms.by_phases(lhs, rhs, spread, padding, parts(len(lhs)))
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
        return forms.by_shifts(lhs, rhs, strides, dilation, shares(len(lhs)))
    count = parts(len(lhs))
    if name == "blocks":
        return forms.by_blocks(lhs, rhs, count)
    if name == "parts":
        return forms.by_parts(lhs, rhs, strides, dilation, count)
    groups = feature_group_count, merged(feature_group_count, rhs.shape[2])
    return forms.by_diagonal(lhs, rhs, strides, dilation, *groups, count)
