"""Nearest neighbours: the definition, ties, blocks, devices, limits, bad input."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec as P
from scipy.spatial.distance import cdist

import zoo.functional as F
from zoo.classical import neighbors

MIB = 2**20


def sets(n=9, m=40, d=3, whole=False):
    """Queries and base; whole numbers have many ties, and coincident points."""
    rng = np.random.default_rng(0)
    if whole:
        draw = lambda count: rng.integers(0, 3, (count, d)).astype(float)
    else:
        draw = lambda count: 2 + rng.normal(size=(count, d))
    return draw(n), draw(m)


def first_of(distances, k):
    """The k least of each row; of equal ones the lower index first."""
    order = np.argsort(distances, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(distances, order, 1), order


@pytest.mark.parametrize(
    "block, whole", [(1, True), (7, True), (7, False), (1024, True)]
)
def test_are_the_first_of_a_stable_sort(block, whole):
    x, base = sets(whole=whole)
    with jax.enable_x64(True):
        got = jax.jit(functools.partial(neighbors.kneighbors, k=5, block=block))
        distances, near = got(base, x)
    assert near.dtype == np.int32
    # Whole numbers: squares are exact, and so are their ties.
    expected = first_of(cdist(x, base, "sqeuclidean"), 5)
    np.testing.assert_array_equal(near, expected[1])
    np.testing.assert_allclose(distances**2, expected[0], rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(
    "name, theirs",
    [
        ("squared_euclidean", "sqeuclidean"),
        ("cosine", "cosine"),
        ("pearson", "correlation"),
        ("manhattan", "cityblock"),
        ("chebyshev", "chebyshev"),
        ("hamming", "hamming"),
        (F.minkowski_distance, "euclidean"),
        (functools.partial(F.minkowski_distance, p=3), "minkowski"),
    ],
)
def test_any_distance(name, theirs):
    x, base = sets(n=6, d=5)
    if name == "hamming":
        x, base = np.round(x), np.round(base)
    more = {"p": 3} if theirs == "minkowski" else {}
    with jax.enable_x64(True):
        distances, near = jax.jit(
            lambda b, q: neighbors.kneighbors(b, q, 4, distance=name)
        )(base, x)
    expected, order = first_of(cdist(x, base, theirs, **more), 4)
    np.testing.assert_allclose(distances, expected, atol=1e-12)
    np.testing.assert_array_equal(near, order)


def test_every_name_is_tested_and_none_twice():
    assert not set(neighbors.PRODUCTS) & set(neighbors.FUNCTIONS)
    assert set(neighbors.PRODUCTS) | set(neighbors.FUNCTIONS) == {
        *("euclidean", "squared_euclidean", "cosine", "pearson"),
        *("manhattan", "chebyshev", "hamming"),
    }


def test_what_cancels_is_measured_again():
    """float32, two far clusters, and in one of them neighbours at some 1/64."""
    near = np.float32([1, 5, 2, 4, 3, 7]).reshape(-1, 1) / 64
    base = np.concatenate([near, near - 2000]) + 1000
    x = base[:1] - np.float32(1 / 64)
    distances, order = neighbors.kneighbors(base, x, 6)
    exact = first_of(cdist(x, base), 6)
    np.testing.assert_array_equal(order, exact[1])
    np.testing.assert_array_equal(distances, exact[0])
    np.testing.assert_array_equal(neighbors.kneighbors(base, x, 2)[1], order[:, :2])
    product = F.nearest("euclidean", x, base, 6)[0]
    assert abs(product - exact[0]).max() > 1e-2  # the product alone would not see it


def test_ties_that_cancellation_hides():
    """All of one cluster are at 1/64, on both sides: by index, whatever the product."""
    base = np.float32([1, -1, -1, 1, -1, 1]).reshape(-1, 1) / 64
    base = np.concatenate([base, base - 2000]) + 1000
    distances, near = neighbors.kneighbors(base, np.float32([[1000]]), 6)
    np.testing.assert_array_equal(distances, np.full((1, 6), 1 / 64))
    np.testing.assert_array_equal(near, [[0, 1, 2, 3, 4, 5]])


def test_what_is_infinitely_far_is_no_neighbour():
    base, x = np.float32([[1], [7], [2]]), np.float32([[0]])
    apart = lambda q, p: jnp.where(p[0] == 7, jnp.inf, abs(q - p).sum())
    distances, near = neighbors.kneighbors(base, x, 3, apart)
    np.testing.assert_array_equal(distances, [[1, 2, np.inf]])
    np.testing.assert_array_equal(near, [[0, 2, -1]])


def test_float_types():
    x, base = sets()
    y = np.arange(len(base))

    def all_of(b, q):
        search = neighbors.kneighbors(b, q, 2)[0]
        share = neighbors.predict_probability(b, y, q, 2)
        mean = neighbors.regress(b, np.float32(y), q, 2)
        return search, share, mean, neighbors.predict(b, y, q)

    for dtype in (np.float32, np.float64):
        with jax.enable_x64(True):
            found = jax.eval_shape(all_of, base.astype(dtype), x.astype(dtype))
        types = [array.dtype for array in found]
        assert types == [dtype, dtype, np.float32, np.int32]


def test_votes_and_their_ties():
    base = np.float32([[0], [1], [2], [3], [10]])
    y = np.array([2, 1, 1, 2, 0])
    x = np.float32([[0.5], [1.5], [9.0]])
    # Two votes each for 1 and 2: the lower class.
    np.testing.assert_array_equal(neighbors.predict(base, y, x, 4), [1, 1, 1])
    share = neighbors.predict_probability(base, y, x, 4)
    np.testing.assert_allclose(share, [[0, 0.5, 0.5], [0, 0.5, 0.5], [0.25, 0.5, 0.25]])
    # By 1 / distance: 2, 2, 2/3, 2/5 from the left; 1/1, 1/6, 1/7, 1/8 at the right.
    np.testing.assert_array_equal(
        neighbors.predict(base, y, x, 4, "distance"), [1, 1, 0]
    )
    share = neighbors.predict_probability(base, y, x, 4, "distance")
    np.testing.assert_allclose(share[0], [0, 2.6666667 / 5.0666667, 2.4 / 5.0666667])
    total = 1 + 1 / 6 + 1 / 7 + 1 / 8
    np.testing.assert_allclose(
        share[2], [1 / total, (1 / 7 + 1 / 8) / total, 1 / 6 / total], rtol=1e-6
    )


def test_only_coincident_points_count_where_there_are_some():
    base = np.float32([[1, 1], [1, 1], [1, 1.001], [1, 1], [5, 5]])
    y = np.array([0, 2, 1, 2, 1])
    x = np.float32([[1, 1], [5, 5]])
    share = neighbors.predict_probability(base, y, x, 4, "distance")
    np.testing.assert_allclose(share, [[1 / 3, 0, 2 / 3], [0, 1, 0]], rtol=1e-6)
    values = neighbors.regress(base, np.float32([1, 3, 100, 5, 7]), x, 4, "distance")
    np.testing.assert_allclose(values, [3, 7], rtol=1e-6)


def test_regression_is_the_weighted_mean():
    x, base = sets()
    y = np.random.default_rng(1).normal(size=(len(base), 2))
    distances, order = first_of(cdist(x, base), 6)
    with jax.enable_x64(True):
        uniform = neighbors.regress(base, y, x, 6)
        weighted = neighbors.regress(base, y, x, 6, "distance")
        flat = neighbors.regress(base, y[:, 1], x, 6, "distance")
    np.testing.assert_allclose(uniform, y[order].mean(1), rtol=1e-12)
    w = 1 / distances
    expected = (w[..., None] * y[order]).sum(1) / w.sum(1, keepdims=True)
    np.testing.assert_allclose(weighted, expected, rtol=1e-12)
    np.testing.assert_allclose(flat, expected[:, 1], rtol=1e-12)


def test_limits():
    """k = 1 at the base's own points is the base; k = M is the prior, the mean."""
    x, base = sets()
    y = np.random.default_rng(2).integers(0, 4, len(base))
    np.testing.assert_array_equal(neighbors.predict(base, y, base, 1), y)
    share = neighbors.predict_probability(base, y, x, len(base), num_classes=5)
    prior = np.bincount(y, minlength=5) / len(y)
    np.testing.assert_allclose(share, np.tile(prior, (len(x), 1)), rtol=1e-6)
    mean = neighbors.regress(base, np.float32(y), x, len(base))
    np.testing.assert_allclose(mean, np.full(len(x), y.mean()), rtol=1e-6)


