"""What a network has learned: what its answer rests on, and what excites its units.

    saliency    largest over the channels of |d s / d x|, s the logit of a class
    projection  the strongest response of a map, led back to the pixels that caused it
    maximal     argmax over x of  a(x) - decay |x|^2 / 2,   by gradient ascent

A projection is the gradient, but for what ReLUs do with the gradient g of their output:

    gradient    g where x > 0
    deconvnet   max(g, 0)                whatever x was
    guided      max(g, 0) where x > 0    guided backpropagation

`deconv_relu` and `guided_relu` are ReLUs with these backward passes: the network that
is looked at is made anew with one of them as its activation, and gets the same
variables.
Max-pooling leads back to where the maximum was (the switches of the paper), and a
convolution's gradient is its transpose, so both need nothing new.

Shapes: B examples, H height, W width, C channels, h, w of a map, K maps or classes.

References:
    Simonyan, Vedaldi and Zisserman, "Deep inside convolutional networks", 2013,
    https://arxiv.org/abs/1312.6034 (saliency; maximal inputs)
    Zeiler and Fergus, "Visualizing and understanding convolutional networks", ECCV
    2014, https://arxiv.org/abs/1311.2901 (deconvnet)
    Springenberg, Dosovitskiy, Brox and Riedmiller, "Striving for simplicity: the all
    convolutional net", 2014, https://arxiv.org/abs/1412.6806 (guided)
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from optim import adam


class Projection(NamedTuple):
    """The strongest response of a map in each image, and what caused it."""

    pixels: jax.Array  # [B, H, W, C]
    response: jax.Array  # [B]
    place: jax.Array  # its row and column in the map, int32 [B, 2]


@jax.custom_vjp
def deconv_relu(x: jax.Array) -> jax.Array:
    """max(x, 0); backwards max(g, 0)."""
    return jnp.maximum(x, 0)


deconv_relu.defvjp(lambda x: (deconv_relu(x), None), lambda _, g: (jnp.maximum(g, 0),))


@jax.custom_vjp
def guided_relu(x: jax.Array) -> jax.Array:
    """max(x, 0); backwards max(g, 0) where x > 0."""
    return jnp.maximum(x, 0)


guided_relu.defvjp(
    lambda x: (guided_relu(x), x > 0),
    lambda passed, g: (jnp.where(passed, jnp.maximum(g, 0), 0),),
)


def saliency(
    apply: Callable[[jax.Array], jax.Array], x: jax.Array, classes: jax.Array
) -> jax.Array:
    """How much a class's score hangs on each pixel.

    Args:
        apply: images [B, H, W, C] -> logits [B, K], each example for itself.
        x: images, [B, H, W, C].
        classes: one for each image, int [B].

    Returns:
        [B, H, W], not below 0.

    Raises:
        ValueError: not a class for each image.
    """
    if classes.shape != x.shape[:1]:
        raise ValueError(
            f"classes must be {x.shape[:1]}, one for each image, got {classes.shape}"
        )
    score = lambda x: jnp.take_along_axis(apply(x), classes[:, None], 1).sum()
    return abs(jax.grad(score)(x)).max(-1)


def projection(
    maps: Callable[[jax.Array], jax.Array], x: jax.Array, channel: int
) -> Projection:
    """The strongest response of a map in each image, led back to the pixels.

    Args:
        maps: images [B, H, W, C] -> feature maps [B, h, w, K], of a network whose ReLUs
            are `deconv_relu` or `guided_relu`; with others it is the gradient.
        x: images, [B, H, W, C].
        channel: of the maps, below K.

    Returns:
        The response times its gradient, so to say, and where it was.

    Raises:
        ValueError: a channel that there is not.
    """
    found, back = jax.vjp(maps, x)
    if not 0 <= channel < found.shape[-1]:
        raise ValueError(f"channel must be below {found.shape[-1]}, got {channel}")
    flat = found[..., channel].reshape(len(x), -1)  # [B, h w]
    at = flat.argmax(1)
    response = flat.max(1)
    only = jax.nn.one_hot(at, flat.shape[1], dtype=flat.dtype) * response[:, None]
    chosen = jnp.zeros_like(found).at[..., channel].set(only.reshape(found.shape[:3]))
    place = jnp.stack(jnp.divmod(at, found.shape[2]), 1).astype(jnp.int32)
    return Projection(pixels=back(chosen)[0], response=response, place=place)


def maximal(
    activation: Callable[..., jax.Array],
    start: jax.Array,
    *args: Any,
    steps: int = 200,
    learning_rate: float = 0.1,
    decay: float = 0.01,
) -> jax.Array:
    """Inputs that excite as much as they can, by gradient ascent.

    Args:
        activation: (images [B, H, W, C], *args) -> what is to be large, [B], each for
            itself. Compiled once for all calls with the same function.
        start: images to begin with, [B, H, W, C].
        *args: what else it takes, such as variables.
        steps: of Adam.
        learning_rate: of Adam.
        decay: the price of an image, as above.

    Returns:
        Images, [B, H, W, C].

    Raises:
        ValueError: steps or a rate that are not positive; a negative decay.
    """
    if not min(steps, learning_rate) > 0 or not decay >= 0:
        raise ValueError(
            "steps and learning_rate must be positive and decay not negative, got "
            f"{steps}, {learning_rate} and {decay}"
        )
    x, state = start, adam(learning_rate).init(start)
    for _ in range(steps):  # no scan: on a CPU, convolutions are slow inside one
        x, state = _up(activation, x, state, learning_rate, decay, args)
    return x


@functools.partial(jax.jit, static_argnums=0)
def _up(activation, x, state, learning_rate, decay, args):
    loss = lambda x: decay * (x**2).sum() / 2 - activation(x, *args).sum()
    updates, state = adam(learning_rate).update(jax.grad(loss)(x), state, x)
    return x + updates, state
