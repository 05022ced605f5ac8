"""t-SNE at a cost that grows linearly with the number of points (FIt-SNE).

The forces of t-SNE (`zoo.classical.sne_exact`) are of two kinds. Points attract whom
they are near to in the data: with a sparse P a sum over few. And all repel all:

    R_i = sum_j w_ij^2 (y_i - y_j) / Z,    Z = sum_{i != j} w_ij,    w = 1 / (1 + d^2)

These are sums of a kernel of differences over charges, sum_j K(y_i - y_j) c_j, with
K = w^2 and c = 1 and y_j, and K = w and c = 1. Between the nodes g of a regular grid a
kernel is nearly a cubic spline:

    K(y_i - y_j)  ~  sum_g sum_h b(y_i - g) K~(g - h) b(h - y_j)

with b the cubic B-spline, a polynomial between nodes, over four nodes in each
dimension, and K~ such that both sides are equal where y_i and y_j are nodes. So the
charges are spread over the nodes, convolved there with K~ by Fourier transforms, in
which K~ is K over the transform of b, squared; and the result is read off between the
nodes. That is N + G log G in place of N^2.

The nodes are as far apart as the map needs, or as `LEAST` where it is small. The error
grows with the fourth power of that distance: at a quarter of a unit of the map the
forces are right to 1e-3, at half a unit to 2 %, and at a whole one no longer.

Differs from the paper: its polynomials are Lagrange's, of 3 nodes, on intervals that
meet but do not overlap. A spline is more exact with fewer nodes. Here the number of
nodes is given, there their distance. What a point says of itself in Z is taken away as
it was put in, with the error of the interpolation. Neighbours are exact.

Shapes: N points, E dimensions of the map (1 or 2), M entries of a sparse row, G nodes
along each dimension, R rows: this device's share of N.

References:
    Linderman, Rachh, Hoskins, Steinerberger and Kluger, "Fast interpolation-based
    t-SNE for improved visualization of single-cell RNA-seq data", Nature Methods 16,
    2019, https://arxiv.org/abs/1712.09005
"""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np

from zoo.classical.sne_exact import by_rows

LEAST = 0.05  # distance of nodes, at least; closer ones would tell no more
STENCIL = 4  # nodes around a point, in each dimension


def objective(
    y: jax.Array,
    p: jax.Array,
    near: jax.Array,
    plogp: jax.Array,
    nodes: int = 256,
    axis_name: str | None = None,
) -> jax.Array:
    """KL(P | Q) of t-SNE, with a sparse P and an interpolated Z.

    Args:
        y: places in the map, all of them on every device, [N, E].
        p: entries of rows of the symmetric P, [R, M]; R = N without an axis name.
        near: their columns, int32 [R, M].
        plogp: sums over j of p log p, [R].
        nodes: G.
        axis_name: the axis over which rows are split in their order, or None.

    Returns:
        A scalar, in nats.

    Raises:
        ValueError: shapes that do not fit; E above 2; fewer than 4 nodes.
    """
    first = _checked(y, p, near, nodes, axis_name)
    _, z = _repulsion(y, first, len(p), nodes, axis_name)

    def some(start, size):
        _, w, mine = _near(y, p, near, first, start, size)
        return (mine * jnp.log(w)).sum(1)

    inner = by_rows(some, len(p), p.shape[1]).sum()
    total = plogp.sum() - inner
    total = jax.lax.psum(total, axis_name) if axis_name else total
    return total + jnp.log(z)


def gradient(
    y: jax.Array,
    p: jax.Array,
    near: jax.Array,
    exaggeration: float | jax.Array = 1.0,
    nodes: int = 256,
    axis_name: str | None = None,
) -> jax.Array:
    """The gradient of t-SNE's objective, with a sparse P and interpolated repulsion.

    Args:
        y: places in the map, all of them on every device, [N, E].
        p: entries of rows of the symmetric P, [R, M]; R = N without an axis name.
        near: their columns, int32 [R, M].
        exaggeration: by which P is multiplied.
        nodes: G.
        axis_name: the axis over which rows are split in their order, or None.

    Returns:
        [N, E], the same on every device.

    Raises:
        ValueError: as `objective`.
    """
    first = _checked(y, p, near, nodes, axis_name)

    def some(start, size):
        apart, w, mine = _near(y, p, near, first, start, size)
        return ((mine * w)[..., None] * apart).sum(1)

    attract = by_rows(some, len(p), p.shape[1])
    repel, z = _repulsion(y, first, len(p), nodes, axis_name)
    mine = 4 * (exaggeration * attract - repel / z)
    return jax.lax.all_gather(mine, axis_name, tiled=True) if axis_name else mine


def repulsion(y: jax.Array, nodes: int = 256) -> tuple[jax.Array, jax.Array]:
    """Sums over j of w_ij^2 (y_i - y_j), and Z.

    Args:
        y: [N, E].
        nodes: G.

    Returns:
        [N, E] and a scalar.

    Raises:
        ValueError: y that is not [N, 1] or [N, 2]; fewer than 4 nodes.
    """
    _checked_map(y, nodes)
    return _repulsion(y, 0, len(y), nodes, None)


def _near(y, p, near, first, start, size):
    """Differences to the near ones, [size, M, E], w and p, [size, M]."""
    part = lambda array, at: jax.lax.dynamic_slice_in_dim(array, at, size)
    apart = part(y, first + start)[:, None] - y[part(near, start)]
    return apart, 1 / (1 + jnp.square(apart).sum(2)), part(p, start)


