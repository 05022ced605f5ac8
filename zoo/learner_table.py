"""The rows of the learners, one of each kind, small; `zoo.catalog` lists them."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

import optim
from zoo.classical import (
    affinities,
    boosting,
    incremental_pca,
    irls,
    kmeans,
    lda,
    lda_parallel,
    lda_variational,
    mixture,
    mlp,
    pegasos,
    perceptron,
    sne,
    som,
    svm,
)
from zoo.compress import binary, incremental, pruning, quantize, sharing
from zoo.compress.reparameterise import Rule, reparameterised
from zoo.detection import alternating, faster_rcnn
from zoo.functional.losses import cross_entropy
from zoo.generative import (
    autoencoder,
    contractive,
    convolutional_sparse,
    cyclegan,
    dbn,
    denoising,
    gan,
    gan_losses,
    mlp_gan,
    objective,
    patch,
    pix2pix,
    predictability,
    predictive_sparse,
    rbm,
    recirculation,
    residual_generator,
    sparse_autoencoder,
    sparse_coding,
    stacked,
    unet_generator,
    vae,
)
from zoo.learner import Batch, Learner, supervised
from zoo.meta import maml, pace, reptile
from zoo.metrics.classification import accuracy
from zoo.search import (
    SmallNet,
    cell_space,
    darts,
    progressive,
    regularized_evolution,
    reinforce,
    search,
)
from zoo.sequence import language, truncated, word2vec
from zoo.vision import neocognitron


class LearnerRow(NamedTuple):
    """A kind of learner, small: what the tests hold to the promises of all learners.

    Attributes:
        build: (axis_name=None) -> Learner.
        at: step -> a batch of 16 examples, as `at` of a stream.
        exempt: promises that it cannot keep, each with its reason.
    """

    build: Callable[..., Learner]
    at: Callable[[int], Batch]
    exempt: dict[str, str] = {}


def _supervised(axis_name: str | None = None) -> Learner:
    return supervised(
        mlp.MLP(**mlp.TINY, num_classes=3),
        cross_entropy,
        optim.sgd(0.1),
        metrics={"accuracy": accuracy},
        axis_name=axis_name,
    )


def _compressed(rule: Rule | None = None) -> LearnerRow:
    """A row of a network with a rule; None: of one whose optimizer prunes."""
    model, tx = mlp.MLP(**mlp.TINY, num_classes=3), optim.momentum(0.1)
    if rule is not None:
        model = reparameterised(model, rule)
    else:
        tx = pruning.pruned(tx, 0.5, 1, 4, every=2)

    def build(axis_name: str | None = None) -> Learner:
        return supervised(model, cross_entropy, tx, axis_name=axis_name)

    return LearnerRow(build, _labelled)


def _labelled(step: int) -> Batch:
    rng = np.random.default_rng([0, step])
    x = rng.normal(size=(16, 6, 5, 1)).astype(np.float32)
    y = rng.integers(0, 3, 16).astype(np.int32)
    return {"x": x, "y": y, "index": np.arange(16, dtype=np.int32)}


def _of(make: Callable[..., Learner], *args, **fields) -> Callable[..., Learner]:
    """A builder: of the parallel axis and nothing else."""
    return lambda axis_name=None: make(*args, **fields, axis_name=axis_name)


def _numbered(step: int) -> Batch:
    rng = np.random.default_rng([8, step])
    return {"index": rng.permutation(16).astype(np.int32)}


def _worth(tokens):  # of cells: how many sides read the one before
    return jnp.float32(tokens[:, ::2] == 1).mean(1)


def _small_images(step: int) -> Batch:
    rng = np.random.default_rng([9, step])
    x = rng.normal(size=(16, 4, 4, 1)).astype(np.float32)
    y = rng.integers(0, 3, 16).astype(np.int32)
    return {"x": x, "y": y, "index": rng.permutation(16).astype(np.int32)}


def _clouds(classes: int, apart: float) -> Callable[[int], Batch]:
    """Batches of 16 examples with 4 features, a cloud for each class."""

    def at(step: int) -> Batch:
        rng = np.random.default_rng([2, step])
        y = rng.permutation(np.arange(16) % classes).astype(np.int32)
        x = rng.normal(size=(16, 4)) + apart * np.eye(4)[y]
        index = np.arange(16, dtype=np.int32)
        return {"x": x.astype(np.float32), "y": y, "index": index}

    return at


@functools.cache
def _affinities(nearest: bool) -> Batch:
    """The constant batch of an embedding: 16 points and their affinities."""
    made = affinities.batch(_clouds(3, 4.0)(0)["x"], 4.0, nearest)
    return jax.device_get(made)


def _embedding(kind: str, method: str) -> LearnerRow:
    """A row of `sne`; at a rate at which rounding does not grow."""
    return LearnerRow(
        _of(sne.learner, kind, rate=2.0, method=method, nodes=16),
        lambda step: _affinities(method == "interpolation"),
    )


def _documents(step: int) -> Batch:
    """16 documents of up to 5 of 6 words, the same at each step, in any order."""
    del step
    rng = np.random.default_rng(3)
    x = rng.integers(0, 6, (16, 5))
    x = np.where(np.arange(5) < rng.integers(0, 6, (16, 1)), x, -1)
    index = rng.permutation(16)
    return {"x": x.astype(np.int32), "index": index.astype(np.int32)}


def _counts(step: int) -> Batch:
    """The same documents as counts of words."""
    batch = _documents(step)
    counts = (batch["x"][..., None] == np.arange(6)).sum(1)
    return batch | {"x": counts.astype(np.float32)}


def _tokens(step: int) -> Batch:
    """16 words of 4 documents, the same at each step."""
    del step
    word = np.random.default_rng(4).integers(0, 6, 16).astype(np.int32)
    return {"word": word, "document": np.arange(16, dtype=np.int32) // 4}


def _truncated(axis_name: str | None = None) -> Learner:
    model = language.RecurrentLM(**{**language.TINY, "layers": 1})
    return truncated.learner(
        model, optim.sgd(0.1), metrics={"bits": language.bits}, axis_name=axis_name
    )


def _streams(step: int) -> Batch:
    """Four more tokens of 16 streams, in any order; one begins anew."""
    rng = np.random.default_rng([5, step])
    x = rng.integers(0, 11, (16, 5)).astype(np.int32)
    index = rng.permutation(16).astype(np.int32)
    return {"x": x[:, :-1], "y": x[:, 1:], "index": index, "first": index == step}


def _windows(step: int) -> Batch:
    """16 rows of up to three words around one, of 7."""
    rng = np.random.default_rng([6, step])
    x = rng.integers(0, 7, (16, 3))
    x = np.where(np.arange(3) < rng.integers(1, 4, (16, 1)), x, -1).astype(np.int32)
    y = rng.integers(0, 7, 16).astype(np.int32)
    return {"x": x, "y": y, "index": rng.permutation(16).astype(np.int32)}


def _word2vec(objective: str) -> LearnerRow:
    """A row of `word2vec`."""
    counts = np.array([40, 20, 12, 9, 5, 2, 1])
    return LearnerRow(_of(word2vec.learner, counts, 4, 0.5, objective), _windows)


def _pixels(step: int) -> Batch:
    """16 examples of 6 values from 0 to 1, in any order."""
    rng = np.random.default_rng([7, step])
    x = rng.uniform(size=(16, 6)).astype(np.float32)
    return {"x": x, "index": rng.permutation(16).astype(np.int32)}


def _small(step: int) -> Batch:
    """The same as images of 3 x 2."""
    batch = _pixels(step)
    return batch | {"x": batch["x"].reshape(16, 3, 2)}


def _lit(step: int) -> Batch:
    """16 small images from 0 to 1, in any order, and a teacher's seeds."""
    rng = np.random.default_rng([8, step])
    x = rng.uniform(size=(16, *neocognitron.TINY.image)).astype(np.float32)
    plane = rng.integers(0, 4, 16).astype(np.int32)
    place = rng.integers(0, 5, (16, 2)).astype(np.int32)
    index = rng.permutation(16).astype(np.int32)
    return {"x": x, "y": plane % 2, "plane": plane, "place": place, "index": index}


