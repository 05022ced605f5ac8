"""Players made of dense layers: generator, discriminator, and an autoencoder as one.

    generator       z -> hidden layers, ReLU -> examples, tanh
    discriminator   x -> hidden layers, leaky ReLU of slope 0.2 -> a number
    autoencoder     x -> hidden, code, hidden -> x', ELU; tells mean |x - x'| (BEGAN)

With classes the label goes in as a vector of 0 and one 1, beside z or x.

Shapes: B examples, Z latents, K classes.

References:
    Goodfellow et al., "Generative adversarial nets", NeurIPS 2014,
    https://arxiv.org/abs/1406.2661
    Mirza and Osindero, "Conditional generative adversarial nets", 2014,
    https://arxiv.org/abs/1411.1784
    Berthelot, Schumm and Metz, "BEGAN", 2017, https://arxiv.org/abs/1703.10717
"""

import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

TINY_GENERATOR = dict(latents=3, shape=(2, 3, 1), widths=(8,), norm=True)
TINY_DISCRIMINATOR = dict(
    widths=(8,), outputs=10, norm=True
)  # as many as tests have classes
TINY_AUTOENCODER = dict(widths=(8,), code=3, outputs=10)


class MLPGenerator(nn.Module):
    """Dense layers from latents to an example.

    Attributes:
        latents: Z.
        shape: of an example.
        widths: of the hidden layers.
        classes: K, of a conditional one; 0: it takes latents alone.
        bounded: the examples are from -1 to 1, and the last activation is tanh.
        norm: batch normalization of hidden layers.
        axis_name: of the devices over which the batch's statistics are taken.

    Raises:
        ValueError: latents of another size.
    """

    latents: int = 100
    shape: tuple[int, ...] = (28, 28, 1)
    widths: tuple[int, ...] = (256, 512)
    classes: int = 0
    bounded: bool = True
    norm: bool = False
    axis_name: str | None = None

    @nn.compact
    def __call__(self, x: Any, *, train: bool = False) -> jax.Array:
        """[B, Z], or a dict of it as x and of labels y -> [B, ...]."""
        z = x["x"] if isinstance(x, dict) else x
        latents("MLPGenerator", z, self.latents)
        h = conditioned(x, self.classes)
        for i, width in enumerate(self.widths):
            h = nn.Dense(width, name=f"dense_{i}")(h)
            if self.norm:
                h = _norm(h, train, self.axis_name, f"norm_{i}")
            h = nn.relu(h)
        h = nn.Dense(math.prod(self.shape), name="last")(h)
        h = h.reshape(len(h), *self.shape)
        return jnp.tanh(h) if self.bounded else h


class MLPDiscriminator(nn.Module):
    """Dense layers from an example to what is told of it.

    Attributes:
        widths: of the hidden layers.
        classes: K, of a conditional one.
        outputs: numbers told of an example.
        norm: batch normalization of hidden layers; then it cannot be penalised.
        axis_name: of the devices over which the batch's statistics are taken.
    """

    widths: tuple[int, ...] = (512, 256)
    classes: int = 0
    outputs: int = 1
    norm: bool = False
    axis_name: str | None = None

    @nn.compact
    def __call__(self, x: Any, *, train: bool = False) -> jax.Array:
        """[B, ...] -> [B, outputs]."""
        h = conditioned(x, self.classes)
        for i, width in enumerate(self.widths):
            h = nn.Dense(width, name=f"dense_{i}")(h)
            if self.norm:
                h = _norm(h, train, self.axis_name, f"norm_{i}")
            h = nn.leaky_relu(h, 0.2)
        return nn.Dense(self.outputs, name="last")(h)


class MLPAutoencoder(nn.Module):
    """A discriminator that tells how ill it reconstructs an example.

    Attributes:
        widths: of the hidden layers; the decoder has them in reverse.
        code: numbers in the middle.
        outputs: parts of an example, of each of which the mean error is told.

    Raises:
        ValueError: outputs that are more than the values of an example.
    """

    widths: tuple[int, ...] = (256,)
    code: int = 64
    outputs: int = 1

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:  # [B, ...] -> [B, outputs], >= 0
        x = x.reshape(len(x), -1)
        if not 1 <= self.outputs <= x.shape[1]:
            raise ValueError(
                f"outputs must be from 1 to the example's {x.shape[1]} values, "
                f"got {self.outputs}"
            )
        h = x
        for i, width in enumerate(self.widths):
            h = nn.elu(nn.Dense(width, name=f"encoder_{i}")(h))
        h = nn.Dense(self.code, name="code")(h)
        for i, width in enumerate(self.widths[::-1]):
            h = nn.elu(nn.Dense(width, name=f"decoder_{i}")(h))
        error = jnp.abs(x - nn.Dense(x.shape[1], name="last")(h))
        parts = jnp.array_split(error, self.outputs, axis=1)
        return jnp.stack([part.mean(1) for part in parts], 1)


def conditioned(x: Any, classes: int) -> jax.Array:
    """[B, ...] as rows, with the label's vector beside them if there are classes.

    Args:
        x: an array; with classes a dict of it and of labels `y`, int [B].
        classes: K, or 0.

    Raises:
        ValueError: a dict where there are no classes, or none where there are.
    """
    if isinstance(x, dict) != bool(classes):
        raise ValueError(
            f"x must be {'a dict of x and y' if classes else 'an array'} with classes "
            f"of {classes}, got {type(x).__name__}"
        )
    if not classes:
        return x.reshape(len(x), -1)
    rows = x["x"].reshape(len(x["x"]), -1)
    return jnp.concatenate([rows, jax.nn.one_hot(x["y"], classes, dtype=rows.dtype)], 1)


def latents(who: str, z: jax.Array, size: int) -> None:
    """Refuses latents of another size.

    Raises:
        ValueError: naming what was given.
    """
    if z.ndim != 2 or z.shape[1] != size:
        raise ValueError(f"{who} takes latents [B, {size}], got {list(z.shape)}")


def _norm(x, train, axis_name, name):
    return nn.BatchNorm(not train, momentum=0.9, axis_name=axis_name, name=name)(x)
