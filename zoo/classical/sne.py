"""Stochastic neighbour embedding: a map in which neighbours in the data are neighbours.

    SNE, symmetric SNE, t-SNE       the objective KL(P | Q): `zoo.classical.sne_exact`
    P                               of the data: `zoo.classical.affinities`
    interpolation                   for many points: `zoo.classical.sne_interpolation`

    gain     g = g + 0.2 where the gradient's sign is not that of the last update u,
                 0.8 g where it is; at least 0.01
    update   u = momentum u - rate g (dKL/dy)
    map      y = y + u, then less its mean

Delta-bar-delta: u points downhill, so that a gradient of u's sign means that u has gone
too far; one of the other sign lets the gain of that coordinate grow.

At first (`exaggerated` steps) P is multiplied by the exaggeration and the momentum is
0.5: clusters form, small and far apart, and find their places. Then P is as it is, and
the momentum 0.8. The rate is N / (4 exaggeration), but at least 50, as in scikit-learn,
or N / 10 of fewer than 500 points, for which 50 is too much: SNE diverges.

The crowding problem: in 10 dimensions 11 points may be equally far from each other, in
the plane only 3. A ball's points are mostly near its surface, and a map has too little
room at moderate distances for all of them. With Gaussian tails (SNE, symmetric SNE) the
many small attractions of far points crush the map into one crowd. Student's heavy tails
let a moderate distance in the data be a large one in the map.

A map shows who is whose neighbour. Sizes of clusters and distances between them mean
little. There is no map of new points: they have no place among the y.

Points that are all equal have an even P, as has Q where they coincide: KL is 0, and the
map stays where it starts. Equal points that start together stay so.

Shapes: N points, D features, E dimensions of the map.

References:
    Hinton and Roweis, "Stochastic neighbor embedding", NeurIPS 2002,
    https://papers.nips.cc/paper/2276-stochastic-neighbor-embedding
    van der Maaten and Hinton, "Visualizing data using t-SNE", JMLR 9, 2008,
    https://jmlr.org/papers/v9/vandermaaten08a.html
    Jacobs, "Increased rates of convergence through learning rate adaptation", Neural
    Networks 1, 1988, https://doi.org/10.1016/0893-6080(88)90003-2 (delta-bar-delta)
    Belkina et al., "Automated optimized parameters for t-distributed stochastic
    neighbor embedding", Nature Communications 10, 2019,
    https://doi.org/10.1038/s41467-019-13055-y (the rate)
"""

import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from zoo.classical import affinities, checks, pca, sne_exact, sne_interpolation
from zoo.classical.seeding import positive
from zoo.classical.sne_exact import KINDS
from zoo.errors import unknown
from zoo.learner import Learner

STARTS = ("pca", "random")
METHODS = ("exact", "interpolation")
FIRST = 1e-4  # standard deviation of the first map
SLOW, FAST = 0.5, 0.8  # momentum while exaggerated, and then
GROWTH, DECAY, LEAST = 0.2, 0.8, 0.01  # of the gains


class SNEState(NamedTuple):
    step: jax.Array  # int32 scalar: steps taken
    positions: jax.Array  # y, the map, [N, E]
    update: jax.Array  # u, the last change of the positions, [N, E]
    gains: jax.Array  # g, a rate for each coordinate, [N, E]


