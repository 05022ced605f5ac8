"""The Vision Transformer by its symmetry: without positions, order does not count."""

import jax
import numpy as np

import zoo
from zoo.vision import vit


def test_without_positions_patches_may_change_places():
    model = zoo.create("vit_cifar", **{**vit.TINY, "pool": "mean", "fast": False})
    rng = np.random.default_rng(0)
    tiles = rng.normal(size=(6, 8, 8, 3)).astype(np.float32)
    image = lambda order: (
        tiles[order].reshape(2, 3, 8, 8, 3).swapaxes(1, 2).reshape(1, 16, 24, 3)
    )
    variables = jax.jit(model.init)(jax.random.key(0), image(np.arange(6)))
    apply = jax.jit(model.apply)
    one, two = (image(order) for order in (np.arange(6), np.arange(6)[::-1]))
    assert (apply(variables, one) != apply(variables, two)).all()
    variables["params"]["places"] *= 0
    a, b = apply(variables, one), apply(variables, two)
    np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
