"""Linear models against scikit-learn: predictions of every example that ships.

The features of diabetes are scaled to mean 0 and length 1, as scikit-learn's loader
does; the figures are of such features. The other tables are of classes: their last
feature is predicted from the rest.
"""

import jax
import numpy as np
import pytest
from sklearn import linear_model
from sklearn.preprocessing import PolynomialFeatures

import zoo.metrics as M
from zoo.classical import features, lasso, linear
from zoo.data import tabular

SUPPORT = [1, 2, 3, 4, 6, 8, 9]
COEFFICIENTS = [-155.3431, 517.2162, 275.0872, -52.552, -210.1395, 483.9172, 33.6622]
TABLES = ("breast_cancer", "diabetes", "iris", "wine")


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


def scaled(x):
    x = x - x.mean(0)
    return x / np.linalg.norm(x, axis=0)


def data(name):
    table = tabular(name)
    if name == "diabetes":
        return scaled(table.x), table.y
    return table.x[:, :-1], table.x[:, -1]


@pytest.mark.parametrize("name", TABLES)
def test_least_squares_and_ridge(name):
    x, y = data(name)
    theirs = linear_model.LinearRegression().fit(x, y)
    for method in linear.METHODS:
        ours = linear.least_squares(x, y, method=method)
        got = linear.predict(ours, x)
        # The normal equation of breast cancer's raw features has a condition of 1e12.
        tolerance = 1e-7 if method == "normal" else 1e-10
        np.testing.assert_allclose(got, theirs.predict(x), tolerance, tolerance)
        np.testing.assert_allclose(linear.score(ours, x, y), theirs.score(x, y), 1e-9)
    for alpha, method in ((0.01, "svd"), (100.0, "normal")):
        theirs = linear_model.Ridge(alpha, solver="svd").fit(x, y)
        got = linear.predict(linear.ridge(x, y, alpha, method=method), x)
        np.testing.assert_allclose(got, theirs.predict(x), 1e-8, 1e-9)


def test_digits_have_constant_pixels():
    """All outputs at once: the ten classes, one-hot."""
    table = tabular("digits")
    x, y = table.x, np.eye(10)[table.y]
    theirs = linear_model.LinearRegression().fit(x, y)
    ours = linear.least_squares(x, y)
    np.testing.assert_allclose(linear.predict(ours, x), theirs.predict(x), atol=1e-11)
    np.testing.assert_allclose(ours.weights.T, theirs.coef_, atol=1e-11)
    theirs = linear_model.Ridge(3.0).fit(x, y)
    ours = linear.ridge(x, y, 3.0, method="normal")
    np.testing.assert_allclose(linear.predict(ours, x), theirs.predict(x), atol=1e-10)


def test_figures_of_diabetes():
    x, y = data("diabetes")
    plain, ridge = linear.least_squares(x, y), linear.ridge(x, y, 1.0)
    np.testing.assert_allclose(linear.score(plain, x, y), 0.51774842, atol=5e-9)
    np.testing.assert_allclose(plain.intercept, 152.133484, atol=5e-7)
    np.testing.assert_allclose(linear.score(ridge, x, y), 0.45123, atol=5e-6)
    for method in lasso.METHODS:
        sparse = lasso.lasso(x, y, 0.1, method=method, tolerance=1e-12, steps=10_000)
        w = np.asarray(sparse.weights)
        np.testing.assert_allclose(sparse.objective, 1629.054542578877, rtol=1e-12)
        np.testing.assert_array_equal(np.flatnonzero(w), SUPPORT)
        np.testing.assert_allclose(w[SUPPORT], COEFFICIENTS, atol=5e-5)


@pytest.mark.parametrize("name", TABLES)
def test_lasso_and_elastic_net(name):
    x, y = data(name)
    if name != "diabetes":  # so that few sweeps do on both sides
        x, y = scaled(x) * len(x) ** 0.5, (y - y.mean()) / y.std()
    for alpha, ratio in ((0.1, 1.0), (0.02, 0.5)):
        exact = dict(tol=1e-14, max_iter=100_000)
        theirs = linear_model.ElasticNet(alpha, l1_ratio=ratio, **exact).fit(x, y)
        ours = lasso.elastic_net(x, y, alpha, ratio, tolerance=1e-13, steps=50_000)
        assert ours.done
        got = linear.predict(ours, x)
        np.testing.assert_allclose(got, theirs.predict(x), 1e-8, 1e-9)
        np.testing.assert_array_equal(ours.weights == 0, theirs.coef_ == 0)


def test_r2_and_its_sums():
    from sklearn.metrics import r2_score

    rng = np.random.default_rng(0)
    truth, weight = rng.normal(3, 1, 50), rng.uniform(size=50)
    predicted = truth + rng.normal(size=50)
    got = M.r2(M.residuals(truth, predicted, weight))
    want = r2_score(truth, predicted, sample_weight=weight)
    np.testing.assert_allclose(got, want, rtol=1e-10)


@pytest.mark.parametrize("degree", [1, 2, 3])
@pytest.mark.parametrize("constant", [True, False])
def test_polynomial_features(degree, constant):
    x = tabular("iris").x[::10]
    theirs = PolynomialFeatures(degree, include_bias=constant).fit(x)
    got = features.polynomial(x, degree, constant)
    np.testing.assert_allclose(got, theirs.transform(x), rtol=1e-14)
    names = features.names(["a", "b", "c", "d"], degree, constant)
    assert names == list(theirs.get_feature_names_out(["a", "b", "c", "d"]))
