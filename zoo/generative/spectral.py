"""Spectral normalization: each kernel over its largest singular value.

    W -> W / sigma(W)         sigma(W) = max |W' h| / |h|

so that a dense layer, or each step of a convolution, stretches no vector. (A whole
convolution may, as windows overlap: its kernel is read as a matrix [h w C, O].) sigma
is found by power iteration, a step of it for each step of learning, with a vector u
that goes on where it stopped:

    v = W u / |W u|,   u <- W' v / |W' v|,   sigma = v' W u

u and v are constants to the gradient, and sigma is not: dsigma / dW = v u'.

Shapes: W [..., O] is a matrix [I, O]; u [O], v [I].

References:
    Miyato, Kataoka, Koyama and Yoshida, "Spectral normalization for generative
    adversarial networks", ICLR 2018, https://arxiv.org/abs/1802.05957
"""

from typing import Any

import jax
import jax.numpy as jnp


def start(key: jax.Array, params: Any) -> tuple[jax.Array, ...]:
    """Unit vectors u, one for each kernel, in the order of the tree's leaves."""
    kernels = [leaf for leaf in jax.tree.leaves(params) if leaf.ndim > 1]
    return tuple(
        _unit(jax.random.normal(jax.random.fold_in(key, i), w.shape[-1:], w.dtype))
        for i, w in enumerate(kernels)
    )


def iterate(params: Any, vectors: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
    """The vectors after a step of power iteration."""
    kernels = [leaf for leaf in jax.tree.leaves(params) if leaf.ndim > 1]
    pairs = zip(kernels, vectors, strict=True)
    return tuple(_unit(_matrix(w).T @ _unit(_matrix(w) @ u)) for w, u in pairs)


def normalize(params: Any, vectors: tuple[jax.Array, ...]) -> Any:
    """The parameters with each kernel over its sigma; biases are as they were."""
    left = iter(vectors)

    def one(leaf):
        if leaf.ndim < 2:
            return leaf
        u, w = jax.lax.stop_gradient(next(left)), _matrix(leaf)
        v = jax.lax.stop_gradient(_unit(w @ u))
        return leaf / (v @ w @ u)

    return jax.tree.map(one, params)


def _matrix(w):  # [..., O] -> [I, O]
    return w.reshape(-1, w.shape[-1])


def _unit(x):
    return x / jnp.maximum(jnp.linalg.norm(x), 1e-12)
