"""Which start carries a signal, and its gradient, through fifty layers.

Run:    python -m experiments.initialization
        python -m experiments.initialization --depth 100 --width 128

Expect: EXPECT

A test holds each row of the table to it. Images of clothing enter a net of equally wide layers
through weights that keep their variance; at the end stands the cross-entropy of their
labels. Nothing is trained.

    z_l = W_l f(z_{l-1}),   q_l = mean of z_l^2,   g_l = mean of (d loss / d z_l)^2

Why, for wide layers: q_l = n Var(W) E[f(z)^2]. For ReLU E[f(z)^2] is q / 2, so He's
2 / n keeps q, Xavier's 1 / n (of square layers) halves it, layer by layer: 2^-49
after fifty. tanh is near its tangent where q is small: q_l = q / (1 + 2 l q) with Xavier
is slow decay, not exponential. SELU with LeCun's 1 / n pulls every q to 1.
Orthogonal weights keep |z| itself, so a linear net with them is exact.

References:
    Glorot and Bengio, "Understanding the difficulty of training deep feedforward
    neural networks", AISTATS 2010, https://proceedings.mlr.press/v9/glorot10a.html
    He et al., "Delving deep into rectifiers", ICCV 2015,
    https://arxiv.org/abs/1502.01852
    Klambauer et al., "Self-normalizing neural networks", NeurIPS 2017,
    https://arxiv.org/abs/1706.02515
    Saxe, McClelland and Ganguli, "Exact solutions to the nonlinear dynamics of
    learning in deep linear neural networks", ICLR 2014,
    https://arxiv.org/abs/1312.6120
"""

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console
from rich.table import Table

import zoo
import zoo.functional as F
from zoo.training import figures
from zoo.training.cli import run
from zoo.training.report import Report

LINEAR = "linear"
# initializer, activation, deviation of the input
PAIRS = (
    ("gaussian", "relu", 1.0),
    ("gaussian", "tanh", 1.0),
    ("xavier_normal", LINEAR, 1.0),
    ("xavier_normal", "tanh", 0.1),
    ("xavier_normal", "relu", 1.0),
    ("he_normal", "relu", 1.0),
    ("he_uniform", "relu", 1.0),
    ("lecun_normal", "selu", 1.0),
    ("lecun_normal", "sigmoid", 1.0),
    ("orthogonal", LINEAR, 1.0),
    ("orthogonal", "tanh", 0.1),
)


@dataclasses.dataclass(frozen=True)
class Config:
    """Flags.

    Attributes:
        depth: layers whose input and output are equally wide.
        width: units of each.
        examples: images.
        seeds: 0, 1, ...; of the weights.
        run: the run folder.
    """

    depth: int = 50
    width: int = 256
    examples: int = 128
    seeds: int = 5
    run: str = "runs/initialization"


