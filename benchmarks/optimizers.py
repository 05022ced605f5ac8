"""A step of each optimizer against optax's, and of Adam against PyTorch and a copy.

25 million float32 parameters in 160 leaves, matrices and vectors as a network has them.
Both sides are jitted, donate parameters and state, take the same gradients and end at
the same parameters (those of one mathematics; the settings stand in `RIVALS`). The
bytes are what the compiled step touches, by XLA's own account.
"""

import itertools
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import optax
import optax.contrib

import optim
from benchmarks.results import Figure
from benchmarks.timing import interleaved

RATE, PAIRS, STEPS = 1e-3, 41, 3
FEW = {"muon": (3, 1)}  # pairs and steps where a step takes seconds
# name -> ours and optax's, of one mathematics.
RIVALS: dict[str, tuple[Callable, Callable]] = {
    "sgd": (lambda: optim.sgd(RATE), lambda: optax.sgd(RATE)),
    "momentum": (
        lambda: optim.momentum(RATE, rate="outside"),
        lambda: optax.sgd(RATE, momentum=0.9),
    ),
    "nesterov": (
        lambda: optim.nesterov(RATE, 0.9),
        lambda: optax.sgd(RATE, momentum=0.9, nesterov=True),
    ),
    "adagrad": (
        lambda: optim.adagrad(RATE, dialect="optax"),
        lambda: optax.adagrad(RATE),
    ),
    "adadelta": (
        lambda: optim.adadelta(RATE),
        lambda: optax.adadelta(RATE, rho=0.9, eps=1e-6),
    ),
    "rmsprop": (
        lambda: optim.rmsprop(RATE, dialect="optax"),
        lambda: optax.rmsprop(RATE),
    ),
    "adam": (lambda: optim.adam(RATE), lambda: optax.adam(RATE)),
    "adamw": (
        lambda: optim.adamw(RATE, weight_decay=0.01),
        lambda: optax.adamw(RATE, weight_decay=0.01),
    ),
    "adamax": (lambda: optim.adamax(RATE), lambda: optax.adamax(RATE)),
    "nadam": (
        lambda: optim.nadam(RATE, dialect="optax"),
        lambda: optax.nadam(RATE),
    ),
    "amsgrad": (
        lambda: optim.amsgrad(RATE, dialect="optax"),
        lambda: optax.amsgrad(RATE),
    ),
    "lion": (
        lambda: optim.lion(RATE),
        lambda: optax.lion(RATE, weight_decay=0.0),
    ),
    "radam": (
        lambda: optim.radam(RATE, dialect="optax"),
        lambda: optax.radam(RATE),
    ),
    "adabelief": (lambda: optim.adabelief(RATE), lambda: optax.adabelief(RATE)),
    "yogi": (lambda: optim.yogi(RATE, dialect="optax"), lambda: optax.yogi(RATE)),
    "lars": (
        lambda: optim.lars(RATE, weight_decay=0.01, dialect="optax"),
        lambda: optax.lars(RATE, weight_decay=0.01),
    ),
    "lamb": (lambda: optim.lamb(RATE), lambda: optax.lamb(RATE, weight_decay=0.01)),
    "adafactor": (
        lambda: optim.adafactor(RATE, relative_step=False),
        lambda: optax.adafactor(RATE),
    ),
    "prodigy": (
        lambda: optim.prodigy(RATE, dialect="optax"),
        lambda: optax.contrib.prodigy(RATE),
    ),
    "schedule_free_sgd": (
        lambda: optim.schedule_free_sgd(RATE),
        lambda: optax.contrib.schedule_free_sgd(RATE, weight_decay=0.0),
    ),
    "schedule_free_adamw": (
        lambda: optim.schedule_free_adamw(RATE),
        lambda: optax.contrib.schedule_free_adamw(RATE),
    ),
    "muon": (
        lambda: optim.muon(RATE, dialect="optax"),
        lambda: optax.contrib.muon(RATE),
    ),
}
# Those without a step that could stand beside theirs, and why.
ALONE = {
    "lookahead": "optax's moves two sets of parameters that the caller holds",
    "sam": "optax's takes two calls for a step",
    "soap": "optax has none",
    "sophia": "optax's estimates the curvature of a loss in other random directions",
    "steepest_descent": "optax's line searches find other lengths",
}
# Those whose state is larger than optax's, and what that is for: no claim on bytes.
LARGER = dict.fromkeys(
    ("schedule_free_sgd", "schedule_free_adamw"),
    "the average is kept, where optax computes it again from rounded parameters",
)
NAMES = (
    *(f"optimizer.{name}" for name in RIVALS),
    *(f"optimizer.{name}.bytes" for name in RIVALS),
    "optimizer.adam.torch",
    "optimizer.adam.copy",
)


def parameters() -> list[np.ndarray]:
    """80 matrices and 80 vectors, 25.04 million numbers."""
    rng = np.random.default_rng(0)
    shapes = [(512, 608), (608,)] * 80
    return [rng.normal(size=shape).astype(np.float32) for shape in shapes]


def measure(*names: str) -> list[Figure]:
    """Two figures for each optimizer, or for each that is named; two more for Adam."""
    start = parameters()
    rng = np.random.default_rng(1)
    grads = [jnp.asarray(rng.normal(size=x.shape), jnp.float32) for x in start]
    found = []
    for name in names or RIVALS:
        found += _against_optax(name, RIVALS[name], start, grads)
    return found if names and "adam" not in names else found + _adam(start, grads)


