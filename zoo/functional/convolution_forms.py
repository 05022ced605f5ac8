"""Forms of one convolution: the same sums, by other routes.

    y[p, q, o] = sum_{i, j, c} x[s p + d i, s q + d j, c] k[i, j, c, o]

by_matmul    a kernel of 1x1 mixes channels: x with its pixels as rows, times k
by_parts     the gradient of k is added up over parts of the batch: XLA computes it as a
             convolution whose window is the whole residual, and its time grows faster
             than the batch
by_blocks    four outputs, 2x2, see one patch of (h + 1) x (w + 1) pixels: a matrix of
             patches at every second pixel, times a matrix that holds the kernel four
             times, each time moved by a pixel. It takes (h + 1)(w + 1) / (h w) as many
             multiply-adds, and with few channels half of the time
by_shifts    depthwise: y is h w shifted images, each times one number a channel; it has
             no forward mode (`jax.jvp`), the others do
by_diagonal  grouped: neighbouring groups share a dense kernel that is block-diagonal
by_phases    transposed with stride s: the s^2 phases of the output are convolutions of
             x with every s-th row and column of k, laid side by side as channels

Each takes images that are padded already, and the kernel as XLA does, [h, w, C / G, O].
Which one is chosen where, and what it gains: `zoo/functional/convolution.py`.

Shapes: B examples, H height, W width, C channels, O output channels, G groups; h, w
kernel; P, Q height and width of the output; s stride, d dilation.

References:
    Chellapilla, Puri and Simard, "High performance convolutional neural networks for
    document processing", 2006, https://inria.hal.science/inria-00112631 (matrices of
    patches)
    Shi et al., "Real-time single image and video super-resolution using an efficient
    sub-pixel convolutional neural network", CVPR 2016,
    https://arxiv.org/abs/1609.05158 (phases)
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from zoo.functional.products import product

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
    return product(x[:, :: strides[0], :: strides[1]], k[0, 0])


@functools.partial(jax.custom_jvp, nondiff_argnums=(2, 3, 4))
def by_parts(
    x: jax.Array, k: jax.Array, strides: Pair, dilation: Pair, parts: int
) -> jax.Array:
    """XLA's own, but for the gradient of the kernel; `parts` divides the batch."""
    return dense(x, k, strides, dilation)


@by_parts.defjvp
def _parts_tangent(strides, dilation, parts, at, towards):
    (x, k), (dx, dk) = at, towards
    y = dense(x, k, strides, dilation)
    by_image = dense(dx, k, strides, dilation)
    return y, by_image + _in_parts(x, dk, strides, dilation, parts)


def _in_parts(x, k, strides, dilation, parts):
    """Linear in k: its transpose is the gradient of a kernel, added up over parts."""
    # Every n-th example, so that a part of a batch split over devices is split too.
    few = x.reshape(-1, parts, *x.shape[1:])
    y = [dense(few[:, i], k, strides, dilation) for i in range(parts)]
    return jnp.stack(y, axis=1).reshape(-1, *y[0].shape[1:])


@functools.partial(jax.custom_jvp, nondiff_argnums=(2,))
def by_blocks(x: jax.Array, k: jax.Array, parts: int) -> jax.Array:
    """With stride 1; the gradient of the kernel as `by_parts`."""
    return _by_blocks(x, k)


@by_blocks.defjvp
def _blocks_tangent(parts, at, towards):
    (x, k), (dx, dk) = at, towards
    along_k = _in_parts(x, dk, (1, 1), (1, 1), parts)
    return _by_blocks(x, k), _by_blocks(dx, k) + along_k


def _by_blocks(x, k):
    (height, width), (h, w) = x.shape[1:3], k.shape[:2]
    rows, columns = height - h + 1, width - w + 1
    # Rows and columns of zeros beyond: whole blocks, whole pairs in a patch.
    down = _even(rows) + _even(h + 1) - 2 - height
    right = _even(columns) + _even(w + 1) - 2 - width
    x = jnp.pad(x, ((0, 0), (0, down), (0, right), (0, 0)))
    return _blocks(x, k)[:, :rows, :columns]


def _even(n: int) -> int:
    return n + n % 2


def _blocks(x, kernel):
    """The output's height and width are even."""
    b, height, width, c = x.shape
    h, w, _, o = kernel.shape
    m, n = (h + 2) // 2, (w + 2) // 2  # pairs of pixels in a patch
    p, q = height // 2 - m + 1, width // 2 - n + 1  # blocks
    x = x.reshape(b, height // 2, 2, width // 2, 2, c).transpose(0, 1, 3, 2, 4, 5)
    x = x.reshape(b, height // 2, width // 2, 4 * c)  # pairs of pixels as channels
    patches = jnp.concatenate(
        [x[:, i : i + p, j : j + q] for i in range(m) for j in range(n)], axis=-1
    )  # [B, p, q, m n 4 C]

    def moved(i, j):  # the kernel of the block's output (i, j)
        return jnp.pad(kernel, ((i, 2 * m - h - i), (j, 2 * n - w - j), (0, 0), (0, 0)))

    four = jnp.stack([moved(i, j) for i in (0, 1) for j in (0, 1)], axis=3)
    four = four.reshape(m, 2, n, 2, c, 4 * o).transpose(0, 2, 1, 3, 4, 5)
    four = four.reshape(m * n * 4 * c, 4 * o)
    y = product(patches, four)  # -> [B, p, q, 4 O]
    y = y.reshape(b, p, q, 2, 2, o).transpose(0, 1, 3, 2, 4, 5)
    return y.reshape(b, 2 * p, 2 * q, o)


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


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3, 4))
def by_shifts(
    x: jax.Array, k: jax.Array, strides: Pair, dilation: Pair, shares: int
) -> jax.Array:
    """Depthwise, of a kernel [h, w, 1, C M]: channel c makes the M from c M on.

    The gradient of the kernel is added up example by example, for each pixel; over the
    pixels last. Each of `shares` parts of the batch has such sums of its own.
    """
    return _shifted(x, k, strides, dilation)


