"""The arithmetic of convolution: sizes, receptive fields, and the map as a matrix.

Along one axis, with e = d (k - 1) + 1 the extent of a kernel whose taps are d apart:

    explicit     o = floor((n + low + high - e) / s) + 1
    VALID        o = ceil((n - e + 1) / s)                   low = high = 0
    SAME         o = ceil(n / s)         low = floor(t / 2), high = t - low,
                                         t = max((o - 1) s + e - n, 0)
    transposed   n = s (o - 1) + e - low - high + r          0 <= r < s
    receptive    r_l = r_{l-1} + d_l (k_l - 1) s_1 ... s_{l-1},  r_0 = 1

Convolution is linear in the image, y = C x. C has a row for each output, with the
kernel's taps where they fall and zeros elsewhere; a tap that falls on padding is not
there. The transposed convolution is x = C^T y: it has the shape of an inverse, but it
is none. Since s inputs of different sizes give one o, r (`output_padding`) says which
of them is meant.

Padding is "VALID", "SAME", an integer (for both ends) or, along one axis, a pair (low,
high). Transposed, the numbers are those of the convolution whose transpose is taken,
as in PyTorch. With the words it is `jax.lax.conv_transpose` that is followed: SAME
gives n = s o and VALID gives n = s o + max(e - s, 0), so that for a kernel smaller
than its stride VALID has r = s - e.

Shapes: B examples, H height, W width, C channels, O output channels, h, w kernel;
H', W' height and width of the output.

References:
    Dumoulin and Visin, "A guide to convolution arithmetic for deep learning", 2016,
    https://arxiv.org/abs/1603.07285
    Araujo, Norris and Sim, "Computing receptive fields of convolutional neural
    networks", Distill 2019, https://distill.pub/2019/computing-receptive-fields
    (the receptive field; it is also the largest that a model can have which
    `zoo.receptive` measures)
"""

from collections.abc import Iterable

import jax
import jax.numpy as jnp
import numpy as np

Padding = str | int | tuple[int, int]  # along one axis
WORDS = ("VALID", "SAME")


def conv_size(
    size: int,
    kernel: int,
    stride: int = 1,
    padding: Padding = "VALID",
    dilation: int = 1,
) -> int:
    """Outputs of a convolution, or of a pooling, along one axis.

    Args:
        size: pixels of the input, n.
        kernel: taps, k.
        stride: pixels from one window to the next, s.
        padding: "VALID", "SAME", zeros at both ends, or (low, high).
        dilation: pixels from one tap to the next, d.

    Returns:
        o, at least 1.

    Raises:
        ValueError: a number below 1 (padding: below 0), another word; a kernel that
            reaches over more than the padded input.
    """
    low, high = _padding(size, kernel, stride, padding, dilation)
    room = size + low + high - _extent(kernel, dilation)
    if room < 0:
        raise ValueError(
            f"kernel must fit into the padded input, got {_extent(kernel, dilation)} "
            f"pixels with its dilation for {size + low + high}"
        )
    return room // stride + 1


def conv_transpose_size(
    size: int,
    kernel: int,
    stride: int = 1,
    padding: Padding = "VALID",
    output_padding: int = 0,
    dilation: int = 1,
) -> int:
    """Outputs of a transposed convolution along one axis.

    Args:
        size: pixels of the input, o.
        kernel: taps, k.
        stride: pixels from one output window to the next, s.
        padding: of the convolution that is transposed: "VALID", "SAME", zeros at both
            ends, or (low, high).
        output_padding: pixels more at the end, r, in 0..s - 1; 0 with a word.
        dilation: pixels from one tap to the next, d.

    Returns:
        n, at least 1. `conv_size` of it, with numbers for padding, is `size`.

    Raises:
        ValueError: a number that is not allowed, another word; nothing would be left.
    """
    extent = _extent(kernel, dilation)
    _at_least(1, size=size, stride=stride)
    if not 0 <= output_padding < stride or (output_padding and padding in WORDS):
        raise ValueError(
            f"output_padding must be in 0..{stride - 1}, below the stride, and 0 with "
            f"padding in words, got {output_padding!r}"
        )
    if padding == "SAME":
        return stride * size
    if padding == "VALID":
        return stride * size + max(extent - stride, 0)
    low, high = _padding(size, kernel, stride, padding, dilation)
    result = stride * (size - 1) + extent - low - high + output_padding
    if result < 1:
        raise ValueError(f"padding must leave an output, got {padding!r}: {result}")
    return result


