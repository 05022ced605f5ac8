"""Which layer to adapt depends on what changed: images, the first; names, the last.

Run:    python -m experiments.self_paced
        python -m experiments.self_paced --changes dimmed renamed --shots 2

Expect: with each of the seeds 0 to 4 digits that are mirrored are learned better by the
first layer alone (mean 0.80) than by the last (0.71) or by all (0.77), and digits that
are renamed better by the last (0.87) than by the first (0.77); all give 0.86. Dimmed
ones leave little to choose: 0.87 to 0.90. The relative gradient does not know the kind
of change: it is right about names, but takes the last layer for mirrored images too.
The self-paced start there, and so end at 0.73, after names at 0.87, after dimming at
0.89. Trying the three layers on other images finds the right one: 0.80, 0.87 and 0.89.
Fifteen seconds of a CPU core. A test holds a smaller run to it.

A net of three layers knows ten classes of images. Then something changes, and a few
images of each class show it:

    dimmed     the pixels are a third as large and have another zero
    mirrored   left is right
    renamed    class k is now called k + 1

Fine-tuning descends on these few, with all layers, one of them, or

    largest      the one layer whose gradient at the start is the largest relative to
                 its parameters
    tried        the one layer that, after all three were tried, is best on other images
    self-paced   the largest first, and whenever the loss stalls the next one too
                 (`zoo.meta.pace`)

each at the rate of `--rates` that is best on as many other images; told is the accuracy
on the changed test set.

References:
    Lee, Chen, Tajwar, Kumar, Yao, Liang and Finn, "Surgical fine-tuning improves
    adaptation to distribution shifts", ICLR 2023, https://arxiv.org/abs/2210.11466
"""

import dataclasses
import functools
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

import optim
import zoo
import zoo.functional as F
from experiments._classifiers import images, positive, small_images
from zoo.classical.mlp import MLP
from zoo.errors import unknown
from zoo.meta import pace
from zoo.meta.inner import descend, inner
from zoo.training import figures
from zoo.training.cli import run
from zoo.training.parallel import jit_once
from zoo.training.report import Report

LAYERS = ("dense_0", "dense_1", "head")
FIXED = {"all": (1, 1, 1), "first": (1, 0, 0), "middle": (0, 1, 0), "last": (0, 0, 1)}
SINGLE = ("first", "middle", "last")
DATA = ("digits", "clothes")
CHANGES = {
    "dimmed": lambda x, y: (x / 3 + 1, y),
    "mirrored": lambda x, y: (x[:, :, ::-1], y),
    "renamed": lambda x, y: (x, (y + 1) % 10),
}


@dataclasses.dataclass(frozen=True)
class Config:
    """Flags.

    Attributes:
        data: image data, one of `DATA`.
        changes: of `CHANGES`.
        base_steps: of the net that is fine-tuned.
        steps: of fine-tuning, each on all of the few images.
        shots: images of a class to learn from; as many others choose the rate.
        rates: of gradient descent.
        patience: steps after which the self-paced may free a layer.
        least: the share by which the loss must fall in that time, else it does.
        width: hidden units, of two layers each.
        seeds: runs of each kind, 0, 1, ...
        run: the run folder.
    """

    data: str = "digits"
    changes: tuple[str, ...] = tuple(CHANGES)
    base_steps: int = 400
    steps: int = 60
    shots: int = 5
    rates: tuple[float, ...] = (0.01, 0.03, 0.1, 0.3, 1.0)
    patience: int = 5
    least: float = 0.05
    width: int = 64
    seeds: int = 5
    run: str = "runs/self_paced"


def main(cfg: Config) -> dict[str, float]:
    """Fine-tunes after all changes and writes the report.

    Returns:
        `CHANGE/KIND/SEED`, the accuracy after the change, `before` among the kinds; and
        `CHANGE/LAYER/ratio/SEED`, the relative gradients.

    Raises:
        ValueError: a flag out of range.
    """
    names = ("base_steps", "steps", "shots", "rates", "patience", "width", "seeds")
    positive(cfg, *names)
    if cfg.data not in DATA:
        raise unknown("image data", cfg.data, DATA)
    for change in cfg.changes:
        if change not in CHANGES:
            raise unknown("change", change, CHANGES)
    if 2 * cfg.shots > 100:
        raise ValueError(f"shots must be at most 50, got {cfg.shots}")
    digits = cfg.data == "digits"
    train, test = images(zoo.data.load("digits")) if digits else small_images(14)
    net = MLP(10, (cfg.width, cfg.width))
    known = zoo.training.sweep(
        lambda axis_name=None: zoo.supervised(net, F.cross_entropy, optim.adam(3e-3)),
        *(zoo.data.batches({k: train[k] for k in "xy"}, 64), cfg.base_steps),
        **dict(grid={}, seeds=range(cfg.seeds)),
    ).states.params
    few, held = _few(train, cfg)
    tuned, numbers, gradients, alone = _tuner(cfg, net), {}, {}, {}
    report = Report("Self-paced fine-tuning", cfg.data, dataclasses.asdict(cfg))
    for change in cfg.changes:
        parts = [_changed(change, part) for part in (few, held, test)]
        found, ratios = _one(cfg, tuned, known, *parts)
        rows = []
        for kind, row in found.items():
            numbers |= {f"{change}/{kind}/{i}": float(a) for i, a in enumerate(row)}
            rows.append((kind, f"{row.mean():.3f}", *(f"{a:.3f}" for a in row)))
        heads = ("what adapts", "mean", *(f"seed {i}" for i in range(cfg.seeds)))
        report.show(heads, rows, f"{change}: accuracy on the changed test set")
        for layer, row in zip(LAYERS, ratios.T, strict=True):
            each = enumerate(row)
            numbers |= {f"{change}/{layer}/ratio/{i}": float(r) for i, r in each}
        middle = lambda rows: (
            range(3),
            *(f(rows, 1) for f in (np.mean, np.min, np.max)),
        )
        gradients[change] = middle(ratios.T)
        alone[change] = middle(np.array([found[kind] for kind in SINGLE]))
    for name, lines, ylabel in (
        ("alone", alone, "accuracy, of that layer alone"),
        ("gradients", gradients, "relative gradient at the start"),
    ):
        figure = figures.curves(lines, "layer", ylabel)
        figure.axes[0].set_xticks(range(3), LAYERS)
        report.figure(figure, "Mean over seeds; the bands span them.", name)
    print(f"report: {report.write(Path(cfg.run, 'report.html'))}")
    return numbers


