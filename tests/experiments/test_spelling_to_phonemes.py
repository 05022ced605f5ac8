"""The experiment on spelling keeps its promise, at a reduced size."""

import numpy as np
import pytest

from experiments.spelling_to_phonemes import Config, distances, main


def levenshtein(a, b):
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        before, row = row, [i]
        for j, y in enumerate(b, 1):
            other = before[j - 1] + (x != y)
            row.append(min(before[j] + 1, row[j - 1] + 1, other))
    return row[-1]


def test_distances_by_a_loop():
    rng = np.random.default_rng(0)
    written, y = rng.integers(2, 6, (3, 4, 7)), rng.integers(3, 6, (4, 5))
    for n, row in enumerate(y):
        row[n + 1 :] = 0
        row[n + 1 : n + 2] = 2  # the end, but of the longest
    got = distances(written, y)
    cut = lambda row: row[: row.index(2)] if 2 in row else row
    for r in range(3):
        for n in range(4):
            expected = levenshtein(cut(written[r, n].tolist()), cut(y[n].tolist()))
            assert got[r, n] == expected


@pytest.mark.slow  # half a minute of compiling
def test_the_gru_is_ahead(tmp_path, capsys):
    """Short words, the same steps and rate; error rates, which tell early."""
    cfg = Config(
        longest=5, tests=64, steps=100, batch_size=32, features=16, rates=(1e-2,),
        run=str(tmp_path),
    )  # fmt: skip
    numbers = main(cfg)
    of = lambda name: np.array([numbers[f"{s}/{name}/errors"] for s in cfg.seeds])
    print(of("gru"), of("transformer"))
    assert (of("gru") < of("transformer")).sum() >= 4
    for name in ("gru", "transformer"):
        assert all(0 <= numbers[f"{s}/{name}/right"] <= 1 for s in cfg.seeds)
    assert "dictionary" in capsys.readouterr().out
    assert (tmp_path / "report.html").exists()


@pytest.mark.parametrize(
    "flags, message",
    [
        ({"steps": 0}, "batch_size and buckets must be positive"),
        ({"models": ("lstm",)}, "models must be of gru, transformer, got"),
        ({"features": 40}, "features must be a multiple of 16, got 40"),
        ({"rates": ()}, "rates must be positive"),
        ({"tests": 20_000}, "tests must leave a batch"),
        ({"file": "webster"}, "unknown dictionary 'webster'"),
    ],
)
def test_flags(flags, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        main(Config(**flags, run=str(tmp_path / "run")))
    assert not (tmp_path / "run").exists()
