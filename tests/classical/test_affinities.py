"""Affinities: the perplexity asked for, duplicates, blocks, sparse rows, bad input."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.spatial.distance import cdist

from zoo.classical import affinities


def points(n=40, d=5, dtype=np.float64):
    x = np.random.default_rng(0).normal(size=(n, d)) * np.arange(1, d + 1)
    return x.astype(dtype)


def perplexities(p):
    p = np.asarray(p, float)
    return np.exp(-(p * np.log(np.where(p > 0, p, 1))).sum(1))


def transcribed(x, perplexity):
    """p_{j|i}, row by row: the root of the entropy by Brent's method."""
    squares, p = cdist(x, x, "sqeuclidean"), np.zeros((len(x), len(x)))
    for i in range(len(x)):
        others = np.arange(len(x)) != i
        d = squares[i, others]

        def row(log_precision, d=d):
            e = np.exp(-np.exp(log_precision) * (d - d.min()))
            return e / e.sum()

        excess = lambda b, row=row: perplexities(row(b)[None])[0] - perplexity
        p[i, others] = row(brentq(excess, -15, 5, xtol=1e-14))
    return p


@pytest.mark.parametrize("perplexity", [1.5, 8, 30])
def test_conditional_is_its_definition(perplexity):
    x = points()
    with jax.enable_x64(True):
        p = affinities.conditional(x, perplexity)
    np.testing.assert_allclose(p, transcribed(x, perplexity), rtol=1e-9, atol=1e-14)
    np.testing.assert_allclose(perplexities(p), perplexity, rtol=1e-12)
    np.testing.assert_array_equal(np.diagonal(p), 0)


def test_limits_of_the_perplexity():
    """1 is the nearest point alone, N - 1 all of them alike."""
    x = points(12)
    with jax.enable_x64(True):
        one, all_ = (affinities.conditional(x, perplexity) for perplexity in (1, 11))
    squares = cdist(x, x)
    np.fill_diagonal(squares, np.inf)
    np.testing.assert_allclose(one, np.eye(12)[squares.argmin(1)], atol=1e-9)
    np.testing.assert_allclose(all_, (1 - np.eye(12)) / 11, rtol=1e-9)


def test_float32_and_no_scale_is_out_of_reach():
    x = points()
    with jax.enable_x64(True):
        exact = affinities.conditional(x, 10.0)
        for scale in (1e-60, 1e60):
            p = affinities.conditional(scale * x, 10.0)
            np.testing.assert_allclose(p, exact, rtol=1e-9)
    for scale in (1e-12, 1, 1e12):
        p = affinities.conditional(np.float32(scale * x), 10.0)
        assert p.dtype == jnp.float32
        np.testing.assert_allclose(perplexities(p), 10, rtol=1e-5)
        # Squared distances by products of matrices lose a digit or two.
        np.testing.assert_allclose(p, exact, rtol=2e-4, atol=1e-8)


def test_an_outlier_has_neighbours_too():
    x = np.concatenate([points(), [[1e4] * 5]])
    with jax.enable_x64(True):
        p = affinities.conditional(x, 10.0)
    np.testing.assert_allclose(perplexities(p), 10, rtol=1e-9)


def test_blocks_change_nothing():
    x = points(dtype=np.float32)
    whole = affinities.conditional(x, 7.0)
    for block in (1, 13, 40):
        part = affinities.conditional(x, 7.0, block=block)
        np.testing.assert_allclose(part, whole, rtol=1e-5, atol=1e-12)


def test_dense_is_symmetric_and_adds_up():
    x = points()
    with jax.enable_x64(True):
        made = affinities.dense(x, 8.0)
        p = np.asarray(affinities.conditional(x, 8.0))
    joint = (p + p.T) / 80
    np.testing.assert_allclose(made.p, joint, rtol=1e-12, atol=1e-18)
    np.testing.assert_allclose(np.asarray(made.p).sum(), 1)
    plogp = lambda q: (q * np.log(np.where(q > 0, q, 1))).sum(1)
    np.testing.assert_allclose(made.plogp, plogp(joint), rtol=1e-12)
    np.testing.assert_allclose(made.plogp_sne, plogp(p / 40), rtol=1e-12)
    np.testing.assert_allclose(np.asarray(made.plogp_sne).sum(), -np.log(8 * 40))
    assert made.near is None


def test_points_that_are_all_equal():
    x = np.full((6, 3), 2.5)
    with jax.enable_x64(True):
        made, few = affinities.dense(x, 3.0), affinities.sparse(x, 1.0, k=2)
    np.testing.assert_allclose(made.p, (1 - np.eye(6)) / 30, rtol=1e-12)
    assert np.isfinite(few.p).all() and np.isclose(np.asarray(few.p).sum(), 1)


def test_more_duplicates_than_the_perplexity():
    x = np.concatenate([np.tile([[30.0, 40]], (5, 1)), points(10, 2)])
    with jax.enable_x64(True):
        p = np.asarray(affinities.conditional(x, 3.0))
    expected = np.zeros((5, 15))
    expected[:, :5] = (1 - np.eye(5)) / 4
    np.testing.assert_allclose(p[:5], expected, atol=1e-9)
    np.testing.assert_allclose(perplexities(p[5:]), 3, rtol=1e-9)


def full(made, n):
    """The matrix that pieces of sparse rows stand for."""
    p = np.zeros((n, n))
    np.add.at(p, (np.asarray(made.row)[:, None], made.near), np.asarray(made.p))
    return p


