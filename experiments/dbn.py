"""By momentum a deep autoencoder learns only from the weights of Boltzmann machines.

Run:    python -m experiments.dbn
        python -m experiments.dbn --data fashion_mnist_small --widths 256 64 16
        python -m experiments.dbn --data ORL_faces --widths 300 100 30 --side 28

Expect: of digits, coded by 16 numbers, a network that starts from the machines misses
0.31 of the variance by momentum and 0.30 to 0.37 by Adam, with seeds 0 to 4. From
random weights it stays at the mean image by momentum (1.00), at every rate, and Adam
brings it to 0.39 to 0.47. Two to three minutes of a CPU core.

Three steps, as of Hinton and Salakhutdinov: machines learn one on top of another, each
on the probabilities of the one below, without labels; unrolled, they are the layers of
an autoencoder, up and then down; and that is tuned as a whole, by backpropagation. The
same network also starts from random weights (LeCun's), and both have as many steps, at
the best of the same rates. Through eight layers of sigmoids hardly any gradient comes
at random weights. Adam divides by what comes, and so needs the machines less; a network
that is less deep needs them not at all (`--widths 128 64 16`: 0.16 to 0.20 by momentum
from random weights). As many principal components miss 0.165: of 1,500 images of 64
pixels a deep network has less to learn than of the paper's 60,000.

    missed    squared error of test images by their variance; 1 is the mean image
    pca       as many principal components as the code has units

References are in `zoo.generative.dbn`.
"""

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image

import optim
import zoo
from zoo.classical import pca
from zoo.generative import dbn, objective
from zoo.generative.autoencoder import Autoencoder
from zoo.training import figures
from zoo.training.cli import run
from zoo.training.report import Report

SEEDS = (0, 1, 2, 3, 4)
STARTS = ("machines", "random")
RATES = {"momentum": (0.01, 0.03, 0.1), "adam": (3e-3, 1e-2, 3e-2)}


@dataclasses.dataclass(frozen=True)
class Config:
    """Flags.

    Attributes:
        data: a data set of images, or a folder of pictures (with a folder for each
            person, of which every fifth is for the test).
        side: to which pictures of a folder are made smaller, in pixels.
        widths: units of the machines; the last are the code.
        machine_rate: of plain steps of the machines.
        machine_epochs: of each machine.
        epochs: of tuning.
        batch_size: images of a step.
        run: the run folder.
    """

    data: str = "digits"
    side: int = 28
    widths: tuple[int, ...] = (128, 64, 32, 16)
    machine_rate: float = 0.1
    machine_epochs: int = 80
    epochs: int = 120
    batch_size: int = 16
    run: str = "runs/dbn"


def main(cfg: Config) -> dict[str, float]:
    """Learns with five seeds, prints the table and writes the report.

    Returns:
        By seed s `START/OPTIMIZER/s`, what is missed after tuning at the best rate,
        START of machines, random and OPTIMIZER of momentum, adam; `machines/s` before
        tuning; and `pca`.

    Raises:
        ValueError: a flag out of range, a data set or folder that is not there.
    """
    counts = (cfg.side, *cfg.widths, cfg.machine_epochs, cfg.epochs, cfg.batch_size)
    if not cfg.widths or min(counts) < 1 or not cfg.machine_rate > 0:
        raise ValueError(
            "side, widths, machine_rate, machine_epochs, epochs and batch_size must be "
            f"positive, got {cfg}"
        )
    train, test = images(cfg)
    k = cfg.widths[-1]
    if k >= min(len(train), train[0].size):
        raise ValueError(f"widths must end below {min(len(train), train[0].size)}")
    report = Report("A deep belief network", f"of {cfg.data}, {cfg.widths} units")
    machines = learned(cfg, train)
    start = {
        "machines": jax.vmap(dbn.unrolled)(machines),
        "random": jax.vmap(
            lambda seed: model(cfg, train).init(jax.random.key(seed), train[:1])
        )(jnp.array(SEEDS))["params"],
    }
    curves, tuned = {}, {}
    for name in STARTS:
        for optimizer, rates in RATES.items():
            ended, missed = tune(cfg, optimizer, start[name], train, test)
            best = int(missed[:, :, -1].mean(0).argmin())
            curves[name, optimizer] = missed[:, best]
            tuned[name, optimizer] = jax.tree.map(lambda a, i=best: a[0, i], ended)
            print(
                f"{name}, {optimizer} at {rates[best]:g}: "
                + " ".join(f"{value:.3f}" for value in missed[:, best, -1])
            )
    flat = lambda x: x.reshape(len(x), -1)
    axes = pca.fit(flat(train), k)
    back = pca.inverse(axes, pca.transform(axes, flat(test)))
    own = lambda x: np.square(flat(test) - np.asarray(x)).sum()
    numbers = {"pca": float(own(back) / own(flat(train).mean(0)[None]))}
    for s in SEEDS:
        numbers[f"machines/{s}"] = float(curves["machines", next(iter(RATES))][s, 0])
        for (name, optimizer), missed in curves.items():
            numbers[f"{name}/{optimizer}/{s}"] = float(missed[s, -1])
    _report(cfg, report, numbers, curves)
    shown = {"test image": test, "PCA": back.reshape(test.shape)}
    net = model(cfg, train)
    for (name, optimizer), params in tuned.items():
        mean = objective.mean(net.apply({"params": params}, test[:10]), "bernoulli")
        shown[f"{name}, {optimizer}"] = mean
    keys = jax.random.split(jax.random.key(0), 10)
    first = jax.tree.map(lambda leaf: leaf[0], machines)
    dreams = jax.jit(lambda keys: dbn.generate(first, keys, 200))(keys)
    shown["dreamt"] = dreams.reshape(10, *test.shape[1:])
    rows = np.concatenate([np.asarray(x[:10]) for x in shown.values()])
    titles = [n if i == 0 else "" for n in shown for i in range(10)]
    caption = "By row: " + ", ".join(shown) + "; seed 0."
    report.figure(figures.gallery(np.clip(rows, 0, 1), titles, 10), caption, "images")
    print(f"report: {report.write(Path(cfg.run, 'report.html'))}")
    return numbers


