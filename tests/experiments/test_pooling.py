"""What the experiment on pooling claims, with one size and fewer steps."""

import numpy as np
import pytest

from experiments.pooling import Config, images, main


def test_each_pooling_is_best_at_its_own(tmp_path, capsys):
    small = dict(sizes=(24,), steps=120, rates=(0.03,), count=500, maps=6)
    numbers = main(Config(**small, run=str(tmp_path)))
    better = {}
    for kind in ("texture", "strokes"):
        mean, most = (
            np.array([numbers[f"{kind}/24/{pool}/{seed}"] for seed in range(5)])
            for pool in ("average", "maximum")
        )
        better[kind] = mean - most
    assert sum(better["texture"] > 0.05) >= 4, better
    assert sum(better["strokes"] < -0.05) >= 4, better
    assert f"{numbers['strokes/24/maximum/0']:.3f}" in capsys.readouterr().out
    page = (tmp_path / "report.html").read_text()
    assert page.count("<figure") == 1 and page.count("<table") == 1


def test_images_are_noise_and_a_signal_of_their_direction():
    cfg = Config(count=400)
    for kind in ("texture", "strokes"):
        made = images(cfg, kind, 16, 0)
        assert made["x"].shape == (400, 16, 16, 1) and set(made["y"]) == {0, 1, 2, 3}
        plain = images(Config(count=400, faint=1e-9, strong=1e-9), kind, 16, 0)["x"]
        signal = (made["x"] - plain)[..., 0]
        flat = signal[made["y"] == 0]  # along a row nothing changes in a grating
        along, across = (np.abs(np.diff(flat, axis=axis)).sum() for axis in (2, 1))
        assert along < (0.05 if kind == "texture" else 0.5) * across


def test_flags(tmp_path):
    with pytest.raises(ValueError, match="sizes must be 12 or more"):
        main(Config(sizes=(8,), run=str(tmp_path)))
    assert not list(tmp_path.iterdir())
