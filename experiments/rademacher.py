"""On digits the complexity of linear functions falls as 1 / sqrt(n), below its bound.

Run:    python -m experiments.rademacher
        python -m experiments.rademacher --radius 4 --draws 5000

Expect: with |w|_2 <= 1, 0.244 on 16 images and 0.031 on 1024, where the bound is 0.248
and 0.031; with |w|_1 <= 1, 0.091 and 0.012, where it is 0.161 and 0.018. On logarithmic
axes the slopes are -0.49 to -0.51 on each of five seeds. On 8 images all 256 draws of
signs give 0.3492, and 1000 by chance 0.348 ± 0.002. 30 seconds of a CPU core. A test
holds a smaller run to it.

The empirical Rademacher complexity of a class of functions is how well the best of
them agrees, in the mean, with signs drawn by chance, on the n images at hand. For
linear functions with |w|_2 <= W or |w|_1 <= W the best one is known for each draw; for
nets of one hidden layer it is looked for by gradient ascent, which gives a lower
bound. Images are centred and scaled so that their mean squared length is 1.

References:
    Bartlett and Mendelson, "Rademacher and Gaussian complexities: risk bounds and
    structural results", JMLR 2002, https://jmlr.org/papers/v3/bartlett02a.html
    Kakade, Sridharan and Tewari, "On the complexity of linear prediction: risk bounds,
    margin bounds, and regularization", NeurIPS 2008
"""

import dataclasses
import functools
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

import zoo
from zoo.functional import (
    every_sign,
    linear_bound,
    linear_supremum,
    rademacher_complexity,
    random_signs,
    supremum_by_ascent,
)
from zoo.training import figures
from zoo.training.cli import run
from zoo.training.parallel import jit_once  # compiling is most of the time
from zoo.training.report import Report

SEEDS = (0, 1, 2, 3, 4)  # of the images that are drawn, and of the signs
EXACT = 8  # images of which all 256 draws of signs are taken


@dataclasses.dataclass(frozen=True)
class Config:
    """Flags.

    Attributes:
        sizes: numbers of images n, at most 1437.
        draws: of the signs, for linear functions.
        radius: W, the largest norm of w, and of the weights of each layer of a net.
        width: hidden units of the net.
        net_draws: of the signs, for nets.
        ascent: steps of each ascent.
        run: the run folder.
    """

    sizes: tuple[int, ...] = (16, 32, 64, 128, 256, 512, 1024)
    draws: int = 1000
    radius: float = 1.0
    width: int = 8
    net_draws: int = 20
    ascent: int = 100
    run: str = "runs/rademacher"


