"""Words of a text: counts, windows by a loop, epochs; and files of vectors."""

import gzip

import numpy as np
import pytest

from zoo.data import DataError, contexts, read_vectors, words, write_vectors
from zoo.data.words import around, kept, tokenise


def test_frequent_words_first():
    found = words("The whale! the SHIP's whale, the sea.", least=1)
    assert found.names == ("the", "whale", "sea", "ship's")
    assert found.numbers.tolist() == [0, 1, 0, 3, 1, 0, 2]
    assert found.counts.tolist() == [3, 2, 1, 1]
    assert words("a b a b b c", least=2).numbers.tolist() == [1, 0, 1, 0, 0]
    assert tokenise("ne l’a-t-il 3rd x_y") == ["ne", "l’a", "t", "il", "rd", "x", "y"]


def test_what_stays():
    """At a share of t (3 + sqrt 5) / 2 a word begins to be dropped."""
    counts = np.array([900, 90, 10])
    share = counts / 1000
    expected = np.minimum(1, np.sqrt(0.05 / share) + 0.05 / share)
    np.testing.assert_allclose(kept(counts, 0.05), expected)
    assert kept(counts, 0).tolist() == [1, 1, 1]
    edge = np.array([3 + 5**0.5, 2e9]) / 2
    assert kept(edge, 1 / edge.sum())[0] == pytest.approx(1)


@pytest.mark.parametrize("form", ["skip-gram", "cbow"])
def test_windows_by_a_loop(form):
    rng = np.random.default_rng(0)
    text, reach = rng.integers(0, 9, 20), rng.integers(1, 4, 20)
    x, y = around(text, reach, 3, form)
    rows = []
    for i in range(20):
        near = [j for j in range(i - 3, i + 4) if j != i]
        seen = lambda j, i=i: 0 <= j < 20 and abs(i - j) <= reach[i]
        if form == "cbow":
            rows.append(([text[j] if seen(j) else -1 for j in near], text[i]))
        else:
            rows += [([text[i]], text[j]) for j in near if seen(j)]
    assert x.tolist() == [list(map(int, row)) for row, _ in rows]
    assert y.tolist() == [int(target) for _, target in rows]
    assert x.dtype == y.dtype == np.int32


def test_an_epoch_has_each_row_once():
    found = words("a b c d e f g h i j " * 9, least=1)
    stream = contexts(found, 7, "cbow", window=2, sample=0)
    steps = stream.steps_per_epoch
    assert steps == 90 // 7
    index = np.concatenate([stream.at(i)["index"] for i in range(steps)])
    assert len(set(index.tolist())) == len(index) == 84
    again = contexts(found, 7, "cbow", window=2, sample=0).at(steps + 3)
    for name, array in stream.at(steps + 3).items():
        np.testing.assert_array_equal(array, again[name])
    assert (stream.at(0)["y"] != stream.at(steps)["y"]).any()
    plain = contexts(found, 7, "cbow", window=2, sample=0, shuffle=False)
    np.testing.assert_array_equal(plain.at(1)["y"], found.numbers[7:14])
    few = contexts(found, 7, sample=1e-3, seed=1)
    assert few.examples < contexts(found, 7, sample=0).examples / 5  # words dropped


def test_vectors_come_back(tmp_path):
    path = tmp_path / "v.txt"
    vectors = np.random.default_rng(0).normal(size=(2, 3)).astype(np.float32)
    write_vectors(path, ["whale", "l’a"], vectors)
    assert path.read_text().startswith("2 3\nwhale ")
    names, again = read_vectors(path)
    assert names == ("whale", "l’a")
    np.testing.assert_array_equal(again, vectors)
    (tmp_path / "v.txt.gz").write_bytes(gzip.compress(path.read_bytes()))
    np.testing.assert_array_equal(read_vectors(tmp_path / "v.txt.gz")[1], vectors)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["v.txt", "v.txt.gz"]
    for content in ("", "2 3\nwhale 1 2 3\n", "1 2\nwhale 1 x\n", "1 2\nwhale 1\n"):
        path.write_text(content)
        with pytest.raises(DataError, match="v.txt: "):
            read_vectors(path)
    for bad in (["a b", "c"], ["a", "a"], ["a"], ["", "a"]):
        with pytest.raises(ValueError, match="names must|vectors must"):
            write_vectors(path, bad, vectors)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda w: words("a b", least=2), "met 2 times, got 1 times"),
        (lambda w: words("3 4", least=1), "got 0 times"),
        (lambda w: kept(np.array([1, 0])), "counts must be positive"),
        (lambda w: kept(w.counts, -1), "sample must be 0 or positive"),
        (lambda w: contexts(w, 4, "glove"), "unknown form 'glove'"),
        (lambda w: contexts(w, 0), "batch_size must be"),
        (lambda w: contexts(w, 4, window=0), "window must be"),
        (lambda w: contexts(words("a", least=1), 4), "two words, got 1"),
    ],
)
def test_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call(words("a b a b", least=1))
