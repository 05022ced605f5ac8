"""Layers learned on other digits, or on clothes, help with new ones; scrambled do not.

Run:    python -m experiments.transfer
        python -m experiments.transfer --sizes 1 60 --rates 0.001 0.003 --seeds 2

Expect: means over five seeds, with 5 and with 20 images of each class: from scratch
test accuracy 0.31 and 0.54; after other digits 0.39 and 0.59, after clothes 0.39 and
0.61, after scrambled digits 0.29 and 0.48, worse than nothing. With all but the head
frozen 0.41 and 0.44 after digits, 0.23 and 0.24 after scrambled ones: with few images
it is best to keep what is there, with more to go on learning. That is paid for: 0.17 to
0.32 of the first task is forgotten if all layers learn, nothing if all but the head are
frozen. 110 seconds of a CPU core. A row of `benchmarks.claims` holds it to that.

A LeNet-5 learns a first task; then all of it but the head, which begins anew, is taken
over (`zoo.convert.transfer`) for the second: the digits 5 to 9, few images of each. All
digits are 16x16 and lie somewhere on a field of 28x28, so that there is more to be
learned than the few can show. First tasks, from near to far:

    digits      0 to 4
    clothes     five kinds of clothing, as large and placed alike
    scrambled   the digits 0 to 4 with their pixels in another, fixed, order

What may still learn, of the net that was taken over:

    head        the last layer alone: all that lies below is frozen
    upper       the upper half of the layers; the lower half (of LeNet-5 the
                convolutions) is frozen
    all         everything

and `scratch` is the same net, everything learning, without a first task. Each learns at
each of the rates, and is shown at the one which is best on images of the second task
that are neither learned from nor in the test set. Forgetting is what the net lost on
the first task's test set, read by its old head.

References:
    Pratt, "Discriminability-based transfer between neural networks", NeurIPS 1992
    Yosinski, Clune, Bengio and Lipson, "How transferable are features in deep neural
    networks?", NeurIPS 2014, https://arxiv.org/abs/1411.1792
    McCloskey and Cohen, "Catastrophic interference in connectionist networks", 1989,
    https://doi.org/10.1016/S0079-7421(08)60536-8
"""

import dataclasses
import functools
import itertools
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

import optim
import zoo
import zoo.functional as F
from experiments._classifiers import images, positive
from zoo.convert import transfer
from zoo.errors import unknown
from zoo.training import figures
from zoo.training.cli import run
from zoo.training.parallel import jit_once
from zoo.training.report import Report

FIRST, SECOND = (0, 1, 2, 3, 4), (5, 6, 7, 8, 9)  # digits
CLOTHES = (0, 1, 2, 5, 8)  # classes of Fashion-MNIST
SOURCES = ("digits", "clothes", "scrambled")
SIZE, FIELD, COPIES = 16, 28, 3
LEARNS = ("all", "upper", "head")
MOST = 60  # images of each class to learn from; as many more choose the rate


@dataclasses.dataclass(frozen=True)
class Config:
    """Flags.

    Attributes:
        model: a classifier of 28x28 pixels without a normalization, whose layers' names
            are in their order, and the last one's is head.
        sources: first tasks, of `SOURCES`.
        learns: what still learns, of `LEARNS`.
        sizes: images of each class of the second task, at most 60.
        first_steps: on the first task.
        steps: on the second.
        batch_size: examples of a step, drawn with replacement.
        rates: learning rates of Adam, on the second task.
        seeds: runs of each kind, 0, 1, ...
        run: the run folder.
    """

    model: str = "lenet5"
    sources: tuple[str, ...] = SOURCES
    learns: tuple[str, ...] = LEARNS
    sizes: tuple[int, ...] = (5, 20)
    first_steps: int = 600
    steps: int = 100
    batch_size: int = 25
    rates: tuple[float, ...] = (2e-3,)
    seeds: int = 5
    run: str = "runs/transfer"


