"""K-means: Lloyd's rule by hand, empty clusters, starts, devices, limits, bad input."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.cluster.vq import kmeans2
from scipy.spatial.distance import cdist

import zoo
from zoo.classical import kmeans, seeding


def clouds(n=60, dtype=np.float64):
    rng = np.random.default_rng(0)
    centres = np.array([[0, 0, 0], [6, 0, 1], [0, 7, 2], [5, 5, 9.0]])
    return (centres[np.arange(n) % 4] + rng.normal(size=(n, 3))).astype(dtype)


def steps_of(x, start, count, **options):
    """The states after each of the first steps, and the metrics, on the host."""
    lloyd = kmeans.learner(len(start), start=start, **options)
    batch = {"x": x}
    state, step = lloyd.init(jax.random.key(0), batch), jax.jit(lloyd.step)
    states, metrics = [state], []
    for _ in range(count):
        state, found = step(state, batch)
        states.append(state)
        metrics.append(found)
    return *jax.device_get((states, metrics)), lloyd


def transcribed(x, centres):
    """One step of Lloyd's algorithm, cluster by cluster."""
    found = cdist(x, centres, "sqeuclidean").argmin(1)
    means = [x[found == k].mean(0) for k in range(len(centres))]
    return np.array(means), cdist(x, centres, "sqeuclidean").min(1).sum()


def test_is_lloyds_rule():
    x = clouds()
    start = x[[0, 4, 8, 1]]
    with jax.enable_x64(True):
        states, metrics, _ = steps_of(x, start, 5)
    centres = start
    for state, metric in zip(states[1:], metrics, strict=True):
        before = centres
        centres, inertia = transcribed(x, centres)
        np.testing.assert_allclose(state.centres, centres, rtol=1e-12)
        np.testing.assert_allclose(metric["loss"], (inertia, len(x)), rtol=1e-12)
        np.testing.assert_allclose(state.inertia, inertia, rtol=1e-12)
        shift = ((centres - before) ** 2).sum()
        np.testing.assert_allclose(metric["shift"], (shift, 1), atol=1e-12)
        assert metric["empty"] == (0, 1)
    theirs = kmeans2(x, start, 5, minit="matrix")[0]  # SciPy's
    np.testing.assert_allclose(centres, theirs, rtol=1e-12)


def test_done_is_a_shift_small_in_units_of_the_variance():
    x = 100 * np.random.default_rng(1).normal(size=(60, 2))
    with jax.enable_x64(True):
        states, _, lloyd = steps_of(x, x[:5], 15, tolerance=1e-2)
        kept, _, strict = steps_of(x, x[:5], 25, tolerance=0.0)
        found = [bool(lloyd.done(state)) for state in states]
        stands = [bool(strict.done(state)) for state in kept]
    ends = [float(state.shift) <= 1e-2 * x.var(0).mean() for state in states]
    assert found == ends and not ends[1] and ends[-1]
    after = states[ends.index(True)]
    assert 1 < after.step < 14 and after.shift > 0
    for a, b in zip(after, states[-1], strict=True):  # it stands still from there on
        np.testing.assert_array_equal(a, b)
    assert stands[-1] and kept[-1].shift == 0
    assert kept[-1].step == stands.index(True) > after.step


def test_the_inertia_never_rises():
    x = np.random.default_rng(1).normal(size=(200, 2)).astype(np.float32)
    _, metrics, _ = steps_of(x, x[:7], 12)
    inertia = np.array([metric["loss"][0] for metric in metrics])
    assert (np.diff(inertia) <= 1e-5 * inertia[0]).all() and inertia[-1] < inertia[0]


