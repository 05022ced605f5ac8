"""Sweeps: every run is what the loop would have made of its point."""

import importlib
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import optim
import zoo
from tests.models import ConvNet, accuracy, cross_entropy, images
from zoo.training import fit, sweep, sweeper
from zoo.training.keys import is_key
from zoo.training.parallel import jit_once

STREAM = zoo.data.batches(images(64), 16, seed=1)
TESTS = zoo.data.once(images(30, seed=2), 16)
GRID = {"learning_rate": (1e-3, 1e-2, 0.1)}
SEEDS = (0, 7)


def build(axis_name=None, learning_rate=1e-3, model=None, optimizer=optim.adam):
    return zoo.supervised(
        model or zoo.create("mlp", num_classes=3, widths=(5,), dropout=0.3),
        cross_entropy,
        optimizer(learning_rate),
        metrics={"accuracy": accuracy},
        axis_name=axis_name,
    )


def run(**options):
    given = dict(grid=GRID, seeds=SEEDS, evaluation=TESTS, log_every=5)
    return sweep(options.pop("build", build), STREAM, 10, **{**given, **options})


def assert_close(a, b):
    raw = lambda x: jax.random.key_data(x) if is_key(x) else x
    close = partial(np.testing.assert_allclose, rtol=2e-5, atol=1e-6)
    jax.tree.map(lambda x, y: close(raw(x), raw(y)), a, b)


@pytest.fixture(scope="module")
def traced():
    """Who builds the shared sweeper's learner: once for each trace."""
    return []


@pytest.fixture(scope="module")
def swept(traced):
    """A sweeper: six runs of one program, and the first run's parameters on the way."""

    def counted(axis_name=None, **point):
        traced.append(point)
        return build(axis_name, **point)

    return sweeper(
        counted, STREAM, 10, log_every=5, mode="scan", devices=jax.devices()[:1],
        at_once=6, snapshot=lambda state: state.params,
    )  # fmt: skip


@pytest.fixture(scope="module")
def one_program(swept):
    return swept(GRID, SEEDS, TESTS)


def test_points_are_the_grid_times_the_seeds(one_program):
    expected = [
        {"learning_rate": rate, "seed": seed}
        for rate in GRID["learning_rate"]
        for seed in SEEDS
    ]
    assert one_program.points == expected
    assert one_program.steps.tolist() == [5, 10]
    assert one_program.history["loss"].shape == (6, 2)
    assert one_program.final["accuracy"].shape == (6,)


@pytest.mark.parametrize("i", [1, 4])
def test_a_run_is_the_loops(one_program, i):
    point = one_program.points[i]
    alone = fit(
        partial(build, learning_rate=point["learning_rate"]),
        STREAM,
        10,
        seed=point["seed"],
        evaluation=TESTS,
        log_every=5,
        parallel="single",
        progress=False,
    )
    losses = [r["loss"] for r in alone.history if r["split"] == "train"]
    assert_close(jax.tree.map(lambda x: x[i], one_program.states), alone.state)
    np.testing.assert_allclose(one_program.history["loss"][i], losses, rtol=1e-5)
    for name, value in one_program.final.items():
        np.testing.assert_allclose(value[i], alone.metrics[name], rtol=1e-5)


def test_looped_it_is_the_same(one_program):
    looped = run(mode="loop", snapshot=lambda state: state.params)
    assert_close((looped.states, looped.path), (one_program.states, one_program.path))
    for name in ("history", "final"):
        ours, theirs = getattr(looped, name), getattr(one_program, name)
        np.testing.assert_allclose(ours["loss"], theirs["loss"], rtol=2e-5)
        # Rounding may flip one example between two equal logits.
        np.testing.assert_allclose(ours["accuracy"], theirs["accuracy"], atol=1 / 30)


def test_on_several_devices_it_is_the_same(one_program, devices):
    other = run(mode="scan", devices=devices[:4], log_every=10, evaluation=None)
    assert_close(other.states, one_program.states)  # six runs: two are filled up
    np.testing.assert_allclose(
        other.history["loss"][:, 0],
        one_program.history["loss"].mean(1),
        rtol=2e-5,
    )