def _banded(rows):
    """A line over layers, [layers, seeds], and its band."""
    return range(3), rows.mean(1), rows.min(1), rows.max(1)


def _few(train, cfg):
    """For each seed, images to learn from and others that choose the rate."""
    parts = [], []
    for seed in range(cfg.seeds):
        rng = np.random.default_rng(seed)
        rows = [rng.permutation(np.flatnonzero(train["y"] == c)) for c in range(10)]
        for i, part in enumerate(parts):
            at = [row[i * cfg.shots : (i + 1) * cfg.shots] for row in rows]
            part.append(np.concatenate(at))
    return ({k: train[k][np.stack(rows)] for k in "xy"} for rows in parts)


def _changed(change, part):
    x, y = part["x"], part["y"]
    flat_x, flat_y = x.reshape(-1, *x.shape[-3:]), y.reshape(-1)
    flat_x, flat_y = CHANGES[change](flat_x, flat_y)
    return {
        "x": flat_x.reshape(x.shape).astype(np.float32),
        "y": flat_y.reshape(y.shape).astype(np.int32),
    }


def _tuner(cfg, net):
    """Compiled once for all changes: what each way of fine-tuning leads to."""

    def loss(params, part):
        return F.cross_entropy(net.apply({"params": params}, part["x"]), part)

    def right(params, part):
        logits = net.apply({"params": params}, part["x"])
        return (logits.argmax(-1) == part["y"]).mean()

    def ratios(params, few):
        grads = jax.grad(lambda p: jnp.divide(*loss(p, few)))(params)
        return pace.relative(params, grads)

    def fixed(mask, rate, params, few):
        rates = {name: rate * mask[i] for i, name in enumerate(LAYERS)}
        value = lambda params, state, i: (loss(params, few), state)
        return descend(value, params, {}, inner(rates, cfg.steps, order=1))[0]

    def paced(rate, params, few):
        options = dict(patience=cfg.patience, least=cfg.least)
        learner = pace.learner(
            *(net, F.cross_entropy, optim.sgd(rate), params), **options
        )
        state = learner.init(jax.random.key(0), few)
        step = lambda state, _: (learner.step(state, few)[0], None)
        return jax.lax.scan(step, state, length=cfg.steps)[0].params

    def told(params, held, test):
        return right(params, held), right(params, test)

    seeds = functools.partial(jax.vmap, in_axes=(None, 0, 0))
    rates = jnp.array(cfg.rates)

    @jit_once
    def ways(masks, known, few, held, test):  # -> [kinds, rates, seeds, 2]
        score = jax.vmap(told, (0, 0, None))
        of = lambda mask, rate: seeds(functools.partial(fixed, mask))(rate, known, few)
        one = lambda made: jnp.stack(score(made, held, test), 1)
        by_layers = jax.vmap(
            lambda mask: jax.vmap(lambda rate: one(of(mask, rate)))(rates),
        )(masks)
        by_pace = jax.vmap(lambda rate: one(seeds(paced)(rate, known, few)))(rates)
        before = jax.vmap(right, (0, None))(known, test)
        return by_layers, by_pace, before, jax.vmap(ratios)(known, few)

    return ways


def _one(cfg, tuned, known, few, held, test):
    """Accuracies by kind, [seeds] each, and the relative gradients, [seeds, layers]."""
    masks = jnp.array(list(FIXED.values()), jnp.float32)
    ways, paced, before, ratios = map(np.asarray, tuned(masks, known, few, held, test))

    def best(scores):  # [rates, seeds, 2] -> [seeds, 2]
        return scores[scores[..., 0].mean(1).argmax()]

    fixed = {kind: best(scores) for kind, scores in zip(FIXED, ways, strict=True)}
    alone = np.stack([fixed[kind] for kind in SINGLE])  # [layers, seeds, 2]
    each = np.arange(cfg.seeds)
    made = fixed | {
        "largest": alone[ratios.argmax(1), each],
        "tried": alone[alone[..., 0].argmax(0), each],
        "self-paced": best(paced),
    }
    found = {kind: scores[:, 1] for kind, scores in made.items()}
    return {"before": before, **found}, ratios


if __name__ == "__main__":
    run(main, Config)