def test_empty_clusters_take_over_the_farthest_points():
    """Two of four centres get nothing: the farthest point, and the next one."""
    x = np.array([[0.0], [1], [2], [10], [11], [17]])
    start = np.array([[1.0], [100], [10.5], [200]])
    with jax.enable_x64(True):
        states, metrics, _ = steps_of(x, start, 2)
    # 17 is 6.5 from its centre; then 0 and 2 are 1 from theirs, of which 0 is first.
    assert metrics[0]["empty"] == (2, 1) and metrics[1]["empty"] == (0, 1)
    np.testing.assert_allclose(states[1].centres, [[1.5], [17], [10.5], [0]])
    np.testing.assert_allclose(states[2].centres, [[1.5], [17], [10.5], [0]])


def test_a_cluster_whose_only_point_is_taken_stays():
    x = np.array([[0.0], [0.5], [9]])
    start = np.array([[0.2], [5.0], [50]])
    with jax.enable_x64(True):
        states, _, _ = steps_of(x, start, 2)
    np.testing.assert_allclose(states[1].centres, [[0.25], [5], [9]])


def test_fewer_different_points_than_clusters():
    x = np.tile(np.float32([[1, 2], [3, 4]]), (4, 1))
    state = kmeans.fit(jax.random.key(0), x, 4, starts=3)
    assert state.inertia == 0 and np.isfinite(state.centres).all()
    np.testing.assert_array_equal(
        np.unique(np.asarray(state.centres), axis=0), [[1, 2], [3, 4]]
    )


def test_far_from_the_origin_in_float32():
    x = clouds(dtype=np.float32)
    x = np.round(64 * x) / 64  # so that the shift loses nothing
    far = x + np.float32(1024)
    near, shifted = (
        kmeans.fit(jax.random.key(0), a, 4, starts=1, start=a[[0, 4, 8, 1]])
        for a in (x, far)
    )
    np.testing.assert_allclose(shifted.centres - 1024, near.centres, atol=2e-4)
    np.testing.assert_allclose(shifted.inertia, near.inertia, rtol=1e-5)
    np.testing.assert_array_equal(kmeans.predict(shifted, far), kmeans.predict(near, x))


def test_fit_predict_transform_inertia():
    x = clouds()
    with jax.enable_x64(True):
        state = kmeans.fit(jax.random.key(0), x, 4, starts=3)
        distances, found = kmeans.transform(state, x), kmeans.predict(state, x)
        sums = kmeans.inertia(state, x)
        other = kmeans.predict(state, x[:5] + 3)
    centres = np.asarray(state.centres)
    np.testing.assert_allclose(distances, cdist(x, centres), atol=1e-12)
    np.testing.assert_array_equal(found, cdist(x, centres).argmin(1))
    np.testing.assert_array_equal(other, cdist(x[:5] + 3, centres).argmin(1))
    assert found.dtype == np.int32 and centres.dtype == np.float64
    exact = (cdist(x, centres).min(1) ** 2).sum()
    np.testing.assert_allclose([sums, state.inertia], exact, rtol=1e-12)
    # The four clouds are found, whatever the order of the clusters.
    groups = np.asarray(found).reshape(-1, 4)
    assert (groups == groups[0]).all() and len(set(groups[0])) == 4


def test_fit_keeps_the_best_of_its_starts():
    """K starts at once are K fits one by one, of which the least inertia is kept."""
    x = np.random.default_rng(2).normal(size=(40, 2)).astype(np.float32)
    starts = x[np.random.default_rng(3).permutation(40)[:15].reshape(3, 5)]
    alone = [
        kmeans.fit(jax.random.key(0), x, 5, start=s, tolerance=0.0) for s in starts
    ]
    best = min(alone, key=lambda state: state.inertia)
    together = kmeans.fit(jax.random.key(0), x, 5, start=starts, tolerance=0.0)
    assert len({float(state.inertia) for state in alone}) == 3
    np.testing.assert_allclose(together.inertia, best.inertia, rtol=1e-6)
    np.testing.assert_allclose(together.centres, best.centres, rtol=1e-6)
    assert together.step == best.step


