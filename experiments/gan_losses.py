"""On eight clouds minimax loses most of them; with a gradient penalty all are found.

Run:    python -m experiments.gan_losses
        python -m experiments.gan_losses --losses penalised clipped --steps 3000
        python -m experiments.gan_losses --data fashion_mnist_small --steps 400 \\
            --critic-steps 2

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

And of clothes, by the third line, classes of ten that are covered, the share of good
samples of all, and the squared discrepancy, the medians of the seeds:

    minimax          8  0.00  0.65    spectral     5  0.85  0.06
    non_saturating   4  0.37  0.38    clipped      3  0.81  0.27
    least_squares    3  0.26  0.40    penalised   10  0.65  0.02
    hinge            3  0.77  0.34    began        2  0.00  0.65

Noise has classes too, by a classifier that never saw any: where no sample is good the
first number says nothing. With the penalty all ten are covered on four seeds and eight
on one; in so few steps the others come to a few classes, or to nothing. Slopes of 0.5
to 0.8 become 4e-8 at most by minimax, and 25 to 32 by the other. The rank correlation
is 0.1 to 0.7: in so short a run the critic has to learn. Two minutes of a CPU core.

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

Of pictures modes are classes, by a classifier of ours, good samples lie in the ball
around a test picture that reaches its third nearest, and the discrepancy is too of the
classifier's features.

A test holds a smaller run to it.
"""

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

import optim
from experiments._adversarial import Source, clouds, pictures
from zoo.errors import unknown
from zoo.functional import example_keys
from zoo.generative import gan, gan_losses, mlp_gan
from zoo.metrics.ranks import rank_correlation
from zoo.training import figures
from zoo.training.cli import run
from zoo.training.parallel import jit_once  # compiling is most of the time
from zoo.training.report import Report

SEEDS = (0, 1, 2, 3, 4)
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
        data: clouds, or a data set of pictures.
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

    data: str = "clouds"
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
    source = clouds(cfg.measured) if cfg.data == "clouds" else pictures(cfg.data)
    report = Report("Losses of two players", f"{cfg.data}, {cfg.steps} steps")
    numbers, paths, last, weights = {}, {}, {}, {}
    for name in cfg.losses:
        found = jax.device_get(learn(cfg, source, name))
        paths[name], last[name] = found["path"], found["samples"]
        for what in ("modes", "good", "mmd"):
            numbers |= _each(f"{what}/{name}", found["path"][what][:, -1])
        if name in ("clipped", "penalised"):
            weights[name] = found["weights"]
            numbers |= _each(f"edge/{name}", _edge(found["weights"]))
        if name == "penalised":
            numbers |= _each(f"rank/{name}", _ranks(found["path"]))
        modes = (f"{v:.0f}" for v in found["path"]["modes"][:, -1])
        print(name, *modes, f"of {source.modes} modes")
    slopes = jax.device_get(sure(cfg, source))
    for name, values in slopes.items():
        numbers |= _each(f"slope/{name}/before", values[:, 0])
        numbers |= _each(f"slope/{name}/after", values[:, -1])
    _report(report, cfg, source, numbers, paths, last, weights, slopes)
    print(f"report: {report.write(Path(cfg.run, 'report.html'))}")
    return numbers


def players(cfg: Config, source: Source, name: str, still: bool = False):
    """Generator, discriminator, and a learner; `still`: the generator does not step."""
    loss, options = KINDS[name]
    widths = (cfg.width,) * 2
    made = mlp_gan.MLPGenerator(
        source.latents, source.shape, widths, bounded=source.bounded
    )
    asked = mlp_gan.MLPDiscriminator(widths)
    if loss == "began":
        asked = mlp_gan.MLPAutoencoder((cfg.width,), source.code)
    rate = cfg.learning_rate
    make = lambda: optim.adam(rate, b1=0.5, b2=0.9)
    if name == "clipped":
        make = lambda: optim.rmsprop(rate)
    first = optim.sgd(0.0) if still else make()
    steps = 1 if still else cfg.critic_steps
    pair = gan_losses.LOSSES[loss]()
    fit = gan.learner(made, asked, pair, first, make(), critic_steps=steps, **options)
    return made, asked, fit


def _batch(source, key, step, size):
    x = source.examples(jax.random.fold_in(key, step), size)
    return {"x": x, "index": jnp.arange(size, dtype=jnp.int32)}


def learn(cfg: Config, source: Source, name: str) -> dict:
    """A loss with all seeds as one program: an axis of seeds on each leaf."""
    made, _, fit = players(cfg, source, name)
    size = cfg.batch_size * cfg.critic_steps
    z = jax.random.normal(jax.random.key(102), (cfg.measured, source.latents))

    def one(seed):
        key = jax.random.key(seed)

        def step(state, i):
            state, metrics = fit.step(state, _batch(source, key, i, size))
            value, weight = metrics["discriminator"]
            return state, -value / weight

        def piece(state, steps):
            state, estimate = jax.lax.scan(step, state, steps)
            x = gan.samples(made, state, z)
            found = {"estimate": estimate[-LAST:].mean(), **source.measured(x)}
            return state, found

        state = fit.init(key, _batch(source, key, 0, size))
        steps = jnp.arange(cfg.steps).reshape(PIECES, -1)
        state, path = jax.lax.scan(piece, state, steps)
        layers = [w for w in jax.tree.leaves(state.discriminator.params) if w.ndim > 1]
        x = gan.samples(made, state, z)
        return {"path": path, "samples": x, "weights": layers[:-1]}

    return jit_once(jax.vmap(one))(jnp.array(SEEDS))


def sure(cfg: Config, source: Source) -> dict[str, jax.Array]:
    """Lengths of the gradients of a generator that stands still, [S, sure + 1]."""
    made, asked, fit = players(cfg, source, "minimax", still=True)
    names = ("minimax", "non_saturating")

    def lengths(state):
        keys = example_keys(state.key, jnp.arange(cfg.batch_size))
        z = jax.vmap(lambda key: jax.random.normal(key, (source.latents,)))(keys)

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
            batch = _batch(source, key, i, cfg.batch_size)
            return {**batch, "x": source.away(batch["x"])}

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


def _report(report, cfg, source, numbers, paths, last, weights, slopes) -> None:
    of = lambda name: [f"{numbers[f'{name}/{s}']:.3g}" for s in SEEDS]
    heads = ("", *(f"seed {s}" for s in SEEDS))
    captions = {
        "modes": f"Modes covered, of {source.modes}",
        "good": "Share of good samples",
    }
    captions |= {"mmd": "Squared maximum mean discrepancy to new examples"}
    for what, caption in captions.items():
        rows = [(name, *of(f"{what}/{name}")) for name in paths]
        report.show(heads, rows, caption)
    names = [n for n in ("rank/penalised", "edge/clipped", "edge/penalised")
             if f"{n}/0" in numbers]  # fmt: skip
    names += [f"slope/{n}/{when}" for n in slopes for when in ("before", "after")]
    report.show(heads, [(n, *of(n)) for n in names], "The critic, and slopes")
    report.figure(source.draw(last), "Samples of seed 0.", "samples")
    at = cfg.steps // PIECES * np.arange(1, PIECES + 1)
    lines = {name: (at, np.median(path["modes"], 0)) for name, path in paths.items()}
    figure = figures.curves(lines, "step", "modes covered, median of seeds")
    report.figure(figure, "How many modes have their samples.", "modes")
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
