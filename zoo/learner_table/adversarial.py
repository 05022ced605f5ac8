"""Learners of two players and more."""

import numpy as np

import optim
from zoo.generative import (
    cyclegan,
    gan,
    gan_losses,
    mlp_gan,
    patch,
    pix2pix,
    residual_generator,
    unet_generator,
)
from zoo.learner import Batch, Learner
from zoo.learner_table.row import LearnerRow, labelled


def _gan(loss: gan_losses.GANLoss, classes: int = 0, **options) -> LearnerRow:
    """A row of two players, of `labelled`; where the second may, it normalizes too."""
    first = dict(mlp_gan.TINY_GENERATOR, shape=(6, 5, 1), classes=classes)
    norm = "penalty" not in options

    def build(axis_name: str | None = None) -> Learner:
        second = mlp_gan.MLPDiscriminator((8,), classes, norm=norm, axis_name=axis_name)
        if loss.balance is not None:
            second = mlp_gan.MLPAutoencoder((8,), 3)
        return gan.learner(
            mlp_gan.MLPGenerator(**first, axis_name=axis_name),
            second,
            loss,
            optim.sgd(0.1),
            optim.sgd(0.05),
            axis_name=axis_name,
            **options,
        )

    return LearnerRow(build, labelled)


def _translated(axis_name: str | None = None) -> Learner:
    return pix2pix.learner(
        unet_generator.UNetGenerator(1, 2, 2, axis_name=axis_name),
        patch.PatchDiscriminator(**patch.TINY, norm="batch", axis_name=axis_name),
        gan_losses.non_saturating(),
        optim.sgd(0.01),
        optim.sgd(0.01),
        axis_name=axis_name,
    )


def _cycle(axis_name: str | None = None) -> Learner:
    made = residual_generator.ResidualGenerator(1, 2, 0, 0)  # of two layers, as below:
    asked = patch.PatchDiscriminator(2, 0)  # it takes long to compile four networks
    return cyclegan.learner(
        {"x": made, "y": made},
        {"x": asked, "y": asked},
        gan_losses.least_squares(),
        optim.sgd(0.01),
        optim.sgd(0.01),
        places=20,
        axis_name=axis_name,
    )


def _images(step: int) -> Batch:
    """16 images of 8 x 8, in any order."""
    rng = np.random.default_rng([9, step])
    x = rng.uniform(-1, 1, (16, 8, 8, 1)).astype(np.float32)
    return {"x": x, "index": rng.permutation(16).astype(np.int32)}


def _pairs(step: int) -> Batch:
    """Images, and the same turned over."""
    batch = _images(step)
    return batch | {"y": -batch["x"]}


def _unpaired(step: int) -> Batch:
    """Images of two kinds."""
    return {"x": _images(2 * step), "y": _images(2 * step + 1)}


ADVERSARIAL: dict[str, LearnerRow] = {
    "cyclegan": LearnerRow(_cycle, _unpaired),
    "gan": _gan(gan_losses.hinge(), classes=3, spectral=True, ema=0.9),
    "gan_balanced": _gan(gan_losses.began(rate=0.1), prior="uniform"),
    "gan_penalised": _gan(gan_losses.wasserstein(), critic_steps=2, penalty=10.0),
    "pix2pix": LearnerRow(_translated, _pairs),
}
