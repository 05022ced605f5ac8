"""Activations, and the derivative of each in closed form.

With s = 1 / (1 + exp(-x)), Phi and phi the normal distribution and its density:

    name           f(x)                            derivative
    sigmoid        s                               s (1 - s)
    tanh           tanh x = 2 s(2x) - 1            1 - tanh(x)^2
    relu           max(x, 0)                       [x > 0]
    leaky_relu     x if x >= 0 else 0.01 x         1 if x >= 0 else 0.01
    prelu          x if x >= 0 else a x            1 if x >= 0 else a; by a: min(x, 0)
    elu            x if x > 0 else exp(x) - 1      1 if x > 0 else exp(x)
    selu           l (x if x > 0 else              l (1 if x > 0 else a exp(x))
                      a (exp(x) - 1))              l = 1.0507..., a = 1.6733...
    relu6          min(max(x, 0), 6)               [0 < x < 6]
    softplus       log(1 + exp(x))                 s
    gelu           x (1 + tanh u) / 2,             (1 + tanh u) / 2
                   u = c (x + 0.044715 x^3),         + x u' (1 - tanh(u)^2) / 2,
                   c = sqrt(2 / pi)                u' = c (1 + 0.134145 x^2)
    gelu, exact    x Phi(x)                        Phi(x) + x phi(x)
    silu           x s                             s (1 + x (1 - s))
    sign           1 if x >= 0 else -1             [-1 <= x <= 1], straight through
    hard_sigmoid   max(0, min(1, (x + 1) / 2))     [-1 <= x <= 1] / 2
    hard_tanh      max(-1, min(1, x))              [-1 <= x <= 1]
    maxout         max over p of x_kp              1 at the largest piece, else 0
    softmax        exp(x_k) / sum_j exp(x_j)       p_k ([k = j] - p_j)

`ACTIVATIONS` and `DERIVATIVES` have those of one number by name, `JACOBIANS` the last
two. Of two classes, softmax is the logistic function of the difference of the logits.

At a kink, where the derivatives from left and right differ, `jax.grad` gives what the
table says, a number between the two (`KINKS` has the points): 0 for relu and relu6, 1
for leaky_relu and prelu, selu's left one, and at the ends of hard_tanh, hard_sigmoid
and sign what holds between them. PyTorch takes the side of x <= 0 for leaky_relu and
prelu, and 0 at both ends of hardtanh. Where pieces of a maxout are equal they share
the derivative; PyTorch's `max` over an axis gives it to one of them.

Differs from the references:
- sign(0) is 1 and never 0, so that a binary net has two values; the derivative of the
  sign itself is 0 wherever it exists, and ours is that of hard_tanh;
- hard_sigmoid is that of binarized nets. That of jax.nn, relu6(x + 3) / 6, is another;
- gelu is by default the approximation by tanh, as in jax.nn; PyTorch's default is
  exact, here `approximate=False`. They differ by less than 5e-4.

Shapes: K units or classes, P pieces.

References:
    Nair and Hinton, "Rectified linear units improve restricted Boltzmann machines",
    ICML 2010, https://icml.cc/Conferences/2010/papers/432.pdf (ReLU)
    Maas, Hannun and Ng, "Rectifier nonlinearities improve neural network acoustic
    models", ICML 2013,
    https://ai.stanford.edu/~amaas/papers/relu_hybrid_icml2013_final.pdf
    He et al., "Delving deep into rectifiers", ICCV 2015,
    https://arxiv.org/abs/1502.01852 (PReLU)
    Clevert, Unterthiner and Hochreiter, "Fast and accurate deep network learning by
    exponential linear units (ELUs)", ICLR 2016, https://arxiv.org/abs/1511.07289
    Klambauer et al., "Self-normalizing neural networks", NeurIPS 2017,
    https://arxiv.org/abs/1706.02515 (SELU)
    Hendrycks and Gimpel, "Gaussian error linear units (GELUs)", 2016,
    https://arxiv.org/abs/1606.08415
    Ramachandran, Zoph and Le, "Searching for activation functions", 2017,
    https://arxiv.org/abs/1710.05941 (SiLU, there named swish)
    Goodfellow et al., "Maxout networks", ICML 2013, https://arxiv.org/abs/1302.4389
    Courbariaux et al., "Binarized neural networks", 2016,
    https://arxiv.org/abs/1602.02830 (sign, hard sigmoid, straight-through derivative)
"""

