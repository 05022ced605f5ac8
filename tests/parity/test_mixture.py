"""Gaussian mixtures against scikit-learn's, from the same start."""

import functools

import jax
import numpy as np
import pytest
from sklearn.mixture import GaussianMixture

from zoo.classical import mixture
from zoo.data import tabular

NAMES = {"spherical": "spherical", "diagonal": "diag", "tied": "tied", "full": "full"}


def close(got, expected, rtol=1e-8):
    expected = np.asarray(expected)
    np.testing.assert_allclose(
        got, expected, rtol=rtol, atol=rtol * abs(expected).max()
    )


def in_ours(form, covariances, k, d):
    shape = {"spherical": (k, 1), "diagonal": (k, d), "tied": (1, d, d)}
    return np.asarray(covariances).reshape(shape.get(form, (k, d, d)))


ROSTER = [("iris", form) for form in NAMES]
ROSTER += [("wine", "full"), ("wine", "tied")]
ROSTER += [("breast_cancer", "diagonal"), ("breast_cancer", "full")]


@functools.partial(jax.jit, static_argnums=0)
def ten_steps(form, state, x):
    em = mixture.learner(len(state.means), form=form)
    return jax.lax.fori_loop(0, 10, lambda _, s: em.step(s, {"x": x})[0], state)


@pytest.mark.parametrize("name, form", ROSTER)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_ten_steps(name, form):
    x, k, rng = tabular(name).x, 3, np.random.default_rng(0)
    x = (x - x.mean(0)) / x.std(0)
    d = x.shape[1]
    weights, means = rng.dirichlet(np.full(k, 5.0)), x[rng.permutation(len(x))[:k]]
    root = 0.2 * rng.normal(size=(k, d, d))
    precisions = root @ root.transpose(0, 2, 1) + np.eye(d)
    precisions = {
        "spherical": precisions[:, 0, 0],
        "diagonal": np.diagonal(precisions, axis1=1, axis2=2),
        "tied": precisions[0],
        "full": precisions,
    }[form]
    theirs = GaussianMixture(
        k,
        covariance_type=NAMES[form],
        weights_init=weights,
        means_init=means,
        precisions_init=precisions,
        max_iter=10,
        tol=0.0,
    ).fit(x)
    matrices = form in ("tied", "full")
    covariances = np.linalg.inv(precisions) if matrices else 1 / precisions
    with jax.enable_x64(True):
        state = mixture.start(weights, means, in_ours(form, covariances, k, d))
        state = ten_steps(form, state, x)
        close(state.weights, theirs.weights_)
        close(state.means, theirs.means_)
        close(state.covariances, in_ours(form, theirs.covariances_, k, d))
        close(state.log_likelihood, theirs.lower_bound_)
        close(mixture.log_likelihood(state, x), theirs.score_samples(x))
        close(mixture.predict_probability(state, x), theirs.predict_proba(x))
        np.testing.assert_array_equal(mixture.predict(state, x), theirs.predict(x))
        close(mixture.bic(state, x), theirs.bic(x))
        close(mixture.aic(state, x), theirs.aic(x))


@pytest.mark.parametrize("form", ["diagonal"])
def test_fitted_to_the_end(form):
    """From starts of our own the best is as likely as the best of theirs."""
    x, options = tabular("iris").x, dict(n_init=5, tol=1e-8, max_iter=1000)
    theirs = GaussianMixture(
        3, covariance_type=NAMES[form], random_state=0, **options
    ).fit(x)
    options = dict(starts=5, tolerance=1e-8, steps=1000)
    with jax.enable_x64(True):
        state = mixture.fit(jax.random.key(0), x, 3, form=form, **options)
        close(mixture.log_likelihood(state, x).mean(), theirs.score(x), 1e-6)
