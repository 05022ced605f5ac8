"""The experiment on topics keeps what its docstring promises, at a reduced size."""

import numpy as np
import pytest

from experiments.topics import SEEDS, Config, main
from zoo.data import bags


@pytest.fixture
def some(tmp_path):
    """Every second of the first 120 documents of Reuters, as a file."""
    data = bags("reuters")
    lines = []
    for d in range(0, 120, 2):
        words, counts = np.unique(data.word[data.document == d], return_counts=True)
        pairs = (f"{w}:{n}" for w, n in zip(words, counts, strict=True))
        lines.append(f"{len(words)} {' '.join(pairs)}")
    (tmp_path / "some.ldac").write_text("\n".join(lines) + "\n")
    (tmp_path / "some.tokens").write_text("\n".join(data.vocabulary))
    return tmp_path / "some.ldac"


def test_short_documents_make_poor_topics(some, tmp_path, capsys):
    cfg = Config(
        data=str(some), topics=10, sweeps=20, short=20, counts=(10,), alphas=(0.1,),
        lengths=(5,), run=str(tmp_path),
    )  # fmt: skip
    numbers = main(cfg)
    of = lambda name: np.array([numbers[f"{s}/{name}"] for s in SEEDS])
    print(of("5/perplexity"), of("0/perplexity"), of("5/npmi"), of("0/npmi"))
    assert (of("5/perplexity") > 1.2 * of("0/perplexity")).sum() >= 4
    assert (of("5/npmi") < of("0/npmi")).sum() >= 4
    assert numbers["topics/10/perplexity"] == numbers["alpha/0.1/perplexity"]
    assert numbers["topics/10/perplexity"] == numbers["0/0/perplexity"]
    # Both forms rise from the same kind of start; the first is ahead.
    shown = capsys.readouterr().out
    start = float(shown.split("\n 0 ")[1].split()[0].replace(",", ""))
    assert start < numbers["parallel/log_likelihood"]
    assert numbers["parallel/log_likelihood"] < numbers["sequential/log_likelihood"]
    page = (tmp_path / "report.html").read_text()
    assert page.count("<figure") == 2 and page.count("<table") == 5
    for figure in ("likelihood", "perplexity"):
        assert (tmp_path / "figures" / f"{figure}.png").stat().st_size > 5_000


@pytest.mark.parametrize(
    "flags, message",
    [
        ({"topics": 0}, "topics, sweeps, short, counts and lengths must be positive"),
        ({"lengths": (5, 0)}, "counts and lengths must be positive, got 20, 100, 30"),
        ({"counts": ()}, "counts and lengths must be positive"),
        ({"alpha": 0.0}, "alpha must be finite and above 0, got 0.0"),
        ({"alphas": (0.1, -1.0)}, "alpha must be finite and above 0, got -1.0"),
        ({"beta": -0.1}, "beta must be finite and above 0, got -0.1"),
        ({"data": "reuter"}, "unknown corpus 'reuter'; did you mean 'reuters'"),
    ],
)
def test_flags(flags, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        main(Config(**flags, run=str(tmp_path / "run")))
    assert not (tmp_path / "run").exists()


def test_too_few_documents(tmp_path):
    (tmp_path / "four.txt").write_text("a b\nb c\nc d\nd a\n")
    with pytest.raises(ValueError, match="data must have at least 5 documents, got 4"):
        main(Config(data=str(tmp_path / "four.txt"), run=str(tmp_path / "run")))
