"""What activations do to a deep net: saturation, dying ReLUs, outputs around zero.

Run:    python -m experiments.activations
        python -m experiments.activations --steps 500 --rates 0.01 0.1 0.5

Expect: after 200 steps at the best rate, five seeds, 5 hidden layers: loss 2.30 with
sigmoid (a guess has 2.30), 0.47 to 0.49 with selu, elu and tanh, 0.58 to 0.60 with the
others. Saturated are 0.45 to 0.51 of the ReLUs of a layer, 0.03 to 0.08 of the ELUs. At
rate 0.7, 0.07 to 0.20 of the ReLUs are dead, and of the leaky ones none. Sigmoid less
1/2, from a start that is the same function, is ahead of sigmoid with every seed: 0.58
to 0.62 against 0.68 to 0.72. 20 seconds of a core. A test holds a smaller run to it.

Saturated is a unit, at an example, where the derivative of its activation is below a
tenth of its largest. Dead is one whose derivative is 0 at every example: it can learn
no more. Why outputs around zero: where a layer's inputs are all positive, one example's
gradients of the weights of a unit all have one sign, that of the unit's own residual.

References:
    LeCun, Bottou, Orr and Müller, "Efficient BackProp", 1998, section 4.4,
    http://yann.lecun.com/exdb/publis/pdf/lecun-98b.pdf
    Glorot and Bengio, "Understanding the difficulty of training deep feedforward
    neural networks", AISTATS 2010, https://proceedings.mlr.press/v9/glorot10a.html
    Maas, Hannun and Ng, "Rectifier nonlinearities improve neural network acoustic
    models", ICML 2013,
    https://ai.stanford.edu/~amaas/papers/relu_hybrid_icml2013_final.pdf
"""

import dataclasses
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

import optim
import zoo
import zoo.functional as F
from zoo.training import figures
from zoo.training.cli import run
from zoo.training.parallel import jit_once  # compiling is most of the time
from zoo.training.report import Report

DEEP = ("sigmoid", "tanh", "relu", "leaky_relu", "elu", "selu", "gelu", "silu")
SHIFT, PAIR_DEPTH, PAIR_RATES = 0.5, 2, (0.3, 1.0, 3.0, 10.0)
FUNCTIONS = F.ACTIVATIONS | {"centred": lambda z: F.sigmoid(z) - SHIFT}
SLOPES = F.DERIVATIVES | {"centred": F.DERIVATIVES["sigmoid"]}
LITTLE = 0.1  # saturated: where the derivative is below this share of its largest


@dataclasses.dataclass(frozen=True)
class Config:
    """Flags.

    Attributes:
        width: units of a hidden layer.
        depth: hidden layers, two or more.
        steps: of plain gradient descent.
        batch_size: examples of a step.
        rates: the grid of learning rates, the same for every activation.
        seeds: 0, 1, ...; of the start and of the batches, the same for each.
        run: the run folder.
    """

    width: int = 32
    depth: int = 5
    steps: int = 200
    batch_size: int = 64
    rates: tuple[float, ...] = (0.03, 0.1, 0.3, 0.7)
    seeds: int = 5
    run: str = "runs/activations"


def main(cfg: Config) -> dict[str, float]:
    """Trains all nets, prints the tables and writes the report.

    Returns:
        `NAME/rate`, the best; at it, means over the seeds: `NAME/loss` and, by layer,
        `NAME/saturated/I`; at the last rate, by seed, `NAME/dead/I`. Of the two that
        differ by a shift, `shift/NAME/` followed by `rate`, `mean` of the outputs,
        `first`, the loss of the first batch, and `loss/SEED`, of the last half.

    Raises:
        ValueError: a flag out of range.
    """
    for name in ("width", "depth", "steps", "batch_size", "seeds"):
        if (value := getattr(cfg, name)) < (least := 1 + (name == "depth")):
            raise ValueError(f"{name} must be {least} or more, got {value}")
    if not cfg.rates or not min(cfg.rates) > 0:
        raise ValueError(f"rates must be positive numbers, got {cfg.rates}")
    report = Report("Activations", "saturation, dying ReLUs, outputs around zero")
    report.figure(picture(), "Maxout is that of -x, x / 2 and 1.", "activations")
    train = trainer(cfg, _data())
    numbers = _deep(cfg, train, report) | _pair(cfg, train, report)
    print(f"report: {report.write(Path(cfg.run, 'report.html'))}")
    return numbers