def test_one_cluster_is_the_mean():
    x = clouds()
    with jax.enable_x64(True):
        state = steps_of(x, x[:1], 2)[0][2]
    np.testing.assert_allclose(state.centres, x.mean(0, keepdims=True), rtol=1e-12)
    np.testing.assert_allclose(state.inertia, x.var(0).sum() * len(x), rtol=1e-12)


def test_one_device_equals_eight(devices):
    """Also while clusters are empty: the farthest of all devices' points."""
    x = clouds(64, np.float32)
    x[37] *= 9
    x[50] *= 7
    start = np.concatenate([x[:2], np.full((2, 3), 500), x[2:4]])

    def build(axis_name=None):
        return kmeans.learner(6, start=start, axis_name=axis_name)

    stream = zoo.data.constant({"x": x})
    states = {}
    for form, where in (("single", None), ("pmap", devices)):
        options = dict(parallel=form, devices=where, progress=False)
        states[form] = zoo.training.fit(build, stream, 5, **options).state
    for field, value in states["single"]._asdict().items():
        other = getattr(states["pmap"], field)
        np.testing.assert_allclose(other, value, rtol=1e-5, atol=1e-5)
    single, _, _ = steps_of(x, start, 1)
    np.testing.assert_allclose(single[1].centres[2:4], x[[37, 50]], rtol=1e-6)


def draws(function, x, k, count, **options):
    keys = jax.random.split(jax.random.key(0), count)
    drawn = jax.jit(jax.vmap(lambda key: function(key, jnp.asarray(x), k, **options)))
    return np.asarray(drawn(keys))


def test_plus_plus_draws_in_proportion_to_squared_distance():
    """The paper's form: all pairs of four points, against their exact probabilities."""
    x = np.float32([[0, 0], [1, 0], [0, 2], [3, 3]])
    got = draws(seeding.plus_plus, x, 2, 20_000, trials=1)
    squares = cdist(x, x, "sqeuclidean")
    expected = squares / squares.sum(1, keepdims=True) / 4
    share = np.zeros((4, 4))
    np.add.at(share, tuple(got.T), 1 / len(got))
    # The standard deviation of a share is at most 0.5 / sqrt(20,000) = 0.0035.
    np.testing.assert_allclose(share, expected, atol=0.014)


def test_greedy_plus_plus_takes_the_best_of_its_trials():
    """With very many trials the second centre is the one that leaves the least."""
    x = np.float32([[0, 0], [1, 0], [0, 2], [3, 3]])
    got = draws(seeding.plus_plus, x, 2, 50, trials=500)
    squares = cdist(x, x, "sqeuclidean")
    for first, second in got:
        left = np.minimum(squares[first], squares).sum(1)
        left[first] = np.inf
        assert left[second] == left.min()
    default, four = (
        draws(seeding.plus_plus, x, 3, 20, **o) for o in ({}, {"trials": 3})
    )
    np.testing.assert_array_equal(default, four)  # 2 + floor(log 3)


@pytest.mark.parametrize("name", seeding.STARTS)
def test_starts_are_different_points(name):
    x = clouds(dtype=np.float32)[:12]
    got = draws(seeding.STARTS[name], x, 12, 20)
    np.testing.assert_array_equal(np.sort(got, 1), np.tile(np.arange(12), (20, 1)))


def test_random_start_is_used():
    x = clouds(dtype=np.float32)
    key = jax.random.key(1)
    state = kmeans.learner(3, start="random").init(key, {"x": x})
    np.testing.assert_array_equal(state.centres, x[seeding.evenly(key, x, 3)])


