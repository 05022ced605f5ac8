"""The experiment on memory keeps what its docstring promises, at a reduced size."""

import numpy as np
import pytest

from experiments.sequence_memory import Config, main


def test_attention_remembers_what_an_lstm_forgets(tmp_path, capsys):
    """Over 20 distractors, on at least four of five seeds: most against chance."""
    cfg = Config(
        delays=(20,), models=("lstm", "transformer"), steps=200, units=32,
        rates=(1e-2,), run=str(tmp_path),
    )  # fmt: skip
    numbers = main(cfg)
    right = lambda name: np.array([numbers[f"{s}/{name}/20"] for s in cfg.seeds])
    print(right("lstm"), right("transformer"))
    assert ((right("lstm") < 0.3) & (right("transformer") > 0.75)).sum() >= 4
    assert all(numbers[f"{s}/lstm/memory"] == 0 for s in cfg.seeds)
    assert "20 distractors" in capsys.readouterr().out
    page = (tmp_path / "report.html").read_text()
    assert page.count("<figure") == 1 and page.count("<table") == 2
    assert (tmp_path / "figures" / "memory.png").stat().st_size > 5_000


@pytest.mark.parametrize(
    "flags, message",
    [
        ({"models": ("lstn",)}, "models must be of rnn, lstm, gru, transformer, got"),
        ({"delays": (5, 2)}, "delays must be some, and ascend, got"),
        ({"rates": ()}, "rates must be positive"),
        ({"units": 20}, "units must be a multiple of 8 from 16, got 20"),
        ({"steps": 0}, "steps must be a positive integer, got 0"),
    ],
)
def test_flags(flags, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        main(Config(**flags, run=str(tmp_path / "run")))
    assert not (tmp_path / "run").exists()
