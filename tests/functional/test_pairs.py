"""Distances of all pairs: equal to one by one, whatever the block, and in memory."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.distance import cdist

import zoo.functional as F
from zoo.functional.pairs import FORMS

FUNCTIONS = {
    "euclidean": F.euclidean_distance,
    "squared_euclidean": F.squared_euclidean,
    "cosine": F.cosine_distance,
    "pearson": F.pearson_distance,
}
BLOCKS = (1, 4, 7, 100)  # without a rest; with one; one of all; more than there are
MIB = 2**20


def sets(n=7, m=11, d=5, dtype=np.float64):
    rng = np.random.default_rng(0)
    x, y = 3 + rng.normal(size=(n, d)), 3 + rng.normal(size=(m, d))
    x[2] = y[4]  # a pair at distance 0
    return x.astype(dtype), y.astype(dtype)


def one_by_one(f, x, y):
    return jax.vmap(lambda a: jax.vmap(lambda b: f(a, b))(y))(x)


@pytest.mark.parametrize(
    "name, block",
    [("euclidean", 4), ("squared_euclidean", 60), ("cosine", 3), ("pearson", 7)],
)
def test_forms_are_their_functions(name, block):
    """By name, by function and one by one; values and gradients."""
    f = FUNCTIONS[name]
    ways = {
        "one by one": functools.partial(one_by_one, f),
        "by name": functools.partial(F.pairwise, name, block=block),
        "by function": functools.partial(F.pairwise, f, block=block),
    }

    @jax.jit
    def all_ways(x, y):
        def total(x, y, way):
            d = way(x, y)
            return jnp.sin(d * d).sum(), d  # smooth where the distance is 0

        slope = jax.value_and_grad(total, (0, 1), has_aux=True)
        return {name: slope(x, y, way) for name, way in ways.items()}

    with jax.enable_x64(True):
        results = all_ways(*sets())
    (_, expected), slopes = results["one by one"]
    for (_, d), ours in results.values():
        # The root of a square that is 0 but for rounding: half of the digits.
        np.testing.assert_allclose(d, expected, rtol=1e-12, atol=1e-7)
        np.testing.assert_allclose(d * d, expected**2, rtol=1e-12, atol=1e-14)
        for a, b in zip(ours, slopes, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-12)


def test_each_form_is_tested():
    assert set(FORMS) == set(FUNCTIONS)


def test_float32_far_from_the_origin():
    """The form by a product of matrices counts from the mean, not from 0."""
    x, y = sets(dtype=np.float32)
    x, y = x + np.float32(1000), y + np.float32(1000)
    exact = cdist(np.float64(x), np.float64(y), "sqeuclidean")
    np.testing.assert_allclose(F.pairwise("squared_euclidean", x, y), exact, atol=1e-5)


@pytest.mark.parametrize("block", [4, 100])
def test_a_fold_sees_each_pair_once(block):
    x, y = sets(dtype=np.float32)

    def step(carry, distances, indices):
        return {
            "sum": carry["sum"] + distances.sum(),
            "by index": carry["by index"].at[indices].add(distances),
        }

    init = {"sum": 0.0, "by index": jnp.zeros(len(y))}
    got = jax.jit(
        lambda x, y: F.pairwise_reduce("cosine", x, y, step, init, block=block)
    )(x, y)
    exact = cdist(x, y, "cosine")
    np.testing.assert_allclose(got["by index"], exact, atol=1e-6)
    np.testing.assert_allclose(got["sum"], exact.sum(1), rtol=1e-5)


def test_gradient_of_a_fold_is_that_of_the_whole():
    x, y = sets(dtype=np.float32)
    step = lambda carry, distances, _: jnp.logaddexp(
        carry, jax.nn.logsumexp(-distances)
    )
    fold = lambda x, y: F.pairwise_reduce(
        "squared_euclidean", x, y, step, -jnp.inf, block=4
    ).sum()
    whole = lambda x, y: jax.nn.logsumexp(
        -F.pairwise("squared_euclidean", x, y), axis=1
    ).sum()
    ours, theirs = (jax.jit(jax.grad(f, (0, 1)))(x, y) for f in (fold, whole))
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("k, block", [(1, 4), (3, 1), (3, 7), (11, 4), (11, 100)])
def test_nearest_are_the_first_of_a_sort(block, k):
    x, y = sets()
    with jax.enable_x64(True):
        d, i = jax.jit(
            lambda x, y: F.nearest(F.euclidean_distance, x, y, k, block=block)
        )(x, y)
    exact = cdist(x, y)
    np.testing.assert_array_equal(i, np.argsort(exact, 1)[:, :k])
    np.testing.assert_allclose(d, np.sort(exact, 1)[:, :k], rtol=1e-13)
    assert i.dtype == np.int32


@pytest.mark.parametrize("block", BLOCKS)
def test_of_equally_near_the_first(block):
    x, y = jnp.zeros((2, 1)), jnp.array([[2.0], [1], [-1], [2], [1], [-2], [1]])
    d, i = jax.jit(lambda x, y: F.nearest("euclidean", x, y, 5, block=block))(x, y)
    np.testing.assert_array_equal(i, [[1, 2, 4, 6, 0]] * 2)
    np.testing.assert_array_equal(d, [[1, 1, 1, 1, 2]] * 2)


@pytest.mark.parametrize("block", [16, 24, 1024])
def test_of_many_equally_near_the_first(block):
    """So many that runs of them are looked at first; whole numbers, so ties are many.

    24 x 16 columns leave a rest that is no whole run.
    """
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 3, (7, 4)), rng.integers(0, 3, (937, 4))
    y[::5] = 1000  # whole runs are far
    y[100:300] = 1000
    d, i = jax.jit(lambda x, y: F.nearest("squared_euclidean", x, y, 5, block=block))(
        jnp.array(x, jnp.float32), jnp.array(y, jnp.float32)
    )
    exact = cdist(x, y, "sqeuclidean")
    np.testing.assert_array_equal(i, np.argsort(exact, 1, kind="stable")[:, :5])
    np.testing.assert_array_equal(d, np.sort(exact, 1)[:, :5])


def test_infinitely_far_is_no_neighbour():
    x, y = jnp.array([[0.5, 0.5]]), jnp.array([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]])
    d, i = F.nearest(F.relative_entropy, x, y, 2)
    np.testing.assert_array_equal(i, [[1, -1]])
    np.testing.assert_array_equal(d, [[0, jnp.inf]])


def test_fifty_thousand_by_fifty_thousand_fit_in_memory():
    """Measured of the compiled program, which is not run: all pairs take 9.3 GiB."""
    n, d = 50_000, 64
    total = lambda carry, distances, _: carry + distances.sum()
    mean = lambda x, y: F.pairwise_reduce("euclidean", x, y, total, 0.0).mean()
    programs = {
        "neighbours": (lambda x, y: F.nearest("euclidean", x, y, 10), 128),
        "of a function": (
            lambda x, y: F.nearest(F.euclidean_distance, x, y, 10),
            128,  # a block's differences, [1024, 1024, 64], are 256 MiB
        ),
        "gradient": (jax.grad(mean, (0, 1)), 256),
        "all pairs, beside themselves": (lambda x, y: F.pairwise("cosine", x, y), 512),
    }
    shape = jax.ShapeDtypeStruct((n, d), jnp.float32)
    for name, (f, limit) in programs.items():
        used = jax.jit(f).lower(shape, shape).compile().memory_analysis()
        assert 0 < used.temp_size_in_bytes < limit * MIB, name
        if name.startswith("all pairs"):
            assert used.output_size_in_bytes == 4 * n * n


def test_refuses():
    x, y = jnp.zeros((3, 2)), jnp.zeros((4, 2))
    for f in (F.pairwise, F.nearest):
        with pytest.raises(ValueError, match=r"must be \[N, D\] and \[M, D\], got"):
            f("euclidean", x, jnp.zeros((4, 3)))
        with pytest.raises(ValueError, match="one of euclidean, .*got 'euclid'"):
            f("euclid", x, y)
        with pytest.raises(ValueError, match="block must be a positive integer, got 0"):
            f("euclidean", x, y, block=0)
    for k in (0, 5, 1.0):
        with pytest.raises(ValueError, match="from 1 to the base's 4, got"):
            F.nearest("euclidean", x, y, k)
