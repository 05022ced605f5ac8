"""The denoising autoencoder: from a damaged example back to the whole one.

    x~ = damaged(x),   loss = error(x, decode(encode(x~)))

    masking    a share of the values, drawn anew for each example, is set to 0
    gaussian   x~ = x + sigma e,  e ~ N(0, 1)

The code may be larger than the example: copying does not help. The paper masks up to
half of the values.

References:
    Vincent, Larochelle, Bengio and Manzagol, "Extracting and composing robust features
    with denoising autoencoders", ICML 2008, https://doi.org/10.1145/1390156.1390294
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from zoo.generative.objective import Objective, Value, error, known

Damage = Callable[[jax.Array, jax.Array], jax.Array]  # key, one example -> damaged


def masking(share: float) -> Damage:
    """Sets a share of the values to 0, as many of each example.

    Args:
        share: from 0 to 1/2; rounded to whole values.

    Raises:
        ValueError: a share out of range.
    """
    if not 0 <= share <= 0.5:
        raise ValueError(f"share must be from 0 to 0.5, got {share}")

    def damage(key, x):
        gone = jnp.arange(x.size) < round(share * x.size)
        gone = jax.random.permutation(key, gone).reshape(x.shape)
        return jnp.where(gone, 0, x)

    return damage


def gaussian(deviation: float) -> Damage:
    """Adds normal noise.

    Args:
        deviation: sigma, >= 0, in the unit of x.

    Raises:
        ValueError: a negative deviation.
    """
    if not isinstance(deviation, jax.core.Tracer) and not deviation >= 0:
        raise ValueError(f"deviation must be >= 0, got {deviation}")
    return lambda key, x: x + deviation * jax.random.normal(key, x.shape, x.dtype)


def denoising(damage: Damage, likelihood: str = "gaussian") -> Objective:
    """The error of a reconstruction from the damaged example; no penalty.

    Args:
        damage: such as `masking(0.5)`.
        likelihood: "gaussian" or "bernoulli".

    Raises:
        ValueError: an unknown likelihood.
    """
    known(likelihood)

    def value(net, x, keys):
        damaged = jax.vmap(damage)(keys, x)
        found = error(x, net.decode(net.encode(damaged)), likelihood)
        return Value(error=found, penalty=jnp.zeros_like(found))

    return value
