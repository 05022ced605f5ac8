"""The experiment on support vector machines keeps what its docstring promises."""

import numpy as np
import pytest

from experiments.svm import Config, main


def test_claim(tmp_path, capsys):
    cfg = Config(
        kernels=("linear", "rbf"),
        Cs=(0, 2, 2),
        gammas=(-4, -2, 3),
        folds=3,
        pairs=50,
        side=40,
        run=str(tmp_path),
    )
    numbers = main(cfg)
    accuracy = {k: numbers[f"accuracy/{k}"] for k in ("linear", "rbf")}
    assert round(accuracy["rbf"], 4) == 0.9689 == round(max(accuracy.values()), 4)
    assert round(accuracy["linear"], 4) == 0.9444
    for name in accuracy:
        primal, dual = numbers[f"primal/{name}"], numbers[f"dual/{name}"]
        assert 0 <= numbers[f"gap/{name}"] < 0.02 * dual and dual < primal * 1.0001
    assert numbers["start"] > 9 and 0 <= numbers["end"] < 1e-3
    assert numbers["plane/linear"] > 0.94 and numbers["plane/rbf"] > 0.93
    assert 0.96 < numbers["best"] < 0.98
    shown = capsys.readouterr().out
    assert "0.9689" in shown and f"{numbers['best']:.4f}" in shown
    page = (tmp_path / "report.html").read_text()
    assert page.count("<figure") == 3 and page.count("<table") == 3
    for name in ("meeting", "plane", "map"):
        assert (tmp_path / "figures" / f"{name}.png").stat().st_size > 5_000


def test_a_table_of_the_users_own(tmp_path):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 40)
    np.savez(path := tmp_path / "mine.npz", x=rng.normal(size=(40, 3)) + 4 * y[:, None],
             y=y)  # fmt: skip
    cfg = Config(
        data=str(path), picture=str(path), positive="1", kernels=("rbf",), gamma=0.3,
        Cs=(0, 0, 1), gammas=(-1, 0, 2), folds=2, side=20, run=str(tmp_path / "run"),
    )  # fmt: skip
    numbers = main(cfg)
    assert numbers["accuracy/rbf"] > 0.9 and numbers["best"] > 0.9


@pytest.mark.parametrize(
    "flags, message",
    [
        ({"folds": 1}, "folds must be at least 2, got 1"),
        ({"side": 1}, "side must be at least 2, got 1"),
        ({"Cs": (0.0, 1.0, 0)}, "Cs must be at least 1 value, got 0"),
        ({"C": 0.0}, r"C must be a number in \(0, inf\), got 0.0"),
        ({"gamma": -1.0}, r"gamma must be a number in \[0, inf\), got -1.0"),
        ({"degree": 0}, "degree must be an integer >= 1, got 0"),
        ({"kernels": ("rbff",)}, "unknown kernel 'rbff'; did you mean 'rbf'"),
        ({"pairs": 0}, "pairs must be an integer >= 1, got 0"),
        ({"data": "diabetes"}, "data must have classes, but diabetes's target"),
        ({"picture": "diabetes"}, "picture must have classes"),
        ({"data": "digit"}, "unknown table 'digit'; did you mean 'digits'"),
        ({"positive": "begnign"}, "unknown class 'begnign'; did you mean 'benign'"),
    ],
)
def test_flags(flags, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        main(Config(**flags, run=str(tmp_path / "run")))
    assert not (tmp_path / "run").exists()
