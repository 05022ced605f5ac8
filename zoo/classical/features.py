"""Polynomial features: all products of features up to a degree.

    phi(x) = [ x_1^e_1 x_2^e_2 ... x_D^e_D :  e_1 + ... + e_D <= degree ]

A linear model of them is a polynomial of x: of degree 2 its border between two classes
is a conic. In the order of growing degree, and within a degree of the features; for
two features and degree 2

    1, x1, x2, x1^2, x1 x2, x2^2

There are (D + degree)! / (D! degree!) of them.

Shapes: D features, M monomials.

References:
    Cover, "Geometrical and statistical properties of systems of linear inequalities
    with applications in pattern recognition", IEEE Transactions on Electronic
    Computers 1965, https://doi.org/10.1109/PGEC.1965.264137
"""

import itertools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from zoo.classical import checks


def monomials(
    features: int, degree: int, constant: bool = True
) -> list[tuple[int, ...]]:
    """Which features each product multiplies, one tuple of their numbers a product.

    Args:
        features: D.
        degree: the largest number of factors, >= 1.
        constant: whether the empty product, 1, is the first.

    Raises:
        ValueError: features or degree is no integer >= 1.

    >>> monomials(2, 2)
    [(), (0,), (1,), (0, 0), (0, 1), (1, 1)]
    """
    for name, value in (("features", features), ("degree", degree)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ValueError(f"{name} must be an integer >= 1, got {value!r}")
    combine = itertools.combinations_with_replacement
    start = 0 if constant else 1
    return [m for d in range(start, degree + 1) for m in combine(range(features), d)]


def names(features: Sequence[str], degree: int, constant: bool = True) -> list[str]:
    """What to call the products.

    Args:
        features: D names.
        degree, constant: as of `monomials`.

    >>> names(["a", "b"], 2)
    ['1', 'a', 'b', 'a^2', 'a b', 'b^2']
    """

    def name(product):
        powers = [(features[i], product.count(i)) for i in dict.fromkeys(product)]
        return " ".join(f"{f}^{n}" if n > 1 else f for f, n in powers) or "1"

    return [name(product) for product in monomials(len(features), degree, constant)]


def polynomial(x: jax.Array, degree: int = 2, constant: bool = True) -> jax.Array:
    """All products of at most `degree` features.

    Args:
        x: [..., D].
        degree: the largest number of factors, >= 1.
        constant: whether the first is the constant 1; a model with an intercept needs
            none.

    Returns:
        [..., M], in the order of `monomials`.

    Raises:
        ValueError: x has no feature, or values that are not finite; degree is no
            integer >= 1.
    """
    x = checks.finite("x", x)
    if not x.ndim:
        raise ValueError("x must be [..., D], got a scalar")
    products = monomials(x.shape[-1], degree, constant)
    parts = [jnp.ones((*x.shape[:-1], 1), x.dtype)] if constant else []
    power, before = None, {}
    for d in range(1, degree + 1):  # products of d factors from those of d - 1
        now = [m for m in products if len(m) == d]
        last = x[..., np.array([m[-1] for m in now])]
        first = power[..., np.array([before[m[:-1]] for m in now])] if before else 1
        power, before = last * first, {m: i for i, m in enumerate(now)}
        parts.append(power)
    return jnp.concatenate(parts, axis=-1)
