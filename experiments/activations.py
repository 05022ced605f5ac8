"""What activations do to a deep net: saturation, dying ReLUs, outputs around zero.

Run:    python -m experiments.activations
        python -m experiments.activations --steps 500 --rates 0.01 0.1 0.5

Expect: after 200 steps at the best rate, five seeds, 5 hidden layers: loss 2.30 with
sigmoid (a guess has 2.30), 0.49 with tanh, 0.63 with relu, 0.61 leaky_relu, 0.50 elu,
0.48 selu, 0.62 gelu, 0.59 silu, 0.73 softplus; test accuracy up to 0.79. At rate 0.7,
0.12 to 0.31 of the ReLUs are dead, and of the leaky ones none. Sigmoid less 1/2, from a
start that is the same function, is ahead of sigmoid with every seed: 0.57 to 0.60
against 0.63 to 0.71. Where all inputs are positive, one example's gradients of a unit's
weights all have one sign; where they are of both signs, never. A minute of two cores;
a test holds a smaller run to it.

Saturated is a unit, at an example, where the derivative of its activation is below a
tenth of its largest. Dead is one whose derivative is 0 at every example: it can learn
no more. Starts, batches, steps and rates are the same for all.

References:
    LeCun, Bottou, Orr and Müller, "Efficient BackProp", 1998, section 4.4,
    http://yann.lecun.com/exdb/publis/pdf/lecun-98b.pdf (why outputs around zero)
    Glorot and Bengio, "Understanding the difficulty of training deep feedforward
    neural networks", AISTATS 2010, https://proceedings.mlr.press/v9/glorot10a.html
    (saturation by layer)
    Maas, Hannun and Ng, "Rectifier nonlinearities improve neural network acoustic
    models", ICML 2013,
    https://ai.stanford.edu/~amaas/papers/relu_hybrid_icml2013_final.pdf
"""

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console
from rich.table import Table

import optim
import zoo
import zoo.functional as F
from zoo.training import figures
from zoo.training.cli import run
from zoo.training.report import Report

DEEP = ("sigmoid", "tanh", "softplus", "relu", "leaky_relu", "elu", "selu", "gelu",
        "silu")  # fmt: skip
LITTLE = 0.1  # saturated: where the derivative is below this share of its largest
SIDE = 14  # pixels, each the mean of four
CENTRED_DEPTH = 2  # of the nets that are compared with and without a shift


@dataclasses.dataclass(frozen=True)
class Config:
    """Flags.

    Attributes:
        width: units of a hidden layer.
        depth: hidden layers, two or more.
        steps: of plain gradient descent.
        batch_size: examples of a step.
        rates: the grid of learning rates, the same for every activation.
        shift_rates: that of the two nets which differ by a shift.
        seeds: 0, 1, ...; of the start and of the batches, the same for each.
        run: the run folder.
    """

    width: int = 32
    depth: int = 5
    steps: int = 200
    batch_size: int = 64
    rates: tuple[float, ...] = (0.03, 0.1, 0.3, 0.7)
    shift_rates: tuple[float, ...] = (0.3, 1.0, 3.0, 10.0)
    seeds: int = 5
    run: str = "runs/activations"


def main(cfg: Config) -> dict[str, float]:
    """Trains all nets, prints the tables and writes the report.

    Returns:
        For each activation, at its best rate and as means over the seeds, `NAME/loss`,
        `NAME/accuracy`, `NAME/rate` and `NAME/saturated/LAYER`; `NAME/dead/SEED` at
        the largest rate. Of the pair that differs by a shift, `shift/NAME/` followed
        by `loss/SEED`, of the last half of the steps, `mean` of the outputs, `rate` and
        `first`, the loss of the first batch. `signs/...`, shares of units whose
        weights' gradients have one sign.

    Raises:
        ValueError: a flag out of range.
    """
    if cfg.depth < 2:
        raise ValueError(f"depth must be 2 or more, got {cfg.depth}")
    for name in ("width", "steps", "batch_size", "seeds"):
        if getattr(cfg, name) < 1:
            raise ValueError(f"{name} must be positive, got {getattr(cfg, name)}")
    for name in ("rates", "shift_rates"):
        if not (rates := getattr(cfg, name)) or min(rates) <= 0:
            raise ValueError(f"{name} must be positive numbers, got {rates}")
    report = Report("Activations", "saturation, dying ReLUs, outputs around zero")
    report.figure(
        picture(),
        "Each activation (solid) and its derivative (dashed). Softmax is drawn for two "
        "classes, over the first one's logit; maxout for the pieces -x, x / 2 and 1.",
        "activations",
    )
    data = _data()
    pixels = data[0][0]
    around_zero = [((x - pixels.mean()) / pixels.std(), y) for x, y in data]
    numbers = _deep(cfg, around_zero, report) | _shift(cfg, around_zero, report)
    numbers |= _signs(cfg, data, report)
    print(f"report: {report.write(Path(cfg.run, 'report.html'))}")
    return numbers


