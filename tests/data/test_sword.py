"""SWORD modules: verses by chapter and number, whatever else stands between."""

import struct
import zlib

import pytest

from zoo.data import Aligned, DataError, aligned, read_sword


def module(folder, **parts):
    """Writes entries, two blocks of them for each part."""
    folder.mkdir()
    for part, entries in parts.items():
        index, packed, places = b"", b"", b""
        for block, half in enumerate((entries[:3], entries[3:])):
            text = "".join(half).encode()
            small = zlib.compress(text)
            index += struct.pack("<III", len(packed), len(small), len(text))
            packed, at = packed + small, 0
            for entry in half:
                size = len(entry.encode())
                places += struct.pack("<IIH", block, at, size)
                at += size
        for kind, written in zip("szv", (index, packed, places), strict=True):
            (folder / f"{part}.bz{kind}").write_bytes(written)
    return folder


def chapter(name):
    return f'<chapter n="1" osisID="{name}" sID="{name}"/><title>One</title>'


BOOK = '<div osisID="Gen" type="book"/> <title>Genesis</title>'
FIRST = '<w lemma="H1">In</w> days<note n="a">or so</note>long past, God’s <i/>word.'


@pytest.fixture
def both(tmp_path):
    ours = module(
        tmp_path / "en",
        ot=["", BOOK, chapter("Gen.1"), FIRST, "", "Light &amp; day", BOOK + "Of it"],
        nt=["", BOOK, chapter("Matt.1"), "Of Jesus"],
    )
    theirs = module(  # begins with an entry more, and ends with one
        tmp_path / "es",
        ot=["", "", BOOK, chapter("Gen.1"), "En el principio", "Y", "Luz", "Más"],
        nt=["", BOOK, chapter("Mark.1"), "De Jesús"],
    )
    return ours, theirs


def test_verses_by_their_places(both):
    assert read_sword(both[0]) == {
        ("Gen.1", 1): "In days long past , God’s word .",
        ("Gen.1", 3): "Light & day",
        ("Matt.1", 1): "Of Jesus",
    }
    expected = Aligned(
        ("In days long past , God’s word .", "Light & day"),
        ("En el principio", "Luz"),
    )
    assert aligned(*both) == expected


def test_modules_that_are_refused(both, tmp_path):
    with pytest.raises(DataError, match="neither ot.bzs nor nt.bzs is there"):
        aligned(both[0], tmp_path)
    other = module(tmp_path / "de", nt=["", BOOK, chapter("Luke.1"), "Schon viele"])
    with pytest.raises(DataError, match="have no verse in common"):
        aligned(both[0], other)
    (other / "nt.bzz").unlink()
    with pytest.raises(DataError, match="nt.bzz: cannot be read"):
        read_sword(other)
    (other / "nt.bzz").write_bytes(b"no block")
    with pytest.raises(DataError, match="damaged, or not zText"):
        read_sword(other)
    (both[1] / "ot.bzv").write_bytes(b"1234567")
    with pytest.raises(DataError, match="ot.bz.: damaged, or not zText"):
        read_sword(both[1])
