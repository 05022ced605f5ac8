"""LeNet as it is written today: its parts, and what it refuses."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from zoo.catalog import create
from zoo.vision.lenet import TINY, LeNet

X = np.random.default_rng(0).uniform(size=(2, 28, 28, 1)).astype(np.float32)
LAYERS = {
    "lenet5": {
        "conv_0": 156, "conv_1": 2_416, "dense_0": 48_120, "dense_1": 10_164,
        "head": 850,
    },
    "lenet_caffe": {
        "conv_0": 520, "conv_1": 25_050, "dense_0": 400_500, "head": 5_010,
    },
}  # fmt: skip


@pytest.mark.parametrize("name", LAYERS)
def test_layers_have_their_parameters(name):
    shapes = jax.eval_shape(create(name).init, jax.random.key(0), X)["params"]
    counts = {
        layer: sum(leaf.size for leaf in jax.tree.leaves(tree))
        for layer, tree in shapes.items()
    }
    assert counts == LAYERS[name]


@pytest.mark.parametrize("pool", ["max", "mean"])
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_both_forms_are_one_function(activation, pool):
    """The same outputs, gradients and named intermediates."""
    fields = {**TINY, "activation": activation, "pool": pool}
    forms = [LeNet(**fields, fast=fast) for fast in (False, True)]
    x = np.random.default_rng(1).uniform(size=(2, 13, 19, 2))
    with jax.enable_x64(True):
        params = forms[0].init(jax.random.key(0), x)["params"]
        params = jax.tree.map(lambda p: jnp.float64(p) + 0.1, params)

        def all_of(model):
            def loss(params):
                y, more = model.apply({"params": params}, x, capture_intermediates=True)
                return (y * jnp.cos(y)).sum(), (y, more["intermediates"])

            return jax.jit(jax.grad(loss, has_aux=True))(params)

        published, fast = (all_of(model) for model in forms)
    assert {"conv_0", "conv_1", "dense_0", "head"} <= published[1][1].keys()
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12),
        published,
        fast,
    )


def test_intermediates_have_the_paper_s_sizes():
    model = create("lenet5")
    f = lambda key: model.init_with_output(key, X, capture_intermediates=True)
    more = jax.eval_shape(f, jax.random.key(0))[1]["intermediates"]
    more.pop("__call__")
    sizes = {name: output["__call__"][0].shape[1:] for name, output in more.items()}
    assert sizes == {
        "conv_0": (28, 28, 6),
        "conv_1": (10, 10, 16),
        "dense_0": (120,),
        "dense_1": (84,),
        "head": (10,),
    }


def test_padding_28_pixels_is_an_image_of_32():
    """SAME on 28x28 is VALID on the image with two pixels of background around it."""
    same, valid = create("lenet5"), create("lenet5", padding="VALID")
    variables = same.init(jax.random.key(0), X)
    wide = np.pad(X, ((0, 0), (2, 2), (2, 2), (0, 0)))
    np.testing.assert_allclose(
        valid.apply(variables, wide), same.apply(variables, X), rtol=1e-5, atol=1e-6
    )


def test_caffe_has_no_activation_after_convolutions():
    """So, with mean pooling, it is linear up to the dense layer."""
    model = create("lenet_caffe", pool="mean", widths=())
    variables = model.init(jax.random.key(0), X)
    f = lambda x: model.apply(variables, x) - model.apply(variables, 0 * x)
    np.testing.assert_allclose(f(-2 * X), -2 * f(X), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "name, shape, message",
    [
        ("lenet5", (2, 8, 8, 1), r"LeNet takes .* at least 12, got \(2, 8, 8, 1\)"),
        ("lenet_caffe", (2, 12, 28, 1), r"at least 16, got \(2, 12, 28, 1\)"),
        ("lenet5", (2, 784), r"LeNet takes images \[B, H, W, C\]"),
    ],
)
def test_refuses_images(name, shape, message):
    with pytest.raises(ValueError, match=message):
        create(name).init(jax.random.key(0), jnp.zeros(shape))


@pytest.mark.parametrize(
    "field, value, allowed",
    [
        ("pool", "sum", "max, mean"),
        ("activation", "r", "relu"),
        ("padding", "same", "SAME, VALID"),
    ],
)
def test_refuses_fields(field, value, allowed):
    with pytest.raises(
        ValueError, match=f"{field} must be one of .*{allowed}.*{value}"
    ):
        create("lenet5", **{field: value}).init(jax.random.key(0), X)
