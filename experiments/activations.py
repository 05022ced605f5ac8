"""What activations do to a deep net: saturation, dying ReLUs, outputs around zero.

Run:    python -m experiments.activations
        python -m experiments.activations --steps 500 --rates 0.01 0.1 1

Expect: EXPECT
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

DEEP = ("sigmoid", "hard_sigmoid", "tanh", "hard_tanh", "softplus", "relu",
        "leaky_relu", "elu", "selu", "gelu", "silu")  # fmt: skip
LITTLE = 0.1  # saturated: where the derivative is below this share of its largest
SIDE = 14  # pixels, each the mean of four
CENTRED_DEPTH = 2  # of the nets that are compared with and without a shift


@dataclasses.dataclass(frozen=True)
class Config:
    """Flags.

    Attributes:
        width: units of a hidden layer.
        depth: hidden layers.
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
    rates: tuple[float, ...] = (0.03, 0.1, 0.3, 1.0, 3.0)
    shift_rates: tuple[float, ...] = (0.3, 1.0, 3.0, 10.0)
    seeds: int = 5
    run: str = "runs/activations"


def main(cfg: Config) -> dict[str, float]:
    """Trains all nets, prints the tables and writes the report.

    Returns:
        For each activation, at its best rate and as means over the seeds, `NAME/loss`,
        `NAME/accuracy`, `NAME/rate` and `NAME/saturated/LAYER`; `NAME/dead/SEED` at
        the largest rate. Of the pair that differs by a shift, `shift/NAME/` followed
        by `loss/SEED`, `mean` of the outputs, `rate` and `first`, the loss of the
        first batch. `signs/...`, shares of units whose weights' gradients have one
        sign.

    Raises:
        ValueError: a flag out of range.
    """
    for name in ("width", "depth", "steps", "batch_size", "seeds"):
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
    numbers = {**_deep(cfg, data, report), **_shift(cfg, data, report)}
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


def _standard(x, like):
    return (x - like.mean()) / like.std()


def start(key, inputs, width, depth):
    """Weights of equal variance 1 / n and zero biases, a list of layers."""
    sizes = [inputs, *depth * [width], 10]
    draw = F.INITIALIZERS["lecun_normal"]
    keys = jax.random.split(key, depth + 1)
    return [
        {"w": draw(key, (n, m)), "b": jnp.zeros(m)}
        for key, n, m in zip(keys, sizes[:-1], sizes[1:], strict=True)
    ]


def forward(f, params, x):
    """Logits, [B, 10], and what the activations of the hidden layers see, [L, B, H]."""
    seen = []
    for layer in params[:-1]:
        seen.append(x @ layer["w"] + layer["b"][None])
        x = f(seen[-1])
    return x @ params[-1]["w"] + params[-1]["b"][None], jnp.stack(seen)


def loss(f, params, x, y):
    total, count = F.cross_entropy(forward(f, params, x)[0], {"y": y})
    return total / count


def train(cfg, rates, f, df, x, y, depth, shift=0.0):
    """Runs from all seeds at all rates, as one program.

    Args:
        cfg: as `main`'s.
        rates: the grid.
        f, df: activation and derivative.
        x, y: the training set, [N, D] and [N].
        depth: hidden layers.
        shift: what f has less than it would have: biases of the start make up for it,
            so that the net computes the same as without.

    Returns:
        By name, arrays [seeds, rates, ...]: `loss`, [...]; `losses` of each step;
        `saturated`, by layer; `dead`, the share of units that no example moves, NaN
        of a net that diverged;
        `mean`, of all outputs of f; `params`.
    """
    largest = jnp.abs(df(jnp.linspace(-10, 10, 2001))).max()

    def one(seed, rate):
        key = jax.random.key(seed)
        params = start(key, x.shape[1], cfg.width, depth)
        for layer in params[1:]:
            layer["b"] = layer["b"] + shift * layer["w"].sum(0)
        tx = optim.sgd(rate)

        def step(carry, i):
            keys = jax.random.fold_in(key, i)
            at = jax.random.randint(keys, (cfg.batch_size,), 0, len(x))
            taken = optim.descend(tx, lambda p: loss(f, p, x[at], y[at]), *carry)
            return (taken.x, taken.state), taken.value

        carry, losses = jax.lax.scan(
            step, (params, tx.init(params)), jnp.arange(cfg.steps)
        )
        params = carry[0]
        _, seen = forward(f, params, x)  # [L, N, H]
        slope, final = jnp.abs(df(seen)), loss(f, params, x, y)
        return {
            "loss": final,
            "losses": losses,
            "saturated": (slope < LITTLE * largest).mean((1, 2)),
            "dead": jnp.where(jnp.isfinite(final), (slope == 0).all(1).mean(), jnp.nan),
            "mean": f(seen).mean(),
            "params": params,
        }

    grid = jax.vmap(jax.vmap(one, (None, 0)), (0, None))
    return jax.jit(grid)(jnp.arange(cfg.seeds), jnp.asarray(rates))


