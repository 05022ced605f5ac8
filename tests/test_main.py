"""`python -m zoo`: what it prints and how it refuses."""

import subprocess
import sys

import pytest

from zoo.__main__ import main
from zoo.catalog import MODELS


def test_list(capsys):
    assert main(["list"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in MODELS)
    assert main(["list", "lenet*", "--task", "classification"]) == 0
    out = capsys.readouterr().out
    assert "60,000" in out and "61,706" in out and "mlp" not in out


def test_card(capsys):
    assert main(["card", "lenet5"]) == 0
    assert "416,520" in capsys.readouterr().out
    fields = ["--set", "num_classes=3", "--set", "widths=(5,)", "--set", "pool=mean"]
    assert main(["card", "lenet5", *fields]) == 0
    assert f"{156 + 2416 + 400 * 5 + 5 + 5 * 3 + 3:,}" in capsys.readouterr().out


@pytest.mark.parametrize(
    "argv, message",
    [
        (["list", "nothing*"], "no model matches 'nothing*'"),
        (["list", "--task", "x"], "unknown task 'x'"),
        (["card", "lenet9"], "did you mean 'lenet5'"),
        (["card", "lenet5", "--set", "pol=max"], "did you mean 'pool'"),
        (["card", "lenet5", "--set", "pool=sum"], "pool must be one of max, mean"),
        (["card", "lenet5", "--set", "pool"], "--set takes FIELD=VALUE, got 'pool'"),
        (["card", "lenet5", "--set", "num_classes=x"], "num_classes must be"),
        (["card", "mlp", "--set", "widths=abc"], "widths must be like (128,)"),
        (["card", "mlp", "--set", "widths=('a',)"], "widths must be like (128,)"),
        (["card", "mlp", "--set", "widths=(0,)"], "widths must be positive"),
        (["card", "mlp", "--set", "dropout=x"], "dropout must be like 0.0, got 'x'"),
        (["card", "lenet5", "--set", "maps=5"], "maps must be like (6, 16), got 5"),
        (["card", "lenet5", "--set", "maps=(5,)"], "two maps and widths must be"),
        (["card", "lenet5", "--set", "padding=same"], "padding must be one of SAME"),
        (["card", "lenet5", "--set", "num_classes=True"], "num_classes must be like"),
    ],
    ids=lambda v: " ".join(v) if isinstance(v, list) else "",
)
def test_refuses_with_one_line(argv, message, capsys):
    assert main(argv) == 2
    out, err = capsys.readouterr()
    assert out == "" and message in err
    assert err.startswith("error: ") and err.count("\n") == 1


def test_runs_as_a_module():
    command = [sys.executable, "-W", "error", "-m", "zoo"]
    done = subprocess.run([*command, "--help"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert all(word in done.stdout for word in ("list", "card", "data"))
    done = subprocess.run([*command, "data", "list"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "fashion_mnist_small" in done.stdout
    done = subprocess.run([*command, "card", "nix"], capture_output=True, text=True)
    assert done.returncode == 2 and "Traceback" not in done.stderr
