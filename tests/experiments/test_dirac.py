"""What the experiment on DiracNet claims, with narrow nets on small images."""

import numpy as np
import pytest

from experiments.dirac import Config, main


@pytest.mark.slow  # at full size it is a row, `claims` of acceptance
def test_dirac_learns_where_plain_stalls(tmp_path, capsys):
    small = dict(layers=6, width=4, side=8, steps=60, batch_size=32, rates=(0.03,))
    numbers = main(Config(**small, run=str(tmp_path)))
    loss = {
        name: np.array([numbers[f"{name}/{seed}"] for seed in range(5)])
        for name in ("dirac", "plain")
    }
    assert sum(loss["dirac"] < loss["plain"] - 0.2) >= 4, loss
    assert numbers["folded"] < 1e-3  # of logits of up to ten, through 19 layers
    assert f"{loss['plain'][0]:.3f}" in capsys.readouterr().out
    page = (tmp_path / "report.html").read_text()
    assert page.count("<figure") == 1 and page.count("<table") == 1


def test_flags(tmp_path):
    with pytest.raises(ValueError, match="layers must be positive, got 0"):
        main(Config(layers=0, run=str(tmp_path)))
    assert not list(tmp_path.iterdir())
