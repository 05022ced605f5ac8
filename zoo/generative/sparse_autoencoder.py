"""The sparse autoencoder: few units of the code are active at a time.

    l1    penalty = w sum over k of |h_k|
    kl    penalty = w sum over k of rho log(rho / r_k)
                      + (1 - rho) log((1 - rho) / (1 - r_k))
          r_k = mean over b of h_bk

The code may then have more units than the example has values (over-complete). The
second form asks that each unit is active in a share rho of the examples; its units must
lie between 0 and 1.

r is a mean over the whole batch, so the penalty is no sum over examples. Its gradient
is: the slope s_k = w ((1 - rho) / (1 - r_k) - rho / r_k), held fixed, times h_bk. That
is how each example gets its part: the batch's penalty, plus s (h_b - h_b held fixed),
which is 0 and has the gradient. Examples of weight 0 count in r.

Shapes: B examples, K units of the code.

References:
    Lee, Ekanadham and Ng, "Sparse deep belief net model for visual area V2", NIPS 2007
    Ng, "Sparse autoencoder", CS294A lecture notes, Stanford 2011,
    https://web.stanford.edu/class/cs294a/sparseAutoencoder.pdf (the KL form)
"""

import jax
import jax.numpy as jnp
import numpy as np

from zoo.generative.objective import Objective, Value, error, known

EDGE = 1e-6  # r is kept so far from 0 and 1


def l1(weight: float, likelihood: str = "gaussian") -> Objective:
    """The error plus w |h|_1.

    Args:
        weight: w, >= 0.
        likelihood: "gaussian" or "bernoulli".

    Raises:
        ValueError: a negative weight, an unknown likelihood.
    """
    _check(weight, likelihood)

    def value(net, x, keys):
        del keys
        h = net.encode(x)
        found = error(x, net.decode(h), likelihood)
        return Value(error=found, penalty=weight * jnp.abs(h).sum(1))

    return value


def kl(
    weight: float,
    rho: float = 0.05,
    likelihood: str = "gaussian",
    axis_name: str | None = None,
) -> Objective:
    """The error plus w times the divergence of the units' shares from rho.

    Args:
        weight: w, >= 0.
        rho: the share wanted, in (0, 1).
        likelihood: "gaussian" or "bernoulli".
        axis_name: of the learner, over which the means are taken.

    Raises:
        ValueError: a negative weight, a rho out of range, an unknown likelihood.
    """
    _check(weight, likelihood)
    if not isinstance(rho, jax.core.Tracer) and not 0 < rho < 1:
        raise ValueError(f"rho must be in (0, 1), got {rho}")

    def value(net, x, keys):
        del keys
        h = net.encode(x)
        found = error(x, net.decode(h), likelihood)
        held = jax.lax.stop_gradient(h)
        share = held.mean(0)  # [B, K] -> [K]
        share = jax.lax.pmean(share, axis_name) if axis_name else share
        share = jnp.clip(share, EDGE, 1 - EDGE)
        slope = (1 - rho) / (1 - share) - rho / share
        penalty = divergence(rho, share).sum() + (h - held) @ slope
        return Value(error=found, penalty=weight * penalty)

    return value


def divergence(rho: float, share: jax.Array) -> jax.Array:
    """KL between two coins, the one wanted and the one found, in nats; elementwise."""
    return rho * jnp.log(rho / share) + (1 - rho) * jnp.log((1 - rho) / (1 - share))


def hoyer(h: jax.Array) -> jax.Array:
    """How sparse codes are: 0 where all units are alike, 1 where one alone is active.

        (sqrt(K) - |h|_1 / |h|_2) / (sqrt(K) - 1)

    Args:
        h: codes, [B, K], K >= 2.

    Returns:
        [B]; 0 for a code of zeros.

    Raises:
        ValueError: codes that are not [B, K] with K >= 2.
    """
    if h.ndim != 2 or h.shape[1] < 2:
        raise ValueError(f"h must be [B, K] with K >= 2, got {list(h.shape)}")
    root, norm = np.sqrt(h.shape[1]).astype(h.dtype), jnp.linalg.norm(h, axis=1)
    ratio = jnp.abs(h).sum(1) / jnp.where(norm == 0, 1, norm)
    return jnp.where(norm == 0, 0, (root - ratio) / (root - 1))


def _check(weight, likelihood):
    if not isinstance(weight, jax.core.Tracer) and not weight >= 0:
        raise ValueError(f"weight must be >= 0, got {weight}")
    known(likelihood)
