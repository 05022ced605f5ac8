"""Sweeps: every run is what the loop would have made of its point."""

import importlib
from functools import partial

import jax
import numpy as np
import pytest

import optim
import zoo
from tests.models import ConvNet, accuracy, cross_entropy, images
from zoo.training import fit, sweep
from zoo.training.keys import is_key

STREAM = zoo.data.batches(images(64), 16, seed=1)
TESTS = zoo.data.once(images(30, seed=2), 16)
GRID = {"learning_rate": (1e-3, 1e-2, 0.1)}
SEEDS = (0, 7)


def build(axis_name=None, learning_rate=1e-3, model=None):
    return zoo.supervised(
        model or zoo.create("mlp", num_classes=3, widths=(5,), dropout=0.3),
        cross_entropy,
        optim.adam(learning_rate),
        metrics={"accuracy": accuracy},
        axis_name=axis_name,
    )


def run(**options):
    given = dict(grid=GRID, seeds=SEEDS, evaluation=TESTS, log_every=4)
    return sweep(options.pop("build", build), STREAM, 10, **{**given, **options})


def assert_close(a, b):
    raw = lambda x: jax.random.key_data(x) if is_key(x) else x
    close = partial(np.testing.assert_allclose, rtol=2e-5, atol=1e-6)
    jax.tree.map(lambda x, y: close(raw(x), raw(y)), a, b)


@pytest.fixture(scope="module")
def one_program():
    return run(mode="scan", devices=jax.devices()[:1])


def test_points_are_the_grid_times_the_seeds(one_program):
    expected = [
        {"learning_rate": rate, "seed": seed}
        for rate in GRID["learning_rate"]
        for seed in SEEDS
    ]
    assert one_program.points == expected
    assert one_program.steps.tolist() == [4, 8, 10]
    assert one_program.history["loss"].shape == (6, 3)
    assert one_program.final["accuracy"].shape == (6,)


@pytest.mark.parametrize("i", [0, 3, 5])
def test_a_run_is_the_loops(one_program, i):
    point = one_program.points[i]
    alone = fit(
        partial(build, learning_rate=point["learning_rate"]),
        STREAM,
        10,
        seed=point["seed"],
        evaluation=TESTS,
        log_every=4,
        parallel="single",
        progress=False,
    )
    losses = [r["loss"] for r in alone.history if r["split"] == "train"]
    assert_close(jax.tree.map(lambda x: x[i], one_program.states), alone.state)
    np.testing.assert_allclose(one_program.history["loss"][i], losses, rtol=1e-5)
    for name, value in one_program.final.items():
        np.testing.assert_allclose(value[i], alone.metrics[name], rtol=1e-5)


def test_looped_and_on_several_devices_it_is_the_same(one_program, devices):
    for options in (
        {"mode": "loop"},
        {"mode": "scan", "devices": devices[:2]},
        {"mode": "scan", "devices": devices[:4]},  # six runs: two are filled up
        {"mode": "scan", "devices": devices},  # more devices than runs
    ):
        other = run(**options)
        assert_close(other.states, one_program.states)
        for name, first in (("history", "loss"), ("final", "loss")):
            ours, theirs = getattr(other, name), getattr(one_program, name)
            np.testing.assert_allclose(ours[first], theirs[first], rtol=2e-5)
            # Rounding may flip one example between two equal logits.
            np.testing.assert_allclose(
                ours["accuracy"], theirs["accuracy"], atol=1 / 30
            )


def test_a_convolution_is_looped_on_a_cpu(monkeypatch):
    module = importlib.import_module("zoo.training.sweep")

    modes = []
    for name in ("_scanned", "_looped"):
        real = getattr(module, name)
        record = lambda *a, name=name, real=real: modes.append(name) or real(*a)
        monkeypatch.setattr(module, name, record)
    small = dict(grid={"learning_rate": (0.1,)}, seeds=(0,), evaluation=None)
    run(build=partial(build, model=ConvNet()), **small)
    run(**small)
    assert modes == ["_looped", "_scanned"]


def test_a_run_that_diverges_leaves_the_others_alone(one_program):
    wild = {"learning_rate": (*GRID["learning_rate"], 1e38)}
    result = run(grid=wild, mode="scan", devices=jax.devices()[:1])
    assert not np.isfinite(result.history["loss"][6:, -1]).any()
    np.testing.assert_allclose(
        result.history["loss"][:6], one_program.history["loss"], rtol=1e-5
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"grid": {"learning_rate": ()}}, "learning_rate must have at least one"),
        ({"seeds": ()}, "seeds must have at least one"),
        ({"grid": {"learning_rate": ("a",)}}, "learning_rate must be numbers.*'a'"),
        ({"mode": "scam"}, "unknown sweep mode 'scam'.*scan"),
        ({"log_every": -1}, "log_every must be a positive integer"),
    ],
)
def test_refusals(options, message):
    with pytest.raises(ValueError, match=message):
        run(**options)
