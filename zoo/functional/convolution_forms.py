"""Forms of one convolution: the same sums, by other routes.

    y[p, q, o] = sum_{i, j, c} x[s p + d i, s q + d j, c] k[i, j, c, o]

by_matmul    a kernel of 1x1 mixes channels: x with its pixels as rows, times k
by_patches   the gradient of k is one matmul, of a matrix of patches with the residual
by_shifts    depthwise: y is h w shifted images, each times one number a channel
by_diagonal  grouped: neighbouring groups share a dense kernel that is block-diagonal
by_phases    transposed with stride s: the s^2 phases of the output are convolutions of
             x with every s-th row and column of k, laid side by side as channels

Each takes images that are padded already, and the kernel as XLA does, [h, w, C / G, O].
Which one is chosen where, and what it gains: `zoo/functional/convolution.py`.

Shapes: B examples, H height, W width, C channels, O output channels, G groups; h, w
kernel; P, Q height and width of the output; s stride, d dilation.

References:
    Chellapilla, Puri and Simard, "High performance convolutional neural networks for
    document processing", 2006, https://inria.hal.science/inria-00112631 (patches)
    Shi et al., "Real-time single image and video super-resolution using an efficient
    sub-pixel convolutional neural network", CVPR 2016,
    https://arxiv.org/abs/1609.05158 (phases)
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

LAYOUT = ("NHWC", "HWIO", "NHWC")
Pair = tuple[int, int]


def dense(
    x: jax.Array, k: jax.Array, strides: Pair, dilation: Pair, groups: int = 1
) -> jax.Array:
    """XLA's own form."""
    return jax.lax.conv_general_dilated(
        x,
        k,
        strides,
        "VALID",
        rhs_dilation=dilation,
        dimension_numbers=LAYOUT,
        feature_group_count=groups,
    )


def by_matmul(x: jax.Array, k: jax.Array, strides: Pair) -> jax.Array:
    """Of a kernel [1, 1, C, O]."""
    return x[:, :: strides[0], :: strides[1]] @ k[0, 0]


