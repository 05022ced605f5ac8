"""Deep Compression: a network forty times smaller on disk that knows nearly as much.

Run:    python -m experiments.compress
        python -m experiments.compress --models lenet_caffe
        python -m experiments.compress --data fashion_mnist --epochs 12 --retrain 8
        python -m experiments.compress --data mnist --data-dir mnist_5k.csv.gz

Expect: with seed 0 LeNet-300-100 is right on 0.854 of the 500 test images; with 8 % of
its weights on 0.844, with 15 values a layer on 0.844. Its file is 43.6 times smaller
than its float32s, 24,471 bytes, and what is read from it is the same network. Its last
layer bears least: alone, without retraining, it may lose half of its weights for 0.02.
With a fifth of its hidden units, 48,530 parameters, 0.846 after retraining; from random
weights 0.850, and with what the large one says 0.846. Forty seconds of a CPU core. On
the whole of Fashion-MNIST, with 7 % of the weights: 0.898, and 0.894 from a file 46.8
times smaller. The share of weights and the number of bits were chosen on seed 0. A test
holds a smaller run to it.

Three stages, each beginning from what the one before left, and then a file:

    float32    the network as it was trained
    pruned     the smallest weights of all layers go, by the cubic law, and the others
               are retrained
    shared     of each layer 2^bits - 1 values are left; these centroids are trained
    packed     Huffman-coded, in a file; what it holds decodes to the same tensors

Beside them: how each layer alone takes it to be pruned without retraining; whole
filters removed from the network, the arrays then being smaller, and retrained; and a
student of that small size that learns from labels, or from what the network says.

References:
    Han, Mao and Dally, "Deep Compression", ICLR 2016, https://arxiv.org/abs/1510.00149
    (39 and 40 times smaller without a loss, on the whole of MNIST)
"""

import dataclasses
import functools

import jax
import numpy as np

import optim
import zoo
from experiments._classifiers import positive
from experiments._compress import MODELS, Bench, dataset, written
from zoo.compress import deep, distill, packed, pruning, sharing, structured
from zoo.compress.reparameterise import reparameterised
from zoo.training import figures
from zoo.training.cli import run
from zoo.training.report import Report

SPARSITIES = (0.0, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98)
STAGES = ("float32", "pruned", "shared", "packed")
FILTERS = {  # of the network in a line, the share that goes, and what is left
    "lenet_300_100": ({"dense_0": 0.8, "dense_1": 0.8}, {"widths": (60, 20)}),
    "lenet_caffe": (
        {"conv_0": 0.5, "conv_1": 0.6, "dense_0": 0.8},
        {"maps": (10, 20), "widths": (100,)},
    ),
}


@dataclasses.dataclass(frozen=True)
class Config:
    """Flags.

    Attributes:
        models: of `lenet_300_100` and `lenet_caffe`.
        data: `fashion_mnist_small`, `fashion_mnist` or `mnist`.
        data_dir: where the data is; also MNIST's 5,000 as a csv.gz.
        epochs: of the network, and of each student.
        retrain: epochs while and after it is pruned; half of them prune.
        share: epochs of the centroids.
        sparsity: the share of all weights that goes.
        bits: of a code.
        rate: the learning rate of Adam at first; it falls by half a cosine.
        beside: also prune single layers and filters, and distil.
        seeds: runs of the three stages; what is beside them is of the first.
        run: the run folder.
    """

    models: tuple[str, ...] = MODELS[:1]
    data: str = "fashion_mnist_small"
    data_dir: str | None = None
    epochs: int = 20
    retrain: int = 20
    share: int = 5
    sparsity: float = 0.92
    bits: int = 4
    rate: float = 1e-3
    beside: bool = True
    seeds: int = 1
    run: str = "runs/compress"


