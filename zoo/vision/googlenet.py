"""GoogLeNet: modules of kernels of several sizes, side by side.

    inception    x -> [conv1(x), conv3(conv1(x)), conv5(conv1(x)), conv1(maxpool3(x))]
    network      x -> conv7/2 -> pool -> conv1 -> conv3 -> pool -> 2 inceptions -> pool
                   -> 5 inceptions -> pool -> 2 inceptions -> mean -> dropout -> dense
    auxiliary    mean pool -> conv1 -> dense -> dropout -> dense   of the first and the
                   fourth of the five

Each convolution is followed by a ReLU. In the paper's network convolutions have biases,
and local responses are normalized in the stem. With `norm` each convolution is
normalized over the batch instead, as in torchvision, whose network also has 3x3 in the
place of 5x5 (`wide=3`).

With `auxiliary` there are two more heads, for training. Then, and only then
(`train=True`), the result is three arrays: the logits and those of the two heads;
`auxiliary_loss` adds their losses with a weight of 0.3, and takes plain logits too.

Outputs by name: stem, stage_3, stage_4, stage_5 (before the pooling), pooled.

Shapes: B examples, H height, W width, C channels, K classes.
Differs from the paper: the auxiliary heads average to 4x4 pixels whatever the size of
the image; for 224x224, 5x5 at every third pixel is 4x4 too, of slightly other windows
(those of torchvision). `norm` pools before the last stage by 2x2, as torchvision.

References:
    Szegedy et al., "Going deeper with convolutions", CVPR 2015,
    https://arxiv.org/abs/1409.4842, table 1
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from zoo.functional.losses import cross_entropy
from zoo.functional.normalization import local_response_norm
from zoo.functional.pooling import adaptive_mean_pool, max_pool
from zoo.vision.layers import Kit, check, output

MODULES = {  # 1x1; 3x3 and what is before it; 5x5 and before it; behind the pooling
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}
AUXILIARY = {"4a": 1, "4d": 2}  # the modules that have a head of their own
TINY = dict(width=1 / 16, modules=("3b", "4e"))  # the size that the tests run
RULES = (  # torchvision's names
    (r"conv(\d)\.conv", r"stem_\1"),
    (r"conv(\d)\.bn", r"stem_\1_norm"),
    (r"inception(\d\w)\.branch1\.conv", r"inception_\1/one"),
    (r"inception(\d\w)\.branch1\.bn", r"inception_\1/one_norm"),
    (r"inception(\d\w)\.branch2\.0\.conv", r"inception_\1/three_before"),
    (r"inception(\d\w)\.branch2\.0\.bn", r"inception_\1/three_before_norm"),
    (r"inception(\d\w)\.branch2\.1\.conv", r"inception_\1/three"),
    (r"inception(\d\w)\.branch2\.1\.bn", r"inception_\1/three_norm"),
    (r"inception(\d\w)\.branch3\.0\.conv", r"inception_\1/five_before"),
    (r"inception(\d\w)\.branch3\.0\.bn", r"inception_\1/five_before_norm"),
    (r"inception(\d\w)\.branch3\.1\.conv", r"inception_\1/five"),
    (r"inception(\d\w)\.branch3\.1\.bn", r"inception_\1/five_norm"),
    (r"inception(\d\w)\.branch4\.1\.conv", r"inception_\1/pool"),
    (r"inception(\d\w)\.branch4\.1\.bn", r"inception_\1/pool_norm"),
    (r"aux(\d)\.conv\.conv", r"auxiliary_\1_conv"),
    (r"aux(\d)\.conv\.bn", r"auxiliary_\1_conv_norm"),
    (r"aux(\d)\.fc1", r"auxiliary_\1_hidden", (4, 4)),
    (r"aux(\d)\.fc2", r"auxiliary_\1_head"),
    (r"fc", "head"),
)


def auxiliary_loss(
    outputs: Any, batch: dict[str, Any], weight: float = 0.3
) -> tuple[jax.Array, jax.Array]:
    """Cross-entropy of the logits, and `weight` times that of each auxiliary head.

    Args:
        outputs: logits, [B, K], or several arrays of them, the network's own first.
        batch: as for `cross_entropy`.
        weight: of the others.

    Returns:
        The weighted sum over the batch and the sum of the weights.
    """
    if not isinstance(outputs, tuple | list):
        return cross_entropy(outputs, batch)
    total, count = cross_entropy(outputs[0], batch)
    others = sum(cross_entropy(logits, batch)[0] for logits in outputs[1:])
    return total + weight * others, count


class Inception(nn.Module):
    """Four branches side by side.

    Attributes:
        kit: makes the layers.
        channels: as in `MODULES`.
        norm: with batch normalization.
        wide: size of the largest kernel.
    """

    kit: Kit
    channels: tuple[int, ...]
    norm: bool = False
    wide: int = 5

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        one, before_3, three, before_5, five, pool = self.channels
        conv = lambda *args, name: _conv(self.kit, self.norm, *args, name)
        y = conv(x, before_3, 1, 1, name="three_before")
        z = conv(x, before_5, 1, 1, name="five_before")
        branches = [
            conv(x, one, 1, 1, name="one"),
            conv(y, three, 3, 1, name="three"),
            conv(z, five, self.wide, 1, name="five"),
            conv(max_pool(x, 3, 1, 1), pool, 1, 1, name="pool"),
        ]
        return jnp.concatenate(branches, -1)


def _conv(kit, norm, x, channels, kernel, stride, name):
    if norm:
        return kit.unit(x, channels, kernel, stride, name=name)
    return nn.relu(kit.conv(x, channels, kernel, stride, name=name))


class GoogLeNet(nn.Module):
    """Classifier of images.

    Attributes:
        num_classes: logits of an example (K).
        width: multiplies the channels of all layers.
        modules: those of `MODULES` that there are; 3b and 4e pool behind them.
        norm: with batch normalization, else as printed.
        wide: size of the largest kernel.
        auxiliary: with two more heads, see above.
        dropout: rate before the head.
        auxiliary_dropout: rate in the other heads.
        dtype: of the computation; None for that of the input.
        axis_name: of the devices over which BatchNorm takes its statistics.
        fast: compute the convolutions by `zoo.functional.convolve`; False as
            published, with the same result.

    Raises:
        ValueError: an image smaller than the strides.
    """

    num_classes: int = 1000
    width: float = 1.0
    modules: tuple[str, ...] = tuple(MODULES)
    norm: bool = False
    wide: int = 5
    auxiliary: bool = False
    dropout: float = 0.4
    auxiliary_dropout: float = 0.7
    dtype: Any = None
    axis_name: str | None = None
    fast: bool = True

    @nn.compact
    def __call__(
        self, x: jax.Array, *, train: bool = False, index: jax.Array | None = None
    ) -> Any:  # [B, H, W, C] -> [B, K], or three of them
        least = 32 if self.norm else 47  # whose last pooling is 3x3
        check("GoogLeNet", x, least)
        if not set(self.modules) <= set(MODULES):
            raise ValueError(
                f"modules must be of {', '.join(MODULES)}, got {self.modules}"
            )
        kit = Kit(train, self.axis_name, self.dtype, self.fast, epsilon=1e-3)
        of = lambda channels: max(1, int(channels * self.width))
        squash = (lambda x: x) if self.norm else local_response_norm
        conv = lambda *args: _conv(kit, self.norm, *args)
        pool = lambda x, size=3: max_pool(x, size, 2, ceil=True)
        x = squash(pool(conv(x, of(64), 7, 2, "stem_1")))
        x = conv(conv(x, of(64), 1, 1, "stem_2"), of(192), 3, 1, "stem_3")
        x, others = output(self, "stem", pool(squash(x))), []
        for name in self.modules:
            channels = tuple(map(of, MODULES[name]))
            x = Inception(
                kit, channels, self.norm, self.wide, name=f"inception_{name}"
            )(x)
            if name in ("3b", "4e", "5b"):
                output(self, f"stage_{name[0]}", x)
            if name in ("3b", "4e"):
                x = pool(x, 2 if self.norm and name == "4e" else 3)
            if name in AUXILIARY and self.auxiliary:
                if train or self.is_initializing():
                    others.append(self._head(kit, x, AUXILIARY[name], of, index))
        x = output(self, "pooled", x.mean((1, 2)))  # -> [B, C]
        x = kit.dropout(x, self.dropout, index, "dropout")
        x = kit.dense(x, self.num_classes, "head")  # -> [B, K]
        return (x, *others) if others and train else x

    def _head(self, kit, x, number, of, index):
        name = f"auxiliary_{number}"
        x = adaptive_mean_pool(x, 4)
        x = _conv(kit, self.norm, x, of(128), 1, 1, f"{name}_conv")
        x = nn.relu(kit.dense(x.reshape(len(x), -1), of(1024), f"{name}_hidden"))
        x = kit.dropout(x, self.auxiliary_dropout, index, f"{name}_dropout")
        return kit.dense(x, self.num_classes, f"{name}_head")
