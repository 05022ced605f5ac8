"""On eight clouds minimax loses most of them; with a gradient penalty all are found.

Run:    python -m experiments.gan_losses
        python -m experiments.gan_losses --losses penalised clipped --steps 3000

Expect: with seeds 0 to 4, of eight clouds

    minimax          7 4 6 4 1    spectral     6 7 8 8 8
    non_saturating   8 7 7 6 4    clipped      6 7 5 0 6
    least_squares    6 7 4 5 3    penalised    8 8 8 8 8
    hinge            8 7 8 7 4    began        1 1 2 1 1

and of the clipped critic's weights 0.49 to 0.63 at the edge, of the penalised one's at
most 0.002; a rank correlation of 0.88 to 0.96; slopes from 0.3 to 1.2 at first that
become 1e-5 to 1e-4 by minimax, and 74 to 145 by the other. BEGAN, whose autoencoder has
a code of one number, does not find the clouds: where points have two values there is
little to reconstruct. A hundred seconds of a CPU core.

Eight normal laws stand on a circle of radius 2, with deviations of 0.05. Generators of
two latents and two hidden layers learn them by each loss, on the same batches, with as
many steps of both players; the discriminator is the same net, but that BEGAN's is an
autoencoder of as wide layers. All is by Adam but for `clipped`, whose critic's weights
are cut to a limit, and which as in its paper is by RMSprop.

    modes    of eight that have at least a fifth of their samples within 3 deviations
    good     share of samples that are so near to one
    mmd      squared maximum mean discrepancy to new examples
    rank     rank correlation of the critic's estimate of the distance (minus its loss)
             with the MMD, of `penalised`; over the last three quarters of the run, as
             in the first the critic itself has to learn
    edge     share of the critic's kernels' weights of which the size is at least 0.95
             of the largest in their layer

And a generator that stands still, its samples apart from the examples, while the
discriminator of minimax becomes sure of them: `slope` is the length of its gradient, of
both losses, before and after.

A test holds a smaller run to it.
"""

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

import optim
import zoo.metrics as M
from zoo.errors import unknown
from zoo.functional import example_keys
from zoo.generative import gan, gan_losses, mlp_gan
from zoo.metrics.ranks import rank_correlation
from zoo.training import figures
from zoo.training.cli import run
from zoo.training.parallel import jit_once  # compiling is most of the time
from zoo.training.report import Report

SEEDS = (0, 1, 2, 3, 4)
ANGLES = np.arange(8) * np.pi / 4
CENTRES = np.float32(2 * np.stack([np.cos(ANGLES), np.sin(ANGLES)], 1))
DEVIATION = 0.05
AWAY = 6.0  # how far the examples are moved where samples stand still
PIECES = 20  # of a run, after each of which samples are measured
LAST = 20  # steps before that, whose mean is the critic's estimate
KINDS = {  # name -> loss, and how the slope is held
    "minimax": ("minimax", {}),
    "non_saturating": ("non_saturating", {}),
    "least_squares": ("least_squares", {}),
    "hinge": ("hinge", {}),
    "spectral": ("hinge", {"spectral": True}),
    "clipped": ("wasserstein", {"clip": 0.1}),
    "penalised": ("wasserstein", {"penalty": 1.0}),
    "began": ("began", {}),
}


@dataclasses.dataclass(frozen=True)
class Config:
    """Flags.

    Attributes:
        losses: of the table `KINDS`.
        width: units of each of the two hidden layers of both players.
        steps: of the generator, a multiple of 20.
        critic_steps: of the discriminator, before each of the generator.
        batch_size: examples of a step of the discriminator.
        learning_rate: of both players.
        sure: steps of the discriminator against a generator that stands still.
        measured: samples that are measured, 2 at least.
        run: the run folder.
    """

    losses: tuple[str, ...] = tuple(KINDS)
    width: int = 64
    steps: int = 1000
    critic_steps: int = 5
    batch_size: int = 64
    learning_rate: float = 1e-3
    sure: int = 300
    measured: int = 1000
    run: str = "runs/gan_losses"


