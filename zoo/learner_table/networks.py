"""Learners of networks: of classes, of words, and of boxes."""

import numpy as np

import optim
from zoo.classical import mlp
from zoo.detection import alternating, faster_rcnn
from zoo.functional.losses import cross_entropy
from zoo.learner import Batch, Learner, supervised
from zoo.learner_table.row import LearnerRow, labelled, of
from zoo.metrics.classification import accuracy
from zoo.sequence import language, truncated, word2vec
from zoo.vision import neocognitron


def _supervised(axis_name: str | None = None) -> Learner:
    return supervised(
        mlp.MLP(**mlp.TINY, num_classes=3),
        cross_entropy,
        optim.sgd(0.1),
        metrics={"accuracy": accuracy},
        axis_name=axis_name,
    )


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
    """A row of `word2vec`; groups of two, which eight devices have."""
    counts = np.array([40, 20, 12, 9, 5, 2, 1])
    build = of(word2vec.learner, counts, 4, 0.5, objective, group=2)
    return LearnerRow(build, _windows)


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


NETWORKS: dict[str, LearnerRow] = {
    "detector": LearnerRow(_detector, _scenes),
    "neocognitron": LearnerRow(
        of(neocognitron.learner, neocognitron.TINY, classes=2), _lit
    ),
    "neocognitron_taught": LearnerRow(
        of(neocognitron.learner, neocognitron.TINY, 1, taught=True), _lit
    ),
    "supervised": LearnerRow(_supervised, labelled),
    "truncated": LearnerRow(_truncated, _streams),
    "word2vec": _word2vec("negative"),
    "word2vec_hierarchical": _word2vec("hierarchical"),
    "word2vec_shared": _word2vec("shared"),
}