def main(cfg: Config) -> dict[str, float]:
    """Estimates all complexities, prints the table and writes the report.

    Returns:
        For the classes `norm 2` and `norm 1`, `CLASS/N/SEED` and `CLASS/N/bound/SEED`,
        and `CLASS/slope/SEED`, of log complexity over log n; for nets `net/N`; and of
        8 images `exact` and `drawn`.

    Raises:
        ValueError: a flag that is out of range.
    """
    data = zoo.data.load("digits")
    x = data.train["x"].reshape(len(data.train["x"]), -1).astype(np.float32)
    if len(cfg.sizes) < 2 or not 0 < min(cfg.sizes) <= max(cfg.sizes) <= len(x):
        raise ValueError(
            f"sizes must be two or more from 1 to {len(x)}, got {cfg.sizes}"
        )
    if min(cfg.draws, cfg.net_draws) < 2:
        raise ValueError(
            f"draws must be at least 2, got {cfg.draws} and {cfg.net_draws}"
        )
    if not min(cfg.radius, cfg.width, cfg.ascent) > 0:
        raise ValueError(
            f"radius, width and ascent must be positive, got {cfg.radius}, {cfg.width} "
            f"and {cfg.ascent}"
        )
    x = x - x.mean(0)
    x = x / np.sqrt((x**2).sum(1).mean())
    report = Report("Rademacher complexity", "of linear functions and nets, on digits")
    numbers, rows = {}, []
    linear = {f"norm {p}": jit_once(functools.partial(_linear, cfg, p)) for p in (2, 1)}
    for n in cfg.sizes:
        row = [str(n)]
        for name, f in linear.items():
            found = [f(_images(x, n, seed), seed) for seed in SEEDS]
            for seed, (value, bound) in zip(SEEDS, found, strict=True):
                numbers[f"{name}/{n}/{seed}"] = float(value)
                numbers[f"{name}/{n}/bound/{seed}"] = float(bound)
            row += [f"{m:.4f}" for m in np.mean(found, 0)]
        net = jit_once(functools.partial(_net, cfg))(_images(x, n, 0))
        numbers[f"net/{n}"] = float(net)
        rows.append((*row, f"{net:.4f}"))
    heads = [h for name in linear for h in (name, "bound")]
    title = f"Complexity of classes of radius {cfg.radius:g}, means over five seeds"
    report.show(("images", *heads, "net, at least"), rows, title)
    for name in linear:
        values = [[numbers[f"{name}/{n}/{s}"] for n in cfg.sizes] for s in SEEDS]
        slopes = np.polyfit(np.log(cfg.sizes), np.log(values).T, 1)[0]
        print(f"{name}: slopes on logarithmic axes", slopes.round(3))
        for seed, slope in zip(SEEDS, slopes, strict=True):
            numbers[f"{name}/slope/{seed}"] = float(slope)
    exact, drawn, error = jit_once(functools.partial(_few, cfg))(_images(x, EXACT, 0))
    numbers |= {"exact": float(exact), "drawn": float(drawn), "error": float(error)}
    line = f"{exact:.5f} by all 256 draws, {drawn:.5f} ± {error:.5f} by {cfg.draws}"
    print(f"norm 2 on {EXACT} images: {line}")
    report.text(f"With |w|_2 <= {cfg.radius:g}, on {EXACT} images: {line}.")
    curves = {}
    for name in linear:
        curves[name] = cfg.sizes, _mean(numbers, name, cfg.sizes, "")
        bounds = _mean(numbers, name, cfg.sizes, "bound/")
        curves[f"{name}, bound"] = cfg.sizes, bounds
    curves["net, at least"] = cfg.sizes, [numbers[f"net/{n}"] for n in cfg.sizes]
    figure = figures.curves(curves, "images", "Rademacher complexity", log=True)
    figure.axes[0].set_xscale("log", base=2)
    figure.axes[0].set_xticks(cfg.sizes, cfg.sizes)
    caption = "On both axes logarithms: a slope of -1/2 is 1 / sqrt(n)."
    report.figure(figure, caption, "complexity")
    print(f"report: {report.write(Path(cfg.run, 'report.html'))}")
    return numbers


def _images(x, n, seed):  # [n, D]
    return jnp.asarray(np.random.default_rng(seed).permutation(x)[:n])


def _linear(cfg, norm, x, seed):
    best = functools.partial(linear_supremum, x, radius=cfg.radius, norm=norm)
    signs = random_signs(jax.random.key(seed), cfg.draws, len(x))
    value, _ = rademacher_complexity(best, signs)
    return value, linear_bound(x, cfg.radius, norm)


def _few(cfg, x):
    """By all draws of signs; by some of them, and the error of that."""
    best = functools.partial(linear_supremum, x, radius=cfg.radius)
    exact, _ = rademacher_complexity(best, every_sign(len(x)))
    signs = random_signs(jax.random.key(0), cfg.draws, len(x))
    return exact, *rademacher_complexity(best, signs)


def _net(cfg, x):
    """v.relu(U x) with |v|_2 and |U| (of all its entries) at most the radius."""

    def project(params):
        size = lambda p: jnp.sqrt((p**2).sum())
        return jax.tree.map(lambda p: p * jnp.minimum(1, cfg.radius / size(p)), params)

    keys = jax.random.split(jax.random.key(0), 2)
    start = {
        "u": jax.random.normal(keys[0], (x.shape[1], cfg.width)),
        "v": jax.random.normal(keys[1], (cfg.width,)),
    }
    apply = lambda params, x: jax.nn.relu(x @ params["u"]) @ params["v"]
    best = functools.partial(
        supremum_by_ascent, apply, start, x, project=project, rate=0.5 * cfg.radius,
        steps=cfg.ascent,
    )  # fmt: skip
    signs = random_signs(jax.random.key(0), cfg.net_draws, len(x))
    return rademacher_complexity(best, signs).value


def _mean(numbers, name, sizes, kind):
    return [np.mean([numbers[f"{name}/{n}/{kind}{s}"] for s in SEEDS]) for n in sizes]


if __name__ == "__main__":
    run(main, Config)
