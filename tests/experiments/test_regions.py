"""The experiment on regions keeps what its docstring promises, at a reduced size."""

import numpy as np
import pytest

from experiments.regions import Config, main


def test_claim(tmp_path, capsys):
    numbers = main(Config(trees=50, side=40, run=str(tmp_path)))
    parts = [numbers[f"{seed}/forest"] for seed in range(5)]
    print("forests", *(f"{part:.3f}" for part in parts))
    assert numbers["leaves"] == 8 and 0.8 < numbers["tree"] < 0.95
    assert sum(0.2 < part < 0.4 for part in parts) >= 4
    page, shown = (tmp_path / "report.html").read_text(), capsys.readouterr().out
    assert page.count("<figure") == 1 and f"{numbers['tree']:.3f}" in page
    assert f"{parts[4]:.3f}" in shown
    assert (tmp_path / "figures" / "regions.png").stat().st_size > 5_000


def test_a_table_of_the_users_own(tmp_path):
    """Two classes apart along x0 alone: the tree has one question."""
    rng = np.random.default_rng(0)
    y = np.arange(60) % 2
    x = rng.uniform(size=(60, 3))
    x[:, 0] += 2 * y
    np.savez(tmp_path / "mine.npz", x=x, y=y)
    numbers = main(Config(
        data=str(tmp_path / "mine.npz"), features=("x2", "x0"), trees=5, seeds=1,
        side=20, run=str(tmp_path / "run"),
    ))  # fmt: skip
    assert numbers["leaves"] == 2 and numbers["tree"] == 1


@pytest.mark.parametrize(
    "flags, message",
    [
        ({"trees": 0}, "trees must be >= 1, got 0"),
        ({"side": 1}, "side must be >= 2, got 1"),
        ({"data": "diabetes"}, "must have classes, but diabetes's target is a number"),
        ({"features": ("petal_width",) * 2}, "features must be two different names"),
        ({"features": ("petal_width",)}, "features must be two different names, got"),
        ({"features": ("width", "hue")}, "unknown feature of iris 'width'"),
    ],
)
def test_flags(flags, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        main(Config(**flags, run=str(tmp_path / "run")))
    assert not (tmp_path / "run").exists()
