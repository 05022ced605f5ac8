"""Losses of two players, each a pair, and the divergence that they are about.

a = D(x) of an example, b = D(G(z)) of a sample; both players minimize. p is the density
of the examples, q that of the samples; s the logistic function, h(t) = log(1 + e^t).

    loss              discriminator                       generator
    minimax           -log s(a) - log(1 - s(b))           log(1 - s(b))
    non_saturating    the same                            -log s(b)
    least_squares     (a - real)^2 / 2 + (b - fake)^2 / 2 (b - aim)^2 / 2
    hinge             max(0, 1 - a) + max(0, 1 + b)       -b
    wasserstein       b - a                               -b
    began             a - k b                             b

At the best discriminator, which for the first two is s(a) = p / (p + q):

    minimax           E[log s(a)] + E[log(1 - s(b))] = 2 JSD(p, q) - log 4
    non_saturating    the gradient is that of KL(q, p) - 2 JSD(p, q)
    least_squares     with real = 1, fake = -1, aim = 0:
                      E_p[D^2] + E_q[D^2] = Pearson's chi^2(p + q, 2 q),
                      D = (p - q) / (p + q)
    hinge             2 - the loss = |p - q|_1, twice the total variation,
                      D = sign(p - q)
    wasserstein       minus the loss = W_1(p, q), over critics of slope at most 1

The slope is held by clipping the critic's weights, which is the learner's, or by a
penalty of (|grad D(x')| - 1)^2 at points x' = e x + (1 - e) G(z) between an example and
a sample: for each pair a point, for each point a gradient of its own.

BEGAN's discriminator is an autoencoder, and a and b are its errors of reconstruction.
W_1 of their two distributions is at least |E a - E b|. The balance k holds E b at
gamma E a:

    k <- clip(k + rate (gamma a - b), 0, 1)      convergence M = a + |gamma a - b|

Where a discriminator tells several things of an example (patches) a loss is their mean.

Shapes: B examples, and as many samples; H, W, C of an image.

References:
    Goodfellow et al., "Generative adversarial nets", NeurIPS 2014,
    https://arxiv.org/abs/1406.2661 (minimax, non-saturating)
    Arjovsky and Bottou, "Towards principled methods for training generative
    adversarial networks", ICLR 2017, https://arxiv.org/abs/1701.04862 (theorem 2.5)
    Mao et al., "Least squares generative adversarial networks", ICCV 2017,
    https://arxiv.org/abs/1611.04076
    Lim and Ye, "Geometric GAN", 2017, https://arxiv.org/abs/1705.02894 (hinge)
    Arjovsky, Chintala and Bottou, "Wasserstein GAN", ICML 2017,
    https://arxiv.org/abs/1701.07875
    Gulrajani et al., "Improved training of Wasserstein GANs", NeurIPS 2017,
    https://arxiv.org/abs/1704.00028 (the penalty)
    Berthelot, Schumm and Metz, "BEGAN", 2017, https://arxiv.org/abs/1703.10717
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

softplus = jax.nn.softplus


class GANLoss(NamedTuple):
    """A pair of losses, by examples.

    Attributes:
        discriminator: (D of examples, D of samples, k) -> [B]; k is for BEGAN alone.
        generator: D of samples -> [B].
        divergence: what the generator lowers, were the discriminator the best one.
        balance: (k, mean D of examples, mean D of samples) -> k; None: there is no k.
    """

    discriminator: Callable[..., jax.Array]
    generator: Callable[[jax.Array], jax.Array]
    divergence: str
    balance: Callable[..., jax.Array] | None = None


def minimax() -> GANLoss:
    """The game as it was first stated; its generator's gradient vanishes where the
    discriminator is sure."""
    return GANLoss(
        discriminator=lambda a, b, k=0.0: each(softplus(-a)) + each(softplus(b)),
        generator=lambda b: -each(softplus(b)),
        divergence="Jensen-Shannon",
    )


def non_saturating() -> GANLoss:
    """The same discriminator; the generator raises log s(b), which never vanishes."""
    return minimax()._replace(
        generator=lambda b: each(softplus(-b)),
        divergence="KL(q, p) - 2 Jensen-Shannon, in its gradient",
    )


def least_squares(real: float = 1.0, fake: float = 0.0, aim: float = 1.0) -> GANLoss:
    """Squares in the place of logarithms.

    Args:
        real: what the discriminator is to say of examples.
        fake: what it is to say of samples; another number.
        aim: what the generator wants it to say of samples.

    Raises:
        ValueError: `real` and `fake` are the same.
    """
    if real == fake:
        raise ValueError(f"real and fake must differ, got {real} and {fake}")

    def discriminator(a, b, k=0.0):
        del k
        return 0.5 * (each(jnp.square(a - real)) + each(jnp.square(b - fake)))

    return GANLoss(
        discriminator=discriminator,
        generator=lambda b: 0.5 * each(jnp.square(b - aim)),
        divergence="Pearson chi^2(p + q, 2 q), for 1, -1 and 0",
    )


def hinge() -> GANLoss:
    """A discriminator that is content beyond a margin of 1."""
    return GANLoss(
        discriminator=lambda a, b, k=0.0: (
            each(jax.nn.relu(1 - a)) + each(jax.nn.relu(1 + b))
        ),
        generator=lambda b: -each(b),
        divergence="total variation",
    )


def wasserstein() -> GANLoss:
    """A critic, of which someone must hold the slope: by `clip`, `penalty` or
    `spectral` of `zoo.generative.gan.learner`."""
    return GANLoss(
        discriminator=lambda a, b, k=0.0: each(b) - each(a),
        generator=lambda b: -each(b),
        divergence="Wasserstein distance of order 1",
    )


def began(gamma: float = 0.5, rate: float = 0.001) -> GANLoss:
    """An autoencoder's errors; its outputs must be >= 0.

    Args:
        gamma: the share of the error of samples in that of examples, in (0, 1]; the
            less, the more alike the samples.
        rate: of k's steps, > 0.

    Raises:
        ValueError: a number out of range.
    """
    if not 0 < gamma <= 1 or not rate > 0:
        raise ValueError(
            f"gamma must be in (0, 1] and rate > 0, got {gamma} and {rate}"
        )
    return GANLoss(
        discriminator=lambda a, b, k=0.0: each(a) - k * each(b),
        generator=lambda b: each(b),
        divergence="Wasserstein distance of order 1, of the errors of reconstruction",
        balance=lambda k, a, b: jnp.clip(k + rate * (gamma * a - b), 0, 1),
    )


def convergence(a: jax.Array, b: jax.Array, gamma: float = 0.5) -> jax.Array:
    """BEGAN's measure M, of the mean errors of examples and of samples."""
    return a + jnp.abs(gamma * a - b)