def images(cfg: Config) -> tuple[np.ndarray, np.ndarray]:
    """Training and test images from 0 to 1, float32 [N, H, W, 1]."""
    folder = Path(cfg.data).expanduser()
    if not folder.is_dir():
        data = zoo.data.load(cfg.data)
        scaled = [np.float32(split["x"]) / data.scale for split in data[:2]]
        return tuple(x.reshape(*x.shape[:3], 1) for x in scaled)
    parts = [[], []]
    people = sorted({path.parent for path in folder.rglob("*.pgm")})
    if len(people) < 5:
        raise ValueError(f"data must hold *.pgm in 5 folders or more, got {folder}")
    for i, person in enumerate(people):
        for path in sorted(person.glob("*.pgm")):
            with Image.open(path) as picture:
                small = picture.convert("L").resize((cfg.side, cfg.side), Image.BOX)
            parts[i % 5 == 4].append(np.float32(small)[..., None] / 255)
    return tuple(map(np.stack, parts))


def model(cfg: Config, x: np.ndarray) -> Autoencoder:
    """The network that the machines unroll to."""
    return Autoencoder(x.shape[1:], cfg.widths)


def learned(cfg: Config, x: np.ndarray):
    """The machines of all seeds, an axis of seeds on each leaf."""
    optimizer = optim.sgd(cfg.machine_rate)
    index = _index(cfg, x, cfg.machine_epochs)
    x = jnp.array(x)

    def run(seed):
        state, key = None, jax.random.key(seed)
        for number in range(len(cfg.widths)):
            fit = dbn.level(cfg.widths, number, optimizer)
            whole = {"x": x, "index": jnp.arange(len(x), dtype=jnp.int32)}
            fresh = fit.init(jax.random.fold_in(key, number), whole)
            state = fresh if state is None else dbn.carry(state, fresh)

            def step(state, i, fit=fit):
                return fit.step(state, {"x": x[i], "index": i})[0], None

            state, _ = jax.lax.scan(step, state, index)
        return dbn.layers(state)

    return jax.jit(jax.vmap(run))(jnp.array(SEEDS))


def tune(cfg: Config, optimizer: str, params, x: np.ndarray, test: np.ndarray):
    """Last parameters, [S, R, ...], and what is missed of the test images after each
    epoch, from before the first, [S, R, epochs + 1]; R rates."""
    net = model(cfg, x)
    index = _index(cfg, x, cfg.epochs)
    index = index.reshape(cfg.epochs, -1, cfg.batch_size)
    x, test, middle = jnp.array(x), jnp.array(test), jnp.array(x.mean(0))
    variance = jnp.square(test - middle[None]).sum()

    def missed(params):
        y = objective.mean(net.apply({"params": params}, test), "bernoulli")
        return jnp.square(test - y).sum() / variance

    def run(params, rate):
        made = optim.adam(rate)
        if optimizer == "momentum":
            made = optim.momentum(rate, 0.9)
        aim = objective.reconstruction("bernoulli")
        fit = objective.learner(net, aim, made)
        state = fit.init(jax.random.key(0), {"x": x[:1], "index": index[0, 0, :1]})
        state = state._replace(params=params, opt_state=made.init(params))

        def step(state, i):
            return fit.step(state, {"x": x[i], "index": i})[0], None

        def epoch(state, rows):
            state, _ = jax.lax.scan(step, state, rows)
            return state, missed(state.params)

        last, after = jax.lax.scan(epoch, state, index)
        return last.params, jnp.append(missed(params), after)

    every = jax.vmap(jax.vmap(run, (None, 0)), (0, None))
    return jax.device_get(jax.jit(every)(params, jnp.array(RATES[optimizer])))


def _index(cfg, x, epochs):
    """Rows of so many epochs' batches, int32 [steps, B]."""
    stream = zoo.data.batches({"x": np.zeros(len(x))}, cfg.batch_size, seed=0)
    steps = epochs * (len(x) // cfg.batch_size)
    return jnp.array([stream.at(i)["index"] for i in range(steps)], jnp.int32)


def _report(cfg, report, numbers, curves) -> None:
    heads = ("", *(f"seed {s}" for s in SEEDS))
    names = ["machines", *(f"{name}/{optimizer}" for name, optimizer in curves)]
    rows = [(n, *(f"{numbers[f'{n}/{s}']:.3f}" for s in SEEDS)) for n in names]
    rows.append(("pca", *[f"{numbers['pca']:.3f}"] * len(SEEDS)))
    report.show(heads, rows, "Missed of test images, as a share of their variance")
    epochs = np.arange(cfg.epochs + 1)
    lines = {", ".join(k): (epochs, v.mean(0)) for k, v in curves.items()}
    figure = figures.curves(lines, "epoch of tuning", "missed, mean of seeds")
    report.figure(figure, "Tuning, each at its best rate.", "tuning")


if __name__ == "__main__":
    run(main, Config)
