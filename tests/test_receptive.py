"""Receptive fields where poison is easily lost, or found where there is none."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from zoo.receptive import _linear, receptive_field


class Net(nn.Module):
    """Whatever function of its input, with a last feature map of its own."""

    function: object
    after: int = 1

    @nn.compact
    def __call__(self, x):
        x = self.function(x)
        size = (self.after, self.after)
        return nn.Conv(1, size, padding="VALID", name="last")(x).sum((1, 2))


class Cell(nn.Module):
    """A convolution and a maximum, each of 3x3."""

    @nn.compact
    def __call__(self, x, _):
        x = nn.relu(nn.Conv(2, (3, 3), name="conv")(x))
        return nn.max_pool(x, (3, 3), padding="SAME"), None


def looped(x):
    scan = nn.scan(
        Cell, variable_broadcast="params", split_rngs={"params": False}, length=3
    )
    return scan(name="cells")(x, None)[0]


def remembered(x):
    return nn.remat(Cell)(name="cell")(nn.max_pool(x, (2, 2), (2, 2)), None)[0]


def deep(x):
    """1x1 convolutions: whatever overflows must not look like something seen."""
    for i in range(40):
        x = nn.Conv(64, (1, 1), name=f"conv_{i}")(x)
    return nn.LayerNorm(name="norm")(x)


@pytest.mark.parametrize(
    "function, after, expected",
    [
        (looped, 1, 13),  # 1 + 3 * 4
        (looped, 3, 15),
        (remembered, 1, 10),  # 5 windows of 2
        (deep, 1, 1),
        (deep, 3, 3),
        (lambda x: nn.max_pool(x, (3, 3), (1, 1)), 1, 3),
        (lambda x: jnp.minimum(jnp.maximum(x, 0), 6), 3, 3),
        (lambda x: jax.lax.clamp(0.0, x, 6.0), 3, 3),
        (lambda x: nn.leaky_relu(nn.hard_swish(x)), 3, 3),
        (lambda x: jnp.broadcast_to(x.mean((1, 2), keepdims=True), x.shape), 1, None),
        (lambda x: x[:, ::-1, ::-1], 3, 3),
    ],
    ids="scan scan3 remat deep deep3 max clip clamp select whole flip".split(),
)
def test_of_a_function(function, after, expected):
    inputs = jax.ShapeDtypeStruct((1, 19, 24, 2), jnp.float32)
    found = receptive_field(Net(function, after), inputs)
    assert found == ((19, 24) if expected is None else (expected, expected))


def test_height_and_width_are_apart_and_within_the_image():
    class Wide(nn.Module):
        @nn.compact
        def __call__(self, x):
            return nn.Conv(1, (3, 9), name="conv")(x)

    inputs = lambda *size: jax.ShapeDtypeStruct((1, *size, 1), jnp.float32)
    whole = Net(lambda x: Wide(name="wide")(x))
    assert receptive_field(whole, inputs(20, 20)) == (3, 9)
    assert receptive_field(whole, inputs(20, 6)) == (3, 6)


X = np.arange(1.0, 17, dtype=np.float32).reshape(1, 4, 4, 1)


@pytest.mark.parametrize(
    "function, expected",
    [
        (lambda x: jnp.maximum(x, 3), X + 3),
        (lambda x: jnp.minimum(x, x), 2 * X),
        (lambda x: x.max((1, 2)) + x.min((1, 2)), 2 * X.sum((1, 2))),
        (lambda x: jax.lax.clamp(1.0, x, 2.0), X + 3),
        (lambda x: nn.max_pool(x, (4, 4)), X.sum((1, 2), keepdims=True)),
        (jax.jit(nn.relu), X),
        (jax.checkpoint(lambda x: jnp.maximum(x, x)), 2 * X),
        (lambda x: jax.lax.fori_loop(0, 3, lambda i, x: jnp.maximum(x, 1), x), X + 3),
        (
            lambda x: jax.lax.scan(
                lambda c, y: (c, jnp.maximum(c, y)), 2.0, x[0, 0, :, 0], reverse=True
            )[1],
            X[0, 0, :, 0] + 2,
        ),
    ],
    ids="max min reduced clamp window jit remat loop scan".split(),
)
def test_maxima_are_run_as_sums(function, expected):
    """A backend may lose the poison in a maximum; whether it does is its own affair."""
    closed = jax.make_jaxpr(function)(X)
    (found,) = _linear(closed.jaxpr, closed.consts, X)
    np.testing.assert_allclose(found, expected)
