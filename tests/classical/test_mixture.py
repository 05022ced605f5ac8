"""Gaussian mixtures: printed figures, EM line by line, and what it promises.

`tests/parity/test_mixture.py` holds it to scikit-learn. One step is compiled for each
form, and fits are of one shape where they can be: compiling is what takes the time.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from zoo import data, metrics
from zoo.classical import gaussians, mixture, seeding

FORMS = gaussians.FORMS
N, K, D = 60, 3, 2
KEY = np.array([0, 0], np.uint32)


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


def clouds(seed=0, apart=3.0):
    """Three clouds of unlike spread, in the order 0 1 2 0 1 2 ..."""
    rng = np.random.default_rng(seed)
    y = np.arange(N) % K
    spread = np.array([[1, 0.3], [0.5, 1.2], [0.8, 0.8]])[y]
    centre = apart * np.array([[0, 0], [1, 2], [3, 0]])[y]
    return rng.normal(size=(N, D)) * spread + centre, y


@functools.partial(jax.jit, static_argnums=0)
def step(form, state, x, weight, floor):
    em = mixture.learner(K, form=form, floor=floor)
    batch = {"x": x, "weight": weight}
    return *em.step(state, batch), em.evaluate(state, batch)


def whole(covariances):
    """Any form as full matrices [K, D, D]."""
    c = np.asarray(covariances)
    if c.ndim == 3:
        return np.broadcast_to(c, (K, D, D))
    return np.stack([np.diag(row) for row in np.broadcast_to(c, (K, D))])


def start_of(form, x):
    """Random covariances around the first three examples."""
    root = np.random.default_rng(1).normal(size=(K, D, D))
    full = root @ root.transpose(0, 2, 1) + 2 * np.eye(D)
    covariances = {
        "full": full,
        "tied": full[:1],
        "diagonal": np.diagonal(full, axis1=1, axis2=2),
        "spherical": full[:, 0, :1],
    }[form]
    return mixture.start(np.array([0.5, 0.3, 0.2]), x[:K], covariances)


def density(state, x):  # [N, K]
    """By SciPy."""
    parts = zip(state.weights, state.means, whole(state.covariances), strict=True)
    normal = stats.multivariate_normal
    return np.stack([w * normal(mean, c).pdf(x) for w, mean, c in parts], axis=1)


@pytest.mark.parametrize("form", FORMS)
def test_em_line_by_line(form):
    """The formulas in NumPy and SciPy, with weights of the examples."""
    x, _ = clouds()
    w = np.random.default_rng(2).uniform(0.5, 2, N)
    state = start_of(form, x)
    for _ in range(4):
        joint = density(state, x)
        r = joint / joint.sum(1, keepdims=True) * w[:, None]
        value = (w * np.log(joint.sum(1))).sum()
        least = min(state.gain, abs(value / w.sum() - state.log_likelihood))
        state, told, evaluated = step(form, state, x, w, 0.01)
        n = r.sum(0)
        means = r.T @ x / n[:, None]
        away = x[:, None] - means
        s = np.einsum("nk,nki,nkj->kij", r, away, away)
        full = s / n[:, None, None]
        expected = {
            "full": full + 0.01 * np.eye(D),
            "tied": s.sum(0, keepdims=True) / w.sum() + 0.01 * np.eye(D),
            "diagonal": np.diagonal(full, axis1=1, axis2=2) + 0.01,
            "spherical": np.trace(full, axis1=1, axis2=2)[:, None] / D + 0.01,
        }[form]
        np.testing.assert_allclose(state.weights, n / w.sum(), rtol=1e-11)
        np.testing.assert_allclose(state.means, means, rtol=1e-11, atol=1e-12)
        np.testing.assert_allclose(state.covariances, expected, rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(state.log_likelihood, value / w.sum(), rtol=1e-12)
        np.testing.assert_allclose(state.gain, least, atol=1e-12)
        for pair in (told["log_likelihood"], evaluated["log_likelihood"]):
            np.testing.assert_allclose(pair, [value, w.sum()], rtol=1e-12)
    assert state.step == 4


@pytest.mark.parametrize("form", FORMS)
def test_the_likelihood_never_falls(form):
    """With floor = 0 at every step, on clouds that overlap."""
    for seed in range(3):
        x, _ = clouds(seed, apart=1.0)
        state, path = start_of(form, x), []
        for _ in range(60):
            state, *_ = step(form, state, x, np.ones(N), 0.0)
            path.append(float(state.log_likelihood))
        rises = np.diff(path)
        assert rises.min() > -1e-13 and rises[0] > 1e-3


@pytest.mark.parametrize("form", FORMS)
def test_nothing_belongs_to_it(form):
    """A component that is far from all keeps mean and covariance, with weight 0."""
    x, _ = clouds()
    first = start_of(form, x)
    first = first._replace(means=first.means.at[2].set(1e3))
    new, *_ = step(form, first, x, np.ones(N), 0.0)
    assert new.weights[2] == 0
    np.testing.assert_array_equal(new.means[2], 1e3)
    if form != "tied":
        np.testing.assert_array_equal(new.covariances[2], first.covariances[2])
    _, told, _ = step(form, new, x, np.ones(N), 0.0)
    assert np.isfinite(told["log_likelihood"][0])


def test_small_and_equal_spheres_are_k_means():
    """As the variance goes to 0, EM's means make the rounds of k-means."""
    x, _ = clouds()
    near = jnp.array(x[[0, 3, 6]])  # three of one cloud
    state = mixture.start(np.full(3, 1 / 3), near, np.full((3, 1), 1e-4))
    new, *_ = step("spherical", state, x, np.ones(N), 0.0)
    parts = np.asarray(seeding.nearest(x, near))
    expected = parts.T @ x / parts.sum(0)[:, None]
    np.testing.assert_allclose(new.means, expected, rtol=1e-9)


