"""The experiment on attention keeps its promise, at a reduced size."""

import numpy as np
import pytest

from experiments.alignment import SEEDS, Config, main


def test_attention_copies(tmp_path, capsys):
    """The same batches, steps and rate: right where the other mostly is not."""
    cfg = Config(
        length=6, scores=("general", "none"), examples=1000, tests=64, steps=120,
        features=32, width=16, learning_rate=2e-2, run=str(tmp_path),
    )  # fmt: skip
    numbers = main(cfg)
    of = lambda score: np.array([numbers[f"{s}/{score}/exact"] for s in SEEDS])
    print(of("general"), of("none"))
    assert (of("general") > of("none") + 0.25).sum() >= 4
    for s in SEEDS:
        for score in cfg.scores:  # a target is right only if its tokens are
            assert numbers[f"{s}/{score}/exact"] <= numbers[f"{s}/{score}/tokens"]
    assert numbers["0/general/beam"] >= numbers["0/general/exact"] - 0.05
    assert "without a mistake" in capsys.readouterr().out
    page = (tmp_path / "report.html").read_text()
    assert page.count("<figure") == 1 and page.count("<table") == 4
    assert (tmp_path / "figures" / "attention.png").stat().st_size > 5_000


@pytest.mark.parametrize(
    "flags, message",
    [
        ({"task": "reverse"}, "unknown task 'reverse'"),
        ({"steps": 0}, "steps, features and width must be positive"),
        ({"scores": ("dot",)}, "scores must be of additive, general, scaled, none"),
        ({"scores": ()}, "scores must be of"),
    ],
)
def test_flags(flags, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        main(Config(**flags, run=str(tmp_path / "run")))
    assert not (tmp_path / "run").exists()
