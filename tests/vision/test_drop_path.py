"""Stochastic depth: of inverted residuals, and in cells that a search found."""

import jax
import jax.numpy as jnp
import numpy as np

from zoo.vision import EfficientNet, nasnet
from zoo.vision.efficientnet import TINY
from zoo.vision.inverted import InvertedResidual
from zoo.vision.layers import Kit


def test_rates_grow_from_block_to_block():
    rates = EfficientNet(drop_path=0.4, **TINY)._rates(4)
    np.testing.assert_allclose([*rates], [0.0, 0.1, 0.2, 0.3])
    assert EfficientNet().drop_path == 0.2  # of the authors' program


def test_a_branch_is_left_out_for_an_example_as_a_whole():
    """x + branch / (1 - rate), or x; by the example's number."""
    x = jax.random.normal(jax.random.key(0), (40, 4, 4, 6))
    block = lambda rate, train: InvertedResidual(
        Kit(train, fast=False, normalize=False, bias=True), 8, 6, drop_path=rate
    )

    @jax.jit
    def outputs(x, index):
        variables = block(0.3, False).init(jax.random.key(1), x)
        rngs = {"dropout": jax.random.key(2)}
        left = block(0.3, True).apply(variables, x, index, rngs=rngs)
        return left, block(0.0, True).apply(variables, x, index)

    index = jnp.arange(40)
    left, whole = map(np.asarray, outputs(x, index))
    again, _ = outputs(x[::-1], index[::-1])
    np.testing.assert_allclose(again, left[::-1], atol=1e-6)
    gone = np.array([np.array_equal(a, b) for a, b in zip(left, x, strict=True)])
    assert 3 < gone.sum() < 25
    kept = x + (whole - x) / 0.7
    np.testing.assert_allclose(left[~gone], kept[~gone], rtol=1e-5, atol=1e-5)


def test_branches_of_a_cell_are_left_out_but_not_what_is_read_as_it_is():
    """At a rate of nearly 1 a cell gives the sums of what its pairs read as it is."""
    plan = nasnet.CellPlan(
        ((("same", 1), ("sep3", 0)), (("mean3", 1), ("max3", 0))), (2, 3)
    )
    cell = nasnet.Cell(Kit(True, fast=False), plan, 4, drop_path=1 - 1e-6)
    x = jax.random.normal(jax.random.key(0), (3, 5, 6, 2))

    @jax.jit
    def output(x):
        variables = cell.init({"params": jax.random.key(1)}, x, x)
        rngs = {"dropout": jax.random.key(2)}
        state = dict(mutable=["batch_stats", "intermediates"])
        state["capture_intermediates"] = True
        y, found = cell.apply(variables, x, x, jnp.arange(3), rngs=rngs, **state)
        return y, found["intermediates"]["current_norm"]["__call__"][0]

    y, current = map(np.asarray, output(x))
    np.testing.assert_allclose(y[..., :4], current, rtol=1e-5, atol=1e-6)
    assert not y[..., 4:].any()