def _detector(axis_name: str | None = None) -> Learner:
    """Fast R-CNN, the one that compiles soonest; as the second of four turns."""
    model = faster_rcnn.FasterRCNN(**faster_rcnn.TINY, axis_name=axis_name)
    return alternating.learner(model, optim.sgd(0.1), 2, axis_name)


def _scenes(step: int) -> Batch:
    """16 images of up to three objects, and four proposals or five."""
    rng = np.random.default_rng([9, step])
    low = rng.uniform(0, 16, (16, 8, 2))
    boxes = np.concatenate([low, low + rng.uniform(4, 16, low.shape)], 2)
    count, index = rng.integers(0, 4, (16, 1)), rng.permutation(16)
    return {
        "x": rng.uniform(size=(16, 32, 32, 3)).astype(np.float32),
        "boxes": boxes[:, :3].astype(np.float32),
        "labels": rng.integers(0, 2, (16, 3)).astype(np.int32),
        "present": np.arange(3) < count,
        "proposals": boxes[:, 3:].astype(np.float32),
        "proposed": np.arange(5) < 4 + count % 2,
        "index": index.astype(np.int32),
    }


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


def _gan(loss: gan_losses.GANLoss, classes: int = 0, **options) -> LearnerRow:
    """A row of two players, of `_labelled`; where the second may, it normalizes too."""
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

    return LearnerRow(build, _labelled)


