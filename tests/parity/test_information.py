"""Information of distributions against SciPy and scikit-learn, zeros among them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.spatial.distance
import scipy.special
import scipy.stats
import sklearn.metrics

import zoo.functional as F

rng = np.random.default_rng(0)
P, Q = rng.dirichlet(np.ones(5), (2, 4))
P[:, 2] = 0
P = P / P.sum(1, keepdims=True)


@pytest.mark.parametrize("base", [np.e, 2.0, 10.0])
def test_of_distributions(base):
    with jax.enable_x64(True):
        p, q = jnp.asarray(P), jnp.asarray(Q)
        ours = (
            F.entropy(p, base),
            F.relative_entropy(p, q, base),
            F.cross_entropy_between(p, q, base),
            F.jensen_shannon(p, q, base),
        )
    entropy = scipy.stats.entropy(P, base=base, axis=1)
    relative = scipy.special.rel_entr(P, Q).sum(1) / np.log(base)
    distance = scipy.spatial.distance.jensenshannon(P, Q, base=base, axis=1)
    theirs = entropy, relative, entropy + relative, distance**2
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)
    np.testing.assert_allclose(ours[1], scipy.stats.entropy(P, Q, base, 1), rtol=1e-12)


def test_mutual_information_of_labels():
    rng = np.random.default_rng(1)
    a, b = rng.integers(0, 4, 50), rng.integers(0, 3, 50)
    b = np.where(rng.random(50) < 0.5, a % 3, b)
    joint = np.zeros((4, 3))
    np.add.at(joint, (a, b), 1 / 50)
    with jax.enable_x64(True):
        ours = F.mutual_information(jnp.asarray(joint))
    np.testing.assert_allclose(ours, sklearn.metrics.mutual_info_score(a, b), 1e-12)
