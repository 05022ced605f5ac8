"""Support vector machines: the optimum, and the conditions under which it is one.

A program is compiled for each shape and kernel, so most tests share 24 examples.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize

from zoo.classical import kernels, smo, svm


def clouds(n=24, classes=2, d=3, apart=1.0):
    rng = np.random.default_rng(0)
    y = np.arange(n) % classes
    return rng.normal(size=(n, d)) + apart * np.eye(max(d, classes))[y][:, :d], y


OPTIONS = {
    "linear": dict(kernel="linear"),
    "polynomial": dict(kernel="polynomial", gamma=0.5, coef0=1.0, degree=2),
    "rbf": dict(kernel="rbf", gamma=0.3),
}


def gram(x, options, y=None):
    """The Gram matrix in float64; each kernel is held to its formula elsewhere."""
    options = dict(options)
    with jax.enable_x64(True):
        x, y = jnp.asarray(x), jnp.asarray(x if y is None else y)
        kernel = kernels.kernel(options.pop("kernel"), x, **options)
        return np.asarray(jax.jit(kernels.gram)(kernel, x, y))


def optimum(K, s, upper):
    """The dual by SciPy, in alpha: values and what it comes to."""
    Q = s[:, None] * s[None] * K
    found = scipy.optimize.minimize(
        lambda a: (a @ Q @ a / 2 - a.sum(), Q @ a - 1),
        np.zeros(len(s)), jac=True, method="SLSQP", bounds=[(0, c) for c in upper],
        constraints=dict(type="eq", fun=lambda a: a @ s, jac=lambda a: s),
        options=dict(ftol=1e-15, maxiter=1000),
    )  # fmt: skip
    return found.x, -found.fun


@pytest.mark.parametrize("name", OPTIONS)
def test_is_scipys_optimum(name):
    x, y = clouds()
    s = 2 * y - 1.0
    weight = np.random.default_rng(1).uniform(0.5, 2, len(y))
    K = gram(x, OPTIONS[name])
    alpha, value = optimum(K, s, 0.7 * weight)
    with jax.enable_x64(True), jax.numpy_dtype_promotion("strict"):
        options = dict(C=0.7, weight=weight, tolerance=1e-11)
        state = svm.fit(x, y, **OPTIONS[name], **options)
        primal, dual = svm.objectives(state)
        gap = svm.duality_gap(state)
        found = svm.decision(state, x)
        state, primal, dual, gap = jax.device_get((state, primal, dual, gap))
    np.testing.assert_allclose(dual, value, rtol=1e-10)
    np.testing.assert_allclose(primal, dual, rtol=1e-10)
    assert 0 <= gap < 1e-9 and state.violation <= 1e-11
    np.testing.assert_allclose(K @ state.beta + state.intercept, found, atol=1e-12)
    np.testing.assert_allclose(K @ state.beta, K @ (s * alpha), atol=2e-6)  # SLSQP's
    assert state.beta.dtype == np.float64 and state.steps.dtype == np.int32


@pytest.mark.parametrize("name", OPTIONS)
def test_primal_dual_and_slackness(name):
    """From what was fitted to any tolerance, by the formulas, in NumPy."""
    x, y = clouds(apart=0.5)
    s, K = 2 * y - 1.0, gram(x, OPTIONS[name])
    for tolerance in (0.5, 1e-10):
        with jax.enable_x64(True):
            state = svm.fit(x, y, C=2.0, tolerance=tolerance, **OPTIONS[name])
            told = (*svm.objectives(state), svm.duality_gap(state))
            terms, xi = svm.complementary(state), svm.slack(state)
            width = svm.margin(state)
            state, told, terms = jax.device_get((state, told, terms))
        beta, b = np.asarray(state.beta), float(state.intercept)
        f, alpha, square = K @ beta + b, s * beta, beta @ K @ beta
        assert abs(beta.sum()) < 1e-12 and (0 <= alpha).all() and (alpha <= 2).all()
        want = np.maximum(0, 1 - s * f)
        np.testing.assert_allclose(xi, want, atol=1e-12)
        primal, dual = square / 2 + 2 * want.sum(), alpha.sum() - square / 2
        np.testing.assert_allclose(told, (primal, dual, primal - dual), atol=1e-11)
        np.testing.assert_allclose(state.gap, primal - dual, atol=1e-11)
        np.testing.assert_allclose(width, 2 / np.sqrt(square))
        np.testing.assert_allclose(terms[0], (2 - alpha) * want, atol=1e-12)
        np.testing.assert_allclose(terms[1], alpha * (s * f - 1 + want), atol=1e-12)
        # The violation, by its definition.
        v = s - K @ beta
        up = ((s > 0) & (alpha < 2)) | ((s < 0) & (alpha > 0))
        low = ((s > 0) & (alpha > 0)) | ((s < 0) & (alpha < 2))
        differ = v[up].max() - v[low].min()
        np.testing.assert_allclose(state.violation, differ, atol=1e-11)
        assert differ <= tolerance
        free = (alpha > 0) & (alpha < 2)
        if free.any():
            np.testing.assert_allclose(b, v[free].mean(), rtol=1e-10)
    assert free.any() and max(terms[0].max(), terms[1].max()) < 1e-8


@pytest.mark.parametrize("block", [None, 8])
def test_goes_on_until_the_gap_is_a_share_of_the_primal(block):
    """However wide the violation may be; no further than that asks for."""
    x, y = clouds(apart=0.5)
    steps, last = [], None
    with jax.enable_x64(True):
        for share in (np.inf, 1e-2, 1e-5, 1e-9):
            options = dict(C=2.0, tolerance=1.0, gap=share, block=block)
            state = svm.fit(x, y, **OPTIONS["rbf"], **options)
            primal, dual = svm.objectives(state)
            assert primal - dual <= share * primal and state.violation <= 1.0
            steps.append(int(state.steps))
            assert last is None or last > share * primal  # the one before stopped early
            last = float(primal - dual)
    assert steps == sorted(steps) and steps[0] < steps[-1]


def test_two_points_by_hand():
    x, y = np.array([[-1.0], [3]]), np.array([0, 1])
    state = svm.fit(x, y, kernel="linear", tolerance=1e-5)
    np.testing.assert_allclose(svm.weights(state), [0.5], rtol=1e-6)
    np.testing.assert_allclose(state.intercept, -0.5, rtol=1e-6)
    np.testing.assert_allclose(state.beta, [-1 / 8, 1 / 8], rtol=1e-6)
    np.testing.assert_allclose(svm.margin(state), 4, rtol=1e-6)
    np.testing.assert_allclose(svm.objectives(state), 1 / 8, rtol=1e-6)
    assert state.steps == 1 and svm.support(state).all()
    # Where C is less than 1/8 both are inside the margin, and b is between two ends.
    state = svm.fit(x, y, kernel="linear", C=1 / 16)
    np.testing.assert_array_equal(state.beta, [-1 / 16, 1 / 16])
    np.testing.assert_allclose(svm.weights(state), [0.25])
    np.testing.assert_allclose(state.intercept, -0.25, rtol=1e-6)
    np.testing.assert_allclose(svm.slack(state), 0.5, rtol=1e-6)
    np.testing.assert_array_equal(svm.predict(state, [[0.9], [1.0], [1.1]]), [0, 1, 1])


def test_xor_by_hand():
    """With (1 + <x, y>)^2 all four are support vectors, alpha 1/8, and f = -x1 x2."""
    x = np.array([[1.0, 1], [1, -1], [-1, 1], [-1, -1]])
    y = np.array([0, 1, 1, 0])
    state = svm.fit(x, y, kernel="polynomial", gamma=1, coef0=1, degree=2, C=9.0)
    np.testing.assert_allclose(jnp.abs(state.beta), 1 / 8, rtol=1e-6)
    np.testing.assert_allclose(svm.objectives(state), 1 / 4, rtol=1e-6)
    np.testing.assert_allclose(svm.margin(state), 2 * 2**0.5, rtol=1e-6)
    at = np.random.default_rng(0).normal(size=(5, 2))
    np.testing.assert_allclose(svm.decision(state, at), -at.prod(1), atol=1e-6)


def reference(K, s, C, pairs):
    """Pairs in alpha, as in Fan, Chen and Lin; none with a curvature below TAU."""
    alpha, g = np.zeros(len(s)), -np.ones(len(s))  # g: gradient of a Q a / 2 - sum a
    for _ in range(pairs):
        up = np.where(s > 0, alpha < C, alpha > 0)
        low = np.where(s > 0, alpha > 0, alpha < C)
        i = max(np.flatnonzero(up), key=lambda t: (-s[t] * g[t], -t))
        gains = {}
        for t in np.flatnonzero(low):
            b = -s[i] * g[i] + s[t] * g[t]
            if b > 0:
                gains[t] = b**2 / (K[i, i] + K[t, t] - 2 * K[i, t])
        j = max(gains, key=lambda t: (gains[t], -t))
        step = (-s[i] * g[i] + s[j] * g[j]) / (K[i, i] + K[j, j] - 2 * K[i, j])
        step = min(step, C - alpha[i] if s[i] > 0 else alpha[i])
        step = min(step, alpha[j] if s[j] > 0 else C - alpha[j])
        alpha[i] += s[i] * step
        alpha[j] -= s[j] * step
        alpha[np.isclose(alpha, C, rtol=1e-14)] = C
        g = s * (K @ (s * alpha)) - 1
    return s * alpha


def test_pairs_are_the_papers():
    x, y = clouds(apart=0.3)
    s, K = 2 * y - 1.0, gram(x, OPTIONS["rbf"])
    for pairs in (1, 2, 5, 12):  # rounding decides between the equal ones to come
        with jax.enable_x64(True):
            state = svm.fit(x, y, C=0.8, steps=pairs, tolerance=1e-9, **OPTIONS["rbf"])
            state = jax.device_get(state)
        assert state.steps == pairs and state.violation > 1e-9
        want = reference(K, s, 0.8, pairs)
        np.testing.assert_allclose(state.beta, want, rtol=1e-10, atol=1e-14)


@functools.cache
def solved(block, held):
    """One problem of a hundred examples: beta, v and the pairs."""
    x, y = clouds(100, apart=0.5)
    s = jnp.asarray(2 * y - 1.0)
    kernel = kernels.kernel("rbf", jnp.asarray(x))

    def run(x):
        problem = smo.dual(kernel, x, s, jnp.full_like(s, 1.5), block)
        return smo.solve(problem, 1e-9, 100_000)

    return jax.device_get(jax.jit(run)(jnp.asarray(x)))


@pytest.mark.parametrize("block, held", [(2, True), (15, True), (15, False)])
def test_blocks_come_to_the_same(block, held, monkeypatch):
    """Also where the Gram matrix is not held, and where rounds are cut into cycles."""
    with jax.enable_x64(True):
        whole, slopes, _ = solved(None, True)
        monkeypatch.setattr(smo, "HELD", 8192 if held else 99)
        monkeypatch.setattr(smo, "CYCLE", 40)
        beta, v, count = solved(block, held)
    np.testing.assert_allclose(beta, whole, atol=1e-7)
    np.testing.assert_allclose(v, slopes, atol=1e-8)
    assert 50 < count < 100_000


def test_blocks_hold_the_best_pair():
    """All different, with the extremes in it; also where few may rise or fall."""
    rng = np.random.default_rng(0)
    pick = jax.jit(smo.working_set, static_argnums=4)
    low, high = -jnp.ones(20), jnp.ones(20)
    for share in (0.02, 0.1, 0.5, 0.9):
        for _ in range(20):
            v = jnp.float32(rng.normal(size=20))
            ends = rng.choice([-1.0, 0, 1], 20, p=[share / 2, 1 - share, share / 2])
            beta = jnp.float32(np.where(rng.uniform(size=20) < 0.5, ends, 0.5))
            for block in (2, 5, 16):
                at = np.asarray(pick(beta, v, low, high, block))
                assert len(set(at)) == block and 0 <= at.min() and at.max() < 20
                assert np.where(beta < 1, v, -9).argmax() in at
                assert np.where(beta > -1, v, 9).argmin() in at


def test_rounding_ends_the_loop():
    """In float32 no tolerance of 1e-12 is met; beta is right all the same."""
    x, y = clouds(apart=0.5)
    state = svm.fit(x.astype(np.float32), y, C=100.0, tolerance=1e-12)
    with jax.enable_x64(True):
        want = svm.fit(x, y, C=100.0, tolerance=1e-10)
        value = float(svm.objectives(want)[1])
    assert state.beta.dtype == jnp.float32 and state.steps < 10_000_000
    assert 1e-12 < state.violation < 1e-2
    np.testing.assert_allclose(svm.objectives(state)[1], value, rtol=1e-5)


def test_a_weight_of_two_is_two_examples_and_of_zero_none():
    x, y = clouds()
    weight = np.array([2.0] * 5 + [1] * 14 + [0] * 5)
    twice = np.r_[:5, :19]  # as many in all
    with jax.enable_x64(True):
        options = dict(gamma=0.5, tolerance=1e-10)
        a = svm.fit(x, y, weight=weight, **options)
        b = svm.fit(x[twice], y[twice], **options)
        f, g = svm.decision(a, x), svm.decision(b, x)
    np.testing.assert_allclose(f, g, atol=1e-8)
    assert not np.asarray(a.beta)[19:].any()


FOUR = clouds(classes=4, apart=1.5)


@pytest.mark.parametrize("multiclass", svm.MULTICLASS)
def test_more_classes_are_machines_of_two(multiclass):
    (x, y), weight = FOUR, np.random.default_rng(1).uniform(0.2, 2, 24)
    weight[5] = 0
    with jax.enable_x64(True):
        options = dict(C=2.0, gamma=0.4, tolerance=1e-10)
        state = svm.fit(x, y, weight=weight, multiclass=multiclass, **options)
        found, called = svm.decision(state, x), svm.predict(state, x)
        state = jax.device_get(state)
        columns, votes = [], np.zeros((24, 4))
        for i in range(4):
            rest = range(i + 1, 4) if multiclass == "one_vs_one" else [None]
            for j in rest:
                of = (y == i) | (y == j) if j else np.full(24, True)
                one = svm.fit(x, (y == i).astype(int), weight=weight * of, **options)
                f = np.asarray(svm.decision(one, x))
                columns.append(f)
                if j:
                    np.add.at(votes, (range(24), np.where(f > 0, i, j)), 1)
    np.testing.assert_allclose(found, np.stack(columns, 1), atol=1e-8)
    scores = votes if multiclass == "one_vs_one" else np.stack(columns, 1)
    np.testing.assert_array_equal(called, scores.argmax(1))
    assert state.gap.shape == (len(columns),) and (state.violation <= 1e-10).all()
    outside = state.signs == 0
    assert not state.slopes[outside].any() and not state.upper[outside].any()


def test_labels_may_be_traced():
    """Then all pairs of classes are padded to all examples."""
    x, y = FOUR
    with jax.enable_x64(True):
        options = dict(C=2.0, gamma=0.4, tolerance=1e-10)
        want = svm.fit(x, y, weight=np.ones(24), **options)
        found = jax.jit(lambda y: svm.fit(x, y, classes=4, **options))(y)
    for name in ("beta", "slopes", "intercept", "gap"):
        a, b = getattr(found, name), getattr(want, name)
        np.testing.assert_allclose(a, b, atol=1e-8, err_msg=name)


def test_of_equal_votes_the_first():
    x, y = FOUR
    with jax.enable_x64(True):
        state = svm.fit(x, y)
        for signs, first in (
            ([1, -1, 1, 1, 1, 1], 0),  # 0, 2, 0, 1, 1, 2
            ([-1, -1, -1, 1, -1, 1], 1),  # 1, 2, 3, 1, 3, 2
            ([-1, -1, -1, -1, -1, -1], 3),
        ):
            state = state._replace(intercept=1e9 * jnp.asarray(signs, float))
            np.testing.assert_array_equal(svm.predict(state, x), np.full(24, first))


def test_maps_over_penalties_scales_folds_and_labels():
    x, y = clouds(apart=0.7)
    x = x.astype(np.float32)
    C, gamma = np.float32([[0.1, 1, 10, 1, 1, 1], [0.1, 0.5, 2, 1, 1, 1]])
    folds = np.float32(np.arange(24)[None] % 3 != np.arange(3)[:, None])
    # A class that a mapped weight leaves out cannot be seen; all are of the other.
    only = np.float32([y == 1, y == 0, 0 * y])
    weight = np.concatenate([folds, only])
    fit = lambda C, gamma, weight: svm.fit(
        x, y, C=C, gamma=gamma, weight=weight, tolerance=1e-4
    )
    states = jax.vmap(fit)(C, gamma, weight)
    found = jax.vmap(lambda state: svm.decision(state, x))(states)
    for k in range(3):
        alone = fit(C[k], gamma[k], weight[k])
        np.testing.assert_allclose(found[k], svm.decision(alone, x), atol=5e-4)
    np.testing.assert_array_equal(states.intercept[3:], [1, -1, 0])
    assert not states.beta[3:].any() and not states.gap[3:].any()
    flipped = jax.vmap(lambda y: svm.fit(x, y, classes=2, tolerance=1e-4))(
        jnp.stack([y, 1 - y])
    )
    np.testing.assert_allclose(flipped.slopes[0], -flipped.slopes[1], atol=5e-4)


def test_what_does_not_matter():
    x, y = clouds()
    with jax.enable_x64(True):
        fit = functools.partial(svm.fit, gamma=0.5, tolerance=1e-10)
        beta = np.asarray(fit(x, y).beta)
        order = np.random.default_rng(1).permutation(24)
        wide = np.concatenate([x + 7, np.full((24, 1), 3.0)], 1)  # rbf is blind to it
        for other, want in (
            (fit(x[order], y[order]), beta[order]),
            (fit(wide, y), beta),
            (fit(x, 1 - y), -beta),
        ):
            np.testing.assert_allclose(other.beta, want, atol=1e-8)
        linear = functools.partial(svm.fit, kernel="linear", tolerance=1e-10)
        a, b = linear(x, y), linear(x + 7, y)
        wa, wb = np.asarray(svm.weights(a)), svm.weights(b)
    np.testing.assert_allclose(wa, wb, atol=1e-8)
    np.testing.assert_allclose(
        b.intercept, float(a.intercept) - 7 * wa.sum(), atol=1e-7
    )


def test_duplicates_and_constants():
    """Points of both classes on one place, and features that say nothing."""
    x = np.array([[0.0, 5], [0, 5], [0, 5], [1, 5]])
    y = np.array([0, 1, 0, 1])
    state = svm.fit(x, y, kernel="linear", C=3.0, tolerance=1e-5)
    f = np.asarray(svm.decision(state, x))
    # Two of three at 0 are of class 0: f is -1 there, and 1 at 1.
    np.testing.assert_allclose(f, [-1, -1, -1, 1], atol=1e-4)
    np.testing.assert_allclose(svm.objectives(state), 3 * 2 + 2, rtol=1e-4)
    same = svm.fit(np.ones((4, 2)), y[[0, 1, 1, 1]], kernel="linear")
    np.testing.assert_array_equal(svm.predict(same, np.ones((2, 2))), [1, 1])
    assert np.isfinite(same.intercept) and abs(same.gap) < 1e-3


def test_an_indefinite_kernel_ends_at_bounds():
    x, y = clouds()
    with jax.enable_x64(True):
        options = dict(kernel="sigmoid", gamma=1.0, coef0=-1.0)
        K = gram(x, options)
        assert np.linalg.eigvalsh(K)[0] < -1
        state = svm.fit(x, y, C=2.0, tolerance=1e-8, **options)
    s, beta = 2 * y - 1, np.asarray(state.beta)
    alpha, v = s * beta, s - K @ beta
    assert float(state.violation) <= 1e-8 and abs(beta.sum()) < 1e-12
    assert (0 <= alpha).all() and (alpha <= 2).all()
    np.testing.assert_allclose(state.slopes, v, atol=1e-12)


def test_a_pair_without_a_maximum_goes_to_the_bound():
    K = jnp.array([[0.0, 1], [1, 0]])  # a = -2
    s, high = jnp.array([1.0, -1]), jnp.array([5.0, 0])
    improve = jax.jit(smo.improve_pairs)
    beta, v, count = improve(K, 0 * s, s, high - 5, high, 1e-3, 9)
    np.testing.assert_array_equal(beta, [5, -5])
    np.testing.assert_array_equal(v, [6, -6])
    assert count == 1


@pytest.mark.parametrize("block", [None, 6])
def test_the_learner_comes_to_the_same(block):
    x, y = clouds(apart=0.5)
    with jax.enable_x64(True), jax.numpy_dtype_promotion("strict"):
        options = dict(C=2.0, kernel="rbf", tolerance=1e-6)
        want = svm.fit(x, y, **options)
        learner = svm.learner(pairs=5, block=block, **options)
        batch = {"x": jnp.asarray(x), "y": jnp.asarray(y)}
        state, step = learner.init(None, batch), jax.jit(learner.step)
        assert not learner.done(state) and not state.beta.any()
        duals, steps = [], 0
        while not learner.done(state):
            state, told = step(state, batch)
            duals.append(float(told["dual"][0]))
            gap = told["primal"][0] - told["dual"][0]
            np.testing.assert_allclose(told["gap"][0], gap, atol=1e-10)
            steps += 1
            assert state.steps <= 5 * steps
        again, told = step(state, batch)
        assert told["violation"][0] == state.violation <= 1e-6
        jax.tree.map(np.testing.assert_array_equal, again, state)
        accuracy = jax.jit(learner.evaluate)(state, batch)["accuracy"]
        score = svm.score(want, x, y)
        state, want, accuracy = jax.device_get((state, want, accuracy))
    assert duals[0] == 0 and (np.diff(duals) > 0).all()
    np.testing.assert_allclose(state.beta, want.beta, atol=1e-4)
    np.testing.assert_allclose(accuracy[0] / accuracy[1], score)


def test_many_queries_go_by_parts(monkeypatch):
    x, y = FOUR
    with jax.enable_x64(True):
        state = svm.fit(x, y)
        whole = svm.decision(state, x[:22])
        monkeypatch.setattr(svm, "ROWS", 8)
        parts = svm.decision(state, x[:23])  # of another shape: traced anew
    np.testing.assert_allclose(parts[:22], whole, atol=1e-12)


GOOD = dict(x=np.arange(8.0).reshape(4, 2), y=np.array([0, 1, 0, 1]))


@pytest.mark.parametrize(
    "options, message",
    [
        (dict(C=0.0), r"C must be a number in \(0, inf\), got 0.0"),
        (dict(C=-1.0), r"C must be a number in \(0, inf\), got -1.0"),
        (dict(C=np.nan), r"C must be a number in \(0, inf\), got nan"),
        (dict(tolerance=0), r"tolerance must be a number in \(0, inf\), got 0"),
        (dict(gap=0), r"gap must be a number in \(0, inf\], got 0"),
        (dict(steps=0), "steps must be an integer >= 1, got 0"),
        (dict(block=1), "block must be an integer >= 2, got 1"),
        (dict(y=[1, 1, 1, 1]), "y must hold two classes or more, got 1 only"),
        (dict(y=[0, 2, 0, 2]), "of weight > 0, got none of class 1"),
        (dict(y=[0, 1]), r"x must be \[N, D\] and y \[N\], got \(4, 2\) and \(2,\)"),
        (dict(y=[0, 1, 2, 0], classes=2), "y must be labels from 0 to 1, got 2"),
        (dict(classes=1), "classes must be an integer >= 2, got 1"),
        (dict(classes=3), "of weight > 0, got none of class 2"),
        (dict(weight=[1, 0, 1, 0]), "of weight > 0, got none of class 1"),
        (dict(weight=[1, 1, 1, -1]), "weight must be >= 0, got -1"),
        (dict(weight=[1.0]), r"weight must be \[4\], got \(1,\)"),
        (dict(x=np.full((4, 2), np.nan)), "x must be finite, got nan"),
        (dict(kernel="rbff"), "unknown kernel 'rbff'; did you mean 'rbf'"),
        (dict(multiclass="ovo"), "unknown multiclass 'ovo'"),
    ],
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        svm.fit(**{**GOOD, **options})


def test_refuses_queries_and_learners():
    state = svm.fit(**GOOD)
    for function in (svm.decision, svm.predict):
        with pytest.raises(ValueError, match=r"x must be \[Q, 2\], got \(3, 1\)"):
            function(state, np.ones((3, 1)))
        with pytest.raises(ValueError, match="x must be finite, got inf"):
            function(state, np.full((1, 2), np.inf))
    with pytest.raises(ValueError, match=r"y must be of shape \(4,\), got \(3,\)"):
        svm.score(state, GOOD["x"], [0, 1, 0])
    with pytest.raises(ValueError, match="kernel must be 'linear', got 'rbf'"):
        svm.weights(state)
    with pytest.raises(ValueError, match="classes must be given where y is traced"):
        jax.jit(lambda y: svm.fit(GOOD["x"], y).beta)(GOOD["y"])
    with pytest.raises(ValueError, match="pairs must be an integer >= 1, got 0"):
        svm.learner(pairs=0)
    with pytest.raises(ValueError, match="C must be a number"):
        svm.learner(C=0.0)
    with pytest.raises(ValueError, match="y must be labels from 0 to 1, got 2"):
        svm.learner().init(None, {"x": GOOD["x"], "y": np.array([0, 1, 2, 0])})
