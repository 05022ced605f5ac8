"""What the experiment of the dense CRF does, with small scenes and few steps."""

import numpy as np
import pytest

from experiments.crf import Config, main

SMALL = dict(size=32, steps=10, test=4, held=2, rounds=3, appearance=(0.2,))


@pytest.mark.slow  # a minute and a half: a network of few steps finds no object at all
def test_the_field_sharpens(tmp_path):
    numbers = main(Config(run=str(tmp_path)))
    assert numbers["after/boundary_iou"] > numbers["before/boundary_iou"] + 0.1
    assert numbers["after/mean_iou"] > numbers["before/mean_iou"]


def test_its_energy_falls_and_is_reported(tmp_path, capsys):
    numbers = main(Config(**SMALL, run=str(tmp_path)))
    paper, own = (
        np.array([numbers[f"energy/{form}/{i}"] for i in range(4)])
        for form in ("paper", "own")
    )
    print(paper, own)
    assert (np.diff(paper) < 0).all() and (np.diff(own) < 0).all()
    assert f"{numbers['after/boundary_iou']:.4g}" in capsys.readouterr().out
    page = (tmp_path / "report.html").read_text()
    assert page.count("<figure") == 2 and page.count("<table") == 2


def test_flags(tmp_path):
    with pytest.raises(ValueError, match="colour must be positive, got 0"):
        main(Config(colour=0.0, run=str(tmp_path)))
    assert not list(tmp_path.iterdir())
