"""Gradients through time: what vanishes, what explodes, and what the LSTM keeps.

Run:    python -m experiments.vanishing_gradients
        python -m experiments.vanishing_gradients --units 128 --radii 0.8 1.0 1.2

Expect: on five seeds, the factor by which a gradient's norm changes in a step back is
the radius itself in a linear network, to 1e-6; with ReLU it is the radius times the
root of the share of units at work, within 5 % (0.72 at radius 1); with tanh less, 0.33
at radius 0.5 and 0.86 at 1.5. An LSTM whose forget gate is open (bias 5) has factors
from 1.00 to 1.05 at all radii; with bias 0 they are 0.75 to 0.84. It takes 20 seconds
of a CPU core. A test holds a smaller run to it.

The recurrent matrix is a random orthogonal one times a radius r: all its eigenvalues
lie on the circle of radius r, and so do its singular values. A residual that goes one
step back is multiplied by f' and by that matrix, so

    |dL/dh_{t-1}| <= r max|f'| |dL/dh_t|

with equality where f' = 1. In an LSTM there is a second way back, along the cell state,
where the factor is the forget gate and no matrix. The state is (h, c) there, and its
gradient is that of both. The sequence is an image, row by row.

References:
    Bengio, Simard and Frasconi, "Learning long-term dependencies with gradient descent
    is difficult", IEEE Transactions on Neural Networks 1994,
    https://doi.org/10.1109/72.279181
    Pascanu, Mikolov and Bengio, "On the difficulty of training recurrent neural
    networks", ICML 2013, https://arxiv.org/abs/1211.5063
"""

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

import zoo
from zoo.functional import backprop
from zoo.training import figures
from zoo.training.cli import run
from zoo.training.parallel import jit_once  # compiling is most of the time
from zoo.training.report import Report

RNNS = ("linear", "relu", "tanh")


@dataclasses.dataclass(frozen=True)
class Config:
    """Flags.

    Attributes:
        radii: spectral radii of the recurrent matrix.
        forget_biases: of LSTMs, one each.
        units: of each network.
        images: sequences over which logarithms of norms are averaged.
        seeds: draws of all weights; seeds 0, 1, ...
        run: the run folder.
    """

    radii: tuple[float, ...] = (0.5, 0.7, 0.9, 1.0, 1.1, 1.3, 1.5)
    forget_biases: tuple[float, ...] = (0.0, 1.0, 5.0)
    units: int = 64
    images: int = 32
    seeds: int = 5
    run: str = "runs/vanishing_gradients"


def network(kind: str, radius, bias, key: jax.Array, width: int, units: int):
    """A cell (state, x) -> state, on the library's own functions.

    Args:
        kind: one of RNNS, or lstm.
        radius: spectral radius of each gate's recurrent matrix, a scalar.
        bias: of an LSTM's forget gate, a scalar.
        key: of the weights.
        width: inputs of a step (D).
        units: H.

    Returns:
        The cell, on x of [B, D]; the state is a tuple of arrays [B, H].
    """
    gates = 1 if kind in RNNS else 4
    keys = jax.random.split(key, gates + 1)
    turns = [jax.random.orthogonal(key, units) for key in keys[1:]]
    w_h = radius * jnp.concatenate(turns, axis=1)  # [H, gates H]
    w_x = jax.random.normal(keys[0], (width, gates * units)) / np.sqrt(width)
    b = jnp.zeros(gates * units)
    if kind in RNNS:
        return lambda state, x: (
            backprop.rnn(x[:, None], *state, w_x, w_h, b, activation=kind)[:, 0],
        )
    b = b.at[units : 2 * units].set(bias)  # order i, f, g, o

    def cell(state, x):
        h, c = backprop.lstm(x[:, None], *state, w_x, w_h, b)
        return h[:, 0], c

    return cell


def measure(kind: str, x: jax.Array, units: int, radius, bias, seed):
    """One network, forth and back through time.

    Args:
        kind: see `network`.
        x: sequences, [B, T, D].
        units: H.
        radius: spectral radius, a scalar.
        bias: of the forget gate, a scalar.
        seed: of the weights and of the gradient at the end.

    Returns:
        The mean over the sequences of log |dL/d state_t|, [T + 1], where the state at 0
        is that before the first step, and |dL/dh_T| = 1; and the share of states that
        are positive.
    """
    key = jax.random.key(seed)
    cell = network(kind, radius, bias, jax.random.fold_in(key, 0), x.shape[2], units)
    zeros = jnp.zeros((len(x), units))
    start = (zeros,) if kind in RNNS else (zeros, zeros)
    steps = jnp.swapaxes(x, 0, 1)  # [T, B, D]
    _, states = jax.lax.scan(lambda s, x: (cell(s, x), s), start, steps)
    end = jax.random.normal(jax.random.fold_in(key, 1), zeros.shape)
    end = end / jnp.linalg.norm(end, axis=1, keepdims=True)
    end = (end, *(zeros for _ in start[1:]))  # the loss sees h alone

    def log_norm(d):
        return jnp.log(sum((part * part).sum(1) for part in d)).mean() / 2

    def back(d, step):
        state, x = step
        d = jax.vjp(lambda s: cell(s, x), state)[1](d)[0]
        return d, log_norm(d)

    _, norms = jax.lax.scan(back, end, (states, steps), reverse=True)
    return jnp.append(norms, log_norm(end)), (states[0][1:] > 0).mean()


