"""Verses of a SWORD module, the compressed form of Bible societies' texts (zText).

    ot.bzs   of each block: offset, bytes and, unpacked, bytes; three uint32
    ot.bzz   the blocks, each compressed by zlib
    ot.bzv   of each entry: block, offset in it (uint32) and bytes (uint16)
    nt.*     likewise, of the New Testament

Entries stand in the order of the module's versification, empty ones included: of a
book, of a chapter, then its verses. Two modules may count differently, so verses are
known by the chapter's name, which its entry tells, and their number in it. Where one
follows the Hebrew numbers and the other does not (parts of Numbers, Chronicles and the
Psalms), a verse may stand beside its neighbour.

The text is OSIS, whose notes, titles and marks are left out. Words and signs are set
apart by spaces and written as they stand.

Reference:
    The SWORD project, https://crosswire.org/sword; the layout was read off the modules
    engWEB2015eb and spaRV1909eb, which share 31,013 verses.
"""

import html
import re
import struct
import zlib
from pathlib import Path

from zoo.data.formats import DataError, read_bytes

BOOK = re.compile(r'<div [^>]*type="book"')
CHAPTER = re.compile(r'<chapter [^>]*osisID="([^"]+)"[^>]*sID=')
ASIDE = re.compile(r"<(note|title)\b[^>]*(?<!/)>.*?</\1>", re.DOTALL)
MARK = re.compile(r"<[^>]*>")
WORD = re.compile(r"\w+(?:['’-]\w+)*|[^\w\s]")


def read_sword(folder: str | Path) -> dict[tuple[str, int], str]:
    """The verses of a module by chapter and number, as ("Gen.1", 1).

    Args:
        folder: with `ot.*` or `nt.*`, or both.

    Raises:
        DataError: a file that is missing, damaged or not of this form.
    """
    folder, found = Path(folder).expanduser(), {}
    parts = [part for part in ("ot", "nt") if (folder / f"{part}.bzs").exists()]
    if not parts:
        raise DataError(f"{folder}: neither ot.bzs nor nt.bzs is there")
    for part in parts:
        chapter, number = None, 0
        for entry in _entries(folder / part):
            begun = CHAPTER.search(entry)
            if begun:
                chapter, number = begun[1], 0
                continue
            if BOOK.search(entry):
                chapter = None
            number += 1
            text = MARK.sub("", ASIDE.sub(" ", entry))
            words = WORD.findall(html.unescape(text))
            if chapter is not None and words:
                found[chapter, number] = " ".join(words)
    return found


def _entries(path):
    """The texts of all entries; path is without the ending."""
    index, packed, places = (read_bytes(f"{path}.bz{kind}") for kind in "szv")
    try:
        blocks = [
            zlib.decompress(packed[at : at + size])
            for at, size, _ in struct.iter_unpack("<III", index)
        ]
        return [
            blocks[block][at : at + size].decode() if size else ""
            for block, at, size in struct.iter_unpack("<IIH", places)
        ]
    except (struct.error, zlib.error, IndexError, UnicodeDecodeError) as error:
        raise DataError(f"{path}.bz*: damaged, or not zText: {error}") from error
