"""Selective attention: a Neocognitron that looks at one of two patterns.

The strongest cell of the last stage asks, down the same connections, who had caused
it. What took part keeps its gain, what did not fades, and so the rest of the picture.

    forward    u_C0 = g_0 x,   u_Cl = g_l (C-cells of stage l)   see `neocognitron`
    top        w_CL = u_CL of the strongest cell, 0 of all others
    backward   w_Sl(n, k) = min(u_Sl(n, k), B sum over v of d(v) w_Cl(n - v, k))
               w_C(l-1)(n, i) = p[ sum over k, v of (a(v, i, k) - c(v) b(k) r / (1 + r))
                                                     w_Sl(n - v, k) ]
    gain       g_l = (1 + e) s / (e + s),  s = w_Cl / the largest w_Cl of its stage

Gains begin with 1. Backward paths are the transposes of the forward ones, with their
inhibition; they pass S-cells that answer and no others (the gate, min). w_C0 is what is
attended, g_0 x what is left of the picture.

Differs from the papers: no cells that lower thresholds where nothing is recognized, so
that it does not fill in what is missing, and does not turn to the other pattern when
the first is done with; B, as d sums to 1; a gain has no memory, and depends on the
share of the strongest signal; the look ends after a number of rounds.

References:
    Fukushima, "A neural network model for selective attention in visual pattern
    recognition", Biological Cybernetics, 1986, https://doi.org/10.1007/BF00363973
    Fukushima, "Neural network model for selective attention in visual pattern
    recognition and associative recall", Applied Optics, 1987,
    https://doi.org/10.1364/AO.26.004985
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from zoo.vision import neocognitron as neo


class Attention(NamedTuple):
    """Of a look at B images.

    Attributes:
        plane: of the strongest cell of the last stage, int32 [B].
        strength: of that cell, [B].
        seen: w_C0, [B, H, W, C].
        gains: g_0, ..., g_L.
    """

    plane: jax.Array
    strength: jax.Array
    seen: jax.Array
    gains: tuple[jax.Array, ...]


def attend(
    net: neo.Net,
    weights: tuple[neo.Weights, ...],
    x: jax.Array,
    *,
    rounds: int = 2,
    half: float = 0.1,
    amplify: float = 20.0,
) -> Attention:
    """Looks at images, each until one pattern is left.

    Args:
        net: its cells.
        weights: of a `neocognitron.NeocognitronState`.
        x: [B, H, W, C], 0 or more.
        rounds: forward and backward, 1 or more.
        half: e, above 0.
        amplify: B, above 0.

    Raises:
        ValueError: images of another shape or below 0; a number out of range.
    """
    if rounds < 1 or not min(half, amplify) > 0:
        raise ValueError(
            "rounds must be 1 or more, half and amplify above 0, got "
            f"{rounds}, {half} and {amplify}"
        )
    x = neo.images(net, x)

    def one(carry, _):
        x, gains, _ = carry
        layers = neo.forward(net, weights, gains[0] * x, gains[1:])
        top = layers[-1].c
        w = [jnp.where(top == top.max(), top, 0)]
        for i in reversed(range(len(layers))):
            w.insert(0, backward(net, weights, i, layers[i].s, w[0], amplify))
        best = top.max((0, 1))
        told = best.argmax().astype(jnp.int32), best.max(), w[0]
        return (x, tuple(_gain(v, half) for v in w), told), None

    def look(x):
        cells = (x, *(layer.c for layer in neo.forward(net, weights, x)))
        gains = tuple(jnp.ones_like(u) for u in cells)
        told = jnp.zeros((), jnp.int32), jnp.zeros((), x.dtype), jnp.zeros_like(x)
        return jax.lax.scan(one, (x, gains, told), None, length=rounds)[0][1:]

    gains, (plane, strength, seen) = jax.vmap(look)(x)
    return Attention(plane=plane, strength=strength, seen=seen, gains=gains)


def backward(net, weights, i: int, s, w, amplify: float) -> jax.Array:
    """w_C of the stage before stage i, from u_S and w_C of stage i; of one image."""
    stage, (a, b) = net.stages[i], weights[i]
    back = jax.linear_transpose(lambda u: neo.pool(stage, u), s)
    gated = jnp.minimum(s, amplify * back(w)[0])
    c = neo.fall_c(stage, a.shape[2], a.dtype)[..., None]  # [h, h, C, 1]
    paths = a - stage.r / (1 + stage.r) * c * b.reshape(1, 1, 1, -1)
    paths = paths.reshape(-1, *paths.shape[2:])

    def excite(u):  # [H, W, C] -> [H, W, K], linear
        seen = neo.windows(u, stage.field)
        u = jnp.einsum("nvi,vik->nk", seen, paths, precision="highest")
        return u.reshape(s.shape)

    shape = jax.ShapeDtypeStruct((*s.shape[:2], a.shape[2]), s.dtype)
    return neo.saturated(jax.linear_transpose(excite, shape)(gated)[0], net.alpha)


def _gain(w, half: float):
    share = w / jnp.where(w.max() > 0, w.max(), 1)
    return (1 + half) * share / (half + share)
