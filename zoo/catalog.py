"""THE tables: every model and every kind of learner by its name.

A row is data. Tests, the command line and the README's tables are made from them; a
new model is one file and its rows here.
"""

import fnmatch
import numbers
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax

from zoo import convert
from zoo.card import Card, describe
from zoo.classical import mlp
from zoo.detection_table import DETECTION
from zoo.errors import unknown
from zoo.generative_table import GENERATIVE
from zoo.learner_table import LEARNERS
from zoo.row import Row, image
from zoo.segmentation_table import SEGMENTATION
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
    "lenet_300_100": Row(
        module=mlp.MLP,
        task="classification",
        inputs=image(28, 28, 1),
        paper=LECUN,
        parameters=266_610,
        convention="weights and biases, 784-300-100-10",
        fields={"widths": (300, 100)},
        tiny=mlp.TINY,
        reference="torch.nn.Sequential of Linear and ReLU",
        figures="MNIST test error 1.64 % (Han et al., ICLR 2016); of the paper 3.05 %",
        notes="The dense one of the papers on compression; its first had sigmoids.",
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
    **SEGMENTATION,
    **DETECTION,
}

# Public modules that are parts of models and no models: name -> whose part.
PARTS: dict[str, str] = {
    "zoo.search.controller.Controller": "what `reinforce` teaches",
    "zoo.search.layer_net.LayerNet": "what `layer_space` decides",
    "zoo.search.progressive.Predictor": "what `progressive` asks",
    "zoo.search.pyramid.PyramidNet": "what `pyramid_space` decides",
    "zoo.search.small_net.SmallNet": "what `darts` and `trainer` train",
    "zoo.detection.heads.BoxHead": "the second stage of FasterRCNN",
    "zoo.detection.heads.DenseHead": "the head of RetinaNet",
    "zoo.detection.heads.MaskHead": "the masks of FasterRCNN, then Mask R-CNN",
    "zoo.detection.heads.RPNHead": "the first stage of FasterRCNN",
    "zoo.detection.pyramid.Pyramid": "what detectors put behind a backbone",
    "zoo.segmentation.fcn.Context": "the context module of DilatedVGG",
    "zoo.segmentation.upward.Doubled": "the transposed convolution of UNet",
    "zoo.segmentation.upward.Enlarged": "the transposed convolution of FCN",
    "zoo.generative.transposed.Transposed": "the layer of DCGenerator and others",
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
    "zoo.vision.layers.FrozenBatchNorm": "the normalization of a frozen ResNet",
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
