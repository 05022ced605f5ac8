"""What the experiment on augmentation claims, with one seed and fewer steps."""

import pytest

from experiments.augmentation import Config, main


def test_shifts_in_training_help_against_shifts(tmp_path, capsys):
    numbers = main(Config(epochs=3, seeds=1, model="mlp", run=str(tmp_path)))
    shifted = {kind: numbers[f"{kind}/0/shifted"] for kind in ("none", "flip", "shift")}
    assert shifted["shift"] > max(shifted["none"], shifted["flip"]) + 0.05
    assert numbers["none/0/plain"] > shifted["none"] + 0.15
    assert f"{shifted['shift']:.3f}" in capsys.readouterr().out
    page = (tmp_path / "report.html").read_text()
    assert page.count("<figure") == 1 and page.count("<table") == 1


def test_flags(tmp_path):
    with pytest.raises(ValueError, match="seeds must be positive, got 0"):
        main(Config(seeds=0, run=str(tmp_path)))
    assert not list(tmp_path.iterdir())