@pytest.mark.parametrize("form", FORMS)
def test_what_is_said_of_an_example(form):
    x, _ = clouds()
    state = start_of(form, x)
    joint = density(state, x)
    p = mixture.predict_probability(state, x)
    np.testing.assert_allclose(p, joint / joint.sum(1, keepdims=True), rtol=1e-10)
    called = mixture.predict(state, x)
    np.testing.assert_array_equal(called, joint.argmax(1))
    assert called.dtype == jnp.int32
    logs = np.log(joint.sum(1))
    np.testing.assert_allclose(mixture.log_likelihood(state, x), logs, rtol=1e-11)
    free = {"full": 9, "tied": 3, "diagonal": 6, "spherical": 3}[form] + 6 + 2
    assert mixture.free_parameters(state) == free
    deviance = -2 * logs.sum()
    np.testing.assert_allclose(mixture.aic(state, x), deviance + 2 * free)
    np.testing.assert_allclose(mixture.bic(state, x), deviance + free * np.log(N))


@pytest.mark.parametrize("form", ["spherical", "tied", "full"])
def test_samples_are_of_the_mixture(form):
    state = start_of(form, clouds()[0])
    x, part = map(np.asarray, mixture.sample(KEY, state, 40_000))
    # Four standard errors.
    np.testing.assert_allclose(np.bincount(part) / 40_000, state.weights, atol=0.01)
    for k in range(K):
        mine, full = x[part == k], whole(state.covariances)[k]
        scale = np.sqrt(full.diagonal().max() / len(mine))
        np.testing.assert_allclose(mine.mean(0), state.means[k], atol=4 * scale)
        error = 4 * full.max() * np.sqrt(2 / len(mine))
        np.testing.assert_allclose(np.cov(mine.T), full, atol=error)


def test_far_from_the_origin_it_finds_the_same():
    """In float32, from the same means."""
    x, _ = clouds()
    near, far = start_of("full", x), start_of("full", x + 300)
    far = jax.tree.map(lambda a: a.astype(np.float32 if a.ndim else a.dtype), far)
    far = far._replace(log_likelihood=jnp.float32(-np.inf), gain=jnp.float32(np.inf))
    ones = np.ones(N)
    for _ in range(3):
        near, *_ = step("full", near, x, ones, 0.0)
        far, *_ = step("full", far, np.float32(x + 300), np.float32(ones), 0.0)
    assert {leaf.dtype for leaf in far[1:]} == {jnp.dtype("float32")}
    # One part in 1e7 of 300, against spreads of about 1.
    np.testing.assert_allclose(far.means - 300, near.means, atol=1e-3)
    np.testing.assert_allclose(far.covariances, near.covariances, atol=1e-3)


@functools.partial(jax.jit, static_argnums=0)
def begun(form, x, weight, means=None):
    em = mixture.learner(K, form=form, floor=0.0, means=means)
    return em.init(KEY, {"x": x, "weight": weight})


