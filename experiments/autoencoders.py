"""Autoencoders: what each kind is trained for, it does better than the plain one.

Run:    python -m experiments.autoencoders
        python -m experiments.autoencoders --data fashion_mnist_small --hidden 64

Expect: on digits, medians of seeds 0 to 4, and each holds on each seed:

    denoising    from half of the pixels 14.8 dB, the plain one 10.6; from noisy ones
                 16.6 dB against 12.8. The plain one is the best on whole images, 23.3
    sparse       codes of a sparsity of 0.50 (l1) and 0.41 (KL) against 0.15
    contractive  |J|^2 of 6.7, against 30.6 of the same network, tied, without penalty

Ninety seconds of a CPU core.

Every kind has a code of the same size and learns from the same batches for as many
steps, with each rate; the rate at which its own loss is least, on the training images
and in the mean of the seeds, is shown. The stacked one spends half of its steps on its
two levels, one after the other, and half on the whole. What they are measured by, on
test images:

    psnr          of the reconstruction of the images, in decibels
    masked, noisy the same from images of which half of the pixels are set to 0, or to
                  which normal noise is added
    sparsity      of the codes by Hoyer: 0 all units alike, 1 one active unit
    jacobian      mean of |J|^2, J the derivatives of the code by the pixels

A test holds a smaller run to it.
"""

import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

import optim
import zoo
from zoo.errors import unknown
from zoo.functional import example_keys
from zoo.generative import (
    autoencoder,
    contractive,
    conv_autoencoder,
    denoising,
    objective,
    recirculation,
    sparse_autoencoder,
    stacked,
    vae,
)
from zoo.training import figures
from zoo.training.cli import run
from zoo.training.parallel import jit_once
from zoo.training.report import Report

SEEDS = (0, 1, 2, 3, 4)
SHOWN = 8  # images in the picture
MEASURES = ("psnr", "masked", "noisy", "sparsity", "jacobian")
NATS = "bernoulli"


@dataclasses.dataclass(frozen=True)
class Config:
    """Flags.

    Attributes:
        data: a data set of images.
        kinds: of autoencoders that are compared; the first is the plain one.
        hidden: units of the code.
        rates: learning rates, of each of which all kinds learn.
        steps: of each run.
        batch_size: images of a step.
        sparse: weight of the sparse penalties.
        rho: how often a unit is to be active, by the KL form.
        contract: weight of the contractive penalty.
        share: of pixels that masking sets to 0.
        noise: deviation of the normal noise.
        measured: test images that are measured.
        run: the run folder.
    """

    data: str = "digits"
    kinds: tuple[str, ...] = (
        *("plain", "tied", "sparse_l1", "sparse_kl", "masking", "gaussian"),
        *("contractive", "stacked", "vae", "recirculation", "conv"),
    )
    hidden: int = 32
    rates: tuple[float, ...] = (0.01, 0.003)
    steps: int = 1500
    batch_size: int = 64
    sparse: float = 0.3
    rho: float = 0.05
    contract: float = 0.3
    share: float = 0.5
    noise: float = 0.3
    measured: int = 200
    run: str = "runs/autoencoders"


class Kind(NamedTuple):
    """How a kind learns.

    Attributes:
        model: what its parameters are of.
        stages: learner, and carry from the stage before, of each.
        params: last state -> the model's parameters.
    """

    model: nn.Module
    stages: list[tuple[zoo.Learner, Callable | None]]
    params: Callable[[Any], Any] = lambda state: state.params


def _one(model, aim, rate) -> Kind:
    return Kind(model, [(objective.learner(model, aim, optim.adam(rate)), None)])


def _dense(cfg, shape, **fields):
    return autoencoder.Autoencoder(shape, (cfg.hidden,), **fields)


def _stacked(cfg, shape, rate):
    model = autoencoder.Autoencoder(shape, (2 * cfg.hidden, cfg.hidden))
    aim, tx = objective.reconstruction(NATS), optim.adam(rate)
    levels = [stacked.level(model, i, aim, tx) for i in range(2)]
    whole = objective.learner(model, aim, tx)
    carries = None, stacked.carry(1), stacked.tuning(2, tx)
    return Kind(model, list(zip([*levels, whole], carries, strict=True)))