def picture():
    """All activations and their derivatives, a matplotlib figure."""
    drawn = {name: (f, F.DERIVATIVES[name]) for name, f in F.ACTIVATIONS.items()}
    softmax = lambda x: F.softmax(jnp.stack([x, 0 * x]))[0]
    maxout = lambda x: F.maxout(jnp.stack([-x, x / 2, 1 + 0 * x]), 3)[0]
    for name, f in (("softmax", softmax), ("maxout", maxout)):
        drawn[name] = jax.vmap(f), jax.vmap(jax.grad(f))
    x = np.linspace(-7, 7, 561, dtype=np.float32)  # relu6 bends at 6
    pairs = jit_once(lambda x: [[f(x) for f in pair] for pair in drawn.values()])(x)
    gap = lambda y: np.where(abs(np.diff(y, append=y[-1])) > 0.1, np.nan, y)  # a jump
    lines = [{"activation": (x, gap(f)), "derivative": (x, gap(d))} for f, d in pairs]
    return figures.panels(dict(zip(drawn, lines, strict=True)))


def _data():
    """Images of 14x14 around zero, [N, 196], and their labels, [N]."""
    train = zoo.data.load("fashion_mnist_small").train
    x = F.mean_pool(jnp.float32(train["x"]), 2)  # [N, 28, 28, 1] -> [N, 14, 14, 1]
    return ((x - x.mean()) / x.std()).reshape(len(x), -1), jnp.asarray(train["y"])


def draw(cfg: Config, examples: int, inputs: int, shift: float):
    """Starts, leaves [seeds, ...], and the examples of each step, [seeds, steps, B].

    Weights have variance 1 / n; biases make up for the shift of the activations.
    """
    rngs, h = [np.random.default_rng(seed) for seed in range(cfg.seeds)], cfg.width
    shapes = {"enter": (inputs, h), "hidden": (cfg.depth - 1, h, h), "leave": (h, 10)}
    starts = {}
    for name, n in shapes.items():
        w = np.float32([rng.normal(0, n[-2] ** -0.5, n) for rng in rngs])
        starts[name] = w, np.float32(shift * (name != "enter")) * w.sum(-2)
    batches = [rng.integers(examples, size=(cfg.steps, cfg.batch_size)) for rng in rngs]
    return starts, np.array(batches)


def forward(f, used, params, x):
    """Logits, [B, 10], and what the activations of hidden layers see, [L, B, H].

    Of the layers between hidden ones, those not `used`, bool [L - 1], are passed over.
    """
    affine = lambda x, w, b: x @ w + b[None]
    hidden = lambda z, at: 2 * (jnp.where(at[0], affine(f(z), *at[1]), z),)
    first = affine(x, *params["enter"])
    last, z = jax.lax.scan(hidden, first, (used, params["hidden"]))
    return affine(f(last), *params["leave"]), jnp.concatenate([first[None], z])


def trainer(cfg: Config, data):
    """(name, depth, rates) -> what comes of it from all seeds; all share one program.

    That is, by name, arrays [seeds, rates, ...]: `losses` of each step, `loss` at the
    end; `saturated`, by layer; `dead`, the share of units that no example moves, NaN of
    a net that diverged; `mean`, of the outputs of the last hidden layer.
    """
    names = *DEEP, "centred"
    of = lambda table: lambda i, z: jax.lax.switch(i, [table[k] for k in names], z)
    f_of, slope_of = jax.custom_jvp(of(FUNCTIONS)), of(SLOPES)
    f_of.defjvp(lambda at, by: (f_of(*at), slope_of(*at) * by[1]))

    def one(i, used, data, params, batches, rate):
        f, slope, tx = partial(f_of, i), partial(slope_of, i), optim.sgd(rate)

        def loss(params, x, y):
            logits, seen = forward(f, used, params, x)
            return jnp.divide(*F.cross_entropy(logits, {"y": y})), seen

        def step(carry, at):
            batch = [part[at] for part in data]
            taken = optim.descend(tx, lambda p: loss(p, *batch)[0], *carry)
            return (taken.x, taken.state), taken.value

        (params, _), losses = jax.lax.scan(step, (params, tx.init(params)), batches)
        final, seen = loss(params, *data)  # seen: [L, N, H]
        slopes, most = abs(slope(seen)), slope(jnp.linspace(-9, 9, 1801)).max()
        dead = jnp.where(jnp.isfinite(final), (slopes == 0).all(1).mean(), jnp.nan)
        saturated, mean = (slopes < LITTLE * most).mean((1, 2)), f(seen[-1]).mean()
        return dict(
            losses=losses, loss=final, saturated=saturated, dead=dead, mean=mean
        )

    grid = jax.vmap(one, (None, None, None, None, None, 0))
    grid = jit_once(jax.vmap(grid, (None, None, None, 0, 0, None)))

    def train(name, depth, rates):
        drawn = draw(cfg, *data[0].shape, SHIFT if name == "centred" else 0.0)
        i, used = names.index(name), np.arange(cfg.depth - 1) < depth - 1
        return jax.device_get(grid(i, used, data, *drawn, np.float32(rates)))

    return train


