"""Weights of five bits know as much as floats, if they learn to; of one bit, less.

Run:    python -m experiments.quantize
        python -m experiments.quantize --models lenet_caffe
        python -m experiments.quantize --data fashion_mnist --epochs 12 --tune 3

Expect: with seed 0 LeNet-300-100 is right on 0.854 of the 500 test images. In int8,
weights and inputs, 0.854 to 0.856 by the calibration, in about half of the time. With 5
bits 0.848 to 0.854, with 3 bits 0.832 if nothing learns, 0.852 aware and shared, 0.776
powers of two; with 2 bits 0.640, 0.846, 0.824, and 0.100: of INQ's powers one is left
then, which is near to few weights. With one bit in the middle layer, from random
weights and with tanh, 0.866 and as XNOR 0.864. Eighty seconds of a CPU core. A test
holds a smaller run to it.

The same trained network, with weights of fewer and fewer bits:

    after training    each output channel on a grid of its own, nothing is retrained
    aware             the same grid while it learns, with straight-through gradients
    shared            2^bits - 1 values of each layer, by k-means, then trained
    powers of two     INQ: 50, 75, 87.5 and 100 % of the weights, the others retrained

All that learn have the same number of steps. With one bit, from random weights, in all
layers but the first and the last: `binary`, signs times a scale, and `xnor`, where what
such a layer is given is signs too (so LeNet-300-100 has tanh there). And int8: weights
and what layers are given, by three calibrations, computed in integers and timed. What
the first layer is given are pixels, and is never cut off: half of them are background,
of one brightness, at which entropy would end the range, for four points of accuracy on
the whole of Fashion-MNIST.

References: of the modules of `zoo.compress`.
"""

import dataclasses
import time

import jax
import numpy as np

import optim
import zoo
from experiments._classifiers import positive
from experiments._compress import MODELS, Bench, dataset, written
from zoo.compress import (
    binary,
    calibrate,
    deep,
    incremental,
    integer,
    quantize,
    sharing,
)
from zoo.compress.reparameterise import layers, only, reparameterised
from zoo.training import figures
from zoo.training.cli import run
from zoo.training.report import Report

METHODS = ("after training", "aware", "shared", "powers of two")
SEEN = 500  # images to calibrate on
FIRST = {"lenet_300_100": "dense_0", "lenet_caffe": "conv_0"}  # is given the pixels
SIGNED = {"lenet_300_100": {"activation": "tanh"}, "lenet_caffe": {}}


@dataclasses.dataclass(frozen=True)
class Config:
    """Flags.

    Attributes:
        models: of `lenet_300_100` and `lenet_caffe`.
        data: `fashion_mnist_small`, `fashion_mnist` or `mnist`.
        data_dir: where the data is; also MNIST's 5,000 as a csv.gz.
        bits: of a weight, from 2 to 8, in order.
        epochs: of the network.
        tune: epochs of each of INQ's three retrainings; three times as many of what
            else learns.
        rate: the learning rate of Adam at first; a fifth of it from trained weights.
        ones: also learn with weights of one bit.
        seed: of weights and batches.
        run: the run folder.
    """

    models: tuple[str, ...] = MODELS[:1]
    data: str = "fashion_mnist_small"
    data_dir: str | None = None
    bits: tuple[int, ...] = (2, 3, 5)
    epochs: int = 20
    tune: int = 2
    rate: float = 1e-3
    ones: bool = True
    seed: int = 0
    run: str = "runs/quantize"


def main(cfg: Config) -> dict[str, float]:
    """Quantizes each network in each way, and writes the report.

    Returns:
        Accuracies by `MODEL/float`, `MODEL/METHOD/BITS`, `MODEL/int8/CALIBRATION`,
        `MODEL/binary` and `MODEL/xnor`, and by `MODEL/ms/float` and `MODEL/ms/int8` the
        milliseconds of a batch of the test set.

    Raises:
        ValueError: a flag out of range.
    """
    positive(cfg, "bits", "epochs", "tune", "rate")
    for name in cfg.models:
        if name not in MODELS:
            raise zoo.errors.unknown("model", name, MODELS)
    if min(cfg.bits) < 2 or max(cfg.bits) > 8 or sorted(cfg.bits) != list(cfg.bits):
        raise ValueError(f"bits must be from 2 to 8, in order, got {cfg.bits}")
    bench = Bench(dataset(cfg.data, cfg.data_dir))
    report = Report("Quantization", "fewer bits", dataclasses.asdict(cfg))
    numbers = {}
    for name in cfg.models:
        report.heading(name)
        model, steps = zoo.create(name), bench.epoch * cfg.epochs
        state, first = bench.run(model, _adam(cfg.rate, steps), steps, cfg.seed)
        trained = jax.device_get(zoo.eval_variables(state))
        found = {"float": first}
        print(f"{name}: float {first:.3f}", flush=True)
        _eight(bench, name, model, trained, found)
        for bits in cfg.bits:
            _at(cfg, bench, model, trained, bits, found)
            row = " ".join(f"{m} {found[f'{m}/{bits}']:.3f}," for m in METHODS)
            print(f"{name}, {bits} bits: {row[:-1]}", flush=True)
        if cfg.ones:
            _ones(cfg, bench, name, found)
        _show(cfg, report, name, found)
        numbers.update({f"{name}/{key}": value for key, value in found.items()})
    print(f"report: {report.write(written(cfg.run, 'report.html'))}")
    return numbers


