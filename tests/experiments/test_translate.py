"""The experiment on pairs of sentences keeps its promise, at a reduced size."""

import pytest

from experiments.translate import Config, main
from zoo.data import numerals


def test_numbers_from_two_files(tmp_path, capsys):
    """Numbers below a thousand, of which a fifth is held out, from files."""
    pairs = numerals(400, digits=3)
    for name, lines in zip(("digits.txt", "words.txt"), pairs, strict=True):
        (tmp_path / name).write_text("\n".join(lines) + "\n")
    cfg = Config(
        source=str(tmp_path / "digits.txt"), target=str(tmp_path / "words.txt"),
        tests=80, steps=160, batch_size=32, buckets=2, features=32, beams=2,
        learning_rate=2e-2, seeds=(0,), run=str(tmp_path / "run"),
    )  # fmt: skip
    numbers = main(cfg)
    print(numbers)
    assert numbers["0/greedy/exact"] >= 0.5 <= numbers["0/beam/exact"]
    assert 0 <= numbers["padding"] < numbers["padding/one"]
    assert "written by beam" in capsys.readouterr().out
    page = (tmp_path / "run" / "report.html").read_text()
    assert page.count("<figure") == 1 and page.count("<table") == 5
    assert (tmp_path / "run" / "figures" / "attention.png").stat().st_size > 3_000


@pytest.mark.parametrize(
    "flags, message",
    [
        ({"steps": 0}, "tests, steps, features, beams and seeds must be some"),
        ({"seeds": ()}, "tests, steps, features, beams and seeds must be some"),
        ({"source": "a.txt"}, "source and target must be given both, got a.txt and"),
        ({"tests": 3950}, "tests must leave a batch of 64 pairs"),
        ({"buckets": 0}, "buckets must be an integer from 1"),
    ],
)
def test_flags(flags, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        main(Config(**flags, run=str(tmp_path / "run")))
    assert not (tmp_path / "run").exists()