from collections.abc import Callable
from functools import partial
from math import pi, sqrt

import jax
import jax.numpy as jnp
from jax.nn import elu as elu
from jax.nn import gelu as gelu
from jax.nn import hard_tanh as hard_tanh
from jax.nn import leaky_relu as leaky_relu
from jax.nn import relu as relu
from jax.nn import relu6 as relu6
from jax.nn import selu as selu
from jax.nn import sigmoid as sigmoid
from jax.nn import silu as silu
from jax.nn import softmax as softmax
from jax.nn import softplus as softplus
from jax.nn import tanh as tanh

# SELU's, so that mean 0 and variance 1 are a fixed point (Klambauer et al., appendix).
SELU_ALPHA = 1.6732632423543772848170429916717
SELU_SCALE = 1.0507009873554804934193349852946
SLOPE = 0.25  # of prelu where it has no other: He et al.'s start


def prelu(x: jax.Array, slope: jax.Array) -> jax.Array:
    """A rectifier whose slope below 0 is learned: x if x >= 0 else slope x.

    Args:
        x: [..., K].
        slope: a, one for each unit, [K], or one for all, [].

    Returns:
        [..., K].

    Raises:
        ValueError: x that are not floats; slopes that are neither [K] nor [].
    """
    _check_floats(x)
    if slope.shape not in ((), x.shape[-1:]):
        raise ValueError(
            f"slope must be one number or one for each of the last axis of x, "
            f"{x.shape}, got shape {slope.shape}"
        )
    slope = slope.reshape((1,) * (x.ndim - slope.ndim) + slope.shape)
    return jnp.where(x >= 0, x, slope * x)


def maxout(x: jax.Array, pieces: int) -> jax.Array:
    """The largest of each unit's pieces.

    Args:
        x: the pieces of a unit side by side, [..., K P].
        pieces: P.

    Returns:
        [..., K].

    Raises:
        ValueError: x that are not floats, or pieces not an integer that divides the
            last axis.
    """
    _check_floats(x)
    if not isinstance(pieces, int) or pieces < 1 or not x.ndim or x.shape[-1] % pieces:
        raise ValueError(
            f"pieces must be a positive integer that divides the last axis of x, "
            f"{x.shape}, got {pieces!r}"
        )
    return x.reshape(*x.shape[:-1], -1, pieces).max(-1)  # [..., K P] -> [..., K]


def sign(x: jax.Array) -> jax.Array:
    """1 or -1, with the straight-through derivative: 1 on [-1, 1], else 0.

    Args:
        x: [...].

    Returns:
        [...]; 1 at 0; NaN where x is NaN.

    Raises:
        ValueError: x that are not floats.
    """
    _check_floats(x)
    return _sign(x)


@jax.custom_jvp
def _sign(x):
    one = jnp.ones((), x.dtype)
    return jnp.where(x >= 0, one, jnp.where(x < 0, -one, x))


@_sign.defjvp
def _sign_jvp(primals, tangents):
    (x,), (tangent,) = primals, tangents
    return _sign(x), tangent * _within(x, -1, 1)


def hard_sigmoid(x: jax.Array) -> jax.Array:
    """max(0, min(1, (x + 1) / 2)); derivative 1/2 on [-1, 1], else 0.

    Args:
        x: [...].

    Returns:
        [...], from 0 to 1.

    Raises:
        ValueError: x that are not floats.
    """
    _check_floats(x)
    return (hard_tanh(x) + 1) / 2