def _adam(rate: float, steps: int):
    return optim.adam(optim.cosine_schedule(rate, steps))


def _eight(bench, name, model, trained, found):
    """Weights and inputs of 8 bits, in integers; and how long both take."""
    images, first = bench.images(SEEN), FIRST[name]
    pixels = float(images.min()), float(images.max())
    for method in calibrate.METHODS:
        ranges = calibrate.input_ranges(model, trained, images, method)
        assert first in ranges, f"{first} is not of {sorted(ranges)}"
        ranges[first] = pixels
        net = reparameterised(model, integer.post_training(8, ranges))
        given = deep.encoded(net, trained)
        found[f"int8/{method}"] = bench.accuracy(net, given)
    x = jax.device_put(bench.tests.at(0)["x"])
    for kind, (which, variables) in {
        "float": (model, trained), "int8": (net, given),
    }.items():  # fmt: skip
        apply, variables = jax.jit(which.apply), jax.device_put(variables)
        seconds = []
        for _ in range(6):
            began = time.perf_counter()
            jax.block_until_ready(apply(variables, x))
            seconds.append(time.perf_counter() - began)
        found[f"ms/{kind}"] = 1e3 * min(seconds[1:])
    row = ", ".join(f"{m} {found[f'int8/{m}']:.3f}" for m in calibrate.METHODS)
    times = f"{found['ms/int8']:.1f} ms, floats {found['ms/float']:.1f}"
    print(f"{name}, int8: {row}; {times}", flush=True)


def _at(cfg, bench, model, trained, bits, found):
    """All methods with weights of some bits."""
    each = bench.epoch * cfg.tune

    def learned(net, variables, steps):
        tx = _adam(cfg.rate / 5, steps)
        state, accuracy = bench.run(net, tx, steps, cfg.seed, variables)
        return jax.device_get(zoo.eval_variables(state)), accuracy

    net = reparameterised(model, integer.post_training(bits))
    found[f"after training/{bits}"] = bench.accuracy(net, deep.encoded(net, trained))
    for method, rule in {
        "aware": quantize.quantization_aware(bits),
        "shared": sharing.shared(bits),
    }.items():
        net = reparameterised(model, rule)
        _, found[f"{method}/{bits}"] = learned(
            net, deep.encoded(net, trained), 3 * each
        )
    net = reparameterised(model, incremental.incremental(bits))
    variables = deep.encoded(net, trained)
    for portion in incremental.PORTIONS[:-1]:
        variables, _ = learned(net, incremental.advance(variables, portion, bits), each)
    variables = incremental.advance(variables, incremental.PORTIONS[-1], bits)
    found[f"powers of two/{bits}"] = bench.accuracy(net, variables)


def _ones(cfg, bench, name, found):
    """Weights of one bit between the first layer and the last."""
    model, steps = zoo.create(name, **SIGNED[name]), bench.epoch * cfg.epochs
    x = bench.images(2)
    shapes = jax.eval_shape(lambda: model.init(jax.random.key(0), x))
    names = [*jax.eval_shape(lambda v: layers(model, v, x), shapes)][1:-1]
    between = only(*(f"{layer}/kernel" for layer in names))
    for kind, inputs in {"binary": "float", "xnor": "xnor"}.items():
        net = reparameterised(model, binary.binary("scaled", inputs, between))
        tx = _adam(cfg.rate, steps)
        _, found[kind] = bench.run(net, tx, steps, cfg.seed)
        lost = found["float"] - found[kind]
        print(f"{name}, {kind}: {found[kind]:.3f}, {lost:.3f} lost", flush=True)


def _show(cfg, report, name, found):
    """The tables and the picture of a network."""
    rows = [
        (bits, *(f"{found[f'{method}/{bits}']:.4f}" for method in METHODS))
        for bits in cfg.bits
    ]
    title = f"{name}: accuracy on the test set; of floats {found['float']:.4f}"
    report.show(("bits of a weight", *METHODS), rows, title)
    rows = [(m, f"{found[f'int8/{m}']:.4f}") for m in calibrate.METHODS]
    rows += [(m, f"{found[m]:.4f}") for m in ("binary", "xnor") if m in found]
    rows += [(f"{k}, ms a batch", f"{found[f'ms/{k}']:.2f}") for k in ("int8", "float")]
    report.show(("calibration, or one bit", "accuracy"), rows, f"{name}: int8, one bit")
    lines = {
        method: (cfg.bits, [found[f"{method}/{bits}"] for bits in cfg.bits])
        for method in METHODS
    }
    lines["float"] = (cfg.bits, [found["float"]] * len(cfg.bits))
    figure = figures.curves(lines, "bits of a weight", "test accuracy")
    (axes,) = figure.axes
    axes.set_xticks(cfg.bits)
    for kind, mark in {"binary": "v", "xnor": "x"}.items():
        if kind in found:
            axes.plot(1, found[kind], mark, color=figures.INK, label=kind)
            axes.set_xticks((1, *cfg.bits))
    axes.legend(fontsize=9, frameon=False)
    values = np.array([found[f"{m}/{b}"] for m in METHODS[1:] for b in cfg.bits])
    axes.set_ylim(max(0, values.min() - 0.1), min(1, found["float"] + 0.05))
    text = f"{name}: accuracy by bits; one bit is in the layers between first and last."
    report.figure(figure, text, f"{name}_bits")


if __name__ == "__main__":
    run(main, Config)
