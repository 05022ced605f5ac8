"""t-SNE keeps the digits apart that SNE crowds: of the nearest points 97 % are alike.

Run:    python -m experiments.tsne
        python -m experiments.tsne --data wine --perplexity 20
        python -m experiments.tsne --method interpolation
        python -m experiments.tsne --pipeline autoencoder

Expect: TODO

All maps begin with the first two principal components, so nothing is left to chance but
the autoencoder's weights. The perplexity is the number of neighbours that a point has,
in effect; distances between clusters mean little.

The pipeline: an autoencoder, 784-128-32-128-784, learns 32 numbers of each image, and
t-SNE maps these. Its table compares them with the pixels.
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
from zoo.classical import affinities, neighbors, pca, sne
from zoo.errors import unknown
from zoo.training import figures
from zoo.training.cli import run
from zoo.training.maps import film, maps
from zoo.training.report import Report

NAMES = {"sne": "SNE", "symmetric": "symmetric SNE", "tsne": "t-SNE"}
EQUIDISTANT = (3, 11)  # points of a triangle, and of a simplex in 10 dimensions


@dataclasses.dataclass(frozen=True)
class Config:
    """Flags.

    Attributes:
        data: a table of `zoo.data.tabular`, or the path of a CSV or npz file; with the
            pipeline a data set of `zoo.data.load`.
        pipeline: none, or autoencoder.
        examples: at most so many, the first.
        perplexity: effective neighbours of a point.
        method: of t-SNE: exact or interpolation. The others are exact.
        steps: of each map.
        exaggerated: steps with P exaggerated twelvefold.
        frames: of the film, and points of the curves.
        epochs: of the autoencoder.
        seed: of the autoencoder's weights.
        run: the run folder.
    """

    data: str | None = None
    pipeline: str = "none"
    examples: int = 1000
    perplexity: float = 30.0
    method: str = "exact"
    steps: int = 750
    exaggerated: int = 250
    frames: int = 50
    epochs: int = 100
    seed: int = 0
    run: str = "runs/tsne"


class Autoencoder(nn.Module):
    """Images through few numbers and back.

    Attributes:
        pixels: of an image, flattened.
        hidden: units of the layer on either side of the codes.
        codes: the few numbers.
    """

    pixels: int
    hidden: int = 128
    codes: int = 32

    def setup(self):
        self.widen, self.narrow = nn.Dense(self.hidden), nn.Dense(self.codes)
        self.back, self.out = nn.Dense(self.hidden), nn.Dense(self.pixels)

    def encode(self, x):  # [B, ...] -> [B, codes]
        return self.narrow(nn.relu(self.widen(x.reshape(len(x), -1))))

    def __call__(self, x):  # [B, ...] -> [B, pixels]
        return self.out(nn.relu(self.back(self.encode(x))))


def main(cfg: Config) -> dict[str, float]:
    """Makes the maps, prints the tables and writes the report.

    Returns:
        By map (`pca`, `sne`, `symmetric`, `tsne`; with the pipeline `pixels` and
        `codes`, t-SNE of both) `MAP/trust`, the trustworthiness of 5 neighbours in the
        features, `MAP/nearest`, how many points have a nearest one of their class, and
        but for pca `MAP/kl`; `dimensions/n` that n points equally far from each other
        need, and `ratio/n`, the largest over the least of their distances in the
        plane; `KIND/gap`, and `data/gap`, the least distance between the centres of
        eleven clouds in mean radii. With the pipeline `error`, the autoencoder's mean
        squared error over the variance.

    Raises:
        ValueError: a flag out of range; a file that is no table.
    """
    _check(cfg)
    report = Report("Maps of high-dimensional data", "by SNE, symmetric SNE and t-SNE")
    if cfg.pipeline == "autoencoder":
        x, codes, y, classes, numbers = _encoded(cfg, report)
        sources = {"pixels": (x, "tsne"), "codes": (codes, "tsne")}
        names = {"pixels": "t-SNE of pixels", "codes": "t-SNE of codes"}
    else:
        table = zoo.data.tabular(cfg.data or "digits")
        x, classes = np.float32(table.x[: cfg.examples]), table.classes
        y = table.y[: cfg.examples] if classes else None
        sources = {kind: (x, kind) for kind in NAMES}
        names, numbers = NAMES, {}
    _check_perplexity(cfg, len(x))
    places, curves = {"pca": np.asarray(_plane(x))}, {}
    for name, (features, kind) in sources.items():
        steps, kl, frames = _path(cfg, features, kind)
        places[name], curves[name] = frames[-1], (steps, kl)
        numbers[f"{name}/kl"] = float(kl[-1])
    numbers |= _judged(report, x, y, places, curves, {"pca": "PCA", **names})
    titles = {"pca": "PCA", **names}
    panels = {titles[name]: place for name, place in places.items()}
    report.figure(maps(panels, y, classes), "The maps.", "maps")
    lines = {names[name]: curve for name, curve in curves.items()}
    figure = figures.curves(lines, "step", "KL divergence, nats")
    figure.axes[0].axvline(cfg.exaggerated, color=figures.INK, linestyle=":")
    report.figure(figure, "The divergence, of P without exaggeration, which ends at "
                  "the dotted line.", "divergence")  # fmt: skip
    shown = [f"{titles[name]}, step {step}" for step in steps]
    report.film(film(frames, y, classes, shown), f"How {titles[name]} unfolds.", "film")
    if cfg.pipeline == "none":
        numbers |= _equidistant(report)
        numbers |= _clouds(report)
        _distances_in(report, x, places)
    report.table(["setting", "value"], list(dataclasses.asdict(cfg).items()))
    print(f"report: {report.write(Path(cfg.run, 'report.html'))}")
    return numbers


def _check(cfg) -> None:
    if cfg.pipeline not in ("none", "autoencoder"):
        raise unknown("pipeline", cfg.pipeline, ("none", "autoencoder"))
    if cfg.method not in sne.METHODS:
        raise unknown("method", cfg.method, sne.METHODS)
    for name in ("examples", "steps", "frames", "epochs"):
        if getattr(cfg, name) < 1:
            raise ValueError(f"{name} must be positive, got {getattr(cfg, name)}")
    if cfg.exaggerated < 0:
        raise ValueError(f"exaggerated must be 0 or more, got {cfg.exaggerated}")


def _check_perplexity(cfg, n) -> None:
    if n < 12 or not 1 <= cfg.perplexity <= n - 1:
        raise ValueError(
            "perplexity must be from 1 to the examples less one, and examples at least "
            f"12, got {cfg.perplexity} and {n}"
        )


def _plane(x):
    return pca.transform(pca.fit(x, 2), x)


def _path(cfg, x, kind):
    """Steps, divergences and places on the way: [F], [F], [F, N, 2]."""
    method = cfg.method if kind == "tsne" else "exact"
    batch = affinities.batch(x, cfg.perplexity, nearest=method == "interpolation")
    options = dict(exaggerated=cfg.exaggerated, method=method)
    made = sne.learner(kind, **options)
    marks = np.unique(np.linspace(0, cfg.steps, cfg.frames + 1).round().astype(int))

    @jax.jit
    def walk(batch):
        def on(state, count):
            more = lambda _, state: made.step(state, batch)[0]
            state = jax.lax.fori_loop(0, count, more, state)
            kl = made.evaluate(state, batch)["kl"][0]
            return state, (kl, state.positions)

        first = made.init(jax.random.key(0), batch)
        return jax.lax.scan(on, first, jnp.diff(marks, prepend=0))[1]

    kl, frames = jax.device_get(walk(batch))
    return marks, kl, frames


def _judged(report, x, y, places, curves, names) -> dict[str, float]:
    trust = jax.jit(zoo.metrics.trustworthiness, static_argnums=2)
    numbers, rows = {}, []
    for name, place in places.items():
        numbers[f"{name}/trust"] = float(trust(x, place, 5))
        kl = float(curves[name][1][-1]) if name in curves else None
        row = [names[name], kl, numbers[f"{name}/trust"]]
        if y is not None:
            # Itself is not always the first: some points may be in one place.
            near = np.asarray(neighbors.kneighbors(place, place, 2)[1])
            itself = near[:, 0] == np.arange(len(near))
            near = np.where(itself, near[:, 1], near[:, 0])
            numbers[f"{name}/nearest"] = float((y[near] == y).mean())
            row.append(numbers[f"{name}/nearest"])
        rows.append([f"{v:.4f}" if isinstance(v, float) else v for v in row])
    headers = ["map", "KL", "trustworthiness", "nearest is alike"]
    report.show(headers[: len(rows[0])], rows, "The maps, judged.")
    return numbers


def _equidistant(report) -> dict[str, float]:
    """Points equally far from each other, and what a plane can make of them."""
    numbers, rows = {}, []
    for n in EQUIDISTANT:
        corners = np.eye(n, dtype=np.float32)  # all sqrt(2) apart
        variance = np.asarray(pca.fit(corners).variance)
        numbers[f"dimensions/{n}"] = int((variance > 1e-6).sum())
        apart = _distances(_flattened(n))
        numbers[f"ratio/{n}"] = float(apart.max() / apart.min())
        rows.append([n, numbers[f"dimensions/{n}"], f"{numbers[f'ratio/{n}']:.3f}"])
    report.show(["points", "dimensions", "largest over least distance, in the plane"],
                rows, "Points equally far from each other: dimensions that they need, "
                "and their distances in the plane at the least sum of squared "
                "errors.")  # fmt: skip
    return numbers


def _clouds(report) -> dict[str, float]:
    """Clouds around eleven such points: how far apart they are, in their radii."""
    n = EQUIDISTANT[-1]
    cloud = np.arange(20 * n) % n
    noise = 0.1 * np.random.default_rng(0).normal(size=(len(cloud), n))
    x = np.float32(np.eye(n)[cloud] + noise)
    places, numbers = {"data": x}, {}
    for kind in NAMES:
        state = sne.fit(jax.random.key(0), x, kind, perplexity=15, steps=500)
        places[kind] = np.asarray(state.positions)
    for name, place in places.items():
        centres = np.array([place[cloud == c].mean(0) for c in range(n)])
        radius = np.linalg.norm(place - centres[cloud], axis=1).mean()
        numbers[f"{name}/gap"] = float(_distances(centres).min() / radius)
    rows = [
        [{"data": "the data", **NAMES}[name], f"{numbers[f'{name}/gap']:.2f}"]
        for name in places
    ]
    report.show(["map", "gap"], rows, "Eleven clouds, equally far from each other: the "
                "least distance of two centres, in mean radii.")  # fmt: skip
    panels = {name: places[kind] for kind, name in NAMES.items()}
    figure = maps(panels, cloud, [f"cloud {c + 1}" for c in range(n)], columns=3)
    report.figure(figure, "Crowding: eleven clouds, in ten dimensions equally far from "
                  "each other. Gaussians leave little room between them.",
                  "crowding")  # fmt: skip
    return numbers


def _distances_in(report, x, places) -> None:
    """How distances change in a map."""
    some = slice(None, None, max(1, len(x) // 500))
    lines, bins = {}, np.linspace(0, 2.5, 51)
    for name, place in {"the data": x, **places}.items():
        apart = _distances(np.asarray(place)[some])
        density, _ = np.histogram(apart / apart.mean(), bins, density=True)
        title = {"pca": "PCA", **NAMES}.get(name, name)
        lines[title] = ((bins[1:] + bins[:-1]) / 2, density)
    figure = figures.curves(lines, "distance of two points, over the mean", "density")
    report.figure(figure, "In many dimensions nearly all points are equally far from "
                  "each other, and in the plane they cannot be. t-SNE keeps neighbours "
                  "near: the bump on the left.", "distances")  # fmt: skip


@functools.partial(jax.jit, static_argnums=0)
def _flattened(n):  # [n, 2]
    """n points in the plane whose distances are as near to 1 as they can be.

    By majorization, y_i = (1 / n) sum over j of (y_i - y_j) / |y_i - y_j|, from eight
    starts.
    """

    def better(_, y):
        apart = y[:, None] - y[None]
        length = jnp.sqrt(jnp.square(apart).sum(2) + jnp.eye(n))
        return (apart / length[..., None]).sum(1) / n

    def error(y):
        length = jnp.sqrt(jnp.square(y[:, None] - y[None]).sum(2) + jnp.eye(n))
        return jnp.square(length - 1).sum()

    starts = jax.random.normal(jax.random.key(0), (8, n, 2))
    found = jax.vmap(lambda y: jax.lax.fori_loop(0, 1000, better, y))(starts)
    return found[jax.vmap(error)(found).argmin()]


def _distances(x):  # [N, D] -> [N (N - 1) / 2]
    whole = zoo.functional.pairwise("euclidean", jnp.asarray(x), jnp.asarray(x))
    return np.asarray(whole)[np.triu_indices(len(x), 1)]


def _encoded(cfg, report):
    """Pixels, codes, classes, their names, and the error of the autoencoder."""
    data = zoo.data.load(cfg.data or "fashion_mnist_small")
    train = {name: array[: cfg.examples] for name, array in data.train.items()}
    to_float = zoo.data.to_float(data.scale)
    size = min(100, len(train["x"]))
    stream = zoo.data.batches(train, size, cfg.seed, transform=to_float)
    model = Autoencoder(int(np.prod(train["x"].shape[1:])))

    def squares(outputs, batch):  # a sum over examples, and their number
        apart = jnp.square(outputs - batch["x"].reshape(outputs.shape))
        return apart.mean(1).sum(), jnp.asarray(len(outputs), outputs.dtype)

    build = lambda axis_name=None: zoo.supervised(
        model, squares, optim.adam(1e-3), axis_name=axis_name
    )
    steps = cfg.epochs * -(-len(train["x"]) // size)
    options = dict(parallel="single", seed=cfg.seed, progress=False)
    state = zoo.training.fit(build, stream, steps, **options).state
    x = to_float(train, None)["x"]
    variables, flat = zoo.eval_variables(state), x.reshape(len(x), -1)
    error = float(((model.apply(variables, x) - flat) ** 2).mean() / flat.var(0).mean())
    codes = np.asarray(model.apply(variables, x, method="encode"))
    report.text(f"The autoencoder's error is {error:.1%} of the variance.")
    print(f"autoencoder: error {error:.4f} of the variance, after {steps} steps")
    return flat, codes, train["y"], data.classes, {"error": error}


if __name__ == "__main__":
    run(main, Config)
