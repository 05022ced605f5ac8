"""Convolutional players against PyTorch's layers, by converted weights."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import zoo
from tests.generative.torch_players import (
    dcgan_discriminator,
    dcgan_generator,
    random_everywhere,
    tensors,
)
from zoo import catalog, convert
from zoo.generative import dcgan, transposed

KEY = jax.random.key(0)


@pytest.mark.reference
@pytest.mark.parametrize(
    "side, stride, padding, extra", [(4, 2, 1, 0), (3, 2, 1, 1), (5, 3, 0, 2)]
)
def test_transposed_convolution_is_pytorchs(side, stride, padding, extra):
    import torch

    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 5, 4, 3)).astype("f")
    k = rng.normal(size=(side, side, 7, 3)).astype("f")
    layer = transposed.Transposed(7, side, stride, padding, extra)
    bias = rng.normal(size=7).astype("f")
    ours = layer.apply({"params": {"kernel": k, "bias": bias}}, x)
    tensor = lambda a, *axes: torch.tensor(a.transpose(axes))
    theirs = torch.nn.functional.conv_transpose2d(
        tensor(x, 0, 3, 1, 2), tensor(k, 3, 2, 0, 1), torch.tensor(bias),
        stride, padding, extra,
    )  # fmt: skip
    expected = theirs.numpy().transpose(0, 2, 3, 1)
    np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.reference
@pytest.mark.parametrize("train", [False, True])
def test_dcgan_is_pytorchs(train):
    """64 pixels, narrow; by weights of its layout, all of them random."""
    import torch

    rng = np.random.default_rng(1)
    for name, make, x in (
        ("dcgan_generator", dcgan_generator, rng.normal(size=(3, 100))),
        ("dcgan_discriminator", dcgan_discriminator, rng.normal(size=(3, 64, 64, 3))),
    ):
        x = x.astype("f")
        module = random_everywhere(make(100, 6, 3), 2).train(train)
        row = catalog.MODELS[name]
        model = zoo.create(name, width=6)
        shapes = jax.eval_shape(model.init, KEY, row.inputs(1))
        variables = convert.assign(tensors(module), shapes, row.rules)
        given = x[:, None, None] if x.ndim == 2 else x
        with torch.no_grad():
            expected = module(torch.tensor(given.transpose(0, 3, 1, 2))).numpy()
        apply = jax.jit(model.apply, static_argnames=("train", "mutable"))
        mutable = ("batch_stats",) if train else ()
        found, _ = apply(variables, x, train=train, mutable=mutable)
        expected = expected.transpose(0, 2, 3, 1).reshape(found.shape)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("side", [8, 10, 28, 32, 48, 64, 128, 224])
def test_sides_that_can_be_made(side):
    base, doublings = dcgan.sides(side)
    assert base << doublings == side and base in (4, 5, 6, 7) and doublings >= 1
    made = dcgan.DCGenerator(side=side, width=1, channels=2)
    shape = jax.eval_shape(made.init_with_output, KEY, jnp.ones((3, 100)))[0].shape
    assert shape == (3, side, side, 2)
    asked = dcgan.DCDiscriminator(side=side, width=1)
    x = jnp.ones((3, side, side, 2))
    assert jax.eval_shape(asked.init_with_output, KEY, x)[0].shape == (3, 1)


@pytest.mark.parametrize("side", [4, 7, 0, 9, 30, 44, 63])
def test_sides_that_cannot(side):
    with pytest.raises(ValueError, match=f"side must be 4, 5, 6 or 7 .* got {side}"):
        dcgan.sides(side)


def test_refuses():
    with pytest.raises(ValueError, match=r"takes latents \[B, 100\], got \[2, 99\]"):
        dcgan.DCGenerator().init(KEY, jnp.ones((2, 99)))
    with pytest.raises(ValueError, match=r"images .*, got \[2, 32, 32, 1"):
        dcgan.DCDiscriminator(28).init(KEY, jnp.ones((2, 32, 32, 1)))
