"""The experiment on regions keeps what its docstring promises, at a reduced size."""

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
