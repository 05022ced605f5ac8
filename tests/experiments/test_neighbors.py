"""The experiment on neighbours keeps what its docstring promises, at a reduced size."""

import numpy as np
import pytest

from experiments.neighbors import Config, main


def test_claim(tmp_path, capsys):
    numbers = main(Config(most=5, folds=4, side=60, run=str(tmp_path)))
    assert round(numbers["test/1"], 4) == 0.9611
    assert round(numbers["test/3"], 4) == 0.9633
    best = [numbers[f"{seed}/best"] for seed in range(5)]
    print("best by seed", *best)
    assert sum(k in (1, 3) for k in best) >= 4
    folds = np.array([numbers[f"{s}/cv/{numbers[f'{s}/best']}"] for s in range(5)])
    assert (folds > numbers["test/3"] + 0.01).sum() >= 4  # the second half is harder
    assert numbers["border/15"] < 0.85 * numbers["border/1"]
    shown = capsys.readouterr().out
    assert "0.9611" in shown and "0.9633" in shown
    page = (tmp_path / "report.html").read_text()
    assert page.count("<figure") == 2 and "0.9633" in page
    for name in ("accuracy", "regions"):
        assert (tmp_path / "figures" / f"{name}.png").stat().st_size > 5_000


def test_a_table_of_the_users_own(tmp_path):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 40)
    x = rng.normal(size=(40, 3)) + 4 * y[:, None]
    path = tmp_path / "mine.npz"
    np.savez(path, x=x, y=y)
    cfg = Config(
        data=str(path), picture=str(path), features=("x2", "x0"), most=3, folds=2,
        seeds=1, side=20, ks=(1,), distance="manhattan", run=str(tmp_path / "run"),
    )  # fmt: skip
    numbers = main(cfg)
    assert numbers["test/1"] > 0.9 and 0 < numbers["border/1"] < 0.2


@pytest.mark.parametrize(
    "flags, message",
    [
        ({"folds": 1}, "folds and side must be at least 2"),
        ({"folds": 899}, "folds must be at most 898 examples, got 899"),
        ({"most": 0}, "most must be an integer from 1 to 808, got 0"),
        (
            {"data": "diabetes"},
            "must have classes, but diabetes's target is a number",
        ),
        ({"data": "digit"}, "unknown table 'digit'; did you mean 'digits'"),
        ({"distance": "l2"}, "unknown distance 'l2'"),
        ({"ks": (0,)}, "ks must be from 1 to 178, got 0"),
        ({"features": ("hue",)}, "features must be two names, got"),
        ({"features": ("hue", "colour")}, "unknown feature of wine 'colour'"),
    ],
)
def test_flags(flags, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        main(Config(**flags, run=str(tmp_path / "run")))
    assert not (tmp_path / "run").exists()
