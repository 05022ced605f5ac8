"""The pronouncing dictionary: embedded, by path, as tokens; and drawn again."""

import gzip

import numpy as np
import pytest

from zoo.data import DataError, embed, pronunciations, spellings, teach
from zoo.data.places import ASSETS

LINES = """'bout B AW1 T
read R EH1 D # past
read(2) R IY1 D
a.m. EY2 EH1 M
sea S IY1
"""


def test_embedded():
    """10,000 words, each phoneme of ARPAbet in them, in less than 150 kB."""
    found = pronunciations()
    assert len(found) == 10_000 and list(found) == sorted(found)
    assert len({p for phonemes in found.values() for p in phonemes}) == 69
    assert (ASSETS / "cmudict.txt.gz").stat().st_size < 150_000


def test_first_pronunciations_of_words_of_letters(tmp_path):
    file = tmp_path / "some.dict"
    file.write_text(LINES)
    expected = {"read": ("R", "EH1", "D"), "sea": ("S", "IY1")}
    assert pronunciations(file) == expected
    packed = tmp_path / "some.dict.gz"
    packed.write_bytes(gzip.compress(LINES.encode()))
    assert pronunciations(packed) == expected


def test_drawn_again(tmp_path):
    """The embedded words are what the embedded words give."""
    file = tmp_path / "cmudict.dict"
    file.write_bytes(gzip.decompress((ASSETS / "cmudict.txt.gz").read_bytes()))
    assert embed.main([str(tmp_path / "out"), "--cmudict", str(file)]) == 0
    drawn = (tmp_path / "out" / "cmudict.txt.gz").read_bytes()
    assert drawn == (ASSETS / "cmudict.txt.gz").read_bytes()
    assert len(embed.dictionary(file, 3).splitlines()) == 3
    with pytest.raises(DataError, match="expected 10001 words"):
        embed.dictionary(file, 10_001)


def test_tokens():
    found = spellings({"sea": ("S", "IY1"), "read": ("R", "EH1", "D")})
    assert found.vocabulary == 3 + 26 + 69
    assert found.source.shape == (2, 4) and found.target.shape == (2, 4)
    assert found.source[0].tolist() == [3 + 18, 3 + 4, 3, 0]
    assert found.spell(found.y[0]) == ["S", "IY1"]
    assert found.y[0].tolist()[2:] == [2, 0] and found.y[1, 3] == 2
    assert found.target[0, 0] == 1 and found.target[0, 1] == found.y[0, 0]
    plain = spellings({"sea": ("S", "IY1")}, stress=False)
    assert plain.vocabulary == 3 + 26 + 39
    assert plain.spell(plain.y[0]) == ["S", "IY"]
    batch = teach()(found.data(), None)
    np.testing.assert_array_equal(batch["mask"].sum(1), [3, 4])


def test_refuses(tmp_path):
    with pytest.raises(ValueError, match="unknown dictionary 'cmu'"):
        pronunciations("cmu")
    with pytest.raises(ValueError, match="must have a word"):
        spellings({})
    path = tmp_path / "a.dict"
    for content, message in (
        ("sea S IX1\n", "line 1: no phonemes of ARPAbet: IX1"),
        ("sea\n", "line 1: no phonemes of ARPAbet: none"),
        ("a.m. EY2\n", "no word of letters"),
    ):
        path.write_text(content)
        with pytest.raises(DataError, match=f"a.dict.*{message}"):
            pronunciations(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match="a.dict: no text"):
        pronunciations(path)
