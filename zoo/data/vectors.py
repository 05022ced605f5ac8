"""Files of word vectors in the text format of word2vec.

    V D
    word number number ...        a line for each of V words, D numbers

References:
    word2vec, https://code.google.com/archive/p/word2vec/
"""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from zoo.data.formats import DataError, read_bytes


def write_vectors(path: str | Path, names: Sequence[str], vectors: np.ndarray) -> None:
    """Writes vectors as text, whole or not at all; read again, they are the same.

    Args:
        path: of the file; one that is there is replaced.
        names: V words, without spaces and each once.
        vectors: [V, D].

    Raises:
        ValueError: names and vectors that do not fit; a word with a space in it, an
            empty one, or one that comes twice.
    """
    vectors = np.asarray(vectors)
    if vectors.ndim != 2 or len(vectors) != len(names):
        raise ValueError(
            f"vectors must be [{len(names)}, D], one for each name, got {vectors.shape}"
        )
    if len(set(names)) < len(names):
        raise ValueError("names must each be there once, got one twice")
    for name in names:
        if name.split() != [name]:
            raise ValueError(f"names must be words without spaces, got {name!r}")
    lines = [f"{len(names)} {vectors.shape[1]}"]
    for name, row in zip(names, vectors, strict=True):
        lines.append(" ".join([name, *map(str, row)]))  # the shortest that comes back
    temporary = Path(f"{path}.writing")
    temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")
    os.replace(temporary, path)


def read_vectors(path: str | Path) -> tuple[tuple[str, ...], np.ndarray]:
    """Words and their vectors.

    Args:
        path: a file as above, which may be gzipped.

    Returns:
        The names, and float32 [V, D].

    Raises:
        DataError: a file that is missing or not of this format.
    """
    path = Path(path).expanduser()
    try:
        first, *lines = read_bytes(path).decode("utf-8").rstrip("\n").split("\n")
        count, width = map(int, first.split())
        rows = [line.rstrip(" ").split(" ") for line in lines]
        numbers = np.array([row[1:] for row in rows], np.float32)
    except (UnicodeDecodeError, ValueError) as error:
        raise DataError(f"{path}: no word vectors as text: {error}") from error
    if numbers.shape != (count, width):
        raise DataError(
            f"{path}: says {count} words of {width} numbers, has {numbers.shape}"
        )
    return tuple(row[0] for row in rows), numbers