def _shifted(x, k, strides, dilation):
    h, w, _, o = k.shape
    k = k.reshape(h * w, 1, 1, 1, o)
    seen = windows(_repeated(x, o), (h, w), strides, dilation)
    return sum(image * k[i] for i, image in enumerate(seen))


def _repeated(x, outputs):
    many = outputs // x.shape[-1]
    return x if many == 1 else jnp.repeat(x, many, axis=-1)


def _shifts_forward(x, k, strides, dilation, shares):
    return _shifted(x, k, strides, dilation), (x, k)


def _shifts_backward(strides, dilation, shares, saved, g):
    (x, k), (_, p, q, o) = saved, g.shape
    back = jax.linear_transpose(lambda x: _shifted(x, k, strides, dilation), x)

    def add(sums, pair):
        image, g = (a[None] for a in pair)  # no axis before the scan: XLA would copy
        seen = windows(_repeated(image, o), k.shape[:2], strides, dilation)
        return jnp.concatenate(
            [s[None] + a * g for s, a in zip(sums, seen, strict=True)]
        ), None

    def total(x, g):
        nothing = jnp.zeros((k.shape[0] * k.shape[1], p, q, o), g.dtype)
        return jax.lax.scan(add, nothing, (x, g))[0].sum((1, 2))

    if shares == 1:
        gk = total(x, g)
    else:
        split = lambda a: a.reshape(shares, -1, *a.shape[1:])
        gk = jax.vmap(total)(split(x), split(g)).sum(0)
    return *back(g), gk.reshape(k.shape)


by_shifts.defvjp(_shifts_forward, _shifts_backward)


def by_diagonal(
    x: jax.Array,
    k: jax.Array,
    strides: Pair,
    dilation: Pair,
    groups: int,
    merge: int,
    batch_parts: int,
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
            by_parts(image, blocks[:, :, i], strides, dilation, batch_parts)
            for i, image in enumerate(images)
        ],
        axis=-1,
    )


def by_phases(
    x: jax.Array,
    k: jax.Array,
    strides: Pair,
    padding: tuple[Pair, Pair],
    parts: int,
) -> jax.Array:
    """Convolution of x with s - 1 zeros between its pixels: a transposed convolution.

    Args:
        x: without the zeros, and not padded, [B, H, W, C].
        k: [h, w, C, O].
        strides: s, by which x is spread.
        padding: of the image with the zeros; may be negative.
        parts: of the batch, as in `by_parts`.
    """
    axes = [
        _phases(n, side, s, pads)
        for n, side, s, pads in zip(
            x.shape[1:3], k.shape[:2], strides, padding, strict=True
        )
    ]
    (rows, above, top, p), (columns, aside, left, q) = axes
    # [h, w, C, O] -> [s, m, s, n, C, O] -> [m, n, C, s s O]
    zero = jnp.zeros((1, *k.shape[1:]), k.dtype)
    k = jnp.concatenate([k, zero])[rows]  # [s, m, w, C, O]; a place beyond is zero
    zero = jnp.zeros((*k.shape[:2], 1, *k.shape[3:]), k.dtype)
    k = jnp.concatenate([k, zero], axis=2)[:, :, columns]  # [s, m, s', n, C, O]
    s, m, t, n, c, o = k.shape
    k = k.transpose(1, 3, 4, 0, 2, 5).reshape(m, n, c, s * t * o)
    blocks = -(-p // s), -(-q // t)
    seen = blocks[0] + max(above), blocks[1] + max(aside)
    pads = [
        (before, size + side - 1 - before - length)
        for before, size, side, length in zip(
            (top, left), seen, (m, n), x.shape[1:3], strict=True
        )
    ]
    edges = [(0, 0, 0), *((*pair, 0) for pair in pads), (0, 0, 0)]
    x = jax.lax.pad(x, jnp.zeros((), x.dtype), edges)  # or cropped
    y = by_parts(x, k, (1, 1), (1, 1), parts).reshape(len(x), *seen, s, t, o)
    of = [y[:, a : a + blocks[0], :, r] for r, a in enumerate(above)]
    y = jnp.stack(of, 2)  # [B, P / s, s, Q / t + .., t, O]
    of = [y[:, :, :, a : a + blocks[1], r] for r, a in enumerate(aside)]
    y = jnp.stack(of, 4)  # [B, P / s, s, Q / t, t, O]
    return y.reshape(len(x), blocks[0] * s, blocks[1] * t, o)[:, :p, :q]


def _phases(length: int, side: int, stride: int, pads: Pair):
    """For one axis: which place of the kernel each phase has at each pixel of x that it
    sees ([s, m]; `side` for none), which pixel is its first, counted from the first of
    all phases, the pixels before x, and the size."""
    size = (length - 1) * stride + 1 + sum(pads) - side + 1
    # Output s b + r at place i meets pixel b + (r + i - before) / s of x.
    meets = {
        (r, i): (r + i - pads[0]) // stride
        for r in range(stride)
        for i in range(side)
        if (r + i - pads[0]) % stride == 0
    }
    phases = [
        {pixel: i for (r, i), pixel in meets.items() if r == phase}
        for phase in range(stride)
    ]
    firsts = [min(of, default=min(meets.values())) for of in phases]
    starts = [first - min(firsts) for first in firsts]
    places = np.full((stride, max(map(len, phases))), side)
    for of, first, row in zip(phases, firsts, places, strict=True):
        for pixel, i in of.items():
            row[pixel - first] = i
    return places, starts, -min(firsts), size
