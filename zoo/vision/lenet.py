"""LeNet as it is written today: two convolutions, each pooled, and dense layers.

    x -> [conv 5x5 -> f -> pool 2] x 2 -> [dense -> f] x n -> dense

LeNet-5 (6-16-120-84, 61,706 parameters for 28x28x1, padded as if it were 32x32) and
the 20-50-500 of Caffe and of the Theano tutorials (431,080) are this class with other
fields.

Shapes: B examples, H height, W width, C channels, K classes.
Differs from the paper: dense connections, max pooling without parameters, ReLU, and
logits instead of distances. `lenet5_1998` is as printed. Every f here is monotone, so
it is taken after a maximum, of a quarter of the numbers: the same value.

References:
    LeCun, Bottou, Bengio and Haffner, "Gradient-based learning applied to document
    recognition", Proceedings of the IEEE 1998, https://doi.org/10.1109/5.726791
"""

import flax.linen as nn
import jax

from zoo.functional.convolution import convolve
from zoo.functional.pooling import max_pool, mean_pool
from zoo.vision.inside import deconv_relu, guided_relu

ACTIVATIONS = {
    "relu": nn.relu,
    "tanh": nn.tanh,
    "deconv": deconv_relu,
    "guided": guided_relu,
}
POOLS = {"max": max_pool, "mean": mean_pool}
FIELDS = {"padding": ("SAME", "VALID"), "activation": ACTIVATIONS, "pool": POOLS}
TINY = dict(maps=(2, 3), widths=(5,))  # the size that the tests run


class LeNet(nn.Module):
    """Convolutional classifier of small images.

    Attributes:
        num_classes: logits of an example (K).
        maps: feature maps of the two convolutions.
        widths: units of the dense layers before the last.
        padding: of the first convolution: `SAME` or `VALID`; the second has none.
        activation: `relu` or `tanh`; `deconv` and `guided` are ReLUs with the backward
            passes of `zoo.vision.inside`, to look at what was learned.
        activate_maps: False leaves it out after the convolutions, as Caffe does.
        pool: `max` or `mean`.
        fast: compute the convolutions by `zoo.functional.convolve`, which chooses a
            form that is fast; False as published, with the same result.

    Raises:
        ValueError: an image too small to leave a pixel, or a field out of range.
    """

    num_classes: int = 10
    maps: tuple[int, int] = (6, 16)
    widths: tuple[int, ...] = (120, 84)
    padding: str = "SAME"
    activation: str = "relu"
    activate_maps: bool = True
    pool: str = "max"
    fast: bool = True

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool = False) -> jax.Array:
        del train  # nothing here behaves otherwise in training
        for name, allowed in FIELDS.items():
            if getattr(self, name) not in allowed:
                raise ValueError(
                    f"{name} must be one of {', '.join(allowed)}, "
                    f"got {getattr(self, name)!r}"
                )
        if len(self.maps) != 2 or min(self.num_classes, *self.maps, *self.widths) < 1:
            raise ValueError(
                f"num_classes, two maps and widths must be positive, got "
                f"{self.num_classes}, {self.maps} and {self.widths}"
            )
        least = 12 if self.padding == "SAME" else 16
        if x.ndim != 4 or min(x.shape[1:3]) < least:
            raise ValueError(
                f"LeNet takes images [B, H, W, C] with H and W of at least {least}, "
                f"got {x.shape}"
            )
        f, pool = ACTIVATIONS[self.activation], POOLS[self.pool]

        def stage(x, i, padding):  # [B, H, W, C] -> [B, H/2, W/2, maps] if it pads
            x = nn.Conv(
                self.maps[i],
                (5, 5),
                padding=padding,
                conv_general_dilated=convolve if self.fast else None,
                name=f"conv_{i}",
            )(x)
            if not self.activate_maps:
                return pool(x)
            return f(pool(x)) if self.pool == "max" else pool(f(x))

        x = stage(x, 0, self.padding)  # [B, H, W, C] -> [B, H/2, W/2, 6]
        x = stage(x, 1, "VALID")  # -> [B, H/4 - 2, W/4 - 2, 16]
        x = x.reshape(len(x), -1)
        for i, width in enumerate(self.widths):
            x = f(nn.Dense(width, name=f"dense_{i}")(x))
        return nn.Dense(self.num_classes, name="head")(x)  # -> [B, K]
