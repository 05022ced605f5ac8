"""SNE, symmetric SNE and t-SNE: the objective and its gradient, of all pairs.

Each is the divergence of a distribution Q of pairs in the map from P in the data:

    KL(P | Q) = sum over i != j of p_ij log(p_ij / q_ij)

    sne        p = p_{j|i} / N   q_ij = exp(-|y_i - y_j|^2) / (N z_i)    z_i = sum_k ...
    symmetric  p = p_ij          q_ij = exp(-|y_i - y_j|^2) / Z          Z = sum_i z_i
    tsne       p = p_ij          q_ij = w_ij / Z        w_ij = 1 / (1 + |y_i - y_j|^2)

    dKL/dy_i = 2 sum_j (p_ij - q_ij + p_ji - q_ji) (y_i - y_j)           sne
             = 4 sum_j (p_ij - q_ij) (y_i - y_j)                         symmetric
             = 4 sum_j (p_ij - q_ij) w_ij (y_i - y_j)                    tsne

SNE's conditional p_{j|i} enters its gradient only by p_{j|i} + p_{i|j}, and KL only by
that and a constant. So all three take the same symmetric P, of
`zoo.classical.affinities`, and the constant sum of p log p of their own p.

Differs from Hinton and Roweis: their sum over i of KL(P_i | Q_i) is divided by N here,
so that all three are divergences of one distribution.

Rows are taken by blocks, so that beside P no more than a block of pairs is held. A sum
over j of a_ij (y_i - y_j) is y_i (A 1)_i - (A Y)_i, a product of matrices.

Shapes: N points, E dimensions of the map, R rows: this device's share of N.

References:
    Hinton and Roweis, "Stochastic neighbor embedding", NeurIPS 2002,
    https://papers.nips.cc/paper/2276-stochastic-neighbor-embedding
    Cook, Sutskever, Mnih and Hinton, "Visualizing similarity data with a mixture of
    maps", AISTATS 2007, https://proceedings.mlr.press/v2/cook07a.html (symmetric SNE)
    van der Maaten and Hinton, "Visualizing data using t-SNE", JMLR 9, 2008,
    https://jmlr.org/papers/v9/vandermaaten08a.html
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from zoo.errors import unknown

KINDS = ("sne", "symmetric", "tsne")
PAIRS = 2**18  # of a block of rows


def objective(
    y: jax.Array,
    p: jax.Array,
    plogp: jax.Array,
    kind: str = "tsne",
    axis_name: str | None = None,
) -> jax.Array:
    """KL(P | Q).

    Args:
        y: places in the map, all of them on every device, [N, E].
        p: rows of the symmetric P, [R, N]; R = N without an axis name.
        plogp: sums over j of p log p; for `sne` those of p_{j|i} / N; [R].
        kind: one of `KINDS`.
        axis_name: the axis over which rows are split in their order, or None.

    Returns:
        A scalar >= 0, in nats.

    Raises:
        ValueError: an unknown kind; shapes that do not fit.
    """
    first = _checked(y, p, kind, axis_name)

    def some(start, size):
        squares = _squares(_part(y, first + start, size), y)
        near = -jnp.log1p(squares) if kind == "tsne" else -squares
        return (_part(p, start, size) * near).sum(1)

    inner = by_rows(some, len(p), len(y)).sum()
    total = plogp.sum() - inner
    total = jax.lax.psum(total, axis_name) if axis_name else total
    return total + _normalizers(y, len(p), first, kind, axis_name).mean()


def gradient(
    y: jax.Array,
    p: jax.Array,
    kind: str = "tsne",
    exaggeration: float | jax.Array = 1.0,
    axis_name: str | None = None,
) -> jax.Array:
    """dKL/dy, by the closed forms above.

    Args:
        y: places in the map, all of them on every device, [N, E].
        p: rows of the symmetric P, [R, N]; R = N without an axis name.
        kind: one of `KINDS`.
        exaggeration: by which P is multiplied, so that points attract each other more
            than they repel.
        axis_name: the axis over which rows are split in their order, or None.

    Returns:
        [N, E], the same on every device.

    Raises:
        ValueError: as `objective`.
    """
    first = _checked(y, p, kind, axis_name)
    forces = _student if kind == "tsne" else _gaussian
    mine = forces(y, p, first, kind, exaggeration, axis_name)  # [R, E]
    return jax.lax.all_gather(mine, axis_name, tiled=True) if axis_name else mine


def _student(y, p, first, kind, exaggeration, axis_name):
    """t-SNE in one pass: what repels is divided by Z at the end."""

    def some(start, size):
        mine = _part(y, first + start, size)
        w = 1 / (1 + _squares(mine, y))
        attract = _differences(_part(p, start, size) * w, mine, y)
        return attract, _differences(w * w, mine, y), w.sum(1) - 1

    attract, repel, z = by_rows(some, len(p), len(y))
    total = jax.lax.psum(z.sum(), axis_name) if axis_name else z.sum()
    return 4 * (exaggeration * attract - repel / total)


def _gaussian(y, p, first, kind, exaggeration, axis_name):
    """SNE and symmetric SNE: q_ij = exp(-d_ij - L_i), with L of a pass before."""
    norms = _normalizers(y, len(p), first, kind, axis_name)

    def some(start, size):
        mine = _part(y, first + start, size)
        squares = _squares(mine, y)
        rows = _part(norms, first + start, size).reshape(-1, 1)
        q = jnp.exp(-squares - rows) + jnp.exp(-squares - norms.reshape(1, -1))
        q = jnp.where(_itself(first + start, size, len(y)), 0, q / 2)
        return _differences(exaggeration * _part(p, start, size) - q, mine, y)

    return 4 * by_rows(some, len(p), len(y))


def _normalizers(y, rows, first, kind, axis_name):  # [N]
    """L_i: log Z, or log(N z_i) of SNE."""

    def some(start, size):
        squares = _squares(_part(y, first + start, size), y)
        itself = _itself(first + start, size, len(y))
        near = -jnp.log1p(squares) if kind == "tsne" else -squares
        return jax.nn.logsumexp(jnp.where(itself, -jnp.inf, near), axis=1)

    z = by_rows(some, rows, len(y))
    z = jax.lax.all_gather(z, axis_name, tiled=True) if axis_name else z
    if kind == "sne":
        return z + jnp.log(jnp.asarray(len(y), z.dtype))
    return jnp.full_like(z, 1) * jax.nn.logsumexp(z)


def by_rows(some: Callable[[Any, int], Any], rows: int, width: int) -> Any:
    """some(start, size) of blocks of rows, put together.

    Args:
        some: (first row, rows) -> arrays of so many rows.
        rows: R, of all blocks.
        width: numbers of a row that are held, so that a block has about `PAIRS`.

    Returns:
        Arrays of R rows.
    """
    size = min(rows, max(1, PAIRS // width))
    if size == rows:
        return some(0, size)

    def put(whole, start):
        update = jax.lax.dynamic_update_slice_in_dim
        part = some(start, size)
        return jax.tree.map(lambda a, b: update(a, b, start, 0), whole, part), None

    # The last block begins early enough to be whole: it does some rows once more.
    starts = jnp.minimum(jnp.arange(0, rows, size), rows - size)
    shapes = jax.eval_shape(lambda start: some(start, size), starts[0])
    whole = jax.tree.map(lambda s: jnp.zeros((rows, *s.shape[1:]), s.dtype), shapes)
    return jax.lax.scan(put, whole, starts)[0]


def _part(array, start, size):
    return jax.lax.dynamic_slice_in_dim(array, start, size)


def _squares(rows, y):  # [R, E], [N, E] -> [R, N]
    """Of the differences themselves: nothing is lost, and E is small."""
    of = lambda e: jnp.square(rows[:, e].reshape(-1, 1) - y[:, e].reshape(1, -1))
    return sum(of(e) for e in range(y.shape[1]))


def _differences(a, rows, y):  # [R, N], [R, E], [N, E] -> [R, E]
    """Sums over j of a_ij (y_i - y_j)."""
    ones = jnp.ones((len(y), 1), y.dtype)
    sums = jnp.matmul(a, jnp.concatenate([y, ones], 1), precision="highest")
    return rows * sums[:, -1:] - sums[:, :-1]


def _itself(first, size, n):  # [R, N]
    return (first + jnp.arange(size)).reshape(-1, 1) == jnp.arange(n).reshape(1, -1)


def _checked(y, p, kind, axis_name):
    """The number of this device's first row."""
    if kind not in KINDS:
        raise unknown("kind", kind, KINDS)
    devices = jax.lax.psum(1, axis_name) if axis_name else 1
    fits = y.ndim == p.ndim == 2 and p.shape == (len(y) // devices, len(y))
    if not fits or len(y) % devices:
        raise ValueError(
            f"y and p must be [N, E] and [N, N], or its rows on each device, got "
            f"{list(y.shape)} and {list(p.shape)}"
        )
    return jax.lax.axis_index(axis_name) * len(p) if axis_name else 0
