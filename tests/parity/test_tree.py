"""Trees, pruning and boosting against scikit-learn.

Where several splits are equally good scikit-learn takes one by chance. With weights of
its own for each example only those are equal that part the examples in the same way:
then what is predicted of the training examples is unique. On new examples it is where
leaves are large; and impurities are in any case.

It computes with features in float32; they are rounded to that here.
"""

import jax
import numpy as np
import pytest
from sklearn.ensemble import (
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
)
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from zoo.classical import boosting, boosting_losses, pruning, tree
from zoo.data import tabular

NAMES = ("iris", "wine", "breast_cancer", "digits", "diabetes")
NUMBERS = ("diabetes",)


def load(name):
    """Features as float32 holds them, and what is to be told."""
    table = tabular(name)
    return np.float64(np.float32(table.x)), table.y


def weights(n):
    return np.random.default_rng(0).uniform(0.5, 1.5, n)


def both(name, criterion, rows, bins=1000, **options):
    """All features and targets, the weights of some rows, and trees of these."""
    x, y = load(name)
    w = weights(len(x))[rows]
    kind = DecisionTreeRegressor if name in NUMBERS else DecisionTreeClassifier
    theirs = kind(criterion=criterion, random_state=0, **options)
    theirs.fit(x[rows], y[rows], sample_weight=w)
    with jax.enable_x64(True):
        ours = tree.fit(x[rows], y[rows], criterion, weight=w, bins=bins, **options)
    return x, y, w, ours, theirs


def values(name, found, x):
    with jax.enable_x64(True):
        if name in NUMBERS:
            return np.asarray(tree.predict(found, x))
        return np.asarray(tree.predict_probability(found, x))


def theirs_at(name, theirs, x):
    return theirs.predict(x) if name in NUMBERS else theirs.predict_proba(x)


@pytest.fixture(scope="module", params=NAMES)
def half(request):
    """Trees on the even examples, of leaves so large that hardly two features part them
    alike."""
    name = request.param
    criterion = "squared_error" if name in NUMBERS else "gini"
    options = dict(min_samples_leaf=8, max_depth=6, min_impurity_decrease=1e-9)
    return (
        name,
        criterion,
        options,
        *both(name, criterion, slice(None, None, 2), **options),
    )


def same(name, x, ours, theirs):
    np.testing.assert_allclose(
        values(name, ours, x), theirs_at(name, theirs, x), atol=1e-10
    )
    assert tree.leaves(ours) == theirs.get_n_leaves()
    np.testing.assert_allclose(ours.impurity, theirs.tree_.impurity[0], rtol=1e-12)


def test_all_examples_get_the_same(half):
    """But for new irises: petals' length and width both set apart the setosas."""
    name, _, _, x, _, _, ours, theirs = half
    same(name, x[::2], ours, theirs)
    assert ours.depth == theirs.get_depth()
    if name == "iris":
        assert ours.feature[0] in (2, 3) and theirs.tree_.feature[0] in (2, 3)
        return
    same(name, x, ours, theirs)
    with jax.enable_x64(True):
        shares = tree.importances(ours, x.shape[1])
    np.testing.assert_allclose(shares, theirs.feature_importances_, atol=1e-12)


@pytest.mark.parametrize(
    "name, criterion, options",
    [
        ("breast_cancer", "entropy", {"min_impurity_decrease": 1e-9}),
        ("diabetes", "squared_error",
         {"min_samples_split": 20, "min_impurity_decrease": 1e-3}),
    ],
)  # fmt: skip
def test_where_trees_stop_is_the_same(name, criterion, options):
    """With float weights, rounding leaves theirs an impurity above 0 in pure nodes, and
    it splits them on; a decrease that is asked for keeps it from that."""
    x, _, _, ours, theirs = both(name, criterion, slice(None), **options)
    same(name, x, ours, theirs)
    assert ours.depth == theirs.get_depth()


