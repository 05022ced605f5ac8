"""The multilayer perceptron and softmax regression."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from zoo.catalog import create
from zoo.classical.mlp import MLP

X = np.random.default_rng(0).normal(size=(4, 3, 2, 2)).astype(np.float32)


@pytest.mark.parametrize(
    "activation, f",
    [
        ("relu", lambda a: np.maximum(a, 0)),
        ("tanh", np.tanh),
        ("sigmoid", lambda a: 1 / (1 + np.exp(-a))),
    ],
)
def test_is_the_formula(activation, f):
    model = MLP(num_classes=3, widths=(5, 4), activation=activation)
    params = model.init(jax.random.key(0), X)["params"]
    params = jax.tree.map(lambda p: p + 0.1, params)  # biases that are not zero
    h = np.asarray(X, np.float64).reshape(4, 12)
    for name in ("dense_0", "dense_1"):
        h = f(h @ np.float64(params[name]["kernel"]) + np.float64(params[name]["bias"]))
    y = h @ np.float64(params["head"]["kernel"]) + np.float64(params["head"]["bias"])
    got = model.apply({"params": params}, X)
    np.testing.assert_allclose(got, y, rtol=1e-5, atol=1e-5)


def test_softmax_regression_is_linear():
    model = create("linear_softmax", num_classes=3)
    variables = model.init(jax.random.key(0), X)
    two = model.apply(variables, X + 1) - model.apply(variables, jnp.ones_like(X))
    np.testing.assert_allclose(
        two, model.apply(variables, X) - variables["params"]["head"]["bias"][None],
        atol=1e-5,
    )  # fmt: skip


def test_dropout_is_by_example_and_in_training_only():
    model = MLP(num_classes=3, widths=(50,), dropout=0.5)
    variables = model.init(jax.random.key(0), X)
    key = {"dropout": jax.random.key(1)}
    index = jnp.array([5, 0, 9, 2])
    apply = lambda x, i: model.apply(variables, x, train=True, index=i, rngs=key)
    np.testing.assert_allclose(
        apply(X[::-1], index[::-1]), apply(X, index)[::-1], atol=1e-6
    )
    assert not np.allclose(apply(X, index), apply(X, index + 1))
    plain = MLP(num_classes=3, widths=(50,))
    np.testing.assert_array_equal(
        model.apply(variables, X), plain.apply(variables, X, train=True)
    )


def test_refuses_an_activation():
    with pytest.raises(ValueError, match="activation must be one of .*'relux'"):
        MLP(activation="relux").init(jax.random.key(0), X)