def main(cfg: Config) -> dict[str, float]:
    """Measures every kind at every radius and seed; prints tables, writes the report.

    Returns:
        For each kind and radius, `KIND/RADIUS`: the factor by which the norm changes in
        a step back, the mean over seeds; and the worst of each claim, see `_claims`.

    Raises:
        ValueError: a flag out of range.
    """
    for name in ("units", "images", "seeds"):
        if getattr(cfg, name) < 1:
            raise ValueError(f"{name} must be positive, got {getattr(cfg, name)}")
    if not cfg.radii or not min(cfg.radii) > 0:
        raise ValueError(f"radii must be positive, got {cfg.radii}")
    if not cfg.forget_biases:
        raise ValueError("forget_biases must have at least one value")
    data = zoo.data.load("fashion_mnist_small")
    x = zoo.data.standardize(data.train)(data.train, None)["x"][: cfg.images, ..., 0]
    radii, seeds = jnp.asarray(cfg.radii), jnp.arange(cfg.seeds)
    norms, active = {}, {}
    for kind in (*RNNS, "lstm"):
        # An LSTM for each bias; a network that has none gets one.
        biases = jnp.asarray(cfg.forget_biases if kind == "lstm" else (0.0,))
        one = lambda *args, kind=kind: measure(kind, x, cfg.units, *args)
        every = jax.vmap(one, (None, None, 0))
        every = jax.vmap(jax.vmap(every, (0, None, None)), (None, 0, None))
        found = jax.device_get(jit_once(every)(radii, biases, seeds))
        for i, bias in enumerate(biases):  # [biases, radii, seeds, ...]
            name = f"lstm {bias:g}" if kind == "lstm" else kind
            norms[name], active[name] = found[0][i], found[1][i]
    slopes = {name: _slope(n) for name, n in norms.items()}  # [radii, seeds]
    numbers = {
        f"{name}/{radius:g}": float(np.exp(slope[i].mean()))
        for name, slope in slopes.items()
        for i, radius in enumerate(cfg.radii)
    }
    claims = _claims(cfg, slopes, active)
    numbers |= {
        name: float(each[np.abs(each).argmax()]) for name, each in claims.items()
    }
    _report(cfg, norms, slopes, claims, numbers)
    return numbers


def _slope(norms: np.ndarray) -> np.ndarray:  # [..., T + 1] -> [...]
    """Least squares of the log-norm against steps back, without the step at the end."""
    norms = norms[..., -2::-1]  # the first step back of an LSTM enters the cell state
    back = np.arange(norms.shape[-1]) - (norms.shape[-1] - 1) / 2
    return norms @ back / (back @ back)


def _claims(cfg: Config, slopes, active) -> dict[str, np.ndarray]:
    """Of each seed, the worst over all radii, in nats a step.

    linear   s - log r: 0
    relu     s - log r - log(share of units at work) / 2: near 0
    tanh     s - log r, the largest: below 0
    lstm     s at the largest forget bias: near 0 at every radius
    """
    log_r = np.log(cfg.radii)[:, None]
    share = np.log(active["relu"]) / 2
    worst = lambda d: np.take_along_axis(d, np.abs(d).argmax(0)[None], 0)[0]
    name = f"lstm {max(cfg.forget_biases):g}"
    return {
        "linear: s - log r": worst(slopes["linear"] - log_r),
        "relu: s - log r - log(share) / 2": worst(slopes["relu"] - log_r - share),
        "tanh: s - log r": (slopes["tanh"] - log_r).max(0),
        f"{name}: s": worst(slopes[name]),
    }


def _report(cfg: Config, norms, slopes, claims, numbers) -> None:
    report = Report("Gradients through time", "images of clothing, row by row")
    headers = ("radius", *slopes)
    rows = [
        (f"{r:g}", *(f"{numbers[f'{name}/{r:g}']:.3f}" for name in slopes))
        for r in cfg.radii
    ]
    report.show(headers, rows, "Factor of the gradient's norm in a step back")
    text = lambda value: f"{value:.3f}" if abs(value) >= 1e-3 else f"{value:.0e}"
    rows = [(name, *map(text, each)) for name, each in claims.items()]
    headers = ("slope s of the log-norm", *(f"seed {i}" for i in range(cfg.seeds)))
    report.show(headers, rows, "At the worst radius r, in nats a step")
    lines = {
        name: (cfg.radii, *(np.exp(f(s, 1)) for f in (np.mean, np.min, np.max)))
        for name, s in slopes.items()
    }
    report.figure(
        figures.curves(lines, "spectral radius", "factor of the norm in a step back"),
        "On the straight line of the linear network a gradient is multiplied by the "
        "radius; a network with a bounded slope lies below. The LSTMs, by their forget "
        "bias, hardly depend on it. Bands: the least and the largest of the seeds.",
        "factors",
    )
    back = np.arange(next(iter(norms.values())).shape[-1])
    middle, last = np.abs(np.log(cfg.radii)).argmin(), np.argmax(cfg.radii)
    for name, i in (("norms", middle), ("norms_at_largest", last)):
        lines = {k: (back, np.exp(n[i].mean(0)[::-1])) for k, n in norms.items()}
        report.figure(
            figures.curves(lines, "steps back", "norm of the gradient", log=True),
            f"Through time at radius {cfg.radii[i]:g}; 1 at the last step.",
            name,
        )
    print(f"report: {report.write(Path(cfg.run, 'report.html'))}")


if __name__ == "__main__":
    run(main, Config)
