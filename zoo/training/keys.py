"""Typed PRNG keys as plain arrays and back, for what only takes plain arrays."""

from typing import Any

import jax
import numpy as np

IMPLEMENTATIONS = {
    "key<fry>": "threefry2x32",
    "key<rbg>": "rbg",
    "key<urbg>": "unsafe_rbg",
}


def is_key(x: Any) -> bool:
    """Whether an array, or a ShapeDtypeStruct, holds typed PRNG keys."""
    return jax.dtypes.issubdtype(x.dtype, jax.dtypes.prng_key)


def raw(x: jax.Array) -> jax.Array:
    """A key as its data; other arrays as they are."""
    return jax.random.key_data(x) if is_key(x) else x


def raw_spec(x: Any) -> jax.ShapeDtypeStruct:
    """Shape and type of `raw(x)`, for arrays and ShapeDtypeStructs."""
    return jax.eval_shape(raw, x)


def typed(data: Any, dtype: Any) -> Any:
    """The inverse of `raw`: data as keys, if `dtype` is a type of keys."""
    if not jax.dtypes.issubdtype(dtype, jax.dtypes.prng_key):
        return data
    return jax.random.wrap_key_data(data, impl=IMPLEMENTATIONS[str(dtype)])


def zeros(like: Any) -> np.ndarray:
    """Zeros of the shape and type of `raw(like)`."""
    spec = raw_spec(like)
    return np.zeros(spec.shape, spec.dtype)
