"""Affinities of points: how likely one would pick another as its neighbour.

    p_{j|i} = exp(-b_i |x_i - x_j|^2) / sum over k != i of exp(-b_i |x_i - x_k|^2)
    p_ij    = (p_{j|i} + p_{i|j}) / (2 N)             symmetric; the sum of all is 1

Each precision b_i (1 / (2 sigma_i^2)) is such that the distribution around i has the
perplexity that is asked for, its effective number of neighbours:

    perplexity = exp( -sum_j p_{j|i} log p_{j|i} )

The entropy falls as b_i rises, so b_i is found by bisection, of its logarithm, with
distances from the nearest one on and in units of their mean, so that no scale of the
data is out of reach. p itself does not see either change.

Where more points are equally near to i than the perplexity, duplicates say, no
precision makes it so small: p_{j|i} is then even over these. Of points that are all
equal every p_{j|i} is 1 / (N - 1).

`dense` holds all N^2 numbers. `sparse` knows of each point its K nearest only, about
three times the perplexity, beyond which a Gaussian has next to nothing. Made symmetric,
rows differ in length (of 10,000 pictures of clothes a row has 135 entries in the mean
and 653 at most), so each is cut into pieces of 8, the last filled up with p = 0.

The three sums of p log p that the objectives of `zoo.classical.sne` need are kept too.

Shapes: N points, D features, K neighbours, M pieces of rows, each of C = 8 entries.

References:
    Hinton and Roweis, "Stochastic neighbor embedding", NeurIPS 2002,
    https://papers.nips.cc/paper/2276-stochastic-neighbor-embedding
    van der Maaten and Hinton, "Visualizing data using t-SNE", JMLR 9, 2008,
    https://jmlr.org/papers/v9/vandermaaten08a.html
    van der Maaten, "Accelerating t-SNE using tree-based algorithms", JMLR 15, 2014,
    https://jmlr.org/papers/v15/vandermaaten14a.html (the nearest only)
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import xlogy

import zoo.functional as F
from zoo.classical import checks, neighbors

BLOCK = 256  # rows whose precisions are sought at once
WIDEST = 64.0  # log2 of a precision, in units of the mean distance, at most
PIECE = 8  # entries (C)
DEVICES = 64  # whose number divides this can share the pieces evenly
FAR = 1e30  # beyond it exp(-far) is 0 and far exp(-far) too


class Affinities(NamedTuple):
    p: jax.Array  # symmetric, of sum 1: p_ij, [N, N]; or the entries of pieces, [M, C]
    near: jax.Array | None  # the columns of the entries, int32 [M, C]; None: all
    row: jax.Array | None  # the row of each piece, int32 [M], sorted; None: all
    plogp: jax.Array  # sum over j of p_ij log p_ij, [N]
    plogp_sne: jax.Array  # likewise of p_{j|i} / N, [N]


def conditional(x: jax.Array, perplexity: float, block: int = BLOCK) -> jax.Array:
    """p_{j|i} of all pairs.

    Args:
        x: [N, D].
        perplexity: from 1 to N - 1; may be traced.
        block: rows whose precisions are sought at once.

    Returns:
        [N, N]; rows add up to 1, the diagonal is 0.

    Raises:
        ValueError: x that is not [N, D] with N >= 2, or not finite; a perplexity out of
            range.
    """
    x = _points(x, perplexity)
    return _conditional(x, perplexity, block)


@functools.partial(jax.jit, static_argnums=2)
def _conditional(x, perplexity, block):
    squares = F.pairwise("squared_euclidean", x, x)
    itself = jnp.eye(len(x), dtype=bool)
    return _rows(jnp.where(itself, jnp.inf, squares), perplexity, block)


def dense(x: jax.Array, perplexity: float = 30.0, block: int = BLOCK) -> Affinities:
    """p_ij of all pairs.

    Args:
        x: [N, D].
        perplexity: from 1 to N - 1; may be traced.
        block: rows whose precisions are sought at once.

    Raises:
        ValueError: as `conditional`.
    """
    return _joint(conditional(x, perplexity, block))


@jax.jit
def _joint(p):
    n = len(p)
    joint = (p + p.T) / (2 * n)
    return Affinities(
        p=joint,
        near=None,
        row=None,
        plogp=xlogy(joint, joint).sum(1),
        plogp_sne=xlogy(p / n, p / n).sum(1),
    )


def sparse(
    x: jax.Array,
    perplexity: float = 30.0,
    k: int | None = None,
    block: int = BLOCK,
) -> Affinities:
    """p_ij of near pairs: j among the K nearest of i, or i among those of j.

    Args:
        x: [N, D]; not traced, because M follows from its values.
        perplexity: from 1 to N - 1, and at most K.
        k: K; None: 3 perplexity + 1, as scikit-learn, or N - 1 where that is less.
        block: rows whose precisions are sought at once.

    Raises:
        ValueError: as `conditional`; a traced x; k out of range.
    """
    if isinstance(x, jax.core.Tracer):
        raise ValueError("x must not be traced: the number of pieces follows from it")
    x = _points(x, perplexity)
    n = len(x)
    if k is None:
        k = max(1, min(n - 1, int(3 * perplexity + 1)))
    checks.at_most("k", k, n - 1, "other points")
    if perplexity > k:
        raise ValueError(f"perplexity must be at most k = {k}, got {perplexity}")
    # Of duplicates a point may come after others, or not at all: it leaves by number.
    found = neighbors.kneighbors(x, x, k + 1, "squared_euclidean")
    squares, near = map(np.asarray, found)
    order = np.argsort(near == np.arange(n)[:, None], axis=1, stable=True)
    squares, near = (np.take_along_axis(a, order, 1)[:, :k] for a in (squares, near))
    p = jax.jit(_rows, static_argnums=2)(squares, perplexity, block)
    joint, columns, row = _symmetric(near, np.asarray(p))
    joint, row = jnp.asarray(joint, x.dtype), jnp.asarray(row, jnp.int32)
    return Affinities(
        p=joint,
        near=jnp.asarray(columns, jnp.int32),
        row=row,
        plogp=jnp.zeros(n, x.dtype).at[row].add(xlogy(joint, joint).sum(1)),
        plogp_sne=xlogy(p / n, p / n).sum(1),
    )


def batch(
    x: jax.Array, perplexity: float = 30.0, nearest: bool = False
) -> dict[str, jax.Array]:
    """The constant batch of `zoo.classical.sne`: points and their affinities, by row.

    Args:
        x: [N, D].
        perplexity: from 1 to N - 1.
        nearest: whether only the nearest points count (`sparse`), else `dense`.

    Returns:
        `x`, `index` and the fields of `Affinities`, without `near` and `row` where it
        is dense.

    Raises:
        ValueError: as `dense` and `sparse`.
    """
    made = (sparse if nearest else dense)(x, perplexity)._asdict()
    made = {name: array for name, array in made.items() if array is not None}
    x = checks.finite("x", x)
    return {"x": x, "index": jnp.arange(len(x), dtype=jnp.int32), **made}


def _rows(squares, perplexity, block):  # [N, M] -> [N, M]
    """Each row's distribution; an infinite distance is none."""
    target = jnp.log(jnp.asarray(perplexity, squares.dtype))
    one = functools.partial(_distribution, target=target)
    return jax.lax.map(one, squares, batch_size=min(block, len(squares)))


