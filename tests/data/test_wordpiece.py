"""WordPiece: pieces worked out by hand, and what is refused."""

import sys

import numpy as np
import pytest

from zoo.data import DataError, wordpiece

VOCABULARY = "[PAD] [UNK] [CLS] [SEP] un ##aff ##able aff a ##b , cafe"


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join(VOCABULARY.split()) + "\n")
    return path


@pytest.mark.reference
def test_the_longest_piece_from_the_start_on(file):
    tokenize = wordpiece(file)
    got = tokenize(["Unaffable, CAFÉ", "ab xyz", ""])
    expected = [
        [2, 4, 5, 6, 10, 11, 3],
        [2, 8, 9, 1, 3, 0, 0],
        [2, 3, 0, 0, 0, 0, 0],
    ]
    np.testing.assert_array_equal(got["tokens"], expected)
    assert got["tokens"].dtype == np.int32
    np.testing.assert_array_equal(got["mask"].sum(1), [7, 5, 2])
    assert not got["mask"][1, 5:].any()
    cased = wordpiece(file, lower=False)(["un Un"])["tokens"]
    np.testing.assert_array_equal(cased, [[2, 4, 1, 3]])
    cut = wordpiece(file, longest=4)(["unaffable"])["tokens"]
    np.testing.assert_array_equal(cut, [[2, 4, 5, 3]])
    with pytest.raises(ValueError, match="sequence of texts, got 'one'"):
        tokenize("one")


@pytest.mark.reference
def test_other_files_are_refused(file, tmp_path):
    with pytest.raises(DataError, match="nothing.txt: cannot be read"):
        wordpiece(tmp_path / "nothing.txt")
    path = tmp_path / "tokenizer.json"
    path.write_text("{}")
    with pytest.raises(DataError, match="tokenizer.json: no vocabulary"):
        wordpiece(path)
    with pytest.raises(ValueError, match="longest must be"):
        wordpiece(file, longest=2)


def test_says_what_to_install(monkeypatch, file):
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(ImportError, match=r'pip install "zoo-jax\[text\]"'):
        wordpiece(file)
