"""The experiment that counts a folder; others run on what it wrote, unchanged."""

import numpy as np
import pytest

from experiments import topics, word_vectors
from experiments.count_corpus import Config, main
from zoo.data import corpus, read_vectors, text


def test_moby_dick(tmp_path, capsys):
    cfg = Config(run=str(tmp_path))
    numbers = main(cfg)
    whole = text("moby_dick")
    words = corpus.count(tmp_path / "text", cfg.settings)
    assert numbers["words"] == words.tokens and numbers["vocabulary"] == len(words[0])
    assert numbers["documents"] == len([p for p in whole.split("\n\n") if p.strip()])
    assert numbers["tokens"] == words.counts.sum()
    assert 10_000 < numbers["terms"] < numbers["tokens"] < numbers["words"]
    assert -1.2 < numbers["slope"] < -0.8  # Zipf's law
    shown = capsys.readouterr().out
    assert "The most frequent words" in shown and "the" in shown
    assert (tmp_path / "figures" / "zipf.png").stat().st_size > 5_000
    again = main(cfg)  # it is there: checked, and left as it is
    assert again["pairs"] == numbers["pairs"]


def test_topics_and_vectors_run_on_it(tmp_path, capsys):
    (tmp_path / "text").mkdir()
    lines = ["the whale saw the ship and the ship saw the whale"] * 6
    (tmp_path / "text" / "a.txt").write_text("\n\n".join(lines))
    (tmp_path / "text" / "b.md").write_text("not read")
    run = str(tmp_path / "run")
    numbers = main(Config(text=str(tmp_path / "text"), run=run))
    assert numbers["documents"] == 6 and numbers["words"] == numbers["tokens"] == 66
    out = f"{run}/corpus"
    cfg = word_vectors.Config(text=out, words=("whale",), epochs=1, run=run)
    assert word_vectors.main(cfg) == {}
    names, vectors = read_vectors(tmp_path / "run" / "cbow.txt")
    assert set(names) == {"the", "whale", "saw", "ship", "and"}
    assert np.isfinite(vectors).all()
    cfg = topics.Config(
        data=out, topics=2, sweeps=2, short=1, counts=(2,), alphas=(0.1,), lengths=(3,),
        run=run,
    )  # fmt: skip
    assert np.isfinite(list(topics.main(cfg).values())).all()
    assert "whale" in capsys.readouterr().out


@pytest.mark.parametrize(
    "flags, message",
    [
        ({"engine": "spork"}, "unknown engine 'spork'; did you mean 'spark'"),
        ({"text": "/nowhere/at/all"}, "/nowhere/at/all: no such folder"),
        ({"engine": "spark", "partitions": 0}, "partitions must be an integer"),
    ],
)
def test_flags(flags, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        main(Config(**flags, run=str(tmp_path / "run")))
    assert not (tmp_path / "run").exists()