@pytest.mark.parametrize("distance", ["euclidean", F.euclidean_distance])
def test_gradients_point_away_from_the_neighbours(distance):
    x, base = sets()
    x[0] = base[3]  # distance 0: slope 0, not NaN
    with jax.enable_x64(True):
        total = lambda q: neighbors.kneighbors(base, q, 3, distance)[0].sum()
        slope = jax.jit(jax.grad(total))(jnp.asarray(x))
        order = first_of(cdist(x, base), 3)[1]
    away = x[:, None] - base[order]
    size = np.linalg.norm(away, axis=2, keepdims=True)
    expected = (away / np.where(size == 0, 1, size)).sum(1)
    np.testing.assert_allclose(slope, expected, atol=1e-12)


def on_eight(function, devices):
    """The function of (base, y, x) with base and y split over the devices."""
    split = jax.shard_map(
        functools.partial(function, axis_name="base"),
        mesh=jax.sharding.Mesh(np.array(devices), ("base",)),
        in_specs=(P("base"), P("base"), P()),
        out_specs=P(),
        check_vma=False,
    )
    return jax.jit(split)


@pytest.mark.parametrize("k, whole", [(1, True), (4, False), (11, True)])
def test_one_device_equals_eight(k, whole, devices):
    """To the bit: the base is split, the parts' best are merged; 11 is more than 5."""
    x, base = sets(whole=whole)

    def search(base, y, x, axis_name=None):
        return neighbors.kneighbors(base, x, k, axis_name=axis_name)

    with jax.enable_x64(True):
        args = base, np.zeros(len(base)), x
        several, single = on_eight(search, devices)(*args), jax.jit(search)(*args)
    jax.tree.map(np.testing.assert_array_equal, several, single)


