"""Principal component analysis and the truncated SVD: the plane nearest to the points.

    m   = sum_n x_n / N                      A = the rows x_n - m        [N, D]
    A   = U diag(s) V^T                      s_1 >= s_2 >= ...
    C   = A^T A / (N - 1) = V diag(l) V^T    l_k = s_k^2 / (N - 1)
    z_n = V_K^T (x_n - m)                    whitened: z_nk / sqrt(l_k)
    x~_n = m + V_K z_n                       sum_n |x_n - x~_n|^2 = sum_{k > K} s_k^2

The components are the eigenvectors of A^T A, among the features. (Those of A A^T, with
which they are sometimes confused, are the columns of U, one number for each example.)
Three ways to them:

    eigen    of the matrix C. One pass over the examples, and a sum over them, so that
             it may be reduced over devices. Squares the condition: singular values
             below sqrt(eps) s_1 are lost.
    svd      of A itself. All digits; memory and time grow with N.
    random   Y = A W with W normal, [D, L], L = K + oversamples; then `power` times
             Y = A (A^T Y), each product made orthonormal; Q spans Y; the SVD of
             Q^T A [L, D] is that of A in all but the smallest of the L directions.

Without centring (`center=False`) m is 0 and this is the truncated SVD: of all matrices
of rank K it is the nearest to A in squares (Eckart and Young). `share` is then the
share of the energy |A|^2, and variances are mean squares, divided by N.

An axis has no sign. Here the loading of largest magnitude is positive, and of those
that are largest but for rounding, sqrt(eps), the first: so that runs agree.

Shapes: N examples, D features, K components, L directions tried.

References:
    Pearson, "On lines and planes of closest fit to systems of points in space",
    Philosophical Magazine 2(11), 1901, https://doi.org/10.1080/14786440109462720
    Eckart and Young, "The approximation of one matrix by another of lower rank",
    Psychometrika 1(3), 1936, https://doi.org/10.1007/BF02288367
    Halko, Martinsson and Tropp, "Finding structure with randomness", SIAM Review
    53(2), 2011, https://arxiv.org/abs/0909.4061 (algorithms 4.4 and 5.1)
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from zoo.classical import checks, gram
from zoo.errors import unknown

METHODS = ("eigen", "svd", "random")


class PCA(NamedTuple):
    """A plane, and how the points are spread along it."""

    mean: jax.Array  # [D], a point of the plane; 0 without centring
    components: jax.Array  # rows of length 1, at right angles, [K, D]
    variance: jax.Array  # along each component, falling, [K]
    singular: jax.Array  # singular values of the centred examples, falling, [K]
    total: jax.Array  # variance of all features together, a scalar


def fit(
    x: jax.Array,
    components: int | None = None,
    *,
    method: str = "svd",
    center: bool = True,
    key: jax.Array | None = None,
    oversamples: int = 10,
    power: int = 4,
    axis_name: str | None = None,
) -> PCA:
    """The components of largest variance.

    Args:
        x: examples, floats [N, D], N >= 2.
        components: K, at most N and D; None for as many as there are.
        method: `eigen`, `svd` or `random`.
        center: whether the mean is taken off; without it this is the truncated SVD.
        key: of the random directions; only for `random`.
        oversamples: directions tried beside K by `random`, fewer where there are not
            so many.
        power: how often `random` multiplies by A A^T.
        axis_name: the parallel axis over which the examples are split, for `eigen`;
            then K is at most D.

    Returns:
        The components, the one of largest variance first.

    Raises:
        ValueError: x of another shape, empty or not finite; K out of range; an
            unknown method; `random` without a key; an axis that is not for `eigen`;
            oversamples or power below 0.
    """
    x = checks.finite("x", x)
    rows = _checked(x, components, method, key, oversamples, power, axis_name)
    d = x.shape[1]
    k = min(rows, d) if components is None else components
    total = lambda a: jax.lax.psum(a, axis_name) if axis_name else a
    count = total(jnp.asarray(len(x), x.dtype))
    mean = total(x.sum(0)) / count if center else jnp.zeros(d, x.dtype)
    divisor = count - 1 if center else count
    if method == "eigen":
        if center:
            exact = lambda: ((x - mean[None],), mean)
            squared, _ = gram.about_mean((x,), exact, axis_name)  # [D, D]
        else:
            squared = total(gram.products((x,)))
        squares, vectors = jnp.linalg.eigh(squared)  # rising; columns
        axes = vectors.T[::-1][:k]
        singular = jnp.sqrt(jnp.maximum(squares[::-1][:k], 0))  # less by rounding
        energy = jnp.trace(squared)
    else:
        a = x - mean[None]
        energy = jnp.sum(a**2)
        if method == "random":
            span = _range(key, a, min(k + oversamples, *a.shape), power)  # [N, L]
            a = jnp.matmul(span.T, a, precision="highest")  # [L, D]
        _, singular, axes = jnp.linalg.svd(a, full_matrices=False)
        singular, axes = singular[:k], axes[:k]
    return PCA(
        mean=mean,
        components=signed(axes),
        variance=singular**2 / divisor,
        singular=singular,
        total=energy / divisor,
    )


def transform(state: PCA, x: jax.Array, whiten: bool = False) -> jax.Array:
    """Coordinates along the components.

    Args:
        state: from `fit`.
        x: [..., D].
        whiten: whether each is divided by its standard deviation. Where that is
            rounding only, below D eps times the largest, the coordinate is 0.

    Returns:
        [..., K].

    Raises:
        ValueError: x has another number of features.
    """
    _check_width("x", x, len(state.mean))
    z = (x - _row(state.mean, x)) @ state.components.T
    return z * _row(1 / _deviation(state), z) if whiten else z


def inverse(state: PCA, z: jax.Array, whiten: bool = False) -> jax.Array:
    """The points of the plane at these coordinates.

    Args:
        state: from `fit`.
        z: [..., K].
        whiten: as in `transform`.

    Returns:
        [..., D]; of the coordinates of x, the point of the plane nearest to x.

    Raises:
        ValueError: z has another number of components.
    """
    _check_width("z", z, len(state.components))
    if whiten:
        z = z * _row(jnp.sqrt(state.variance), z)
    return z @ state.components + _row(state.mean, z)


def share(state: PCA) -> jax.Array:
    """The share of each component in the variance of all features: [K], 0 to 1.

    Where nothing varies it is 0.
    """
    return state.variance / jnp.where(state.total > 0, state.total, 1)


def reconstruction_error(state: PCA, x: jax.Array) -> jax.Array:
    """Squared distances to the plane.

    Args:
        state: from `fit`.
        x: [..., D].

    Returns:
        [...], in the square of the features' unit.

    Raises:
        ValueError: x has another number of features.
    """
    return jnp.sum((x - inverse(state, transform(state, x))) ** 2, axis=-1)


def low_rank(x: jax.Array, rank: int | jax.Array) -> tuple[jax.Array, jax.Array]:
    """The nearest matrix of a rank, and its share of the energy.

        sum_{k <= rank} s_k u_k v_k^T        sum_{k <= rank} s_k^2 / sum_k s_k^2

    Args:
        x: a matrix, one channel of a picture say, floats [H, W].
        rank: from 0 to min(H, W); may be traced, to map over ranks.

    Returns:
        [H, W] and a scalar from 0 to 1 (of a matrix of zeros: 0).

    Raises:
        ValueError: x is no matrix, empty or not finite; a rank out of range.
    """
    x = checks.finite("x", x)
    if x.ndim != 2:
        raise ValueError(f"x must be a matrix [H, W], got shape {list(x.shape)}")
    if not isinstance(rank, jax.core.Tracer) and not 0 <= rank <= min(x.shape):
        raise ValueError(f"rank must be from 0 to {min(x.shape)}, got {rank}")
    u, s, v = jnp.linalg.svd(x, full_matrices=False)
    kept = jnp.where(jnp.arange(len(s)) < rank, s, 0)
    whole = jnp.sum(s**2)
    energy = jnp.sum(kept**2) / jnp.where(whole > 0, whole, 1)
    return (u * kept[None]) @ v, energy


def signed(axes: jax.Array) -> jax.Array:  # [K, D] -> [K, D]
    """Each row or its negative: that whose entry of largest magnitude is positive."""
    size = jnp.abs(axes)
    near = 1 - jnp.sqrt(jnp.finfo(axes.dtype).eps)
    first = jnp.argmax(size >= near * size.max(1, keepdims=True), axis=1)
    largest = jnp.take_along_axis(axes, first[:, None], axis=1)
    return jnp.where(largest < 0, -axes, axes)


def _range(key, a, directions, power):
    """An orthonormal basis, [N, L], of nearly all that the columns of A span."""
    product = lambda x, y: jnp.matmul(x, y, precision="highest")
    orthonormal = lambda y: jnp.linalg.qr(y)[0]
    w = jax.random.normal(key, (a.shape[1], directions), a.dtype)
    start = orthonormal(product(a, w))  # [N, L]

    def again(_, q):
        return orthonormal(product(a, orthonormal(product(a.T, q))))

    return jax.lax.fori_loop(0, power, again, start)


def _checked(x, components, method, key, oversamples, power, axis_name):
    """The checks of `fit`; the most components that the examples allow."""
    if x.ndim != 2 or (len(x) < 2 and not axis_name):
        raise ValueError(f"x must be [N, D] with N >= 2, got {list(x.shape)}")
    if method not in METHODS:
        raise unknown("method of PCA", method, METHODS)
    if method == "random" and key is None:
        raise ValueError("key must be given for method 'random', got None")
    if axis_name and method != "eigen":
        raise ValueError(f"axis_name is for method 'eigen' only, got {method!r}")
    if min(oversamples, power) < 0:
        raise ValueError(
            f"oversamples and power must be 0 or more, got {oversamples} and {power}"
        )
    rows = x.shape[1] if axis_name else len(x)  # the others' examples are not known
    if components is not None:
        most = min(rows, x.shape[1])
        checks.at_most("components", components, most, "examples and features")
    return rows


def _deviation(state):  # [K]
    """By what whitening divides; infinite where only rounding has spread."""
    deviation = jnp.sqrt(state.variance)
    rounding = len(state.mean) * jnp.finfo(deviation.dtype).eps * deviation[:1]
    return jnp.where(deviation > rounding, deviation, jnp.inf)


def _check_width(name, array, width):
    if not array.ndim or array.shape[-1] != width:
        raise ValueError(f"{name} must be [..., {width}], got {list(array.shape)}")


def _row(values, like):  # [D] -> [1, ..., D], as many axes as `like`
    return values.reshape((1,) * (like.ndim - 1) + values.shape)