def main(cfg: Config) -> dict[str, float]:
    """Learns all first tasks and then the second from each; writes the report.

    Returns:
        By `scratch/SIZE/SEED` and `SOURCE/LEARNING/SIZE/SEED` test accuracies on the
        second task, and by `.../forgotten/SEED` what was lost on the first.

    Raises:
        ValueError: a flag out of range.
    """
    positive(cfg, "sizes", "first_steps", "steps", "batch_size", "rates", "seeds")
    if max(cfg.sizes) > MOST:
        raise ValueError(f"sizes must be at most {MOST}, got {cfg.sizes}")
    for source in cfg.sources:
        if source not in SOURCES:
            raise unknown("first task", source, SOURCES)
    for part in cfg.learns:
        if part not in LEARNS:
            raise unknown("part that learns", part, LEARNS)
    tasks, net = _tasks(), _Net(cfg)
    found = {}  # (kind, size) -> [rates, seeds, (held, test, forgotten)]
    for seed in range(cfg.seeds):
        _one_seed(cfg, net, tasks, seed, found)
        print(f"seed {seed}: done", flush=True)
    numbers, rows, curves = {}, [], {}
    kinds = list(dict.fromkeys(kind for kind, _ in found))
    for kind in kinds:
        row = [kind]
        for size in cfg.sizes:
            each = np.array(found[kind, size]).reshape(cfg.seeds, len(cfg.rates), 3)
            best = each[:, :, 0].mean(0).argmax()
            _, accuracies, forgotten = each[:, best].T
            for seed in range(cfg.seeds):
                numbers[f"{kind}/{size}/{seed}"] = float(accuracies[seed])
                if kind != "scratch":
                    lost = float(forgotten[seed])
                    numbers[f"{kind}/{size}/forgotten/{seed}"] = lost
            row.append(_between(accuracies))
            curves.setdefault(kind, []).append(accuracies)
        row.append("" if kind == "scratch" else _between(forgotten))
        rows.append(row)
    report = Report("Transfer", "from one task to another", dataclasses.asdict(cfg))
    headers = ("first task / what learns", *(f"{n} of each class" for n in cfg.sizes))
    caption = f"Test accuracy on the second task, mean (least to most of {cfg.seeds} "
    caption += f"seeds); and what was lost on the first, with {cfg.sizes[-1]} images"
    report.show((*headers, "forgotten"), rows, caption)
    for source in cfg.sources:
        lines = {}
        for kind in ("scratch", *(k for k in kinds if k.startswith(source))):
            y = np.array(curves[kind])
            lines[kind] = cfg.sizes, y.mean(1), y.min(1), y.max(1)
        figure = figures.curves(lines, "images of each class", "test accuracy")
        figure.axes[0].set_xscale("log")
        figure.axes[0].set_xticks(cfg.sizes, cfg.sizes)
        figure.axes[0].minorticks_off()
        report.figure(figure, f"After {source}; bands are all seeds.", source)
    print(f"report: {report.write(Path(cfg.run, 'report.html'))}")
    return numbers


class _Net:
    """A net for five classes: its start, its step, its accuracy; compiled once."""

    def __init__(self, cfg: Config):
        model, tx = zoo.create(cfg.model, num_classes=5), optim.scale_by_adam()

        @functools.partial(jax.jit, donate_argnums=0)
        def step(carry, learns, rate, x, y):
            def loss(params):
                parts = {
                    name: jax.tree.map(
                        lambda p, m=learns[name]: jnp.where(
                            m, p, jax.lax.stop_gradient(p)
                        ),
                        part,
                    )
                    for name, part in params.items()
                }
                logits = model.apply({"params": parts}, x, train=True)
                return jnp.divide(*F.cross_entropy(logits, {"y": y}))

            params, state = carry
            grads = jax.grad(loss)(params)
            updates, state = tx.update(grads, state, params)
            return jax.tree.map(lambda p, u: p - rate * u, params, updates), state

        @jax.jit
        def right(params, x, y):
            return (model.apply({"params": params}, x).argmax(-1) == y).mean()

        blank = jnp.zeros((1, 28, 28, 1))
        self.start = jit_once(lambda seed: model.init(jax.random.key(seed), blank))
        self._init, self._step, self.right = jit_once(tx.init), step, right
        self._batch = cfg.batch_size

    def learn(self, variables, task, steps, rate, seed, frozen=()):
        """The variables after so many steps; those given are not changed."""
        params = jax.tree.map(jnp.copy, variables["params"])
        learns = {name: np.bool_(name not in frozen) for name in params}
        carry, rng = (params, self._init(params)), np.random.default_rng(seed)
        for _ in range(steps):
            at = rng.integers(len(task["y"]), size=self._batch)
            carry = self._step(carry, learns, rate, task["x"][at], task["y"][at])
        return {"params": carry[0]}

    def accuracy(self, variables, task) -> float:
        return float(self.right(variables["params"], task["x"], task["y"]))


