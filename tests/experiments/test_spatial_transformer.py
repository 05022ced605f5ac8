"""What the experiment on the Spatial Transformer claims, with fewer steps."""

import numpy as np
import pytest

from experiments.spatial_transformer import Config, main


def test_the_net_that_puts_digits_straight_reads_them_better(tmp_path, capsys):
    small = dict(steps=120, batch_size=32, rates=(3e-3,), copies=2, seeds=2)
    numbers = main(Config(**small, run=str(tmp_path)))
    of = lambda net: np.array([numbers[f"{net}/{seed}"] for seed in range(2)])
    with_it, *rivals = map(of, ("with transformer", "without", "without, wider"))
    assert (with_it > np.maximum(*rivals) + 0.03).all(), (with_it, rivals)
    assert numbers["spread/after"] < numbers["spread/before"]
    sizes = [numbers[f"{n}/parameters"] for n in ("with transformer", "without, wider")]
    assert sizes == pytest.approx([27_360] * 2, rel=0.02)
    assert f"{numbers['without/0']:.3f}" in capsys.readouterr().out
    page = (tmp_path / "report.html").read_text()
    assert page.count("<figure") == 1 and page.count("<table") == 1


def test_flags(tmp_path):
    with pytest.raises(ValueError, match="rates must be positive, got"):
        main(Config(rates=(), run=str(tmp_path)))
    with pytest.raises(ValueError, match="turn and move must not be negative, got -1"):
        main(Config(turn=-1.0, run=str(tmp_path)))
    assert not list(tmp_path.iterdir())
