"""Feature pyramid: maps of every size, each of which knows what the smaller ones saw.

    m_L = lateral_L(c_L),   m_l = lateral_l(c_l) + enlarged(m_{l+1}),   p_l = conv3(m_l)

c_l are a backbone's stages, lateral a convolution of 1x1, enlarged the nearest pixel.
Behind the last there may be more, smaller maps:

    pool     every second pixel of p_L                                  Faster R-CNN
    convs    conv3 of stride 2 of p_L, and another of what is positive there, RetinaNet

Shapes: B images, C channels.

References:
    Lin et al., "Feature pyramid networks for object detection", CVPR 2017,
    https://arxiv.org/abs/1612.03144
    Lin et al., "Focal loss for dense object detection", ICCV 2017,
    https://arxiv.org/abs/1708.02002 (convs; from p_L as in torchvision, not c_L)
"""

from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp

from zoo.functional.resize import resize
from zoo.vision.layers import Kit

EXTRAS = {"none": 0, "pool": 1, "convs": 2}  # how many maps
RULES = (  # torchvision's names
    (r"fpn\.inner_blocks\.(\d)\.0", lambda m: f"pyramid/lateral_{int(m[1]) + 1}"),
    (r"fpn\.layer_blocks\.(\d)\.0", lambda m: f"pyramid/conv_{int(m[1]) + 1}"),
    (r"fpn\.extra_blocks\.p6", "pyramid/extra_1"),
    (r"fpn\.extra_blocks\.p7", "pyramid/extra_2"),
)


class Pyramid(nn.Module):
    """Maps of equal width from a backbone's stages.

    Attributes:
        features: channels of each (C).
        extra: `none`, `pool` or `convs`, see above.
        fast: compute the convolutions by `zoo.functional.convolve`.

    Raises:
        ValueError: when called: another extra; no stages.
    """

    features: int = 256
    extra: str = "pool"
    fast: bool = True

    @nn.compact
    def __call__(self, stages: Sequence[jax.Array]) -> tuple[jax.Array, ...]:
        if self.extra not in EXTRAS:
            raise ValueError(
                f"extra must be one of {', '.join(EXTRAS)}, got {self.extra!r}"
            )
        if not stages:
            raise ValueError("stages must have at least one map, got none")
        kit, maps, inner = Kit(fast=self.fast), [], None
        for i in range(len(stages), 0, -1):
            lateral = kit.conv(stages[i - 1], self.features, 1, name=f"lateral_{i}")
            inner = lateral if inner is None else lateral + _enlarged(inner, lateral)
            maps.insert(0, kit.conv(inner, self.features, 3, name=f"conv_{i}"))
        if self.extra == "pool":
            maps.append(maps[-1][:, ::2, ::2])
        elif self.extra == "convs":
            maps.append(kit.conv(maps[-1], self.features, 3, 2, name="extra_1"))
            more = nn.relu(maps[-1])
            maps.append(kit.conv(more, self.features, 3, 2, name="extra_2"))
        return tuple(maps)


def _enlarged(x, like):
    """x, as high and wide as `like`, by the nearest pixel."""
    b, h, w, c = x.shape
    if like.shape[1:3] == (2 * h, 2 * w):
        x = jnp.broadcast_to(x[:, :, None, :, None], (b, h, 2, w, 2, c))
        return x.reshape(b, 2 * h, 2 * w, c)
    return resize(x, like.shape[1:3], "nearest_floor", "asymmetric")
