"""The criterion of 1998: its limit, and what it does that cross-entropy does too."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from zoo.functional.losses import cross_entropy
from zoo.vision.lenet5_1998 import map_criterion, squash

Z = -np.random.default_rng(0).uniform(0, 5, size=(4, 10)).astype(np.float32)
BATCH = {"y": np.array([1, 9, 0, 4])}


def test_squash_is_one_at_one():
    """To the five digits of A = 1.7159."""
    np.testing.assert_allclose(squash(jnp.array([1.0, -1.0])), [1, -1], atol=1e-5)


def test_without_j_it_is_cross_entropy():
    expected = cross_entropy(jnp.asarray(Z), BATCH)
    gaps = [float(map_criterion(Z, BATCH, j)[0] - expected[0]) for j in (1, 5, 10)]
    assert gaps[0] > gaps[1] > gaps[2] >= 0
    for j in (50.0, float("inf")):
        np.testing.assert_allclose(map_criterion(Z, BATCH, j), expected, rtol=1e-6)
        ours = jax.grad(lambda z, j=j: map_criterion(z, BATCH, j)[0])(Z)
        theirs = jax.grad(lambda z: cross_entropy(z, BATCH)[0])(Z)
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_pulls_the_truth_and_pushes_all_others_away():
    """In distances; and those that are far away already are pushed less."""
    distances = jnp.asarray(-Z)
    grad = jax.grad(lambda d: map_criterion(-d, BATCH)[0])(distances)
    truth = np.eye(10, dtype=bool)[BATCH["y"]]
    assert (grad[truth] > 0).all() and (grad[~truth] < 0).all()
    for row, d, mask in zip(np.asarray(grad), -Z, truth, strict=True):
        order = np.argsort(d[~mask])
        assert (np.diff(row[~mask][order]) > 0).all()


def test_a_smaller_j_pushes_less():
    push = lambda j: jax.grad(lambda z: map_criterion(z, BATCH, j)[0])(Z)
    others = ~np.eye(10, dtype=bool)[BATCH["y"]]
    assert (push(0.1)[others] < push(3.0)[others]).all()


@pytest.mark.parametrize("far", [1e2, 1e4])
def test_large_distances_stay_finite(far):
    value, grad = jax.value_and_grad(lambda z: map_criterion(z, BATCH)[0])(far * Z)
    assert np.isfinite(value) and np.isfinite(grad).all()


@pytest.mark.parametrize("j", [0.0, -1.0, float("nan")])
def test_refuses_j(j):
    with pytest.raises(ValueError, match="j must be positive"):
        map_criterion(jnp.asarray(Z), BATCH, j)


def test_refuses_other_shapes():
    with pytest.raises(ValueError, match=r"outputs must be .*for labels \(3,\)"):
        map_criterion(jnp.asarray(Z), {"y": BATCH["y"][:3]})
