"""What the experiment on the Neocognitron claims, at reduced size."""

import pytest

from experiments.neocognitron import Config, main


@pytest.mark.slow  # two minutes of a core
def test_digits_are_known_where_they_moved_and_one_of_two_is_attended(tmp_path):
    numbers = main(Config(run=str(tmp_path)))
    moved = lambda net, s: numbers[f"{net}/3/{s}"]
    others = lambda s: max(moved("without blur", s), moved("pixels", s))
    seeds = range(5)
    assert sum(moved("neocognitron", s) > others(s) + 0.4 for s in seeds) >= 4
    assert sum(numbers[f"inside/{s}"] > 0.6 for s in seeds) >= 4


def test_one_seed(tmp_path, capsys):
    """With fewer images: less is known, and it is forgiven all the same."""
    numbers = main(Config(known=60, asked=60, seeds=1, run=str(tmp_path)))
    moved = [numbers[f"{net}/3/0"] for net in ("neocognitron", "pixels")]
    assert moved[0] > moved[1] + 0.3
    assert numbers["inside/0"] > 0.6 and numbers["recognized/0"] >= 0.6
    assert f"{numbers['inside/0']:.3f}" in capsys.readouterr().out
    page = (tmp_path / "report.html").read_text()
    assert page.count("<figure") == 2 and page.count("<table") == 2


def test_flags(tmp_path):
    with pytest.raises(ValueError, match="known must be positive, got 0"):
        main(Config(known=0, run=str(tmp_path)))
    assert not list(tmp_path.iterdir())
