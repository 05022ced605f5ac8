"""The earth mover's problem: exact, proven by its dual; Kantorovich and Rubinstein."""

import hypothesis.extra.numpy as arrays
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from scipy.optimize import linear_sum_assignment, linprog

import zoo.functional as F
from zoo.functional.emd import first_tree, pivot

solve, proof = F.earth_mover, F.kantorovich_rubinstein
whole = st.integers(0, 3).map(float)  # few values: many plans tie, many pivots move 0


def draw(n, m, kind, seed):
    rng = np.random.default_rng(seed)
    cost = rng.uniform(size=(n, m))
    if kind == "distributions":
        return cost, rng.dirichlet(np.ones(n)), rng.dirichlet(np.ones(m))
    if kind == "equal":
        return cost, np.full(n, 1 / n), np.full(m, 1 / m)
    # whole masses, some of them 0, and costs that are often equal
    a = rng.integers(0, 3, n) + (np.arange(n) == n // 2)
    b = rng.multinomial(a.sum(), np.ones(m) / m)
    return np.floor(4 * cost), a.astype(float), b.astype(float)


def linear_program(cost, a, b):
    n, m = cost.shape
    rows, columns = np.kron(np.eye(n), np.ones(m)), np.kron(np.ones(n), np.eye(m))
    limits = np.concatenate([rows, columns])
    return linprog(cost.ravel(), A_eq=limits, b_eq=np.concatenate([a, b])).fun


def check(cost, a, b, r, exact, tolerance):
    """Primal feasible, dual feasible, and equal: so both are optimal."""
    r = jax.tree.map(np.asarray, r)
    assert (r.plan >= 0).all() and (r.plan > 0).sum() <= sum(cost.shape) - 1
    np.testing.assert_allclose(r.plan.sum(1), a, atol=tolerance)
    np.testing.assert_allclose(r.plan.sum(0), b, atol=tolerance)
    assert (r.f[:, None] + r.g[None] - cost).max() <= tolerance
    np.testing.assert_allclose(r.cost, (r.plan * cost).sum(), atol=tolerance)
    np.testing.assert_allclose(a @ r.f + b @ r.g, r.cost, atol=tolerance)
    np.testing.assert_allclose(r.cost, exact, atol=tolerance)


@pytest.mark.parametrize("kind", ["distributions", "equal", "whole"])
@pytest.mark.parametrize("size", [(1, 4), (4, 1), (6, 9)])
def test_strong_duality(size, kind):
    for seed in range(6):
        cost, a, b = draw(*size, kind, seed)
        exact = linear_program(cost, a, b)
        with jax.enable_x64(True):
            check(cost, a, b, solve(cost, a, b), exact, 1e-13 * a.sum())
        if min(size) > 1:
            low = solve(*map(np.float32, (cost, a, b)))
            check(cost, a, b, low, exact, 2e-6 * a.sum())


@given(arrays.arrays(np.float64, (5, 5), elements=whole))
def test_the_assignment_problem(cost):
    """Equal masses are the most degenerate problem: only 5 of 9 arcs carry mass."""
    with jax.enable_x64(True):
        r = solve(cost)
    exact = cost[linear_sum_assignment(cost)].sum() / 5
    check(cost, np.full(5, 0.2), np.full(5, 0.2), r, exact, 1e-14)
    assert set(np.unique(r.plan)) <= {0, 0.2}


@pytest.mark.parametrize("kind", ["equal", "whole"])
def test_empty_arcs_lead_up_in_every_tree(kind):
    """Cunningham's invariant, from which it follows that the method ends."""
    for seed in range(3):
        cost, a, b = draw(7, 7, kind, seed)
        a, b = np.sort(a), np.sort(b)  # as the method orders them: empty ones first
        with jax.enable_x64(True):
            trees = trees_of(cost, a, b)
        root = 13
        inside = np.concatenate([a, b]) > 0
        assert len(trees) > 3
        for parent, flow, below in trees:
            for node in np.flatnonzero(inside):
                way = [node]
                while way[-1] != root:
                    up = parent[way[-1]]
                    assert (way[-1] < 7) != (up < 7) and len(way) < 14
                    if way[-1] >= 7:  # a column below a row
                        assert flow[way[-1]] > 0
                    way.append(up)
                np.testing.assert_array_equal(
                    np.flatnonzero(below[:, node]), sorted(way)
                )


def trees_of(cost, a, b):
    """All trees of a solution, the first to the last."""
    inside = jnp.asarray(np.concatenate([a, b]) > 0)
    tree = jax.jit(first_tree)(cost, a, b)
    step, seen = jax.jit(pivot), []
    while True:
        seen.append([np.asarray(x) for x in tree[:3]])
        if not tree.gain > 1e-12:
            return seen
        tree = step(tree, cost, inside)


def test_the_example_to_check_by_hand():
    x, y = np.array([3.0, 7.0]), np.array([4.0, 6.0])
    r = F.earth_mover(jnp.abs(x[:, None] - y[None]), jnp.ones(2), jnp.ones(2))
    assert r.cost == 2
    np.testing.assert_array_equal(r.plan, np.eye(2))
    other = jnp.abs(x[:, None] - y[None]) * (1 - r.plan)
    assert other.sum() == 6


@pytest.mark.parametrize("p", [1, 2])
def test_on_a_line_it_is_the_difference_of_quantiles(p):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=6), rng.normal(size=9)
    a, b = rng.dirichlet(np.ones(6)), rng.dirichlet(np.ones(9))
    with jax.enable_x64(True):
        cost = solve(abs(x[:, None] - y[None]) ** p, a, b).cost
        line = np.asarray(F.wasserstein_1d(x, y, p, a, b))
    np.testing.assert_allclose(cost, line**p, rtol=1e-12)


