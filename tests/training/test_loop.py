"""The loop: resumption, reports, stages, signals, and runs that go wrong."""

import json
import os
import signal
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import optim
import zoo
from tests.models import ConvNet, accuracy, cross_entropy, images
from zoo.learner import Learner
from zoo.training import EarlyStop, NonFinite, Stage, fit, fit_stages
from zoo.training.checkpoint import CheckpointError
from zoo.training.run import Run, RunError

STREAM = zoo.data.batches(images(64), 16, seed=1)
LABELS = {"y": np.zeros(32, np.int32)}
TESTS = zoo.data.once(images(30, seed=2), 16)


def build(axis_name=None, rate=0.1, model=None):
    return zoo.supervised(
        model or ConvNet(axis_name=axis_name, rate=0.3),
        cross_entropy,
        optim.adam(rate),
        metrics={"accuracy": accuracy},
        axis_name=axis_name,
    )


def run(steps, folder=None, **options):
    every = dict(eval_every=6, log_every=4, checkpoint_every=6)
    where = dict(parallel="single", run=folder, config={"a": 1}, progress=False)
    given = {"evaluation": TESTS, **every, **where, **options}
    return fit(given.pop("build", build), STREAM, steps, **given)


def assert_equal(a, b):
    raw = lambda x: jax.random.key_data(x) if x.dtype == a.key.dtype else x
    jax.tree.map(lambda x, y: np.testing.assert_array_equal(raw(x), raw(y)), a, b)


def without_time(rows):
    skip = ("seconds", "examples_per_second")
    return [{k: v for k, v in row.items() if k not in skip} for row in rows]


def test_a_resumed_run_is_bit_identical(tmp_path):
    whole = run(20)
    assert int(whole.state.step) == 20
    part = run(8, tmp_path)  # ends between two checkpoints of the whole run
    assert int(part.state.step) == 8
    again = run(20, tmp_path)
    assert_equal(again.state, whole.state)
    by_step = lambda rows: {(r["step"], r["split"]): r for r in without_time(rows)}
    ours, theirs = by_step(again.history), by_step(whole.history)
    for at in [(12, "test"), (18, "test"), (20, "test"), (20, "train")]:
        assert ours[at] == theirs[at]
    finished = run(20, tmp_path)  # nothing is left to do
    assert_equal(finished.state, whole.state)
    assert finished.metrics == again.metrics


def test_reports_newer_than_the_checkpoint_are_written_again(tmp_path):
    whole = run(12, tmp_path)
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert without_time(map(json.loads, lines)) == without_time(whole.history)
    with open(tmp_path / "metrics.jsonl", "a") as file:
        file.write(json.dumps({"step": 16, "split": "train", "stage": 0}) + "\n")
        file.write('{"step": 16, "spl')  # killed while writing
    run(20, tmp_path)
    rows = [
        json.loads(s) for s in (tmp_path / "metrics.jsonl").read_text().splitlines()
    ]
    assert without_time(rows) == without_time(run(20).history)
    for name in ("config.json", "environment.json"):
        json.loads((tmp_path / name).read_text())
    assert list((tmp_path / "tensorboard").glob("events.*"))


def test_saved_on_eight_devices_resumed_on_one(devices, tmp_path):
    run(6, tmp_path, parallel="pmap", devices=devices)
    one = run(7, tmp_path, parallel="single", log_every=1)
    eight = run(7, parallel="pmap", devices=devices, log_every=1)
    first, second = (
        [r["loss"] for r in result.history if (r["step"], r["split"]) == (7, "train")]
        for result in (one, eight)
    )
    np.testing.assert_allclose(first, second, rtol=1e-6)


def test_reports_are_means_over_their_window():
    rows = [r for r in run(10, log_every=1).history if r["split"] == "train"]
    losses = {r["step"]: r["loss"] for r in rows}
    for row in run(10, checkpoint_every=None, eval_every=None).history:
        if row["split"] == "train":
            start = (row["step"] - 1) // 4 * 4
            window = [losses[i + 1] for i in range(start, row["step"])]
            np.testing.assert_allclose(row["loss"], np.mean(window), rtol=1e-6)


def test_evaluation_counts_every_example_once(devices):
    state = run(6).state
    model = ConvNet()
    data = images(30, seed=2)
    logits = model.apply(zoo.eval_variables(state), data["x"])
    expected = float((np.argmax(logits, -1) == data["y"]).mean())
    for parallel, some in (("single", devices[:1]), ("pmap", devices)):
        result = run(6, parallel=parallel, devices=some)
        np.testing.assert_allclose(result.metrics["accuracy"], expected, rtol=1e-6)