def test_pruning_paths_are_theirs(half):
    """With weights for each example, since ties would make other trees."""
    name, criterion, options, x, y, w, ours, theirs = half
    x, y = x[::2], y[::2]
    expected = theirs.cost_complexity_pruning_path(x, y, sample_weight=w)
    with jax.enable_x64(True):
        found = jax.device_get(pruning.path(ours))
        k = int(found.steps) + 1
        # Where neighbours are equal to rounding, either may go first.
        atol = 1e-10 * ours.impurity
        np.testing.assert_allclose(found.alphas[:k], expected.ccp_alphas, atol=atol)
        np.testing.assert_allclose(found.impurities[:k], expected.impurities, atol=atol)
        at = k // 2
        alpha = (found.alphas[at] + found.alphas[at - 1]) / 2
        pruned = pruning.prune(ours, alpha)
    kind = type(theirs)(criterion=criterion, random_state=0, ccp_alpha=alpha, **options)
    same(name, x, pruned, kind.fit(x, y, sample_weight=w))
    assert tree.leaves(pruned) == found.leaves[at - 1]


def test_boosting_of_squares_is_theirs():
    """All thresholds are tried; since 1.9 theirs splits by the squared error, too.
    Leaves are so large that no two features part them alike."""
    x, y = load("diabetes")
    theirs = GradientBoostingRegressor(
        max_depth=3, n_estimators=20, random_state=0, min_samples_leaf=8
    )
    theirs.fit(x[::2], y[::2])
    with jax.enable_x64(True):
        state = boosting.fit(
            jax.random.key(0), x[::2], y[::2], rounds=20, max_depth=3, bins=1000,
            min_samples_leaf=8,
        )  # fmt: skip
        for part in (x[::2], x[1::2]):
            staged = boosting.scores(state, part, staged=True)[..., 0]
            expected = np.array(list(theirs.staged_predict(part)))
            np.testing.assert_allclose(staged, expected, rtol=1e-12)
        shares = boosting.importances(state)
    np.testing.assert_allclose(shares, theirs.feature_importances_, atol=1e-12)


def test_boosting_of_classes_is_theirs():
    x, y = load("wine")
    theirs = GradientBoostingClassifier(
        max_depth=2, n_estimators=20, random_state=0, min_samples_leaf=10
    )
    w = weights(len(x))[::2]
    theirs.fit(x[::2], y[::2], sample_weight=w)
    with jax.enable_x64(True):
        state = boosting.fit(
            jax.random.key(0), x[::2], y[::2], "softmax", rounds=20, max_depth=2,
            bins=1000, min_samples_leaf=10, weight=w,
        )  # fmt: skip
        for part in (x[::2], x[1::2]):
            found = boosting.predict_probability(state, part, "softmax")
            np.testing.assert_allclose(found, theirs.predict_proba(part), rtol=1e-8)
        shares = boosting.importances(state)
    np.testing.assert_allclose(shares, theirs.feature_importances_, atol=1e-10)


def histograms(loss, w=None):
    """Probabilities by Newton boosting on wine, ours and theirs."""
    x, y = load("wine")
    y = y if loss == "softmax" else (y == 1).astype(int)
    theirs = HistGradientBoostingClassifier(
        max_iter=15, max_depth=3, max_leaf_nodes=None, min_samples_leaf=8,
        l2_regularization=0.7, early_stopping=False,
    ).fit(x, y, sample_weight=w)  # fmt: skip
    with jax.enable_x64(True):
        state = boosting.fit(
            jax.random.key(0), x, y, loss, rounds=15, max_depth=3, form="newton",
            penalty=0.7, min_samples_leaf=8, weight=w,
        )  # fmt: skip
        return boosting.predict_probability(state, x, loss), theirs.predict_proba(x)


def test_newton_boosting_is_their_histograms(monkeypatch):
    """They hold gradients in float32: with ours rounded to that nothing is left."""
    exact = boosting_losses.slopes

    def rounded(*args):
        slopes = exact(*args)
        return [part.astype(np.float32).astype(part.dtype) for part in slopes]

    monkeypatch.setattr(boosting_losses, "slopes", rounded)
    boosting._fit.clear_cache()
    ours, theirs = histograms("logistic")
    boosting._fit.clear_cache()
    np.testing.assert_allclose(ours, theirs, atol=1e-14)


def test_newton_softmax_is_their_histograms():
    """Weights, since else examples of a class have equal gradients at first, and splits
    that part them otherwise gain the same. They hold gradients in float32; thresholds
    lie between bins of all data, so only training examples are asked for."""
    ours, theirs = histograms("softmax", weights(178))
    np.testing.assert_allclose(ours, theirs, atol=2e-7)
