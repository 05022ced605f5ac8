"""Texts by name and by path, their characters as numbers, and streams of these.

    characters   a text as numbers: int32 [N], and the alphabet that they count through
    pieces       one text cut into B parts, read side by side, each from its start on:
                 step t has characters t T .. (t + 1) T - 1 of each part
    windows      T characters from places drawn by chance
    held_out     finite: windows that overlap, each character counted once

In all of them y is the character after x. `pieces` is for networks that carry their
state from step to step (truncated back-propagation); row b is always part b, and
`first` says where a part begins anew. `windows` is for those that do not. In
`held_out`, characters at the start of a window are there to be read and are not
counted (`mask`): a character is judged with at least `context` before it.

The embedded text is Moby Dick, its first chapters: its alphabet has 82 characters.

Shapes: N characters of a text, B rows of a batch, T characters of a row.

References:
    Graves, "Generating sequences with recurrent neural networks", 2013,
    https://arxiv.org/abs/1308.0850 (characters, the state carried on)
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from zoo.data.checks import whole_number
from zoo.data.corpus_files import is_corpus, read_corpus, tokens
from zoo.data.formats import DataError, read_bytes
from zoo.data.gather import Batch
from zoo.data.places import ASSETS
from zoo.data.stream import Stream, once
from zoo.errors import unknown

NAMES = ("moby_dick",)


class Characters(NamedTuple):
    """A text as numbers."""

    numbers: np.ndarray  # int32 [N], from 0 to len(alphabet) - 1
    alphabet: str  # its characters, each once, in order


def text(source: str | Path) -> str:
    """A text by name or by path.

    Args:
        source: one of `NAMES`, or the path of a text file in UTF-8, which may be
            gzipped. Ends of lines become "\\n". Or a corpus that `zoo.data.corpus`
            wrote: the words of its vocabulary, a document a line.

    Raises:
        ValueError: an unknown name.
        DataError: a file that is missing, is no text, or is empty.

    >>> text("moby_dick")[:40]
    'CHAPTER 1. Loomings.\\n\\nCall me Ishmael. S'
    """
    if source in NAMES:
        path = ASSETS / f"{source}.txt.gz"
    else:
        path = Path(source).expanduser()
        if is_corpus(path):
            return _words_of(read_corpus(path))
        if not path.suffix:
            raise unknown("text", source, [*NAMES, "a path to a file like book.txt"])
    try:
        found = read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: no text: {error}") from error
    if not found:
        raise DataError(f"{path}: empty")
    return found.replace("\r\n", "\n").replace("\r", "\n")


def characters(written: str, alphabet: str | None = None) -> Characters:
    """A text as numbers.

    Args:
        written: the text.
        alphabet: the characters that are known, each once; None: those of the text,
            sorted.

    Returns:
        Its numbers and the alphabet.

    Raises:
        ValueError: an empty text; a character that is not in the alphabet, or twice.

    >>> characters("hello")
    Characters(numbers=array([1, 0, 2, 2, 3], dtype=int32), alphabet='ehlo')
    """
    if not written:
        raise ValueError("written must have at least one character, got none")
    points = np.frombuffer(written.encode("utf-32-le"), np.uint32)
    if alphabet is None:
        known, numbers = np.unique(points, return_inverse=True)
        return Characters(numbers.astype(np.int32), "".join(map(chr, known)))
    known = np.frombuffer(alphabet.encode("utf-32-le"), np.uint32)
    order = np.argsort(known)
    if (np.diff(known[order]) == 0).any():
        raise ValueError(f"alphabet must have each character once, got {alphabet!r}")
    place = np.minimum(np.searchsorted(known[order], points), len(known) - 1)
    numbers = order[place] if len(known) else place
    strange = known[numbers] != points if len(known) else np.ones(len(points), bool)
    if strange.any():
        at = int(np.argmax(strange))
        raise ValueError(
            f"written must be of the alphabet's {len(alphabet)} characters, got "
            f"{written[at]!r} at place {at}"
        )
    return Characters(numbers.astype(np.int32), alphabet)


def spell(numbers: np.ndarray, alphabet: str) -> str:
    """The text of numbers, the inverse of `characters`.

    >>> spell(np.array([1, 0, 2, 2, 3]), "ehlo")
    'hello'
    """
    return "".join(alphabet[n] for n in np.asarray(numbers).tolist())


def pieces(numbers: np.ndarray, batch_size: int, length: int) -> Stream:
    """One text in B parts that are read side by side; the first step's rows go on in
    the second's.

    Args:
        numbers: int [N].
        batch_size: parts (B).
        length: characters of a row (T).

    Returns:
        An endless stream of x and y, int32 [B, T], `first`, bool [B], True where a
        part begins, and `index`, the numbers of the parts. The N - 1 - (B T) k last
        characters, for the largest k, are left out. An epoch is k steps.

    Raises:
        ValueError: a size below 1, or a text too short for one step.
    """
    numbers, length = _checked(numbers, length)
    batch_size = whole_number("batch_size", batch_size, 1)
    steps = (len(numbers) - 1) // (batch_size * length)
    if not steps:
        raise ValueError(
            f"numbers must be at least batch_size * length + 1 = "
            f"{batch_size * length + 1}, got {len(numbers)}"
        )
    part = steps * length
    starts = part * np.arange(batch_size)

    def at(step: int) -> Batch:
        step = whole_number("step", step, 0) % steps
        places = (starts + step * length)[:, None] + np.arange(length)
        return {
            "x": numbers[places],
            "y": numbers[places + 1],
            "first": np.full(batch_size, step == 0),
            "index": np.arange(batch_size, dtype=np.int32),
        }

    return Stream(at=at, batch_size=batch_size, examples=steps * batch_size)


def windows(numbers: np.ndarray, batch_size: int, length: int, seed: int = 0) -> Stream:
    """Rows from places drawn by chance, each alone.

    Args:
        numbers: int [N].
        batch_size: rows (B).
        length: characters of a row (T).
        seed: from 0 to 2**64 - 1; with the step it decides the batch.

    Returns:
        An endless stream of x and y, int32 [B, T], and `index` [B], the places. An
        epoch is N / T rows.

    Raises:
        ValueError: a size below 1, a seed out of range, or a text too short.
    """
    numbers, length = _checked(numbers, length)
    batch_size = whole_number("batch_size", batch_size, 1)
    seed = whole_number("seed", seed, 0, 2**64 - 1)

    def at(step: int) -> Batch:
        step = whole_number("step", step, 0)
        bits = np.random.Philox(key=np.array([seed, step], np.uint64))
        draw = np.random.Generator(bits).integers
        index = draw(0, len(numbers) - length, batch_size, dtype=np.int32)
        places = index[:, None] + np.arange(length)
        return {"x": numbers[places], "y": numbers[places + 1], "index": index}

    examples = max(1, len(numbers) // length)
    return Stream(at=at, batch_size=batch_size, examples=examples)


def held_out(numbers: np.ndarray, batch_size: int, length: int, context: int) -> Stream:
    """Every character but the first as y, once, with at least `context` before it.

    Args:
        numbers: int [N].
        batch_size: rows (B).
        length: characters of a row (T).
        context: characters at the start of a row that are read and not counted, but
            in the first row; from 0 to T - 1.

    Returns:
        A finite stream of x and y, int32 [B, T], `mask`, bool [B, T], True where y
        counts, `index`, and `weight`, 0 for the rows that fill up the last batch.

    Raises:
        ValueError: a size out of range, or a text too short for one row.
    """
    numbers, length = _checked(numbers, length)
    context = whole_number("context", context, 0, length - 1)
    last = len(numbers) - 1 - length  # where the last row begins
    starts = np.arange(0, last + 1, length - context)
    if starts[-1] < last:
        starts = np.append(starts, last)
    places = starts[:, None] + np.arange(length)
    counted = np.maximum.accumulate(np.append(-1, places[:-1, -1]))  # up to here
    mask = places > counted[:, None]
    data = {"x": numbers[places], "y": numbers[places + 1], "mask": mask}
    return once(data, batch_size)


def _words_of(corpus):
    document, word = tokens(corpus).T
    ends = np.searchsorted(document, np.arange(1, corpus.documents))
    lines = (" ".join(corpus.names[w] for w in part) for part in np.split(word, ends))
    return "\n".join(lines) + "\n"


def _checked(numbers, length):
    numbers = np.asarray(numbers)
    if numbers.ndim != 1 or numbers.dtype.kind not in "iu":
        raise ValueError(
            f"numbers must be integers [N], got {numbers.dtype} {numbers.shape}"
        )
    length = whole_number("length", length, 1)
    if len(numbers) <= length:
        raise ValueError(
            f"numbers must be at least length + 1 = {length + 1}, got {len(numbers)}"
        )
    return numbers.astype(np.int32), length
