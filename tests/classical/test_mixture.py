"""Gaussian mixtures: printed figures, EM line by line, and what it promises.

`tests/parity/test_mixture.py` holds it to scikit-learn.
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
K, D = 3, 2


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


def clouds(n=60, seed=0, apart=3.0):
    """Three clouds of unlike spread, in the order 0 1 2 0 1 2 ..."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % K
    spread = np.array([[1, 0.3], [0.5, 1.2], [0.8, 0.8]])
    x = (
        rng.normal(size=(n, D)) * spread[y]
        + apart * np.array([[0, 0], [1, 2], [3, 0]])[y]
    )
    return x, y


def whole(covariances):
    """Any form as full matrices [K, D, D]."""
    c = np.asarray(covariances)
    if c.ndim == 3:
        return np.broadcast_to(c, (K, D, D))
    return np.stack([np.diag(row) for row in np.broadcast_to(c, (K, D))])


def start_of(form):
    rng = np.random.default_rng(1)
    x, _ = clouds()
    root = rng.normal(size=(K, D, D))
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
    return np.stack(
        [
            weight * stats.multivariate_normal(mean, covariance).pdf(x)
            for weight, mean, covariance in zip(
                state.weights, state.means, whole(state.covariances), strict=True
            )
        ],
        axis=1,
    )


@pytest.mark.parametrize("form", FORMS)
def test_em_line_by_line(form):
    """The formulas in NumPy and SciPy, with weights of the examples."""
    x, _ = clouds()
    w = np.random.default_rng(2).uniform(0.5, 2, len(x))
    em = mixture.learner(K, form=form, floor=0.01)
    step, state = jax.jit(em.step), start_of(form)
    for _ in range(4):
        joint = density(state, x)
        r = joint / joint.sum(1, keepdims=True) * w[:, None]
        value = (w * np.log(joint.sum(1))).sum() / w.sum()
        before = state.log_likelihood
        state, told = step(state, {"x": x, "weight": w})
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
        np.testing.assert_allclose(state.log_likelihood, value, rtol=1e-12)
        np.testing.assert_allclose(state.gain, value - before, rtol=1e-9)
        np.testing.assert_allclose(told["log_likelihood"][1], w.sum())
    total, weight = em.evaluate(state, {"x": x, "weight": w})["log_likelihood"]
    expected = (w * np.log(density(state, x).sum(1))).sum()
    np.testing.assert_allclose([total, weight], [expected, w.sum()], rtol=1e-12)


@pytest.mark.parametrize("form", FORMS)
def test_the_likelihood_never_falls(form):
    """With floor = 0 at every step, from several starts, on clouds that overlap."""
    x, _ = clouds(150, apart=1.0)
    em = mixture.learner(K, form=form, floor=0.0)

    def run(key):
        state = em.init(key, {"x": x})
        body = lambda state, _: (em.step(state, {"x": x})[0],) * 2
        return jax.lax.scan(body, state, None, 80)[1].log_likelihood

    path = np.asarray(jax.jit(jax.vmap(run))(jax.random.split(jax.random.key(0), 5)))
    rises = np.diff(path, axis=1)
    assert rises.min() > -1e-13
    assert (rises[:, 0] > 1e-3).all()


def test_iris_is_as_printed_elsewhere():
    table = data.tabular("iris")
    found = []
    for seed in range(5):
        state = mixture.fit(jax.random.key(seed), table.x, 3, starts=5)
        found.append(float(mixture.log_likelihood(state, table.x).sum()))
        print(seed, found[-1])
    np.testing.assert_allclose(found, -180.1855, atol=5e-5)
    np.testing.assert_allclose(mixture.bic(state, table.x), 580.839, atol=5e-4)
    called = mixture.predict(state, table.x)
    ari = metrics.adjusted_rand_index(metrics.contingency(table.y, called, 3, 3))
    np.testing.assert_allclose(ari, 0.9039, atol=5e-5)