def test_minibatch_is_the_running_mean():
    """Sculley's rule, point by point, with the assignments of the batch's start."""
    rng = np.random.default_rng(4)
    batches = [rng.normal(size=(10, 2)) for _ in range(4)]
    start = np.concatenate([batches[0][:3], [[50.0, 50]]])  # the last one gets none
    with jax.enable_x64(True):
        stream = kmeans.minibatch(4, start=start)
        state, step = stream.init(None, {"x": batches[0]}), jax.jit(stream.step)
        centres, counts = start.copy(), np.zeros(4)
        for x in batches:
            state, metrics = step(state, {"x": x})
            apart = cdist(x, centres, "sqeuclidean")
            inertia = apart.min(1).sum()
            np.testing.assert_allclose(metrics["loss"], (inertia, 10), rtol=1e-12)
            for point, c in zip(x, apart.argmin(1), strict=True):
                counts[c] += 1
                centres[c] += (point - centres[c]) / counts[c]
            np.testing.assert_allclose(state.centres, centres, rtol=1e-12)
            np.testing.assert_array_equal(state.counts, counts)
        assert state.step == 4 and stream.done is None
        assert kmeans.predict(state, np.full((1, 2), 49.0)) == 3


def test_minibatch_of_everything_is_a_step_of_lloyd():
    x = clouds()
    start = x[[0, 4, 8, 1]]
    with jax.enable_x64(True):
        stream = kmeans.minibatch(4, start=start)
        state, _ = jax.jit(stream.step)(stream.init(None, {"x": x}), {"x": x})
    np.testing.assert_allclose(state.centres, transcribed(x, start)[0], rtol=1e-12)


def test_fit_under_jit_and_float_types():
    x = clouds(dtype=np.float32)
    start = x[[0, 4, 8, 1]]
    state = jax.jit(lambda x: kmeans.fit(KEY, x, 4, start=start, steps=3))(x)
    types = {leaf.dtype for leaf in jax.tree.leaves(state)}
    assert types == {np.dtype(np.int32), np.dtype(np.float32)}
    assert state.step == 3
    alone = steps_of(x, start, 3)[0][3]  # another program: sums in another order
    np.testing.assert_allclose(state.centres, alone.centres, atol=1e-6)


KEY, X = jax.random.key(0), np.ones((5, 2), np.float32)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"x": np.ones(5)}, r"x must be \[N, D\], got \[5\]"),
        ({"x": np.full((5, 2), np.nan)}, "x must be finite, got nan"),
        ({"x": np.ones((0, 2))}, "x must not be empty"),
        ({"k": 6}, "k must be an integer from 1 to 5, the number of points, got 6"),
        ({"k": 0}, "k must be a positive integer, got 0"),
        ({"starts": 0}, "starts must be a positive integer, got 0"),
        ({"steps": 0}, "steps must be a positive integer, got 0"),
        ({"trials": 1.5}, "trials must be a positive integer, got 1.5"),
        ({"tolerance": -1.0}, "tolerance must be finite and >= 0, got -1.0"),
        ({"start": "kmeans"}, "unknown start 'kmeans'; did you mean 'k-means"),
        (
            {"start": np.ones((3, 2))},
            r"start must be \[2, 2\], or .* \[1, 3, 2",
        ),
        ({"start": np.full((2, 2), np.inf)}, "start must be finite, got inf"),
    ],
)
def test_refuses(change, message):
    with pytest.raises(ValueError, match=message):
        kmeans.fit(**{"key": KEY, "x": X, "k": 2, **change})


def test_refuses_in_learners_and_predictions():
    for build in (kmeans.learner, kmeans.minibatch):
        with pytest.raises(ValueError, match=r"start must be \[2, 2\], got \[3, 2\]"):
            build(2, start=np.ones((3, 2))).init(KEY, {"x": X})
        with pytest.raises(ValueError, match="k must be a positive integer, got -1"):
            build(-1)
        with pytest.raises(ValueError, match="from 1 to 5, the number of points"):
            build(6).init(KEY, {"x": X})
    state = kmeans.learner(2, start=X[:2]).init(KEY, {"x": X})
    for function in (kmeans.predict, kmeans.transform, kmeans.inertia):
        with pytest.raises(ValueError, match=r"x must be \[N, 2\], as the centres"):
            function(state, np.ones((5, 3)))
        with pytest.raises(ValueError, match="x must be finite, got nan"):
            function(state, X * np.nan)
