"""Learners of classical machine learning: clusters, trees, maps, topics."""

import functools

import jax
import numpy as np
import optax

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
    pegasos,
    perceptron,
    sne,
    som,
    svm,
)
from zoo.learner import Batch
from zoo.learner_table.row import LearnerRow, clouds, of


@functools.cache
def _affinities(nearest: bool) -> Batch:
    """The constant batch of an embedding: 16 points and their affinities."""
    made = affinities.batch(clouds(3, 4.0)(0)["x"], 4.0, nearest)
    return jax.device_get(made)


def _embedding(kind: str, method: str) -> LearnerRow:
    """A row of `sne`; at a rate at which rounding does not grow."""
    return LearnerRow(
        of(sne.learner, kind, rate=2.0, method=method, nodes=16),
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


FALLS = optax.exponential_decay(1.0, 16, 0.5)  # the maps' neighbourhood, by step


CLASSICAL: dict[str, LearnerRow] = {
    "boosting": LearnerRow(
        of(boosting.learner, "logistic", rounds=9, max_depth=2, subsample=0.8),
        lambda step: clouds(2, 0.5)(0),
    ),
    "boosting_newton": LearnerRow(
        of(boosting.learner, "softmax", 3, rounds=9, max_depth=2, form="newton"),
        lambda step: clouds(3, 0.5)(0),
    ),
    "incremental_pca": LearnerRow(of(incremental_pca.learner, 2), clouds(2, 4.0)),
    "irls_binary": LearnerRow(of(irls.learner, 2), clouds(2, 0.0)),
    "irls_softmax": LearnerRow(of(irls.learner, 3), clouds(3, 0.0)),
    "kmeans": LearnerRow(of(kmeans.learner, 3), lambda step: clouds(3, 4.0)(0)),
    "kmeans_minibatch": LearnerRow(of(kmeans.minibatch, 3), clouds(3, 4.0)),
    "lda": LearnerRow(of(lda.learner, 3, 6, 4), _tokens),
    "lda_parallel": LearnerRow(of(lda_parallel.learner, 3, 6), _documents),
    "lda_variational": LearnerRow(of(lda_variational.learner, 3), _counts),
    "mixture": LearnerRow(of(mixture.learner, 2, floor=0.1), clouds(2, 4.0)),
    "pegasos": LearnerRow(of(pegasos.learner, 0.1), clouds(2, 2.0)),
    "perceptron": LearnerRow(perceptron.learner, clouds(2, 0.0)),
    "sne": _embedding("sne", "exact"),
    "sne_symmetric": _embedding("symmetric", "exact"),
    "som": LearnerRow(of(som.learner, 3, 4, 0.3, FALLS, "online"), clouds(3, 4.0)),
    "som_batch": LearnerRow(of(som.learner, 3, 4, 0.3, FALLS, "batch"), clouds(3, 4.0)),
    "svm": LearnerRow(of(svm.learner, pairs=2), lambda step: clouds(2, 1.0)(0)),
    "tsne": _embedding("tsne", "exact"),
    "tsne_interpolation": _embedding("tsne", "interpolation"),
}
