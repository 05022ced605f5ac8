"""Corpora by name and by path: what is read, and what is refused and why."""

import gzip

import numpy as np
import pytest

from zoo.data import DataError, bags


def test_reuters():
    """Its sizes; a line of its file by hand; its words."""
    corpus = bags("reuters")
    assert len(corpus.titles) == 395 and len(corpus.vocabulary) == 4258
    assert len(corpus.word) == len(corpus.document) == 84_010
    assert corpus.word.dtype == corpus.document.dtype == np.int32
    assert corpus.word.min() == 0 and corpus.word.max() == 4257
    assert (np.diff(corpus.document) >= 0).all()
    assert len(np.unique(corpus.document)) == 395
    first = corpus.word[corpus.document == 0]  # 0:1 2:1 6:1 9:1 12:5 ...
    np.testing.assert_array_equal(first[:9], [0, 2, 6, 9, 12, 12, 12, 12, 12])
    assert corpus.vocabulary[:3] == ("church", "pope", "years")
    assert corpus.titles[0].startswith("0 UK: Prince Charles spearheads British royal")


LDAC = "2 0:1 2:3\n0\n\n1 1:2\n"


@pytest.mark.parametrize("name", ["small.ldac", "small.ldac.gz"])
def test_ldac(name, tmp_path):
    """The second and the third document are empty."""
    raw = LDAC.encode()
    (tmp_path / name).write_bytes(gzip.compress(raw) if name.endswith("gz") else raw)
    corpus = bags(tmp_path / name)
    np.testing.assert_array_equal(corpus.word, [0, 2, 2, 2, 1, 1])
    np.testing.assert_array_equal(corpus.document, [0, 0, 0, 0, 3, 3])
    assert corpus.vocabulary == ("0", "1", "2") and corpus.titles == tuple("0123")
    (tmp_path / "small.tokens").write_text("a\nb\nc\nnever\n")
    (tmp_path / "small.titles").write_text("A\nB\nC\nD")
    corpus = bags(str(tmp_path / name))
    assert corpus.vocabulary == ("a", "b", "c", "never")
    assert corpus.titles == tuple("ABCD")


def test_text(tmp_path):
    path = tmp_path / "news.txt"
    path.write_text("The cat, the HAT!\r\n\r\n1984 is 2 late\nÜber-cat\x0cend\n")
    corpus = bags(path)
    assert corpus.vocabulary == ("cat", "end", "hat", "is", "late", "the", "über")
    words = [corpus.vocabulary[w] for w in corpus.word]
    assert words == ["the", "cat", "the", "hat", "is", "late", "über", "cat", "end"]
    np.testing.assert_array_equal(corpus.document, [0] * 4 + [2] * 2 + [3] * 3)
    assert corpus.titles[:3] == ("The cat, the HAT!", "", "1984 is 2 late")
    path.write_text("x" * 100)
    assert bags(path).titles == ("x" * 60,)


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "no words"),
        ("0\n0\n", "no words"),
        ("2 0:1\n", "line 1 must be M and M times word:count, got '2 0:1'"),
        ("1 0:1\n1 0\n", "line 2 must be M and M times word:count"),
        ("1 a:1\n", "line 1 must be"),
        ("1 0:1.5\n", "line 1 must be"),
        ("x 0:1\n", "line 1 must be"),
        ("1 0:-1\n", "counts 1 or more, got 0:-1"),
        ("1 0:0\n", "counts 1 or more, got 0:0"),
        ("1 -1:2\n", "words must be 0 or more and counts 1 or more, got -1:2"),
        ("1 0:1\n1 4:1\n", "line 2 has word 4, but c.tokens has 3 lines"),
        ("1 0:1\n1 1:1\n1 1:1\n", "3 documents, but c.titles has 2 lines"),
    ],
)
def test_refused(text, message, tmp_path):
    (tmp_path / "c.ldac").write_text(text)
    (tmp_path / "c.tokens").write_text("a\nb\nc\n")
    if "titles" in message:
        (tmp_path / "c.titles").write_text("A\nB\n")
    with pytest.raises(DataError, match=message):
        bags(tmp_path / "c.ldac")


def test_files_that_are_not_there_or_no_text(tmp_path):
    with pytest.raises(ValueError, match="unknown corpus 'reuter'; did you mean 'reut"):
        bags("reuter")
    with pytest.raises(DataError, match="cannot be read"):
        bags(tmp_path / "none.txt")
    (tmp_path / "b.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="no text"):
        bags(tmp_path / "b.txt")
    (tmp_path / "c.txt").write_text("1 2 3\n")
    with pytest.raises(DataError, match="no words"):
        bags(tmp_path / "c.txt")
