"""What the experiment on batch normalization claims, with fewer steps and rates."""

import numpy as np
import pytest

from experiments.batch_normalization import Config, main


@pytest.mark.slow  # at full size it is a row, `claims` of acceptance
def test_normalized_it_learns_at_rates_where_else_it_fails(tmp_path, capsys):
    small = dict(width=4, side=8, steps=60, batch_size=32, rates=(0.01, 0.3))
    numbers = main(Config(**small, run=str(tmp_path)))
    of = lambda name: np.array([numbers[f"{name}/{seed}"] for seed in range(5)])
    assert sum(of("with/0.3") > of("without/0.3") + 0.2) >= 4, numbers
    assert sum(of("with/through") > of("without/through")) >= 4, numbers
    assert sum(of("with/loss/0.01") < of("without/loss/0.01")) >= 4, numbers
    assert f"{of('with/0.3')[0]:.3f}" in capsys.readouterr().out
    page = (tmp_path / "report.html").read_text()
    assert page.count("<figure") == 1 and page.count("<table") == 1


def test_flags(tmp_path):
    with pytest.raises(ValueError, match="rates must be positive, got"):
        main(Config(rates=(0.1, 0.0), run=str(tmp_path)))
    with pytest.raises(ValueError, match="side must be from 8 to 28, got 40"):
        main(Config(side=40, run=str(tmp_path)))
    assert not list(tmp_path.iterdir())
