"""Predictions point by point against scikit-learn, on every table that ships.

Every other example is fitted, and the others are asked about, which neither side has
seen; all standardised by the former. What needs more care than that has its own file
beside this one: trees and forests, where scikit-learn breaks ties by chance, maps and
topics, which have no predictions, and all that is true of one learner only.
"""

import jax
import numpy as np
import pytest
from sklearn import cluster, decomposition, linear_model, mixture, neighbors, svm

from zoo import classical
from zoo.data import tabular

CLASSES = ("iris", "wine", "breast_cancer", "digits")
TABLES = (*CLASSES, "diabetes")


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


def halves(name):
    """x and y of the examples 0, 2, ..., x of the examples 1, 3, ...; no constants."""
    table = tabular(name)
    train = table.x[::2]
    kept = train.std(0) > 0
    x = (table.x - train.mean(0))[:, kept] / train.std(0)[kept]
    return x[::2], table.y[::2], x[1::2]


@pytest.mark.parametrize("name", CLASSES)
def test_logistic_regression(name):
    x, y, new = halves(name)
    options = dict(solver="newton-cholesky", tol=1e-8)
    theirs = linear_model.LogisticRegression(**options).fit(x, y)
    ours = classical.logistic.fit(x, y, 1.0, method="lbfgs", tolerance=1e-9)
    got = classical.logistic.probabilities(ours, new)
    np.testing.assert_allclose(got, theirs.predict_proba(new), atol=1e-6)
    called = classical.logistic.predict(ours, new)
    np.testing.assert_array_equal(called, theirs.predict(new))


@pytest.mark.parametrize("name", CLASSES)
def test_support_vectors(name):
    x, y, new = halves(name)
    theirs = svm.SVC(tol=1e-8, decision_function_shape="ovo").fit(x, y)
    ours = classical.svm.fit(x, y, tolerance=1e-8)
    got, want = classical.svm.decision(ours, new), theirs.decision_function(new)
    np.testing.assert_allclose(got, want, atol=1e-6)
    np.testing.assert_array_equal(classical.svm.predict(ours, new), theirs.predict(new))


@pytest.mark.parametrize("name", TABLES)
def test_neighbors(name):
    """Where the sixth is as near as the fifth, either may be taken."""
    x, y, new = halves(name)
    distances = neighbors.NearestNeighbors(n_neighbors=6).fit(x).kneighbors(new)[0]
    decided = distances[:, 5] - distances[:, 4] > 1e-9
    assert decided.mean() > 0.9
    if name in CLASSES:
        theirs = neighbors.KNeighborsClassifier(5).fit(x, y).predict_proba(new)
        ours = classical.neighbors.predict_probability(x, y, new, 5)
    else:
        theirs = neighbors.KNeighborsRegressor(5).fit(x, y).predict(new)
        ours = classical.neighbors.regress(x, np.float64(y), new, 5)
    np.testing.assert_allclose(ours[decided], theirs[decided], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", TABLES)
def test_linear_functions(name):
    """Classes are numbers here."""
    x, y, new = halves(name)
    y = np.float64(y)
    least, largest = 0.05 * y.std(), 2.0
    sure = dict(tol=1e-12, max_iter=100_000)
    pairs = [
        (
            classical.linear.ridge(x, y, largest),
            linear_model.Ridge(largest),
        ),
        (
            classical.lasso.lasso(x, y, least, tolerance=1e-11, steps=100_000),
            linear_model.Lasso(least, **sure),
        ),
        (
            classical.lasso.elastic_net(x, y, least, tolerance=1e-11, steps=100_000),
            linear_model.ElasticNet(least, **sure),
        ),
    ]
    for ours, theirs in pairs:
        got, want = classical.linear.predict(ours, new), theirs.fit(x, y).predict(new)
        np.testing.assert_allclose(got, want, atol=1e-6 * y.std())
        np.testing.assert_array_equal(np.asarray(ours.weights) == 0, theirs.coef_ == 0)


@pytest.mark.parametrize("name", TABLES)
def test_clusters(name):
    x, _, new = halves(name)
    start = x[np.random.default_rng(0).permutation(len(x))[:4]]
    theirs = cluster.KMeans(4, init=start, n_init=1, tol=0).fit(x)
    ours = classical.kmeans.fit(
        jax.random.key(0), x, 4, starts=1, start=start, tolerance=0.0
    )
    got = classical.kmeans.predict(ours, new)
    np.testing.assert_array_equal(got, theirs.predict(new))
    distances = classical.kmeans.transform(ours, new)
    np.testing.assert_allclose(distances, theirs.transform(new), atol=1e-9)


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_mixtures(name):
    """Ten rounds from the same start: later ones depend on the last digits."""
    x, _, new = halves(name)
    means = x[np.random.default_rng(0).permutation(len(x))[:3]]
    ones = np.ones_like(means)
    options = dict(covariance_type="diag", tol=0.0, max_iter=10)
    theirs = mixture.GaussianMixture(
        3,
        weights_init=np.full(3, 1 / 3),
        means_init=means,
        precisions_init=ones,
        **options,
    ).fit(x)
    em = classical.mixture.learner(3, form="diagonal")
    ours = classical.mixture.start(np.full(3, 1 / 3), means, ones)
    round_ = jax.jit(lambda state: em.step(state, {"x": x})[0])
    for _ in range(10):
        ours = round_(ours)
    got, want = classical.mixture.log_likelihood(ours, new), theirs.score_samples(new)
    np.testing.assert_allclose(got, want, rtol=1e-8)
    called = classical.mixture.predict(ours, new)
    np.testing.assert_array_equal(called, theirs.predict(new))


@pytest.mark.parametrize("name", TABLES)
def test_projections(name):
    x, _, new = halves(name)
    theirs = decomposition.PCA(3, svd_solver="full").fit(x)
    ours = classical.pca.fit(x, 3)
    got, want = classical.pca.transform(ours, new), theirs.transform(new)
    np.testing.assert_allclose(got, want, atol=1e-9)