def _tasks(step: int) -> Batch:
    """16 tasks of 4 examples and 2 to be told, of three classes, in any order."""
    rng = np.random.default_rng([9, step])

    def part(count: int) -> Batch:
        x = rng.normal(size=(16, count, 6)).astype(np.float32)
        return {"x": x, "y": rng.integers(0, 3, (16, count)).astype(np.int32)}

    index = rng.permutation(16).astype(np.int32)
    return {"support": part(4), "query": part(2), "index": index}


def _meta(make: Callable[..., Learner], **options) -> LearnerRow:
    """A row of a net that learns to learn; with dropout, so that chance is told."""
    model = mlp.MLP(**mlp.TINY, num_classes=3)
    options |= {"rate": 0.1, "steps": 2, "metrics": {"accuracy": accuracy}}
    return LearnerRow(
        _of(make, model, cross_entropy, optim.sgd(0.1), **options), _tasks
    )


def _paced(axis_name: str | None = None) -> Learner:
    rng = np.random.default_rng(10)
    sizes = {"dense_0": (30, 8), "head": (8, 3)}
    params = {
        name: {
            "kernel": rng.normal(size=size).astype(np.float32),
            "bias": np.zeros(size[1], np.float32),
        }
        for name, size in sizes.items()
    }
    model = mlp.MLP(**mlp.TINY, num_classes=3)
    options = dict(patience=1, least=1.0, axis_name=axis_name)
    return pace.learner(model, cross_entropy, optim.sgd(0.1), params, **options)


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


FALLS = optax.exponential_decay(1.0, 16, 0.5)  # the maps' neighbourhood, by step

