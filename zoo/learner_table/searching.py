"""Learners that search for a net, and that learn to learn."""

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np

import optim
from zoo.classical import mlp
from zoo.functional.losses import cross_entropy
from zoo.learner import Batch, Learner
from zoo.learner_table.row import LearnerRow, labelled, of
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
    return LearnerRow(of(make, model, cross_entropy, optim.sgd(0.1), **options), _tasks)


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


SEARCHING: dict[str, LearnerRow] = {
    "darts": LearnerRow(
        of(
            darts,
            SmallNet(3, width=3, cells=1, blocks=1),
            optim.sgd(0.1),
            optim.sgd(0.1),
        ),
        _small_images,
    ),
    "maml": _meta(maml.learner, eval_steps=3),
    "maml_first_order": _meta(
        maml.learner, order=1, adapts=lambda path: path.startswith("head/")
    ),
    "reptile": _meta(reptile.learner, parts=3),
    "search_evolution": LearnerRow(
        of(search, regularized_evolution(cell_space(1), 20, 3), _worth), _numbered
    ),
    "search_progressive": LearnerRow(
        of(
            search,
            progressive(2, 128, operations=2, nets=2, fit_steps=2),
            _worth,
        ),
        _numbered,
    ),
    "search_reinforce": LearnerRow(
        of(search, reinforce(cell_space(1), hidden=4), _worth), _numbered
    ),
    "self_paced": LearnerRow(_paced, labelled),
}