def _check_floats(x):
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise ValueError(f"x must be floats, got {x.dtype}")


def _within(x, low, high):  # 1 on [low, high], else 0
    return jnp.logical_and(x >= low, x <= high).astype(x.dtype)


def _exp(x):  # of what is below 0; above, nothing that could overflow
    return jnp.exp(jnp.minimum(x, 0))


def _d_sigmoid(x):
    return sigmoid(x) * sigmoid(-x)  # 1 - s without cancellation


def _d_leaky(x, slope=0.01):
    return jnp.where(x >= 0, jnp.ones((), x.dtype), jnp.asarray(slope, x.dtype))


def _d_elu(x, alpha=1.0):
    return jnp.where(x > 0, jnp.ones((), x.dtype), alpha * _exp(x))


def _d_gelu(x):
    c = sqrt(2 / pi)
    t = jnp.tanh(c * (x + 0.044715 * x**3))
    return (1 + t) / 2 + x * c * (1 + 0.134145 * x**2) * (1 - t**2) / 2


def _d_gelu_exact(x):
    Phi, phi = jax.scipy.stats.norm.cdf(x), jnp.exp(-(x**2) / 2) / sqrt(2 * pi)
    return Phi + x * phi


def _d_silu(x):
    return sigmoid(x) * (1 + x * sigmoid(-x))


def _d_softmax(x):  # [K] -> [K, K], d p_k / d x_j
    p = softmax(x)
    return jnp.diag(p) - jnp.outer(p, p)


def _d_maxout(x):  # [P] -> [P]
    largest = (x == x.max()).astype(x.dtype)
    return largest / largest.sum()


ACTIVATIONS: dict[str, Callable[[jax.Array], jax.Array]] = {
    "sigmoid": sigmoid,
    "tanh": tanh,
    "hard_sigmoid": hard_sigmoid,
    "hard_tanh": hard_tanh,
    "sign": sign,
    "relu": relu,
    "relu6": relu6,
    "leaky_relu": leaky_relu,
    "prelu": lambda x: prelu(x, jnp.asarray(SLOPE, x.dtype)),
    "elu": elu,
    "selu": selu,
    "softplus": softplus,
    "gelu": gelu,
    "gelu_exact": partial(gelu, approximate=False),
    "silu": silu,
}
DERIVATIVES: dict[str, Callable[[jax.Array], jax.Array]] = {
    "sigmoid": _d_sigmoid,
    "tanh": lambda x: 1 - jnp.tanh(x) ** 2,
    "hard_sigmoid": lambda x: _within(x, -1, 1) / 2,
    "hard_tanh": lambda x: _within(x, -1, 1),
    "sign": lambda x: _within(x, -1, 1),
    "relu": lambda x: (x > 0).astype(x.dtype),
    "relu6": lambda x: ((x > 0) & (x < 6)).astype(x.dtype),
    "leaky_relu": _d_leaky,
    "prelu": lambda x: _d_leaky(x, SLOPE),
    "elu": _d_elu,
    "selu": lambda x: SELU_SCALE * _d_elu(x, SELU_ALPHA),
    "softplus": sigmoid,
    "gelu": _d_gelu,
    "gelu_exact": _d_gelu_exact,
    "silu": _d_silu,
}
# Of what has several inputs: softmax [K] -> [K, K], one maxout unit [P] -> [P].
JACOBIANS: dict[str, Callable[[jax.Array], jax.Array]] = {
    "softmax": _d_softmax,
    "maxout": _d_maxout,
}
KINKS: dict[str, tuple[float, ...]] = {
    "hard_sigmoid": (-1.0, 1.0),
    "hard_tanh": (-1.0, 1.0),
    "sign": (-1.0, 1.0),  # of the stated derivative; the sign itself jumps at 0
    "relu": (0.0,),
    "relu6": (0.0, 6.0),
    "leaky_relu": (0.0,),
    "prelu": (0.0,),
    "selu": (0.0,),
}