def main(cfg: Config) -> dict[str, float]:
    """Compresses each network, writes its file and the report.

    Returns:
        By `MODEL/accuracy/STAGE/SEED` and `MODEL/bytes/STAGE/SEED`, and by
        `MODEL/ratio/SEED` how many times smaller the file is than its float32s; of what
        is beside, accuracies by `MODEL/filters`, `MODEL/student` and `MODEL/distilled`.

    Raises:
        ValueError: a flag out of range.
    """
    positive(cfg, "epochs", "retrain", "share", "rate", "seeds")
    for name in cfg.models:
        if name not in MODELS:
            raise zoo.errors.unknown("model", name, MODELS)
    pruning.cubic_sparsity(cfg.sparsity)
    sharing.shared(cfg.bits)
    bench = Bench(dataset(cfg.data, cfg.data_dir))
    report = Report("Compression", "prune, share, code", dataclasses.asdict(cfg))
    numbers = {}
    for name in cfg.models:
        report.heading(name)
        for seed in range(cfg.seeds):
            trained = _stages(cfg, bench, name, seed, numbers)
        _show(cfg, report, name, numbers)
        if cfg.beside:
            _beside(cfg, bench, report, name, trained, numbers)
    print(f"report: {report.write(written(cfg.run, 'report.html'))}")
    return numbers


def _adam(rate: float, steps: int):
    return optim.adam(optim.cosine_schedule(rate, steps))


def _stages(cfg, bench, name, seed, numbers):
    """Trains, prunes, shares and packs; the variables of the first."""
    model = zoo.create(name)
    say = functools.partial(print, f"{name}, seed {seed}:", flush=True)
    steps = bench.epoch * cfg.epochs
    state, first = bench.run(model, _adam(cfg.rate, steps), steps, seed)
    trained = zoo.eval_variables(state)
    steps = bench.epoch * cfg.retrain
    tx = pruning.pruned(
        _adam(cfg.rate, steps), cfg.sparsity, 0, steps // 2, max(1, steps // 40)
    )
    state, pruned = bench.run(model, tx, steps, seed, trained)
    left = 1 - cfg.sparsity
    say(f"accuracy {first:.3f}, with {left:.0%} of the weights {pruned:.3f}")
    net = reparameterised(model, sharing.shared(cfg.bits))
    steps = bench.epoch * cfg.share
    begun = deep.encoded(net, zoo.eval_variables(state))
    state, shared = bench.run(net, _adam(0.2 * cfg.rate, steps), steps, seed, begun)
    variables = jax.device_get(zoo.eval_variables(state))
    path = written(cfg.run, f"{name}-{seed}.zoo")
    size = packed.save(path, deep.tensors(variables))
    back = deep.variables(packed.load(path))
    jax.tree.map(np.testing.assert_array_equal, back, variables)
    sizes = deep.stages(variables, cfg.bits)
    assert sizes["packed"] == size == path.stat().st_size
    last = bench.accuracy(net, back)  # of what was read from the file
    for stage, accuracy in zip(STAGES, (first, pruned, shared, last), strict=True):
        numbers[f"{name}/accuracy/{stage}/{seed}"] = accuracy
        numbers[f"{name}/bytes/{stage}/{seed}"] = sizes[stage]
    ratio = numbers[f"{name}/ratio/{seed}"] = sizes["float32"] / size
    say(f"from its file {last:.3f}, {ratio:.1f} times smaller: {size:,} bytes")
    return trained