@pytest.mark.parametrize("name", ["predict", "predict_probability", "regress"])
def test_votes_of_one_device_equal_those_of_eight(name, devices):
    x, base = sets(whole=True)
    y = np.random.default_rng(3).integers(0, 3, len(base))
    more = {} if name == "regress" else {"num_classes": 3}
    vote = functools.partial(getattr(neighbors, name), k=6, **more)

    def call(base, y, x, axis_name=None):
        return vote(base, y, x, axis_name=axis_name)

    y = np.float32(y) if name == "regress" else y
    args = np.float32(base), y, np.float32(x)
    several, single = on_eight(call, devices)(*args), jax.jit(call)(*args)
    np.testing.assert_array_equal(several, single)


def test_memory_is_bounded():
    """20,000 x 20,000 distances would take 1.5 GiB."""
    shape = jax.ShapeDtypeStruct((20_000, 50), jnp.float32)
    compiled = jax.jit(lambda b, q: neighbors.kneighbors(b, q, 5)).lower(shape, shape)
    used = compiled.compile().memory_analysis().temp_size_in_bytes
    assert used < 64 * MIB


def test_under_vmap():
    """Folds side by side are folds one by one."""
    x, base = sets(n=8, m=20)
    y = np.random.default_rng(4).integers(0, 3, (2, 10))
    parts, queries = base.reshape(2, 10, 3), x.reshape(2, 4, 3)
    call = functools.partial(neighbors.predict_probability, k=3, num_classes=3)
    both = jax.jit(jax.vmap(call))(parts, y, queries)
    for i in range(2):
        np.testing.assert_allclose(both[i], call(parts[i], y[i], queries[i]))


GOOD = dict(base=np.ones((4, 2), np.float32), queries=np.ones((3, 2), np.float32), k=2)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"base": np.ones(4)}, r"base and queries must be \[M, D\] and \[N, D\]"),
        ({"queries": np.ones((3, 1))}, r"got \[4, 2\] and \[3, 1\]"),
        ({"base": np.ones((0, 2))}, "base must not be empty"),
        (
            {"base": np.full((4, 2), np.nan)},
            "base must be finite, got nan",
        ),
        ({"queries": np.full((3, 2), np.inf)}, "queries must be finite, got inf"),
        (
            {"k": 0},
            "k must be an integer from 1 to 4, the number of points .*, got 0",
        ),
        ({"k": 5}, "k must be an integer from 1 to 4, .*, got 5"),
        (
            {"k": 1.0},
            "k must be an integer from 1 to 4, .*, got 1.0",
        ),
        ({"distance": "euclid"}, "unknown distance 'euclid'; did you mean 'euclidean'"),
        ({"block": 0}, "block must be a positive integer, got 0"),
    ],
)
def test_refuses(change, message):
    with pytest.raises(ValueError, match=message):
        neighbors.kneighbors(**{**GOOD, **change})


@pytest.mark.parametrize(
    "change, message",
    [
        ({"y": np.arange(3)}, "y must be as many as the base's 4, got 3"),
        ({"y": np.zeros(4)}, r"y must be integers \[N\], got float"),
        ({"y": np.array([0, -1, 0, 0])}, "y must be labels from 0 on, got -1"),
        ({"weights": "distances"}, "unknown weights 'distances'; did you mean 'dist"),
        ({"num_classes": 1}, "num_classes must be at least 2, got 1"),
    ],
)
def test_refuses_votes(change, message):
    for function in (neighbors.predict, neighbors.predict_probability):
        with pytest.raises(ValueError, match=message):
            function(**{**GOOD, "y": np.array([0, 1, 0, 1]), **change})


def test_traced_labels_need_a_number_of_classes():
    with pytest.raises(ValueError, match="num_classes must be given where y is traced"):
        jax.jit(lambda y: neighbors.predict(**GOOD, y=y))(np.arange(4))


def test_refuses_targets():
    y = np.float32([0, 1, np.nan, 0])
    with pytest.raises(ValueError, match="y must be finite, got nan"):
        neighbors.regress(**GOOD, y=y)
