"""The contractive autoencoder: a code that small changes of the example hardly move.

    penalty = w |J|^2,   J_kd = d h_k / d x_d,   |J|^2 = sum over k, d of J_kd^2

    closed      of one layer h = f(x W + b):  sum over k of f'_k^2 sum over d of W_dk^2
    hutchinson  of any encoder:  mean over s of |J^T v_s|^2,  v_s of independent signs

The second is right in expectation, E[v v^T] being the identity, and takes one backward
pass a draw. With tied weights, as in the paper, the encoder cannot escape by shrinking
W while the decoder grows.

Shapes: B examples, D values of an example, K units of the code.

References:
    Rifai, Vincent, Muller, Glorot and Bengio, "Contractive auto-encoders: explicit
    invariance during feature extraction", ICML 2011,
    https://icml.cc/2011/papers/455_icmlpaper.pdf
    Hutchinson, "A stochastic estimator of the trace of the influence matrix",
    Communications in Statistics 1989, https://doi.org/10.1080/03610918908812806
"""

import jax
import jax.numpy as jnp

from zoo.errors import unknown
from zoo.generative.autoencoder import Autoencoder
from zoo.generative.objective import Net, Objective, Value, error, known

METHODS = ("closed", "hutchinson")
SLOPES = {  # f', as a function of f
    "identity": jnp.ones_like,
    "sigmoid": lambda h: h * (1 - h),
    "tanh": lambda h: 1 - h * h,
    "relu": lambda h: (h > 0).astype(h.dtype),
}


def contractive(
    weight: float,
    method: str = "closed",
    probes: int = 1,
    likelihood: str = "gaussian",
) -> Objective:
    """The error plus w |J|^2.

    Args:
        weight: w, >= 0.
        method: "closed", for an `Autoencoder` of one layer, or "hutchinson".
        probes: draws for each example, of the latter.
        likelihood: "gaussian" or "bernoulli".

    Raises:
        ValueError: a negative weight, an unknown method or likelihood, no probe; in
            the closed form, when called, a network of more than one layer.
    """
    if not isinstance(weight, jax.core.Tracer) and not weight >= 0:
        raise ValueError(f"weight must be >= 0, got {weight}")
    if method not in METHODS:
        raise unknown("method", method, METHODS)
    if not isinstance(probes, int) or probes < 1:
        raise ValueError(f"probes must be a positive integer, got {probes!r}")
    known(likelihood)

    def value(net, x, keys):
        found = error(x, net.decode(net.encode(x)), likelihood)
        if method == "closed":
            squares = closed(net, x)
        else:
            squares = hutchinson(net, x, keys, probes)
        return Value(error=found, penalty=weight * squares)

    return value


def closed(net: Net, x: jax.Array) -> jax.Array:
    """|J|^2 of an encoder of one layer, for each example: [B, ...] -> [B].

    Raises:
        ValueError: a network that is no `Autoencoder` of one layer.
    """
    model = net.model
    if not isinstance(model, Autoencoder) or len(model.widths) != 1:
        raise ValueError(
            "method must be 'hutchinson' for what is no Autoencoder of one layer, got "
            f"'closed' and {type(model).__name__}"
            f"{getattr(model, 'widths', '')}"
        )
    slope = SLOPES[model.code or model.activation](net.encode(x))  # [B, K]
    return jnp.square(slope) @ jnp.square(net.params["encoder_0"]["kernel"]).sum(0)


def hutchinson(net: Net, x: jax.Array, keys: jax.Array, probes: int = 1) -> jax.Array:
    """An estimate of |J|^2 without bias, for each example.

    Args:
        net: whose encoder gives one array, [B, K].
        x: examples, [B, ...].
        keys: one for each example, [B].
        probes: how many draws are averaged.

    Returns:
        [B].
    """
    h, back = jax.vjp(net.encode, x)
    draw = lambda key: jax.random.rademacher(key, (probes, h.shape[1]), h.dtype)
    signs = jnp.moveaxis(jax.vmap(draw)(keys), 1, 0)  # [B, S, K] -> [S, B, K]
    moved = jax.vmap(back)(signs)[0]  # J^T v, [S, B, ...]
    return jnp.square(moved).reshape(probes, len(x), -1).sum(2).mean(0)
