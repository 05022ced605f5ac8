"""A folder of text files as pieces of about one size, and a piece as documents.

    line         every line is a document, an empty one too
    paragraph    what stands between blank lines
    file         every file is a document, an empty one too

A piece is a list of (path, start, stop), and is the unit of all that is counted and
written: pieces follow from the files and the size alone, so that it does not matter who
reads which. Of a file that is cut, a piece has the lines that begin from byte `start`
to before `stop`; of paragraphs those whose last blank line before them (or whose file)
begins there. Files of whole documents are not cut.

Files are UTF-8; lines end with "\\n" or "\\r\\n". One document is held at a time.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from zoo.data.formats import DataError
from zoo.errors import unknown

DOCUMENTS = ("line", "paragraph", "file")
MARK = b"\xef\xbb\xbf"  # that some programs put before UTF-8
Piece = list[tuple[str, int, int]]  # plain, so that it travels without this module


def text_files(folder: str | Path, pattern: str = "*.txt") -> list[tuple[str, int]]:
    """The files of a folder and of those in it, by name, and their sizes.

    Args:
        folder: where they are.
        pattern: of their names, such as `*.txt` or `*`.

    Returns:
        Paths relative to the folder, with "/", sorted; and bytes.

    Raises:
        DataError: no such folder; no file of that name, or only empty ones.
    """
    folder = Path(folder).expanduser()
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder")
    paths = [path for path in folder.rglob(pattern) if path.is_file()]
    found = sorted((p.relative_to(folder).as_posix(), p.stat().st_size) for p in paths)
    if not any(size for _, size in found):
        what = "only empty files" if found else "no file"
        raise DataError(f"{folder}: {what} of the name {pattern}; nothing to count")
    return found


def pieces(
    folder: str | Path, files: list[tuple[str, int]], documents: str, size: int
) -> list[Piece]:
    """Files, cut and put together into pieces of about `size` bytes.

    Args:
        folder: where they are.
        files: as `text_files` gives them.
        documents: one of `DOCUMENTS`.
        size: bytes.

    Raises:
        ValueError: documents of another kind.
    """
    if documents not in DOCUMENTS:
        raise unknown("documents", documents, DOCUMENTS)
    folder = Path(folder).expanduser().resolve()
    found, held = [[]], 0
    for name, length in files:
        step = max(1, length) if documents == "file" else size
        for start in range(0, max(1, length), step):
            stop = min(start + step, length)
            if held and held + stop - start > size:
                found, held = [*found, []], 0
            found[-1].append((str(folder / name), start, stop))
            held += stop - start
    return found


def read(piece: Piece, documents: str) -> Iterator[str]:
    """The documents of a piece, in order.

    Raises:
        DataError: a file that cannot be read, or is not UTF-8, with the place.
    """
    for path, start, stop in piece:
        try:
            with open(path, "rb") as file:
                yield from _documents(file, path, start, stop, documents)
        except OSError as error:
            raise DataError(f"{path}: cannot be read ({error.strerror})") from error


def _documents(file, path, start, stop, documents):
    if documents == "file":
        yield _decoded(file.read(), path, 0)
        return
    file.seek(max(start - 1, 0), os.SEEK_SET)
    if start:
        file.readline()  # the end of a line that began before
    place = file.tell()
    if documents == "line":
        while place < stop and (line := file.readline()):
            yield _decoded(line, path, place).rstrip("\r\n")
            place += len(line)
        return
    held, first, ours = [], place, start == 0
    while line := file.readline():
        if line.strip():
            if not ours and place >= stop:
                return
            first = first if held else place
            held += [line] if ours else []
        else:
            if held:
                yield _decoded(b"".join(held), path, first)
            if place >= stop:
                return
            held, ours = [], True
        place += len(line)
    if held:
        yield _decoded(b"".join(held), path, first)


def _decoded(raw, path, place):
    try:
        return (raw.removeprefix(MARK) if place == 0 else raw).decode()
    except UnicodeDecodeError as error:
        at = (
            place
            + error.start
            + (len(MARK) if raw.startswith(MARK) and not place else 0)
        )
        raise DataError(
            f"{path}: byte {at} is not UTF-8 ({error.reason}); convert the file, as by "
            "`iconv -t utf-8`, or leave it out"
        ) from error
