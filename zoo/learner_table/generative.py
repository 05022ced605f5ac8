"""Learners of codes: autoencoders, Boltzmann machines, sparse coding."""

import numpy as np

import optim
from zoo.generative import (
    autoencoder,
    contractive,
    convolutional_sparse,
    dbn,
    denoising,
    objective,
    predictability,
    predictive_sparse,
    rbm,
    recirculation,
    sparse_autoencoder,
    sparse_coding,
    stacked,
    vae,
)
from zoo.learner import Batch, Learner
from zoo.learner_table.row import LearnerRow, of


def _pixels(step: int) -> Batch:
    """16 examples of 6 values from 0 to 1, in any order."""
    rng = np.random.default_rng([7, step])
    x = rng.uniform(size=(16, 6)).astype(np.float32)
    return {"x": x, "index": rng.permutation(16).astype(np.int32)}


def _small(step: int) -> Batch:
    """The same as images of 3 x 2."""
    batch = _pixels(step)
    return batch | {"x": batch["x"].reshape(16, 3, 2)}


def _coded(aim: objective.Objective | None = None, level: int | None = None):
    """A row of an autoencoder of `_pixels`; None: of the sparse objective."""
    deep = autoencoder.Autoencoder((6,), (4,) if level is None else (4, 3))

    def build(axis_name: str | None = None) -> Learner:
        told = aim or sparse_autoencoder.kl(0.1, 0.2, axis_name=axis_name)
        if level is None:
            return objective.learner(deep, told, optim.sgd(0.1), axis_name)
        return stacked.level(deep, level, told, optim.sgd(0.1), axis_name)

    return LearnerRow(build, _pixels)


def _vae(axis_name: str | None = None) -> Learner:
    model = vae.VAE((6,), (5,), 2)
    return objective.learner(model, vae.elbo(), optim.sgd(0.01), axis_name)


GENERATIVE: dict[str, LearnerRow] = {
    "autoencoder": _coded(objective.reconstruction()),
    "autoencoder_contractive": _coded(contractive.contractive(0.1, "hutchinson")),
    "autoencoder_denoising": _coded(denoising.denoising(denoising.masking(0.5))),
    "autoencoder_sparse": _coded(),
    "autoencoder_stacked": _coded(objective.reconstruction("bernoulli"), 1),
    "convolutional_sparse": LearnerRow(
        of(convolutional_sparse.learner, 2, 2, 0.1), _small
    ),
    "dbn": LearnerRow(of(dbn.level, (4, 3), 1, optim.sgd(0.1), chains=16), _pixels),
    "predictability": LearnerRow(
        of(predictability.learner, 3, 4, optim.sgd(0.1), optim.sgd(0.1)), _pixels
    ),
    "predictive_sparse": LearnerRow(
        of(predictive_sparse.learner, 5, 0.1, optim.sgd(0.1)), _pixels
    ),
    "rbm": LearnerRow(of(rbm.learner, 3, optim.sgd(0.1), k=2), _pixels),
    "rbm_persistent": LearnerRow(
        of(rbm.learner, 3, optim.sgd(0.1), k=2, chains=16), _pixels
    ),
    "recirculation": LearnerRow(of(recirculation.learner, 3, decay=0.01), _pixels),
    "sparse_coding": LearnerRow(of(sparse_coding.learner, 5, 0.1), _pixels),
    "vae": LearnerRow(_vae, _pixels),
}
