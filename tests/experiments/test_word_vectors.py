"""The experiment on word vectors keeps its promise, at a reduced size."""

import numpy as np
import pytest

from experiments.word_vectors import BANDS, SEEDS, Config, language, main
from zoo.data import read_vectors


def test_rare_words_by_skip_gram_and_speed_by_cbow(tmp_path, capsys):
    """The same text, epochs and rates; the difference is in the rare words."""
    cfg = Config(length=10_000, features=12, rates=(0.3,), run=str(tmp_path))
    numbers = main(cfg)
    of = lambda form, what: np.array([numbers[f"{s}/{form}/{what}"] for s in SEEDS])
    rare, often = BANDS[0][0], BANDS[-1][0]
    print(of("skip-gram", rare), of("cbow", rare))
    gap = lambda band: of("skip-gram", band) - of("cbow", band)
    assert (gap(rare) > 0.15).sum() >= 4
    assert (gap(rare) > gap(often) + 0.05).sum() >= 4
    print(of("skip-gram", "seconds"), of("cbow", "seconds"))
    assert (of("skip-gram", "seconds") > 1.3 * of("cbow", "seconds")).sum() >= 4
    assert "The rarest words, by rate" in capsys.readouterr().out
    assert (tmp_path / "figures" / "rare.png").stat().st_size > 5_000


def test_a_text_of_your_own(tmp_path, capsys):
    path = tmp_path / "book.txt"
    path.write_text("the whale saw the ship . the ship saw the whale . " * 20)
    cfg = Config(text=str(path), words=("whale",), epochs=1, run=str(tmp_path / "run"))
    assert main(cfg) == {}
    names, vectors = read_vectors(tmp_path / "run" / "cbow.txt")
    assert set(names) == {"the", "whale", "saw", "ship"}
    assert vectors.shape == (4, 30) and np.isfinite(vectors).all()
    assert "nearest" in capsys.readouterr().out


def test_the_language():
    """Words of each subject alike often; seeds move them, and nothing else."""
    found, subject = language(20_000, 0)
    other, _ = language(20_000, 1)
    np.testing.assert_array_equal(found.counts, other.counts)
    assert (found.numbers != other.numbers).mean() > 0.5
    per = [found.counts[subject == i] for i in range(20)]
    assert all((p == per[0]).all() for p in per) and per[0].min() >= 1
    sentences = subject[found.numbers].reshape(-1, 10)
    assert all(len(set(row) - {-1}) == 1 for row in sentences.tolist())


@pytest.mark.parametrize(
    "flags, message",
    [
        ({"epochs": 0}, "must be positive"),
        ({"length": 100}, "length must be at least 10000, got 100"),
        ({"rates": (0.1, -1)}, "rates must be positive"),
        (
            {"text": "moby_dick", "words": ("email",)},
            "5 times .* got 'email'",
        ),
    ],
)
def test_flags(flags, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        main(Config(**flags, run=str(tmp_path / "run")))
    assert not (tmp_path / "run").exists()
