"""Comparisons by order alone.

    rank of x_i = (number of x_j below) + (number of x_j equal + 1)/2
    Spearman's correlation = that of the ranks
    superiority = P(a > b) + P(a = b)/2 over all pairs; U / (n m) of Mann and Whitney

Shapes: N numbers; n and m those of two samples.

References:
    Spearman, "The proof and measurement of association between two things", American
    Journal of Psychology 1904, https://doi.org/10.2307/1412159
    Mann and Whitney, "On a test of whether one of two random variables is
    stochastically larger than the other", Annals of Mathematical Statistics 1947,
    https://doi.org/10.1214/aoms/1177730491
"""

import jax
import jax.numpy as jnp

from zoo.metrics import checks


def ranks(x: jax.Array) -> jax.Array:
    """Places in ascending order from 1 on, equal ones sharing theirs: [N].

    Raises:
        ValueError: no number, or not a row of floats.

    >>> ranks(jnp.array([3.0, 1.0, 3.0])).tolist()
    [2.5, 1.0, 2.5]
    """
    x = _row("x", x, 1)
    order = jnp.sort(x)
    below, through = (jnp.searchsorted(order, x, side=s) for s in ("left", "right"))
    return (below + through + 1).astype(x.dtype) / 2


def rank_correlation(a: jax.Array, b: jax.Array) -> jax.Array:
    """Spearman's correlation, in [-1, 1]; NaN where all of one are equal.

    Args:
        a, b: numbers [N] each.

    Raises:
        ValueError: fewer than two, or not as many of one as of the other.
    """
    a, b = _row("a", a, 2), _row("b", b, 2)
    if len(a) != len(b):
        raise ValueError(f"a and b must be of one size, got {len(a)} and {len(b)}")
    return jnp.corrcoef(ranks(a), ranks(b))[0, 1]


def superiority(a: jax.Array, b: jax.Array) -> tuple[jax.Array, jax.Array]:
    """How often one sample's number is above the other's, and how likely by chance.

    Args:
        a, b: independent samples [n] and [m].

    Returns:
        P(a > b) + P(a = b)/2, and the one-sided p of Mann and Whitney's test, by the
        normal approximation, corrected for ties and for continuity.

    Raises:
        ValueError: a sample is empty, or not a row of numbers.
    """
    a, b = _row("a", a, 1), _row("b", b, 1)
    n, m = len(a), len(b)
    both = jnp.concatenate([a, b])
    share = (ranks(both)[:n].sum() - n * (n + 1) / 2) / (n * m)
    order = jnp.sort(both)
    equal = jnp.searchsorted(order, both, side="right") - jnp.searchsorted(order, both)
    tied = (equal.astype(both.dtype) ** 2 - 1).sum()  # t^2 - 1 for each of t equals
    total = n + m
    spread = jnp.sqrt((total + 1 - tied / (total * (total - 1))) / (12 * n * m))
    z = (share - 0.5 - 0.5 / (n * m)) / spread
    return share, jax.scipy.stats.norm.sf(z)


def _row(name, values, least):
    values = checks.floats(name, values)
    if values.ndim != 1 or len(values) < least:
        raise ValueError(
            f"{name} must be {least} points at least, got {len(values)} of shape "
            f"{list(values.shape)}"
        )
    return values