def test_a_start_is_the_moments_of_what_is_near():
    x, y = clouds(apart=10.0)
    for means in (None, x[:3] + 1):
        state = begun("full", x, np.ones(N), means)
        order = np.argsort(np.asarray(state.means[:, 0]))
        for k in range(K):
            mine = x[y == k]
            np.testing.assert_allclose(state.means[order[k]], mine.mean(0))
            full = np.cov(mine.T, ddof=0)
            np.testing.assert_allclose(state.covariances[order[k]], full, rtol=1e-10)
        np.testing.assert_allclose(state.weights, 1 / 3)
        assert state.log_likelihood == -np.inf and state.gain == np.inf


def test_an_example_of_weight_zero_is_none():
    x, _ = clouds()
    weight = (np.arange(N) < 30).astype(float)
    far = np.where(weight[:, None] == 0, 50 + x, x)
    state = begun("full", far, weight)
    assert abs(np.asarray(state.means)).max() < 20
    twice = np.concatenate([x[:30]] * 2)  # the same share of each
    found = []
    for given in ((far, weight), (twice, np.ones(N))):
        found.append(step("full", begun("full", *given, x[:3]), *given, 0.0)[0])
    a, b = found
    for left, right in zip(a, b, strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-10)


def fit(x, seed=0, **options):
    return mixture.fit(np.array([0, seed], np.uint32), x, K, **options)


def test_done_and_the_limit_of_steps():
    x, _ = clouds(apart=1.0)
    loose, tight = fit(x, tolerance=1e-2), fit(x, tolerance=1e-8)
    assert 0 < tight.gain <= 1e-8 < loose.gain <= 1e-2
    assert loose.step < tight.step < 500
    assert fit(x, tolerance=1e-8, steps=4).step == 4
    broken = tight._replace(gain=jnp.array(jnp.nan))
    assert mixture.learner(3).done(broken)  # rather than to the last step


def test_the_best_of_several_starts():
    x, _ = clouds(apart=1.0)
    key = np.array([0, 0], np.uint32)
    best = mixture.fit(key, x, K, starts=6, tolerance=1e-9)
    keys = jax.random.split(key, 6)
    alone = [mixture.fit(k, x, K, tolerance=1e-9).log_likelihood for k in keys]
    np.testing.assert_allclose(best.log_likelihood, max(alone), rtol=1e-9)
    assert min(alone) < max(alone) - 1e-3


