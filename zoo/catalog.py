"""THE tables: every model and every kind of learner by its name.

A row is data. Tests, the command line and the README's tables are made from them; a
new model is one file and its rows here.
"""

import fnmatch
import functools
import numbers
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import numpy as np
import optax

import optim
from zoo import convert
from zoo.card import Card, describe
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
from zoo.errors import unknown
from zoo.functional.losses import cross_entropy
from zoo.generative import (
    autoencoder,
    contractive,
    dbn,
    denoising,
    objective,
    predictive_sparse,
    rbm,
    recirculation,
    sparse_autoencoder,
    sparse_coding,
    stacked,
    vae,
)
from zoo.generative_table import GENERATIVE
from zoo.learner import Batch, Learner, supervised
from zoo.metrics.classification import accuracy
from zoo.row import Row, image
from zoo.sequence import language, truncated, word2vec
from zoo.sequence_table import SEQUENCE
from zoo.vision import lenet, lenet5_1998
from zoo.vision_table import VISION

LECUN = "LeCun et al., Proceedings of the IEEE 1998, https://doi.org/10.1109/5.726791"
RUMELHART = "Rumelhart et al., Nature 1986, https://doi.org/10.1038/323533a0"
COX = "Cox, Journal of the Royal Statistical Society B 1958"
TUTORIALS = "Theano deep learning tutorials"


MODELS: dict[str, Row] = {
    "linear_softmax": Row(
        module=mlp.MLP,
        task="classification",
        inputs=image(28, 28, 1),
        paper=COX,
        parameters=7_850,
        convention="weights and biases, 28x28x1 to 10",
        fields={"widths": ()},
        figures=f"MNIST test error 7.489 % ({TUTORIALS}, logreg)",
        reference="torch.nn.Linear",
        notes="Softmax regression: convex, so every optimizer should find the same.",
    ),
    "mlp": Row(
        module=mlp.MLP,
        task="classification",
        inputs=image(28, 28, 1),
        paper=RUMELHART,
        parameters=101_770,
        convention="weights and biases, 784-128-10",
        fields={"widths": (128,)},
        tiny=mlp.TINY,
        reference="torch.nn.Sequential of Linear and ReLU",
    ),
    "mlp_500": Row(
        module=mlp.MLP,
        task="classification",
        inputs=image(28, 28, 1),
        paper=RUMELHART,
        parameters=397_510,
        convention="weights and biases, 784-500-10",
        fields={"widths": (500,), "activation": "tanh"},
        tiny=mlp.TINY,
        figures=f"MNIST test error 1.65 % ({TUTORIALS}, mlp)",
        reference="torch.nn.Sequential of Linear and Tanh",
    ),
    "lenet5_1998": Row(
        module=lenet5_1998.LeNet51998,
        task="classification",
        inputs=image(28, 28, 1),
        paper=LECUN,
        parameters=60_000,
        convention="learned ones, as printed; the targets of the last layer are fixed",
        tiny=lenet5_1998.TINY,
        published={"dense": False},
        figures="MNIST test error 0.95 %, with distortions 0.8 % (the paper)",
        notes="Outputs are minus distances; `map_criterion` is the paper's loss.",
    ),
    "lenet5": Row(
        module=lenet.LeNet,
        task="classification",
        inputs=image(28, 28, 1),
        paper=LECUN,
        parameters=61_706,
        convention="weights and biases, 6-16-120-84-10, dense connections",
        tiny=lenet.TINY,
        published={"fast": False},
        reference="torch.nn.Sequential",
        notes="The form that is taught: ReLU and max pooling; both are fields.",
    ),
    "lenet_caffe": Row(
        module=lenet.LeNet,
        task="classification",
        inputs=image(28, 28, 1),
        paper=LECUN,
        parameters=431_080,
        convention="weights and biases, 20-50-500-10",
        fields={
            **{"maps": (20, 50), "widths": (500,)},
            **{"padding": "VALID", "activate_maps": False},
        },
        tiny=lenet.TINY,
        published={"fast": False},
        figures=f"MNIST test error 0.92 % ({TUTORIALS}, lenet)",
        reference="Caffe's lenet.prototxt",
        notes="As in Caffe, only the dense layer has a ReLU; the tutorials use tanh.",
    ),
    **VISION,
    **SEQUENCE,
    **GENERATIVE,
}


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
        create("mlp", **mlp.TINY, num_classes=3, axis_name=axis_name),
        cross_entropy,
        optim.sgd(0.1),
        metrics={"accuracy": accuracy},
        axis_name=axis_name,
    )


