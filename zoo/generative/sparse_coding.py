"""Sparse coding: each example as a sum of few atoms of a dictionary that is learned.

    codes        a(x) = argmin over a of 1/2 |x - a D|^2 + w |a|_1          by FISTA
    dictionary   argmin over D of the mean of that over examples, |D_k| <= 1

A step takes a batch, finds its codes at the dictionary as it is, adds to the sums of
all batches so far, and then improves each atom once, the others fixed, in their order:

    A = f A + sum over b of a_b^T a_b / B,    C = f C + sum over b of a_b^T x_b / B
    u = D_k + (C_k - A_k D) / A_kk,           D_k = u / max(|u|, 1)

f = 1 - 1 / t^p forgets the codes of early dictionaries, t counting the steps: at p = 0
all but this batch's, and the less the larger p is. There is no rate. An atom that no
example uses stays.

Shapes: B examples, P values of an example (a patch's pixels), K atoms.

References:
    Olshausen and Field, "Emergence of simple-cell receptive field properties by
    learning a sparse code for natural images", Nature 1996,
    https://doi.org/10.1038/381607a0
    Mairal, Bach, Ponce and Sapiro, "Online dictionary learning for sparse coding", ICML
    2009, https://doi.org/10.1145/1553374.1553463 (the step)
    Beck and Teboulle, "A fast iterative shrinkage-thresholding algorithm for linear
    inverse problems", 2009, https://doi.org/10.1137/080716542 (the codes)
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

import optim
from zoo.functional.losses import weighted
from zoo.learner import Learner


class SparseState(NamedTuple):
    step: jax.Array  # int32 scalar: steps taken
    dictionary: jax.Array  # D, rows of length 1 at most, [K, P]
    among: jax.Array  # A, how codes go together, [K, K]
    along: jax.Array  # C, codes with examples, [K, P]


def encode(
    dictionary: jax.Array,
    x: jax.Array,
    weight: float | jax.Array,
    steps: int = 200,
    tolerance: float = 1e-4,
    start: jax.Array | None = None,
    pull: float | jax.Array = 0.0,
) -> jax.Array:
    """The codes of examples, by FISTA with restarts.

    Args:
        dictionary: D, [K, P], not all 0.
        x: examples, [B, P].
        weight: w, >= 0.
        steps: at most.
        tolerance: an example is done when its gradient mapping has at most this norm.
        start: [B, K]; None: zeros.
        pull: g >= 0; adds g/2 |a - start|^2 to what is minimized.

    Returns:
        [B, K].

    Raises:
        ValueError: shapes that do not fit, a weight below 0.
    """
    if dictionary.ndim != 2 or x.ndim != 2 or x.shape[1] != dictionary.shape[1]:
        raise ValueError(
            "x must be [B, P] with the P of a dictionary [K, P], got "
            f"{list(x.shape)} and {list(dictionary.shape)}"
        )
    gram = dictionary @ dictionary.T  # [K, K]
    along = x @ dictionary.T  # [B, K]
    origin = jnp.zeros(along.shape, x.dtype) if start is None else start
    bound = jnp.linalg.eigvalsh(gram)[-1] + pull  # the largest curvature

    def one(along, origin):  # each example stops for itself, wherever it is computed
        def smooth(a, batch):  # but for |x|^2 / 2
            del batch
            fit = 0.5 * jnp.vdot(a, gram @ a) - jnp.vdot(a, along)
            return fit + 0.5 * pull * jnp.square(a - origin).sum()

        solver = optim.fista_solver(
            smooth, optim.l1(weight), origin, 1 / bound, False, tolerance=tolerance
        )
        return optim.solve(solver, steps=steps).state.x

    return jax.vmap(one)(along, origin)


def objective(
    dictionary: jax.Array, x: jax.Array, codes: jax.Array, weight: float | jax.Array
) -> jax.Array:
    """1/2 |x - a D|^2 + w |a|_1 of each example: [B]."""
    off = x - codes @ dictionary
    return 0.5 * jnp.square(off).sum(1) + weight * jnp.abs(codes).sum(1)


def learner(
    atoms: int,
    weight: float,
    power: float = 1.0,
    steps: int = 100,
    axis_name: str | None = None,
) -> Learner:
    """A dictionary that learns from batches.

    Args:
        atoms: K.
        weight: w, >= 0, of the codes.
        power: p, >= 0, of forgetting.
        steps: of FISTA, at most, in each step.
        axis_name: the axis over which a batch is split, or None.

    Returns:
        A learner of batches with `x`, floats [B, ...], and perhaps `weight`. Metrics:
        `loss`, the objective before the step, and `active`, how many of an example's
        codes are not 0.

    Raises:
        ValueError: atoms or steps that are no positive integer, a weight or power
            below 0.
    """
    for name, value in (("atoms", atoms), ("steps", steps)):
        if not isinstance(value, int) or value < 1:
            raise ValueError(f"{name} must be a positive integer, got {value!r}")
    for name, value in (("weight", weight), ("power", power)):
        if not isinstance(value, jax.core.Tracer) and not value >= 0:
            raise ValueError(f"{name} must be >= 0, got {value}")

    def total(tree):
        return jax.lax.psum(tree, axis_name) if axis_name else tree

    def init(key, batch):
        x = _flat(batch["x"])
        p = x.shape[1]
        drawn = jax.random.normal(key, (atoms, p), x.dtype)
        return SparseState(
            step=jnp.zeros((), jnp.int32),
            dictionary=drawn / jnp.linalg.norm(drawn, axis=1, keepdims=True),
            among=jnp.zeros((atoms, atoms), x.dtype),
            along=jnp.zeros((atoms, p), x.dtype),
        )

    def found(state, batch):
        x = _flat(batch["x"])
        codes = encode(state.dictionary, x, weight, steps)
        loss = objective(state.dictionary, x, codes, weight)
        active = (codes != 0).sum(1).astype(x.dtype)
        pairs = {"loss": loss, "active": active}
        return x, codes, {k: weighted(each, batch) for k, each in pairs.items()}

    def step(state, batch):
        x, codes, metrics = found(state, batch)
        weighed = codes
        if "weight" in batch:
            weighed = codes * batch["weight"].astype(x.dtype)[:, None]
        among, along, metrics = total((weighed.T @ codes, weighed.T @ x, metrics))
        count = jnp.where(metrics["loss"][1] == 0, 1, metrics["loss"][1])
        t = (state.step + 1).astype(x.dtype)
        kept = 1 - t**-power
        among = kept * state.among + among / count
        along = kept * state.along + along / count
        new = SparseState(
            step=state.step + 1,
            dictionary=improved(state.dictionary, among, along),
            among=among,
            along=along,
        )
        return new, metrics

    def evaluate(state, batch):
        return total(found(state, batch)[2])

    return Learner(init=init, step=step, evaluate=evaluate)


def improved(dictionary: jax.Array, among: jax.Array, along: jax.Array) -> jax.Array:
    """The dictionary after a round over its atoms: one step of coordinate descent.

    Args:
        dictionary: D, [K, P].
        among: A, [K, K].
        along: C, [K, P].
    """

    def one(k, d):
        used = among[k, k] > 0
        away = along[k] - among[k] @ d  # [P]
        u = d[k] + away / jnp.where(used, among[k, k], 1)
        u = u / jnp.maximum(jnp.linalg.norm(u), 1)
        return d.at[k].set(jnp.where(used, u, d[k]))

    return jax.lax.fori_loop(0, len(dictionary), one, dictionary)


def _flat(x):  # [B, ...] -> [B, P]
    return x.reshape(len(x), -1)
