"""Nearest neighbours: classification and regression by the k examples most alike.

    N_k(q)    the k points of the base with the smallest d(q, x); of equal distances
              the lower index first
    p(c | q)  = sum over i in N_k(q) of w_i [y_i = c] / sum of w_i
    y(q)      = sum over i in N_k(q) of w_i y_i / sum of w_i
    w_i       = 1 (uniform)  or  1 / d(q, x_i) (distance)

A query that equals points of the base is at distance 0 from them: with weights by
distance only these points then count, each as much as the other. Of classes with equal
votes the lowest wins. Both as in scikit-learn, which in ties of distance keeps whatever
its heap holds.

A distance is a name or any function of two vectors, [D] and [D]. The names that are
products of matrices (euclidean, squared_euclidean, cosine, pearson; see
`zoo.functional.pairwise`) lose digits to cancellation. So they only choose k + 8
candidates; these are measured again as the function is written, and ordered by that.
A point is missed where, to within that rounding, more than 8 others are as near. A
function is applied to each pair as it is, which is slower.

Nothing is learned and nothing of size N M is held: blocks of the base pass by blocks of
queries, and each query keeps its best. With an axis name the base is split over the
devices; each finds its own, and these are merged, so that all hold the same answer.

Distances are differentiable in the queries and the base; which points are nearest is
not.

Shapes: N queries, M points of the base, D features, k neighbours, K classes, T targets,
n devices.

References:
    Cover and Hart, "Nearest neighbor pattern classification", IEEE Transactions on
    Information Theory, 1967, https://doi.org/10.1109/TIT.1967.1053964
    Dudani, "The distance-weighted k-nearest-neighbor rule", IEEE Transactions on
    Systems, Man, and Cybernetics, 1976, https://doi.org/10.1109/TSMC.1976.5408784
    (weights that fall with the distance)
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp

import zoo.functional as F
from zoo.classical import checks
from zoo.errors import unknown

Distance = str | Callable[[jax.Array, jax.Array], jax.Array]
BLOCK = 1024  # queries and points of the base of a block of distances
SPARE = 8  # candidates beyond k that a product of matrices may put in a wrong order
GATHERED = 2**20  # numbers of the base that are gathered at once to measure again
WEIGHTS = ("uniform", "distance")

# By name: how it is computed for all pairs, and as it is written. The Euclidean
# distance is ordered by its square, whose whole numbers are exact: their ties are ties.
PRODUCTS = {
    "euclidean": ("squared_euclidean", F.squared_euclidean),
    "squared_euclidean": ("squared_euclidean", F.squared_euclidean),
    "cosine": ("cosine", F.cosine_distance),
    "pearson": ("pearson", F.pearson_distance),
}
FUNCTIONS = {
    "manhattan": functools.partial(F.minkowski_distance, p=1),
    "chebyshev": F.chebyshev_distance,
    "hamming": F.hamming_distance,
}


def kneighbors(
    base: jax.Array,
    queries: jax.Array,
    k: int,
    distance: Distance = "euclidean",
    block: int = BLOCK,
    axis_name: str | None = None,
) -> tuple[jax.Array, jax.Array]:
    """The k points of the base that are nearest to each query.

    Args:
        base: [M, D]; with an axis name this device's M / n rows of it.
        queries: [N, D], the same on every device.
        k: neighbours, from 1 to M.
        distance: a name of `PRODUCTS` or `FUNCTIONS`, or a function of two vectors.
        block: rows and columns of the block of distances that is held.
        axis_name: the axis over which the base is split, or None.

    Returns:
        Their distances, rising, [N, k], and their indices in the whole base, int32
        [N, k]. A neighbour that is infinitely far is none: its index is -1.

    Raises:
        ValueError: sets that are not [M, D] and [N, D], empty or not finite; k or the
            block out of range; an unknown distance.
    """
    base, queries = checks.finite("base", base), checks.finite("queries", queries)
    if base.ndim != 2 or queries.ndim != 2 or base.shape[1] != queries.shape[1]:
        raise ValueError(
            f"base and queries must be [M, D] and [N, D], got {list(base.shape)} and "
            f"{list(queries.shape)}"
        )
    devices = jax.lax.psum(1, axis_name) if axis_name else 1
    checks.at_most("k", k, len(base) * devices, "points of the base")
    return _search(base, queries, int(k), distance, block, axis_name)


@functools.partial(jax.jit, static_argnums=(2, 3, 4, 5))  # eagerly, seconds a call
def _search(base, queries, k, distance, block, axis_name):
    fast, exact, spare = _forms(distance)
    few = min(k + spare, len(base))
    _, near = F.nearest(
        fast, *jax.lax.stop_gradient((queries, base)), k=few, block=block
    )
    distances, near = _measured(exact, base, queries, near, block)
    if axis_name:
        first = jax.lax.axis_index(axis_name).astype(jnp.int32) * len(base)
        near = jnp.where(near < 0, near, near + first)
        # [N, few] -> [N, n few]: those of the lower devices first
        gather = lambda a: jax.lax.all_gather(a, axis_name, axis=1, tiled=True)
        distances, near = _sorted(gather(distances), gather(near))
    distances, near = distances[:, :k], near[:, :k]
    return (_root(distances) if distance == "euclidean" else distances), near


def predict_probability(
    base: jax.Array,
    y: jax.Array,
    queries: jax.Array,
    k: int = 5,
    weights: str = "uniform",
    num_classes: int | None = None,
    distance: Distance = "euclidean",
    block: int = BLOCK,
    axis_name: str | None = None,
) -> jax.Array:
    """The share of each class in the votes of the k nearest.

    Args:
        base: [M, D]; with an axis name this device's rows of it.
        y: classes of the base, integers in 0..K-1, [M]; split as the base.
        queries: [N, D].
        k: neighbours, from 1 to M.
        weights: "uniform" or "distance".
        num_classes: K; None counts up to the largest label, which must be concrete.
        distance: as in `kneighbors`.
        block: as in `kneighbors`.
        axis_name: the axis over which base and y are split, or None.

    Returns:
        [N, K]; rows add up to 1.

    Raises:
        ValueError: as `kneighbors`; labels that are not integers from 0 to below K, of
            two classes or more, as many as points; traced labels without a num_classes;
            unknown weights.
    """
    num_classes, y = checks.classes(y, num_classes), checks.labels("y", y)
    distances, near, y = _found(
        base, y, queries, k, weights, distance, block, axis_name
    )
    w = _weights(distances, weights)
    w = w / w.sum(1, keepdims=True)
    return _votes(y[near], w, num_classes)


def predict(
    base: jax.Array,
    y: jax.Array,
    queries: jax.Array,
    k: int = 5,
    weights: str = "uniform",
    num_classes: int | None = None,
    distance: Distance = "euclidean",
    block: int = BLOCK,
    axis_name: str | None = None,
) -> jax.Array:
    """The class with the most votes among the k nearest; of equal ones the lowest.

    Args:
        base: [M, D]; with an axis name this device's rows of it.
        y: classes of the base, integers in 0..K-1, [M]; split as the base.
        queries: [N, D].
        k: neighbours, from 1 to M.
        weights: "uniform" or "distance".
        num_classes: K; None counts up to the largest label, which must be concrete.
        distance: as in `kneighbors`.
        block: as in `kneighbors`.
        axis_name: the axis over which base and y are split, or None.

    Returns:
        int32 [N].

    Raises:
        ValueError: as `predict_probability`.
    """
    num_classes, y = checks.classes(y, num_classes), checks.labels("y", y)
    distances, near, y = _found(
        base, y, queries, k, weights, distance, block, axis_name
    )
    votes = _votes(y[near], _weights(distances, weights), num_classes)
    return votes.argmax(1).astype(jnp.int32)


def regress(
    base: jax.Array,
    y: jax.Array,
    queries: jax.Array,
    k: int = 5,
    weights: str = "uniform",
    distance: Distance = "euclidean",
    block: int = BLOCK,
    axis_name: str | None = None,
) -> jax.Array:
    """The weighted mean of the targets of the k nearest.

    Args:
        base: [M, D]; with an axis name this device's rows of it.
        y: targets of the base, [M] or [M, T]; split as the base.
        queries: [N, D].
        k: neighbours, from 1 to M.
        weights: "uniform" or "distance".
        distance: as in `kneighbors`.
        block: as in `kneighbors`.
        axis_name: the axis over which base and y are split, or None.

    Returns:
        [N] or [N, T], of y's type.

    Raises:
        ValueError: as `kneighbors`; targets that are not finite, or not as many as
            points; unknown weights.
    """
    y = checks.finite("y", y)
    distances, near, y = _found(
        base, y, queries, k, weights, distance, block, axis_name
    )
    w = _weights(distances, weights).astype(y.dtype)
    w = w / w.sum(1, keepdims=True)
    return jnp.einsum("nk,nk...->n...", w, y[near], precision="highest")


def _forms(distance):
    """For all pairs, for one pair as it is written, and how many more to look at."""
    if callable(distance):
        return distance, distance, 0
    if distance in PRODUCTS:
        return *PRODUCTS[distance], SPARE
    if distance in FUNCTIONS:
        return FUNCTIONS[distance], FUNCTIONS[distance], 0
    raise unknown("distance", distance, [*PRODUCTS, *FUNCTIONS])


def _measured(exact, base, queries, near, block):
    """The distances to the candidates as they are written, and both in their order."""

    def one(pair):
        query, at = pair
        distances = jax.vmap(exact, (None, 0))(query, base[at])  # [few, D] -> [few]
        return jnp.where(at < 0, jnp.inf, distances)

    size = max(1, min(block, len(queries), GATHERED // (near.shape[1] * base.shape[1])))
    return _sorted(jax.lax.map(one, (queries, near), batch_size=size), near)


def _sorted(distances, near):
    """By distance, then by index."""
    return jax.lax.sort((distances, near), dimension=1, num_keys=2)


def _root(squares):
    some = squares > 0  # the slope of the root at 0 stays out of the gradient
    return jnp.where(some, jnp.sqrt(jnp.where(some, squares, 1)), 0)


def _found(base, y, queries, k, weights, distance, block, axis_name):
    """The neighbours, and all of y."""
    if weights not in WEIGHTS:
        raise unknown("weights", weights, WEIGHTS)
    if len(y) != len(base):
        raise ValueError(f"y must be as many as the base's {len(base)}, got {len(y)}")
    distances, near = kneighbors(base, queries, k, distance, block, axis_name)
    if axis_name:
        y = jax.lax.all_gather(y, axis_name, tiled=True)  # [M / n, ...] -> [M, ...]
    return distances, near, y


def _weights(distances, weights):  # [N, k] -> [N, k]
    if weights == "uniform":
        return jnp.ones_like(distances)
    same = (
        distances < jnp.finfo(distances.dtype).tiny
    )  # 0, or so near that 1 / d is inf
    w = 1 / jnp.where(same, 1, distances)
    return jnp.where(same.any(1, keepdims=True), same.astype(w.dtype), w)


def _votes(classes, w, num_classes):  # [N, k], [N, k] -> [N, K]
    hit = classes[..., None] == jnp.arange(num_classes).reshape(1, 1, -1)
    return jnp.where(hit, w[..., None], 0).sum(1)
