"""A convolutional network learns by gradients derived by hand, the same as autodiff's.

Run:    python -m experiments.backprop_by_hand
        python -m experiments.backprop_by_hand --epochs 30 --seed 1

Expect: after 100 steps beside autodiff, both from one start, no parameter of the 3,898
differs by more than 3e-7 in float32 and 5e-16 in float64. After ten epochs by hand the
test accuracy is 0.71 to 0.74 over five seeds. It takes 25 seconds of a CPU core. A
test holds a smaller run to it.

The network: 28x28, convolution 5x5 to 6 maps, 12x12 after pooling, convolution 5x5 to
12 maps, 4x4 after pooling, 192 numbers, 10 outputs, with a sigmoid after each layer.
`backward` calls the backward passes of `zoo.functional.backprop` one after the other;
nothing on that path is differentiated by JAX.
"""

import dataclasses
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import optim
import zoo
from zoo.functional import backprop
from zoo.training import figures
from zoo.training.cli import run
from zoo.training.report import Report

# How far parameters may part: rounding, which a hundred steps amplify.
LIMITS = {"float32": 1e-5, "float64": 1e-13}


@dataclasses.dataclass(frozen=True)
class Config:
    """Flags.

    Attributes:
        steps: steps taken beside autodiff.
        epochs: passes over the training set, by hand alone.
        batch_size: examples of a step.
        learning_rate: of plain gradient descent.
        seed: of the parameters and of the order.
        run: the run folder.
    """

    steps: int = 100
    epochs: int = 10
    batch_size: int = 50
    learning_rate: float = 0.3
    seed: int = 0
    run: str = "runs/backprop_by_hand"


class Params(NamedTuple):
    k1: jax.Array  # [5, 5, C, 6]
    b1: jax.Array  # [6]
    k2: jax.Array  # [5, 5, 6, 12]
    b2: jax.Array  # [12]
    w: jax.Array  # [192, 10]
    b: jax.Array  # [10]


class Activations(NamedTuple):
    """What the forward pass keeps for the backward one, layer by layer."""

    x: jax.Array  # [B, 28, 28, C]
    h1: jax.Array  # [B, 24, 24, 6]
    s1: jax.Array  # [B, 12, 12, 6]
    h2: jax.Array  # [B, 8, 8, 12]
    s2: jax.Array  # [B, 192], from 4x4x12
    z: jax.Array  # [B, 10]
    a: jax.Array  # [B, 10], sigmoid of z


def init(key: jax.Array, channels: int = 1) -> Params:
    """Glorot's uniform kernels; biases of 0."""
    keys = jax.random.split(key, 3)
    shapes = ((5, 5, channels, 6), (5, 5, 6, 12), (192, 10))
    glorot = jax.nn.initializers.glorot_uniform()
    k1, k2, w = (glorot(key, shape) for key, shape in zip(keys, shapes, strict=True))
    return Params(k1, jnp.zeros(6), k2, jnp.zeros(12), w, jnp.zeros(10))


def forward(p: Params, x: jax.Array) -> Activations:
    """[conv 5x5 -> sigmoid -> mean of 2x2] twice, dense, sigmoid."""
    h1 = backprop.sigmoid(backprop.conv(x, p.k1, p.b1))
    s1 = backprop.mean_pool(h1)
    h2 = backprop.sigmoid(backprop.conv(s1, p.k2, p.b2))
    s2 = backprop.mean_pool(h2).reshape(len(x), -1)
    z = backprop.dense(s2, p.w, p.b)
    return Activations(x, h1, s1, h2, s2, z, backprop.sigmoid(z))


def backward(p: Params, t: Activations, y: jax.Array) -> Params:
    """Gradient of the mean over the batch of - sum y log a + (1 - y) log(1 - a)."""
    dz = (t.a - y) / len(y)  # [B, 10]: sigmoid and logarithms cancel
    ds2, dw, db = backprop.dense_backward(t.s2, p.w, dz)
    dh2 = backprop.mean_pool_backward(ds2.reshape(-1, 4, 4, 12))
    dz2 = backprop.sigmoid_backward(t.h2, dh2)
    ds1, dk2, db2 = backprop.conv_backward(t.s1, p.k2, dz2)
    dz1 = backprop.sigmoid_backward(t.h1, backprop.mean_pool_backward(ds1))
    _, dk1, db1 = backprop.conv_backward(t.x, p.k1, dz1)
    return Params(dk1, db1, dk2, db2, dw, db)


def by_hand(p: Params, x: jax.Array, y: jax.Array) -> tuple[jax.Array, Params]:
    """Loss and gradient; - log a = log(1 + e^z) - z, - log(1 - a) = log(1 + e^z)."""
    t = forward(p, x)
    loss = (jax.nn.softplus(t.z) - y * t.z).sum() / len(x)
    return loss, backward(p, t, y)


