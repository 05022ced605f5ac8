"""Which start carries a signal, and its gradient, through fifty layers.

Run:    python -m experiments.initialization
        python -m experiments.initialization --depth 100 --width 128

Expect: from the first to the fiftieth layer, over five seeds, He's second moments stay
within 0.19 to 2.6 of what they were with ReLU and the gradient's within 0.46 to 1.2;
Xavier's fall to 1e-15 with ReLU, but with tanh near 0 only to 0.4 to 0.7; orthogonal
weights keep both to five digits in a linear net; SELU ends at its fixed point, and its
gradient grows thirtyfold; a Gaussian of 0.01 leaves 1e-92 of both. 30 seconds on two
cores. A test holds a smaller run to each.

Images of clothing enter a net of equally wide layers, and at the end stands the
cross-entropy of their labels. Nothing is trained.

    z_l = W_l f(z_{l-1}),   q_l = mean of z_l^2,   g_l = mean of (d loss / d z_l)^2

Why, for wide layers: q_l = n Var(W) E[f(z)^2], g_{l-1} = n Var(W) E[f'(z)^2] g_l.
- ReLU: both expectations are halves of what they are of the identity, so He's 2 / n
  keeps q and g, and Xavier's 1 / n (of square layers) halves them in each layer.
- tanh near 0: E[f(z)^2] = q - 2 q^2, so Xavier's q_l = q / (1 + 2 l q), slow decay.
- SELU with LeCun's 1 / n: q = 1 is a fixed point that attracts every example's q, but
  E[f'(z)^2] = 1.07 there.
- sigmoid: E[f(z)^2] is that of 1/2, for all examples; E[f'(z)^2] is below 1/16.
- orthogonal weights keep |z| itself.

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

import zoo
import zoo.functional as F
from zoo.training import figures
from zoo.training.cli import run
from zoo.training.parallel import jit_once  # compiling is most of the time
from zoo.training.report import Report

LINEAR = "linear"
ACTIVATIONS = {LINEAR: lambda z: z} | {
    name: F.ACTIVATIONS[name] for name in ("relu", "tanh", "selu", "sigmoid")
}
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
    with jax.enable_x64(True):  # squares of 1e-92
        numbers, rows, lines = _measure(cfg)
    headers = ("initializer", "activation", "forward", "backward", "spread")
    title = (
        f"{cfg.depth} layers of {cfg.width}, from least to most of {cfg.seeds} seeds. "
        f"Second moment at the last layer over the first; of the gradient at the first "
        f"over the last; how much of the difference between examples is left"
    )
    report = Report("Initialization", "a signal and its gradient, layer by layer")
    report.show(headers, rows, title)
    for key, ylabel, caption in (
        ("forward", "second moment of z", "Forward: 1 at the first layer."),
        ("backward", "second moment of the gradient", "Backward: 1 at the last layer."),
    ):
        figure = figures.curves(lines[key], "layer", ylabel, log=True)
        figure.axes[0].set_ylim(1e-8, 1e2)
        report.figure(figure, f"{caption} Geometric means over the seeds.", key)
    print(f"report: {report.write(Path(cfg.run, 'report.html'))}")
    return numbers


def _measure(cfg: Config):
    """The figures by name, the rows of the table, and lines over the layers."""
    x, y = _data(cfg)
    of_seeds, activations = jit_once(_of_seeds), list(ACTIVATIONS)
    # Both ends are the same for all.
    ends = jit_once(lambda: _ends(x.shape[1], cfg.width))()
    drawn = {i: weights(cfg, i) for i in {i for i, _, _ in PAIRS}}
    numbers, rows, lines = {}, [], {"forward": {}, "backward": {}}
    for initializer, activation, size in PAIRS:
        number = activations.index(activation)
        parts = of_seeds(number, ends, drawn[initializer], size * x, y)
        q, g, spread = map(np.asarray, parts)
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
            lines[key][name] = (layers, np.exp(np.log(of).mean(0)))
        between = lambda v: f"{v.min():.2g}–{v.max():.2g}"
        where = activation if size == 1 else f"{activation} near 0"
        rows.append((initializer, where, *map(between, ratios.values())))
    return numbers, rows, lines


def _data(cfg: Config):
    """Images as vectors of mean 0 and second moment 1 over all, [N, 784]; labels."""
    train = zoo.data.load("fashion_mnist_small").train
    x = jnp.asarray(train["x"][: cfg.examples], jnp.float64)
    x = x.reshape(len(x), -1)
    return (x - x.mean()) / x.std(), jnp.asarray(train["y"][: cfg.examples])


def _of_seeds(number, ends, hidden, x, y):
    """`moments` of every seed's weights, with the activation of that number."""
    f = lambda z: jax.lax.switch(number, list(ACTIVATIONS.values()), z)
    return jax.lax.map(lambda w: moments(f, ends, w, x, y), hidden)


def _ends(inputs, width):
    """The same for all nets: weights of the first layer, and those to the logits."""
    first, last = jax.random.split(jax.random.key(0))
    draw = F.lecun_normal()
    return draw(first, (inputs, width), jnp.float32), draw(
        last, (width, 10), jnp.float32
    )


def weights(cfg: Config, initializer: str) -> jax.Array:
    """Of the layers after the first, by seed, [seeds, layers - 1, H, H]."""
    draw, shape = F.INITIALIZERS[initializer], (cfg.width, cfg.width)

    @jit_once
    def of_seed(seed):
        keys = jax.random.split(jax.random.key(seed), cfg.depth - 1)
        return jax.lax.map(lambda key: draw(key, shape, jnp.float32), keys)

    return jnp.stack([of_seed(seed) for seed in range(cfg.seeds)])


def moments(f, ends, hidden, x, y):
    """Second moments of what each layer computes and of the loss's gradient by it.

    Args:
        f: the activation.
        ends: weights of the first layer, [D, H], and those to the logits, [H, 10].
        hidden: weights of the other layers, [layers - 1, H, H].
        x: images, [N, D].
        y: labels, [N].

    Returns:
        q and g, [layers], and the coefficient of variation over the examples of each
        one's own second moment, [layers].
    """
    depth, width = len(hidden) + 1, hidden.shape[-1]
    enter, leave = (w.astype(x.dtype) for w in ends)
    hidden = hidden.astype(x.dtype)

    def loss(probes):  # zeros, [layers, N, H]: the gradient by them is that by z
        def layer(z, here):
            w, probe = here
            z = f(z) @ w + probe
            return z, z

        first = x @ enter + probes[0]
        last, z = jax.lax.scan(layer, first, (hidden, probes[1:]))
        total, _ = F.cross_entropy(f(last) @ leave, {"y": y})
        return total, jnp.concatenate([first[None], z])

    g, z = jax.grad(loss, has_aux=True)(jnp.zeros((depth, len(x), width), x.dtype))
    own = (z**2).mean(2)  # [layers, N]
    return own.mean(1), (g**2).mean((1, 2)), own.std(1) / own.mean(1)


if __name__ == "__main__":
    run(main, Config)
