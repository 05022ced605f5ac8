"""From a saturated start cross-entropy learns faster than the quadratic loss.

Run:    python -m experiments.saturated_start
        python -m experiments.saturated_start --starts bias --bias 4

Expect: one neuron at w = b = 2 that should answer 0 begins at 0.98. After 300 steps at
a rate of 0.1 it is at 0.019 with cross-entropy, at 0.79 with the quadratic loss; at
every rate cross-entropy comes closer. The net's error over the steps, each loss at its
best rate, five seeds: 0.28 to 0.44 against 0.41 to 0.67 from large biases, 0.20 to 0.25
against 0.58 to 0.90 from large weights; cross-entropy has less on each seed. 40 seconds
of a CPU core. A test holds a smaller run to it.

The gradient of the quadratic loss of a sigmoid carries the sigmoid's slope, a (1 - a),
which is 0.018 where a = 0.98; that of the cross-entropy does not:

    (a - y) a (1 - a)    against    a - y.

On images a net of one hidden layer ends in ten sigmoids, one for each class. Its last
biases are all large (every answer begins as yes), or its last weights are (each
begins as yes or no by chance). Both losses get the same starts, batches, steps and
rates. The best rate of each is the one with the least error on the training images,
over seeds that are not among those shown.

References:
    Nielsen, "Neural Networks and Deep Learning", 2015, chapter 3,
    http://neuralnetworksanddeeplearning.com/chap3.html
"""

import dataclasses
import functools
from pathlib import Path

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

import optim
import zoo
from zoo.training import figures
from zoo.training.cli import run
from zoo.training.report import Report

STARTS = ("bias", "weights")
SHOWN, CHOOSING = (0, 1, 2, 3, 4), (100, 101)  # seeds


@dataclasses.dataclass(frozen=True)
class Config:
    """Flags.

    Attributes:
        starts: what is large in the net: bias, weights, or both, one after another.
        bias: of every output, in the start of that name.
        deviation: of the last layer's weights, in the other.
        width: hidden units.
        steps: of each run of the net, and of the neuron.
        batch_size: examples of a step.
        rates: learning rates of the grid, for net and neuron.
        least_rate: the first of them.
        largest_rate: the last.
        run: the run folder.
    """

    starts: tuple[str, ...] = STARTS
    bias: float = 6.0
    deviation: float = 4.0
    width: int = 30
    steps: int = 300
    batch_size: int = 64
    rates: int = 11
    least_rate: float = 1e-3
    largest_rate: float = 1e2
    run: str = "runs/saturated_start"


def quadratic(outputs, batch):
    """sum_k (sigmoid(z_k) - y_k)^2 / 2, y one-hot."""
    return zoo.functional.quadratic(jax.nn.sigmoid(outputs), _one_hot(outputs, batch))


def cross_entropy(outputs, batch):
    """The sum over k of binary cross-entropies, y one-hot."""
    return zoo.functional.binary_cross_entropy(outputs, _one_hot(outputs, batch))


LOSSES = {"cross-entropy": cross_entropy, "quadratic": quadratic}


class Net(nn.Module):
    """One hidden layer of sigmoids; logits of sigmoids that may begin saturated."""

    width: int
    bias: float
    deviation: float | None

    @nn.compact
    def __call__(self, x):  # [B, ...] -> [B, 10]
        h = nn.sigmoid(nn.Dense(self.width)(x.reshape(len(x), -1)))
        usual = nn.linear.default_kernel_init
        last = nn.initializers.normal(self.deviation) if self.deviation else usual
        bias = nn.initializers.constant(self.bias)
        return nn.Dense(10, kernel_init=last, bias_init=bias)(h)


def main(cfg: Config) -> dict[str, float]:
    """Trains both, prints the tables and writes the report.

    Returns:
        For the neuron, `neuron/LOSS/first` (its first output) and `/output` (its last,
        at the loss's best rate) and at how many rates cross-entropy came closer; for
        each start, `START/LOSS/rate`, and for each seed `START/LOSS/error/SEED`, over
        the steps, and `START/LOSS/test/SEED`, at the end on the test images.

    Raises:
        ValueError: a flag that is out of range, or names nothing.
    """
    for start in cfg.starts:
        if start not in STARTS:
            raise ValueError(f"starts must be of {', '.join(STARTS)}, got {start!r}")
    for name in ("width", "steps", "batch_size", "rates"):
        if getattr(cfg, name) < 1:
            raise ValueError(f"{name} must be at least 1, got {getattr(cfg, name)}")
    if not cfg.starts:
        raise ValueError(f"starts must name one of {', '.join(STARTS)} or more")
    if not cfg.deviation > 0:
        raise ValueError(f"deviation must be positive, got {cfg.deviation}")
    if not 0 < cfg.least_rate <= cfg.largest_rate:
        raise ValueError(
            f"rates must go from a positive one to one as large or larger, got "
            f"{cfg.least_rate} to {cfg.largest_rate}"
        )
    report = Report("A saturated start", "cross-entropy against the quadratic loss")
    numbers = _neuron(cfg, report)
    for start in cfg.starts:
        numbers |= _net(cfg, start, report)
    print(f"report: {report.write(Path(cfg.run, 'report.html'))}")
    return numbers


def _rates(cfg):
    return np.geomspace(cfg.least_rate, cfg.largest_rate, cfg.rates)


