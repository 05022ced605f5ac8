"""Image classifiers of the zoo against the same ones in PyTorch eager.

Training step and inference of five small ones: weights of the reference, every one
random, become ours. Before anything is timed, logits agree to 1e-4 of the largest, and
the losses before and after two steps in float64 to 1e-8. A step that is timed is
gradient descent in float32, batch normalization by the batch. PyTorch runs on all
cores, in the faster of its two memory layouts.

Two large ones: seconds to trace and to compile a training step, from nothing.

Memory: what XLA sets aside for a training step beside its arguments and results,
against the sum of the activations: the outputs of all convolutions, normalizations and
dense layers, as they would be kept for the backward pass.
"""

import copy
import functools
import time

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

import optim
import zoo
from benchmarks.results import Figure
from benchmarks.timing import interleaved, seconds
from zoo.catalog import MODELS
from zoo.convert import assign
from zoo.convert.files import flat

BATCH, PAIRS, RATE = 32, 7, 0.01
LAYERS = (nn.Conv, nn.Dense, nn.BatchNorm)
SIDES = (
    *("lenet5", "resnet20_cifar", "mobilenet_v2_cifar"),
    *("resnext29_32x4d_cifar", "densenet_bc40_12_cifar"),
)
COMPILED = ("resnet50", "densenet121")
NETWORKS = (*SIDES, *COMPILED)
NAMES = (
    *(f"classifier.{n}.{what}" for n in SIDES for what in ("step", "inference")),
    *(f"classifier.{n}.compile" for n in COMPILED),
    *(f"classifier.{n}.memory" for n in NETWORKS),
)


def measure(*names: str) -> list[Figure]:
    """The figures of each network, or of each that is named."""
    figures = []
    for name in names or NETWORKS:
        figures += compare(name) if name in SIDES else [compiling(name)]
        figures.append(memory(name))
    return figures


def batch(name: str, count: int = BATCH) -> dict[str, np.ndarray]:
    """Images and labels, by chance."""
    rng = np.random.default_rng(0)
    shape = MODELS[name].inputs(count).shape
    x = rng.normal(size=shape).astype(np.float32)
    y = rng.integers(0, 10, count).astype(np.int32)
    return {"x": x, "y": y, "index": np.arange(count, dtype=np.int32)}


def learner(name: str) -> zoo.Learner:
    return zoo.supervised(
        zoo.create(name), zoo.functional.cross_entropy, optim.sgd(RATE)
    )


def compare(name: str, count: int = BATCH, pairs: int = PAIRS) -> list[Figure]:
    """Step and inference of both sides."""
    from benchmarks import torch_classifiers as theirs  # late: a reference
    from tests.references import randomize

    make, rules = theirs.NETS[name]
    data = jax.tree.map(jnp.asarray, batch(name, count))
    net, model = make(), zoo.create(name)
    if name != "lenet5":
        randomize(net)
    tensors = {k: v.numpy() for k, v in net.state_dict().items()}
    shapes = jax.eval_shape(model.init, jax.random.key(0), data["x"])
    variables = assign(tensors, shapes, rules, source="PyTorch")

    infer = jax.jit(model.apply)
    step = jax.jit(learner(name).step, donate_argnums=0)
    state = jax.jit(learner(name).init)(jax.random.key(0), data)
    variables_of_state = dict(jax.tree.map(jnp.copy, variables))
    state = state._replace(
        params=variables_of_state.pop("params"), model_state=variables_of_state
    )
    kept = [state]

    def advance():
        kept[0], metrics = step(kept[0], data)
        return metrics["loss"]

    x, y = np.asarray(data["x"]), np.asarray(data["y"])
    sides = [
        (said, theirs.Side(copy.deepcopy(net), x, y, RATE, last))
        for last, said in ((False, "contiguous"), (True, "channels last"))
    ]
    ours, apart = np.asarray(infer(variables, data["x"])), 0.0
    for _, side in sides:
        logits = side.logits()
        apart = max(apart, np.abs(ours - logits).max() / np.abs(logits).max())
    assert apart <= 1e-4, f"{name}: logits differ by {apart:.1e}"
    _same_steps(name, net, variables, data)

    figures = []
    for what, mine, other in (
        ("step", advance, "step"),
        ("inference", functools.partial(infer, variables, data["x"]), "logits"),
    ):
        tried = []
        for said, side in sides:
            work = getattr(side, other)
            tried.append((min(theirs.seconds(work) for _ in range(3)), said, work))
        _, layout, rival = min(tried, key=lambda one: one[0])
        found = interleaved(
            functools.partial(seconds, mine),
            functools.partial(theirs.seconds, rival),
            pairs,
        )
        said = "training step" if what == "step" else what
        figures.append(
            Figure(
                name=f"classifier.{name}.{what}",
                what=f"{said} of {name}, {count} images; logits differ by {apart:.0e}",
                value=1e3 * found.ours,
                unit="ms",
                reference=f"PyTorch eager, {theirs.torch.get_num_threads()} threads, "
                f"{layout}",
                reference_value=1e3 * found.theirs,
                ratio=found.ratio,
                seed=0,
            )
        )
    return figures


