"""Dropout: the mask belongs to the example."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from zoo.functional.dropout import Dropout

KEY = {"dropout": jax.random.key(7)}
X = jnp.ones((6, 5, 4))


def drop(x, index, rate=0.3, train=True):
    return Dropout(rate).apply({}, x, train=train, index=index, rngs=KEY)


def test_the_mask_moves_with_the_example():
    index = jnp.array([10, 3, 99, 4, 0, 7])
    order = jnp.array([2, 0, 5, 1, 4, 3])
    whole = drop(X, index)
    np.testing.assert_array_equal(drop(X[order], index[order]), whole[order])
    np.testing.assert_array_equal(drop(X[2:5], index[2:5]), whole[2:5])
    assert len({row.tobytes() for row in np.asarray(whole)}) == 6  # each its own


def test_without_index_positions_count():
    np.testing.assert_array_equal(drop(X, None), drop(X, jnp.arange(6)))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("rate", [0.1, 0.5, 0.8])
def test_keeps_the_mean_and_the_rate(rate, seed):
    rngs = {"dropout": jax.random.key(seed)}
    x = jnp.ones((100, 1000))
    y = np.asarray(Dropout(rate).apply({}, x, train=True, rngs=rngs))
    np.testing.assert_allclose(np.unique(y), [0, 1 / (1 - rate)], rtol=1e-6)
    # Five standard deviations of the mean of 100,000 draws.
    five = 5 * np.sqrt(rate * (1 - rate) / y.size)
    assert abs((y == 0).mean() - rate) < five
    assert abs(y.mean() - 1) < five / (1 - rate)


def test_is_the_identity_in_use_and_at_rate_zero():
    assert drop(X, None, train=False) is X
    assert Dropout(0.0).apply({}, X, train=True) is X  # and asks for no key


def test_whole_examples_are_kept_or_left_out():
    """At the rate, in the mean the same, and by the example's number."""
    x, index = jnp.ones((4000, 3, 2)), jnp.arange(4000)
    drop = lambda x, index: Dropout(0.3, whole=True).apply(
        {}, x, train=True, index=index, rngs=KEY
    )
    y = np.asarray(drop(x, index))
    assert (y == y[:, :1, :1]).all()
    np.testing.assert_allclose(np.unique(y), [0, 1 / 0.7], rtol=1e-6)
    assert abs((y[:, 0, 0] == 0).mean() - 0.3) < 5 * np.sqrt(0.21 / 4000)
    np.testing.assert_array_equal(drop(x[:99], index[::-1][:99]), y[::-1][:99])


def test_layers_draw_different_masks():
    class Two(nn.Module):
        @nn.compact
        def __call__(self, x):
            return [Dropout(0.5, name=n)(x, train=True) for n in ("first", "second")]

    first, second = Two().apply({}, X, rngs=KEY)
    assert not np.array_equal(first, second)


def test_gradient_is_the_mask():
    y, back = jax.vjp(lambda x: drop(x, None), 3 * X)
    np.testing.assert_allclose(back(jnp.ones_like(y))[0], y / 3, rtol=1e-6)


def test_keeps_the_type():
    assert drop(X.astype(jnp.bfloat16), None).dtype == jnp.bfloat16


@pytest.mark.parametrize("rate", [-0.1, 1.0, 1.5])
def test_refuses_a_rate(rate):
    with pytest.raises(ValueError, match="rate must be in"):
        drop(X, None, rate=rate)


@pytest.mark.parametrize("shape", [(1,), (5,), (6, 1)])
def test_refuses_an_index_of_another_shape(shape):
    with pytest.raises(ValueError, match="index must be one number for each of the 6"):
        drop(X, jnp.zeros(shape, jnp.int32))
