"""DiracNet V2: as deep as a residual network, without a shortcut.

    training   x -> N(V * f(x)),    V = diag(alpha) I + diag(beta) W / |W|
    in use     x -> V' * f(x) + b        the same numbers, by `folded`

f is ReLU, N batch normalization, * a convolution of 3x3. I is the kernel of the
identity and |W| the norm of each output's part of W. alpha begins at 1 and beta at 0.1:
what was a shortcut is part of the kernel. In use nothing is left but convolutions and
ReLUs, one behind another, as in VGG:

    V' = diag(g / sqrt(v + eps)) V,   b = h - m g / sqrt(v + eps)
         g, h scale and shift, m, v running mean and variance of N

    network    x -> N(conv7/2) -> pool -> stages of layers, the maximum of 2x2 between
                 two -> f -> mean -> dense

Where the channels double, I repeats: output o is given input o mod C.

Outputs by name: stem, stage_1, ... (each before its pooling), pooled.

Shapes: B examples, H height, W width, C channels, O outputs, K classes.
Differs from the paper: nothing of version 2, which is the authors' program; the paper's
first version had f of x and of -x.

References:
    Zagoruyko and Komodakis, "DiracNets: training very deep neural networks without
    skip-connections", 2017, https://arxiv.org/abs/1706.00388
    Version 2: https://github.com/szagoruyko/diracnets
"""

from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from zoo.functional.convolution import convolve
from zoo.functional.initializers import he_normal
from zoo.functional.pooling import max_pool
from zoo.vision.layers import Kit, large_stem, output
from zoo.vision.names import units

EPSILON = 1e-5  # is added to the variance
TINY = dict(  # the size that the tests run
    blocks=(2, 1), width=4, stem_width=4, stem="imagenet"
)
RULES = units("stage_{}_layer_{}", {"conv": ""})  # pytorchcv's, of the form in use


