"""The variational autoencoder: a latent-variable model and its approximate posterior.

    z ~ N(0, I),  x ~ p(x | z), of mean decode(z)          the model
    q(z | x) = N(m(x), diag v(x))                          the encoder

    log p(x) >= ELBO = E over q of log p(x | z)  -  KL(q(z | x), N(0, I))
    KL = 1/2 sum over k of  m_k^2 + v_k - 1 - log v_k
    z  = m + sqrt(v) e,  e ~ N(0, I)                       so that gradients reach m, v

The bound is log p(x) where q is the posterior. A linear decoder with the weights W and
normal noise of variance s^2 has log p(x) = log N(x; b, W W^T + s^2 I), and the
posterior N(M^-1 W^T (x - b), s^2 M^-1), M = W^T W + s^2 I: with orthogonal columns of W
it is of q's kind, and a linear encoder of constant variance reaches the bound.

Shapes: B examples, D values of an example, K latents, S draws.

References:
    Kingma and Welling, "Auto-encoding variational Bayes", ICLR 2014,
    https://arxiv.org/abs/1312.6114
"""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp

from zoo.errors import unknown
from zoo.generative import objective
from zoo.generative.autoencoder import ACTIVATIONS

TINY = dict(hidden=(8,), latents=3)  # the size that the tests run


class VAE(nn.Module):
    """Dense layers to the mean and log variance of a code, and from a code back.

    Attributes:
        shape: of an example.
        hidden: units of the encoder's hidden layers; the decoder has them in reverse.
        latents: K.
        activation: of hidden layers; `identity`, `sigmoid`, `tanh` or `relu`.

    Raises:
        ValueError: an unknown activation, a size that is not positive, x of another
            shape.
    """

    shape: tuple[int, ...] = (28, 28, 1)
    hidden: tuple[int, ...] = (500,)
    latents: int = 20
    activation: str = "tanh"

    def setup(self):
        if self.activation not in ACTIVATIONS:
            raise unknown("activation", self.activation, ACTIVATIONS)
        if min(*self.hidden, *self.shape, self.latents) < 1:
            raise ValueError(
                f"hidden, shape and latents must be positive, got {self.hidden}, "
                f"{self.shape} and {self.latents}"
            )
        self.encoder = [nn.Dense(width) for width in self.hidden]
        self.mean, self.log_variance = nn.Dense(self.latents), nn.Dense(self.latents)
        back = (*self.hidden[::-1], math.prod(self.shape))
        self.decoder = [nn.Dense(width) for width in back]

    def encode(self, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Mean and log variance of q: [B, ...] -> [B, K] twice."""
        if x.shape[1:] != tuple(self.shape):
            raise ValueError(f"x must be [B, *{self.shape}], got {list(x.shape)}")
        h = x.reshape(len(x), -1)
        for layer in self.encoder:
            h = ACTIVATIONS[self.activation](layer(h))
        return self.mean(h), self.log_variance(h)

    def decode(self, z: jax.Array) -> jax.Array:  # [B, K] -> [B, ...]
        """What stands for the examples: means, or logits of them."""
        for i, layer in enumerate(self.decoder):
            z = layer(ACTIVATIONS[self.activation](z) if i else z)
        return z.reshape(len(z), *self.shape)

    def __call__(self, x: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        """What the mean code decodes to, and q."""
        mean, log_variance = self.encode(x)
        return self.decode(mean), mean, log_variance


def kl_to_standard(mean: jax.Array, log_variance: jax.Array) -> jax.Array:
    """KL(N(m, diag v), N(0, I)) in nats: [B, K] twice -> [B]."""
    terms = jnp.square(mean) + jnp.exp(log_variance) - 1 - log_variance
    return 0.5 * terms.sum(1)


def log_likelihood(
    x: jax.Array, y: jax.Array, likelihood: str = "bernoulli", deviation: float = 1.0
) -> jax.Array:
    """log p(x | z) in nats, of what the decoder puts out.

    Args:
        x: examples, [B, ...].
        y: decode(z), of the same shape.
        likelihood: "bernoulli", y being logits, or "gaussian".
        deviation: s, of the latter.

    Returns:
        [B].

    Raises:
        ValueError: an unknown likelihood, shapes that differ.
    """
    error = objective.error(x, y, likelihood)
    if likelihood == "bernoulli":
        return -error
    size = math.prod(x.shape[1:])
    return -error / deviation**2 - 0.5 * size * jnp.log(2 * jnp.pi * deviation**2)


def elbo(
    likelihood: str = "bernoulli", deviation: float = 1.0, samples: int = 1
) -> objective.Objective:
    """Minus the ELBO: the error is -log p(x | z), the penalty the KL.

    Args:
        likelihood: "bernoulli" or "gaussian".
        deviation: s, of the latter, > 0.
        samples: S, draws of z for each example.

    Raises:
        ValueError: an unknown likelihood, a deviation or samples out of range.
    """
    objective.known(likelihood)
    if not isinstance(deviation, jax.core.Tracer) and not deviation > 0:
        raise ValueError(f"deviation must be > 0, got {deviation}")
    if not isinstance(samples, int) or samples < 1:
        raise ValueError(f"samples must be a positive integer, got {samples!r}")

    def value(net, x, keys):
        mean, log_variance = net.encode(x)
        draw = lambda key: jax.random.normal(key, (samples, mean.shape[1]), mean.dtype)
        noise = jnp.moveaxis(jax.vmap(draw)(keys), 1, 0)  # [B, S, K] -> [S, B, K]
        error = negative_log_likelihood(net, x, noise, likelihood, deviation)
        return objective.Value(error=error, penalty=kl_to_standard(mean, log_variance))

    return value


def negative_log_likelihood(
    net: objective.Net,
    x: jax.Array,
    noise: jax.Array,
    likelihood: str = "bernoulli",
    deviation: float = 1.0,
) -> jax.Array:
    """-log p(x | z), the mean over given draws e of z = m + sqrt(v) e.

    Args:
        net: a `VAE` at its parameters.
        x: examples, [B, ...].
        noise: e, [S, B, K].
        likelihood, deviation: as for `log_likelihood`.

    Returns:
        [B], in nats.
    """
    mean, log_variance = net.encode(x)
    of = lambda e: log_likelihood(
        x, net.decode(mean + jnp.exp(0.5 * log_variance) * e), likelihood, deviation
    )
    return -jax.vmap(of)(noise).mean(0)
