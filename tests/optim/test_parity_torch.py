"""Our optimizers and PyTorch's walk the same path, in float64."""

import jax
import numpy as np
import pytest
import torch

import optim

pytestmark = pytest.mark.reference

PAIRS = {
    "sgd": (lambda: optim.sgd(2e-4), lambda p: torch.optim.SGD(p, 2e-4)),
    "momentum": (
        lambda: optim.momentum(2e-4, 0.9, rate="outside"),
        lambda p: torch.optim.SGD(p, 2e-4, momentum=0.9),
    ),
    "adam": (lambda: optim.adam(1e-2), lambda p: torch.optim.Adam(p, 1e-2)),
    "adam_odd": (
        lambda: optim.adam(0.05, 0.6, 0.7, 1e-2),
        lambda p: torch.optim.Adam(p, 0.05, betas=(0.6, 0.7), eps=1e-2),
    ),
    "nesterov": (
        lambda: optim.nesterov(2e-4, 0.9),
        lambda p: torch.optim.SGD(p, 2e-4, momentum=0.9, nesterov=True),
    ),
    "adagrad": (lambda: optim.adagrad(0.1), lambda p: torch.optim.Adagrad(p, 0.1)),
    "adagrad_odd": (
        lambda: optim.adagrad(0.2, initial=3.0, eps=1e-2, dialect="torch"),
        lambda p: torch.optim.Adagrad(p, 0.2, initial_accumulator_value=3.0, eps=1e-2),
    ),
    "adadelta": (lambda: optim.adadelta(), lambda p: torch.optim.Adadelta(p)),
    "adadelta_odd": (
        lambda: optim.adadelta(0.5, 0.7, 1e-3),
        lambda p: torch.optim.Adadelta(p, 0.5, rho=0.7, eps=1e-3),
    ),
    "rmsprop": (
        lambda: optim.rmsprop(1e-2, dialect="torch"),
        lambda p: torch.optim.RMSprop(p, 1e-2),
    ),
    "rmsprop_odd": (
        lambda: optim.rmsprop(0.02, 0.8, 1e-2),
        lambda p: torch.optim.RMSprop(p, 0.02, alpha=0.8, eps=1e-2),
    ),
    "adamw": (lambda: optim.adamw(1e-2), lambda p: torch.optim.AdamW(p, 1e-2)),
    "adamw_odd": (
        lambda: optim.adamw(0.05, 0.6, 0.7, 1e-2, weight_decay=0.3),
        lambda p: torch.optim.AdamW(
            p, 0.05, betas=(0.6, 0.7), eps=1e-2, weight_decay=0.3
        ),
    ),
    "adamax": (lambda: optim.adamax(1e-2), lambda p: torch.optim.Adamax(p, 1e-2)),
    "adamax_odd": (
        lambda: optim.adamax(0.01, 0.6, 0.7, 1e-2),
        lambda p: torch.optim.Adamax(p, 0.01, betas=(0.6, 0.7), eps=1e-2),
    ),
    "nadam": (
        lambda: optim.nadam(1e-2, dialect="torch"),
        lambda p: torch.optim.NAdam(p, 1e-2),
    ),
    "nadam_odd": (
        lambda: optim.nadam(0.05, 0.6, 0.7, 1e-2, 0.3, dialect="torch"),
        lambda p: torch.optim.NAdam(
            p, 0.05, betas=(0.6, 0.7), eps=1e-2, momentum_decay=0.3
        ),
    ),
    "amsgrad": (
        lambda: optim.amsgrad(1e-2, dialect="torch"),
        lambda p: torch.optim.Adam(p, 1e-2, amsgrad=True),
    ),
    "amsgrad_odd": (
        lambda: optim.amsgrad(0.05, 0.6, 0.7, 1e-2, dialect="torch"),
        lambda p: torch.optim.Adam(p, 0.05, betas=(0.6, 0.7), eps=1e-2, amsgrad=True),
    ),
    "radam": (
        lambda: optim.radam(1e-3, dialect="torch"),
        lambda p: torch.optim.RAdam(p, 1e-3),
    ),
    "radam_odd": (
        lambda: optim.radam(1e-3, 0.6, 0.7, 1e-2, dialect="torch"),
        lambda p: torch.optim.RAdam(p, 1e-3, betas=(0.6, 0.7), eps=1e-2),
    ),
    "adafactor": (lambda: optim.adafactor(0.01), lambda p: torch.optim.Adafactor(p)),
    "adafactor_odd": (  # its rate is cut off from the fourth step on
        lambda: optim.adafactor(0.5, 0.6, 1.1, eps2=0.7),
        lambda p: torch.optim.Adafactor(
            p, 0.5, beta2_decay=-0.6, d=1.1, eps=(None, 0.7), weight_decay=0
        ),
    ),
}
NOT_IN_TORCH = {
    "adabelief": "compared with timm's",
    "lamb": "compared with timm's",
    "lars": "compared with timm's",
    "lion": "compared with timm's",
    "lookahead": "torch.optim has none",
    "muon": "takes matrices only, and computes in bfloat16: test_parity_muon.py",
    "prodigy": "torch has none; test_prodigy.py compares with optax.contrib",
    "sam": "torch.optim has none",
    "steepest_descent": "torch.optim has line searches in L-BFGS only",
    "schedule_free_adamw": "torch.optim has none",
    "schedule_free_sgd": "torch.optim has none",
    "soap": "neither torch nor optax has one; test_soap.py transcribes the paper",
    "sophia": "torch has none; test_sophia.py compares with optax.contrib",
    "yogi": "in no library for PyTorch that is at hand; compared with optax's",
}


def test_every_optimizer_is_compared():
    assert not PAIRS.keys() & NOT_IN_TORCH.keys()
    assert set(optim.names()) <= PAIRS.keys() | NOT_IN_TORCH.keys()


@pytest.mark.parametrize("name", PAIRS)
def test_path_of_a_hundred_steps(name):
    ours, theirs = PAIRS[name]
    with jax.enable_x64(True):
        path = np.asarray(optim.trajectory(ours(), optim.rosenbrock, steps=100))
    point = torch.tensor(optim.rosenbrock.start, dtype=torch.float64)
    point.requires_grad_()
    optimizer = theirs([point])
    for step in range(101):
        np.testing.assert_allclose(path[step], point.detach(), rtol=0, atol=1e-9)
        optimizer.zero_grad()
        x, y = point
        ((1 - x) ** 2 + 100 * (y - x**2) ** 2).backward()
        optimizer.step()


def test_momentum_under_a_schedule_is_torchs_with_the_rate_outside():
    def rate(step):
        return 1e-3 / (1 + step)

    point = torch.tensor([-1.0, 3.0], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.SGD([point], 1.0, momentum=0.8)
    for step in range(10):
        optimizer.param_groups[0]["lr"] = rate(step)
        optimizer.zero_grad()
        (point**4).sum().backward()
        optimizer.step()
    with jax.enable_x64(True):
        tx = optim.momentum(rate, 0.8, rate="outside")
        path = optim.trajectory(tx, lambda x: (x**4).sum(), (-1.0, 3.0), 10)
    np.testing.assert_allclose(path[-1], point.detach(), rtol=1e-12)
