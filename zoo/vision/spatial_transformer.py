"""Spatial Transformer: a network that turns, moves and scales what it looks at.

    theta = W g(x) + b                       g: the localisation net; theta is 2 x 3
    (u, v) = theta (u', v', 1)               where pixel (u', v') of the output looks
    y(u', v') = x(u, v)                      bilinear, zeros outside of the image

Everything is differentiable, so theta is learned from the classes alone. W begins at 0
and b at the identity: at first the transformer passes on what it is given.

    localisation   x -> [conv_k -> pool 2 -> f] x 2 -> dense -> f -> theta
    classifier     the transformed image -> LeNet of 10 and 20 maps and 50 units

f is ReLU, conv without padding. The grid is `zoo.functional.sampling`'s, whose -1 and 1
are the outer edges of the image.

Outputs by name: transformer/theta, [B, 2, 3], and transformed.

Shapes: B examples, H height, W width, C channels, K classes.
Differs from the paper: sizes are those of PyTorch's tutorial, without its dropout.

References:
    Jaderberg, Simonyan, Zisserman and Kavukcuoglu, "Spatial transformer networks",
    NeurIPS 2015, https://arxiv.org/abs/1506.02025
    https://docs.pytorch.org/tutorials/intermediate/spatial_transformer_tutorial.html
"""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp

from zoo.functional.pooling import max_pool
from zoo.functional.sampling import affine_grid, bilinear_sample, grid_to_pixels
from zoo.vision.layers import Kit, check, output
from zoo.vision.lenet import LeNet

IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
TINY = dict(  # the size that the tests run; theta has a gradient for all before it
    maps=(2, 3), hidden=4, scatter=0.1, classifier_maps=(3, 4), classifier_widths=(5,)
)


def transform(x: jax.Array, theta: jax.Array) -> jax.Array:
    """Images under affine maps.

    Args:
        x: images, [B, H, W, C].
        theta: from points of the output to points of the input, (x, y) from -1 to 1,
            [B, 2, 3].

    Returns:
        [B, H, W, C].

    Raises:
        ValueError: other shapes.
    """
    if x.ndim != 4 or theta.shape != (x.shape[0], 2, 3):
        raise ValueError(
            "transform takes images [B, H, W, C] and theta [B, 2, 3], "
            f"got {x.shape} and {theta.shape}"
        )
    size = x.shape[1:3]

    def one(image, theta):
        grid = affine_grid(theta.astype(image.dtype), size)
        return bilinear_sample(image, grid_to_pixels(grid, size))

    return jax.vmap(one)(x, theta)


class SpatialTransformer(nn.Module):
    """Images as seen under maps that a small network finds, [B, H, W, C] -> the same.

    Attributes:
        maps: of the two convolutions of the localisation net.
        kernels: of the two convolutions.
        hidden: units of its dense layer.
        scatter: standard deviation of the weights of theta at the start.
        fast: compute the convolutions by `zoo.functional.convolve`; False as
            published, with the same result.
    """

    maps: tuple[int, int] = (8, 10)
    kernels: tuple[int, int] = (7, 5)
    hidden: int = 32
    scatter: float = 0.0
    fast: bool = True

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        kit, y = Kit(fast=self.fast), x
        for i, (maps, kernel) in enumerate(zip(self.maps, self.kernels, strict=True)):
            y = kit.conv(y, maps, kernel, padding="VALID", name=f"conv_{i}")
            y = nn.relu(max_pool(y))
        y = nn.relu(kit.dense(y.reshape(len(y), -1), self.hidden, "hidden"))
        start = lambda key, shape, dtype: jnp.asarray(IDENTITY, dtype)
        theta = nn.Dense(
            6,
            kernel_init=nn.initializers.normal(self.scatter),
            bias_init=start,
            name="regress",
        )(y)
        return transform(x, output(self, "theta", theta.reshape(-1, 2, 3)))


class STN(nn.Module):
    """Classifier of small images, which it first puts straight.

    Attributes:
        num_classes: logits of an example (K).
        maps, kernels, hidden, scatter: see `SpatialTransformer`.
        classifier_maps, classifier_widths: of the `LeNet` behind it.
        fast: compute the convolutions by `zoo.functional.convolve`; False as
            published, with the same result.

    Raises:
        ValueError: an image smaller than the convolutions.
    """

    num_classes: int = 10
    maps: tuple[int, int] = (8, 10)
    kernels: tuple[int, int] = (7, 5)
    hidden: int = 32
    scatter: float = 0.0
    classifier_maps: tuple[int, int] = (10, 20)
    classifier_widths: tuple[int, ...] = (50,)
    fast: bool = True

    @nn.compact
    def __call__(
        self, x: jax.Array, *, train: bool = False, index: jax.Array | None = None
    ) -> jax.Array:  # [B, H, W, C] -> [B, K]
        del index  # nothing here is drawn
        # Each pooling needs two pixels; LeNet takes 16.
        least = functools.reduce(lambda n, k: 2 * n + k - 1, reversed(self.kernels), 1)
        check("STN", x, max(16, least))
        x = SpatialTransformer(
            *(self.maps, self.kernels, self.hidden, self.scatter, self.fast),
            name="transformer",
        )(x)
        return LeNet(
            num_classes=self.num_classes,
            maps=self.classifier_maps,
            widths=self.classifier_widths,
            padding="VALID",
            fast=self.fast,
            name="classifier",
        )(output(self, "transformed", x), train=train)


def rules(localised: tuple[int, int] = (3, 3), seen: tuple[int, int] = (4, 4)) -> tuple:
    """The tutorial's names.

    Args:
        localised: height and width of the map before the localisation's dense layer.
        seen: the same of the classifier.
    """
    return (
        (r"localization\.0", "transformer/conv_0"),
        (r"localization\.3", "transformer/conv_1"),
        (r"fc_loc\.0", "transformer/hidden", localised),
        (r"fc_loc\.2", "transformer/regress"),
        (r"conv1", "classifier/conv_0"),
        (r"conv2", "classifier/conv_1"),
        (r"fc1", "classifier/dense_0", seen),
        (r"fc2", "classifier/head"),
    )
