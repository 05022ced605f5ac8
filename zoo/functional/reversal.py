"""Gradient reversal: the identity, behind which everything learns the opposite.

    y = x            dL/dx = -scale dL/dy

A layer between features and a classifier of domains. One step down of the sum of all
losses teaches the classifier to tell domains apart by the features, and teaches the
features not to let it; no second player is needed, nor a second optimizer. `scale` is
how much the features hear of it, beside their own task; 0 is `stop_gradient`.

References:
    Ganin and Lempitsky, "Unsupervised domain adaptation by backpropagation", ICML 2015,
    https://arxiv.org/abs/1409.7495 (section 3.1; scale is their lambda)
"""

import jax
import jax.numpy as jnp


def gradient_reversal(x: jax.Array, scale: float | jax.Array = 1.0) -> jax.Array:
    """x itself, with the gradient turned round.

    Args:
        x: any shape.
        scale: a number, >= 0; its own gradient is 0.

    Raises:
        ValueError: a scale below 0, where it is known before it is traced.
    """
    if not isinstance(scale, jax.core.Tracer) and not scale >= 0:
        raise ValueError(f"scale must be >= 0, got {scale}")
    return _reversed(x, jnp.asarray(scale, x.dtype))


@jax.custom_vjp
def _reversed(x, scale):
    del scale
    return x


def _forward(x, scale):
    return x, scale


def _backward(scale, slope):
    return -scale * slope, jnp.zeros_like(scale)


_reversed.defvjp(_forward, _backward)