@pytest.mark.parametrize("form", FORMS)
def test_what_is_said_of_an_example(form):
    x, _ = clouds()
    state = start_of(form)
    joint = density(state, x)
    p = mixture.predict_probability(state, x)
    np.testing.assert_allclose(p, joint / joint.sum(1, keepdims=True), rtol=1e-10)
    np.testing.assert_array_equal(mixture.predict(state, x), joint.argmax(1))
    assert mixture.predict(state, x).dtype == jnp.int32
    logs = np.log(joint.sum(1))
    np.testing.assert_allclose(mixture.log_likelihood(state, x), logs, rtol=1e-11)
    free = {"full": 9, "tied": 3, "diagonal": 6, "spherical": 3}[form] + 6 + 2
    assert mixture.free_parameters(state) == free
    deviance = -2 * logs.sum()
    np.testing.assert_allclose(mixture.aic(state, x), deviance + 2 * free)
    np.testing.assert_allclose(mixture.bic(state, x), deviance + free * np.log(60))


@pytest.mark.parametrize("form", FORMS)
def test_samples_are_of_the_mixture(form):
    state = start_of(form)
    x, part = jax.jit(mixture.sample, static_argnums=2)(
        jax.random.key(0), state, 40_000
    )
    x, part = np.asarray(x), np.asarray(part)
    # Four standard errors.
    np.testing.assert_allclose(np.bincount(part) / 40_000, state.weights, atol=0.01)
    for k in range(K):
        mine, full = x[part == k], whole(state.covariances)[k]
        scale = np.sqrt(full.diagonal().max() / len(mine))
        np.testing.assert_allclose(mine.mean(0), state.means[k], atol=4 * scale)
        error = 4 * full.max() * np.sqrt(2 / len(mine))
        np.testing.assert_allclose(np.cov(mine.T), full, atol=error)


def test_one_component_is_the_moments():
    x, _ = clouds()
    for form in FORMS:
        state = mixture.fit(jax.random.key(0), x, 1, form=form, floor=0.0)
        np.testing.assert_allclose(state.means[0], x.mean(0), rtol=1e-12)
        full = np.cov(x.T, ddof=0)
        expected = {
            "full": full[None],
            "tied": full[None],
            "diagonal": full.diagonal()[None],
            "spherical": full.diagonal().mean().reshape(1, 1),
        }[form]
        np.testing.assert_allclose(state.covariances, expected, rtol=1e-11)
        assert state.step == 2 and state.gain == 0


def test_small_and_equal_spheres_are_k_means():
    """As the variance goes to 0, EM's means make the rounds of k-means."""
    x, _ = clouds()
    near = jnp.array(x[[0, 3, 6]])  # three of one cloud
    state = mixture.start(np.full(3, 1 / 3), near, np.full((3, 1), 1e-4))
    em = mixture.learner(3, form="spherical")
    new, _ = jax.jit(em.step)(state, {"x": x})
    parts = np.asarray(seeding.nearest(x, near))
    np.testing.assert_allclose(
        new.means, parts.T @ x / parts.sum(0)[:, None], rtol=1e-9
    )


def test_a_start_is_means_near_to_examples():
    x, y = clouds(apart=10.0)
    for given in (None, x[:3] + 1):
        em = mixture.learner(3, means=given, floor=0.0)
        state = jax.jit(em.init)(jax.random.key(0), {"x": x})
        order = np.argsort(np.asarray(state.means[:, 0]))
        for k in range(3):
            mine = x[y == k]
            np.testing.assert_allclose(state.means[order[k]], mine.mean(0))
            full = np.cov(mine.T, ddof=0)
            np.testing.assert_allclose(state.covariances[order[k]], full, rtol=1e-10)
        np.testing.assert_allclose(state.weights, 1 / 3)
        assert state.log_likelihood == -np.inf and state.gain == np.inf