def _same_steps(name, net, variables, data):
    """Asserts that two steps in float64 have the same losses."""
    from benchmarks import torch_classifiers as theirs

    wide = lambda tree: jax.tree.map(
        lambda a: np.asarray(a, np.float64 if a.dtype == np.float32 else None), tree
    )
    data = wide(data)
    side = theirs.Side(copy.deepcopy(net).double(), data["x"], data["y"], RATE, False)
    with jax.enable_x64(True):
        made = learner(name)
        rest = dict(wide(variables))
        state = made.init(jax.random.key(0), data)
        state = state._replace(params=rest.pop("params"), model_state=rest)
        step = jax.jit(made.step)
        for number in range(2):
            state, metrics = step(state, data)
            total, weight = jax.device_get(metrics["loss"])
            other = float(side.step())
            off = abs(total / weight - other) / abs(other)
            assert off <= 1e-8, f"{name}: losses of step {number} differ by {off:.1e}"


@functools.cache
def lowered(name: str):
    """A training step, not yet compiled, and seconds that tracing took."""
    made, data = learner(name), batch(name)
    state = jax.eval_shape(made.init, jax.random.key(0), data)
    began = time.perf_counter()
    step = jax.jit(made.step, donate_argnums=0).lower(state, data)
    return step, time.perf_counter() - began


@functools.cache
def compiled(name: str):
    """The same compiled, and seconds that compiling took."""
    step, _ = lowered(name)
    began = time.perf_counter()
    return step.compile(), time.perf_counter() - began


def compiling(name: str) -> Figure:
    """Seconds before a first step."""
    traced, took = lowered(name)[1], compiled(name)[1]
    return Figure(
        name=f"classifier.{name}.compile",
        what=f"compiling a training step of {name}, {BATCH} images of 224x224; "
        f"tracing took {traced:.1f} s more",
        value=took,
        unit="s",
        seed=0,
    )


def activations(name: str) -> int:
    """Bytes of the outputs of all layers, in training."""
    model, data = zoo.create(name), batch(name)
    variables = jax.eval_shape(model.init, jax.random.key(0), data["x"])
    keywords = {"index": data["index"], "train": True}

    def outputs(variables, x):
        _, found = model.apply(
            variables,
            x,
            mutable=["intermediates", "batch_stats"],
            capture_intermediates=lambda module, _: isinstance(module, LAYERS),
            rngs={"dropout": jax.random.key(0)},
            **({} if name == "lenet5" else keywords),
        )
        return found["intermediates"]

    found = flat(jax.eval_shape(outputs, variables, data["x"]))
    own = [v for path, v in found.items() if path.endswith("__call__")]
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(own))


def memory(name: str) -> Figure:
    """What a step needs beside its state and batch."""
    used, sum_of_all = compiled(name)[0].memory_analysis(), activations(name)
    return Figure(
        name=f"classifier.{name}.memory",
        what=f"memory of a training step of {name}, {BATCH} images, beside its state",
        value=used.temp_size_in_bytes / 2**20,
        unit="MiB",
        reference="the sum of the outputs of its layers",
        reference_value=sum_of_all / 2**20,
        ratio=sum_of_all / used.temp_size_in_bytes,
        seed=0,
    )