def test_sparse_with_all_neighbours_is_dense():
    x = points()
    with jax.enable_x64(True):
        few, all_ = affinities.sparse(x, 8.0, k=39), affinities.dense(x, 8.0)
    np.testing.assert_allclose(full(few, 40), all_.p, rtol=1e-9, atol=1e-15)
    np.testing.assert_allclose(few.plogp, all_.plogp, rtol=1e-9)
    np.testing.assert_allclose(few.plogp_sne, all_.plogp_sne, rtol=1e-9)


@pytest.mark.parametrize("k", [6, None])
def test_sparse_is_of_the_nearest(k):
    x = points()
    with jax.enable_x64(True):
        made = affinities.sparse(x, 4.0, k=k)
    k = k or 13
    squares = cdist(x, x, "sqeuclidean")
    np.fill_diagonal(squares, np.inf)
    near = np.argsort(squares, 1)[:, :k]
    one = np.zeros((40, 40))
    with jax.enable_x64(True):
        rows = affinities._rows(jnp.asarray(np.sort(squares, 1)[:, :k]), 4.0, 9)
    one[np.arange(40)[:, None], near] = rows
    np.testing.assert_allclose(full(made, 40), (one + one.T) / 80, rtol=1e-9)
    np.testing.assert_allclose(perplexities(rows), 4, rtol=1e-9)
    p, columns = np.asarray(made.p), np.asarray(made.near)
    assert (p > 0).sum() == ((one + one.T) > 0).sum() and columns.dtype == np.int32
    itself = columns == np.asarray(made.row)[:, None]
    assert (p[itself] == 0).all() and (p[~itself] > 0).all()
    np.testing.assert_allclose(np.asarray(made.plogp_sne).sum(), -np.log(4 * 40))


def test_sparse_among_duplicates():
    """No point is its own neighbour, also where many are at distance 0."""
    x = np.tile(points(8, 3, np.float32), (4, 1))
    made = affinities.sparse(x, 2.0, k=3)
    p = full(made, 32)
    alike = np.arange(32)[:, None] % 8 == np.arange(32) % 8
    expected = (alike & ~np.eye(32, dtype=bool)) / (3 * 32)
    np.testing.assert_allclose(p, expected, atol=1e-7)


def test_what_has_no_weight_takes_no_place():
    """Two far clouds of 5: of the 9 neighbours of a point 5 have p = 0, in float32."""
    x = np.float32(points(10, 2) + 1e4 * (np.arange(10)[:, None] % 2))
    made = affinities.sparse(x, 2.0, k=9)
    assert (np.asarray(made.p) > 0).sum() == 10 * 4
    np.testing.assert_allclose(np.asarray(made.p).sum(), 1, rtol=1e-6)


def test_pieces_are_whole_and_in_order():
    """A hub in the middle has many entries, and each of 64 devices as many pieces."""
    x = np.concatenate([np.zeros((1, 40)), np.eye(40), 2 + np.eye(40)])
    made = jax.device_get(affinities.sparse(np.float32(x), 2.0, k=3))
    row, entries = made.row, (made.p > 0).sum(1)
    assert len(row) % 64 == 0 and (np.diff(row) >= 0).all() and row[-1] == 80
    of_hub = entries[row == 0]
    assert len(of_hub) > 1 and (of_hub[:-1] == 8).all() and of_hub[-1] > 0
    own = np.broadcast_to(row[:, None], made.p.shape)
    np.testing.assert_array_equal(made.near[made.p == 0], own[made.p == 0])
    assert (made.near[made.p > 0] != own[made.p > 0]).all()


def test_batch_is_by_row():
    x = points(dtype=np.float32)
    for nearest in (False, True):
        made = affinities.batch(x, 4.0, nearest)
        assert ("near" in made) == nearest
        lengths = {len(array) for array in made.values()}
        assert lengths == ({40, len(made["row"])} if nearest else {40})
        np.testing.assert_array_equal(made["index"], np.arange(40))
        np.testing.assert_array_equal(made["x"], x)


def test_maps_over_perplexities():
    x = points(dtype=np.float32)
    several = jax.vmap(lambda u: affinities.conditional(x, u))(jnp.array([4.0, 9.0]))
    for p, perplexity in zip(several, (4, 9), strict=True):
        np.testing.assert_allclose(perplexities(p), perplexity, rtol=1e-5)


@pytest.mark.parametrize("make", [affinities.dense, affinities.sparse])
@pytest.mark.parametrize(
    "x, perplexity, message",
    [
        (points(), 40, "perplexity must be from 1 to 39, one less than the points"),
        (points(), 0.5, "perplexity must be from 1 to 39"),
        (points(), float("nan"), "perplexity must be from 1 to 39"),
        (points()[0], 3, r"x must be \[N, D\] with N >= 2, got \[5\]"),
        (points()[:1], 1, r"x must be \[N, D\] with N >= 2, got \[1, 5\]"),
        (np.array([[1, 2], [np.nan, 0]]), 1, "x must be finite, got nan"),
    ],
)
def test_refused(make, x, perplexity, message):
    with pytest.raises(ValueError, match=message):
        make(x, perplexity)


def test_refused_sparse():
    with pytest.raises(ValueError, match="k must be an integer from 1 to 39"):
        affinities.sparse(points(), 3.0, k=40)
    with pytest.raises(ValueError, match="perplexity must be at most k = 3, got 4"):
        affinities.sparse(points(), 4, k=3)
    with pytest.raises(ValueError, match="x must not be traced"):
        jax.jit(lambda x: affinities.sparse(x, 3.0).p)(points(dtype=np.float32))