def test_an_example_of_weight_zero_is_none():
    x, _ = clouds()
    w = np.ones(len(x))
    w[30:] = 0
    far = np.where(w[:, None] == 0, 100 + x, x)
    em = mixture.learner(2)

    @jax.jit
    def run(batch):
        state = em.init(jax.random.key(1), batch)
        return em.step(em.step(state, batch)[0], batch)[0]

    state = run({"x": far, "weight": w})
    assert abs(np.asarray(state.means)).max() < 20
    # The draws are others; from the same means all is the same.
    em = mixture.learner(2, means=x[:2])
    for a, b in zip(run({"x": far, "weight": w}), run({"x": x[:30]}), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


def test_the_best_of_several_starts():
    x, _ = clouds(90, apart=1.5)
    key = jax.random.key(3)
    best = mixture.fit(key, x, 4, starts=6, tolerance=1e-9)
    alone = [
        mixture.fit(k, x, 4, tolerance=1e-9).log_likelihood
        for k in jax.random.split(key, 6)
    ]
    np.testing.assert_allclose(best.log_likelihood, max(alone), rtol=1e-9)
    assert min(alone) < max(alone) - 1e-3


def test_done_and_the_limit_of_steps():
    x, _ = clouds()
    loose = mixture.fit(jax.random.key(0), x, 3, tolerance=1e-2)
    tight = mixture.fit(jax.random.key(0), x, 3, tolerance=1e-9)
    assert abs(loose.gain) <= 1e-2 and abs(tight.gain) <= 1e-9
    assert loose.step < tight.step < 500
    assert mixture.fit(jax.random.key(0), x, 3, tolerance=1e-9, steps=4).step == 4
    state = tight._replace(gain=jnp.array(jnp.nan))
    assert mixture.learner(3).done(state)  # rather than to the last step


@pytest.mark.parametrize("form", FORMS)
def test_a_floor_holds_what_has_no_spread(form):
    """A constant feature; and fewer different examples than components."""
    x, _ = clouds()
    flat = np.concatenate([x, np.ones((60, 1))], axis=1)
    state = mixture.fit(jax.random.key(0), flat, 3, form=form, floor=1e-3)
    least = (
        np.linalg.eigvalsh(state.covariances).min()
        if form in ("full", "tied")
        else state.covariances.min()
    )
    assert least >= 0.999e-3
    twice = np.repeat(np.array([[0.0, 0.0], [5.0, 5.0]]), 4, axis=0)
    state = mixture.fit(jax.random.key(0), twice, 4, form=form)
    assert all(np.isfinite(leaf).all() for leaf in state)
    p = mixture.predict_probability(state, twice)
    np.testing.assert_allclose(p.sum(1), 1)
    np.testing.assert_allclose(np.sort(state.weights)[-2:].sum(), 1, rtol=1e-3)


def test_nothing_belongs_to_it():
    """A component that is far from all keeps mean and covariance, with weight 0."""
    x, _ = clouds()
    for form in FORMS:
        state = start_of(form)
        state = state._replace(means=state.means.at[2].set(1e3))
        new, _ = jax.jit(mixture.learner(3, form=form).step)(state, {"x": x})
        assert new.weights[2] == 0
        np.testing.assert_allclose(new.means[2], 1e3)
        if form != "tied":
            np.testing.assert_allclose(new.covariances[2], state.covariances[2])
        again, told = jax.jit(mixture.learner(3, form=form).step)(new, {"x": x})
        assert np.isfinite(told["log_likelihood"][0])


def test_where_it_lies_does_not_matter():
    """Far from the origin and in float32 it finds the same."""
    x, _ = clouds()
    means = x[:3]
    for form in FORMS:
        fit = functools.partial(mixture.fit, jax.random.key(0), form=form, steps=10)
        near = fit(x, 3, means=means)
        far = fit(np.float32(x + 300), 3, means=np.float32(means + 300))
        assert {leaf.dtype for leaf in far[1:]} == {jnp.dtype("float32")}
        # One part in 1e7 of 300, against spreads of about 1.
        np.testing.assert_allclose(far.means - 300, near.means, atol=1e-3)
        np.testing.assert_allclose(far.covariances, near.covariances, atol=1e-3)


def test_folds_and_floors_are_mapped():
    x, _ = clouds()
    folds, floors = x.reshape(2, 30, D), np.array([1e-3, 1e-1])
    fit = lambda x, floor: mixture.fit(jax.random.key(0), x, 2, floor=floor)
    both = jax.jit(jax.vmap(fit))(folds, floors)
    for i in range(2):
        alone = fit(folds[i], floors[i])
        for a, b in zip(both, alone, strict=True):
            np.testing.assert_allclose(a[i], b, rtol=1e-8, atol=1e-9)


def test_one_device_equals_eight(devices):
    x, _ = clouds(64)
    for form in FORMS:
        single = mixture.learner(3, form=form)
        split = mixture.learner(3, form=form, axis_name="batch")
        step = jax.pmap(
            split.step,
            axis_name="batch",
            devices=devices,
            in_axes=(None, 0),
            out_axes=None,
        )
        a = b = single.init(jax.random.key(0), {"x": x})
        for _ in range(2):
            a, told = jax.jit(single.step)(a, {"x": x})
            b, metric = step(b, {"x": x.reshape(8, 8, D)})
        for left, right in zip(
            (*a, *told.values()), (*b, *metric.values()), strict=True
        ):
            np.testing.assert_allclose(left, right, rtol=1e-10, atol=1e-12)


def test_seeds_are_drawn_by_squared_distance():
    """The second of two, many times, against its probabilities."""
    x = np.array([[0.0], [1.0], [3.0]])
    keys = jax.random.split(jax.random.key(0), 8000)
    draw = lambda key: seeding.seeds(key, x, 2, jnp.array([1.0, 1.0, 2.0]))[:, 0]
    drawn = np.asarray(jax.jit(jax.vmap(draw))(keys))
    share = lambda a, b: ((drawn[:, 0] == a) & (drawn[:, 1] == b)).mean()
    expected = {
        (0, 1): 1 / 19 / 4,
        (0, 3): 18 / 19 / 4,
        (1, 0): 1 / 9 / 4,
        (3, 0): 9 / 13 / 2,
    }
    for (a, b), chance in expected.items():
        error = 4 * np.sqrt(chance * (1 - chance) / 8000)
        assert abs(share(a, b) - chance) < error
    assert (drawn[:, 0] != drawn[:, 1]).all()
    three = np.asarray(seeding.seeds(keys[0], x, 3, jnp.ones(3)))
    assert sorted(three[:, 0]) == [0, 1, 3]  # the nearest to any, not to the last


X, KEY = np.arange(12.0).reshape(6, 2), np.array([0, 0], np.uint32)
GOOD = dict(weights=np.ones(1), means=np.ones((1, 2)), covariances=np.ones((1, 2)))


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: mixture.fit(KEY, X, 7), "components must be an integer from 1 to 6"),
        (lambda: mixture.fit(KEY, X, 0), "components must be an integer .*got 0"),
        (lambda: mixture.learner(0), "components must be an integer .*got 0"),
        (lambda: mixture.fit(KEY, X[0], 1), r"x must be \[N, D\], got \[2\]"),
        (lambda: mixture.fit(KEY, X * np.nan, 1), "x must be finite, got nan"),
        (
            lambda: mixture.fit(KEY, X, 2, form="diag"),
            "unknown form .*'diag'.*diagonal",
        ),
        (lambda: mixture.fit(KEY, X, 2, floor=-1.0), "floor must be 0 or more, got -1"),
        (lambda: mixture.learner(2, tolerance=-1.0), "tolerance must be 0 or more"),
        (lambda: mixture.fit(KEY, X, 2, starts=0), "starts and steps must be positive"),
        (lambda: mixture.fit(KEY, X, 2, steps=0), "starts and steps .*got 1 and 0"),
        (lambda: mixture.fit(KEY, X, 2, means=X), r"means must be \[2, 2\], got \[6"),
        (
            lambda: mixture.fit(KEY, X, 1, means=X[:1] * np.inf),
            "means must be finite, got nan",
        ),
        (
            lambda: mixture.fit(KEY, X, 2, floor=0.0),
            "floor must be larger: with 0.0 a covariance became singular in float64",
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
