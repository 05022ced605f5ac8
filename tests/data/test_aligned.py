"""Sentences and their translations: files, numbers in words, tokens."""

import gzip

import numpy as np
import pytest

from zoo.data import Aligned, DataError, aligned, numerals, sentences
from zoo.data.aligned import in_words
from zoo.data.tasks import END, START


def test_lines_of_two_files(tmp_path):
    en, es = tmp_path / "en.txt", tmp_path / "es.txt.gz"
    en.write_bytes("\ufeffIn the beginning\r\nwas the word\r\n".encode())
    es.write_bytes(gzip.compress(b"En el principio\nera el verbo"))
    found = aligned(en, es)
    assert found.sources == ("In the beginning", "was the word")
    assert found.targets == ("En el principio", "era el verbo")


@pytest.mark.parametrize(
    "source, target, message",
    [
        (b"a\nb\n", b"x\n", "has 2 lines and .*target.txt 1: they must be as many"),
        (b"a\n \nc\n", b"x\ny\nz\n", "source.txt, line 2: no word"),
        (b"a\n", b"\n", "target.txt, line 1: no word"),
        (b"a\nb\xff\n", b"x\ny\n", "source.txt, line 2: no text in UTF-8"),
        (b"", b"x\n", "source.txt: empty"),
        (None, b"x\n", "source.txt: cannot be read"),
    ],
)
def test_files_that_are_refused(source, target, message, tmp_path):
    for name, content in (("source.txt", source), ("target.txt", target)):
        if content is not None:
            (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        aligned(tmp_path / "source.txt", tmp_path / "target.txt")


def test_tokens_of_words():
    found = sentences(Aligned(("a b a", "c b"), ("x y", "x x z")))
    # 3 unknown; a, b twice each, c; x thrice, y, z
    assert found.symbols == ("<unknown>", "a", "b", "c", "x", "y", "z")
    assert found.vocabulary == 10
    np.testing.assert_array_equal(found.source, [[4, 5, 4], [6, 5, 0]])
    np.testing.assert_array_equal(found.target, [[START, 7, 8, 0], [START, 7, 7, 9]])
    np.testing.assert_array_equal(found.y, [[7, 8, END, 0], [7, 7, 9, END]])
    assert found.spell(found.y[1]) == ["x", "x", "z"]
    assert all(a.dtype == np.int32 for a in found.data().values())
    rare = sentences(Aligned(("a b a", "c b"), ("x y", "x x z")), least=2)
    assert rare.symbols == ("<unknown>", "a", "b", "x")
    assert rare.spell(rare.source[1]) == ["<unknown>", "b"]
    short = sentences(Aligned(("a b a", "c b"), ("x y", "x z")), longest=2)
    assert len(short.source) == 1 and short.spell(short.y[0]) == ["x", "z"]
    with pytest.raises(ValueError, match="at most 1 words, got none of 2"):
        sentences(Aligned(("a b a", "c b"), ("x y", "x z")), longest=1)


def test_numbers_in_words():
    for number, words in {
        0: "zero",
        10: "ten",
        21: "twenty one",
        100: "one hundred",
        1000: "one thousand",
        19_000: "nineteen thousand",
        40_715: "forty thousand seven hundred fifteen",
        999_999: "nine hundred ninety nine thousand nine hundred ninety nine",
    }.items():
        assert in_words(number) == words
    found = numerals(300, digits=4, seed=3)
    numbers = [int(s.replace(" ", "")) for s in found.sources]
    assert len(set(numbers)) == 300 and max(numbers) < 10_000
    assert found.targets == tuple(map(in_words, numbers))
    lengths = np.bincount([len(str(n)) for n in numbers])
    assert lengths[2] > 50 < lengths[3] and lengths[4] > 50  # 9 in 10 have the most
    assert numerals(300, digits=4, seed=4) != found == numerals(300, 4, 3)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: numerals(6, digits=1), "examples must be an integer from 1 to 5"),
        (lambda: numerals(5, digits=7), "digits must be an integer from 1 to 6"),
        (lambda: in_words(1_000_000), "number must be an integer from 0 to 999999"),
        (lambda: sentences(numerals(3), least=0), "least must be an integer at least"),
    ],
)
def test_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call()
