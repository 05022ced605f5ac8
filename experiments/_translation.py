"""What experiments on translations of images share: runs by one step, and measures."""

from collections.abc import Callable

import jax
import numpy as np

import optim
import zoo
import zoo.metrics as M
from zoo.data import Stream
from zoo.functional.losses import weighted
from zoo.generative import (
    cyclegan,
    dcgan,
    gan,
    gan_losses,
    patch,
    pix2pix,
    residual_generator,
    unet_generator,
)
from zoo.training.parallel import jit_once

SIDE = 32  # pixels
MADE = unet_generator.UNetGenerator(1, 16, 4)
DRAWN = dcgan.DCGenerator(16, SIDE, 1, 16)
CYCLE = dict.fromkeys("xy", residual_generator.ResidualGenerator(1, 8, 2, 1))


def adam(rate: float):
    """As both papers have it: with less momentum than is usual."""
    return optim.adam(rate, b1=0.5)


def alone(rate: float) -> Callable:
    """A builder: the U-Net of pix2pix, by the absolute difference alone."""

    def loss(outputs, batch):
        return weighted(pix2pix.absolute(outputs, batch["y"]), batch)

    return lambda axis_name=None: zoo.supervised(
        MADE.clone(axis_name=axis_name), loss, adam(rate), axis_name=axis_name
    )


def judged(rate: float, weight: float, conditional: bool = True) -> Callable:
    """A builder: the same network with a discriminator of patches of 16 pixels."""
    return lambda axis_name=None: pix2pix.learner(
        MADE.clone(axis_name=axis_name),
        patch.PatchDiscriminator(16, 1, "batch", axis_name),
        gan_losses.non_saturating(),
        adam(rate),
        adam(rate),
        weight=weight,
        conditional=conditional,
        axis_name=axis_name,
    )


def unpaired(rate: float, layers: int = 1, identity: float = 0.0) -> Callable:
    """A builder: CycleGAN, of two small residual networks.

    The way there and back counts 3, not 10 as in the paper: that holds images as they
    are for long, and so does an identity, of what is to be as bright as before alone.

    Args:
        rate: of Adam, of all networks.
        layers: of the discriminators, which see 16 pixels with 1 and 34 with 2.
        identity: weight of the identity, by that of the way there and back.
    """
    return lambda axis_name=None: cyclegan.learner(
        CYCLE,
        dict.fromkeys("xy", patch.PatchDiscriminator(16, layers)),
        gan_losses.least_squares(),
        adam(rate),
        adam(rate),
        cycle=3.0,
        identity=identity,
        axis_name=axis_name,
    )


def drawn(rate: float) -> Callable:
    """A builder: DCGAN, small."""
    return lambda axis_name=None: gan.learner(
        DRAWN.clone(axis_name=axis_name),
        dcgan.DCDiscriminator(SIDE, 16, axis_name=axis_name),
        gan_losses.non_saturating(),
        adam(rate),
        adam(rate),
        ema=0.99,
        axis_name=axis_name,
    )


def fitter(build: Callable) -> Callable:
    """(stream, steps, seed) -> state, by one compiled step for all runs."""
    engine = zoo.training.engine(build, "single")

    def fit(stream: Stream, steps: int, seed: int):
        state = engine.init(jax.random.key(seed), stream.at(0))
        state = engine.put_state(state)
        for step in range(steps):
            state, _ = engine.step(state, engine.put_batch(stream.at(step)))
        return state

    return fit


@jit_once
def by_unet(variables, x):
    """What the U-Net makes in use."""
    return MADE.apply(variables, x)


def variables_of(state):
    """Of the U-Net in use, of either way to learn it."""
    if hasattr(state, "generator"):
        player = state.generator
        return {"params": player.params, **player.model_state}
    return zoo.eval_variables(state)


@jit_once
def by_cycle(params, x):
    """What a generator of CycleGAN makes."""
    return CYCLE["y"].apply({"params": params}, x)


@jit_once
def _measures(found, y):
    sharp = lambda x: (
        abs(x[:, 1:] - x[:, :-1]).mean() + abs(x[:, :, 1:] - x[:, :, :-1]).mean()
    )
    total, weight = M.ssim(found, y, 2.0)
    return {
        "l1": abs(found - y).mean(),
        "psnr": M.psnr(M.squared_error(found, y), 2.0),
        "ssim": total / weight,
        "sharp": sharp(found) / sharp(y),
    }


def measures(found: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """Of images from -1 to 1: mean absolute difference; PSNR, SSIM; and `sharp`, the
    mean step from a pixel to the next, over that of the true images."""
    return {k: float(v) for k, v in _measures(found, y).items()}
