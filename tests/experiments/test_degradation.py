"""What the experiment on degradation claims, with narrow nets on small images."""

import numpy as np
import pytest

from experiments.degradation import Config, main


@pytest.mark.slow  # at full size it is a row, `claims` of acceptance
def test_deeper_plain_nets_learn_less_of_the_training_set(tmp_path, capsys):
    small = dict(blocks=(1, 5), width=4, side=8, steps=60, batch_size=32)
    numbers = main(Config(**small, run=str(tmp_path)))
    of = lambda kind, n: np.array([numbers[f"{kind}/{n}/{seed}"] for seed in range(5)])
    worse = {kind: of(kind, 5) - of(kind, 1) for kind in ("plain", "residual")}
    assert sum(worse["plain"] > 0.1) >= 4, worse
    assert sum(worse["residual"] < 0.5 * worse["plain"]) >= 4, worse
    assert f"{of('plain', 5)[0]:.3f}" in capsys.readouterr().out
    page = (tmp_path / "report.html").read_text()
    assert page.count("<figure") == 1 and page.count("<table") == 1


def test_flags(tmp_path):
    with pytest.raises(ValueError, match="blocks must be fewer and then more"):
        main(Config(blocks=(3, 3), run=str(tmp_path)))
    with pytest.raises(ValueError, match="side must be from 8 to 28, got 7"):
        main(Config(side=7, run=str(tmp_path)))
    assert not list(tmp_path.iterdir())