def identity_kernel(height: int, width: int, inputs: int, outputs: int) -> jax.Array:
    """The kernel that passes on what it is given, [h, w, C, O].

    Where C and O differ, the channels repeat: o is given c if they are the same modulo
    the smaller of both.

    >>> identity_kernel(3, 3, 1, 2)[:, 1, 0].tolist()
    [[0.0, 0.0], [1.0, 1.0], [0.0, 0.0]]
    """
    least = min(inputs, outputs)
    given, made = jnp.arange(inputs) % least, jnp.arange(outputs) % least
    kernel = jnp.zeros((height, width, inputs, outputs))
    same = (given[:, None] == made[None]).astype(kernel.dtype)
    return kernel.at[height // 2, width // 2].set(same)


def dirac_kernel(kernel: jax.Array, alpha: jax.Array, beta: jax.Array) -> jax.Array:
    """V = diag(alpha) I + diag(beta) W / |W|.

    Args:
        kernel: W, [h, w, C, O].
        alpha: [O].
        beta: [O].

    Returns:
        [h, w, C, O]; where W is zero, so is W / |W|.
    """
    square = jnp.sum(kernel**2, (0, 1, 2), keepdims=True)
    norm = jnp.where(square > 0, jnp.sqrt(jnp.where(square > 0, square, 1)), 1)
    each = lambda a: a.reshape(1, 1, 1, -1)
    identity = identity_kernel(*kernel.shape).astype(kernel.dtype)
    return each(alpha) * identity + each(beta) * kernel / norm


class DiracConv(nn.Module):
    """A convolution of 3x3 whose kernel is `dirac_kernel`'s.

    Attributes:
        features: O.
        dtype: of the computation; None for that of the input.
        fast: compute by `zoo.functional.convolve`.
    """

    features: int
    dtype: Any = None
    fast: bool = True

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:  # [..., C] -> [..., O]
        size = (self.features,)
        kernel = dirac_kernel(
            self.param("kernel", he_normal(), (3, 3, x.shape[-1], *size)),
            self.param("alpha", nn.initializers.ones, size),
            self.param("beta", nn.initializers.constant(0.1), size),
        )
        dtype = self.dtype or x.dtype
        return (convolve if self.fast else jax.lax.conv_general_dilated)(
            *(x.astype(dtype), kernel.astype(dtype), (1, 1), ((1, 1), (1, 1))),
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )


class DiracNet(nn.Module):
    """Classifier of images.

    Attributes:
        num_classes: logits of an example (K).
        blocks: layers of each stage.
        width: channels of the first stage; each later one has twice as many.
        stem_width: channels of the first convolution.
        stem: `imagenet` (7x7 with stride 2, and pooling) or `cifar` (3x3).
        folded: the form in use, of convolutions with biases; `folded` makes its
            variables.
        dtype: of the computation; None for that of the input.
        axis_name: of the devices over which BatchNorm takes its statistics.
        fast: compute the convolutions by `zoo.functional.convolve`; False as
            published, with the same result.

    Raises:
        ValueError: an image smaller than the strides; a field out of range.
    """

    num_classes: int = 1000
    blocks: tuple[int, ...] = (4, 4, 4, 4)
    width: int = 64
    stem_width: int = 64
    stem: str = "imagenet"
    folded: bool = False
    dtype: Any = None
    axis_name: str | None = None
    fast: bool = True

    @nn.compact
    def __call__(
        self, x: jax.Array, *, train: bool = False, index: jax.Array | None = None
    ) -> jax.Array:  # [B, H, W, C] -> [B, K]
        del index  # nothing here is drawn
        large = large_stem("DiracNet", x, self.stem, len(self.blocks) - 1)
        kit = Kit(train, self.axis_name, self.dtype, self.fast, epsilon=EPSILON)
        sizes = (self.stem_width, 7, 2) if large else (self.stem_width, 3, 1)
        if self.folded:
            x = kit.conv(x, *sizes, name="stem_conv")
        else:
            x = kit.unit(x, *sizes, None, name="stem_conv")
        x = output(self, "stem", max_pool(x, 3, 2, 1) if large else x)
        for i, count in enumerate(self.blocks):
            x = max_pool(x) if i else x
            for j in range(count):
                name, width = f"stage_{i + 1}_layer_{j}", self.width * 2**i
                x = nn.relu(x)
                if self.folded:
                    x = kit.conv(x, width, 3, name=name)
                else:
                    x = DiracConv(width, self.dtype, self.fast, name=name)(x)
                    x = kit.norm(x, f"{name}_norm")
            output(self, f"stage_{i + 1}", x)
        x = output(self, "pooled", nn.relu(x).mean((1, 2)))  # -> [B, C]
        return kit.dense(x, self.num_classes, "head")  # -> [B, K]


def folded(variables: Mapping[str, Any]) -> dict[str, Any]:
    """Variables of the form in use, from those of training.

    Args:
        variables: of a `DiracNet`.

    Returns:
        Those of the same network with `folded=True`, whose outputs are the same.

    Raises:
        ValueError: variables that have no running statistics.
    """
    if "batch_stats" not in variables:
        raise ValueError(
            f"variables must have batch_stats, got {', '.join(sorted(variables))}"
        )
    params, made = variables["params"], {}
    for name, layer in params.items():
        if name.endswith("_norm"):
            continue
        if (norm := params.get(f"{name}_norm")) is None:
            made[name] = layer  # the head
            continue
        statistics = variables["batch_stats"][f"{name}_norm"]
        kernel = dirac_kernel(**layer) if "alpha" in layer else layer["kernel"]
        scale = norm["scale"] / jnp.sqrt(statistics["var"] + EPSILON)
        made[name] = {
            "kernel": kernel * scale.reshape(1, 1, 1, -1),
            "bias": norm["bias"] - statistics["mean"] * scale,
        }
    return {"params": made}