def learner(
    kind: str = "tsne",
    *,
    dimensions: int = 2,
    rate: float | None = None,
    exaggeration: float = 12.0,
    exaggerated: int = 250,
    start: str | jax.Array = "pca",
    method: str = "exact",
    nodes: int | None = None,
    axis_name: str | None = None,
) -> Learner:
    """A map that is learned; its batch is constant, of `affinities.batch`.

    Args:
        kind: "sne", "symmetric" or "tsne".
        dimensions: E.
        rate: of the steps, > 0; None: max(N / (4 exaggeration), min(50, N / 10)).
        exaggeration: of P at first, >= 1.
        exaggerated: steps with it, >= 0.
        start: "pca", the first principal components; "random", normal; both of
            standard deviation 1e-4; or the positions, [N, E].
        method: "exact", of a dense batch; or "interpolation", of a sparse one, for
            t-SNE in one or two dimensions.
        nodes: of the interpolation, along each dimension; None: 256, or 512 of more
            than 5,000 points. Its errors are small up to half as many units of the map.
        axis_name: the axis over which each array of the batch is split, or None.

    Returns:
        A learner of batches with `x` (for the start), `p`, `plogp`, `plogp_sne` and,
        for the interpolation, `near` and `row`. Its metric, also of `evaluate`, is
        `kl`: KL(P|Q) in nats before the step, of P without the exaggeration.

    Raises:
        ValueError: an unknown name; a number out of range; at init, a batch or a start
            that does not fit.
    """
    _check(kind, dimensions, rate, exaggeration, exaggerated, start, method, nodes)

    def init(key, batch):
        y = _start(key, batch, start, dimensions, method)
        return SNEState(
            step=jnp.zeros((), jnp.int32),
            positions=y,
            update=jnp.zeros_like(y),
            gains=jnp.ones_like(y),
        )

    def slope(state, batch):
        early = state.step < exaggerated
        much = jnp.where(early, exaggeration, 1).astype(state.positions.dtype)
        y, p = state.positions, batch["p"]
        if method == "exact":
            return sne_exact.gradient(y, p, kind, much, axis_name)
        few, grid = (p, batch["near"], batch["row"]), nodes or _nodes(len(y))
        return sne_interpolation.gradient(y, *few, much, grid, axis_name)

    def kl(state, batch):
        y, p = state.positions, batch["p"]
        plogp = batch["plogp_sne" if kind == "sne" else "plogp"]
        if method == "exact":
            value = sne_exact.objective(y, p, plogp, kind, axis_name)
        else:
            few, grid = (p, batch["near"], batch["row"]), nodes or _nodes(len(y))
            value = sne_interpolation.objective(y, *few, plogp, grid, axis_name)
        return {"kl": (value, jnp.ones_like(value))}

    def step(state, batch):
        y, dtype = state.positions, state.positions.dtype
        g = slope(state, batch)
        turned = jnp.sign(g) != jnp.sign(state.update)
        gains = jnp.where(turned, state.gains + GROWTH, state.gains * DECAY)
        gains = jnp.maximum(gains, LEAST)
        momentum = jnp.where(state.step < exaggerated, SLOW, FAST).astype(dtype)
        eta = _rate(len(y), exaggeration) if rate is None else rate
        update = momentum * state.update - jnp.asarray(eta, dtype) * gains * g
        moved = y + update
        new = SNEState(
            step=state.step + 1,
            positions=moved - moved.mean(0, keepdims=True),
            update=update,
            gains=gains,
        )
        return new, kl(state, batch)

    return Learner(init=init, step=step, evaluate=kl)


def fit(
    key: jax.Array,
    x: jax.Array,
    kind: str = "tsne",
    *,
    perplexity: float = 30.0,
    steps: int = 1000,
    dimensions: int = 2,
    rate: float | None = None,
    exaggeration: float = 12.0,
    exaggerated: int = 250,
    start: str | jax.Array = "pca",
    method: str = "exact",
    nodes: int | None = None,
) -> SNEState:
    """A map of the points.

    Args:
        key: of a random start.
        x: [N, D].
        kind: "sne", "symmetric" or "tsne".
        perplexity: from 1 to N - 1; may be traced where the method is exact.
        steps: how many.
        dimensions, rate, exaggeration, exaggerated, start, method, nodes: as in
            `learner`. The interpolation takes the nearest of each point only.

    Returns:
        The state; its `positions` are the map.

    Raises:
        ValueError: as `learner` and `affinities.dense`; steps below 1; a rate with
            which the map became infinite, where it can be read (traced: NaN).
    """
    positive("steps", steps)
    _check(kind, dimensions, rate, exaggeration, exaggerated, start, method, nodes)
    batch = affinities.batch(x, perplexity, nearest=method == "interpolation")
    begin = _drawn if isinstance(start, str) else _start
    first = begin(key, batch, start, dimensions, method)
    rows = {name: batch[name] for name in batch if name not in ("x", "index")}
    numbers = (steps, exaggerated, rate, exaggeration)
    state = _fit(first, rows, numbers, kind, method, nodes)
    y = state.positions
    if not isinstance(y, jax.core.Tracer) and not np.isfinite(y).all():
        raise ValueError(f"rate must be smaller: with {rate} the map became infinite")
    return state