def _best(losses) -> int:
    """Of losses [seeds, rates], the rate's number; one that diverged loses."""
    return np.nan_to_num(losses.mean(0), nan=np.inf, posinf=np.inf).argmin()


def _deep(cfg: Config, train, report) -> dict[str, float]:
    results = {name: train(name, cfg.depth, cfg.rates) for name in DEEP}
    numbers, rows, saturated, losses, layers = {}, [], {}, {}, range(1, cfg.depth + 1)
    for name, result in results.items():
        mean, best = result["loss"].mean(0), _best(result["loss"])
        shares, rate = result["saturated"][:, best].mean(0), cfg.rates[best]
        saturated[name], losses[name] = (layers, shares), (mean, mean, mean)
        lists = {"saturated": shares, "dead": result["dead"][:, -1]}
        texts = (" ".join(f"{v:.2f}" for v in each) for each in lists.values())
        rows.append((name, f"{rate:g}", f"{mean[best]:.3f}", *texts))
        numbers |= {f"{name}/rate": rate, f"{name}/loss": float(mean[best])}
        for k, each in lists.items():
            numbers |= {f"{name}/{k}/{i}": float(v) for i, v in enumerate(each)}
    caption = (
        f"{cfg.depth} hidden layers, {cfg.steps} steps: best rate, loss, saturated "
        f"share of units; dead share at rate {cfg.rates[-1]:g}, unless a net diverged"
    )
    heads = "activation", "rate", "loss", "saturated by layer", "dead by seed"
    report.show(heads, rows, caption)
    figure = figures.curves(saturated, "hidden layer", "share saturated")
    figure.axes[0].set_xticks(layers)
    report.figure(figure, "After training, at the best rate of each.", "saturation")
    figure = figures.sensitivity(cfg.rates, losses, "training loss", log=True)
    report.figure(figure, "After equal steps, means over the seeds.", "loss")
    dead = {name: results[name]["dead"] for name in ("relu", "leaky_relu")}
    dead = {name: (v.mean(0), v.min(0), v.max(0)) for name, v in dead.items()}
    figure = figures.sensitivity(cfg.rates, dead, "share of dead units")
    report.figure(figure, "Units that no example moves; bands span the seeds.", "dead")
    return numbers


def _pair(cfg: Config, train, report) -> dict[str, float]:
    """Sigmoid, and sigmoid less 1/2 from a start that computes the same."""
    numbers, rows, curves = {}, [], {}
    for name in ("sigmoid", "centred"):
        result = train(name, PAIR_DEPTH, PAIR_RATES)
        losses = result["losses"]  # [seeds, rates, steps]
        best = _best(late := losses[..., cfg.steps // 2 :].mean(2))
        rate, late, losses = PAIR_RATES[best], late[:, best], losses[:, best]
        mean = float(result["mean"][:, best].mean())
        rows.append((name, f"{rate:g}", *(f"{v:.3f}" for v in (mean, *late))))
        of = {"rate": rate, "mean": mean, "first": float(losses[:, 0].mean())}
        of |= {f"loss/{i}": float(value) for i, value in enumerate(late)}
        numbers |= {f"shift/{name}/{key}": value for key, value in of.items()}
        curves[f"{name}, rate {rate:g}"] = np.arange(cfg.steps), losses.mean(0)
    caption = (
        f"Sigmoid, and sigmoid less 1/2: {PAIR_DEPTH} hidden layers, each at its best "
        f"rate. Mean of the outputs, and loss in the last half of {cfg.steps} steps"
    )
    heads = "outputs", "rate", "mean", *(f"seed {i}" for i in range(cfg.seeds))
    report.show(heads, rows, caption)
    figure = figures.curves(curves, "step", "loss of the batch, mean over seeds")
    report.figure(figure, "Both start as the same function.", "shift")
    return numbers


if __name__ == "__main__":
    run(main, Config)