LOSSES: dict[str, Callable[..., GANLoss]] = {
    "minimax": minimax,
    "non_saturating": non_saturating,
    "least_squares": least_squares,
    "hinge": hinge,
    "wasserstein": wasserstein,
    "began": began,
}


def interpolate(real: jax.Array, fake: jax.Array, epsilon: jax.Array) -> jax.Array:
    """e x + (1 - e) x~, for each pair.

    Args:
        real: examples x, [B, ...].
        fake: samples x~, of the same shape.
        epsilon: e, from 0 to 1, [B].

    Raises:
        ValueError: shapes that differ.
    """
    if real.shape != fake.shape or epsilon.shape != real.shape[:1]:
        raise ValueError(
            "real and fake must be of one shape [B, ...] and epsilon [B], got "
            f"{list(real.shape)}, {list(fake.shape)} and {list(epsilon.shape)}"
        )
    epsilon = epsilon.reshape(-1, *[1] * (real.ndim - 1))
    return epsilon * real + (1 - epsilon) * fake


def slopes(critic: Callable[[jax.Array], jax.Array], x: jax.Array) -> jax.Array:
    """|grad D| at each point, of a critic in which points do not see each other: so no
    batch normalization. Then the gradient of the sum is that of each.

    Args:
        critic: [B, ...] -> [B, ...]; several outputs of a point are averaged.
        x: points, [B, ...].

    Returns:
        [B]; where the gradient is 0 its own derivative is 0 and not NaN.
    """
    grads = jax.grad(lambda x: each(critic(x)).sum())(x)
    squared = jnp.square(grads).reshape(len(x), -1).sum(1)
    some = squared > 0
    return jnp.where(some, jnp.sqrt(jnp.where(some, squared, 1)), 0)


def gradient_penalty(
    critic: Callable[[jax.Array], jax.Array],
    real: jax.Array,
    fake: jax.Array,
    epsilon: jax.Array,
    target: float = 1.0,
) -> jax.Array:
    """(|grad D(x')| - target)^2 at a point between each example and its sample.

    Args:
        critic: as for `slopes`.
        real, fake, epsilon: as for `interpolate`.
        target: the slope that is asked for.

    Returns:
        [B].

    Raises:
        ValueError: as `interpolate`.
    """
    return jnp.square(slopes(critic, interpolate(real, fake, epsilon)) - target)


def each(values: jax.Array) -> jax.Array:
    """[B, ...] -> [B], the mean of what is told of an example."""
    return values.reshape(len(values), -1).mean(1)