def test_early_stop_and_its_memory(tmp_path):
    frozen = partial(build, rate=0.0)  # nothing improves
    stop = EarlyStop(metric="accuracy", patience=2, larger_is_better=True)
    result = run(60, tmp_path, build=frozen, early_stop=stop)
    assert int(result.state.step) == 6 * 3
    again = run(60, tmp_path, build=frozen, early_stop=stop)
    assert int(again.state.step) == 6 * 3
    rows = [{"loss": x} for x in (3.0, 2.0, 1.9, 1.95, 1.85)]
    assert EarlyStop(patience=3, least=0.2).stalled(rows)
    assert not EarlyStop(patience=3, least=0.1).stalled(rows)


def counter(limit, width=3):
    """A learner that finishes: it adds its batch up until it has enough."""

    def make(axis_name=None):
        def init(key, batch):
            return {"sum": jnp.zeros(width), "step": jnp.int32(0)}

        def step(state, batch):
            new = {"sum": state["sum"] + batch["x"].sum(), "step": state["step"] + 1}
            return new, {"sum": (new["sum"][0], jnp.float32(1))}

        return Learner(init, step, done=lambda state: state["sum"][0] >= limit)

    return make


def test_a_learner_that_finishes(tmp_path):
    stream = zoo.data.constant({"x": np.ones(4, np.float32)})
    options = dict(log_every=5, progress=False, parallel="single", run=tmp_path)
    result = fit(counter(42.0), stream, 100, **options)
    assert int(result.state["step"]) == 15  # polled every five steps
    assert int(fit(counter(42.0), stream, 100, **options).state["step"]) == 15


def stages(lengths=(6, 4)):
    """A second stage with a state of another shape, made from the first one's."""
    stream = zoo.data.zipped(
        a=zoo.data.batches({"x": np.arange(10, dtype=np.float32)}, 4),
        b=zoo.data.batches({"x": np.arange(7, dtype=np.float32)}, 4),
    )

    def second(axis_name=None):
        def init(key, batch):
            return {"sum": jnp.zeros(2), "noise": jax.random.normal(key, (2,))}

        def step(state, batch):
            more = jnp.stack([batch["a"]["x"].sum(), batch["b"]["x"].sum()])
            return {**state, "sum": state["sum"] + more}, {"a": (more[0], 4.0)}

        return Learner(init, step)

    def carry(before, fresh):
        return {**fresh, "sum": fresh["sum"] + before["sum"][:2]}

    ones = zoo.data.constant({"x": np.ones(4, np.float32)})
    return [
        Stage(counter(1e9), ones, lengths[0]),
        Stage(second, stream, lengths[1], carry),
    ]


@pytest.mark.parametrize("cut", [(3, 0), (6, 0), (6, 1), (6, 3)])
def test_stages_and_a_stream_of_two_lengths_resume_anywhere(tmp_path, cut):
    options = dict(parallel="single", progress=False, log_every=2)
    whole = fit_stages(stages(), **options)
    some = stages(cut)[: 1 + (cut[1] > 0)]
    fit_stages(some, run=tmp_path, **options)
    again = fit_stages(stages(), run=tmp_path, **options)
    jax.tree.map(np.testing.assert_array_equal, again.state, whole.state)
    assert [r["stage"] for r in whole.history] == [0, 0, 0, 1, 1]
    assert [r["step"] for r in whole.history] == [2, 4, 6, 8, 10]


def test_the_second_stage_starts_from_the_first():
    result = fit_stages(stages((6, 5)), parallel="single", progress=False)
    # 24 ones; then two whole epochs of 0..9 in five steps of four
    assert result.state["sum"][0] == 24 + 2 * np.arange(10).sum()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_and_then_does_what_it_does(tmp_path, number):
    received = []
    at = STREAM.at

    def rows(step, start, stop):
        if step == 9:
            os.kill(os.getpid(), number)
        return {k: v[start:stop] for k, v in at(step).items()}

    interrupted = zoo.data.Stream(at, 16, 64, rows=rows)
    old = signal.signal(number, lambda n, frame: received.append(n))
    try:
        result = fit(build, interrupted, 500, run=tmp_path, progress=False,
                     parallel="single", config={"a": 1})  # fmt: skip
    finally:
        signal.signal(number, old)
    assert received == [number]
    step = int(result.state.step)
    assert 7 <= step <= 13
    again = run(20, tmp_path)
    assert_equal(again.state, run(20).state)


def exploding(axis_name=None):
    """Finite until step 11, whose update divides by zero."""

    def make_bad(updates, state, params=None, **extra):
        scale = jnp.where(state == 10, jnp.inf, -0.01)
        return jax.tree.map(lambda g: g * scale, updates), state + 1

    tx = optim.sgd(1.0)
    tx = type(tx)(lambda params: jnp.int32(0), make_bad)
    return zoo.supervised(ConvNet(norm=False), cross_entropy, tx, axis_name=axis_name)


