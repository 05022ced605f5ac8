"""Atoms of which few make a patch of a photo look like edges, and noise does not.

Run:    python -m experiments.sparse_coding
        python -m experiments.sparse_coding --atoms 144 --side 10 --steps 400

Expect: with seeds 0 to 4 the median selectivity of learned atoms is 0.63 to 0.65; of
those they began with 0.11 to 0.14, of patches 0.39 to 0.46, of principal axes 0.40. On
other patches the objective falls from 27.7 to 15.8, with 9 of 64 codes active. Codes
that a network guesses miss 0.39 of the patches' power, those by FISTA 0.23. Filters of
a convolution have 0.66 to 0.72. Half a minute of a CPU core.

Patches are cut from the embedded photo, in grey, after a filter that gives all spatial
frequencies alike power but the highest (Olshausen and Field's). How much an atom
prefers one orientation is read off its power P at the frequencies f, of angles t(f):

    selectivity = |sum over f of P(f) e^(2 i t(f))| / sum over f of P(f)

1 is a grating of one orientation, 0 has none. Beside it stand that of the atoms that
learning began with, which are noise, of patches as they are, and of the principal axes.
A network that guesses the codes (predictive sparse decomposition) learns on the same
patches; its guesses take one layer where FISTA takes up to a hundred. Filters that may
stand anywhere in an image (convolutional sparse coding) learn from larger pieces of the
photo: none of them need be the same edge at another place.

A test holds a smaller run to it.
"""

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

import optim
import zoo
from zoo.classical import pca
from zoo.generative import convolutional_sparse, predictive_sparse, sparse_coding
from zoo.training import figures
from zoo.training.cli import run
from zoo.training.report import Report

SEEDS = (0, 1, 2, 3, 4)
PAD = 32  # frequencies along a side


@dataclasses.dataclass(frozen=True)
class Config:
    """Flags.

    Attributes:
        atoms: of the dictionary.
        side: of a patch, in pixels.
        patches: how many are cut.
        weight: of the l1 norm of the codes, patches having variance 1.
        steps: of learning.
        batch_size: patches of a step.
        guesses: steps of the network that guesses; 0 leaves it out.
        filters: of the convolution, as wide as patches; 0 leaves it out.
        images: steps in which they learn, of 8 images of 3 times their width.
        run: the run folder.
    """

    atoms: int = 64
    side: int = 8
    patches: int = 6000
    weight: float = 1.0
    steps: int = 60
    batch_size: int = 64
    guesses: int = 100
    filters: int = 16
    images: int = 60
    run: str = "runs/sparse_coding"


def main(cfg: Config) -> dict[str, float]:
    """Learns with five seeds, prints the table and writes the report.

    Returns:
        By seed s, `s/selectivity/F` for F of learned, begun, patches, axes: the median
        over atoms; `s/loss/begun` and `/learned` on patches not learned from, and
        `s/active`, how many codes of such a patch are not 0; with guesses
        `s/missed/codes` and `/guesses`, the share of the patches' power that a
        reconstruction from them misses; with filters `s/selectivity/filters` and
        `/filters begun`.

    Raises:
        ValueError: a flag out of range.
    """
    counts = (cfg.atoms, cfg.side - 3, cfg.steps, cfg.batch_size, cfg.patches - 999)
    others = (cfg.guesses, cfg.filters, cfg.images)
    if min(counts) < 1 or min(others) < 0 or not cfg.weight > 0 or cfg.side > 32:
        raise ValueError(
            "atoms, steps, batch_size and weight must be positive, side from 4 to 32, "
            "patches from 1000 on, guesses, filters and images from 0 on, got "
            f"{cfg}"
        )
    x = patches(cfg.patches, cfg.side)
    held, x = jnp.array(x[:500]), x[500:]
    report = Report("Sparse coding", f"{cfg.atoms} atoms, of a photo's patches")
    stream = zoo.data.batches({"x": x}, cfg.batch_size, seed=0)
    fit = sparse_coding.learner(cfg.atoms, cfg.weight)
    begun, learned, found = _learn(fit, stream, x, cfg.steps, held)
    numbers = {}
    d = np.asarray(learned.dictionary)
    axes = np.asarray(pca.fit(x, min(cfg.atoms, x.shape[1])).components)
    for s in SEEDS:
        kinds = {
            "learned": d[s],
            "begun": np.asarray(begun.dictionary)[s],
            "patches": x[s * cfg.atoms : (s + 1) * cfg.atoms],
            "axes": axes,
        }
        for name, filters in kinds.items():
            chosen = selectivity(filters.reshape(-1, cfg.side, cfg.side))
            numbers[f"{s}/selectivity/{name}"] = float(np.median(chosen))
        for i, name in enumerate(("begun", "learned")):
            numbers[f"{s}/loss/{name}"] = float(found[s, i, 0])
        numbers[f"{s}/active"] = float(found[s, 1, 1])
    if cfg.guesses:
        numbers |= _guesses(cfg, stream, x, held)
    drawn = [("learned", d[0]), ("begun", np.asarray(begun.dictionary)[0])]
    if cfg.filters:
        first, last = _filters(cfg)
        drawn.append(("filters", last[0]))
        for s in SEEDS:
            for name, found in (("filters begun", first[s]), ("filters", last[s])):
                numbers[f"{s}/selectivity/{name}"] = float(
                    np.median(selectivity(found))
                )
    heads = ("", *(f"seed {s}" for s in SEEDS))
    names = sorted({k.partition("/")[2] for k in numbers})
    rows = [(n, *(f"{numbers[f'{s}/{n}']:.3f}" for s in SEEDS)) for n in names]
    report.show(heads, rows, "By seed: selectivity the median over atoms")
    for name, filters in drawn:
        pictures = filters[:60].reshape(-1, cfg.side, cfg.side, 1)
        most = np.abs(pictures).max((1, 2, 3), keepdims=True)
        titles = [f"{v:.2f}" for v in selectivity(pictures[..., 0])]
        figure = figures.gallery((pictures / most + 1) / 2, titles, 10)
        caption = f"Atoms, {name}, seed 0, with their selectivity; grey is 0."
        report.figure(figure, caption, name)
    print(f"report: {report.write(Path(cfg.run, 'report.html'))}")
    return numbers


