"""The command lines, in this process: status, one line of error, no traceback."""

import dataclasses
import sys

import jax
import pytest

import experiments.__main__
import zoo.__main__
from zoo.training import Machine, cli


def test_lists_the_experiments(capsys):
    for argv in ([], ["-h"], ["--help"]):
        assert experiments.__main__.main(argv) == 0
        out, err = capsys.readouterr()
        assert not err and "python -m experiments.NAME --help" in out
        claims = experiments.__main__.claims()
        assert {"small_images", "compare_optimizers"} <= set(claims)
        assert all(name in out for name in claims)
        assert not any(name.startswith("_") for name in claims)


@pytest.mark.parametrize(
    "argv, message",
    [
        (["nonsense"], "unknown experiment 'nonsense'"),
        (["smal_images"], "did you mean 'small_images'"),
        (["small_images"], "run it with: python -m experiments.small_images"),
    ],
)
def test_a_word_after_experiments_is_refused(argv, message, capsys):
    assert experiments.__main__.main(argv) == 2
    out, err = capsys.readouterr()
    assert not out and message in err and err.count("\n") == 1


def test_data_list(capsys):
    assert zoo.__main__.main(["data", "list"]) == 0
    out, err = capsys.readouterr()
    assert not err and "fashion_mnist_small" in out and "embedded" in out


@pytest.mark.parametrize("argv", [[], ["nonsense"], ["card"], ["list", "a", "b"]])
def test_words_that_are_no_command_end_with_two(argv, capsys):
    with pytest.raises(SystemExit) as stop:
        sys.exit(zoo.__main__.main(argv))
    assert stop.value.code == 2
    out, err = capsys.readouterr()
    assert not out and "usage: python -m zoo" in err


@dataclasses.dataclass(frozen=True)
class Config:
    """Flags.

    Attributes:
        steps: how many.
        machine: devices and hosts.
    """

    steps: int = 3
    machine: Machine = Machine()


def start(main, monkeypatch, *words):
    """Exit status of a program; None where it runs to its end."""
    monkeypatch.setattr(sys, "argv", ["program", *words])
    try:
        cli.run(main, Config)
    except SystemExit as stop:
        return stop.code


def test_flags_make_the_config(monkeypatch):
    seen = []

    def main(cfg):
        seen.append(cfg)
        return {}

    words = ["--steps", "7", "--parallel", "pmap", "--cpu-devices", "2"]
    assert start(main, monkeypatch, *words) is None
    assert start(main, monkeypatch) is None
    assert seen == [Config(7, Machine(parallel="pmap", cpu_devices=2)), Config()]


@pytest.mark.parametrize(
    "error, status, line",
    [
        (ValueError("steps must be 1"), 2, "error: steps must be 1\n"),
        (FloatingPointError("loss is nan"), 1, "error: loss is nan\n"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_errors_of_the_input_are_one_line(error, status, line, monkeypatch, capsys):
    def main(cfg):
        raise error

    assert start(main, monkeypatch) == status
    assert capsys.readouterr().err == line


def test_errors_of_the_program_keep_their_traceback(monkeypatch):
    def main(cfg):
        raise RuntimeError("ours")

    with pytest.raises(RuntimeError, match="ours"):
        start(main, monkeypatch)


def test_help_is_the_docstring_of_the_module(monkeypatch, capsys):
    def main(cfg):
        raise AssertionError("it should not run")

    assert start(main, monkeypatch, "--help") == 0
    out = capsys.readouterr().out
    assert "one line of error, no traceback" in out and "how many." in out
    assert f"python -m {__name__}" in out or __name__ in out


@pytest.mark.parametrize(
    "fields, message",
    [
        ({"cpu_devices": 0}, "cpu_devices must be a positive integer, got 0"),
        ({"processes": -1}, "processes must be a positive integer, got -1"),
        ({"coordinator": "a:1"}, "need --distributed"),
        ({"process_id": 0}, "need --distributed"),
        ({"cpu_devices": 5}, "comes too late: this process already uses 8"),
    ],
)
def test_a_machine_refuses(fields, message):
    assert jax.device_count() == 8  # devices are in use from here on
    with pytest.raises(ValueError, match=message):
        Machine(**fields).start()


def test_a_machine_that_is_there_already_is_no_error():
    assert jax.device_count() == 8
    Machine(cpu_devices=8).start()
    Machine().start()


def test_cpu_devices_are_used_whatever_else_there_is(monkeypatch):
    given = {}
    monkeypatch.setattr(jax.config, "update", given.__setitem__)
    Machine(cpu_devices=2).start()
    assert given == {"jax_num_cpu_devices": 2, "jax_platforms": "cpu"}


def test_a_loss_that_is_no_number_is_such_an_error():
    assert issubclass(zoo.training.NonFinite, FloatingPointError)
