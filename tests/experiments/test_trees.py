"""The experiment on trees keeps what its docstring promises, at a reduced size."""

import numpy as np
import pytest

from experiments.trees import Config, main


def test_claim(tmp_path, capsys):
    cfg = Config(trees=30, rounds=10, folds=3, seeds=2, side=40, run=str(tmp_path))
    numbers = main(cfg)
    assert 0.74 < numbers["tree"] < 0.80
    for seed in range(2):
        assert numbers[f"{seed}/forest"] > numbers["tree"] + 0.1
        assert numbers[f"{seed}/bag"] > 0.9
    assert numbers["boosting"] > numbers["tree"] + 0.05
    assert numbers["pruned/leaves"] < numbers["leaves"]
    assert numbers["train/14"] > 0.99 > numbers["train/5"]
    assert numbers["test/14"] < 0.80
    shown = capsys.readouterr().out
    assert f"{numbers['tree']:.4f}" in shown and f"{numbers['0/forest']:.4f}" in shown
    page = (tmp_path / "report.html").read_text()
    assert page.count("<figure") == 5 and f"{numbers['0/forest']:.4f}" in page
    for name in ("depth", "pruning", "forest", "importances", "regions"):
        assert (tmp_path / "figures" / f"{name}.png").stat().st_size > 5_000


def test_a_table_of_the_users_own(tmp_path):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 60)
    x = rng.normal(size=(60, 3)) + 4 * y[:, None]
    path = tmp_path / "mine.npz"
    np.savez(path, x=x, y=y)
    cfg = Config(
        data=str(path), picture=str(path), features=("x2", "x0"), trees=5, rounds=3,
        folds=2, seeds=1, side=20, deepest=3, run=str(tmp_path / "run"),
    )  # fmt: skip
    numbers = main(cfg)
    assert min(numbers["tree"], numbers["0/forest"], numbers["boosting"]) > 0.9


@pytest.mark.parametrize(
    "flags, message",
    [
        ({"trees": 0}, "trees must be >= 1, got 0"),
        ({"folds": 1}, "folds must be >= 2, got 1"),
        ({"folds": 899}, "folds must be at most 898 examples, got 899"),
        ({"side": 1}, "side must be >= 2, got 1"),
        ({"rate": 0.0}, r"rate must be a number in \(0, 1\]"),
        ({"data": "diabetes"}, "must have classes, but diabetes's target is a number"),
        ({"data": "digit"}, "unknown table 'digit'; did you mean 'digits'"),
        ({"features": ("width",)}, "features must be two names, got"),
        ({"features": ("width", "hue")}, "unknown feature of iris 'width'"),
    ],
)
def test_flags(flags, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        main(Config(**flags, run=str(tmp_path / "run")))
    assert not (tmp_path / "run").exists()