def by_autodiff(p: Params, x: jax.Array, y: jax.Array) -> tuple[jax.Array, Params]:
    """The same of the same network, written without anything of ours."""

    def stage(x, k, b):
        numbers = ("NHWC", "HWIO", "NHWC")
        z = jax.lax.conv_general_dilated(x, k, (1, 1), "VALID", None, None, numbers)
        h = jax.nn.sigmoid(z + b.reshape(1, 1, 1, -1))
        rows, columns = h.shape[1] // 2, h.shape[2] // 2
        return h.reshape(len(x), rows, 2, columns, 2, -1).mean((2, 4))

    def loss(p):
        h = stage(stage(x, p.k1, p.b1), p.k2, p.b2)
        z = h.reshape(len(x), -1) @ p.w + p.b[None]
        log_a, log_rest = jax.nn.log_sigmoid(z), jax.nn.log_sigmoid(-z)
        return -(y * log_a + (1 - y) * log_rest).sum() / len(x)

    return jax.value_and_grad(loss)(p)


def train(gradient, params: Params, stream, steps: int, rate: float):
    """Plain descent; yields the loss before each step and the parameters after it."""
    tx = optim.sgd(rate)

    @jax.jit  # the loop is Python's: a scan of convolutions is slow on a CPU
    def step(params, state, x, y):
        x, y = x.astype(params.w.dtype), jax.nn.one_hot(y, 10, dtype=params.w.dtype)
        loss, grads = gradient(params, x, y)
        updates, state = tx.update(grads, state, params)
        return jax.tree.map(jnp.add, params, updates), state, loss

    state = tx.init(params)
    for i in range(steps):
        batch = stream.at(i)
        params, state, loss = step(params, state, batch["x"], batch["y"])
        yield float(loss), params


def main(cfg: Config) -> dict[str, float]:
    """Trains beside autodiff, then by hand alone, and writes the report.

    Returns:
        The largest `difference/DTYPE` of a parameter in any step, the last `loss`, and
        `accuracy` on the test set.

    Raises:
        ValueError: a flag out of range.
        FloatingPointError: by hand and by autodiff part by more than `LIMITS`.
    """
    for name in ("steps", "epochs", "batch_size", "learning_rate"):
        if not getattr(cfg, name) > 0:
            raise ValueError(f"{name} must be positive, got {getattr(cfg, name)}")
    data = zoo.data.load("fashion_mnist_small")
    transform = zoo.data.standardize(data.train)
    stream = zoo.data.batches(data.train, cfg.batch_size, cfg.seed, transform=transform)
    start = init(jax.random.key(cfg.seed))
    apart = {dtype: _compare(cfg, start, stream, dtype) for dtype in LIMITS}

    steps = -(-stream.examples // cfg.batch_size) * cfg.epochs
    walk = train(by_hand, start, stream, steps, cfg.learning_rate)
    losses, params = zip(*walk, strict=True)
    tests = transform(data.test, None)
    called = jax.jit(forward)(params[-1], tests["x"]).a.argmax(1)
    numbers = {f"difference/{dtype}": float(d.max()) for dtype, d in apart.items()}
    numbers |= {
        "loss": float(np.mean(losses[-10:])),
        "accuracy": float((np.asarray(called) == tests["y"]).mean()),
    }
    _report(cfg, numbers, apart, losses, params[-1])
    return numbers


def _compare(cfg: Config, start: Params, stream, dtype: str) -> np.ndarray:  # [steps]
    """Largest difference of any parameter after each step; checked."""
    with jax.enable_x64(dtype == "float64"):
        start = jax.tree.map(lambda x: jnp.asarray(np.asarray(x), dtype), start)
        walks = [
            train(gradient, start, stream, cfg.steps, cfg.learning_rate)
            for gradient in (by_hand, by_autodiff)
        ]
        apart = []
        for (_, ours), (_, theirs) in zip(*walks, strict=True):
            pairs = zip(*map(jax.device_get, (ours, theirs)), strict=True)
            apart.append(max(np.abs(a - b).max() for a, b in pairs))
    if not max(apart) <= LIMITS[dtype]:
        raise FloatingPointError(
            f"by hand and by autodiff part by {max(apart):.2g} in {dtype}, more than "
            f"{LIMITS[dtype]:g}"
        )
    return np.array(apart)


def _report(cfg: Config, numbers, apart, losses, params: Params) -> None:
    report = Report("Backpropagation by hand", "a network of two convolutions")
    title = (
        f"By hand: {cfg.steps} steps beside autodiff, then {cfg.epochs} epochs alone"
    )
    report.show(["what", "value"], numbers.items(), title)
    steps = np.arange(1, cfg.steps + 1)
    report.figure(
        figures.curves(
            {dtype: (steps, np.maximum(d, 1e-18)) for dtype, d in apart.items()},
            "step",
            "largest difference of a parameter",
            log=True,
        ),
        "By hand and by autodiff, from one start: they part by rounding alone.",
        "difference",
    )
    report.figure(
        figures.curves({"by hand": (np.arange(len(losses)), losses)}, "step", "loss"),
        "Loss of each batch, trained by hand alone.",
        "loss",
    )
    kernels = np.moveaxis(np.asarray(params.k1), 3, 0).mean(3, keepdims=True)
    kernels = 0.5 + 0.5 * kernels / np.abs(kernels).max()  # 0 is grey
    titles = [f"map {i}" for i in range(len(kernels))]
    report.figure(
        figures.gallery(kernels, titles, columns=6),
        "The kernels of the first convolution; grey is 0, white positive.",
        "kernels",
    )
    print(f"report: {report.write(Path(cfg.run, 'report.html'))}")


if __name__ == "__main__":
    run(main, Config)