def _show(cfg, report, name, numbers):
    """The table and picture of the stages."""
    of = lambda what: np.array(
        [
            [numbers[f"{name}/{what}/{stage}/{seed}"] for seed in range(cfg.seeds)]
            for stage in STAGES
        ]
    )
    sizes, accuracies = of("bytes"), of("accuracy")
    rows = [
        (stage, f"{s.mean():,.0f}", f"{sizes[0].mean() / s.mean():.1f}",
         *(f"{value:.4f}" for value in a))
        for stage, s, a in zip(STAGES, sizes, accuracies, strict=True)
    ]  # fmt: skip
    seeds = (f"seed {seed}" for seed in range(cfg.seeds))
    title = f"{name}: bytes, how many times smaller, accuracy on the test set"
    report.show(("stage", "bytes", "times", *seeds), rows, title)
    figure = figures.curves({}, "thousand bytes", "test accuracy")
    (axes,) = figure.axes
    for seed in range(cfg.seeds):
        kilo = sizes[:, seed] / 1000
        colour = figures.COLOURS[seed % len(figures.COLOURS)]
        axes.plot(kilo, accuracies[:, seed], "o-", color=colour)
    for i, stage in enumerate(STAGES):
        up = 8 if i % 2 == 0 else -16  # the last two are near each other
        place = dict(textcoords="offset points", xytext=(0, up), ha="center")
        axes.annotate(stage, (sizes[i, 0] / 1000, accuracies[i, 0]), **place)
    axes.set_xscale("log")
    low, high = accuracies.min(), accuracies.max()
    axes.set_ylim(low - 0.02, high + 0.02)
    axes.margins(x=0.15)
    report.figure(figure, f"{name}: size and accuracy by stage.", f"{name}_stages")


def _beside(cfg, bench, report, name, trained, numbers):
    """One layer at a time, filters, and a student."""
    model = zoo.create(name)
    x = bench.tests.at(0)
    right = jax.jit(lambda p: model.apply({"params": p}, x["x"]).argmax(-1) == x["y"])
    share = lambda p: np.average(right(p), weights=x["weight"])
    found = pruning.sensitivity(share, trained["params"], SPARSITIES)
    lines = {path.removesuffix("/kernel"): (SPARSITIES, y) for path, y in found.items()}
    figure = figures.curves(lines, "share of the layer that is gone", "test accuracy")
    text = f"{name}: layers pruned alone, without retraining."
    report.figure(figure, text, f"{name}_layers")
    fractions, fields = FILTERS[name]
    masks = structured.filter_masks(trained["params"], fractions)
    order = [path.removesuffix("/kernel") for path in found]
    less = structured.shrunk(trained["params"], masks, order)
    masked = {"params": structured.without_filters(trained["params"], masks)}
    small = zoo.create(name, **fields)
    a, b = (m.apply(v, x["x"]) for m, v in ((model, masked), (small, {"params": less})))
    apart = float(np.abs(a - b).max() / np.abs(a).max())
    assert apart < 1e-4, f"the small network differs from the masked one by {apart:.0e}"
    before = bench.accuracy(small, {"params": less})
    steps = bench.epoch * cfg.epochs
    tx = _adam(cfg.rate, steps)
    _, filters = bench.run(small, tx, steps, 0, {"params": less})
    _, alone = bench.run(small, tx, steps)
    told = Bench(_told(bench, model, trained))
    _, distilled = told.run(small, tx, steps, loss=distill.distillation)
    values = {"filters": filters, "student": alone, "distilled": distilled}
    numbers.update({f"{name}/{key}": value for key, value in values.items()})
    count = sum(leaf.size for leaf in jax.tree.leaves(less))
    rows = [
        ("filters removed, as they are", f"{before:.4f}"),
        ("filters removed and retrained", f"{filters:.4f}"),
        ("learned from labels", f"{alone:.4f}"),
        ("learned from the network too", f"{distilled:.4f}"),
    ]
    text = (
        f"{name}, small: {count:,} parameters, as removed {apart:.0e} from the masked"
    )
    report.show(("small network", "accuracy"), rows, text)


def _told(bench, model, variables):
    """The data set, with what a network says of each example."""
    apply = jax.jit(model.apply)

    def part(split):
        x = bench.transform(split, None)["x"]
        logits = [apply(variables, x[i : i + 1000]) for i in range(0, len(x), 1000)]
        return {**split, "teacher": np.concatenate(logits)}

    return bench.data._replace(train=part(bench.data.train), test=part(bench.data.test))


if __name__ == "__main__":
    run(main, Config)
