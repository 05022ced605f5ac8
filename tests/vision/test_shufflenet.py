"""ShuffleNet by what groups and shuffles are."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from zoo.vision import MobileShuffleNet
from zoo.vision.layers import Kit, channel_shuffle
from zoo.vision.shufflenet_v1 import ShuffleUnitV1
from zoo.vision.shufflenet_v2 import ShuffleUnitV2

G, WIDTH = 3, 24
KIT = Kit(fast=False)


def drawn(unit, x):
    """Variables, all of them random and none zero."""
    rng = np.random.default_rng(0)
    shapes = jax.eval_shape(unit.init, jax.random.key(0), x)
    return jax.tree.map(
        lambda s: rng.uniform(0.5, 1.5, s.shape).astype(x.dtype), shapes
    )


def images(channels, dtype=np.float32):
    return np.random.default_rng(1).normal(size=(2, 5, 4, channels)).astype(dtype)


def diagonal(kernel, groups):
    """The dense kernel of a grouped one: blocks of it, and zeros, [1, 1, C, O]."""
    _, _, inputs, outputs = kernel.shape
    dense = np.zeros((1, 1, groups * inputs, outputs))
    each = outputs // groups
    for g in range(groups):
        rows, columns = (slice(g * n, (g + 1) * n) for n in (inputs, each))
        dense[:, :, rows, columns] = kernel[:, :, :, columns]
    return dense


@pytest.mark.parametrize("stride, given", [(1, WIDTH), (2, 12)])
def test_a_grouped_unit_is_a_dense_one_of_diagonal_blocks(stride, given):
    """The shuffle becomes the order of the first convolution's outputs."""
    grouped = ShuffleUnitV1(KIT, WIDTH, G, stride)
    dense = ShuffleUnitV1(KIT, WIDTH, 1, stride)
    with jax.enable_x64(True):
        x = jnp.asarray(images(given, np.float64))
        variables = drawn(grouped, x)
        other = jax.tree.map(np.copy, variables)
        shuffled = lambda a: np.asarray(
            channel_shuffle(a.reshape(1, 1, -1, a.shape[-1]), G)
        ).reshape(a.shape)
        params = other["params"]
        first = diagonal(params["point_1"]["kernel"], G)
        params["point_1"]["kernel"] = shuffled(first)
        for part in (params, other["batch_stats"]):
            part["point_1_norm"] = jax.tree.map(shuffled, part["point_1_norm"])
        params["point_2"]["kernel"] = diagonal(params["point_2"]["kernel"], G)
        run = lambda unit, variables: jax.jit(unit.apply)(variables, x)
        got, expected = run(grouped, variables), run(dense, other)
    assert got.shape[-1] == WIDTH
    np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-12)


def test_a_channel_reaches_one_group_and_after_two_units_all():
    """By the gradient, which is zero where nothing depends on the channel."""
    unit = ShuffleUnitV1(KIT, WIDTH, G)
    x = images(WIDTH)
    variables = drawn(unit, x)

    def reached(depth):
        def f(x):
            for _ in range(depth):
                y = jnp.abs(unit.apply(variables, x) - x)  # what is added
                x = y
            return y.sum((0, 1, 2))

        return np.asarray(jax.jit(jax.jacobian(f))(x))[..., 0].any((1, 2, 3))

    inner = WIDTH // 4
    one = reached(1)
    # Its group has inner / G channels inside, which the shuffle puts into as many
    # groups as there are, at most all.
    assert one.sum() == min(inner // G, G) * WIDTH // G
    assert reached(2).all()


def by_hand(variables, x, stride):
    """A unit of version 1 in NumPy, from its figure."""
    params, statistics = variables["params"], variables["batch_stats"]
    means = (
        lambda z, weight: sum(  # over windows of 3x3, zeros around the image
            np.pad(z, ((0, 0), (1, 1), (1, 1), (0, 0)))[
                :, i : i + z.shape[1], j : j + z.shape[2]
            ]
            * weight(i, j)
            for i in range(3)
            for j in range(3)
        )[:, ::stride, ::stride]
    )

    def grouped(z, name):
        kernel = params[name]["kernel"][0, 0]
        parts = zip(np.split(z, G, -1), np.split(kernel, G, -1), strict=True)
        out = np.concatenate([part @ own for part, own in parts], -1)
        return normed(out, name)

    def normed(z, name):
        own, seen = params[f"{name}_norm"], statistics[f"{name}_norm"]
        z = (z - seen["mean"]) / np.sqrt(seen["var"] + 1e-5)
        return z * own["scale"] + own["bias"]

    y = np.maximum(grouped(x, "point_1"), 0)
    order = np.arange(y.shape[-1]).reshape(G, -1).T.reshape(-1)
    kernel = params["depthwise"]["kernel"]
    y = normed(means(y[..., order], lambda i, j: kernel[i, j, 0]), "depthwise")
    y = grouped(y, "point_2")
    if stride == 1:
        return np.maximum(x + y, 0)
    return np.maximum(np.concatenate([means(x, lambda i, j: 1 / 9), y], -1), 0)


@pytest.mark.parametrize("stride, given", [(1, WIDTH), (2, 12)])
def test_a_unit_is_that_of_the_figure(stride, given):
    unit, x = ShuffleUnitV1(KIT, WIDTH, G, stride), images(given, np.float64)
    variables = drawn(unit, x)
    for layer in variables["params"].values():  # of both signs
        for name in {"kernel", "bias"} & set(layer):
            layer[name] = layer[name] - 1
    with jax.enable_x64(True):
        got = np.asarray(jax.jit(unit.apply)(variables, x))
    assert (got == 0).any()
    expected = by_hand(variables, x, stride)
    np.testing.assert_allclose(got, expected, rtol=1e-10, atol=1e-12)


def test_half_of_the_channels_pass_by_in_version_2():
    x = images(8)
    unit = ShuffleUnitV2(KIT, 8)
    y = unit.apply(drawn(unit, x), x)
    np.testing.assert_array_equal(y[..., ::2], x[..., :4])


def test_units_among_pairs_of_mobilenet_need_even_channels():
    model = MobileShuffleNet(stages=((8, 2, 1), (7, 1, 1)))
    x = jax.ShapeDtypeStruct((1, 32, 32, 3), "float32")
    with pytest.raises(ValueError, match="stages must have even channels, got"):
        jax.eval_shape(model.init, jax.random.key(0), x)
    with pytest.raises(ValueError, match="H and W of at least 64"):
        model = MobileShuffleNet(stages=((8, 1, 32),))
        jax.eval_shape(model.init, jax.random.key(0), x)
