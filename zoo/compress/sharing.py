"""Weight sharing: a layer has a few values only, found by k-means and then trained.

    code_i = argmin_k |w_i - c_k|         for weights that are not 0; 0 stays 0
    w_i    = c[code_i]                    dL/dc_k = sum of dL/dw_i over code_i = k

The centroids begin evenly spaced from the least weight to the largest, which keeps the
few large ones (the paper's best of three), and then Lloyd's iteration moves them. In
one dimension a cluster is an interval: with weights in order and their running sums, an
iteration costs k logarithms.

Shapes: n weights, k centroids.

References:
    Han, Mao and Dally, "Deep Compression", ICLR 2016, https://arxiv.org/abs/1510.00149,
    section 3
"""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from zoo.compress.reparameterise import (
    Rule,
    Select,
    flat,
    is_kernel,
    replaced,
    selected,
)
from zoo.errors import unknown

PyTree = Any
ITERATIONS = 100
MOST = 12  # bits


def cluster(weights: jax.Array, k: int, iterations: int = ITERATIONS):
    """Centroids of the weights that are not 0, and whose centroid each weight is.

    On the host. Traced, as in a learner's `init`, centroids stay evenly spaced.

    Args:
        weights: [...].
        k: centroids, at least 1.
        iterations: of Lloyd's; more change nothing once it stands still.

    Returns:
        The codebook, [k], in order, and the codes, [...]: 0 for weights of 0, else
        1 to k; uint8, or uint16 for k of 256 or more. A centroid that no weight is near
        stays where it was.

    Raises:
        ValueError: a k out of range.
    """
    if not 1 <= k < 1 << 16:
        raise ValueError(f"k must be an integer from 1 to 65535, got {k}")
    if isinstance(weights, jax.core.Tracer):
        there = weights != 0
        low = jnp.min(weights, where=there, initial=jnp.inf)
        high = jnp.max(weights, where=there, initial=-jnp.inf)
        low, high = (jnp.where(there.any(), end, 0) for end in (low, high))
        part = jnp.asarray(_spaced(k), weights.dtype)
        c = low + (high - low) * part
        return c, assigned(weights, c)
    weights = np.asarray(weights)
    w = np.sort(weights[weights != 0].astype(np.float64))
    sums = np.concatenate([[0.0], np.cumsum(w)])
    low, high = (w[0], w[-1]) if w.size else (0.0, 0.0)
    c = low + (high - low) * _spaced(k)
    for _ in range(iterations):
        ends = np.searchsorted(w, (c[1:] + c[:-1]) / 2)
        ends = np.concatenate([[0], ends, [len(w)]])
        counts = np.diff(ends)
        before = c
        c = np.where(counts > 0, np.diff(sums[ends]) / np.maximum(counts, 1), c)
        if np.array_equal(before, c):
            break
    c = c.astype(weights.dtype)
    return c, np.asarray(assigned(weights, c))


def _spaced(k: int) -> np.ndarray:
    return np.linspace(0, 1, k) if k > 1 else np.full(1, 0.5)


def assigned(weights: jax.Array, codebook: jax.Array) -> jax.Array:
    """The codes of weights: 0 for 0, else 1 + the number of the nearest centroid."""
    borders = (codebook[1:] + codebook[:-1]) / 2
    xp, form = np, {}
    if isinstance(weights, jax.core.Tracer):
        xp, form = jnp, {"method": "compare_all"}  # compiles in no time
    codes = xp.where(weights != 0, 1 + xp.searchsorted(borders, weights, **form), 0)
    return codes.astype(np.uint8 if len(codebook) < 256 else np.uint16)


def looked_up(codebook: jax.Array, codes: jax.Array) -> jax.Array:
    """The weights that codes stand for."""
    zero = jnp.zeros(1, codebook.dtype)
    return jnp.concatenate([zero, codebook])[codes]


def shared(bits: int | Mapping[str, int] = 5, select: Select = is_kernel) -> Rule:
    """A rule: centroids train, whose centroid a weight is stays.

    Args:
        bits: of a code: 2^bits - 1 centroids, and 0; by path, if layers differ.
        select: which leaves are shared, if bits is one number.

    Raises:
        ValueError: bits out of range; at init, an unknown path.
    """
    each = bits.values() if isinstance(bits, Mapping) else [bits]
    for b in each:
        if not (isinstance(b, int) and 1 <= b <= MOST):
            raise ValueError(f"bits must be an integer from 1 to {MOST}, got {b!r}")

    def encode(params):
        weights = selected(params, select)
        if isinstance(bits, Mapping):
            leaves = flat(params)
            for path in bits:
                if path not in leaves:
                    raise unknown("weight", path, leaves)
            weights = {path: leaves[path] for path in bits}
        codebooks, codes = {}, {}
        for path, leaf in weights.items():
            b = bits[path] if isinstance(bits, Mapping) else bits
            codebooks[path], codes[path] = cluster(leaf, 2**b - 1)
        return replaced(params, codebooks), codes

    def decode(floats, codes, key):
        del key
        leaves = flat(floats)
        made = {path: looked_up(leaves[path], code) for path, code in codes.items()}
        return replaced(floats, made)

    return Rule(encode, decode)