def _one_seed(cfg, net, tasks, seed, found) -> None:
    """Adds held-out and test accuracy and forgetting of each kind, size and rate."""
    fresh, second = net.start(seed + 1000), tasks["second"]
    starts = {"scratch": (fresh, (), None)}
    for source in cfg.sources:
        first = net.learn(
            *(net.start(seed), tasks[source]["train"], cfg.first_steps, 1e-3, seed)
        )
        taken, _ = transfer(first, fresh, skip=["params/head/*"])
        below = sorted(name for name in fresh["params"] if name != "head")
        counts = {"all": 0, "upper": len(below) // 2, "head": len(below)}
        for name in cfg.learns:
            frozen, before = below[: counts[name]], (first, tasks[source]["test"])
            starts[f"{source}/{name}"] = taken, frozen, before
    order = COPIES * np.random.default_rng(seed).permutation(MOST)  # one place of each
    for size, (kind, start) in itertools.product(cfg.sizes, starts.items()):
        few = {k: v.reshape(5, -1, *v.shape[1:]) for k, v in second["train"].items()}
        few = {k: np.concatenate(v[:, order[:size]]) for k, v in few.items()}
        for rate in cfg.rates:
            variables, frozen, before = start
            made = net.learn(variables, few, cfg.steps, rate, seed, frozen)
            right = [net.accuracy(made, second[name]) for name in ("held", "test")]
            right.append(_lost(net, made, before))
            found.setdefault((kind, size), []).append(right)


def _lost(net, made, before) -> float:
    """Accuracy on the first task, before less after, by the old head."""
    if before is None:
        return 0.0
    first, test = before
    back = {"params": {**made["params"], "head": first["params"]["head"]}}
    return net.accuracy(first, test) - net.accuracy(back, test)


def _tasks() -> dict[str, dict]:
    """The second task's parts train, held and test; each first one's train and test."""
    digits, clothes = (
        [_placed(part, i) for i, part in enumerate(images(zoo.data.load(name)))]
        for name in ("digits", "fashion_mnist_small")
    )
    (train, test), later = (
        [_only(part, classes) for part in digits] for classes in (FIRST, SECOND)
    )
    rows = [np.flatnonzero(later[0]["y"] == c) for c in range(5)]
    pick = lambda part: {
        k: np.concatenate([v[row[part]] for row in rows]) for k, v in later[0].items()
    }
    order = np.random.default_rng(0).permutation(FIELD * FIELD)
    mix = lambda x: x.reshape(len(x), -1)[:, order].reshape(x.shape)
    return {
        "second": {
            "train": pick(slice(MOST * COPIES)),
            "held": pick(slice(MOST * COPIES, 2 * MOST * COPIES)),
            "test": later[1],
        },
        "digits": {"train": train, "test": test},
        "clothes": dict(
            zip(("train", "test"), (_only(p, CLOTHES) for p in clothes), strict=True)
        ),
        "scrambled": {
            "train": {**train, "x": mix(train["x"])},
            "test": {**test, "x": mix(test["x"])},
        },
    }


def _placed(part, seed):
    """Images of 16x16, each at COPIES places by chance on a field of 28x28."""
    grown = jit_once(lambda x: F.resize(x, (SIZE, SIZE), "bilinear"))
    small, rng = np.asarray(grown(part["x"])), np.random.default_rng(seed)
    x = np.full((COPIES * len(small), FIELD, FIELD, 1), small.min(), np.float32)
    for i, (top, left) in enumerate(rng.integers(FIELD - SIZE + 1, size=(len(x), 2))):
        x[i, top : top + SIZE, left : left + SIZE] = small[i // COPIES]
    return {"x": x, "y": np.repeat(part["y"], COPIES)}


def _only(part, classes):
    """Examples of some classes, in the order of these; they become 0, 1, ..."""
    rows = [np.flatnonzero(part["y"] == c) for c in classes]
    y = np.repeat(np.arange(len(rows), dtype=np.int32), [len(r) for r in rows])
    return {"x": part["x"][np.concatenate(rows)], "y": y}


def _between(values) -> str:
    return f"{values.mean():.3f} ({values.min():.3f} to {values.max():.3f})"


if __name__ == "__main__":
    run(main, Config)