def main(cfg: Config) -> dict[str, float]:
    """Learns by each loss with five seeds, prints the tables and writes the report.

    Returns:
        `WHAT/LOSS/SEED` for what of modes, good and mmd; `edge/LOSS/SEED` of clipped
        and penalised; `rank/penalised/SEED`; `slope/LOSS/before/SEED` and `/after/` of
        minimax and non_saturating.

    Raises:
        ValueError: a flag out of range, an unknown loss.
    """
    counts = (cfg.width, cfg.steps, cfg.critic_steps, cfg.batch_size, cfg.sure)
    counts += (cfg.measured - 1,)
    if min(counts) < 1 or cfg.steps % PIECES or not cfg.learning_rate > 0:
        raise ValueError(
            "width, steps, critic_steps, batch_size, sure and learning_rate must be "
            f"positive, steps a multiple of {PIECES} and measured 2 at least, got {cfg}"
        )
    for name in cfg.losses:
        if name not in KINDS:
            raise unknown("loss", name, KINDS)
    report = Report("Losses of two players", f"eight clouds, {cfg.steps} steps")
    numbers, paths, last, weights = {}, {}, {}, {}
    for name in cfg.losses:
        found = jax.device_get(learn(cfg, name))
        paths[name], last[name] = found["path"], found["samples"]
        for what in ("modes", "good", "mmd"):
            numbers |= _each(f"{what}/{name}", found["path"][what][:, -1])
        if name in ("clipped", "penalised"):
            weights[name] = found["weights"]
            numbers |= _each(f"edge/{name}", _edge(found["weights"]))
        if name == "penalised":
            numbers |= _each(f"rank/{name}", _ranks(found["path"]))
        print(name, *(f"{v:.0f}" for v in found["path"]["modes"][:, -1]), "of 8 modes")
    slopes = jax.device_get(sure(cfg))
    for name, values in slopes.items():
        numbers |= _each(f"slope/{name}/before", values[:, 0])
        numbers |= _each(f"slope/{name}/after", values[:, -1])
    _report(report, cfg, numbers, paths, last, weights, slopes)
    print(f"report: {report.write(Path(cfg.run, 'report.html'))}")
    return numbers


def examples(key: jax.Array, count: int) -> jax.Array:
    """Draws from the eight laws, [count, 2]."""
    where, noise = jax.random.split(key)
    centres = jnp.array(CENTRES)[jax.random.randint(where, (count,), 0, 8)]
    return centres + DEVIATION * jax.random.normal(noise, (count, 2))


def players(cfg: Config, name: str, still: bool = False):
    """Generator, discriminator, and a learner; `still`: the generator does not step."""
    loss, options = KINDS[name]
    widths = (cfg.width,) * 2
    made = mlp_gan.MLPGenerator(2, (2,), widths, bounded=False)
    asked = mlp_gan.MLPDiscriminator(widths)
    if loss == "began":
        asked = mlp_gan.MLPAutoencoder((cfg.width,), 1)
    rate = cfg.learning_rate
    make = lambda: optim.adam(rate, b1=0.5, b2=0.9)
    if name == "clipped":
        make = lambda: optim.rmsprop(rate)
    first = optim.sgd(0.0) if still else make()
    steps = 1 if still else cfg.critic_steps
    pair = gan_losses.LOSSES[loss]()
    fit = gan.learner(made, asked, pair, first, make(), critic_steps=steps, **options)
    return made, asked, fit


def _batch(key, step, size):
    x = examples(jax.random.fold_in(key, step), size)
    return {"x": x, "index": jnp.arange(size, dtype=jnp.int32)}


def learn(cfg: Config, name: str) -> dict:
    """A loss with all seeds as one program: an axis of seeds on each leaf."""
    made, _, fit = players(cfg, name)
    size = cfg.batch_size * cfg.critic_steps
    fresh = examples(jax.random.key(101), cfg.measured)
    z = jax.random.normal(jax.random.key(102), (cfg.measured, 2))

    def one(seed):
        key = jax.random.key(seed)

        def step(state, i):
            state, metrics = fit.step(state, _batch(key, i, size))
            value, weight = metrics["discriminator"]
            return state, -value / weight

        def piece(state, steps):
            state, estimate = jax.lax.scan(step, state, steps)
            x = gan.samples(made, state, z)
            near = M.modes(x, jnp.array(CENTRES), 3 * DEVIATION)
            mmd = M.maximum_mean_discrepancy(fresh, x)
            found = {
                "estimate": estimate[-LAST:].mean(),
                "modes": M.modes_covered(near),
                "good": M.good_share(near),
                "mmd": mmd,
            }
            return state, found

        state = fit.init(key, _batch(key, 0, size))
        steps = jnp.arange(cfg.steps).reshape(PIECES, -1)
        state, path = jax.lax.scan(piece, state, steps)
        layers = [w for w in jax.tree.leaves(state.discriminator.params) if w.ndim > 1]
        x = gan.samples(made, state, z)
        return {"path": path, "samples": x, "weights": layers[:-1]}

    return jit_once(jax.vmap(one))(jnp.array(SEEDS))