def windows(x: jax.Array, kernel: Pair, strides: Pair, dilation: Pair) -> list:
    """What each place of the kernel sees: h w images, [B, P, Q, C] each."""
    sizes = zip(x.shape[1:3], kernel, strides, dilation, strict=True)
    reach = [(n - d * (side - 1) - 1) // s * s + 1 for n, side, s, d in sizes]
    return [
        x[
            :,
            i * dilation[0] : i * dilation[0] + reach[0] : strides[0],
            j * dilation[1] : j * dilation[1] + reach[1] : strides[1],
        ]
        for i in range(kernel[0])
        for j in range(kernel[1])
    ]


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def by_patches(x: jax.Array, k: jax.Array, strides: Pair, dilation: Pair) -> jax.Array:
    """XLA's own, but for the gradient of the kernel."""
    return dense(x, k, strides, dilation)


def _patches_forward(x, k, strides, dilation):
    return dense(x, k, strides, dilation), (x, k)


def _patches_backward(strides, dilation, saved, g):
    x, k = saved
    back = jax.linear_transpose(lambda x: dense(x, k, strides, dilation), x)
    patches = jnp.concatenate(windows(x, k.shape[:2], strides, dilation), axis=-1)
    gk = jnp.einsum("bpqk,bpqo->ko", patches, g)  # k: h w C
    return *back(g), gk.reshape(k.shape)


by_patches.defvjp(_patches_forward, _patches_backward)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def by_shifts(x: jax.Array, k: jax.Array, strides: Pair, dilation: Pair) -> jax.Array:
    """Depthwise, of a kernel [h, w, 1, C M]: channel c makes the M from c M on."""
    h, w, _, o = k.shape
    x = jnp.repeat(x, o // x.shape[-1], axis=-1) if o != x.shape[-1] else x
    k = k.reshape(h * w, 1, 1, 1, o)
    seen = windows(x, (h, w), strides, dilation)
    return sum(image * k[i] for i, image in enumerate(seen))


def _shifts_forward(x, k, strides, dilation):
    return by_shifts(x, k, strides, dilation), (x, k)


def _shifts_backward(strides, dilation, saved, g):
    x, k = saved
    h, w, _, o = k.shape
    many = o // x.shape[-1]
    wide = jnp.repeat(x, many, axis=-1) if many > 1 else x
    seen = windows(wide, (h, w), strides, dilation)
    gk = jnp.stack([(image * g).sum((0, 1, 2)) for image in seen])
    # The residual, with s - 1 zeros between its pixels, under the kernel turned around.
    zero = jnp.zeros((), g.dtype)
    edges = [((h - 1) * dilation[0]), ((w - 1) * dilation[1])]
    rest = [
        n - (s * (m - 1) + 1 + edge)
        for n, m, s, edge in zip(
            x.shape[1:3], g.shape[1:3], strides, edges, strict=True
        )
    ]
    pads = [
        (edge, edge + more, s - 1)
        for edge, more, s in zip(edges, rest, strides, strict=True)
    ]
    spread = jax.lax.pad(g, zero, [(0, 0, 0), *pads, (0, 0, 0)])
    gx = by_shifts(spread, k[::-1, ::-1], (1, 1), dilation)
    if many > 1:
        gx = gx.reshape(*x.shape, many).sum(-1)
    return gx, gk.reshape(k.shape)


by_shifts.defvjp(_shifts_forward, _shifts_backward)


def by_diagonal(
    x: jax.Array,
    k: jax.Array,
    strides: Pair,
    dilation: Pair,
    groups: int,
    merge: int,
    convolve=dense,
) -> jax.Array:
    """Grouped: `merge` groups at a time share a kernel that is zero between them."""
    h, w, c, o = k.shape
    parts = groups // merge
    # [h, w, c, G o'] -> [h, w, parts, merge, c, o'] -> block-diagonal
    k = k.reshape(h, w, c, parts, merge, o // groups)
    eye = jnp.asarray(np.eye(merge), k.dtype)
    blocks = jnp.einsum("hwcpmo,mn->hwpmcno", k, eye)
    blocks = blocks.reshape(h, w, parts, merge * c, merge * (o // groups))
    images = jnp.split(x, parts, axis=-1)
    return jnp.concatenate(
        [
            convolve(image, blocks[:, :, i], strides, dilation)
            for i, image in enumerate(images)
        ],
        axis=-1,
    )


def by_phases(
    x: jax.Array, k: jax.Array, strides: Pair, padding: tuple[Pair, Pair]
) -> jax.Array:
    """Convolution of x with s - 1 zeros between its pixels: a transposed convolution.

    Args:
        x: without the zeros, and not padded, [B, H, W, C].
        k: [h, w, C, O].
        strides: s, by which x is spread.
        padding: of the image with the zeros; may be negative.
    """
    axes = [
        _phases(n, side, s, pads)
        for n, side, s, pads in zip(
            x.shape[1:3], k.shape[:2], strides, padding, strict=True
        )
    ]
    (rows, top, p), (columns, left, q) = axes
    # [h, w, C, O] -> [s, m, s, n, C, O] -> [m, n, C, s s O]
    zero = jnp.zeros((1, *k.shape[1:]), k.dtype)
    k = jnp.concatenate([k, zero])[rows]  # [s, m, w, C, O]; a place beyond is zero
    zero = jnp.zeros((*k.shape[:2], 1, *k.shape[3:]), k.dtype)
    k = jnp.concatenate([k, zero], axis=2)[:, :, columns]  # [s, m, s', n, C, O]
    s, m, t, n, c, o = k.shape
    k = k.transpose(1, 3, 4, 0, 2, 5).reshape(m, n, c, s * t * o)
    blocks = -(-p // s), -(-q // t)
    pads = [
        (before, size + side - 1 - before - length)
        for before, size, side, length in zip(
            (top, left), blocks, (m, n), x.shape[1:3], strict=True
        )
    ]
    y = jax.lax.conv_general_dilated(
        x, k, (1, 1), pads, dimension_numbers=LAYOUT
    )  # [B, P / s, Q / t, s t O]
    y = y.reshape(len(x), *blocks, s, t, o).transpose(0, 1, 3, 2, 4, 5)
    return y.reshape(len(x), blocks[0] * s, blocks[1] * t, o)[:, :p, :q]


def _phases(length: int, side: int, stride: int, pads: Pair):
    """For one axis: which place of the kernel each phase has at each pixel of x that a
    block of outputs sees ([s, m]; `side` for none), the pixels before x, the size."""
    size = (length - 1) * stride + 1 + sum(pads) - side + 1
    # Output s b + r at place i meets pixel b + (r + i - before) / s of x.
    meets = {
        (r, i): (r + i - pads[0]) // stride
        for r in range(stride)
        for i in range(side)
        if (r + i - pads[0]) % stride == 0
    }
    first, last = min(meets.values()), max(meets.values())
    places = np.full((stride, last - first + 1), side)
    for (r, i), pixel in meets.items():
        places[r, pixel - first] = i
    return places, -first, size