def _neuron(cfg, report) -> dict[str, float]:
    """sigmoid(w x + b), from w = b = 2, x = 1, which should become 0."""
    target = {"y": jnp.zeros(1)}
    losses = {
        "cross-entropy": lambda z: zoo.functional.binary_cross_entropy(z, target)[0],
        "quadratic": lambda z: zoo.functional.quadratic(jax.nn.sigmoid(z), target)[0],
    }

    @functools.partial(jax.jit, static_argnums=0)
    @functools.partial(jax.vmap, in_axes=(None, 0))
    def outputs(name, rate):  # [steps + 1] for each rate
        tx = optim.sgd(rate)
        loss = lambda p: losses[name]((p[0] + p[1])[None])

        def update(carry, _):
            taken = optim.descend(tx, loss, *carry)
            return (taken.x, taken.state), jax.nn.sigmoid(carry[0].sum())

        start = jnp.full(2, 2.0)
        last, path = jax.lax.scan(update, (start, tx.init(start)), length=cfg.steps)
        return jnp.append(path, jax.nn.sigmoid(last[0].sum()))

    rates, numbers, rows, paths = _rates(cfg), {}, [], {}
    for name in LOSSES:
        paths[name] = np.asarray(outputs(name, jnp.float32(rates)))
        numbers[f"neuron/{name}/first"] = float(paths[name][0, 0])
        numbers[f"neuron/{name}/output"] = float(paths[name][:, -1].min())
    for i, rate in enumerate(rates):
        row = [f"{rate:.3g}"]
        for path in paths.values():
            below = np.flatnonzero(path[i] < 0.1)
            row += [f"{path[i, -1]:.2e}", str(below[0]) if len(below) else "never"]
        rows.append(row)
    ends = [path[:, -1] for path in paths.values()]
    numbers["neuron/rates won"] = int((ends[0] < ends[1]).sum())
    heads = [h for name in LOSSES for h in (f"{name}: output", "steps until 0.1")]
    title = f"One neuron, {cfg.steps} steps, from 0.98 to 0"
    report.show(("rate", *heads), rows, title)
    i = int(np.abs(np.log(rates / 0.15)).argmin())
    steps = np.arange(cfg.steps + 1)
    curves = {name: (steps, path[i]) for name, path in paths.items()}
    figure = figures.curves(curves, "step", "output, which should be 0")
    report.figure(figure, f"One neuron at rate {rates[i]:.3g}.", "neuron")
    return numbers


def _net(cfg, start, report) -> dict[str, float]:
    data = zoo.data.load("fashion_mnist_small")
    transform = zoo.data.standardize(data.train)
    stream = zoo.data.batches(data.train, cfg.batch_size, transform=transform)
    test = zoo.data.once(data.test, 500, transform=transform)
    saturated = dict(bias=cfg.bias, deviation=None)
    if start == "weights":
        saturated = dict(bias=0.0, deviation=cfg.deviation)

    rates, seeds = _rates(cfg), (*CHOOSING, *SHOWN)
    chosen = len(CHOOSING)

    def sweep(name):  # windows, errors [rates, seeds, windows], tests [rates, seeds]
        def build(axis_name=None, rate=0.1):
            return zoo.supervised(
                Net(cfg.width, **saturated), LOSSES[name], optim.sgd(rate),
                metrics={"accuracy": zoo.metrics.accuracy}, axis_name=axis_name,
            )  # fmt: skip

        done = zoo.training.sweep(
            build, stream, cfg.steps, grid={"rate": rates.tolist()}, seeds=seeds,
            evaluation=test, log_every=max(1, cfg.steps // 30),
            devices=jax.devices()[:1],
        )  # fmt: skip
        right, at_end = done.history["accuracy"], done.final["accuracy"]
        shape = len(rates), len(seeds)
        return done.steps, 1 - right.reshape(*shape, -1), 1 - at_end.reshape(shape)

    numbers, rows, grid, paths = {}, [], {}, {}
    for name in LOSSES:
        steps, errors, tests = sweep(name)
        choosing = errors[:, :chosen].mean(2)  # [rates, seeds]
        grid[name] = choosing.mean(1), choosing.min(1), choosing.max(1)
        best = int(np.nanargmin(choosing.mean(1)))
        shown, at_end = errors[best, chosen:], tests[best, chosen:]
        paths[name] = steps, *(f(shown, 0) for f in (np.mean, np.min, np.max))
        numbers[f"{start}/{name}/rate"] = float(rates[best])
        each = shown.mean(1)
        for i, seed in enumerate(SHOWN):
            numbers[f"{start}/{name}/error/{seed}"] = float(each[i])
            numbers[f"{start}/{name}/test/{seed}"] = float(at_end[i])
        rows.append([name, f"{rates[best]:.3g}", *(f"{e:.3f}" for e in each)])
        rows[-1].append(f"{at_end.mean():.3f}")
    title = f"Ten sigmoids, large {start}: error in the mean over {cfg.steps} steps"
    heads = ("loss", "best rate", *(f"seed {seed}" for seed in SHOWN), "test, at end")
    report.show(heads, rows, title)
    report.show(
        ("rate", *LOSSES),
        [
            (f"{rate:.3g}", *(f"{grid[name][0][i]:.3f}" for name in LOSSES))
            for i, rate in enumerate(rates)
        ],
        f"Large {start}: that error at each rate, two other seeds",
    )
    figure = figures.sensitivity(rates, grid, f"error, mean over {cfg.steps} steps")
    caption = f"Large {start}: each loss at every rate; the band spans two seeds."
    report.figure(figure, caption, f"{start}_rates")
    figure = figures.curves(paths, "step", "error on the next batch")
    caption = f"Large {start}: each loss at its best rate; the band spans five seeds."
    report.figure(figure, caption, f"{start}_paths")
    return numbers


def _one_hot(outputs, batch):
    return {**batch, "y": jax.nn.one_hot(batch["y"], outputs.shape[-1])}


if __name__ == "__main__":
    run(main, Config)