def _distribution(squares, target):  # [M] -> [M]
    shifted = squares - squares.min()
    some = jnp.isfinite(shifted)
    mean = jnp.where(some, shifted, 0).sum() / some.sum()
    unit = shifted / jnp.where(mean > 0, mean, 1)

    def at(exponent):
        energy = jnp.minimum(jnp.exp2(exponent) * unit, FAR)
        weight = jnp.exp(-energy)
        total = weight.sum()  # >= 1: the nearest's weight is
        return weight / total, jnp.log(total) + (weight * energy).sum() / total

    def halve(_, ends):
        low, high = ends
        middle = (low + high) / 2
        wide = at(middle)[1] > target
        return jnp.where(wide, middle, low), jnp.where(wide, high, middle)

    digits = jnp.finfo(squares.dtype).nmant
    ends = jnp.full((), -WIDEST, unit.dtype), jnp.full((), WIDEST, unit.dtype)
    low, high = jax.lax.fori_loop(0, digits + 8, halve, ends)
    return at((low + high) / 2)[0]


def _symmetric(near, p):  # [N, K], [N, K] -> [M, C], [M, C], [M]
    """Pieces of the rows of (P + P^T) / (2 N): entries, columns and the row.

    What fills up a piece is the point itself, with p = 0: it moves nothing.
    """
    n, k = near.shape
    row, column = np.repeat(np.arange(n), k), near.ravel().astype(np.int64)
    pair = np.concatenate([row * n + column, column * n + row])
    pair, at = np.unique(pair, return_inverse=True)
    value = np.bincount(at, np.tile(p.ravel() / (2 * n), 2), len(pair))
    pair, value = pair[value > 0], value[value > 0]
    row, column = np.divmod(pair, n)
    first = np.searchsorted(row, np.arange(n))
    place = np.arange(len(row)) - first[row]
    pieces = -(-np.bincount(row, minlength=n) // PIECE)  # of each row
    begin = np.cumsum(pieces) - pieces
    of = np.repeat(np.arange(n), pieces)
    of = np.append(of, np.full(-len(of) % DEVICES, n - 1))
    entries, columns = np.zeros((len(of), PIECE)), np.tile(of[:, None], PIECE)
    at = begin[row] + place // PIECE, place % PIECE
    entries[at], columns[at] = value, column
    return entries, columns, of


def _points(x, perplexity):
    x = checks.finite("x", x)
    if x.ndim != 2 or len(x) < 2:
        raise ValueError(f"x must be [N, D] with N >= 2, got {list(x.shape)}")
    read = not isinstance(perplexity, jax.core.Tracer)
    if read and not 1 <= perplexity <= len(x) - 1:
        raise ValueError(
            f"perplexity must be from 1 to {len(x) - 1}, one less than the points, "
            f"got {perplexity}"
        )
    return x
