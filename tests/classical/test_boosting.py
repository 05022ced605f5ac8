"""Boosting: rounds by hand, limits, weights, samples, stages, bad input."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import expit, softmax

import zoo
from zoo.classical import boosting

KEY = jax.random.key(0)


def table(n=50):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, 3))
    number = np.sin(2 * x[:, 0]) + x[:, 1] ** 2 + 0.3 * rng.normal(size=n)
    return x, number, np.digitize(number, [0.3, 1.2])


def fit(*args, **options):
    with jax.enable_x64(True):
        return boosting.fit(KEY, *args, **options)


def stump(x, target, weight, score):
    """The best split, by trying all: the rows on its left."""
    best = None
    for f in range(x.shape[1]):
        for v in np.unique(x[:, f])[:-1]:
            left = x[:, f] <= v
            value = sum(score(target[s], weight[s]) for s in (left, ~left))
            if best is None or value > best[0] + 1e-12:
                best = value, left
    return best[1]


def by_hand(x, y, loss, form, rounds=5, rate=0.3, penalty=0.0, w=None):
    """Boosted stumps; the scores of the examples."""
    k = 3 if loss == "softmax" else 1
    w = np.ones(len(x)) if w is None else w
    hit = np.eye(3)[y.astype(int)] if loss == "softmax" else y[:, None]
    share = (w[:, None] * hit).sum(0) / w.sum()
    scores = np.tile({
        "squared": share, "logistic": np.log(share / (1 - share)),
        "softmax": np.log(share),
    }[loss], (len(x), 1))  # fmt: skip
    for _ in range(rounds):
        p = {"squared": lambda s: s, "logistic": expit,
             "softmax": lambda s: softmax(s, 1)}[loss](scores)  # fmt: skip
        g = p - hit
        h = np.ones_like(p) if loss == "squared" else p * (1 - p)
        scores = scores.copy()
        for c in range(k):
            if form == "newton":
                score = lambda t, hw: (t.sum()) ** 2 / (hw.sum() + penalty)
                left = stump(x, -w * g[:, c], w * h[:, c], score)
            else:
                score = lambda t, w: (w * t).sum() ** 2 / w.sum()
                left = stump(x, -g[:, c], w, score)
            for side in (left, ~left):
                top = -(w * g[:, c])[side].sum()
                below = (w * h[:, c])[side].sum()
                if form == "newton":
                    value = top / (below + penalty)
                else:
                    value = top / below * (2 / 3 if loss == "softmax" else 1)
                scores[side, c] += rate * value
    return scores


@pytest.fixture(scope="module")
def half():
    """Two classes, as by hand: the data and the state."""
    x, _, classes = table()
    w = np.random.default_rng(1).integers(0, 3, 50) * 1.0
    assert (w == 0).any()
    options = dict(rounds=5, rate=0.3, max_depth=1, weight=w)
    return x, classes % 2, w, fit(x, classes % 2, "logistic", **options)


@pytest.mark.parametrize(
    "loss, form, penalty",
    [
        ("squared", "residual", 0.0),
        ("softmax", "residual", 0.0),
        ("softmax", "newton", 0.5),
    ],
)
def test_is_the_rule_by_hand(loss, form, penalty):
    x, number, classes = table()
    y = number if loss == "squared" else classes
    w = np.random.default_rng(1).integers(0, 3, 50) * 1.0
    state = fit(x, y, loss, rounds=5, rate=0.3, max_depth=1, form=form,
                penalty=penalty, weight=w)  # fmt: skip
    with jax.enable_x64(True):
        found = boosting.scores(state, x)
    kept = w > 0
    expected = by_hand(x[kept], y[kept], loss, form, penalty=penalty, w=w[kept])
    np.testing.assert_allclose(found[kept], expected, atol=1e-10)
    np.testing.assert_allclose(state.scores, found, atol=1e-12)


def test_two_classes_as_one_tree(half):
    x, y, w, state = half
    kept = w > 0
    expected = by_hand(x[kept], y[kept], "logistic", "residual", w=w[kept])
    np.testing.assert_allclose(state.scores[kept], expected, atol=1e-10)
    with jax.enable_x64(True):
        p = np.asarray(boosting.predict_probability(state, x, "logistic"))
        called = boosting.predict(state, x, "logistic")
    np.testing.assert_allclose(p[:, 1], expit(np.asarray(state.scores)[:, 0]))
    np.testing.assert_allclose(p.sum(1), 1)
    np.testing.assert_array_equal(called, p.argmax(1))
    np.testing.assert_array_equal(called[kept], expected[:, 0] > 0)


def test_a_penalty_without_bound_is_the_start():
    x, number, _ = table()
    state = fit(x, number, form="newton", penalty=1e12, rounds=3)
    np.testing.assert_allclose(state.scores[:, 0], number.mean(), atol=1e-9)


def test_importances_are_the_gains(half):
    """Of stumps, here: the loss that each split takes away, by the squared error."""
    _, _, _, state = half
    roots = jax.tree.map(lambda leaf: np.asarray(leaf)[:, 0], state.trees)
    feature, gain = roots.feature[:, 0], roots.gain[:, 0]
    expected = np.bincount(feature, gain, 3) / np.sum(gain)
    with jax.enable_x64(True):
        found = boosting.importances(state)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert len(np.unique(feature)) > 1 and gain.min() < 0.8 * gain.max()


def test_stages_losses_and_types():
    """The loss falls in each round; stages are the scores on the way."""
    x, _, y = table()
    x = np.float32(x)
    boost = boosting.learner("softmax", 3, 4, max_depth=2)
    batch = {"x": x, "y": y, "index": np.arange(50, dtype=np.int32)}
    state, losses, seen = (
        jax.jit(boost.init)(KEY, batch),
        [],
        [],
    )
    step = jax.jit(boost.step)
    for i in range(4):
        assert not boost.done(state)
        state, metrics = step(state, batch)
        losses.append(float(zoo.learner.mean(metrics["loss"])))
        seen.append(state.scores)
        assert state.step == i + 1
    assert boost.done(state) and (np.diff(losses) < 0).all()
    staged = boosting.scores(state, x, staged=True)
    np.testing.assert_allclose(staged, np.array(seen), atol=1e-5)
    after, metrics = step(state, batch)  # one more changes nothing
    same = lambda a, b: np.testing.assert_array_equal(raw(a), raw(b))
    jax.tree.map(same, after, state)
    shown = boost.evaluate(state, batch)
    np.testing.assert_allclose(shown["loss"], metrics["loss"], rtol=1e-5)
    types = {raw(leaf).dtype for leaf in jax.tree.leaves(state)}
    assert types == {np.dtype(t) for t in (np.int32, np.uint32, np.float32)}
    called = boosting.predict(state, x, "softmax")
    assert called.dtype == np.int32
    right = (np.asarray(called) == y).mean()
    np.testing.assert_allclose(zoo.learner.mean(shown["accuracy"]), right, rtol=1e-6)
    p = boosting.predict_probability(state, x, "softmax")
    np.testing.assert_allclose(p, softmax(np.asarray(state.scores), 1), rtol=1e-4)


def raw(leaf):
    typed = jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key)
    return jax.random.key_data(leaf) if typed else leaf


def test_saturated_examples_leave_values_finite():
    """Far beyond certainty h is 0 in float32; a leaf of such examples stays."""
    x = np.float32([[0], [1], [2], [3]])
    for form in boosting.FORMS:
        state = boosting.fit(KEY, x, np.array([0, 0, 1, 1]), "logistic", rounds=300,
                             rate=1.0, form=form, max_depth=1)  # fmt: skip
        assert np.isfinite(state.scores).all() and (abs(state.scores) > 10).all()


def test_draws_are_by_index_and_anew_in_each_round():
    """The order of the examples does not matter; not for their bins either."""
    x, number, _ = table()
    order = np.random.default_rng(2).permutation(50)
    options = dict(rounds=6, rate=1.0, subsample=0.5, max_features=1, max_depth=1)
    boost, states = boosting.learner(**options), []
    step = jax.jit(boost.step)
    with jax.enable_x64(True):
        for index in (np.arange(50), order):
            index = index.astype(np.int32)
            batch = {"x": x[index], "y": number[index], "index": index}
            state = boost.init(KEY, batch)
            for _ in range(6):
                state, _ = step(state, batch)
            states.append(state)
    np.testing.assert_allclose(states[0].scores, states[1].scores, atol=1e-10)
    np.testing.assert_array_equal(states[0].codes, states[1].codes)
    roots = jax.tree.map(lambda leaf: np.asarray(leaf)[:, 0], states[0].trees)
    assert len(np.unique(roots.feature[:, 0])) > 1  # of one drawn at a time
    assert len(np.unique(roots.threshold[:, 0])) > 3
    draw = jax.jit(lambda key: boosting._draws(key, jnp.arange(2000)))
    first, second = (draw(jax.random.fold_in(KEY, i)) for i in (1, 2))
    assert abs((first < 0.3).mean() - 0.3) < 0.04  # four standard deviations
    assert abs(((first < 0.3) & (second < 0.3)).mean() - 0.09) < 0.03


def test_one_device_equals_eight(devices):
    x, _, classes = table(64)
    data = {"x": np.float32(x), "y": np.int32(classes % 2)}
    stream = zoo.data.batches(data, 64, seed=3)  # another order in each step

    def build(axis_name=None):
        return boosting.learner(
            "logistic", rounds=4, subsample=0.7, max_features=2, min_samples_leaf=2,
            max_depth=2, axis_name=axis_name,
        )  # fmt: skip

    found = {}
    for form, where in (("single", None), ("pmap", devices)):
        options = dict(parallel=form, devices=where, progress=False)
        found[form] = zoo.training.fit(build, stream, 4, **options).state
    one, eight = found["single"], found["pmap"]
    np.testing.assert_array_equal(one.codes, eight.codes)
    np.testing.assert_array_equal(one.trees.feature, eight.trees.feature)
    # float32: sums of 64 residuals, in another order, over small weights
    np.testing.assert_allclose(one.scores, eight.scores, atol=1e-4)


X, Y = np.arange(12.0).reshape(6, 2), np.array([0, 1, 0, 1, 1, 0])


@pytest.mark.parametrize(
    "change, message",
    [
        ({"x": X * np.nan}, "x must be finite, got nan"),
        ({"x": X[0]}, r"x must be \[N, D\]"),
        ({"y": Y[:4]}, r"y must be \[6\], as many as x, got \[4\]"),
        ({"y": Y * np.nan}, "y must be finite, got nan"),
        ({"loss": "hinge"}, "unknown loss 'hinge'"),
        ({"form": "newtons"}, "unknown form 'newtons'; did you mean 'newton'"),
        ({"loss": "logistic", "y": Y * 0}, "y must hold two classes or more"),
        ({"loss": "logistic", "y": Y * 2}, "num_classes must be at least 3, got 2"),
        ({"num_classes": 3}, "num_classes must be given for softmax, and for it only"),
        ({"loss": "softmax", "num_classes": 1}, "num_classes must be at least 2"),
        ({"rounds": 0}, "rounds must be an integer >= 1, got 0"),
        ({"max_depth": 0}, "max_depth must be an integer >= 1, got 0"),
        ({"rate": 0.0}, r"rate must be a number in \(0, 1\]"),
        ({"penalty": -1.0}, "penalty must be a number in"),
        ({"subsample": 1.5}, r"subsample must be a number in \(0, 1\]"),
        ({"min_samples_leaf": 0}, "min_samples_leaf must be an integer >= 1"),
        ({"min_samples_split": 1}, "min_samples_split must be an integer >= 2"),
        ({"bins": 1}, "bins must be an integer >= 2, got 1"),
        ({"max_features": 3}, "max_features must be an integer from 1 to 2"),
    ],
)
def test_refuses(change, message):
    with pytest.raises(ValueError, match=message):
        boosting.fit(**{"key": KEY, "x": X, "y": Y, **change})


def test_refuses_in_predictions(half):
    state = half[-1]
    with pytest.raises(ValueError, match="x must be finite, got nan"):
        boosting.scores(state, half[0] * np.nan)
    with pytest.raises(ValueError, match=r"x must be \[N, 3\], got \[6, 1\]"):
        boosting.scores(state, X[:, :1])
    with pytest.raises(ValueError, match="unknown loss 'softmx'"):
        boosting.predict(state, half[0], "softmx")
    with pytest.raises(ValueError, match=r"with 1 tree\(s\) a round, got 'softmax'"):
        boosting.predict(state, half[0], "softmax")
    with pytest.raises(ValueError, match="loss must be of classes, got 'squared'"):
        boosting.predict_probability(state, half[0], "squared")