@pytest.mark.parametrize(("count", "at_once"), [(1, 4), (2, 7), (4, None), (8, None)])
def test_runs_are_shared_and_filled_up(devices, count, at_once):
    """Six runs x <- x - rate (x - mean of the batch), by hand; each keeps its key.

    Programs of four, seven, six and six runs; at last more devices than runs.
    """

    def average(axis_name=None, rate=0.1):
        def step(state, batch):
            key, x = state
            away = x - batch["x"].mean()
            return (key, x - rate * away), {"away": (away, jnp.float32(1))}

        init = lambda key, batch: (key, batch["x"].max())
        return zoo.Learner(init, step, lambda state, batch: step(state, batch)[1])

    x = np.arange(8, dtype=np.float32)
    stream, rates = zoo.data.batches({"x": x}, 4, seed=3), (0.1, 0.2, 0.5)
    found = sweep(
        average, stream, 3, grid={"rate": rates}, seeds=SEEDS, log_every=2,
        evaluation=zoo.data.once({"x": x}, 8), devices=devices[:count],
        at_once=at_once, mode="scan", snapshot=lambda state: state[1],
    )  # fmt: skip
    for i, point in enumerate(found.points):
        state, aways = stream.at(0)["x"].max(), []
        for step in range(3):
            aways.append(state - stream.at(step)["x"].mean())
            state -= point["rate"] * aways[-1]
            if i == 0 and step != 0:
                np.testing.assert_allclose(found.path[step], state, rtol=1e-6)
        np.testing.assert_allclose(found.states[1][i], state, rtol=1e-6)
        windows = np.mean(aways[:2]), aways[2]
        np.testing.assert_allclose(found.history["away"][i], windows, rtol=1e-5)
        np.testing.assert_allclose(found.final["away"][i], state - 3.5, rtol=1e-5)
        key = jax.random.fold_in(jax.random.key(point["seed"]), 0)
        assert_close(found.states[0][i], key)


def test_the_path_is_the_first_run_s(one_program):
    """From where it begins to where it ends, and at each report."""
    path, first = one_program.path, jax.tree.map(lambda x: x[0], one_program.states)
    key = jax.random.fold_in(jax.random.key(SEEDS[0]), 0)
    start = jit_once(build().init)(key, STREAM.at(0))
    assert_close(jax.tree.map(lambda x: x[0], path), start.params)
    assert_close(jax.tree.map(lambda x: x[-1], path), first.params)
    assert {len(leaf) for leaf in jax.tree.leaves(path)} == {3}


def test_a_run_that_diverges_leaves_the_others_alone(swept, traced, one_program):
    """In the program of one_program, which is not traced again for more runs."""
    before = len(traced)
    result = swept({"learning_rate": (1e38, *GRID["learning_rate"])}, SEEDS, TESTS)
    assert len(traced) == before and len(result.points) == 8
    assert not np.isfinite(result.history["loss"][:2, -1]).any()
    for name in ("history", "final"):
        ours, theirs = getattr(result, name), getattr(one_program, name)
        np.testing.assert_allclose(ours["loss"][2:], theirs["loss"], rtol=1e-5)
    assert_close(jax.tree.map(lambda x: x[2:], result.states), one_program.states)


def test_what_should_not_be_mapped_is_looped_on_a_cpu(monkeypatch):
    module = importlib.import_module("zoo.training.sweep")

    class Chosen(Exception):
        pass

    for name in ("scanned", "looped"):

        def chosen(*args, name=name):
            raise Chosen(name)

        monkeypatch.setattr(module, name, chosen)
    with pytest.raises(Chosen, match="looped"):
        run(build=partial(build, model=ConvNet()))
    with pytest.raises(Chosen, match="looped"):
        run(build=partial(build, optimizer=optim.soap))  # decomposes matrices
    with pytest.raises(Chosen, match="scanned"):
        run()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"grid": {"learning_rate": ()}}, "learning_rate must have at least one"),
        ({"seeds": ()}, "seeds must have at least one"),
        ({"grid": {"learning_rate": ("a",)}}, "learning_rate must be numbers.*'a'"),
        ({"mode": "scam"}, "unknown sweep mode 'scam'.*scan"),
        ({"log_every": -1}, "log_every must be a positive integer"),
        ({"at_once": 0}, "at_once must be a positive integer"),
    ],
)
def test_refusals(options, message):
    with pytest.raises(ValueError, match=message):
        run(**options)
