"""DiracNet: folded it is the same function, and at the start nearly the identity."""

import jax
import numpy as np
import pytest

import zoo
from zoo.vision import diracnet


def test_folded_it_is_the_same_function():
    fields = {**diracnet.TINY, "num_classes": 3, "fast": False}
    model = zoo.create("diracnet18", **fields)
    other = zoo.create("diracnet18_folded", **fields)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 16, 24, 3))
    shapes = jax.eval_shape(model.init, jax.random.key(0), x)
    variables = jax.tree.map(lambda s: rng.uniform(0.2, 1.5, s.shape), shapes)

    @jax.jit
    def both(variables):
        return model.apply(variables, x), other.apply(diracnet.folded(variables), x)

    with jax.enable_x64(True):
        got, expected = both(variables)
    np.testing.assert_allclose(got, expected, rtol=1e-10)
    want = jax.eval_shape(other.init, jax.random.key(0), x)
    made = jax.eval_shape(diracnet.folded, variables)
    assert jax.tree.map(np.shape, made) == jax.tree.map(np.shape, want)
    with pytest.raises(ValueError, match="must have batch_stats, got params"):
        diracnet.folded(made)


def test_without_beta_a_layer_passes_on_what_it_is_given():
    """Also where W is zero; and each of more channels comes twice."""
    x = np.random.default_rng(0).normal(size=(1, 4, 5, 3)).astype(np.float32)
    for kernel in (0.0, 1.0):
        params = {
            "kernel": np.full((3, 3, 3, 6), kernel, np.float32),
            "alpha": np.full(6, 2, np.float32),
            "beta": np.zeros(6, np.float32),
        }
        y = diracnet.DiracConv(6).apply({"params": params}, x)
        np.testing.assert_allclose(y, 2 * np.concatenate([x, x], -1), rtol=1e-6)


def test_fewer_channels_are_sums():
    """As the repeated identity has it."""
    kernel = diracnet.identity_kernel(1, 1, 4, 2)
    assert kernel[0, 0].tolist() == [[1, 0], [0, 1], [1, 0], [0, 1]]
