"""Incremental network quantization (INQ): weights become powers of two, some at a time.

    P   = {0, +-2^n1, +-2^(n1 - 1), ..., +-2^n2}
    n1  = floor(log2(4 max|w| / 3)),  n2 = n1 + 1 - 2^(b-1) / 2
    w'  = sign(w) 2^n  where 3/4 2^n <= |w| < 3/2 2^n,  0 below 3/4 2^n2

One of the b bits says zero. Of each layer the largest weights are quantized first and
held fixed, and the others go on learning, to make up for what was lost; then more are,
at last all: 50, 75, 87.5 and 100 %.

References:
    Zhou, Yao, Guo, Xu and Chen, "Incremental network quantization", ICLR 2017,
    https://arxiv.org/abs/1702.03044
"""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from zoo.compress.reparameterise import (
    CODES,
    Rule,
    Select,
    flat,
    is_kernel,
    replaced,
    selected,
)

PyTree = Any
PORTIONS = (0.5, 0.75, 0.875, 1.0)


def powers(bits: int) -> int:
    """How many powers of two there are, of either sign.

    Raises:
        ValueError: bits outside 2 to 8.
    """
    if not (isinstance(bits, int) and 2 <= bits <= 8):
        raise ValueError(f"bits must be an integer from 2 to 8, got {bits!r}")
    return 2 ** (bits - 2)


def largest_power(w: jax.Array) -> jax.Array:
    """n1, an int32 scalar; 0 of weights that are all 0."""
    most = jnp.max(jnp.abs(w))
    # frexp is exact where a logarithm may be a hair below a whole number
    _, exponent = jnp.frexp(jnp.where(most > 0, 4 * most / 3, 1))
    return (exponent - 1).astype(jnp.int32)


def to_codes(w: jax.Array, n1: jax.Array, bits: int = 5) -> jax.Array:
    """The nearest numbers of P, as int8: 0, or the sign times 1 + n1 - n.

    Args:
        w: [...].
        n1: of `largest_power`.
        bits: b, from 2 to 8.
    """
    count = powers(bits)
    size = jnp.abs(w)
    # 3/4 2^n <= |w| < 3/2 2^n: n is the exponent of 4/3 |w|
    _, exponent = jnp.frexp(jnp.where(size > 0, 4 * size / 3, 1))
    down = jnp.maximum(n1 - (exponent - 1), 0)
    code = jnp.where((size > 0) & (down < count), 1 + down, 0)
    return (jnp.sign(w).astype(jnp.int32) * code).astype(jnp.int8)


def from_codes(codes: jax.Array, n1: jax.Array, dtype=jnp.float32) -> jax.Array:
    """The powers of two that codes stand for, exactly."""
    down = jnp.abs(codes.astype(jnp.int32)) - 1
    power = jnp.ldexp(jnp.ones(codes.shape, dtype), n1 - down)
    return jnp.sign(codes).astype(dtype) * power


def incremental(bits: int = 5, select: Select = is_kernel) -> Rule:
    """A rule: some weights are powers of two and fixed, the others train.

    At first all train; `advance` fixes more.

    Args:
        bits: b, from 2 to 8.
        select: which weights.

    Raises:
        ValueError: bits out of range.
    """
    powers(bits)

    def encode(params):
        codes = {}
        for path, w in selected(params, select).items():
            codes[path] = jnp.zeros(w.shape, jnp.int8)
            codes[f"{path}/fixed"] = jnp.zeros(w.shape, bool)
            codes[f"{path}/top"] = largest_power(w)
        return params, codes

    def decode(floats, codes, key):
        del key
        leaves, made = flat(floats), {}
        for path in _paths(codes):
            power = from_codes(codes[path], codes[f"{path}/top"], leaves[path].dtype)
            made[path] = jnp.where(codes[f"{path}/fixed"], power, leaves[path])
        return replaced(floats, made)

    return Rule(encode, decode)


def advance(
    variables: Mapping[str, PyTree], portion: float, bits: int = 5
) -> dict[str, PyTree]:
    """The variables with more weights fixed: the largest of those that train.

    Args:
        variables: of a model with the rule `incremental(bits)`.
        portion: the share of each layer that is fixed then, in (0, 1].
        bits: of the rule.

    Returns:
        Variables that compute the same but for what is quantized now.

    Raises:
        ValueError: a portion out of range, or smaller than what is fixed already.
    """
    if not 0 < portion <= 1:
        raise ValueError(f"portion must be in (0, 1], got {portion}")
    leaves, codes = flat(variables["params"]), dict(variables[CODES])
    for path in _paths(codes):
        w, fixed, top = leaves[path], codes[f"{path}/fixed"], codes[f"{path}/top"]
        count = round(portion * w.size)
        if count < int(fixed.sum()):
            raise ValueError(
                f"portion must be {int(fixed.sum()) / w.size:g} at least, which are "
                f"fixed already, got {portion}"
            )
        rank = jnp.where(fixed, jnp.inf, jnp.abs(w)).ravel()
        order = jnp.argsort(-rank, stable=True)
        more = jnp.zeros(w.size, bool).at[order[:count]].set(True).reshape(w.shape)
        new = jnp.where(more, to_codes(w, top, bits), 0)
        codes[path] = jnp.where(fixed, codes[path], new)
        codes[f"{path}/fixed"] = more
    return {**variables, CODES: jax.tree.map(jnp.asarray, codes)}


def _paths(codes: Mapping[str, Any]) -> list[str]:
    return [path for path in codes if f"{path}/fixed" in codes]
