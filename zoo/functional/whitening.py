"""Centring, standardising and whitening of features, as statistics and their use.

    mean            m = sum_n x_n / N
    variance        v = sum_n (x_n - m)^2 / (N - ddof)
    covariance      C = sum_n (x_n - m)(x_n - m)^T / (N - ddof) = sum_k l_k a_k a_k^T

    zero-centre     y = x - m
    standardise     y = (x - m) / sqrt(v + eps)
    PCA whitening   y_k = a_k . (x - m) / sqrt(l_k + eps)
    ZCA whitening   y = sum_k a_k y_k of PCA whitening = (C + eps)^(-1/2) (x - m)

With eps = 0 the covariance of whitened features is the identity; with eps it has the
eigenvalues l / (l + eps). ZCA is PCA turned back to the old axes: of all whitenings it
moves the features least, so that whitened images still look like images. Directions
without variance (fewer examples than features, constant pixels) need eps > 0, or
`components` that leaves them out.

Statistics are made of the training set once; using them is linear in x, and undone by
the inverse. The sign of an axis, which the covariance does not tell, is that in which
its largest entry is positive.

Shapes: N examples, D features, K components, K <= D.

References:
    Bell and Sejnowski, "The 'independent components' of natural scenes are edge
    filters", Vision Research 37(23), 1997,
    https://doi.org/10.1016/S0042-6989(97)00121-1 (ZCA)
    Krizhevsky, "Learning multiple layers of features from tiny images", 2009,
    https://www.cs.toronto.edu/~kriz/learning-features-2009-TR.pdf (appendix A)
    Kessy, Lewin and Strimmer, "Optimal whitening and decorrelation", The American
    Statistician 72(4), 2018, https://arxiv.org/abs/1512.00809
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

KINDS = ("pca", "zca")


class Moments(NamedTuple):
    """What centring and standardising need."""

    mean: jax.Array  # [D]
    variance: jax.Array  # [D]


class PrincipalAxes(NamedTuple):
    """What whitening needs: the directions of the variance, the widest first."""

    mean: jax.Array  # [D]
    axes: jax.Array  # rows of length 1, at right angles, [K, D]
    variance: jax.Array  # along each axis, [K]


def feature_moments(x: jax.Array, ddof: int = 0) -> Moments:
    """Mean and variance of each feature.

    Args:
        x: examples, [N, D].
        ddof: 0 divides by N, 1 by N - 1.

    Raises:
        ValueError: x is not floats [N, D] with N > ddof; ddof below 0.
    """
    _check_examples(x, ddof)
    return Moments(mean=x.mean(0), variance=x.var(0, ddof=ddof))


def zero_center(statistics: Moments, x: jax.Array) -> jax.Array:
    """Features whose mean is 0.

    Args:
        statistics: of the training set; `PrincipalAxes` do as well.
        x: [..., D].

    Returns:
        [..., D].

    Raises:
        ValueError: x has another number of features than the statistics.
    """
    return x - _row(statistics.mean, x, "x", len(statistics.mean))


def standardize(statistics: Moments, x: jax.Array, eps: float = 0.0) -> jax.Array:
    """Features of mean 0 and variance v / (v + eps).

    Args:
        statistics: of the training set.
        x: [..., D].
        eps: added to the variance; 0 where no feature is constant.

    Returns:
        [..., D].

    Raises:
        ValueError: x has another number of features; eps below 0.
    """
    scale = jnp.sqrt(statistics.variance + _epsilon(eps))
    return zero_center(statistics, x) / _row(scale, x, "x", len(scale))


def unstandardize(statistics: Moments, y: jax.Array, eps: float = 0.0) -> jax.Array:
    """The inverse of `standardize` with the same eps.

    Args:
        statistics: of the training set.
        y: [..., D].
        eps: as in `standardize`.

    Returns:
        [..., D].

    Raises:
        ValueError: y has another number of features; eps below 0.
    """
    scale = jnp.sqrt(statistics.variance + _epsilon(eps))
    y = y * _row(scale, y, "y", len(scale))
    return y + _row(statistics.mean, y, "y", len(scale))


def principal_axes(
    x: jax.Array, components: int | None = None, ddof: int = 0
) -> PrincipalAxes:
    """The eigenvectors of the covariance of the features, and its eigenvalues.

    Args:
        x: examples, [N, D].
        components: K, how many axes of largest variance to keep; None for all D.
        ddof: 0 divides by N, 1 by N - 1 (as scikit-learn's PCA).

    Returns:
        Mean, axes and variances; what rounding makes negative is 0.

    Raises:
        ValueError: x is not floats [N, D] with N > ddof; components outside 1..D;
            ddof below 0.
    """
    _check_examples(x, ddof)
    n, d = x.shape
    k = d if components is None else components
    if not 1 <= k <= d:
        raise ValueError(f"components must be from 1 to {d} features, got {k}")
    mean = x.mean(0)
    centred = x - mean[None]
    covariance = centred.T @ centred / (n - ddof)  # [D, D]
    variance, vectors = jnp.linalg.eigh(covariance)  # ascending; columns
    axes = vectors.T[::-1][:k]  # [K, D]
    largest = jnp.take_along_axis(axes, jnp.abs(axes).argmax(1)[:, None], axis=1)
    return PrincipalAxes(
        mean=mean,
        axes=jnp.where(largest < 0, -axes, axes),
        variance=jnp.maximum(variance[::-1][:k], 0),
    )


def whiten(
    statistics: PrincipalAxes, x: jax.Array, kind: str = "zca", eps: float = 0.0
) -> jax.Array:
    """Features without correlations, each of variance l / (l + eps).

    Args:
        statistics: of the training set.
        x: [..., D].
        kind: "pca", along the axes, or "zca", along the old features.
        eps: added to the variances; the larger, the less is small variance amplified.

    Returns:
        [..., K] for "pca", [..., D] for "zca".

    Raises:
        ValueError: x has another number of features; no such kind; eps below 0.
    """
    scale = jnp.sqrt(statistics.variance + _epsilon(eps))  # [K]
    y = zero_center(statistics, x) @ (statistics.axes / scale[:, None]).T
    return y @ statistics.axes if _is_zca(kind) else y


def unwhiten(
    statistics: PrincipalAxes, y: jax.Array, kind: str = "zca", eps: float = 0.0
) -> jax.Array:
    """The inverse of `whiten` with the same kind and eps.

    With K < D it gives the point nearest to x in the space of the K axes.

    Args:
        statistics: of the training set.
        y: [..., K] for "pca", [..., D] for "zca".
        kind, eps: as in `whiten`.

    Returns:
        [..., D].

    Raises:
        ValueError: y is of another width; no such kind; eps below 0.
    """
    scale = jnp.sqrt(statistics.variance + _epsilon(eps))
    k, d = statistics.axes.shape
    width = d if _is_zca(kind) else k
    mean = _row(statistics.mean, y, "y", width)
    y = y @ statistics.axes.T if _is_zca(kind) else y
    return y @ (statistics.axes * scale[:, None]) + mean


def _check_examples(x, ddof):
    if ddof < 0:
        raise ValueError(f"ddof must be 0 or more, got {ddof}")
    floating = jnp.issubdtype(x.dtype, jnp.floating)
    if x.ndim != 2 or len(x) <= ddof or not floating:
        raise ValueError(
            f"x must be floats [N, D] with N > {ddof}, got {x.dtype} {x.shape}"
        )


def _row(values, x, name, width):  # [D] -> [1, ..., D], as many axes as x
    if not x.ndim or x.shape[-1] != width:
        raise ValueError(f"{name} must be [..., {width}], got {x.shape}")
    return values.reshape((1,) * (x.ndim - 1) + values.shape)


def _epsilon(eps):
    if eps < 0:
        raise ValueError(f"eps must be 0 or more, got {eps}")
    return eps


def _is_zca(kind):
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
    return kind == "zca"