LEARNERS: dict[str, LearnerRow] = {
    "autoencoder": _coded(objective.reconstruction()),
    "autoencoder_contractive": _coded(contractive.contractive(0.1, "hutchinson")),
    "autoencoder_denoising": _coded(denoising.denoising(denoising.masking(0.5))),
    "autoencoder_sparse": _coded(),
    "autoencoder_stacked": _coded(objective.reconstruction("bernoulli"), 1),
    "binary": _compressed(binary.binary("stochastic", "xnor")),
    "boosting": LearnerRow(
        _of(boosting.learner, "logistic", rounds=9, max_depth=2, subsample=0.8),
        lambda step: _clouds(2, 0.5)(0),
    ),
    "boosting_newton": LearnerRow(
        _of(boosting.learner, "softmax", 3, rounds=9, max_depth=2, form="newton"),
        lambda step: _clouds(3, 0.5)(0),
    ),
    "darts": LearnerRow(
        _of(
            darts,
            SmallNet(3, width=3, cells=1, blocks=1),
            optim.sgd(0.1),
            optim.sgd(0.1),
        ),
        _small_images,
    ),
    "cyclegan": LearnerRow(_cycle, _unpaired),
    "dbn": LearnerRow(_of(dbn.level, (4, 3), 1, optim.sgd(0.1), chains=16), _pixels),
    "detector": LearnerRow(_detector, _scenes),
    "gan": _gan(gan_losses.hinge(), classes=3, spectral=True, ema=0.9),
    "gan_balanced": _gan(gan_losses.began(rate=0.1), prior="uniform"),
    "gan_penalised": _gan(gan_losses.wasserstein(), critic_steps=2, penalty=10.0),
    "incremental_powers": _compressed(incremental.incremental()),
    "incremental_pca": LearnerRow(_of(incremental_pca.learner, 2), _clouds(2, 4.0)),
    "irls_binary": LearnerRow(_of(irls.learner, 2), _clouds(2, 0.0)),
    "irls_softmax": LearnerRow(_of(irls.learner, 3), _clouds(3, 0.0)),
    "kmeans": LearnerRow(_of(kmeans.learner, 3), lambda step: _clouds(3, 4.0)(0)),
    "kmeans_minibatch": LearnerRow(_of(kmeans.minibatch, 3), _clouds(3, 4.0)),
    "lda": LearnerRow(_of(lda.learner, 3, 6, 4), _tokens),
    "lda_parallel": LearnerRow(_of(lda_parallel.learner, 3, 6), _documents),
    "lda_variational": LearnerRow(_of(lda_variational.learner, 3), _counts),
    "maml": _meta(maml.learner, eval_steps=3),
    "maml_first_order": _meta(
        maml.learner, order=1, adapts=lambda path: path.startswith("head/")
    ),
    "mixture": LearnerRow(_of(mixture.learner, 2, floor=0.1), _clouds(2, 4.0)),
    "neocognitron": LearnerRow(
        _of(neocognitron.learner, neocognitron.TINY, classes=2), _lit
    ),
    "neocognitron_taught": LearnerRow(
        _of(neocognitron.learner, neocognitron.TINY, 1, taught=True), _lit
    ),
    "pegasos": LearnerRow(_of(pegasos.learner, 0.1), _clouds(2, 2.0)),
    "perceptron": LearnerRow(perceptron.learner, _clouds(2, 0.0)),
    "search_evolution": LearnerRow(
        _of(search, regularized_evolution(cell_space(1), 20, 3), _worth), _numbered
    ),
    "search_progressive": LearnerRow(
        _of(
            search,
            progressive(2, 128, operations=2, nets=2, fit_steps=2),
            _worth,
        ),
        _numbered,
    ),
    "search_reinforce": LearnerRow(
        _of(search, reinforce(cell_space(1), hidden=4), _worth), _numbered
    ),
    "pix2pix": LearnerRow(_translated, _pairs),
    "pruned": _compressed(),
    "quantization_aware": _compressed(
        quantize.quantization_aware(4, inputs={"dense_0": (-3.0, 3.0)})
    ),
    "shared_weights": _compressed(sharing.shared(3)),
    "sne": _embedding("sne", "exact"),
    "sne_symmetric": _embedding("symmetric", "exact"),
    "predictability": LearnerRow(
        _of(predictability.learner, 3, 4, optim.sgd(0.1), optim.sgd(0.1)), _pixels
    ),
    "predictive_sparse": LearnerRow(
        _of(predictive_sparse.learner, 5, 0.1, optim.sgd(0.1)), _pixels
    ),
    "rbm": LearnerRow(_of(rbm.learner, 3, optim.sgd(0.1), k=2), _pixels),
    "rbm_persistent": LearnerRow(
        _of(rbm.learner, 3, optim.sgd(0.1), k=2, chains=16), _pixels
    ),
    "recirculation": LearnerRow(_of(recirculation.learner, 3, decay=0.01), _pixels),
    "reptile": _meta(reptile.learner, parts=3),
    "self_paced": LearnerRow(_paced, _labelled),
    "som": LearnerRow(_of(som.learner, 3, 4, 0.3, FALLS, "online"), _clouds(3, 4.0)),
    "som_batch": LearnerRow(
        _of(som.learner, 3, 4, 0.3, FALLS, "batch"), _clouds(3, 4.0)
    ),
    "convolutional_sparse": LearnerRow(
        _of(convolutional_sparse.learner, 2, 2, 0.1), _small
    ),
    "sparse_coding": LearnerRow(_of(sparse_coding.learner, 5, 0.1), _pixels),
    "supervised": LearnerRow(_supervised, _labelled),
    "svm": LearnerRow(_of(svm.learner, pairs=2), lambda step: _clouds(2, 1.0)(0)),
    "truncated": LearnerRow(_truncated, _streams),
    "tsne": _embedding("tsne", "exact"),
    "tsne_interpolation": _embedding("tsne", "interpolation"),
    "vae": LearnerRow(_vae, _pixels),
    "word2vec": _word2vec("negative"),
    "word2vec_hierarchical": _word2vec("hierarchical"),
}