def main(cfg: Config) -> dict[str, float]:
    """Draws the nets, prints the table and writes the report.

    Returns:
        By `INITIALIZER/ACTIVATION/SEED/`: `forward`, the second moment of the last
        layer over that of the first; `backward`, that of the gradient at the first
        over the last; `spread`, the coefficient of variation of q over the examples
        at the last layer over the first.

    Raises:
        ValueError: a flag out of range.
    """
    for name, least in (("depth", 2), ("width", 1), ("examples", 2), ("seeds", 1)):
        if getattr(cfg, name) < least:
            raise ValueError(
                f"{name} must be {least} or more, got {getattr(cfg, name)}"
            )
    x, y = _data(cfg)
    numbers, rows, lines = {}, [], {"forward": {}, "backward": {}}
    for initializer, activation, size in PAIRS:
        q, g, spread = jax.device_get(
            moments(cfg, initializer, activation, size * x, y)
        )
        name = f"{initializer}/{activation}"
        ratios = {
            "forward": q[:, -1] / q[:, 0],
            "backward": g[:, 0] / g[:, -1],
            "spread": spread[:, -1] / spread[:, 0],
        }
        for key, values in ratios.items():
            numbers |= {f"{name}/{i}/{key}": float(v) for i, v in enumerate(values)}
        layers = np.arange(1, cfg.depth + 1)
        for key, of in (("forward", q / q[:, :1]), ("backward", g / g[:, -1:])):
            # A line ends where a float32 does; on a logarithmic axis nothing is 0.
            of = np.where(of > 1e-36, of, np.nan)
            lines[key][name] = (layers, np.exp(np.log(of).mean(0)))
        between = lambda v: f"{v.min():.2g} to {v.max():.2g}"
        rows.append(
            (initializer, activation, f"{size:g}", *map(between, ratios.values()))
        )
    headers = ("initializer", "activation", "input", *ratios)
    title = (
        f"{cfg.depth} layers of {cfg.width}, from least to most of {cfg.seeds} seeds. "
        f"Second moment at the last layer over the first; of the gradient at the first "
        f"over the last; how much of the difference between examples is left"
    )
    table = Table(*headers, box=None)
    for row in rows:
        table.add_row(*row)
    Console(markup=False).print(f"\n{title}", table)
    report = Report("Initialization", "a signal and its gradient through fifty layers")
    report.table(headers, rows, title)
    for key, ylabel, caption in (
        ("forward", "second moment of z", "Forward: 1 at the first layer."),
        ("backward", "second moment of the gradient", "Backward: 1 at the last layer."),
    ):
        figure = figures.curves(lines[key], "layer", ylabel, log=True)
        figure.axes[0].set_ylim(1e-20, 1e4)
        report.figure(figure, f"{caption} Geometric means over the seeds.", key)
    print(f"report: {report.write(Path(cfg.run, 'report.html'))}")
    return numbers


def _data(cfg: Config):
    """Images as vectors of mean 0 and second moment 1 over all, [N, 784]; labels."""
    train = zoo.data.load("fashion_mnist_small").train
    x = jnp.asarray(train["x"][: cfg.examples], jnp.float32)
    x = x.reshape(len(x), -1)
    return (x - x.mean()) / x.std(), jnp.asarray(train["y"][: cfg.examples])


def moments(cfg: Config, initializer: str, activation: str, x, y):
    """Second moments of what each layer computes and of the loss's gradient by it.

    Args:
        cfg: as `main`'s.
        initializer: a name of `F.INITIALIZERS`.
        activation: a name of `F.ACTIVATIONS`, or "linear".
        x: images, [N, 784].
        y: labels, [N].

    Returns:
        q and g, [seeds, layers], and the coefficient of variation over the examples
        of each one's own second moment, [seeds, layers].
    """
    draw = F.INITIALIZERS[initializer]
    f = F.ACTIVATIONS.get(activation, lambda x: x)

    def one(seed):
        first, hidden, last = jax.random.split(jax.random.key(seed), 3)
        shape = (cfg.width, cfg.width)
        weights = jax.lax.map(
            lambda key: draw(key, shape), jax.random.split(hidden, cfg.depth - 1)
        )
        enter = F.INITIALIZERS["lecun_normal"](first, (x.shape[1], cfg.width))
        leave = F.INITIALIZERS["lecun_normal"](last, (cfg.width, 10))

        def loss(probes):  # zeros, [layers, N, H]: their gradient is that by z
            z = x @ enter + probes[0]
            step = lambda z, wp: 2 * (f(z) @ wp[0] + wp[1],)
            z_last, zs = jax.lax.scan(step, z, (weights, probes[1:]))
            total, _ = F.cross_entropy(f(z_last) @ leave, {"y": y})
            return total, jnp.concatenate([z[None], zs])

        probes = jnp.zeros((cfg.depth, len(x), cfg.width))
        g, z = jax.grad(loss, has_aux=True)(probes)
        own = (z**2).mean(2)  # [layers, N]
        # Gradients of 1e-20 have squares that no float32 holds: scaled before.
        size = jnp.maximum(jnp.abs(g).max((1, 2), keepdims=True), 1e-37)
        root = size[:, 0, 0] * jnp.sqrt(((g / size) ** 2).mean((1, 2)))
        return own.mean(1), root, own.std(1) / own.mean(1)

    q, root, spread = jax.jit(lambda seeds: jax.lax.map(one, seeds))(
        jnp.arange(cfg.seeds)
    )
    return q, np.asarray(root, np.float64) ** 2, spread


if __name__ == "__main__":
    run(main, Config)