def patches(count: int, side: int) -> np.ndarray:
    """Patches of the filtered photo: float32 [N, side^2], of mean 0 and variance 1."""
    grey = zoo.data.photo().mean(2)
    frequency = np.hypot(*np.meshgrid(*(np.fft.fftfreq(n) for n in grey.T.shape)))
    ramp = frequency * np.exp(-((frequency / 0.4) ** 4))
    image = np.fft.ifft2(ramp * np.fft.fft2(grey - grey.mean())).real
    rng = np.random.default_rng(0)
    top, left = (rng.integers(0, n - side + 1, count) for n in image.shape)
    windows = np.lib.stride_tricks.sliding_window_view(image, (side, side))
    x = windows[top, left].reshape(count, -1)
    x = x - x.mean(1, keepdims=True)
    return np.float32(x / x.std())


def selectivity(filters: np.ndarray) -> np.ndarray:
    """How much each filter prefers one orientation: [K, H, W] -> [K], from 0 to 1."""
    filters = filters - filters.mean((1, 2), keepdims=True)
    power = np.abs(np.fft.fft2(filters, (PAD, PAD))) ** 2
    along = np.fft.fftfreq(PAD)
    angle = np.angle(along[None] + 1j * along[:, None])
    total = np.maximum(power.sum((1, 2)), 1e-12)
    return np.abs((power * np.exp(2j * angle)).sum((1, 2))) / total


def _scanned(fit, stream, x, steps):
    """seed -> first and last state; all steps in one loop."""
    index = jnp.array([stream.at(i)["index"] for i in range(steps)])
    x = jnp.array(x)

    def run(seed):
        first = fit.init(jax.random.key(seed), {"x": x[:1]})
        body = lambda state, i: (fit.step(state, {"x": x[i]})[0], None)
        return first, jax.lax.scan(body, first, index)[0]

    return run


def _learn(fit, stream, x, steps, held):
    """First and last states, and [S, 2, 2]: loss and active codes of either."""
    learned = _scanned(fit, stream, x, steps)

    def run(seed):
        both = learned(seed)
        means = []
        for state in both:
            pairs = fit.evaluate(state, {"x": held})
            means.append([zoo.learner.mean(pairs[k]) for k in ("loss", "active")])
        return *both, jnp.array(means)

    return jax.jit(jax.vmap(run))(jnp.array(SEEDS))


def _guesses(cfg, stream, x, held) -> dict[str, float]:
    fit = predictive_sparse.learner(cfg.atoms, cfg.weight, optim.adam(0.01), steps=20)
    learned = _scanned(fit, stream, x, cfg.guesses)

    def run(seed):
        p = learned(seed)[1].params
        codes = sparse_coding.encode(p.dictionary, held, cfg.weight, 100)
        guesses = predictive_sparse.predict(p, held)
        missed = lambda a: jnp.square(held - a @ p.dictionary).sum()
        return jnp.stack([missed(codes), missed(guesses)]) / jnp.square(held).sum()

    found = np.asarray(jax.jit(jax.vmap(run))(jnp.array(SEEDS)))
    names = ("codes", "guesses")
    return {
        f"{s}/missed/{n}": float(found[s, i])
        for s in SEEDS
        for i, n in enumerate(names)
    }


def _filters(cfg) -> tuple[np.ndarray, np.ndarray]:
    """Filters of the convolution as they begin and as they end, [S, K, side, side]."""
    wide = 3 * cfg.side
    x = jnp.array(patches(400, wide).reshape(-1, wide, wide))
    fit = convolutional_sparse.learner(cfg.filters, cfg.side, cfg.weight, steps=20)
    index = zoo.data.batches({"x": np.zeros(len(x))}, 8, seed=0)
    index = jnp.array([index.at(i)["index"] for i in range(cfg.images)], jnp.int32)

    def run(seed):
        first = fit.init(jax.random.key(seed), {"x": x[:1]})
        body = lambda state, i: (fit.step(state, {"x": x[i]})[0], None)
        return first.filters, jax.lax.scan(body, first, index.reshape(-1, 8))[0].filters

    return jax.device_get(jax.jit(jax.vmap(run))(jnp.array(SEEDS)))


if __name__ == "__main__":
    run(main, Config)