@pytest.mark.parametrize(
    "distance",
    [
        F.euclidean_distance,
        F.chebyshev_distance,
        lambda x, y: F.minkowski_distance(x, y, 1),
    ],
    ids=["euclidean", "chebyshev", "manhattan"],
)
def test_kantorovich_rubinstein(distance):
    """No 1-Lipschitz function tells the means farther apart than the plan is long."""
    rng = np.random.default_rng(0)
    x, y, z = (rng.normal(size=(n, 2)) for n in (6, 9, 30))
    a, b = rng.dirichlet(np.ones(6)), rng.dirichlet(np.ones(9))
    with jax.enable_x64(True):
        d = jax.jit(lambda x, y: F.pairwise(distance, x, y))
        points = np.concatenate([x, y, z])
        apart = np.asarray(d(points, points))
        x_to_y, y_to_y, z_to_y = apart[:6, 6:15], apart[6:15, 6:15], apart[15:, 6:15]
        r = solve(x_to_y, a, b)
        value, phi_x, phi_y = map(np.asarray, proof(x_to_y, y_to_y, a, b))
        everywhere = np.asarray(F.c_transform(z_to_y, r.g))
    np.testing.assert_allclose(value, r.cost, rtol=1e-13)
    np.testing.assert_allclose(value, a @ phi_x - b @ phi_y, rtol=1e-13)
    phi = np.concatenate([phi_x, phi_y, everywhere])
    assert (abs(phi[:, None] - phi[None]) <= apart + 1e-14).all()
    moves = np.asarray(r.plan) > 0  # where the plan moves mass, the slope is 1
    steps = phi_x[:, None] - phi_y[None]
    np.testing.assert_allclose(steps[moves], x_to_y[moves], atol=1e-13)


def test_whole_costs_are_taken_as_floats():
    r = solve(jnp.array([[1, 0], [0, 1]]))
    assert r.cost == 0 and r.plan.dtype == jnp.float32


def test_c_transform_is_the_largest_feasible():
    cost, _, _ = draw(5, 4, "equal", 0)
    g = np.random.default_rng(1).normal(size=4)
    f = np.asarray(F.c_transform(jnp.float32(cost), jnp.float32(g)))
    slack = cost - f[:, None] - g[None]
    assert slack.min() >= -1e-6
    np.testing.assert_allclose(slack.min(1), np.zeros(5), atol=1e-6)


def test_gradient_is_plan_and_potentials():
    with jax.enable_x64(True):
        cost, a, b = map(jnp.asarray, draw(6, 9, "distributions", 0))
        r = solve(cost, a, b)
        f = lambda *args: solve(*args).cost
        dc, da, db = jax.grad(f, (0, 1, 2))(cost, a, b)
        np.testing.assert_array_equal(dc, r.plan)
        np.testing.assert_array_equal(da, r.f)
        np.testing.assert_array_equal(db, r.g)
        move = jnp.array([1.0, 0, -1, 0, 0, 0])
        slope = (f(cost, a + 1e-6 * move, b) - f(cost, a - 1e-6 * move, b)) / 2e-6
        np.testing.assert_allclose(slope, da @ move, rtol=1e-8)
