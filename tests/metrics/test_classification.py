"""Accuracy as a pair."""

import jax.numpy as jnp
import numpy as np
import pytest

from zoo.metrics.classification import accuracy

Z = jnp.array([[1.0, 2.0, 0.0], [5.0, 1.0, 1.0], [0.0, 0.0, 9.0], [1.0, 1.0, 0.0]])
Y = jnp.array([1, 2, 2, 0])  # right, wrong, right, and a tie that goes to the first


def test_counts_hits():
    assert [float(x) for x in accuracy(Z, {"y": Y})] == [3, 4]
    assert float(accuracy(Z[3:], {"y": jnp.array([1])})[0]) == 0  # not to the second


def test_weighs_examples_and_leaves_out_padding():
    pair = accuracy(Z, {"y": Y, "weight": jnp.array([0.5, 1.0, 2.0, 0.0])})
    assert [float(x) for x in pair] == [2.5, 3.5]
    assert [x.dtype for x in pair] == [jnp.float32] * 2


def test_equals_the_share_of_a_large_batch():
    rng = np.random.default_rng(0)
    z, y = rng.normal(size=(500, 7)).astype(np.float32), rng.integers(0, 7, 500)
    hits, total = accuracy(z, {"y": y})
    assert hits / total == np.float32((z.argmax(1) == y).mean())


@pytest.mark.parametrize(
    "labels, weights, message",
    [
        ((4, 1), (4,), r"outputs must be scores \[B, K\] for labels \[B\]"),
        ((3,), (3,), "outputs must be scores"),
        ((4,), (4, 1), "weight must be one number for each of the 4 examples"),
        ((4,), (1,), "weight must be"),
    ],
)
def test_refuses_shapes_that_would_broadcast(labels, weights, message):
    batch = {"y": jnp.zeros(labels, jnp.int32), "weight": jnp.ones(weights)}
    with pytest.raises(ValueError, match=message):
        accuracy(Z, batch)