def _repulsion(y, first, rows, nodes, axis_name):
    """Of this device's rows the forces, [R, E]; of all points Z."""
    total = lambda a: jax.lax.psum(a, axis_name) if axis_name else a
    low, high = y.min(0), y.max(0)
    apart = jnp.maximum((high - low).max() / (nodes - 3), LEAST)
    low = low.reshape(1, -1)
    mine = jax.lax.dynamic_slice_in_dim(y, first, rows) - low
    at, weights = _stencil(mine / apart, nodes)  # [R, S] each
    charges = jnp.concatenate([jnp.ones((rows, 1), y.dtype), mine], 1)  # [R, 1 + E]
    spread = (weights[..., None] * charges[:, None]).reshape(-1, charges.shape[1])
    grid = jnp.zeros((nodes ** y.shape[1], spread.shape[1]), y.dtype)
    grid = total(grid.at[at.ravel()].add(spread))
    kernels = _kernels(apart, nodes, y.shape[1])
    felt = _convolved(grid, kernels, nodes, y.shape[1])  # [G^E, 2 + E]
    felt = jnp.einsum("rs,rsc->rc", weights, felt[at], precision="highest")
    itself = _itself(weights, kernels[..., 0], nodes)
    z = total((felt[:, 0] - itself).sum())
    return mine * felt[:, 1:2] - felt[:, 2:], z


def _stencil(t, nodes):  # [R, E] -> [R, S], [R, S]; S = 4^E
    """The nodes around each place, as numbers of the grid, and b of their distance.

    Places are in units of the distance of nodes, of which the second is at 0.
    """
    cell = jnp.clip(jnp.floor(t), 0, nodes - 4).astype(jnp.int32)
    s = t - cell.astype(t.dtype)  # the place between the two nodes in the middle
    r = 1 - s
    b = [r**3, 3 * s**3 - 6 * s**2 + 4, 3 * r**3 - 6 * r**2 + 4, s**3]
    b = jnp.stack(b, 2) / 6  # [R, E, 4]
    places, weights = [], []
    for offsets in _offsets(t.shape[1]):
        place, weight = 0, 1
        for e, offset in enumerate(offsets):
            place = place * nodes + cell[:, e] + offset
            weight = weight * b[:, e, offset]
        places.append(place)
        weights.append(weight)
    return jnp.stack(places, 1), jnp.stack(weights, 1)


def _kernels(apart, nodes, e):  # [2 G, ..., G + 1, 2]
    """The transforms of K~ for w and w^2, of period 2 G; even, and so real."""
    line = np.minimum(np.arange(2 * nodes), 2 * nodes - np.arange(2 * nodes))
    squares = sum(np.square(a, dtype=float) for a in np.meshgrid(*[line] * e))
    w = 1 / (1 + jnp.asarray(squares, apart.dtype) * jnp.square(apart))
    kernels = jnp.fft.rfftn(jnp.stack([w, w * w], e), axes=tuple(range(e))).real
    b = (2 + np.cos(np.pi * np.arange(2 * nodes) / nodes)) / 3
    both = functools.reduce(np.multiply.outer, [b] * (e - 1) + [b[: nodes + 1]])
    return kernels / jnp.asarray(np.square(both)[..., None], apart.dtype)


def _convolved(grid, kernels, nodes, e):  # [G^E, 1 + E] -> [G^E, 2 + E]
    """w convolved with the first charge, then w^2 with each of them."""
    axes, size = tuple(range(e)), [2 * nodes] * e
    charges = jnp.fft.rfftn(grid.reshape(*[nodes] * e, -1), size, axes)
    both = jnp.concatenate(
        [kernels[..., :1] * charges[..., :1], kernels[..., 1:] * charges], e
    )
    felt = jnp.fft.irfftn(both, size, axes)[tuple([slice(nodes)] * e)]
    return felt.reshape(nodes**e, -1)


def _itself(weights, kernel, nodes):  # [R, S], [2 G, ..., G + 1] -> [R]
    """What the interpolation makes of w_ii: K~ of few nodes, by the sums of cosines."""
    e = kernel.ndim
    waves = np.cos(np.pi * np.outer(np.arange(STENCIL), np.arange(2 * nodes)) / nodes)
    half = 2 * waves[:, : nodes + 1]  # the other half is the same
    half[:, [0, -1]] /= 2
    for axis in range(e):
        wave = jnp.asarray(half if axis == e - 1 else waves, kernel.dtype)
        kernel = jnp.tensordot(kernel, wave, ((0,), (1,)), precision="highest")
    offsets = np.array(_offsets(e))  # [S, E]
    apart = abs(offsets[:, None] - offsets[None])
    table = kernel[tuple(np.moveaxis(apart, 2, 0))] / (2 * nodes) ** e  # [S, S]
    return (jnp.matmul(weights, table, precision="highest") * weights).sum(1)


def _offsets(e):
    return list(itertools.product(range(STENCIL), repeat=e))


def _checked_map(y, nodes):
    if y.ndim != 2 or y.shape[1] not in (1, 2):
        raise ValueError(f"y must be [N, 1] or [N, 2], got {list(y.shape)}")
    if not isinstance(nodes, int) or nodes < STENCIL:
        raise ValueError(f"nodes must be an integer of {STENCIL} or more, got {nodes}")


def _checked(y, p, near, nodes, axis_name):
    """The number of this device's first row."""
    _checked_map(y, nodes)
    devices = jax.lax.psum(1, axis_name) if axis_name else 1
    if p.ndim != 2 or p.shape != near.shape or devices * len(p) != len(y):
        raise ValueError(
            f"p and near must be of one shape [{len(y)}, M], or its rows on each "
            f"device, got {list(p.shape)} and {list(near.shape)}"
        )
    return jax.lax.axis_index(axis_name) * len(p) if axis_name else 0
