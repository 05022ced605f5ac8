"""t-SNE against scikit-learn: joint probabilities, divergence and gradient, maps."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.distance import pdist, squareform
from sklearn.manifold import TSNE, _t_sne, trustworthiness

from zoo.classical import affinities, sne, sne_exact
from zoo.data import tabular


def scaled(name, most=300):
    """Features of variance 1; constant ones as they are."""
    x = tabular(name).x[:most]
    std = x.std(0)
    return (x - x.mean(0)) / np.where(std == 0, 1, std)


@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer", "digits"])
@pytest.mark.parametrize("perplexity", [5, 30])
def test_joint_probabilities(name, perplexity):
    """Their bisection ends where the entropy is right to 1e-5, and so P to about that;
    and their distances are float32."""
    x = scaled(name)
    with jax.enable_x64(True):
        ours = affinities.dense(x, perplexity).p
    theirs = _t_sne._joint_probabilities(
        squareform(pdist(x, "sqeuclidean")), perplexity, 0
    )
    np.testing.assert_allclose(ours, squareform(theirs), rtol=1e-3, atol=1e-9)
    assert abs(np.asarray(ours) - squareform(theirs)).max() < 1e-6


@pytest.mark.parametrize("name", ["iris", "digits"])
def test_joint_probabilities_of_the_nearest(name):
    from sklearn.neighbors import NearestNeighbors

    x = scaled(name)
    with jax.enable_x64(True):
        made = affinities.sparse(x, 10.0)
    ours = np.zeros((len(x), len(x)))
    np.add.at(ours, (np.asarray(made.row)[:, None], made.near), np.asarray(made.p))
    graph = NearestNeighbors(n_neighbors=31).fit(x).kneighbors_graph(mode="distance")
    graph.data **= 2
    theirs = _t_sne._joint_probabilities_nn(graph, 10.0, 0).toarray()
    np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-9)


@pytest.mark.parametrize("dimensions", [2, 3])
def test_divergence_and_gradient(dimensions):
    x = scaled("digits", 120)
    y = 3 * np.random.default_rng(0).normal(size=(120, dimensions))
    with jax.enable_x64(True):
        made = affinities.dense(x, 20.0)
        value = sne_exact.objective(y, made.p, made.plogp)
        slope = sne_exact.gradient(jnp.asarray(y), made.p)
    p = squareform(np.asarray(made.p))
    theirs, direction = _t_sne._kl_divergence(
        y.ravel(), p, 1, 120, dimensions, skip_num_points=0
    )
    np.testing.assert_allclose(value, theirs, rtol=1e-10)
    np.testing.assert_allclose(slope.ravel(), direction, rtol=1e-9, atol=1e-15)


def test_maps_of_digits():
    """From the same start with as many steps, by their measure of both."""
    x = tabular("digits").x[:300]
    found = TSNE(init="pca", method="exact", random_state=0, max_iter=500).fit(x)
    with jax.enable_x64(True):
        state = sne.fit(jax.random.key(0), x, steps=500)
        batch = affinities.batch(x)
        kl = jax.jit(sne.learner().evaluate)(state, batch)["kl"][0]
    trust = trustworthiness(x, np.asarray(state.positions), n_neighbors=5)
    print(float(kl), found.kl_divergence_, trust)
    assert float(kl) < found.kl_divergence_ + 0.01
    assert trust > trustworthiness(x, found.embedding_, n_neighbors=5) - 0.002
