"""The experiment on characters keeps what its docstring promises, at a reduced size."""

import pytest

from experiments.char_lm import Config, main
from zoo.data import text
from zoo.training import Machine

SINGLE = Machine(parallel="single")


@pytest.mark.parametrize(
    "model, rate, steps, less",
    [("char_gru", 2e-2, 120, 0.7), ("char_gpt", 1e-2, 200, 0.5)],
)
def test_a_network_learns_to_read(model, rate, steps, less, tmp_path, capsys):
    """A tenth of the embedded text, small networks: well below the frequencies."""
    book = tmp_path / "part.txt"
    book.write_text(text("moby_dick")[:60_000])
    cfg = Config(
        data=str(book), model=model, features=32, layers=1, steps=steps, batch_size=16,
        length=32, learning_rate=rate, drawn=60, run=str(tmp_path / "run"),
        progress=False, machine=SINGLE,
    )  # fmt: skip
    numbers = main(cfg)
    assert numbers["steps"] == steps
    assert 4.2 < numbers["unigram"] < 4.7
    assert numbers["bits"] < numbers["unigram"] - less, numbers
    shown = capsys.readouterr().out
    assert f"{numbers['bits']:.3f}" in shown
    page = (tmp_path / "run" / "report.html").read_text()
    assert page.count("<figure") == 1 and page.count("<table") == 2
    assert (tmp_path / "run" / "figures" / "bits.png").stat().st_size > 5_000


@pytest.mark.parametrize(
    "flags, message",
    [
        ({"model": "char_lstn"}, "unknown model 'char_lstn'; did you mean 'char_lstm'"),
        ({"steps": 0}, "steps, drawn and minutes must be positive, got 0, 400 and"),
        ({"minutes": -1.0}, "must be positive, got 1000, 400 and -1.0"),
        ({"data": "moby"}, "unknown text 'moby'; did you mean 'moby_dick'"),
        ({"length": 0}, "length must be an integer at least 1"),
    ],
)
def test_flags(flags, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        main(Config(**flags, run=str(tmp_path / "run"), machine=SINGLE))
    assert not (tmp_path / "run").exists()