def _side(tx, start, grads, steps=STEPS):
    """The compiled step, and a function that times some of it."""

    def step(params, state, grads):
        updates, state = tx.update(grads, state, params)
        return optax.apply_updates(params, updates), state

    held = {"params": [jnp.array(x) for x in start]}
    # Copies: some states of optax hold the parameters, which are given away.
    held["state"] = jax.tree.map(jnp.copy, tx.init(held["params"]))
    jitted = jax.jit(step, donate_argnums=(0, 1))
    compiled = jitted.lower(held["params"], held["state"], grads).compile()

    def run():
        began = time.perf_counter()
        for _ in range(steps):
            held["params"], held["state"] = compiled(
                held["params"], held["state"], grads
            )
        jax.block_until_ready(held)
        return (time.perf_counter() - began) / steps

    return compiled, run, held


def _against_optax(name, builders, start, grads) -> list[Figure]:
    count, steps = FEW.get(name, (PAIRS, STEPS))
    (ours, run, mine), (theirs, run_theirs, their) = (
        _side(build(), start, grads, steps) for build in builders
    )
    run(), run_theirs()
    worst = max(
        float(jnp.abs(a - b).max())
        for a, b in zip(mine["params"], their["params"], strict=True)
    )
    # A sign or a quotient of roundings moves a parameter by up to the rate.
    assert worst < 3 * STEPS * RATE / 10, f"{name}: parameters differ by {worst:.1e}"
    pairs = interleaved(run, run_theirs, count)
    touched = [c.cost_analysis()["bytes accessed"] for c in (ours, theirs)]
    what = "25 M float32 parameters in 160 leaves"
    return [
        Figure(
            name=f"optimizer.{name}",
            what=f"step of {name}, {what}; parameters agree to {worst:.0e}",
            value=1e3 * pairs.ours,
            unit="ms",
            reference="optax, jitted, donated",
            reference_value=1e3 * pairs.theirs,
            ratio=pairs.ratio,
            claim="ratio >= 0.97",
            seed=0,
        ),
        Figure(
            name=f"optimizer.{name}.bytes",
            what=f"bytes that a compiled step of {name} touches, {what}"
            + (f" ({LARGER[name]})" if name in LARGER else ""),
            value=touched[0],
            unit="bytes",
            reference="optax",
            reference_value=touched[1],
            ratio=touched[1] / touched[0],
            claim="" if name in LARGER else "ratio >= 0.999",  # scalars aside
            seed=0,
        ),
    ]


def _adam(start, grads) -> list[Figure]:
    """Against PyTorch's Adam on the same tensors, and against copying as many bytes."""
    from benchmarks import torch_models as theirs  # late: a reference

    torch = theirs.torch
    _, run, mine = _side(optim.adam(RATE), start, grads)

    def torch_side(threads, form):
        tensors = [torch.from_numpy(x.copy()).requires_grad_() for x in start]
        for tensor, grad in zip(tensors, grads, strict=True):
            tensor.grad = torch.from_numpy(np.array(grad))
        optimizer = torch.optim.Adam(tensors, RATE, **theirs.FORMS[form])

        def timed():
            torch.set_num_threads(threads)
            began = time.perf_counter()
            for _ in range(STEPS):
                optimizer.step()
            return (time.perf_counter() - began) / STEPS

        return timed, tensors

    best, fastest = None, np.inf
    for form in itertools.product((1, 2), theirs.FORMS):
        timed, _ = torch_side(*form)
        timed()
        seconds = min(timed() for _ in range(3))
        best, fastest = min((best, fastest), (form, seconds), key=lambda x: x[1])
    timed, tensors = torch_side(*best)
    run(), timed()
    worst = max(
        float(np.abs(a - b.detach().numpy()).max())
        for a, b in zip(mine["params"], tensors, strict=True)
    )
    assert worst < 1e-5, f"parameters differ by {worst:.1e}"
    torch_pairs = interleaved(run, timed, PAIRS)

    # A step reads parameter, gradient and two averages and writes three of them.
    numbers = sum(x.size for x in start)
    source, target = np.ones(numbers, np.float32), np.empty(numbers, np.float32)

    def copies():
        began = time.perf_counter()
        for _ in range(STEPS):
            for _ in range(4):  # 4 reads and 4 writes; a step has 4 and 3
                np.copyto(target, source)
        return (time.perf_counter() - began) / STEPS * 7 / 8

    copies()
    copy_pairs = interleaved(run, copies, PAIRS)
    what = "step of adam, 25 M float32 parameters in 160 leaves"
    return [
        Figure(
            name="optimizer.adam.torch",
            what=f"{what}; parameters agree to {worst:.0e}",
            value=1e3 * torch_pairs.ours,
            unit="ms",
            reference=f"PyTorch eager, {best[0]} thread(s), {best[1]}",
            reference_value=1e3 * torch_pairs.theirs,
            ratio=torch_pairs.ratio,
            seed=0,
        ),
        Figure(
            name="optimizer.adam.copy",
            what=what,
            value=1e3 * copy_pairs.ours,
            unit="ms",
            reference="NumPy copying as many bytes, one thread",
            reference_value=1e3 * copy_pairs.theirs,
            ratio=copy_pairs.ratio,
            seed=0,
        ),
    ]
