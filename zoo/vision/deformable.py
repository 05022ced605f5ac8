"""Convolutions that choose where they look: deformable and active.

    y[p] = sum over k of  W_k m_k[p] x(s p + d p_k + o_k[p])

p_k are the places of an ordinary kernel, -1..1 by -1..1 for 3x3; x between its pixels
is bilinear, and zero outside of the image. What moves the places:

    deformable   o = conv(x): each pixel has its own offsets; m = 1
    modulated    the same, and m = s(conv(x)), s the logistic function   (version 2)
    active       o_k are parameters, the same at all pixels; the middle one stays at 0

Offsets begin at 0, so each begins as the ordinary convolution: modulated, as half of
it. Constant offsets are dilations, shifts, or any other shape of a kernel.

Outputs by name: stage_1, ..., stage_n, pooled.

Shapes: B examples, H height, W width, C channels, O output channels, h, w kernel, G
groups of channels with offsets of their own, K classes.
Differs from the papers: the gradient of the places of an active convolution is not
normalized. The network around them is small, so that it shows what they do.

References:
    Dai et al., "Deformable convolutional networks", ICCV 2017,
    https://arxiv.org/abs/1703.06211
    Zhu, Hu, Lin and Dai, "Deformable ConvNets v2", CVPR 2019,
    https://arxiv.org/abs/1811.11168 (modulated)
    Jeon and Kim, "Active convolution: learning the shape of convolution for image
    classification", CVPR 2017, https://arxiv.org/abs/1703.09076
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from zoo.functional.initializers import he_normal
from zoo.functional.products import product
from zoo.functional.sampling import bilinear_sample
from zoo.vision.layers import Kit, check, output

KINDS = ("deformable", "modulated", "active", "plain")
TINY = dict(maps=(3, 4), offset_groups=1)  # the size that the tests run


def deform_conv(
    x: jax.Array,
    kernel: jax.Array,
    offsets: jax.Array,
    mask: jax.Array | None = None,
    *,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
) -> jax.Array:
    """A convolution that reads at moved places.

    Args:
        x: images, floats, [B, H, W, C].
        kernel: [h, w, C, O].
        offsets: (rows, columns) in pixels, by which each place is moved, row by row of
            the kernel, [B, H', W', G, h w, 2]; axes of size 1 are broadcast.
        mask: m, [B, H', W', G, h w]; None for 1.
        stride: s.
        padding: zeros around the image, which make it larger.
        dilation: d.

    Returns:
        [B, H', W', O], H' = floor((H + 2 padding - d (h - 1) - 1) / s) + 1.

    Raises:
        ValueError: shapes that do not belong together; an image that is too small.
    """
    if x.ndim != 4 or kernel.ndim != 4 or x.shape[-1] != kernel.shape[2]:
        raise ValueError(
            "deform_conv takes images [B, H, W, C] and a kernel [h, w, C, O], "
            f"got {x.shape} and {kernel.shape}"
        )
    h, w, channels, features = kernel.shape
    sizes = [
        (n + 2 * padding - dilation * (k - 1) - 1) // stride + 1
        for n, k in zip(x.shape[1:3], (h, w), strict=True)
    ]
    groups = offsets.shape[3] if offsets.ndim == 6 else 0
    full = (len(x), *sizes, groups, h * w, 2)
    fits = offsets.ndim == 6 and all(
        n in (1, m) for n, m in zip(offsets.shape, full, strict=True)
    )
    if min(sizes) < 1 or not fits or not groups or channels % groups:
        raise ValueError(
            f"offsets must be [{len(x)}, {sizes[0]}, {sizes[1]}, G, {h * w}, 2], G "
            f"dividing {channels}, for images {x.shape}, got {offsets.shape}"
        )
    if mask is not None and mask.shape != full[:-1]:
        raise ValueError(f"mask must be {full[:-1]}, got {mask.shape}")
    rows, columns = (stride * np.arange(n) - padding for n in sizes)
    own = dilation * np.stack(np.divmod(np.arange(h * w), w), -1)  # [h w, 2]
    places = np.stack(np.meshgrid(rows, columns, indexing="ij"), -1)  # [H', W', 2]
    places = jnp.asarray(places[None, :, :, None, None] + own, x.dtype)
    places = jnp.broadcast_to(places, full) + jnp.broadcast_to(offsets, full)
    parts = x.reshape(*x.shape[:3], groups, channels // groups)
    sample = jax.vmap(bilinear_sample, (2, 2), 2)  # over the groups
    read = jax.vmap(sample)(parts, places)  # [B, H', W', G, h w, C / G]
    if mask is not None:
        read = read * mask[..., None]
    kernel = kernel.reshape(h * w, groups, channels // groups, features).swapaxes(0, 1)
    return product(read.reshape(*read.shape[:3], -1), kernel.reshape(-1, features))


class DeformableConv(nn.Module):
    """A convolution, padded by half of its kernel, that chooses where it looks.

    Attributes:
        kit: makes the convolution that finds offsets.
        features: O.
        kernel: h and w.
        stride: s.
        dilation: d.
        kind: `deformable`, `modulated` or `active`.
        offset_groups: G; 1 if active.
    """

    kit: Kit
    features: int
    kernel: int = 3
    stride: int = 1
    dilation: int = 1
    kind: str = "deformable"
    offset_groups: int = 1

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:  # [B, H, W, C] -> [B, H', W', O]
        count, groups, mask = self.kernel**2, self.offset_groups, None
        padding = self.dilation * (self.kernel // 2)
        if self.kind == "active":
            zeros = nn.initializers.zeros
            moved = self.param("places", zeros, (count - 1, 2)).astype(x.dtype)
            middle = jnp.zeros((1, 2), x.dtype)
            parts = moved[: count // 2], middle, moved[count // 2 :]
            offsets = jnp.concatenate(parts).reshape(1, 1, 1, 1, count, 2)
        else:
            each = 3 if self.kind == "modulated" else 2
            found = nn.Conv(
                *(groups * count * each, (self.kernel,) * 2, self.stride),
                padding=((padding, padding),) * 2,
                kernel_dilation=self.dilation,
                kernel_init=nn.initializers.zeros,
                dtype=self.kit.dtype,
                name="offsets",
            )(x)
            offsets, mask = jnp.split(found, [groups * count * 2], -1)
            offsets = offsets.reshape(*found.shape[:3], groups, count, 2)
            shape = offsets.shape[:-1]
            mask = nn.sigmoid(mask.reshape(shape)) if mask.size else None
        shape = (self.kernel, self.kernel, x.shape[-1], self.features)
        kernel = self.param("kernel", he_normal(), shape).astype(x.dtype)
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        y = deform_conv(
            *(x, kernel, offsets, mask),
            stride=self.stride,
            padding=padding,
            dilation=self.dilation,
        )
        return y + bias.astype(x.dtype).reshape(1, 1, 1, -1)


class DeformableNet(nn.Module):
    """Classifier of small images: x -> [conv 3x3/2 -> N -> f] x n -> mean -> dense.

    The first convolution is an ordinary one, the others are of one kind.

    Attributes:
        num_classes: logits of an example (K).
        maps: channels of the convolutions.
        kind: `deformable`, `modulated`, `active`, or `plain` for ordinary ones.
        offset_groups: see `DeformableConv`.
        dtype: of the computation; None for that of the input.
        axis_name: of the devices over which BatchNorm takes its statistics.
        fast: compute ordinary convolutions by `zoo.functional.convolve`; False as
            published, with the same result.

    Raises:
        ValueError: an image smaller than the strides; a field out of range.
    """

    num_classes: int = 10
    maps: tuple[int, ...] = (16, 32, 64)
    kind: str = "deformable"
    offset_groups: int = 1
    dtype: Any = None
    axis_name: str | None = None
    fast: bool = True

    @nn.compact
    def __call__(
        self, x: jax.Array, *, train: bool = False, index: jax.Array | None = None
    ) -> jax.Array:  # [B, H, W, C] -> [B, K]
        del index  # nothing here is drawn
        check("DeformableNet", x, 2 ** len(self.maps), kind=(self.kind, KINDS))
        if any(maps % self.offset_groups for maps in self.maps[:-1]):
            raise ValueError(
                f"offset_groups must divide maps {self.maps}, got {self.offset_groups}"
            )
        kit = Kit(train, self.axis_name, self.dtype, self.fast)
        for i, maps in enumerate(self.maps, 1):
            name = f"stage_{i}_conv"
            if i == 1 or self.kind == "plain":
                x = kit.conv(x, maps, 3, 2, name=name)
            else:
                x = DeformableConv(
                    *(kit, maps, 3, 2, 1, self.kind, self.offset_groups), name=name
                )(x)
            x = output(self, f"stage_{i}", nn.relu(kit.norm(x, f"{name}_norm")))
        x = output(self, "pooled", x.mean((1, 2)))  # -> [B, C]
        return kit.dense(x, self.num_classes, "head")  # -> [B, K]
