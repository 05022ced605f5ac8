"""Positions of tokens, for layers that see a set: sinusoidal and rotary.

    sinusoidal  PE(p)_{2i} = sin(p w_i),  PE(p)_{2i+1} = cos(p w_i),
                w_i = 10000^(-2i / D), added to what stands for the token
    shift       PE(p + k) = M_k PE(p),  M_k turns the pair (2i, 2i+1) by the angle k w_i
    rotary      pairs (i, i + D/2) of queries and keys are turned by the angle p w_i, so
                that a score depends on the distance of the two positions alone:
                (R_p q) . (R_s k) = q . R_{s-p} k

Learned positions, a row of numbers for each, are a parameter of the models.

Shapes: T tokens, D features (even), N heads; ... any axes.
Differs from the papers: RoFormer turns neighbours (2i, 2i+1); here, as in GPT-NeoX and
since, the two halves are the pairs, which is the same up to an order of the features.

References:
    Vaswani et al., "Attention is all you need", NeurIPS 2017,
    https://arxiv.org/abs/1706.03762, section 3.5
    Su et al., "RoFormer: enhanced Transformer with rotary position embedding",
    Neurocomputing 2024, https://arxiv.org/abs/2104.09864
"""

import jax
import jax.numpy as jnp

from zoo.errors import unknown

POSITIONS = ("sinusoidal", "learned", "rotary")
BASE = 10_000.0


def sinusoidal(
    positions: jax.Array, features: int, dtype: jax.typing.DTypeLike = jnp.float32
) -> jax.Array:
    """The sinusoidal positions PE.

    Args:
        positions: p, int [T] or any shape.
        features: D, even.
        dtype: of the result.

    Returns:
        [T, D]: sines at the even places, cosines at the odd ones.

    Raises:
        ValueError: D odd or not positive.
    """
    angle = _angles(positions, features, dtype)
    pairs = jnp.stack([jnp.sin(angle), jnp.cos(angle)], -1)  # [T, D / 2, 2]
    return pairs.reshape(*positions.shape, features)


def shift(
    k: int, features: int, dtype: jax.typing.DTypeLike = jnp.float32
) -> jax.Array:
    """M_k, [D, D], with PE(p + k) = M_k PE(p) for every p.

    Args:
        k: by how many positions; may be negative.
        features: D, even.
        dtype: of the result.

    Raises:
        ValueError: D odd or not positive.
    """
    angle = _angles(jnp.asarray(k), features, dtype)
    sin, cos = jnp.sin(angle), jnp.cos(angle)
    even = 2 * jnp.arange(features // 2)
    m = jnp.zeros((features, features), dtype)
    m = m.at[even, even].set(cos).at[even, even + 1].set(sin)
    return m.at[even + 1, even].set(-sin).at[even + 1, even + 1].set(cos)


def rotary(x: jax.Array, positions: jax.Array) -> jax.Array:
    """Queries or keys, turned by their positions.

    Args:
        x: [..., T, N, D].
        positions: int [T].

    Returns:
        As x.

    Raises:
        ValueError: D odd.
    """
    angle = _angles(positions, x.shape[-1], x.dtype)[:, None]  # [T, 1, D / 2]
    angle = angle.reshape((1,) * (x.ndim - 3) + angle.shape)
    sin, cos = jnp.sin(angle), jnp.cos(angle)
    a, b = jnp.split(x, 2, axis=-1)
    return jnp.concatenate([a * cos - b * sin, a * sin + b * cos], axis=-1)


def added(
    kind: str, h: jax.Array, before: jax.Array, learned: jax.Array | None = None
) -> jax.Array:
    """What positions add to embeddings, [1, T, D]; of rotary ones 0.

    Args:
        kind: one of `POSITIONS`.
        h: the embeddings, [B, T, D].
        before: tokens that came before, int32 scalar.
        learned: a row for each position, [L, D], if they are learned.

    Raises:
        ValueError: an unknown kind; T above L.
    """
    if kind not in POSITIONS:
        raise unknown("positions", kind, POSITIONS)
    time, width = h.shape[1:]
    if kind == "rotary":
        return jnp.zeros((), h.dtype)
    if kind == "learned":
        if time > len(learned):
            raise too_long(time, len(learned))
        return jax.lax.dynamic_slice_in_dim(learned, before, time)[None]
    places = before + jnp.arange(time, dtype=jnp.int32)
    return sinusoidal(places, width, h.dtype)[None]


def too_long(length: int, longest: int) -> ValueError:
    """The error for more tokens than there is room for; the caller raises it."""
    return ValueError(f"sequences must have at most {longest} tokens, got {length}")


def _angles(positions, features, dtype):  # [T] -> [T, D / 2]
    if features < 2 or features % 2:
        raise ValueError(f"features must be even and positive, got {features}")
    i = jnp.arange(features // 2, dtype=dtype)
    w = jnp.exp(-jnp.log(jnp.asarray(BASE, dtype)) * (2 * i / features))
    w = w.reshape((1,) * positions.ndim + w.shape)
    return positions[..., None].astype(dtype) * w
