"""Bags of words: documents as the words in them, by name and by path.

    word[t], document[t]    token t is this word of the vocabulary, in this document

Tokens come in the order of their documents. A document without words keeps its number
and its title; it only has no token.

An .ldac file (the format of Blei's lda-c) has a line for each document,

    M word:count word:count ...    M different words, by their numbers from 0 on

and beside it there may lie a .tokens file with the words and a .titles file with the
titles, a line each; without them words and documents are named by their numbers. The
order of words in a document is lost: its tokens come in the order of that line.

Any other file is text, a document a line. Its words are those of `words.tokenise`, runs
of letters in lower case; the vocabulary is all of them, sorted; a title is how its line
begins.

A folder that `zoo.data.corpus` wrote is read too; its titles are numbers.

References:
    Blei, Ng and Jordan, "Latent Dirichlet allocation", JMLR 2003,
    https://jmlr.org/papers/v3/blei03a.html
"""

import io
from pathlib import Path
from typing import NamedTuple

import numpy as np

from zoo.data.corpus_files import is_corpus, read_corpus, tokens
from zoo.data.formats import DataError, read_bytes
from zoo.data.places import ASSETS
from zoo.data.words import tokenise
from zoo.errors import unknown

NAMES = ("reuters",)
TITLE = 60  # characters of a line of text that make a title


class Bags(NamedTuple):
    """A corpus: T tokens of D documents, of a vocabulary of V words."""

    word: np.ndarray  # int32 [T], from 0 to V - 1
    document: np.ndarray  # int32 [T], from 0 to D - 1, ascending
    vocabulary: tuple[str, ...]  # V words
    titles: tuple[str, ...]  # D titles


def bags(source: str | Path) -> Bags:
    """A corpus by name or by path.

    Args:
        source: one of `NAMES`, the path of an .ldac file, or of a text file with a
            document a line; each may be gzipped (.ldac.gz). Or a counted corpus.

    Returns:
        The corpus. Documents may be empty; the corpus may not.

    Raises:
        ValueError: an unknown name.
        DataError: a file that is missing or not of this format; a word whose number is
            not in the vocabulary, a count below 1; no word at all.

    >>> corpus = bags("reuters")
    >>> len(corpus.titles), len(corpus.vocabulary), len(corpus.word)
    (395, 4258, 84010)
    """
    if source in NAMES:
        return _ldac(ASSETS / f"{source}.ldac")
    path = Path(source).expanduser()
    if is_corpus(path):
        counted = read_corpus(path)
        document, word = tokens(counted).T
        titles = map(str, range(counted.documents))
        return _bags(path, word, document, counted.names, titles)
    if not path.suffix:
        raise unknown("corpus", source, [*NAMES, "a path to .ldac or text"])
    if path.name.endswith((".ldac", ".ldac.gz")):
        return _ldac(path)
    lines = _lines(path)
    found = [tokenise(line) for line in lines]
    vocabulary, word = np.unique(
        np.array([w for words in found for w in words], str), return_inverse=True
    )
    document = np.repeat(np.arange(len(lines)), [len(words) for words in found])
    titles = [line.strip()[:TITLE] for line in lines]
    return _bags(path, word, document, vocabulary.tolist(), titles)


def _ldac(path):
    lines = _lines(path)
    stem = path.name.removesuffix(".gz").removesuffix(".ldac")
    pairs = [_pairs(path, number, line) for number, line in enumerate(lines, 1)]
    word = np.array([w for line in pairs for w, _ in line], int)
    count = np.array([n for line in pairs for _, n in line], int)
    document = np.repeat(np.arange(len(lines)), [len(line) for line in pairs])

    def names(kind, least):
        beside = path.with_name(f"{stem}.{kind}")
        if not beside.exists():
            return [str(i) for i in range(least)]
        return [line.strip() for line in _lines(beside)]

    vocabulary = names("tokens", word.max(initial=-1) + 1)
    titles = names("titles", len(lines))
    if word.max(initial=-1) >= len(vocabulary):
        raise DataError(
            f"{path}: line {document[word.argmax()] + 1} has word {word.max()}, but "
            f"{stem}.tokens has {len(vocabulary)} lines: words from 0 on"
        )
    if len(titles) != len(lines):
        raise DataError(
            f"{path}: {len(lines)} documents, but {stem}.titles has {len(titles)} lines"
        )
    repeat = lambda array: np.repeat(array, count)
    return _bags(path, repeat(word), repeat(document), vocabulary, titles)


def _pairs(path, number, line):
    """(word, count) of a line; none for a document without words."""
    first, *rest = line.split() or ["0"]
    try:
        found = [tuple(map(int, pair.split(":", 1))) for pair in rest]
        right = int(first) == len(found) and all(len(pair) == 2 for pair in found)
    except ValueError:
        right = False
    if not right:
        raise DataError(
            f"{path}: line {number} must be M and M times word:count, got {line!r:.60}"
        )
    for word, count in found:
        if word < 0 or count < 1:
            raise DataError(
                f"{path}: line {number}: words must be 0 or more and counts 1 or more, "
                f"got {word}:{count}"
            )
    return found


def _lines(path):
    try:
        text = read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: no text: {error}") from error
    # Not splitlines, which also ends lines at form feeds and the like.
    return [line.rstrip("\n") for line in io.StringIO(text, newline=None)]


def _bags(path, word, document, vocabulary, titles):
    if not len(word):
        raise DataError(f"{path}: no words")
    cast = lambda array: np.asarray(array, np.int32)
    return Bags(cast(word), cast(document), tuple(vocabulary), tuple(titles))
