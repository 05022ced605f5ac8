"""Transport against POT."""

import jax
import jax.numpy as jnp
import numpy as np
import ot
import pytest

import zoo.functional as F


def problem(n=12, m=15, seed=0):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(n, 2)), rng.normal(size=(m, 2))
    a, b = rng.dirichlet(np.ones(n)), rng.dirichlet(np.ones(m))
    return ot.dist(x, y, "euclidean"), a, b


@pytest.mark.parametrize("seed", range(5))
def test_the_exact_cost_is_emd2(seed):
    cost, a, b = problem(seed=seed)
    low = F.earth_mover(*map(np.float32, (cost, a, b)))
    with jax.enable_x64(True):
        r = jax.tree.map(np.asarray, F.earth_mover(cost, a, b))
    exact, log = ot.emd2(a, b, cost, return_matrix=True)
    np.testing.assert_allclose(r.cost, exact, rtol=1e-13)
    np.testing.assert_allclose(low.cost, exact, rtol=2e-6)
    np.testing.assert_allclose(r.plan, log["G"], atol=1e-14)
    # Potentials are POT's up to a constant that goes from one to the other.
    shift = r.f[0] - log["u"][0]
    np.testing.assert_allclose(r.f, log["u"] + shift, atol=1e-12)
    np.testing.assert_allclose(r.g, log["v"] - shift, atol=1e-12)


@pytest.mark.parametrize("epsilon", [0.05, 0.5])
def test_sinkhorn(epsilon):
    cost, a, b = problem()
    with jax.enable_x64(True):
        r = F.sinkhorn(*map(jnp.asarray, (cost, a, b)), epsilon, tolerance=1e-14)
    plan = ot.sinkhorn(
        a, b, cost, epsilon, "sinkhorn_log", numItermax=100_000, stopThr=1e-14
    )
    np.testing.assert_allclose(r.plan, plan, atol=1e-13)
    np.testing.assert_allclose(r.cost, (plan * cost).sum(), rtol=1e-12)


@pytest.mark.parametrize("p", [1, 2, 3])
def test_on_a_line_the_power_is_pot(p):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=9), rng.normal(size=7)
    a, b = rng.dirichlet(np.ones(9)), rng.dirichlet(np.ones(7))
    theirs = ot.wasserstein_1d(x, y, a, b, p)
    with jax.enable_x64(True):
        ours = F.wasserstein_1d(*map(jnp.asarray, (x, y)), p, a, b) ** p
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)
    low = F.wasserstein_1d(*map(np.float32, (x, y)), p, *map(np.float32, (a, b)))
    np.testing.assert_allclose(low**p, theirs, rtol=3e-6)
