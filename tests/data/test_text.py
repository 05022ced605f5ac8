"""Texts, their characters, and the three streams of them."""

import gzip

import numpy as np
import pytest

from zoo.data import DataError, characters, embed, held_out, pieces, spell, text
from zoo.data import windows as drawn
from zoo.data.places import ASSETS

TEXT = np.arange(23, dtype=np.int32)  # each character is its own place


def test_moby_dick():
    book = text("moby_dick")
    assert len(book) == 655_338 and book.count("\nCHAPTER ") == 69
    assert book.startswith("CHAPTER 1. Loomings.\n\nCall me Ishmael. Some years ago—")
    assert book.endswith("but has its cunning duplicate in mind.”\n")
    numbers, alphabet = characters(book)
    assert len(alphabet) == 82 and list(alphabet) == sorted(alphabet)
    assert numbers.min() == 0 and numbers.max() == 81
    assert spell(numbers[:999], alphabet) == book[:999]
    assert (ASSETS / "moby_dick.txt.gz").stat().st_size < 300_000


def test_chapters_are_cut_where_the_next_begins(tmp_path):
    file, out = tmp_path / "data.txt", tmp_path / "out"
    lines = [f"CHAPTER {n}. A\n\nIn CHAPTER 71. {n}\n\n\n" for n in range(1, 75)]
    file.write_text("".join(lines))
    assert embed.main([str(out), "--moby", str(file)]) == 0
    found = text(out / "moby_dick.txt.gz")
    assert found == "".join(lines[:70]).rstrip() + "\n"
    file.write_text("".join(lines[:70]))
    with pytest.raises(DataError, match="expected chapters 1 to 71"):
        embed.chapters(file)


def test_texts_by_path(tmp_path):
    path = tmp_path / "a.txt.gz"
    path.write_bytes(gzip.compress("\ufeffaß\r\nb\rc".encode()))
    assert text(path) == "aß\nb\nc"
    (tmp_path / "b.txt").write_bytes(b"\xff\xfe")
    (tmp_path / "c.txt").write_bytes(b"")
    for name, message in (("b", "no text"), ("c", "empty"), ("d", "cannot be read")):
        with pytest.raises(DataError, match=message):
            text(tmp_path / f"{name}.txt")
    with pytest.raises(ValueError, match="unknown text 'moby'; did you mean 'moby_d"):
        text("moby")


def test_characters():
    numbers, alphabet = characters("üaüb", "büa")
    np.testing.assert_array_equal(numbers, [1, 2, 1, 0], strict=False)
    assert alphabet == "büa" and numbers.dtype == np.int32
    for arguments, message in (
        (("",), "at least one character"),
        (("abc", "ab"), "alphabet's 2 characters, got 'c' at place 2"),
        (("a", ""), "got 'a' at place 0"),
        (("a", "aba"), "each character once, got 'aba'"),
    ):
        with pytest.raises(ValueError, match=message):
            characters(*arguments)


def test_pieces_go_on_where_they_were():
    """Three parts of seven characters; each row of a step goes on from the last's."""
    stream = pieces(TEXT, 3, 2)
    assert (stream.examples, stream.steps_per_epoch) == (9, 3)
    rows = [stream.at(step) for step in range(4)]
    read = np.concatenate([row["x"] for row in rows[:3]], axis=1)
    np.testing.assert_array_equal(read, np.arange(18).reshape(3, 6))
    for row in rows:
        np.testing.assert_array_equal(row["y"], row["x"] + 1)
        np.testing.assert_array_equal(row["index"], [0, 1, 2])
    np.testing.assert_array_equal(rows[3]["x"], rows[0]["x"])
    assert [row["first"].tolist() for row in rows] == [
        [True] * 3, [False] * 3, [False] * 3, [True] * 3,
    ]  # fmt: skip
    assert pieces(TEXT, 2, 11).at(0)["y"][-1, -1] == 22
    with pytest.raises(ValueError, match=r"at least .* = 25, got 23"):
        pieces(TEXT, 2, 12)


def test_windows_are_drawn_from_everywhere():
    stream = drawn(TEXT, 50, 4, seed=1)
    first, second = stream.at(0), stream.at(1)
    for batch in (first, second):
        np.testing.assert_array_equal(batch["x"], batch["index"][:, None] + range(4))
        np.testing.assert_array_equal(batch["y"], batch["x"] + 1)
    assert set(first["index"]) | set(second["index"]) == set(range(19))
    assert (first["index"] != second["index"]).any()
    np.testing.assert_array_equal(first["x"], drawn(TEXT, 50, 4, seed=1).at(0)["x"])
    assert (first["x"] != drawn(TEXT, 50, 4, seed=2).at(0)["x"]).any()


@pytest.mark.parametrize("length, context", [(5, 2), (5, 0), (22, 3), (7, 6)])
def test_held_out_counts_each_once(length, context):
    stream = held_out(TEXT, 4, length, context)
    batches = [stream.at(step) for step in range(stream.steps)]
    counted = []
    for batch in batches:
        counts = batch["mask"] & (batch["weight"] > 0)[:, None]
        counted += batch["y"][counts].tolist()
        late = batch["x"][:, :1] > 0  # all but the first row
        assert not (counts & late)[:, :context].any()
    assert counted == list(range(1, 23))


@pytest.mark.parametrize(
    "make, arguments, message",
    [
        (pieces, (TEXT, 0, 2), "batch_size must be an integer at least 1"),
        (drawn, (TEXT, 2, 23), "at least length . 1 = 24, got 23"),
        (drawn, (TEXT * 1.0, 2, 3), "numbers must be integers"),
        (held_out, (TEXT, 2, 3, 3), "context must be an integer from 0 to 2"),
    ],
)
def test_refuses(make, arguments, message):
    with pytest.raises(ValueError, match=message):
        make(*arguments)
