"""BEGAN's convolutional players: counts by hand, an independent forward, its loss."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import optim
import zoo
from zoo.generative import began, gan, gan_losses

KEY = jax.random.key(0)


def counts(side, channels, n, code, base):
    """Of the decoder, and of the whole autoencoder, from the figure of the paper."""
    sizes = 1 + int(np.log2(side // base))
    conv = lambda a, b: (9 * a + 1) * b
    decoder = (code + 1) * base * base * n + 2 * sizes * conv(n, n) + conv(n, channels)
    encoder, before = conv(channels, n), n
    for i in range(1, sizes + 1):
        encoder += conv(before, i * n) + conv(i * n, i * n)
        before = i * n
    return decoder, decoder + encoder + (base * base * before + 1) * code


@pytest.mark.parametrize(
    "name, sizes",
    [
        ("began", (64, 3, 64, 64, 8)),
        ("began_28", (28, 1, 16, 32, 7)),
    ],
)
def test_counts(name, sizes):
    found = [
        zoo.catalog.MODELS[f"{name}_{player}"].parameters
        for player in ("generator", "discriminator")
    ]
    assert tuple(found) == counts(*sizes)


@pytest.mark.reference
def test_the_autoencoder_is_pytorchs():
    """Every second pixel is left out there, after a convolution of all."""
    import torch
    from torch.nn import functional as F

    model = began.BEGANDiscriminator(10, 3, 4, 2)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 10, 10, 2)).astype("f")
    variables = jax.tree.map(
        lambda leaf: rng.normal(size=leaf.shape).astype("f") / 3,
        jax.eval_shape(model.init, KEY, x),
    )
    p = jax.tree.map(torch.tensor, variables["params"])

    def conv(h, name):
        return F.conv2d(h, p[name]["kernel"].permute(3, 2, 0, 1), p[name]["bias"], 1, 1)

    dense = lambda h, name: h @ p[name]["kernel"] + p[name]["bias"]
    h = given = torch.tensor(x).permute(0, 3, 1, 2)
    h = F.elu(conv(h, "encoder_in"))
    h = F.elu(conv(h, "encoder_0_0"))
    h = F.elu(conv(h, "encoder_0_1"))[:, :, ::2, ::2]
    h = F.elu(conv(F.elu(conv(h, "encoder_1_0")), "encoder_1_1"))
    code = dense(h.permute(0, 2, 3, 1).reshape(2, -1), "code")
    h = dense(code, "widen").reshape(2, 5, 5, 3).permute(0, 3, 1, 2)
    h = F.elu(conv(F.elu(conv(h, "decoder_0_0")), "decoder_0_1"))
    h = F.interpolate(h, scale_factor=2, mode="nearest")
    h = F.elu(conv(F.elu(conv(h, "decoder_1_0")), "decoder_1_1"))
    made = conv(h, "last")
    errors = (given - made).abs().permute(0, 2, 3, 1).reshape(2, -1)
    expected = torch.stack([errors[:, :100].mean(1), errors[:, 100:].mean(1)], 1)
    found = jax.jit(model.apply)(variables, x)
    np.testing.assert_allclose(found, expected, rtol=2e-4)
    # The generator is the same decoder.
    maker = began.BEGANGenerator(4, 10, 2, 3)
    part = {
        k: v
        for k, v in variables["params"].items()
        if k[:4] in ("wide", "deco", "last")
    }
    again = jax.jit(maker.apply)({"params": part}, code.numpy())
    np.testing.assert_allclose(
        again, made.permute(0, 2, 3, 1), rtol=2e-4, atol=2e-4 * float(made.abs().max())
    )


def test_a_step_by_the_loss_moves_all_of_both():
    """And the discriminator, by itself, learns to reconstruct what is real."""
    made, asked = began.BEGANGenerator(4, 10, 1, 2), began.BEGANDiscriminator(10, 2, 4)
    learner = gan.learner(
        made, asked, gan_losses.began(0.5, 0.1), optim.adam(1e-3), optim.adam(1e-2),
        prior="uniform",
    )  # fmt: skip
    ramp = np.linspace(-1, 1, 10, dtype="f")
    x = np.broadcast_to(ramp[None, :, None, None], (8, 10, 10, 1))
    batch = {"x": x, "index": np.arange(8, dtype=np.int32)}
    first = state = jax.jit(learner.init)(KEY, batch)
    step, errors = jax.jit(learner.step), []
    for _ in range(40):
        state, metrics = step(state, batch)
        errors.append(float(metrics["real"][0] / metrics["real"][1]))
    for name in ("generator", "discriminator"):
        before, after = (getattr(s, name).params for s in (first, state))
        jax.tree.map(
            lambda a, b: np.testing.assert_(bool((a != b).any())), before, after
        )
    assert errors[-1] < 0.5 * errors[0], errors[::10]


@pytest.mark.parametrize("side", [4, 8, 9, 22, 36, 0])
def test_sides_that_cannot(side):
    with pytest.raises(ValueError, match=f"side must be 5, 6, 7 or 8 .* got {side}"):
        began.sizes(side)


def test_refuses():
    with pytest.raises(ValueError, match=r"takes latents \[B, 64\], got \[2, 9\]"):
        jax.eval_shape(began.BEGANGenerator().init, KEY, jnp.ones((2, 9)))
    asked = began.BEGANDiscriminator(16)
    with pytest.raises(ValueError, match=r"images \[B, 16, 16, C\], got \[2, 8, 8, 1"):
        jax.eval_shape(asked.init, KEY, jnp.ones((2, 8, 8, 1)))
    asked = began.BEGANDiscriminator(16, 1, 1, 257)
    with pytest.raises(ValueError, match="outputs must be from 1 to the image's 256"):
        jax.eval_shape(asked.init, KEY, jnp.ones((2, 16, 16, 1)))
