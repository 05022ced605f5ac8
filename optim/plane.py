"""The plane in which a path of parameters moves most: its first two components.

    centred = points - points[-1]
    centred = u*s*vt                      singular values, the largest first
    axes = vt[:2]
    coordinates = centred*axes'

The plane goes through the last point, so the surface drawn over it holds the place that
was reached. A path of random steps also puts most of its variance into two components
(Antognini and Sohl-Dickstein): the plane shows where a path went, not that it is flat.

References:
    Li, Xu, Taylor, Studer and Goldstein, "Visualizing the loss landscape of neural
    nets", NeurIPS 2018, https://arxiv.org/abs/1712.09913, section 7
    Antognini and Sohl-Dickstein, "PCA of high dimensional random walks with comparison
    to neural network training", NeurIPS 2018, https://arxiv.org/abs/1806.08805
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.flatten_util import ravel_pytree


class Plane(NamedTuple):
    origin: jax.Array  # [P]: the last point
    axes: jax.Array  # [2, P]: orthonormal
    coordinates: jax.Array  # [W, 2]: of the points; the last is 0
    explained: jax.Array  # [2]: shares of the squared distance from the origin


@jax.jit
def plane(points: jax.Array) -> Plane:
    """The plane of a path.

    Args:
        points: the path's points, [W, P] with W >= 3 and P >= 2.

    Raises:
        ValueError: too few points or dimensions.
    """
    if points.ndim != 2 or points.shape[0] < 3 or points.shape[1] < 2:
        raise ValueError(f"points must be [W >= 3, P >= 2], got shape {points.shape}")
    centred = points - points[-1:]
    _, s, vt = jnp.linalg.svd(centred, full_matrices=False)
    # A singular vector's sign is free: the path begins where both are not negative.
    axes = vt[:2] * jnp.where(vt[:2] @ centred[0] < 0, -1, 1)[:, None]
    shares = s[:2] ** 2 / jnp.maximum(jnp.sum(s**2), jnp.finfo(s.dtype).tiny)
    return Plane(points[-1], axes, centred @ axes.T, shares)


def surface(
    f: Callable[[optax.Params], jax.Array],
    like: optax.Params,
    on: Plane,
    side: int = 25,
    margin: float = 0.25,
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """The values of a function of parameters over the part of a plane with the path.

    Args:
        f: parameters -> scalar, such as the loss on a fixed batch; called for one point
            at a time, so it should be jitted. One that is handed in again for another
            path is not compiled again.
        like: parameters, for their shapes and types.
        on: the plane.
        side: points of the grid along each axis.
        margin: room around the path, as a share of its extent.

    Returns:
        The grid's coordinates, [side] and [side], and f there, [side, side], the
        second axis' coordinate first.
    """
    _, unravel = ravel_pytree(like)
    x, y, places = _grid(on.coordinates, side, margin)
    places = np.asarray(places)
    # One at a time: on a CPU a convolution in a loop or mapped is far slower.
    values = [np.asarray(f(_params(unravel, on, place))) for place in places]
    return x, y, jnp.asarray(values).reshape(side, side)


@functools.partial(jax.jit, static_argnums=(1, 2))
def _grid(coordinates: jax.Array, side: int, margin: float):
    low, high = coordinates.min(0), coordinates.max(0)
    room = margin * jnp.maximum(high - low, 1e-3 * jnp.max(high - low))
    x, y = jnp.linspace(low - room, high + room, side).T
    return x, y, jnp.stack(jnp.meshgrid(x, y), -1).reshape(-1, 2)  # [side * side, 2]


@functools.partial(jax.jit, static_argnums=0)
def _params(unravel, on: Plane, place: jax.Array) -> optax.Params:
    return unravel(on.origin + place @ on.axes)
