"""Experiments: each keeps what its docstring promises, at a reduced size."""

import ast
import dataclasses
import importlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from experiments.__main__ import claims

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", claims())
def test_roster(name):
    """A claim of one line, how to run, what to expect; a frozen Config; main."""
    module = importlib.import_module(f"experiments.{name}")
    claim, *rest = module.__doc__.splitlines()
    assert claim.endswith(".") and len(claim) <= 88
    assert f"python -m experiments.{name}" in module.__doc__
    assert "Expect:" in module.__doc__ and "EXPECT" not in module.__doc__
    assert module.Config.__dataclass_params__.frozen
    assert module.Config() == module.Config()  # defaults are values
    for field in dataclasses.fields(module.Config):
        assert f"{field.name}:" in module.Config.__doc__, field.name
    tree = ast.parse(Path(module.__file__).read_text())
    names = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}
    assert not names & {"argv", "environ"}, "only Config is read"


def test_small_images_learns_and_reports(tmp_path, capsys):
    from experiments.small_images import Config, main
    from zoo.training import Machine

    cfg = Config(
        epochs=4, run=str(tmp_path), progress=False, machine=Machine(parallel="single")
    )
    numbers = main(cfg)
    assert numbers["steps"] == 4 * 32
    assert 0.70 < numbers["accuracy"] < 0.85  # the docstring's, after ten, is higher
    shown = capsys.readouterr().out
    assert f"{numbers['accuracy']:.4f}" in shown
    page = (tmp_path / "report.html").read_text()
    assert page.count("<figure") == 4 and f"{numbers['accuracy']:.4f}" in page
    for figure in ("loss", "accuracy", "confusion", "mistakes"):
        assert (tmp_path / "figures" / f"{figure}.png").stat().st_size > 5_000
    assert main(cfg) == numbers  # the run is complete: it is shown again


def test_small_images_on_eight_devices_is_the_same(tmp_path, devices):
    from experiments.small_images import Config, main
    from zoo.training import Machine

    results = {}
    for form in ("single", "pmap"):
        cfg = Config(
            model="mlp",
            optimizer="nesterov",
            learning_rate=0.05,
            schedule="one_cycle",
            decay=1e-3,
            label_smoothing=0.1,
            flip=True,
            shift=2,
            epochs=1,
            run=str(tmp_path / form),
            progress=False,
            machine=Machine(parallel=form),
        )
        results[form] = main(cfg)
    assert results["pmap"]["loss"] == pytest.approx(results["single"]["loss"], rel=1e-5)
    assert results["pmap"]["accuracy"] == results["single"]["accuracy"]


def test_small_images_takes_any_row_and_cifar_by_its_path(tmp_path):
    """All flags of the long run but its network; four steps."""
    from experiments.small_images import CIFAR, Config, main
    from zoo.training import Machine

    rng = np.random.default_rng(0)
    arrays = {}
    for part, n in (("train", 16), ("test", 10)):
        arrays[f"x_{part}"] = rng.integers(0, 256, (n, 32, 32, 3), np.uint8)
        arrays[f"y_{part}"] = rng.integers(0, 10, n, np.uint8)
    np.savez(tmp_path / "cifar10_few.npz", **arrays)
    more = {"model": "lenet_caffe", "epochs": 2, "batch_size": 8}
    cfg = Config(
        **{**CIFAR, **more},
        data_dir=str(tmp_path / "cifar10_few.npz"),
        run=str(tmp_path / "run"),
        progress=False,
        machine=Machine(parallel="single"),
    )
    numbers = main(cfg)
    assert numbers["steps"] == 4 and np.isfinite(numbers["loss"])
    page = (tmp_path / "run" / "report.html").read_text()
    assert "lenet_caffe by nesterov on cifar10" in page


def run(*words):
    return subprocess.run(
        [sys.executable, "-m", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--model", "lenet6"], "unknown model 'lenet6'; did you mean 'lenet5'"),
        (["--schedule", "onecycle"], "unknown schedule 'onecycle'"),
        (["--optimizer", "adm"], "unknown optimizer 'adm'; did you mean 'adam'"),
        (["--data", "fashion"], "unknown data set 'fashion'"),
        (["--learning-rate", "-1"], "learning_rate must be"),
        (["--epochs", "0"], "epochs must be a positive integer, got 0"),
        (["--batch-size", "20", "--cpu-devices", "8"], "batch_size must be divisible"),
        (["--processes", "2"], "need --distributed"),
        (["--patience", "0"], "patience must be a positive integer, got 0"),
        (["--data", "digits"], "LeNet takes images [B, H, W, C]"),
    ],
)
def test_nonsense_is_one_line(tmp_path, words, message):
    folder = tmp_path / "run"
    done = run("experiments.small_images", *words, "--run", str(folder))
    assert done.returncode == 2
    assert done.stderr.startswith("error: ") and message in done.stderr, done.stderr
    assert "Traceback" not in done.stderr and len(done.stderr.splitlines()) <= 3
    assert not folder.exists()


def test_an_unknown_flag_names_what_is_near():
    done = run("experiments.small_images", "--modle", "mlp")
    assert done.returncode == 2 and "--modle" in done.stderr + done.stdout
    assert "--model" in done.stderr + done.stdout