def same_padding(
    size: int, kernel: int, stride: int = 1, dilation: int = 1
) -> tuple[int, int]:
    """Zeros before and after the input that SAME means along one axis.

    Args:
        size: pixels of the input, n.
        kernel: taps, k.
        stride: pixels from one window to the next, s.
        dilation: pixels from one tap to the next, d.

    Returns:
        (low, high): an odd sum has its one more at the end.

    Raises:
        ValueError: a number below 1.
    """
    _at_least(1, size=size, stride=stride)
    outputs = -(-size // stride)
    total = max((outputs - 1) * stride + _extent(kernel, dilation) - size, 0)
    return total // 2, total - total // 2


def layers_receptive_field(layers: Iterable[tuple[int, int, int]]) -> int:
    """Pixels of the input, along one axis, that reach an output of the last layer.

    Padding does not change it; near the border some of these pixels are padding.

    Args:
        layers: (kernel, stride, dilation) of each layer, the first to the last.

    Returns:
        r, 1 without layers.

    Raises:
        ValueError: a number below 1.
    """
    field, jump = 1, 1  # jump: pixels of the input from one output to the next
    for kernel, stride, dilation in layers:
        _at_least(1, stride=stride)
        field += (_extent(kernel, dilation) - 1) * jump
        jump *= stride
    return field


def conv_matrix(
    kernel: jax.Array,
    size: tuple[int, int],
    stride: int = 1,
    padding: str | int | tuple[tuple[int, int], tuple[int, int]] = "VALID",
    dilation: int = 1,
) -> jax.Array:
    """The matrix C of a convolution: `C @ x.ravel()` is y, raveled.

    Dense, so for small images: it is there to be looked at and to be tested against.

    Args:
        kernel: [h, w, C, O].
        size: (H, W), of the images.
        stride: of both axes.
        padding: "VALID", "SAME", zeros at all four sides, or ((top, bottom), (left,
            right)).
        dilation: of both axes.

    Returns:
        [H' W' O, H W C].

    Raises:
        ValueError: a kernel that is not [h, w, C, O]; see `conv_size`.
    """
    if kernel.ndim != 4:
        raise ValueError(f"kernel must be [h, w, C, O], got {kernel.shape}")
    # Kronecker products, summed over the taps a, b: where each falls, times its C x O.
    rows, columns = (
        jnp.asarray(_falls(n, k, stride, p, dilation), kernel.dtype)
        for n, k, p in zip(size, kernel.shape[:2], _both(padding), strict=True)
    )  # [H', h, H] and [W', w, W]
    c = jnp.einsum("pai,qbj,abco->pqoijc", rows, columns, kernel)
    return c.reshape(c.shape[0] * c.shape[1] * c.shape[2], -1)


def im2col(
    x: jax.Array,
    window: tuple[int, int],
    stride: int = 1,
    padding: str | int | tuple[tuple[int, int], tuple[int, int]] = "VALID",
    dilation: int = 1,
) -> jax.Array:
    """The patch under each window as a row, so that convolution is one matmul.

    `im2col(x, (h, w)) @ kernel.reshape(h * w * C, O)` is the convolution. What is
    called col2im, patches added up where they came from, is the transpose: the vjp.

    Args:
        x: images, [B, H, W, C].
        window: (h, w).
        stride: of both axes.
        padding: "VALID", "SAME", zeros at all four sides, or ((top, bottom), (left,
            right)).
        dilation: of both axes.

    Returns:
        [B, H', W', h w C], the channels of one pixel next to each other.

    Raises:
        ValueError: images that are not [B, H, W, C]; see `conv_size`.
    """
    if x.ndim != 4:
        raise ValueError(f"images must be [B, H, W, C], got {x.shape}")
    outputs, pads = [], []
    for n, k, p in zip(x.shape[1:3], window, _both(padding), strict=True):
        outputs.append(conv_size(n, k, stride, p, dilation))
        pads.append(_padding(n, k, stride, p, dilation))
    x = jnp.pad(x, ((0, 0), *pads, (0, 0)))

    def under(tap, outputs):  # the pixels that a tap meets, window by window
        return slice(
            tap * dilation, tap * dilation + (outputs - 1) * stride + 1, stride
        )

    patches = [
        x[:, under(a, outputs[0]), under(b, outputs[1])]
        for a in range(window[0])
        for b in range(window[1])
    ]
    return jnp.concatenate(patches, axis=-1)  # [B, H', W', C] each


def channel_mix(x: jax.Array, kernel: jax.Array, stride: int = 1) -> jax.Array:
    """A 1x1 convolution: one matrix, applied to the channels of each pixel.

        y[p, q] = x[s p, s q] K

    Args:
        x: images, [B, H, W, C].
        kernel: K, [C, O].
        stride: s, of both axes; the pixels between are not seen.

    Returns:
        [B, ceil(H / s), ceil(W / s), O].

    Raises:
        ValueError: images that are not [B, H, W, C]; a kernel that is not [C, O]; a
            stride below 1.
    """
    if x.ndim != 4 or kernel.ndim != 2 or x.shape[-1] != kernel.shape[0]:
        raise ValueError(
            "x and kernel must be [B, H, W, C] and [C, O], got "
            f"{x.shape} and {kernel.shape}"
        )
    _at_least(1, stride=stride)
    return jnp.tensordot(x[:, ::stride, ::stride], kernel, axes=1)


def _at_least(least: int, **numbers: int) -> None:
    for name, n in numbers.items():
        if not isinstance(n, int | np.integer) or n < least:
            raise ValueError(f"{name} must be an integer of {least} or more, got {n!r}")


def _extent(kernel: int, dilation: int) -> int:
    _at_least(1, kernel=kernel, dilation=dilation)
    return dilation * (kernel - 1) + 1


def _padding(
    size: int, kernel: int, stride: int, padding: Padding, dilation: int
) -> tuple[int, int]:
    """Any padding of one axis as (low, high)."""
    _at_least(1, size=size, stride=stride)
    if padding == "SAME":
        return same_padding(size, kernel, stride, dilation)
    if padding == "VALID":
        return 0, 0
    pair = (padding, padding) if isinstance(padding, int | np.integer) else padding
    if isinstance(pair, str) or len(pair) != 2:
        raise ValueError(
            f"padding must be 'VALID', 'SAME', a number or (low, high), got {padding!r}"
        )
    _at_least(0, padding=pair[0])
    _at_least(0, padding=pair[1])
    return pair


def _both(padding) -> tuple[Padding, Padding]:
    """Any padding of an image as one for the rows and one for the columns."""
    if isinstance(padding, str | int | np.integer):
        return padding, padding
    return tuple(padding)


def _falls(size, kernel, stride, padding, dilation) -> np.ndarray:
    """[o, k, n]: whether tap a of window p falls on pixel i."""
    outputs = conv_size(size, kernel, stride, padding, dilation)
    low, _ = _padding(size, kernel, stride, padding, dilation)
    p, a, i = np.ogrid[:outputs, :kernel, :size]
    return i == p * stride + a * dilation - low
