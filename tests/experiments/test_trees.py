"""The experiment on trees keeps what its docstring promises."""

import numpy as np
import pytest

from experiments.trees import Config, main


def test_claim(tmp_path, capsys):
    numbers = main(Config(run=str(tmp_path)))
    np.testing.assert_allclose(numbers["tree"], 0.7497, atol=0.02)
    assert numbers["depth"] == 11 and numbers["train/11"] == 1 > numbers["train/10"]
    assert numbers["test/14"] == numbers["tree"]
    for d in range(1, 5):
        assert numbers[f"test/{d + 1}"] > numbers[f"test/{d}"] + 0.03
    assert abs(numbers["test/14"] - numbers["test/7"]) < 0.02
    assert numbers["train/14"] > numbers["train/7"] + 0.05
    assert 40 < numbers["pruned/leaves"] < numbers["leaves"] == 95
    assert numbers["pruned"] > numbers["tree"]
    page, shown = (tmp_path / "report.html").read_text(), capsys.readouterr().out
    assert page.count("<figure") == 2
    for name in ("tree", "pruned"):
        assert f"{numbers[name]:.4f}" in shown and f"{numbers[name]:.4f}" in page
    for name in ("depth", "pruning"):
        assert (tmp_path / "figures" / f"{name}.png").stat().st_size > 5_000


@pytest.mark.parametrize(
    "flags, message",
    [
        ({"deepest": 0}, "deepest must be >= 1, got 0"),
        ({"folds": 1}, "folds must be >= 2, got 1"),
        ({"folds": 899}, "folds must be at most 898 examples, got 899"),
        ({"data": "diabetes"}, "must have classes, but diabetes's target is a number"),
        ({"data": "digit"}, "unknown table 'digit'; did you mean 'digits'"),
    ],
)
def test_flags(flags, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        main(Config(**flags, run=str(tmp_path / "run")))
    assert not (tmp_path / "run").exists()