def _labelled(step: int) -> Batch:
    rng = np.random.default_rng([0, step])
    x = rng.normal(size=(16, 6, 5, 1)).astype(np.float32)
    y = rng.integers(0, 3, 16).astype(np.int32)
    return {"x": x, "y": y, "index": np.arange(16, dtype=np.int32)}


def _of(make: Callable[..., Learner], *args, **fields) -> Callable[..., Learner]:
    """A builder: of the parallel axis and nothing else."""
    return lambda axis_name=None: make(*args, **fields, axis_name=axis_name)


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
    model = create("char_lstm", **{**language.TINY, "layers": 1})
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


FALLS = optax.exponential_decay(1.0, 16, 0.5)  # the maps' neighbourhood, by step

LEARNERS: dict[str, LearnerRow] = {
    "autoencoder": _coded(objective.reconstruction()),
    "autoencoder_contractive": _coded(contractive.contractive(0.1, "hutchinson")),
    "autoencoder_denoising": _coded(denoising.denoising(denoising.masking(0.5))),
    "autoencoder_sparse": _coded(),
    "autoencoder_stacked": _coded(objective.reconstruction("bernoulli"), 1),
    "boosting": LearnerRow(
        _of(boosting.learner, "logistic", rounds=9, max_depth=2, subsample=0.8),
        lambda step: _clouds(2, 0.5)(0),
    ),
    "boosting_newton": LearnerRow(
        _of(boosting.learner, "softmax", 3, rounds=9, max_depth=2, form="newton"),
        lambda step: _clouds(3, 0.5)(0),
    ),
    "dbn": LearnerRow(_of(dbn.level, (4, 3), 1, optim.sgd(0.1), chains=16), _pixels),
    "incremental_pca": LearnerRow(_of(incremental_pca.learner, 2), _clouds(2, 4.0)),
    "irls_binary": LearnerRow(_of(irls.learner, 2), _clouds(2, 0.0)),
    "irls_softmax": LearnerRow(_of(irls.learner, 3), _clouds(3, 0.0)),
    "kmeans": LearnerRow(_of(kmeans.learner, 3), lambda step: _clouds(3, 4.0)(0)),
    "kmeans_minibatch": LearnerRow(_of(kmeans.minibatch, 3), _clouds(3, 4.0)),
    "lda": LearnerRow(_of(lda.learner, 3, 6, 4), _tokens),
    "lda_parallel": LearnerRow(_of(lda_parallel.learner, 3, 6), _documents),
    "lda_variational": LearnerRow(_of(lda_variational.learner, 3), _counts),
    "mixture": LearnerRow(_of(mixture.learner, 2, floor=0.1), _clouds(2, 4.0)),
    "pegasos": LearnerRow(_of(pegasos.learner, 0.1), _clouds(2, 2.0)),
    "perceptron": LearnerRow(perceptron.learner, _clouds(2, 0.0)),
    "sne": _embedding("sne", "exact"),
    "sne_symmetric": _embedding("symmetric", "exact"),
    "predictive_sparse": LearnerRow(
        _of(predictive_sparse.learner, 5, 0.1, optim.sgd(0.1)), _pixels
    ),
    "rbm": LearnerRow(_of(rbm.learner, 3, optim.sgd(0.1), k=2), _pixels),
    "rbm_persistent": LearnerRow(
        _of(rbm.learner, 3, optim.sgd(0.1), k=2, chains=16), _pixels
    ),
    "recirculation": LearnerRow(_of(recirculation.learner, 3, decay=0.01), _pixels),
    "som": LearnerRow(_of(som.learner, 3, 4, 0.3, FALLS, "online"), _clouds(3, 4.0)),
    "som_batch": LearnerRow(
        _of(som.learner, 3, 4, 0.3, FALLS, "batch"), _clouds(3, 4.0)
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

# Public modules that are parts of models and no models: name -> whose part.
PARTS: dict[str, str] = {
    "zoo.sequence.stack.Attention": "attention of a Layer",
    "zoo.sequence.stack.Layer": "layer of a Stack",
    "zoo.sequence.stack.Stack": "encoder and decoder of Transformer, body of GPT",
    "zoo.vision.deformable.DeformableConv": "the convolution of DeformableNet",
    "zoo.vision.densenet.DenseLayer": "the layer of DenseNet",
    "zoo.vision.diracnet.DiracConv": "the layer of DiracNet",
    "zoo.vision.dpn.DualPath": "the block of DPN",
    "zoo.vision.googlenet.Inception": "the module of GoogLeNet",
    "zoo.vision.shufflenet_v1.ShuffleUnitV1": "the unit of ShuffleNetV1",
    "zoo.vision.shufflenet_v2.ShuffleUnitV2": "the unit of ShuffleNetV2",
    "zoo.vision.spatial_transformer.SpatialTransformer": "the module of STN",
    "zoo.vision.squeezenet.Fire": "the module of SqueezeNet",
    "zoo.vision.inverted.InvertedNet": "what MobileNet and its kin have alike",
    "zoo.vision.inverted.InvertedResidual": "the block of MobileNetV2 and its kin",
    "zoo.vision.nasnet.Cell": "the cell of NASNet and PNASNet",
    "zoo.vision.resnet.Basic": "the block of ResNet-18 and of the CIFAR family",
    "zoo.vision.resnet.Bottleneck": "the block of ResNet-50 and deeper",
    "zoo.vision.lenet5_1998.SparseConv": "C3 of LeNet51998",
    "zoo.vision.lenet5_1998.Subsampling": "S2 and S4 of LeNet51998",
}


def create(name: str, *, weights: str | Path | None = None, **overrides) -> Any:
    """A model of the table, and its variables if a file of weights is named.

    Args:
        name: a name of `list_models()`.
        weights: a safetensors, npz or PyTorch file: one that `zoo.convert.save` wrote,
            or the reference's own, by its own names.
        **overrides: fields of its class. `axis_name`, which a builder gives to every
            model, is left out for those that have no use for it.

    Returns:
        The model; with `weights`, the model and its variables.

    Raises:
        ValueError: an unknown name or field; a value of another type than the field's
            default; a num_classes below 1; a file that cannot be read or carries code;
            weights that are missing, have no place or another shape, all by name.
    """
    row = _row(name)
    known = _fields(row.module)
    if "axis_name" not in known:
        overrides.pop("axis_name", None)
    for override in overrides:
        if override not in known:
            raise unknown(f"field of {name}", override, known)
    for field, value in overrides.items():
        default = row.fields.get(field, row.module.__dataclass_fields__[field].default)
        if not _alike(value, default):
            raise ValueError(f"{field} must be like {default!r}, got {value!r}")
    if overrides.get("num_classes", 1) < 1:
        raise ValueError(
            f"num_classes must be an integer >= 1, got {overrides['num_classes']}"
        )
    model = row.module(**{**row.fields, **overrides})
    if weights is None:
        return model
    tensors = convert.read(weights)
    shapes = jax.eval_shape(model.init, jax.random.key(0), row.inputs(1))
    return model, convert.assign(tensors, shapes, row.rules, str(weights))


def list_models(pattern: str = "*", task: str | None = None) -> list[str]:
    """Names of the table, sorted.

    Args:
        pattern: with `*` and `?` as in file names.
        task: only models of this task.

    Raises:
        ValueError: a task that no model has.

    >>> list_models("lenet5*")
    ['lenet5', 'lenet5_1998']
    """
    tasks = {row.task for row in MODELS.values()}
    if task is not None and task not in tasks:
        raise unknown("task", task, tasks)
    names = fnmatch.filter(MODELS, pattern)
    return sorted(name for name in names if task in (None, MODELS[name].task))


def list_learners(pattern: str = "*") -> list[str]:
    """Names of the kinds of learners, sorted.

    Args:
        pattern: with `*` and `?` as in file names.
    """
    return sorted(fnmatch.filter(LEARNERS, pattern))


def card(name: str, **overrides) -> Card:
    """What is known of a model, and what is counted on it.

    Args:
        name: a name of `list_models()`.
        **overrides: as for `create`.

    Raises:
        ValueError: an unknown name or field.
    """
    row = _row(name)
    return describe(
        name,
        create(name, **overrides),
        create(name, **{**overrides, **row.published}),
        row.inputs(1),
        task=row.task,
        paper=row.paper,
        published_parameters=None if overrides else row.parameters,
        convention=row.convention,
        figures=row.figures,
        reference=row.reference,
        notes=row.notes,
    )


def _row(name: str) -> Row:
    if name not in MODELS:
        raise unknown("model", name, MODELS)
    return MODELS[name]


def _alike(value: Any, default: Any) -> bool:
    """Whether a value may stand for a default; None as a default says nothing."""
    if isinstance(default, tuple):
        items = isinstance(value, tuple | list)
        if not items or not default:
            return items
        return all(any(_alike(v, d) for d in default) for v in value)
    if isinstance(default, bool | str):
        return isinstance(value, type(default))
    kinds = {int: numbers.Integral, float: numbers.Real}
    kind = kinds.get(type(default), object)
    return isinstance(value, kind) and (kind is object or not isinstance(value, bool))


def _fields(module: type[nn.Module]) -> list[str]:
    return [f for f in module.__dataclass_fields__ if f not in ("parent", "name")]