def _recirculation(cfg, shape, rate):
    """At a hundred times the rate: plain steps of short updates, where Adam's are
    as long as the rate."""

    def params(state):
        p = state.params
        return {
            "encoder_0": {"kernel": p["W"], "bias": p["c"]},
            "decoder_0": {"kernel": p["V"], "bias": p["b"]},
        }

    fit = recirculation.learner(cfg.hidden, 100 * rate, 0.5)
    return Kind(_dense(cfg, shape), [(fit, None)], params)


KINDS: dict[str, Callable[..., Kind]] = {
    "plain": lambda c, s, r: _one(_dense(c, s), objective.reconstruction(NATS), r),
    "tied": lambda c, s, r: _one(
        _dense(c, s, tied=True), objective.reconstruction(NATS), r
    ),
    "sparse_l1": lambda c, s, r: _one(
        _dense(c, s), sparse_autoencoder.l1(c.sparse, NATS), r
    ),
    "sparse_kl": lambda c, s, r: _one(
        _dense(c, s), sparse_autoencoder.kl(c.sparse, c.rho, NATS), r
    ),
    "masking": lambda c, s, r: _one(
        _dense(c, s), denoising.denoising(denoising.masking(c.share), NATS), r
    ),
    "gaussian": lambda c, s, r: _one(
        _dense(c, s), denoising.denoising(denoising.gaussian(c.noise), NATS), r
    ),
    "contractive": lambda c, s, r: _one(
        _dense(c, s, tied=True), contractive.contractive(c.contract, likelihood=NATS), r
    ),
    "stacked": _stacked,
    "vae": lambda c, s, r: _one(vae.VAE(s, (2 * c.hidden,), c.hidden), vae.elbo(), r),
    "recirculation": _recirculation,
    "conv": lambda c, s, r: _one(
        conv_autoencoder.ConvAutoencoder(s, (8, 16), c.hidden),
        objective.reconstruction(NATS),
        r,
    ),
}
LOOPED = ("conv",)  # convolutions are slow in a loop, and mapped, on a CPU


def main(cfg: Config) -> dict[str, float]:
    """Trains all kinds, prints the table and writes the report.

    Returns:
        `KIND/MEASURE/SEED` of each kind at its rate, `KIND/rate`.

    Raises:
        ValueError: a flag out of range; an unknown kind or data set.
    """
    for kind in cfg.kinds:
        if kind not in KINDS:
            raise unknown("kind", kind, KINDS)
    least = (cfg.hidden, cfg.steps, cfg.batch_size, cfg.measured, len(cfg.kinds))
    if min(least) < 1 or not cfg.rates or not min(cfg.rates) > 0:
        raise ValueError(
            "hidden, steps, batch_size, measured, kinds and rates must be positive, "
            f"got {least} and {cfg.rates}"
        )
    data = zoo.data.load(cfg.data)
    train, test = (
        jnp.asarray(split["x"] / np.float32(data.scale)) for split in data[:2]
    )
    stream = zoo.data.batches({"x": data.train["x"]}, cfg.batch_size, seed=0)
    index = jnp.array([stream.at(i)["index"] for i in range(cfg.steps)])
    report = Report("Autoencoders", f"of {cfg.data}, codes of {cfg.hidden} numbers")
    numbers, rows, pictures = {}, [], {}
    for kind in cfg.kinds:
        make = functools.partial(KINDS[kind], cfg, train.shape[1:])
        losses, params = _trained(make, train, index, cfg, kind in LOOPED)
        best = int(losses.mean(1).argmin())  # [rates, seeds]
        params = jax.tree.map(lambda p, best=best: p[best], params)
        found, pictures[kind] = _measured(make(0.1).model, params, test, cfg)
        numbers[f"{kind}/rate"] = cfg.rates[best]
        for name, values in zip(MEASURES, np.asarray(found).T, strict=True):
            numbers |= {f"{kind}/{name}/{s}": float(values[s]) for s in SEEDS}
        middle = np.median(found, axis=0)
        print(f"{kind}: psnr {middle[0]:.2f} dB at the rate {cfg.rates[best]}")
        rows.append((kind, *(f"{m:.3f}" for m in middle), f"{cfg.rates[best]:g}"))
    title = "What each is measured by, on test images; the median of five seeds"
    report.show(("kind", *MEASURES, "rate"), rows, title)
    _gallery(report, cfg, test, pictures)
    print(f"report: {report.write(Path(cfg.run, 'report.html'))}")
    return numbers


