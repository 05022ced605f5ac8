"""What the experiment on the Spatial Transformer claims; at full length where slow."""

import numpy as np
import pytest

from experiments.spatial_transformer import Config, main


@pytest.mark.slow  # three minutes of a core: a few steps do not tell the nets apart
def test_the_net_that_puts_digits_straight_reads_them_better(tmp_path):
    numbers = main(Config(run=str(tmp_path)))
    of = lambda net: np.array([numbers[f"{net}/{seed}"] for seed in range(5)])
    with_it, *rivals = map(of, ("with transformer", "without", "without, wider"))
    assert sum(with_it > np.maximum(*rivals) + 0.05) >= 4, (with_it, rivals)
    assert numbers["spread/after"] < numbers["spread/before"] - 0.05


def test_both_have_as_many_parameters_and_are_reported(tmp_path, capsys):
    small = dict(steps=10, batch_size=16, rates=(3e-3,), copies=1, seeds=1)
    numbers = main(Config(**small, run=str(tmp_path)))
    sizes = [numbers[f"{n}/parameters"] for n in ("with transformer", "without, wider")]
    assert sizes == pytest.approx([27_360] * 2, rel=0.02)
    assert 0.8 < numbers["spread/before"] < 1  # turned and moved
    assert f"{numbers['without/0']:.3f}" in capsys.readouterr().out
    page = (tmp_path / "report.html").read_text()
    assert page.count("<figure") == 1 and page.count("<table") == 1


def test_flags(tmp_path):
    with pytest.raises(ValueError, match="rates must be positive, got"):
        main(Config(rates=(), run=str(tmp_path)))
    with pytest.raises(ValueError, match="turn and move must not be negative, got -1"):
        main(Config(turn=-1.0, run=str(tmp_path)))
    assert not list(tmp_path.iterdir())