@functools.partial(jax.jit, static_argnums=(3, 4, 5))  # one program for all numbers
def _fit(first, rows, numbers, kind, method, nodes):
    steps, exaggerated, rate, exaggeration = numbers
    made = learner(
        kind,
        dimensions=first.shape[1],
        rate=rate,
        exaggeration=exaggeration,
        exaggerated=exaggerated,
        start=first,
        method=method,
        nodes=nodes,
    )
    advance = lambda _, state: made.step(state, rows)[0]
    state = made.init(None, rows)  # no chance in it: the start is given
    return jax.lax.fori_loop(0, steps, advance, state)


def _rate(n, exaggeration):
    return jnp.maximum(n / (4 * exaggeration), min(50, n / 10))


def _nodes(n):
    return 256 if n <= 5000 else 512


def _start(key, batch, start, dimensions, method):
    """The first positions, [N, E]."""
    p = batch["p"]
    n, sparse = len(batch["plogp"]), "near" in batch
    if sparse != (method == "interpolation"):
        wanted = "a sparse one" if method == "interpolation" else "a dense one"
        raise ValueError(
            f"batch must be {wanted} for method {method!r}: affinities.batch(x, "
            f"perplexity, nearest={method == 'interpolation'})"
        )
    if not isinstance(start, str):
        y = checks.finite("start", start).astype(p.dtype)
        if y.shape != (n, dimensions):
            raise ValueError(f"start must be [{n}, {dimensions}], got {list(y.shape)}")
        return jnp.array(y)
    if start == "random":
        return FIRST * jax.random.normal(key, (n, dimensions), p.dtype)
    x = checks.finite("x", batch["x"]).astype(p.dtype)
    y = pca.transform(pca.fit(x, dimensions), x)
    spread = y[:, 0].std()
    return y * (FIRST / jnp.where(spread > 0, spread, 1))


_drawn = jax.jit(_start, static_argnums=(2, 3, 4))


def _check(kind, dimensions, rate, exaggeration, exaggerated, start, method, nodes):
    if kind not in KINDS:
        raise unknown("kind", kind, KINDS)
    if method not in METHODS:
        raise unknown("method", method, METHODS)
    if isinstance(start, str) and start not in STARTS:
        raise unknown("start", start, STARTS)
    positive("dimensions", dimensions)
    if nodes is not None:
        positive("nodes", nodes)
    if method == "interpolation" and (kind != "tsne" or dimensions > 2):
        raise ValueError(
            "method 'interpolation' is for tsne in 1 or 2 dimensions, got "
            f"{kind} in {dimensions}"
        )
    concrete = lambda value: not isinstance(value, jax.core.Tracer)
    whole = not concrete(exaggerated) or isinstance(exaggerated, int)
    if not whole or (concrete(exaggerated) and exaggerated < 0):
        raise ValueError(f"exaggerated must be an integer >= 0, got {exaggerated!r}")
    if rate is not None and concrete(rate) and not 0 < rate < math.inf:
        raise ValueError(f"rate must be finite and > 0, got {rate!r}")
    if concrete(exaggeration) and not 1 <= exaggeration < math.inf:
        raise ValueError(f"exaggeration must be finite and >= 1, got {exaggeration!r}")