def _best(result) -> int:
    """The number of the rate with the lowest mean loss; a run that diverged loses."""
    mean = np.asarray(result["loss"]).mean(0)
    return int(np.argmin(np.where(np.isfinite(mean), mean, np.inf)))


def _deep(cfg: Config, data, report) -> dict[str, float]:
    (x, y), (test_x, test_y) = data
    x, test_x = _standard(x, x), _standard(test_x, x)
    numbers, rows, results = {}, [], {}
    for name in DEEP:
        f = F.ACTIVATIONS[name]
        result = results[name] = train(
            cfg, cfg.rates, f, F.DERIVATIVES[name], x, y, cfg.depth
        )
        best = _best(result)
        params = jax.tree.map(lambda p, i=best: p[:, i], result["params"])
        answer = jax.vmap(lambda p, f=f: forward(f, p, test_x)[0].argmax(-1))(params)
        means = {
            "loss": result["loss"][:, best].mean(),
            "accuracy": (answer == test_y[None]).mean(),
            "rate": cfg.rates[best],
        }
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
    losses = {n: spread(np.asarray(results[n]["loss"])) for n in DEEP}
    figure = figures.sensitivity(cfg.rates, losses, "loss")
    figure.axes[0].set_ylim(0, 3)  # a guess has log 10 = 2.3
    report.figure(
        figure,
        "Training loss after equal steps by rate; bands from least to most of the "
        "seeds. Lines that leave above diverge.",
        "loss",
    )
    shown = ("relu", "leaky_relu", "elu", "gelu")
    dead = {n: np.asarray(results[n]["dead"]) for n in DEEP}
    figure = figures.curves(
        {n: (cfg.rates, *spread(dead[n])) for n in shown[:2]},
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
    x, y = data[0]
    x, df = _standard(x, x), F.DERIVATIVES["sigmoid"]
    rates = cfg.shift_rates
    centred = lambda x: F.sigmoid(x) - 0.5
    results = {
        "sigmoid": train(cfg, rates, F.sigmoid, df, x, y, CENTRED_DEPTH),
        "centred": train(cfg, rates, centred, df, x, y, CENTRED_DEPTH, shift=0.5),
    }
    numbers, rows, curves = {}, [], {}
    for name, result in results.items():
        best = _best(result)
        final = np.asarray(result["loss"])[:, best]
        numbers |= {f"shift/{name}/loss/{i}": float(v) for i, v in enumerate(final)}
        mean = float(result["mean"][:, best].mean())
        numbers |= {f"shift/{name}/mean": mean, f"shift/{name}/rate": rates[best]}
        numbers[f"shift/{name}/first"] = float(result["losses"][:, best, 0].mean())
        rows.append(
            (name, f"{rates[best]:g}", f"{mean:.3f}", *(f"{v:.3f}" for v in final))
        )
        for i in sorted({best, max(0, best - 1)}):
            line = np.asarray(result["losses"])[:, i].mean(0)
            curves[f"{name}, rate {rates[i]:g}"] = (np.arange(cfg.steps), line)
    _show(
        report,
        f"Sigmoid, and sigmoid less 1/2: {CENTRED_DEPTH} hidden layers, each at its "
        f"best rate; the mean of the outputs, and the loss after {cfg.steps} steps",
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
        w = jax.jit(jax.vmap(one, (None, 0, 0)))(params, x, y)[layer]["w"]  # [B, n, m]
        return float((~((w > 0).any(1) & (w < 0).any(1))).mean())

    centred = lambda x: F.sigmoid(x) - 0.5
    shares = {
        "pixels from 0 to 1": share(F.sigmoid, x, 0),
        "pixels less their mean": share(F.sigmoid, x - x.mean(), 0),
        "outputs of sigmoid": share(F.sigmoid, x, 1),
        "outputs of sigmoid less 1/2": share(centred, x, 1),
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
