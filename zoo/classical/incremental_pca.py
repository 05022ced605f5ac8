"""Incremental PCA: the components of a stream, one batch at a time.

Of n examples seen, with mean m, what is kept is diag(s) V^T [K, D]; a batch of b with
mean m_b and centred rows B adds to it, and the SVD of the stack keeps the K largest:

    U diag(s') V'^T = SVD of | diag(s) V^T                       |    [K + b + 1, D]
                             | B                                 |
                             | sqrt(n b / (n + b)) (m - m_b)^T   |
    m' = (n m + b m_b) / (n + b)

With K = D nothing is forgotten, and the result is that of all examples at once. With
less, what each batch leaves out is lost. Memory holds one batch.

In parallel every device has part of the batch; the parts are gathered, and each device
computes the same.

Shapes: B examples of a batch, D features, K components.

References:
    Ross, Lim, Lin and Yang, "Incremental learning for robust visual tracking",
    International Journal of Computer Vision 77, 2008,
    https://doi.org/10.1007/s11263-007-0075-7
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp

from zoo.classical import checks
from zoo.classical.pca import PCA, reconstruction_error, signed
from zoo.learner import Learner


class IncrementalState(NamedTuple):
    count: jax.Array  # int32 scalar: examples seen
    mean: jax.Array  # of them, [D]
    components: jax.Array  # rows of length 1, [K, D]; zeros before the first batch
    singular: jax.Array  # falling, [K]
    scatter: jax.Array  # squared distances of all examples from their mean, a scalar


def learner(components: int, *, axis_name: str | None = None) -> Learner:
    """PCA as a learner: each step takes in one batch.

    Args:
        components: K, at most D.
        axis_name: the parallel axis over which a batch is split.

    Returns:
        A learner of batches with `x`, floats [B, D]. Its metric, also of `evaluate`,
        is `error`: the squared distances of the batch from the plane after the step,
        in the square of the features' unit. No chance: init ignores the key.

    Raises:
        ValueError: when called on a batch that is not floats [B, D], or with K out of
            range.
    """

    def init(key, batch):
        del key
        x = _checked(batch["x"], components)
        zeros = lambda *shape: jnp.zeros(shape, x.dtype)
        d = x.shape[1]
        return IncrementalState(
            count=jnp.int32(0),
            mean=zeros(d),
            components=zeros(components, d),
            singular=zeros(components),
            scatter=zeros(),
        )

    def step(state, batch):
        x = batch["x"]
        if axis_name:
            x = jax.lax.all_gather(x, axis_name, tiled=True)
        state = _update(state, x)
        return state, _error(state, x)

    def evaluate(state, batch):
        error = _error(state, batch["x"])
        return jax.lax.psum(error, axis_name) if axis_name else error

    return Learner(init, step, evaluate)


def fit(x: jax.Array, components: int, *, batch_size: int = 256) -> PCA:
    """The components of examples, taken in batches in their order.

    Args:
        x: examples, floats [N, D], N >= 2.
        components: K, at most D.
        batch_size: examples of a batch; the last one may be smaller.

    Returns:
        As of `zoo.classical.pca.fit`, for `transform` and `inverse` of that file.

    Raises:
        ValueError: x of another shape, empty or not finite; K or the batch size out
            of range.
    """
    x = _checked(x, components)
    if len(x) < 2:
        raise ValueError(f"x must be [N, D] with N >= 2, got {list(x.shape)}")
    if not isinstance(batch_size, int) or batch_size < 1:
        raise ValueError(f"batch_size must be a positive integer, got {batch_size!r}")
    return _fit(x, components, min(batch_size, len(x)))


def result(state: IncrementalState) -> PCA:
    """What the batches so far give, in the form of `zoo.classical.pca.fit`."""
    divisor = jnp.maximum(state.count - 1, 1).astype(state.mean.dtype)
    return PCA(
        mean=state.mean,
        components=state.components,
        variance=state.singular**2 / divisor,
        singular=state.singular,
        total=state.scatter / divisor,
    )


@functools.partial(jax.jit, static_argnums=(1, 2))
def _fit(x, components, size):
    stream = learner(components)
    whole = len(x) // size * size
    blocks = x[:whole].reshape(-1, size, x.shape[1])  # [N, D] -> [N / B, B, D]
    body = lambda state, block: (stream.step(state, {"x": block})[0], None)
    state, _ = jax.lax.scan(body, stream.init(None, {"x": x}), blocks)
    if whole < len(x):
        state, _ = stream.step(state, {"x": x[whole:]})
    return result(state)


def _update(state, x):
    n, b = state.count.astype(x.dtype), len(x)
    mean = x.mean(0)
    centred, away = x - mean[None], state.mean - mean
    between = n * b / (n + b)
    kept = state.singular[:, None] * state.components  # [K, D]
    stack = jnp.concatenate([kept, centred, (jnp.sqrt(between) * away)[None]])
    _, singular, axes = jnp.linalg.svd(stack, full_matrices=False)
    k = len(state.singular)
    return IncrementalState(
        count=state.count + b,
        mean=(n * state.mean + b * mean) / (n + b),
        components=signed(axes[:k]),
        singular=singular[:k],
        scatter=state.scatter + jnp.sum(centred**2) + between * jnp.sum(away**2),
    )


def _error(state, x):
    distances = reconstruction_error(result(state), x)
    return {"error": (distances.sum(), jnp.asarray(len(x), x.dtype))}


def _checked(x, components):
    x = checks.finite("x", x)
    if x.ndim != 2:
        raise ValueError(f"x must be [N, D], got {list(x.shape)}")
    checks.at_most("components", components, x.shape[1], "features")
    return x