def _trained(make, train, index, cfg, looped):
    """Own losses on the training images [rates, seeds], and the last parameters."""

    def batch(i):
        return {"x": train[i], "index": i}

    whole = batch(jnp.arange(len(train), dtype=jnp.int32))
    count = len(make(0.1).stages)
    ends = np.linspace(0, cfg.steps, count + 1).astype(int)
    if count == 3:
        ends = np.array([0, cfg.steps // 4, cfg.steps // 2, cfg.steps])

    def learn(rate, seed):
        kind, state = make(rate), None
        for n, (fit, carry) in enumerate(kind.stages):
            key = jax.random.fold_in(jax.random.key(seed), n)
            fresh = fit.init(key, batch(index[0]))
            state = carry(state, fresh) if carry else fresh
            body = lambda t, state, fit=fit: fit.step(state, batch(index[t]))[0]
            state = jax.lax.fori_loop(ends[n], ends[n + 1], body, state)
        loss = fit.evaluate(state, whole)["loss"]
        return loss[0] / loss[1], kind.params(state)

    def step_by_step(rate, seed):
        state = init(seed)
        for t in range(cfg.steps):
            state = step(rate, state, index[t])
        return evaluate(state), state.params

    rates, seeds = jnp.array(cfg.rates), jnp.array(SEEDS)
    if not looped:
        over = jax.vmap(jax.vmap(learn, (None, 0)), (0, None))
        losses, params = jax.jit(over)(rates, seeds)
        return np.asarray(losses), params
    of = lambda rate: make(rate).stages[0][0]
    init = jit_once(lambda seed: of(0.1).init(jax.random.key(seed), batch(index[0])))
    step = jax.jit(
        lambda rate, state, i: of(rate).step(state, batch(i))[0], donate_argnums=1
    )
    loss = lambda state: of(0.1).evaluate(state, whole)["loss"]
    evaluate = jax.jit(lambda state: zoo.learner.mean(loss(state)))
    found = [[step_by_step(r, s) for s in seeds] for r in rates]
    stack = lambda *leaves: jnp.stack(leaves)
    rows = [jax.tree.map(stack, *row) for row in found]
    losses, params = jax.tree.map(stack, *rows)
    return np.asarray(losses), params


def _measured(model, params, test, cfg):
    """The measures of each seed, [S, M], and of seed 0 pictures, [3, N, H, W, C]."""
    x = test[: cfg.measured]
    keys = example_keys(jax.random.key(7), jnp.arange(len(x)))
    masked = jax.vmap(denoising.masking(cfg.share))(keys, x)
    noisy = jax.vmap(denoising.gaussian(cfg.noise))(keys, x)

    def of(params):
        net = objective.bound(model, params)
        mean = lambda h: h[0] if isinstance(h, tuple) else h

        def code(x):
            return mean(net.encode(x))

        def back(x):
            return objective.mean(net.decode(code(x)), NATS)

        views = [back(given) for given in (x, masked, noisy)]
        psnr = [-10 * jnp.log10(jnp.square(view - x).mean()) for view in views]
        one = jax.vmap(jax.jacrev(lambda x: code(x[None])[0]))
        jacobian = jnp.square(one(x[:50])).sum() / len(x[:50])
        sparsity = sparse_autoencoder.hoyer(code(x)).mean()
        views = jnp.stack([view[:SHOWN] for view in views])
        return jnp.stack([*psnr, sparsity, jacobian]), views

    each = jax.jit(of)
    found = [each(jax.tree.map(lambda p, s=s: p[s], params)) for s in SEEDS]
    return np.stack([measures for measures, _ in found]), np.asarray(found[0][1])


def _gallery(report, cfg, test, pictures) -> None:
    keys = example_keys(jax.random.key(7), jnp.arange(SHOWN))
    x = test[:SHOWN]
    masked = jax.vmap(denoising.masking(cfg.share))(keys, x)
    for i, (what, given) in enumerate({"images": x, "masked images": masked}.items()):
        images = [np.asarray(given), *(views[i] for views in pictures.values())]
        titles = [name for name in ("given", *pictures) for _ in range(SHOWN)]
        figure = figures.gallery(np.concatenate(images).clip(0, 1), titles, SHOWN)
        report.figure(figure, f"Reconstructions of {what}, seed 0.", what.split()[0])


if __name__ == "__main__":
    run(main, Config)