def test_non_finite_names_step_and_leaf_and_leaves_the_state(tmp_path):
    with pytest.raises(NonFinite) as caught:
        run(40, tmp_path, build=exploding, log_every=5, inspect=True, evaluation=None)
    error = caught.value
    # The update of step 10 is infinite; the loss of step 11 is the first to show it.
    assert error.step == 11
    assert ".params['conv']['bias']" in error.leaf
    assert str(tmp_path / "nonfinite") in str(error)
    after, metrics = exploding().step(error.state, error.batch)
    assert not np.isfinite(metrics["loss"][0])
    by_name = {row.name: row for row in error.rows}
    assert by_name["apply:head"].nan or by_name["apply:head"].inf
    assert by_name["batch['x']"].nan == by_name["batch['x']"].inf == 0
    assert by_name["apply:conv"].shape == (16, 4, 3, 4)
    assert Path(tmp_path, "nonfinite", "000000011", "manifest.json").exists()


def test_inspect_counts(devices):
    from zoo.training import inspect

    state = exploding().init(jax.random.key(0), STREAM.at(0))
    batch = STREAM.at(0)
    batch["x"] = batch["x"].copy()
    batch["x"][0, 0, 0, 0], batch["x"][1, 0, 0, 0] = np.nan, np.inf
    rows = {row.name: row for row in inspect(exploding, state, batch)}
    assert (rows["batch['x']"].nan, rows["batch['x']"].inf) == (1, 1)
    good = batch["x"][np.isfinite(batch["x"])]
    assert rows["batch['x']"].low == good.min()
    assert rows["batch['x']"].high == good.max()
    assert rows["apply:conv"].nan > 0


def test_a_checkpoint_of_another_model_is_refused(tmp_path):
    run(6, tmp_path)
    other = partial(build, model=ConvNet(norm=False))
    with pytest.raises(CheckpointError, match="something else.*batch_stats|norm"):
        run(12, tmp_path, build=other)


def test_damage_is_named_and_the_one_before_is_used(tmp_path, caplog):
    run(18, tmp_path)
    newest = tmp_path / "checkpoints" / "000000018"
    victim = max(newest.rglob("*"), key=lambda p: p.is_file() and p.stat().st_size)
    data = bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 1
    victim.write_bytes(bytes(data))
    again = run(20, tmp_path)
    assert str(newest) in caplog.text and "damaged" in caplog.text
    assert_equal(again.state, run(20).state)
    for path in (tmp_path / "checkpoints").iterdir():
        (path / "manifest.json").unlink()
    with pytest.raises(CheckpointError, match="every checkpoint.*damaged"):
        run(20, tmp_path)


def test_a_folder_in_use_and_a_folder_of_another_run(tmp_path):
    with Run(tmp_path, {"a": 1}):
        with pytest.raises(RunError, match=f"in use by process {os.getpid()}"):
            run(6, tmp_path)
    run(6, tmp_path, config={"a": 3})  # no checkpoint yet: nothing holds it back
    with pytest.raises(RunError, match="a was 3, now 2"):
        run(6, tmp_path, config={"a": 2})
    occupied = tmp_path / "file"
    occupied.write_text("")
    with pytest.raises(RunError, match="cannot be used"):
        run(6, occupied)


@pytest.mark.parametrize(
    "name", ["log_every", "eval_every", "checkpoint_every", "keep"]
)
def test_counts_must_be_positive(name):
    with pytest.raises(ValueError, match=f"{name} must be a positive integer, got 0"):
        run(6, **{name: 0})
    with pytest.raises(ValueError, match="steps must be a positive integer, got -1"):
        run(-1)


def test_keeps_the_newest_checkpoints(tmp_path):
    run(20, tmp_path, checkpoint_every=2, keep=2)
    names = sorted(p.name for p in (tmp_path / "checkpoints").iterdir())
    assert names == ["000000018", "000000020"]


def test_what_is_refused_leaves_no_folder(tmp_path, devices):
    folder = tmp_path / "run"
    wrong = zoo.data.batches({"x": np.zeros((32, 5), np.float32), **LABELS}, 16)
    with pytest.raises(ValueError, match="LeNet takes images.*got \\(16, 5\\)"):
        fit(lambda axis_name=None: build(model=zoo.create("lenet5")), wrong, 4,
            run=folder, parallel="single")  # fmt: skip
    with pytest.raises(ValueError, match="batch_size must be divisible.*16.*3"):
        run(4, folder, parallel="pmap", devices=devices[:3])
    with pytest.raises(ValueError, match="no evaluate"):
        fit(counter(1.0), zoo.data.constant({"x": np.ones(4, np.float32)}), 4,
            evaluation=TESTS, run=folder, parallel="single")  # fmt: skip
    with pytest.raises(ValueError, match="finite stream"):
        run(4, folder, evaluation=STREAM)
    assert not folder.exists()
