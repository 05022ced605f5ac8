"""Functions of two variables on which optimizers show their character.

    rosenbrock(x, y) = (1 - x)**2 + 100*(y - x**2)**2
    rastrigin(x, y) = 20 + x**2 - 10*cos(2*pi*x) + y**2 - 10*cos(2*pi*y)
    beale(x, y) = (1.5 - x + x*y)**2 + (2.25 - x + x*y**2)**2 + (2.625 - x + x*y**3)**2

References:
    Rosenbrock, "An automatic method for finding the greatest or least value of a
    function", The Computer Journal, 1960, https://doi.org/10.1093/comjnl/3.3.175
    Rastrigin, "Systems of extremal control", Nauka, 1974
    Beale, "On an iterative method for finding a local minimum of a function of more
    than one variable", Princeton, 1958
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp


class Problem(NamedTuple):
    """A function with a known minimum; call it as the function."""

    name: str
    f: Callable[[jax.Array], jax.Array]  # [..., 2] -> [...]
    start: tuple[float, float]
    minimum: tuple[float, float]  # where the least value, 0 for all of ours, is
    bounds: tuple[tuple[float, float], tuple[float, float]]  # (x, y) of a picture

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.f(x)


def _rosenbrock(p: jax.Array) -> jax.Array:
    x, y = p[..., 0], p[..., 1]
    return (1 - x) ** 2 + 100 * (y - x**2) ** 2


def _rastrigin(p: jax.Array) -> jax.Array:
    return 20 + jnp.sum(p**2 - 10 * jnp.cos(2 * jnp.pi * p), axis=-1)


def _beale(p: jax.Array) -> jax.Array:
    x, y = p[..., 0], p[..., 1]
    a, b, c = 1.5 - x + x * y, 2.25 - x + x * y**2, 2.625 - x + x * y**3
    return a**2 + b**2 + c**2


# A long bent valley: finding it is easy, following it is not.
rosenbrock = Problem(
    name="rosenbrock",
    f=_rosenbrock,
    start=(-1.5, 1.0),
    minimum=(1.0, 1.0),
    bounds=((-2.0, 2.0), (-1.0, 3.0)),
)

# Egg box: a local minimum near every point of the integer grid.
rastrigin = Problem(
    name="rastrigin",
    f=_rastrigin,
    start=(-2.0, 3.5),
    minimum=(0.0, 0.0),
    bounds=((-4.5, 4.5), (-4.5, 4.5)),
)

# A flat plain with steep walls in the corners.
beale = Problem(
    name="beale",
    f=_beale,
    start=(1.0, 1.5),
    minimum=(3.0, 0.5),
    bounds=((-1.0, 4.5), (-2.0, 2.0)),
)
