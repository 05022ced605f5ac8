"""Measures of samples against examples: how near one set of points is to another.

    MMD^2    E k(x, x') + E k(y, y') - 2 E k(x, y)        over different points,
             k(x, y) = mean over s of exp(-|x - y|^2 / (2 s^2)): unbiased, so it may
             be below 0

    Frechet  |m - n|^2 + tr(S + T - 2 (S T)^(1/2))        of means m, n and covariances
             S, T: W_2 squared of two normal laws. Of features of a classifier of one's
             own it is no FID, which is of the features of one Inception network

    sliced   mean over directions u of W_1(<u, x>, <u, y>): numbers in order, compared

    precision, recall
             the balls around each example that reach its k-th nearest other example
             are where examples are; precision is the share of samples that lie in one.
             Recall is the same with the two sets exchanged

    coverage of a mixture's modes: a sample is of the nearest centre, and good where
             that is within a radius; a mode is covered if its good samples are a share
             of what were its own

Shapes: N examples, M samples, D values or features of one, K modes, U directions.

References:
    Gretton et al., "A kernel two-sample test", JMLR 2012,
    https://jmlr.org/papers/v13/gretton12a.html (lemma 6)
    Heusel et al., "GANs trained by a two time-scale update rule converge to a local
    Nash equilibrium", NeurIPS 2017, https://arxiv.org/abs/1706.08500
    Kynkaanniemi et al., "Improved precision and recall metric for assessing generative
    models", NeurIPS 2019, https://arxiv.org/abs/1904.06991
    Rabin, Peyre, Delon and Bernot, "Wasserstein barycenter and its application to
    texture mixing", SSVM 2011, https://doi.org/10.1007/978-3-642-24785-9_37
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from zoo.metrics import checks


class Moments(NamedTuple):
    """Sums over points, weighted; they add."""

    count: jax.Array
    sum: jax.Array  # [D]
    square: jax.Array  # of x x^T, [D, D]


def moments(x: jax.Array, weight: jax.Array | None = None) -> Moments:
    """The sums from which `frechet_distance` is computed.

    Args:
        x: points, [N, D]; better near to 0, as the covariance is a difference.
        weight: [N]; 0 leaves a point out, whatever its values are.

    Raises:
        ValueError: points that are not [N, D]; weights that are not [N], negative or
            not finite.
    """
    x = checks.floats("x", x)
    if x.ndim != 2:
        raise ValueError(f"x must be points [N, D], got {list(x.shape)}")
    weight = checks.weights(weight, x.shape[:1], x.dtype)
    x = jnp.where((weight != 0)[:, None], x, 0)
    weighed = weight[:, None] * x
    return Moments(count=weight.sum(), sum=weighed.sum(0), square=weighed.T @ x)


def frechet_distance(a: Moments, b: Moments) -> jax.Array:
    """W_2 squared of the normal laws with these moments.

    Args:
        a, b: from `moments`; covariances are divided by the count.

    Returns:
        A scalar.

    Raises:
        ValueError: moments of no point (traced: NaN), or of different dimensions.
    """
    if a.sum.shape != b.sum.shape:
        raise ValueError(
            f"a and b must be of one dimension, got {len(a.sum)} and {len(b.sum)}"
        )
    (m, s), (n, t) = _normal(a), _normal(b)
    values, vectors = jnp.linalg.eigh(s)
    root = (vectors * jnp.sqrt(jnp.maximum(values, 0))[None]) @ vectors.T
    both = jnp.linalg.eigvalsh(root @ t @ root)  # those of S T
    cross = jnp.sqrt(jnp.maximum(both, 0)).sum()
    return jnp.square(m - n).sum() + jnp.trace(s) + jnp.trace(t) - 2 * cross


def maximum_mean_discrepancy(
    x: jax.Array, y: jax.Array, bandwidths: tuple[float, ...] = (0.25, 0.5, 1.0, 2.0)
) -> jax.Array:
    """MMD squared by a mixture of Gaussian kernels, unbiased.

    Args:
        x: examples, [N, D], two at least.
        y: samples, [M, D], two at least.
        bandwidths: s, in the points' unit.

    Returns:
        A scalar, 0 in expectation where the laws are equal.

    Raises:
        ValueError: points of other shapes; a bandwidth that is not positive.
    """
    x, y = _both(x, y, 2)
    if not bandwidths or not min(bandwidths) > 0:
        raise ValueError(f"bandwidths must be positive, got {bandwidths}")

    def kernel(a, b):
        squared = _squared(a, b)
        return sum(jnp.exp(-squared / (2 * s * s)) for s in bandwidths)

    def within(a):
        k = kernel(a, a)
        others = jnp.where(jnp.eye(len(a), dtype=bool), 0, k)
        return others.sum() / (len(a) * (len(a) - 1))

    whole = within(x) + within(y) - 2 * kernel(x, y).mean()
    return whole / len(bandwidths)


def sliced_wasserstein(x: jax.Array, y: jax.Array, directions: jax.Array) -> jax.Array:
    """The mean of the Wasserstein distances of order 1 along directions.

    Args:
        x: examples, [N, D].
        y: samples, as many, [N, D].
        directions: u, [U, D]; divided by their lengths.

    Returns:
        A scalar, in the points' unit.

    Raises:
        ValueError: points or directions of other shapes, or sets of different sizes.
    """
    x, y = _both(x, y, 1)
    u = checks.floats("directions", directions)
    if u.ndim != 2 or not len(u) or u.shape[1] != x.shape[1] or len(x) != len(y):
        raise ValueError(
            "x and y must be of one size, and directions [U, D], got "
            f"{list(x.shape)}, {list(y.shape)} and {list(u.shape)}"
        )
    u = u / jnp.linalg.norm(u, axis=1, keepdims=True)
    along = lambda points: jnp.sort(points @ u.T, axis=0)  # [N, U]
    return jnp.abs(along(x) - along(y)).mean()


def sample_precision_recall(
    x: jax.Array, y: jax.Array, neighbors: int = 3
) -> tuple[jax.Array, jax.Array]:
    """Improved precision and recall: quality and variety of samples.

    Args:
        x: features of examples, [N, D].
        y: features of samples, [M, D].
        neighbors: k, below N and M.

    Returns:
        Two scalars in [0, 1].

    Raises:
        ValueError: points of other shapes; neighbors out of range.
    """
    k = checks.size("neighbors", neighbors)
    x, y = _both(x, y, k + 1)
    between = _squared(x, y)
    reach = lambda a: jnp.sort(_squared(a, a), axis=1)[:, k]  # the point itself is 0
    precision = (between <= reach(x)[:, None]).any(0)
    recall = (between <= reach(y)[None]).any(1)
    share = lambda inside: inside.astype(x.dtype).mean()
    return share(precision), share(recall)


class Modes(NamedTuple):
    """Counts of samples; they add."""

    good: jax.Array  # of each mode, [K]
    count: jax.Array  # of all samples, good or not


def modes(
    x: jax.Array, centres: jax.Array, radius: float, weight: jax.Array | None = None
) -> Modes:
    """Samples near to each mode of a mixture.

    Args:
        x: samples, [M, D].
        centres: of the modes, [K, D].
        radius: within which of the nearest centre a sample is good.
        weight: [M]; 0 leaves a sample out.

    Raises:
        ValueError: points of other shapes; a radius that is not positive; weights
            that are not [M], negative or not finite.
    """
    x, centres = checks.floats("x", x), checks.floats("centres", centres)
    if x.ndim != 2 or centres.ndim != 2 or x.shape[1] != centres.shape[1]:
        raise ValueError(
            f"x and centres must be [M, D] and [K, D], got {list(x.shape)} and "
            f"{list(centres.shape)}"
        )
    if not radius > 0:
        raise ValueError(f"radius must be > 0, got {radius}")
    weight = checks.weights(weight, x.shape[:1], x.dtype)
    squared = _squared(jnp.where((weight != 0)[:, None], x, 0), centres)
    own = jax.nn.one_hot(squared.argmin(1), len(centres), dtype=x.dtype)
    good = jnp.where(squared.min(1) <= radius * radius, weight, 0)
    return Modes(good=good @ own, count=weight.sum())


def modes_covered(found: Modes, share: float = 0.2) -> jax.Array:
    """How many modes have their samples.

    Args:
        found: from `modes`.
        share: of a mode's part of all samples, 1 / K, that its good ones must be.

    Returns:
        A scalar from 0 to K.

    Raises:
        ValueError: counts of no sample (traced: NaN).
    """
    least = share * _some(found.count, "found") / len(found.good)
    covered = (found.good >= least).astype(found.good.dtype).sum()
    return jnp.where(jnp.isnan(least), jnp.nan, covered)


def good_share(found: Modes) -> jax.Array:
    """The share of samples that are near to a mode.

    Raises:
        ValueError: counts of no sample (traced: NaN).
    """
    return found.good.sum() / _some(found.count, "found")


def _normal(sums):
    count = _some(sums.count, "moments")
    mean = sums.sum / count
    return mean, sums.square / count - jnp.outer(mean, mean)


def _some(count, name):
    none = checks.refuse(count == 0, lambda: f"{name} must be of a point, got none")
    return jnp.where(none, jnp.nan, count)


def _both(x, y, least):
    x, y = checks.floats("x", x), checks.floats("y", y)
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1]:
        raise ValueError(
            f"x and y must be points [N, D] and [M, D], got {list(x.shape)} and "
            f"{list(y.shape)}"
        )
    if min(len(x), len(y)) < least:
        raise ValueError(
            f"x and y must have {least} points at least, got {len(x)} and {len(y)}"
        )
    return x, y


def _squared(a, b):  # [N, D], [M, D] -> [N, M]; the middle of b is the origin
    middle = b.mean(0, keepdims=True)
    a, b = a - middle, b - middle
    squares = jnp.square(a).sum(1)[:, None] + jnp.square(b).sum(1)[None]
    return jnp.maximum(squares - 2 * a @ b.T, 0)
