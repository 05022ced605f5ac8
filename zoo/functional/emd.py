"""The earth mover's problem, solved exactly, with its dual.

    min_P <P, C>,  P >= 0, P 1 = a, P' 1 = b
    = max_fg <a, f> + <b, g>,  f_i + g_j <= C_ij

The network simplex method. A basic plan has its mass on a spanning tree of rows and
columns. The tree fixes the potentials by f_i + g_j = C_ij on its arcs. As long as an
arc (k, l) has C_kl < f_k + g_l, it enters: mass goes around the cycle that it closes
with the tree, until an arc of the cycle is empty and leaves. Without such an arc, f
and g are feasible, and <P, C> = <a, f> + <b, g> proves both optimal.

Many pivots move no mass when sums of masses agree, as in the assignment problem. That
these do not go round in circles is Cunningham's rule: the tree is strongly feasible
(each empty arc leads from a row up to the column above it, so a little mass could go
from every node to the root), and of the arcs that empty together, the last one along
the cycle from its top leaves. That keeps the tree so; no tree returns, and the method
ends. In floats it ends when no arc gains more than 32 ulp of the largest cost; last,
f and g are moved up until they are feasible and tight to the last digit. So how exact
an answer is can be read off it: it is <P, C> - <a, f> - <b, g> above the optimum at
most. Measured: 2 (N + M) pivots for 32 random points on each side, 5 (N + M) for 256.

For a metric cost and f_i = min over j of (d(x_i, y_j) - g_j), as a function of x_i, is
1-Lipschitz: a minimum of such. Hence the theorem of Kantorovich and Rubinstein:

    W(a, b) = max over 1-Lipschitz functions phi of  sum a phi(x) - sum b phi(y)

The tree is a matrix: S[u, v] says that v is below u or is u. So a pivot is a few
operations on arrays, [N + M, N + M], without a loop over the tree.

Shapes: N rows, M columns; V = N + M nodes, rows first.

References:
    Cunningham, "A network simplex method", Mathematical Programming 11, 1976,
    https://doi.org/10.1007/BF01580379
    Ahuja, Magnanti and Orlin, "Network flows", Prentice Hall 1993, chapter 11
    Villani, "Topics in optimal transportation", AMS 2003, theorem 1.14
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from zoo.functional.transport import masses


class EarthMover(NamedTuple):
    """A cheapest plan and the potentials that prove it."""

    plan: jax.Array  # P, [N, M]; at most N + M - 1 entries are not 0
    cost: jax.Array  # <P, C>, a scalar
    f: jax.Array  # potential of the rows, [N]
    g: jax.Array  # potential of the columns, [M]
    pivots: jax.Array  # int32


class KantorovichRubinstein(NamedTuple):
    """A 1-Lipschitz function that tells two distributions apart best."""

    value: jax.Array  # sum a phi(x) - sum b phi(y), a scalar
    phi_x: jax.Array  # [N]
    phi_y: jax.Array  # [M]


def earth_mover(
    cost: jax.Array, a: jax.Array | None = None, b: jax.Array | None = None
) -> EarthMover:
    """The cheapest plan that moves masses a to masses b, exactly; for small problems.

    Args:
        cost: C, finite, [N, M].
        a: masses of the rows, >= 0, [N]; by default equal with the sum 1.
        b: masses of the columns, with the same sum, [M]; likewise.

    Returns:
        An `EarthMover`. The cost has the gradient P in C, f in a and g in b (up to a
        constant, which the equal sums leave open); where several plans or potentials
        are best, it is one of the subgradients. The other fields have none.

    Raises:
        ValueError: a cost that is not [N, M]; masses of another shape; known masses
            that are negative or whose sums differ.
    """
    cost, a, b = masses(cost, a, b)
    fixed = jax.lax.stop_gradient((cost, a, b))
    plan, f, g, pivots = _solve(*fixed)
    _, a0, b0 = fixed
    slope = (a - a0) @ f + (b - b0) @ g  # 0, with the gradient of the dual
    return EarthMover(
        plan=plan, cost=(plan * cost).sum() + slope, f=f, g=g, pivots=pivots
    )


def c_transform(cost: jax.Array, g: jax.Array) -> jax.Array:
    """f_i = min_j (C_ij - g_j): the largest f with f_i + g_j <= C_ij.

    With C_ij = d(z_i, y_j) of a metric d it is a 1-Lipschitz function of z.

    Args:
        cost: C, [N, M].
        g: [M].

    Returns:
        [N].

    Raises:
        ValueError: g that is not one number for each column.
    """
    if jnp.ndim(cost) != 2 or jnp.shape(g) != cost.shape[1:]:
        raise ValueError(
            f"g must be [M] for a cost [N, M], got {jnp.shape(g)} for {jnp.shape(cost)}"
        )
    return (cost - g[None]).min(1)


def kantorovich_rubinstein(
    x_to_y: jax.Array,
    y_to_y: jax.Array,
    a: jax.Array | None = None,
    b: jax.Array | None = None,
) -> KantorovichRubinstein:
    """The Wasserstein distance W_1 as the largest difference of two means.

    Args:
        x_to_y: distances by a metric, [N, M].
        y_to_y: distances by the same metric, [M, M].
        a: masses of the x, [N]; by default equal with the sum 1.
        b: masses of the y, with the same sum, [M]; likewise.

    Returns:
        A `KantorovichRubinstein`. phi(z) = min_j (d(z, y_j) - g_j) is known at all
        points z by `c_transform`. Without a gradient: `earth_mover` has one.

    Raises:
        ValueError: distances that are not [N, M] and [M, M]; masses that
            `earth_mover` refuses.
    """
    m = jnp.shape(x_to_y)[-1]
    if jnp.shape(y_to_y) != (m, m):
        raise ValueError(f"y_to_y must be [{m}, {m}], got {jnp.shape(y_to_y)}")
    x_to_y, a, b = masses(x_to_y, a, b)
    x_to_y, y_to_y, a, b = jax.lax.stop_gradient((x_to_y, y_to_y, a, b))
    g = earth_mover(x_to_y, a, b).g
    phi_x, phi_y = c_transform(x_to_y, g), c_transform(y_to_y, g)
    return KantorovichRubinstein(a @ phi_x - b @ phi_y, phi_x, phi_y)


class Tree(NamedTuple):
    """A basic plan; nodes are numbered rows first, and the last one is the root."""

    parent: jax.Array  # [V]; V for the root and for nodes without mass
    flow: jax.Array  # [V]: mass between a node and its parent
    below: jax.Array  # S, bool [V, V]
    arc: jax.Array  # the arc that gains most, k M + l
    gain: jax.Array  # f_k + g_l - C_kl there
    pivots: jax.Array  # int32


@jax.jit
def _solve(cost, a, b):
    # Rows and columns without mass come first, and stay outside the tree.
    rows, columns = jnp.argsort(a > 0), jnp.argsort(b > 0)
    plan, f, g, pivots = _simplex(cost[rows][:, columns], a[rows], b[columns])
    plan = jnp.zeros_like(cost).at[rows[:, None], columns[None]].set(plan)
    f = jnp.zeros_like(a).at[rows].set(f)
    g = jnp.zeros_like(b).at[columns].set(g)
    f = c_transform(cost, jnp.where(b > 0, g, -jnp.inf))  # no mass there, no bound
    g = c_transform(cost.T, jnp.where(a > 0, f, -jnp.inf))
    return plan, c_transform(cost, g), g, pivots


def _simplex(cost, a, b):
    n, m = cost.shape
    size = n + m
    inside = jnp.concatenate([a, b]) > 0
    tolerance = 32 * jnp.finfo(cost.dtype).eps * jnp.abs(cost).max()

    def more(tree):  # the bound is for floats; no problem is known to come near it
        return (tree.gain > tolerance) & (tree.pivots < 100 * size + size * size)

    tree = first_tree(cost, a, b)
    tree = jax.lax.while_loop(more, lambda tree: pivot(tree, cost, inside), tree)
    row, column = _arcs(tree.parent, n)
    row = jnp.where(tree.parent < size, row, n)  # no arc: dropped
    plan = jnp.zeros_like(cost).at[row, column].set(tree.flow, mode="drop")
    pi = _potentials(tree.parent, tree.below, cost)
    return plan, pi[:n], pi[n:], tree.pivots


def first_tree(cost: jax.Array, a: jax.Array, b: jax.Array) -> Tree:
    """The tree to begin with. Masses of 0 come first in a and in b."""
    parent, flow, below = _northwest(a, b)
    inside = jnp.concatenate([a, b]) > 0
    return Tree(parent, flow, below, *_price(parent, below, cost, inside), jnp.int32(0))


def pivot(tree: Tree, cost: jax.Array, inside: jax.Array) -> Tree:
    """The next tree: the arc that gains most has entered. `inside` has mass, [V]."""
    parent, flow, below, arc, _, pivots = tree
    (n, m), size = cost.shape, len(parent)
    nodes = jnp.arange(size)
    is_row = nodes < n
    k, l = arc // m, n + arc % m
    over_k, over_l = below[:, k], below[:, l]  # the ways up from both ends
    left, right = over_k & ~over_l, over_l & ~over_k
    # The cycle: from its top down to k, over the new arc to l, and up again. Arcs that
    # are run through from column to row lose mass.
    loses = (left & is_row) | (right & ~is_row)
    moved = jnp.where(loses, flow, jnp.inf).min()
    emptied = loses & (flow == moved)
    # The last of them: on the way up from l the highest, else on that to k the lowest.
    depth = below.sum(0)
    last = jnp.where(right, 2 * size - depth, depth)
    leaves = jnp.argmax(jnp.where(emptied, last, -1))
    flow = flow + jnp.where(left | right, jnp.where(loses, -moved, moved), 0)

    # What hangs on the leaving arc is hung on the new one: the way from there up to
    # the leaving arc turns round.
    from_k = over_k[leaves]
    end, other = jnp.where(from_k, k, l), jnp.where(from_k, l, k)
    part = below[leaves]
    turned = part & below[:, end]
    above = jnp.where(turned & (nodes != leaves), parent, size)
    child = jnp.full(size, size).at[above].set(nodes, mode="drop")
    known = child < size
    child = jnp.where(known, child, 0)
    parent = jnp.where(turned & known, child, parent).at[end].set(other)
    flow = jnp.where(turned & known, flow[child], flow).at[end].set(moved)
    rest = part[None] & ~(known[:, None] & below[child])
    outside = below[:, other] & ~part  # the ways up to the root from the new arc
    moves = part[None] & ~part[:, None]
    below = jnp.where(turned[:, None], rest, below)
    below = jnp.where(moves, outside[:, None], below)
    return Tree(parent, flow, below, *_price(parent, below, cost, inside), pivots + 1)


def _arcs(parent, n):  # (row, column) of each node's arc to its parent
    nodes = jnp.arange(len(parent))
    is_row = nodes < n
    return jnp.where(is_row, nodes, parent), jnp.where(is_row, parent, nodes) - n


def _potentials(parent, below, cost):
    size = len(parent)
    own = jnp.where(parent < size, cost[_arcs(parent, len(cost))], 0)
    # own is the potential of a node + that of its parent: going up, signs alternate.
    sign = jnp.where(jnp.arange(size) < len(cost), 1, -1).astype(cost.dtype)
    return sign * jnp.where(below, (sign * own)[:, None], 0).sum(0)


def _price(parent, below, cost, inside):
    n = len(cost)
    pi = _potentials(parent, below, cost)
    gains = pi[:n, None] + pi[None, n:] - cost
    gains = jnp.where(inside[:n, None] & inside[None, n:], gains, -jnp.inf)
    arc = jnp.argmax(gains)
    return arc, gains.ravel()[arc]


def _northwest(a, b):
    """The first tree: rows and columns are filled in order, down to the last of both.

    It is a path of arcs with leaves, each step of which ends a row or a column. Where
    both would end, the column does: the row goes on with an empty arc, and that leads
    up to the next column, as the rule wants it.
    """
    n, m = a.size, b.size
    size = n + m

    def step(carry, _):
        i, j, supply, demand = carry
        done = (i == n - 1) & (j == m - 1)
        column_ends = (j < m - 1) & ((i == n - 1) | (demand <= supply))
        moved = jnp.where(column_ends, demand, supply)
        # The node that ends here hangs on the one that goes on.
        node = jnp.where(column_ends, n + j, i)
        above = jnp.where(column_ends, i, n + j)
        arc = (jnp.where(done & (i < 0), size, node), above, moved)
        rest = jnp.maximum(jnp.where(column_ends, supply, demand) - moved, 0)
        after = (
            jnp.where(column_ends, i, jnp.minimum(i + 1, n - 1)),
            jnp.where(column_ends, j + 1, j),
            jnp.where(column_ends, rest, a[jnp.minimum(i + 1, n - 1)]),
            jnp.where(column_ends, b[jnp.minimum(j + 1, m - 1)], rest),
        )
        return after, arc

    empty_rows, empty_columns = (a <= 0).sum(), (b <= 0).sum()
    start = (empty_rows, empty_columns, a[empty_rows], b[empty_columns])
    _, (node, above, moved) = jax.lax.scan(step, start, length=size - 1)
    count = size - 1 - empty_rows - empty_columns
    valid = jnp.arange(size - 1) < count
    node = jnp.where(valid, node, size)
    parent = jnp.full(size, size).at[node].set(above, mode="drop")
    flow = jnp.zeros(size, a.dtype).at[node].set(moved, mode="drop")
    # Ancestors by doubling: 1, 2, 4 ... steps up.
    below = jnp.eye(size, dtype=bool)
    up = parent
    for _ in range(size.bit_length()):
        far = jnp.where(up[None] < size, below[:, jnp.minimum(up, size - 1)], False)
        below = below | far
        up = jnp.where(up < size, up[jnp.minimum(up, size - 1)], size)
    return parent, flow, below