def sure(cfg: Config) -> dict[str, jax.Array]:
    """Lengths of the gradients of a generator that stands still, [S, sure + 1]."""
    made, asked, fit = players(cfg, "minimax", still=True)
    names = ("minimax", "non_saturating")

    def lengths(state):
        keys = example_keys(state.key, jnp.arange(cfg.batch_size))
        z = jax.vmap(lambda key: jax.random.normal(key, (2,)))(keys)

        def length(name):
            def loss(params):
                x = made.apply({"params": params}, z)
                b = asked.apply({"params": state.discriminator.params}, x)
                return gan_losses.LOSSES[name]().generator(b).mean()

            grads = jax.grad(loss)(state.generator.params)
            return jnp.sqrt(sum(jnp.square(g).sum() for g in jax.tree.leaves(grads)))

        return {name: length(name) for name in names}

    def one(seed):
        key = jax.random.key(seed)

        def apart(i):
            batch = _batch(key, i, cfg.batch_size)
            return {**batch, "x": batch["x"] + jnp.array([[AWAY, 0]])}

        def step(state, i):
            return fit.step(state, apart(i))[0], lengths(state)

        state = fit.init(key, apart(0))
        return jax.lax.scan(step, state, jnp.arange(cfg.sure + 1))[1]

    return jit_once(jax.vmap(one))(jnp.array(SEEDS))


def _each(name, values):
    return {f"{name}/{s}": float(v) for s, v in zip(SEEDS, values, strict=True)}


def _edge(layers):  # of each seed
    most = [np.abs(w).max((1, 2), keepdims=True) for w in layers]
    at = [np.abs(w) >= 0.95 * m for w, m in zip(layers, most, strict=True)]
    return [np.mean(np.concatenate([a[s].ravel() for a in at])) for s in SEEDS]


def _ranks(path):
    late = lambda values: values[len(values) // 4 :]
    pairs = zip(path["estimate"], path["mmd"], strict=True)
    return [rank_correlation(late(a), late(b)) for a, b in pairs]


def _report(report, cfg, numbers, paths, last, weights, slopes) -> None:
    of = lambda name: [f"{numbers[f'{name}/{s}']:.3g}" for s in SEEDS]
    heads = ("", *(f"seed {s}" for s in SEEDS))
    captions = {"modes": "Modes covered, of 8", "good": "Share of good samples"}
    captions |= {"mmd": "Squared maximum mean discrepancy to new examples"}
    for what, caption in captions.items():
        rows = [(name, *of(f"{what}/{name}")) for name in paths]
        report.show(heads, rows, caption)
    names = [n for n in ("rank/penalised", "edge/clipped", "edge/penalised")
             if f"{n}/0" in numbers]  # fmt: skip
    names += [f"slope/{n}/{when}" for n in slopes for when in ("before", "after")]
    report.show(heads, [(n, *of(n)) for n in names], "The critic, and slopes")
    report.figure(_clouds(last), "Samples of seed 0, and the eight centres.", "samples")
    at = cfg.steps // PIECES * np.arange(1, PIECES + 1)
    lines = {name: (at, np.median(path["modes"], 0)) for name, path in paths.items()}
    figure = figures.curves(lines, "step", "modes covered, median of seeds")
    report.figure(figure, "How many of the eight clouds have their samples.", "modes")
    if "penalised" in paths:
        path = paths["penalised"]
        lines = {
            "critic's estimate": (at, path["estimate"][0]),
            "squared MMD": (at, path["mmd"][0]),
        }
        figure = figures.curves(lines, "step", "value", log=True)
        report.figure(figure, "The loss means something, seed 0.", "estimate")
    at = np.arange(cfg.sure + 1)
    lines = {name: (at, np.median(values, 0)) for name, values in slopes.items()}
    figure = figures.curves(lines, "step of the discriminator", "slope", log=True)
    report.figure(figure, "A generator that stands still: its gradient.", "slopes")
    if weights:
        report.figure(_histograms(weights), "Weights of critics, seed 0.", "weights")


def _clouds(last):
    from matplotlib.figure import Figure

    rows = -(-len(last) // 4)
    figure = Figure((9, 2.4 * rows), layout="constrained", facecolor="white")
    grid = figure.subplots(rows, 4, squeeze=False).ravel()
    for axes in grid:
        axes.set_axis_off()
    for axes, (name, x) in zip(grid, last.items(), strict=False):
        axes.scatter(*CENTRES.T, s=90, color=figures.COLOURS[1], alpha=0.35, lw=0)
        axes.scatter(*x[0].T, s=3, color=figures.COLOURS[0], alpha=0.5, linewidths=0)
        axes.set(xlim=(-3, 3), ylim=(-3, 3), aspect="equal")
        axes.set_title(name, fontsize=10, color=figures.INK)
    return figure


def _histograms(weights):
    from matplotlib.figure import Figure

    figure = Figure((9, 2.8), layout="constrained", facecolor="white")
    grid = figure.subplots(1, len(weights), squeeze=False)[0]
    for axes, (name, layers) in zip(grid, weights.items(), strict=True):
        values = np.concatenate([w[0].ravel() for w in layers])
        axes.hist(values, 60, color=figures.COLOURS[0])
        axes.set_title(name, fontsize=10, color=figures.INK)
        axes.spines[["top", "right"]].set_visible(False)
        axes.locator_params(axis="x", nbins=5)
    return figure


if __name__ == "__main__":
    run(main, Config)
