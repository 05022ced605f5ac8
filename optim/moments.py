"""Running averages of gradients: what the states of optimizers are made of.

    average = beta*average + (1 - beta)*x
    correction = 1 - beta**t          divides the bias towards the zero start out

Averages of parameters narrower than float32 are kept in float32: in bfloat16
0.999 rounds to 1, and an average with that decay would only ever grow.
"""

import math

import jax
import jax.numpy as jnp
import optax


def zeros(params: optax.Params) -> optax.Updates:
    """A zero for each parameter, in its dtype or in float32 where that is wider.

    Raises:
        ValueError: a parameter is not real floating point; its path is named.
    """

    def leaf(path, p):
        dtype = jnp.asarray(p).dtype
        if not jnp.issubdtype(dtype, jnp.floating):
            where = jax.tree_util.keystr(path)
            raise ValueError(
                f"params{where} must be real floating point, got {dtype}; "
                "optax.masked leaves such a parameter out"
            )
        wide = jnp.float32 if jnp.finfo(dtype).bits < 32 else dtype
        return jnp.zeros_like(p, dtype=wide)

    return jax.tree_util.tree_map_with_path(leaf, params)


def cast(tree: optax.Updates, like: optax.Params) -> optax.Updates:
    """The tree, each leaf in the dtype of the same leaf of `like`."""
    return jax.tree.map(
        lambda x, y: jnp.asarray(x).astype(jnp.asarray(y).dtype), tree, like
    )


def constant(value: float | jax.Array, dtype: jnp.dtype) -> float | jax.Array:
    """A Python number as it is (it takes any dtype); a traced one in `dtype`."""
    return value.astype(dtype) if isinstance(value, jax.Array) else value


def ema(beta: float | jax.Array, average: jax.Array, x: jax.Array) -> jax.Array:
    """beta*average + (1 - beta)*x, in the average's dtype."""
    keep, take = (constant(b, average.dtype) for b in (beta, 1 - beta))
    return keep * average + take * x


def correction(beta: float | jax.Array, t: jax.Array, dtype: jnp.dtype) -> jax.Array:
    """1 - beta**t for the step count t >= 1, exact also where beta**t is near 1.

    In float32, 1 - 0.999 taken literally is wrong in the fifth digit.
    """
    if isinstance(beta, jax.Array):
        log = jnp.log(beta.astype(dtype))
    else:
        log = math.log(beta) if beta else -math.inf
    return -jnp.expm1(t.astype(dtype) * log)