def test_a_floor_holds_what_has_no_spread():
    """A constant feature; and fewer different examples than components."""
    x, _ = clouds()
    x[:, 1] = 7
    state = fit(x, floor=1e-3)
    np.testing.assert_allclose(state.covariances[:, 1, 1], 1e-3)
    with pytest.raises(ValueError, match="floor must be larger: with 0.0 a covariance"):
        fit(x, floor=0.0)
    two = np.repeat(np.array([[0.0, 0.0], [5.0, 5.0]]), N // 2, axis=0)
    state = fit(two)
    assert all(np.isfinite(leaf).all() for leaf in state)
    np.testing.assert_allclose(np.sort(state.weights), [0, 0.5, 0.5], atol=1e-9)


def test_folds_and_floors_are_mapped():
    folds = np.stack([clouds(seed)[0] for seed in range(2)])
    floors = np.array([1e-3, 1e-1])
    both = jax.jit(jax.vmap(lambda x, floor: fit(x, floor=floor)))(folds, floors)
    for i in range(2):
        alone = fit(folds[i], floor=floors[i])
        for a, b in zip(both, alone, strict=True):
            np.testing.assert_allclose(a[i], b, rtol=1e-8, atol=1e-9)


def test_iris_is_as_printed_elsewhere():
    table = data.tabular("iris")
    found = []
    for seed in range(5):
        state = fit(table.x, seed, starts=5)
        found.append(float(mixture.log_likelihood(state, table.x).sum()))
        print(seed, found[-1])
    np.testing.assert_allclose(found, -180.1855, atol=5e-5)
    np.testing.assert_allclose(mixture.bic(state, table.x), 580.839, atol=5e-4)
    called = mixture.predict(state, table.x)
    ari = metrics.adjusted_rand_index(metrics.contingency(table.y, called, 3, 3))
    np.testing.assert_allclose(ari, 0.9039, atol=5e-5)


def test_one_device_equals_eight(devices):
    """The one form that sums over components; the roster of learners has `full`."""
    x = np.concatenate([clouds()[0], clouds(1)[0][:4]])
    split = mixture.learner(K, form="tied", axis_name="batch")
    options = dict(axis_name="batch", devices=devices, in_axes=(None, 0))
    parallel = jax.pmap(split.step, out_axes=None, **options)
    a = b = start_of("tied", x)
    for _ in range(2):
        a, told, _ = step("tied", a, x, np.ones(64), 1e-6)
        b, metric = parallel(b, {"x": x.reshape(8, 8, D)})
    pairs = zip((*a, *told.values()), (*b, *metric.values()), strict=True)
    for left, right in pairs:
        np.testing.assert_allclose(left, right, rtol=1e-10, atol=1e-12)


def test_seeds_are_drawn_by_squared_distance():
    """The second of two, many times, against its probabilities."""
    x = jnp.array([[0.0], [1.0], [3.0]])
    keys = jax.random.split(jax.random.key(0), 8000)
    weight = jnp.array([1.0, 1.0, 2.0])
    draw = lambda key: seeding.plus_plus(key, x, 3, trials=1, weight=weight)
    drawn = np.asarray(x)[jax.jit(jax.vmap(draw))(keys), 0]
    share = lambda a, b: ((drawn[:, 0] == a) & (drawn[:, 1] == b)).mean()
    # P(first) P(second | first), each by weight and the second by distance.
    chances = {(0, 1): 1 / 4 * 1 / 19, (0, 3): 1 / 4 * 18 / 19}
    chances |= {(1, 0): 1 / 4 * 1 / 9, (3, 0): 2 / 4 * 9 / 13}
    for (a, b), chance in chances.items():
        error = 4 * np.sqrt(chance * (1 - chance) / 8000)
        assert abs(share(a, b) - chance) < error
    # The third is the one left: distances are from the nearest, not from the last.
    np.testing.assert_array_equal(np.sort(drawn, axis=1), [[0, 1, 3]] * 8000)


def test_a_centre_without_examples_stays():
    two = jnp.repeat(jnp.array([[1.0, 2.0], [5.0, 5.0]]), 3, axis=0)
    start = jnp.array([[1.0, 2.0], [5.0, 5.0], [9.0, 9.0]])
    centres = seeding.settled(two, start, jnp.ones(6), rounds=2)
    np.testing.assert_array_equal(centres, start)


X = np.arange(12.0).reshape(6, 2)
GOOD = dict(weights=np.ones(1), means=np.ones((1, 2)), covariances=np.ones((1, 2)))


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: mixture.fit(KEY, X, 7), "components must be an integer from 1 to 6"),
        (lambda: mixture.fit(KEY, X, 0), "components must be an integer .*got 0"),
        (lambda: mixture.learner(0), "components must be an integer .*got 0"),
        (lambda: mixture.fit(KEY, X[0], 1), r"x must be \[N, D\], got \[2\]"),
        (lambda: mixture.fit(KEY, X * np.nan, 1), "x must be finite, got nan"),
        (lambda: mixture.fit(KEY, X, 2, form="diag"), "unknown form .*'diag'.*diag"),
        (lambda: mixture.fit(KEY, X, 2, floor=-1.0), "floor must be 0 or more, got -1"),
        (lambda: mixture.learner(2, tolerance=-1.0), "tolerance must be 0 or more"),
        (lambda: mixture.fit(KEY, X, 2, starts=0), "starts and steps must be positive"),
        (lambda: mixture.fit(KEY, X, 2, steps=0), "starts and steps .*got 1 and 0"),
        (lambda: mixture.fit(KEY, X, 2, means=X), r"means must be \[2, 2\], got \[6"),
        (
            lambda: mixture.fit(KEY, X, 1, means=np.full((1, 2), np.inf)),
            "means must be finite, got inf",
        ),
        (
            lambda: mixture.predict(mixture.start(**GOOD), X.T),
            r"x must be \[N, 2\], got \[2, 6\]",
        ),
        (
            lambda: mixture.start(**(GOOD | {"weights": np.ones(2)})),
            r"weights, means and covariances must be .*got \[2\], \[1, 2\] and",
        ),
        (
            lambda: mixture.start(**(GOOD | {"covariances": np.ones(2)})),
            r"weights, means and covariances must be .*and \[2\]",
        ),
    ],
)
def test_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call()