def picture():
    """All activations and their derivatives, a matplotlib figure."""
    from matplotlib.figure import Figure

    drawn = {name: (f, F.DERIVATIVES[name]) for name, f in F.ACTIVATIONS.items()}
    logits = lambda x: jnp.stack([x, 0 * x])
    drawn["softmax"] = (
        lambda x: F.softmax(logits(x), 0)[0],
        jax.vmap(lambda x: F.JACOBIANS["softmax"](logits(x))[0, 0]),
    )
    pieces = lambda x: jnp.stack([-x, x / 2, 1 + 0 * x], -1)
    drawn["maxout"] = (
        lambda x: F.maxout(pieces(x), 3)[..., 0],
        jax.vmap(lambda x: F.JACOBIANS["maxout"](pieces(x)) @ jnp.array([-1, 0.5, 0])),
    )
    figure = Figure(figsize=(12, 7), layout="constrained", facecolor="white")
    grid = figure.subplots(3, 6)
    for axes in grid.flat[len(drawn) :]:
        axes.set_axis_off()
    for axes, (name, pair) in zip(grid.flat, drawn.items(), strict=False):
        x = np.linspace(-4, 8 if name == "relu6" else 4, 2000)
        axes.axhline(0, color=figures.RULE, linewidth=0.8)
        axes.axvline(0, color=figures.RULE, linewidth=0.8)
        for f, colour, dash in zip(pair, figures.COLOURS, ("-", "--"), strict=False):
            y = np.array(jax.jit(f)(jnp.asarray(x, jnp.float32)))
            y[1:][abs(np.diff(y)) > 0.1] = np.nan  # a jump is a gap
            axes.plot(x, y, dash, color=colour, linewidth=1.6)
        axes.set_title(name, fontsize=10, color=figures.INK)
        axes.tick_params(labelsize=7, colors=figures.INK)
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def _data():
    """Images of 14x14, as train and test, [N, 196], pixels from 0 to 1."""
    dataset = zoo.data.load("fashion_mnist_small")

    def flat(part):
        x = jnp.asarray(part["x"], jnp.float32) / dataset.scale
        x = F.mean_pool(x, x.shape[1] // SIDE)  # [N, 28, 28, 1] -> [N, 14, 14, 1]
        return x.reshape(len(x), -1), jnp.asarray(part["y"])

    return flat(dataset.train), flat(dataset.test)


def start(key, inputs, width, depth):
    """Weights of variance 1 / n, zero biases; those between hidden layers stacked."""
    draw, keys = F.INITIALIZERS["lecun_normal"], jax.random.split(key, depth + 1)
    hidden = [draw(key, (width, width)) for key in keys[1:-1]]
    return {
        "enter": {"w": draw(keys[0], (inputs, width)), "b": jnp.zeros(width)},
        "hidden": {"w": jnp.stack(hidden), "b": jnp.zeros((depth - 1, width))},
        "leave": {"w": draw(keys[-1], (width, 10)), "b": jnp.zeros(10)},
    }


def forward(f, params, x):
    """Logits, [B, 10], and what the activations of the hidden layers see, [L, B, H]."""

    def layer(z, here):
        z = f(z) @ here["w"] + here["b"][None]
        return z, z

    first = x @ params["enter"]["w"] + params["enter"]["b"][None]
    last, z = jax.lax.scan(layer, first, params["hidden"])
    logits = f(last) @ params["leave"]["w"] + params["leave"]["b"][None]
    return logits, jnp.concatenate([first[None], z])


def loss(f, params, x, y):
    return _cross_entropy(forward(f, params, x)[0], y)


def _cross_entropy(logits, y):
    total, count = F.cross_entropy(logits, {"y": y})
    return total / count


def draws(cfg, inputs, depth):
    """Starts, and the numbers of each step's examples, by seed: the same for all nets.

    Args:
        cfg: as `main`'s.
        inputs: D.
        depth: hidden layers.

    Returns:
        Parameters whose leaves are [seeds, ...], and uniform numbers
        [seeds, steps, B].
    """

    def of_seed(seed):
        key = jax.random.key(seed)
        order = jax.random.fold_in(key, depth)
        uniform = jax.random.uniform(order, (cfg.steps, cfg.batch_size))
        return start(key, inputs, cfg.width, depth), uniform

    return jax.tree.map(lambda *x: jnp.stack(x), *map(of_seed, range(cfg.seeds)))


def train(rates, f, df, data, drawn, shift=0.0):
    """Runs from all seeds at all rates, as one program.

    Args:
        rates: the grid.
        f, df: activation and derivative.
        data: the training set, [N, D] and [N], and the test set.
        drawn: starts and orders, of `draws`.
        shift: what f has less than it would have: biases of the start make up for it,
            so that the net computes the same as without.

    Returns:
        By name, arrays [seeds, rates, ...]: `loss` and, of the test set, `accuracy`;
        `losses` of each step; `saturated`, by layer; `dead`, the share of units that no
        example moves, NaN of a net that diverged; `mean`, of all outputs of f.
    """
    (x, y), (test_x, test_y) = data
    largest = jnp.abs(df(jnp.linspace(-10, 10, 2001))).max()

    def one(drawn, rate):
        params, uniform = dict(drawn[0]), drawn[1]
        for name in ("hidden", "leave"):
            layer = params[name]
            params[name] = layer | {"b": layer["b"] + shift * layer["w"].sum(-2)}
        tx = optim.sgd(rate)

        def step(carry, uniform):
            at = (uniform * len(x)).astype(jnp.int32)
            taken = optim.descend(tx, lambda p: loss(f, p, x[at], y[at]), *carry)
            return (taken.x, taken.state), taken.value

        carry, losses = jax.lax.scan(step, (params, tx.init(params)), uniform)
        logits, seen = forward(f, carry[0], x)  # [N, 10], [L, N, H]
        slope, final = jnp.abs(df(seen)), _cross_entropy(logits, y)
        dead = (slope == 0).all(1).mean()
        return {
            "loss": final,
            "accuracy": (forward(f, carry[0], test_x)[0].argmax(1) == test_y).mean(),
            "losses": losses,
            "saturated": (slope < LITTLE * largest).mean((1, 2)),
            "dead": jnp.where(jnp.isfinite(final), dead, jnp.nan),
            "mean": f(seen).mean(),
        }

    grid = jax.vmap(jax.vmap(one, (None, 0)), (0, None))
    return jax.jit(grid)(drawn, jnp.asarray(rates))


def _best(losses) -> int:
    """Of losses [seeds, rates], the rate's number; one that diverged loses."""
    mean = np.asarray(losses).mean(0)
    return int(np.argmin(np.where(np.isfinite(mean), mean, np.inf)))


def _deep(cfg: Config, data, report) -> dict[str, float]:
    drawn = draws(cfg, data[0][0].shape[1], cfg.depth)
    numbers, rows, results = {}, [], {}
    for name in DEEP:
        f = F.ACTIVATIONS[name]
        result = train(cfg.rates, f, F.DERIVATIVES[name], data, drawn)
        result = results[name] = jax.tree.map(np.asarray, result)
        best = _best(result["loss"])
        means = {k: result[k][:, best].mean() for k in ("loss", "accuracy")}
        means["rate"] = cfg.rates[best]
        layers = result["saturated"][:, best].mean(0)
        means |= {f"saturated/{i + 1}": layers[i] for i in range(cfg.depth)}
        numbers |= {f"{name}/{key}": float(value) for key, value in means.items()}
        rows.append(
            (name, f"{means['rate']:g}", f"{means['loss']:.3f}",
             f"{means['accuracy']:.3f}", *(f"{v:.2f}" for v in layers))
        )  # fmt: skip
    layers = [f"layer {i + 1}" for i in range(cfg.depth)]
    _show(
        report,
        f"{cfg.depth} hidden layers, each at its best rate after {cfg.steps} steps: "
        f"loss, test accuracy, share of saturated units",
        ("activation", "rate", "loss", "accuracy", *layers),
        rows,
    )
    ticks = np.arange(1, cfg.depth + 1)
    saturated = {n: [numbers[f"{n}/saturated/{i}"] for i in ticks] for n in DEEP}
    figure = figures.curves(
        {n: (ticks, shares) for n, shares in saturated.items()},
        "hidden layer",
        "share saturated",
    )
    figure.axes[0].set_xticks(ticks)
    report.figure(
        figure,
        f"Where the derivative is below {LITTLE} of its largest, at the best rate.",
        "saturation",
    )
    spread = lambda v: (v.mean(0), v.min(0), v.max(0))
    losses = {n: spread(results[n]["loss"]) for n in DEEP}
    figure = figures.sensitivity(cfg.rates, losses, "loss")
    figure.axes[0].set_ylim(0, 3)  # a guess has log 10 = 2.3
    report.figure(
        figure,
        "Training loss after equal steps by rate; bands from least to most of the "
        "seeds. Lines that leave above diverge.",
        "loss",
    )
    shown = ("relu", "leaky_relu")
    dead = {n: results[n]["dead"] for n in DEEP}
    figure = figures.curves(
        {n: (cfg.rates, *spread(dead[n])) for n in shown},
        "learning rate",
        "share of dead units",
    )
    figure.axes[0].set_xscale("log")
    report.figure(
        figure,
        "Units whose derivative is 0 at every training example, after training; bands "
        "from least to most of the seeds.",
        "dead",
    )
    rows = [(n, *(f"{v:.3f}" for v in dead[n][:, -1])) for n in shown]
    seeds = [f"seed {i}" for i in range(cfg.seeds)]
    _show(
        report,
        f"Share of dead units after training at rate {cfg.rates[-1]:g}",
        ("activation", *seeds),
        rows,
    )
    for name in DEEP:
        last = enumerate(dead[name][:, -1])
        numbers |= {f"{name}/dead/{i}": float(share) for i, share in last}
    return numbers


def _shift(cfg: Config, data, report) -> dict[str, float]:
    """Sigmoid, and sigmoid less 1/2 from a start that computes the same."""
    df, rates = F.DERIVATIVES["sigmoid"], cfg.shift_rates
    drawn = draws(cfg, data[0][0].shape[1], CENTRED_DEPTH)
    centred = lambda x: F.sigmoid(x) - 0.5
    results = {
        "sigmoid": train(rates, F.sigmoid, df, data, drawn),
        "centred": train(rates, centred, df, data, drawn, shift=0.5),
    }
    numbers, rows, curves = {}, [], {}
    for name, result in results.items():
        losses = np.asarray(result["losses"])  # [seeds, rates, steps]
        late = losses[..., cfg.steps // 2 :].mean(2)
        best = _best(late)
        late = late[:, best]
        numbers |= {f"shift/{name}/loss/{i}": float(v) for i, v in enumerate(late)}
        mean = float(result["mean"][:, best].mean())
        numbers |= {f"shift/{name}/mean": mean, f"shift/{name}/rate": rates[best]}
        numbers[f"shift/{name}/first"] = float(losses[:, best, 0].mean())
        cells = (f"{v:.3f}" for v in (mean, *late))
        rows.append((name, f"{rates[best]:g}", *cells))
        for i in sorted({best, max(0, best - 1)}):
            line = (np.arange(cfg.steps), losses[:, i].mean(0))
            curves[f"{name}, rate {rates[i]:g}"] = line
    _show(
        report,
        f"Sigmoid, and sigmoid less 1/2: {CENTRED_DEPTH} hidden layers, each at its "
        f"best rate; the mean of the outputs, and of the losses of the last half of "
        f"{cfg.steps} steps",
        ("outputs", "rate", "mean", *(f"seed {i}" for i in range(cfg.seeds))),
        rows,
    )
    report.figure(
        figures.curves(curves, "step", "loss of the batch, mean over seeds"),
        "Both start as the same function, with the same derivatives by their inputs.",
        "shift",
    )
    return numbers


def _signs(cfg: Config, data, report) -> dict[str, float]:
    """How often all weights into a unit are pushed the same way by one example."""
    (x, y), _ = data
    x, y = x[:100], y[:100]
    params = start(jax.random.key(0), x.shape[1], cfg.width, CENTRED_DEPTH)

    def share(f, x, layer):
        one = jax.grad(lambda p, x, y: loss(f, p, x[None], y[None]))
        w = jax.jit(jax.vmap(one, (None, 0, 0)))(params, x, y)[layer]["w"]
        w = w.reshape(len(x), -1, cfg.width)  # [B, n, m], of the only hidden one
        return float((~((w > 0).any(1) & (w < 0).any(1))).mean())

    centred = lambda x: F.sigmoid(x) - 0.5
    shares = {
        "pixels from 0 to 1": share(F.sigmoid, x, "enter"),
        "pixels less their mean": share(F.sigmoid, x - x.mean(), "enter"),
        "outputs of sigmoid": share(F.sigmoid, x, "hidden"),
        "outputs of sigmoid less 1/2": share(centred, x, "hidden"),
    }
    _show(
        report,
        "Share of units whose weights all get a gradient of one sign, one example at a "
        "time, by what comes in",
        ("inputs of the layer", "share"),
        [(name, f"{value:.3f}") for name, value in shares.items()],
    )
    return {f"signs/{name}": value for name, value in shares.items()}


def _show(report, title: str, headers, rows) -> None:
    rows = [tuple(map(str, row)) for row in rows]
    table = Table(*headers, box=None)
    for row in rows:
        table.add_row(*row)
    Console(markup=False).print(f"\n{title}", table)
    report.table(headers, rows, title)


if __name__ == "__main__":
    run(main, Config)
