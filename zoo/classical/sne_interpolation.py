"""t-SNE at a cost that grows linearly with the number of points (FIt-SNE).

The forces of t-SNE (`zoo.classical.sne_exact`) are of two kinds. Points attract whom
they are near to in the data: with a sparse P a sum over few. And all repel all:

    R_i = sum_j w_ij^2 (y_i - y_j) / Z,    Z = sum_{i != j} w_ij,    w = 1 / (1 + d^2)

Both are sums over j of kernels K(y_i - y_j): of w, which is even, and of the E numbers
w^2 y, which are odd. Between the nodes g of a regular grid a kernel is nearly a cubic
spline in both of its places:

    K(y_i - y_j)  ~  sum_g sum_h b(y_i - g) K~(g - h) b(h - y_j)

with b the cubic B-spline, a polynomial between nodes, over four nodes in each
dimension, and K~ such that both sides are equal where y_i and y_j are nodes. So the
points are spread over the nodes, convolved there with each K~ by Fourier transforms,
in which K~ is K over the transform of b, squared; and forces are read off between the
nodes. Z is the sum of the transforms' products. That is N + G log G in place of N^2.

The nodes are as far apart as the map needs, or as `LEAST` where it is small. The error
grows with the fourth power of that distance: at a quarter of a unit of the map the
forces are right to 2e-3, at half a unit to 4 %, and at a whole one no longer. So a
small map takes few nodes: of `nodes`, half as many and so on the fewest that are no
further than `APART` from each other.

Differs from the paper: its polynomials are Lagrange's, of 3 nodes, on intervals that
meet but do not overlap, its kernels w and w^2, and its charges 1 and y_j. A spline is
more exact with fewer nodes, and so is an odd kernel where points are near. What a point
says of itself in Z is taken away as it was put in, with the error of the interpolation.
Neighbours are exact.

Shapes: N points, E dimensions of the map (1 or 2), M pieces of sparse rows, each of C
entries, G nodes along each dimension, R: this device's share of the points.

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

LEAST = 0.05  # distance of nodes, at least; closer ones would tell no more
APART = 0.25  # distance of nodes, at most, while there are enough of them
FEWEST = 64  # nodes along a dimension; fewer would save nothing
STENCIL = 4  # nodes around a point, in each dimension


def objective(
    y: jax.Array,
    p: jax.Array,
    near: jax.Array,
    row: jax.Array,
    plogp: jax.Array,
    nodes: int = 256,
    axis_name: str | None = None,
) -> jax.Array:
    """KL(P | Q) of t-SNE, with a sparse P and an interpolated Z.

    Args:
        y: places in the map, all of them on every device, [N, E].
        p: entries of pieces of the rows of the symmetric P, [M, C].
        near: their columns, int32 [M, C].
        row: of each piece, int32 [M].
        plogp: sums over j of p log p, [R].
        nodes: G, at most.
        axis_name: the axis over which pieces and points are split, or None.

    Returns:
        A scalar, in nats.

    Raises:
        ValueError: shapes that do not fit; E above 2; fewer than 4 nodes.
    """
    first, rows = _checked(y, p, near, row, nodes, axis_name)
    _, z = _repulsion(y, first, rows, nodes, axis_name)
    inner = 0
    for _, w, mine in _entries(y, p, near, row):
        inner += mine * jnp.log(w)
    total = plogp.sum() - inner.sum()
    total = jax.lax.psum(total, axis_name) if axis_name else total
    return total + jnp.log(z)


def gradient(
    y: jax.Array,
    p: jax.Array,
    near: jax.Array,
    row: jax.Array,
    exaggeration: float | jax.Array = 1.0,
    nodes: int = 256,
    axis_name: str | None = None,
) -> jax.Array:
    """The gradient of t-SNE's objective, with a sparse P and interpolated repulsion.

    Args:
        y: places in the map, all of them on every device, [N, E].
        p: entries of pieces of the rows of the symmetric P, [M, C].
        near: their columns, int32 [M, C].
        row: of each piece, int32 [M], sorted.
        exaggeration: by which P is multiplied.
        nodes: G, at most.
        axis_name: the axis over which pieces and points are split, or None.

    Returns:
        [N, E], the same on every device.

    Raises:
        ValueError: as `objective`.
    """
    first, rows = _checked(y, p, near, row, nodes, axis_name)
    forces = [0] * y.shape[1]
    for apart, w, mine in _entries(y, p, near, row):
        forces = [f + mine * w * a for f, a in zip(forces, apart, strict=True)]
    attract = (
        jnp.zeros_like(y).at[row].add(jnp.stack(forces, 1), indices_are_sorted=True)
    )
    repel, z = _repulsion(y, first, rows, nodes, axis_name)
    if axis_name:
        attract = jax.lax.psum(attract, axis_name)
        repel = jax.lax.all_gather(repel, axis_name, tiled=True)
    return 4 * (exaggeration * attract - repel / z)


def repulsion(y: jax.Array, nodes: int = 256) -> tuple[jax.Array, jax.Array]:
    """Sums over j of w_ij^2 (y_i - y_j), and Z.

    Args:
        y: [N, E].
        nodes: G, at most.

    Returns:
        [N, E] and a scalar.

    Raises:
        ValueError: y that is not [N, 1] or [N, 2]; fewer than 4 nodes.
    """
    _checked_map(y, nodes)
    return _repulsion(y, 0, len(y), nodes, None)


def _entries(y, p, near, row):
    """Of entry 0, 1, ... of all pieces: differences by dimension, w and p, each [M].

    Sums over an axis of [M, C] take a CPU five times as long as sums of C arrays: they
    are not vectorized.
    """
    lines = [y[:, e] for e in range(y.shape[1])]
    own = [line[row] for line in lines]
    for c in range(p.shape[1]):
        apart = [a - line[near[:, c]] for a, line in zip(own, lines, strict=True)]
        yield apart, 1 / (1 + sum(a * a for a in apart)), p[:, c]


def _repulsion(y, first, rows, nodes, axis_name):
    """Of this device's points the forces, [R, E]; of all points Z."""
    halvings = max(0, (nodes // FEWEST).bit_length() - 1)
    sizes = [nodes >> k for k in range(halvings, -1, -1)]
    wide = (y.max(0) - y.min(0)).max()
    enough = sum((wide > APART * (size - 3)).astype(int) for size in sizes[:-1])
    shared = dict(first=first, rows=rows, axis_name=axis_name)
    forms = [functools.partial(_by_grid, nodes=n, **shared) for n in sizes]
    return jax.lax.switch(enough, forms, y) if halvings else forms[0](y)


def _by_grid(y, first, rows, nodes, axis_name):
    total = lambda a: jax.lax.psum(a, axis_name) if axis_name else a
    e, (low, high) = y.shape[1], jax.lax.stop_gradient((y.min(0), y.max(0)))
    apart = jnp.maximum((high - low).max() / (nodes - 3), LEAST)
    mine = jax.lax.dynamic_slice_in_dim(y, first, rows)
    at, weights = _stencil((mine - low.reshape(1, -1)) / apart, nodes)  # [S, R] each
    grid = total(jnp.zeros(nodes**e, y.dtype).at[at].add(weights))
    even, odd = _kernels(apart, nodes, e)
    axes, size = tuple(range(e)), [2 * nodes] * e
    charges = jnp.fft.rfftn(grid.reshape([nodes] * e), size, axes)
    forces = []
    for kernel in odd:
        field = jnp.fft.irfftn(1j * kernel * charges, size, axes)
        felt = field[(slice(nodes),) * e].reshape(-1)[at]
        forces.append((weights * felt).sum(0))
    power = even * (jnp.square(charges.real) + jnp.square(charges.imag))
    whole = 2 * power.sum() - power[..., 0].sum() - power[..., -1].sum()
    z = whole / (2 * nodes) ** e  # all but two waves of the last axis stand for two
    return jnp.stack(forces, 1), z - total(_itself(weights, even, nodes).sum())


def _stencil(t, nodes):  # [R, E] -> [S, R], [S, R]; S = 4^E
    """The nodes around each place, as numbers of the grid, and b of their distance.

    Places are in units of the distance of nodes, of which the second is at 0.
    """
    cell = jnp.clip(jnp.floor(t), 0, nodes - 4).astype(jnp.int32)
    s = t - cell.astype(t.dtype)  # the place between the two nodes in the middle
    r = 1 - s
    b = [r**3, 3 * s**3 - 6 * s**2 + 4, 3 * r**3 - 6 * r**2 + 4, s**3]
    b = jnp.stack(b) / 6  # [4, R, E]
    places, weights = [], []
    for offsets in _offsets(t.shape[1]):
        place, weight = 0, 1
        for e, offset in enumerate(offsets):
            place = place * nodes + cell[:, e] + offset
            weight = weight * b[offset, :, e]
        places.append(place)
        weights.append(weight)
    return jnp.stack(places), jnp.stack(weights)


def _kernels(apart, nodes, e):  # [2 G, ..., G + 1], and E of them
    """The transforms of K~ for w and, without the i, for w^2 y; of period 2 G.

    An even kernel has a real transform and an odd one an imaginary one, so that w and
    the first of the others share one.
    """
    line = np.arange(2 * nodes)
    line = np.where(line < nodes, line, line - 2 * nodes)
    lines = np.meshgrid(*[line] * e, indexing="ij")
    squares = jnp.asarray(sum(np.square(a, dtype=float) for a in lines), apart.dtype)
    w = 1 / (1 + squares * jnp.square(apart))
    # No two nodes are G apart, where an odd kernel would have two values.
    line = np.where(line == -nodes, 0, line)
    lines = np.meshgrid(*[line] * e, indexing="ij")
    odd = [w * w * apart * jnp.asarray(a, apart.dtype) for a in lines]
    b = (2 + np.cos(np.pi * np.arange(2 * nodes) / nodes)) / 3
    both = functools.reduce(np.multiply.outer, [b] * (e - 1) + [b[: nodes + 1]])
    both = jnp.asarray(np.square(both), apart.dtype)
    first = jnp.fft.rfftn(w + odd[0])
    others = [jnp.fft.rfftn(kernel).imag / both for kernel in odd[1:]]
    return first.real / both, [first.imag / both, *others]


def _itself(weights, kernel, nodes):  # [S, R], [2 G, ..., G + 1] -> [R]
    """What the interpolation makes of w_ii: w~ of few nodes, by the sums of cosines."""
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
    return (jnp.matmul(table, weights, precision="highest") * weights).sum(0)


def _offsets(e):
    return list(itertools.product(range(STENCIL), repeat=e))


def _checked_map(y, nodes):
    if y.ndim != 2 or y.shape[1] not in (1, 2):
        raise ValueError(f"y must be [N, 1] or [N, 2], got {list(y.shape)}")
    if not isinstance(nodes, int) or nodes < STENCIL:
        raise ValueError(f"nodes must be an integer of {STENCIL} or more, got {nodes}")


def _checked(y, p, near, row, nodes, axis_name):
    """The number of this device's first point, and how many it has."""
    _checked_map(y, nodes)
    devices = jax.lax.psum(1, axis_name) if axis_name else 1
    if p.ndim != 2 or p.shape != near.shape or row.shape != p.shape[:1]:
        raise ValueError(
            "p and near must be of one shape [M, C], and row [M], got "
            f"{list(p.shape)}, {list(near.shape)} and {list(row.shape)}"
        )
    if len(y) % devices:
        raise ValueError(f"{devices} devices must share y evenly, got {len(y)} rows")
    rows = len(y) // devices
    return jax.lax.axis_index(axis_name) * rows if axis_name else 0, rows
