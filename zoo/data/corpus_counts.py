"""What is counted in documents of a corpus: functions from arrays to arrays.

    tokens         (document, word)            words of the vocabulary, in their order
    terms          (document, word, count)     sorted: the document-term counts
    pairs          (word, context)             skip-gram: x and y, chance included
    cooccurrence   w V + c -> count            w and c within W places of each other

Chance is a pure function of (seed, document, position), so that it does not matter who
draws it, and in which order:

    z = mix(mix(mix(mix(seed) + stream) + document) + position)
    mix(z): z += 0x9e3779b97f4a7c15,
            z = (z ^ z >> 30) 0xbf58476d1ce4e5b9,
            z = (z ^ z >> 27) 0x94d049bb133111eb,  z ^ z >> 31        modulo 2^64

A word stays if (z >> 11) / 2^53 of stream 0 is below `words.kept`; then it sees
1 + z mod W words to each side, of stream 1. `position` counts the words of the
vocabulary within their document. Windows end where documents do, and are measured
among the words that stay.

Shapes: T tokens, E different words of each document together, P pairs, V words of the
vocabulary, W words to each side.

References:
    Steele, Lea and Flood, "Fast splittable pseudorandom number generators",
    OOPSLA 2014, https://doi.org/10.1145/2660193.2660195 (mix: its SplitMix64)
"""

from collections import Counter
from collections.abc import Iterable, Mapping

import numpy as np

from zoo.data.words import around, tokenise

GOLDEN, FIRST, SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
STAYS, SEES = 0, 1  # the two streams


def word_counts(documents: Iterable[str]) -> tuple[dict[str, tuple[int, int]], int]:
    """How often each word is met, in how many documents, and how many these are.

    >>> word_counts(["a rose is a rose", "", "a tulip"])
    ({'a': (3, 2), 'rose': (2, 1), 'is': (1, 1), 'tulip': (1, 1)}, 3)
    """
    times, within, number = Counter(), Counter(), 0
    for written in documents:
        found = tokenise(written)
        times.update(found)
        within.update(set(found))
        number += 1
    return {word: (n, within[word]) for word, n in times.items()}, number


def added(a: tuple[int, int], b: tuple[int, int]) -> tuple[int, int]:
    """Two counts of a word together."""
    return a[0] + b[0], a[1] + b[1]


def encode(
    documents: Iterable[str], place: Mapping[str, int], first: int = 0
) -> np.ndarray:
    """Tokens of documents; words that are not in the vocabulary are left out.

    Args:
        documents: texts.
        place: of each word of the vocabulary.
        first: the number of the first document.

    Returns:
        int32 [T, 2], (document, word).
    """
    numbers, lengths = [], []
    for written in documents:
        found = [place[word] for word in tokenise(written) if word in place]
        numbers.append(np.array(found, np.int32))
        lengths.append(len(found))
    document = np.repeat(
        np.arange(first, first + len(lengths), dtype=np.int32), lengths
    )
    word = np.concatenate(numbers) if numbers else document
    return np.stack([document, word], axis=1)


def terms(tokens: np.ndarray) -> np.ndarray:
    """Document-term counts: int32 [T, 2] -> int32 [E, 3], sorted."""
    key = tokens[:, 0].astype(np.int64) << 32 | tokens[:, 1]
    found, counts = np.unique(key, return_counts=True)
    return np.stack([found >> 32, found & 0xFFFFFFFF, counts], axis=1).astype(np.int32)


def pairs(
    tokens: np.ndarray, stay: np.ndarray, window: int = 5, seed: int = 0
) -> np.ndarray:
    """Words with one of their window each, the training pairs of skip-gram.

    Args:
        tokens: int32 [T, 2].
        stay: the probability at which each word stays, [V], as of `words.kept`.
        window: words to each side, at most (W).
        seed: from 0 to 2**64 - 1.

    Returns:
        int32 [P, 2], (word, context), in the order of the tokens.
    """
    document, word = tokens.T
    place = _position(document)
    bits = draws(seed, STAYS, document, place)
    left = (bits >> np.uint64(11)) * 2.0**-53 < stay[word]
    document, word, place = document[left], word[left], place[left]
    if not len(word):
        return np.zeros((0, 2), np.int32)
    bits = draws(seed, SEES, document, place)
    reach = 1 + (bits % np.uint64(window)).astype(np.int64)
    x, y = around(word, reach, window, document=document)
    return np.concatenate([x, y[:, None]], axis=1)


def cooccurrence(
    tokens: np.ndarray, vocabulary: int, window: int = 5
) -> tuple[np.ndarray, np.ndarray]:
    """How often two words stand within W places of each other, in one document.

    Args:
        tokens: int32 [T, 2].
        vocabulary: V.
        window: W.

    Returns:
        Keys w V + c, sorted, and counts, int64 both; symmetric in w and c.
    """
    document, word = tokens.T
    word, found = word.astype(np.int64), []
    for apart in range(1, min(window, len(word) - 1) + 1):
        same = document[apart:] == document[:-apart]
        found.append(word[:-apart][same] * vocabulary + word[apart:][same])
    if not found:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    key, counts = np.unique(np.concatenate(found), return_counts=True)
    back = key % vocabulary * vocabulary + key // vocabulary
    return summed((key, counts), (back, counts))


def summed(*parts: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Counts of several keys together: those of equal ones are added up.

    >>> summed((np.array([1, 4]), np.array([2, 1])), (np.array([4]), np.array([5])))
    (array([1, 4]), array([2, 6]))
    """
    keys, counts = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.argsort(keys, kind="stable")
    keys, counts = keys[order], counts[order]
    starts = np.flatnonzero(np.append(True, keys[1:] != keys[:-1])[: len(keys)])
    return keys[starts], np.add.reduceat(counts, starts) if len(starts) else counts


def draws(
    seed: int, stream: int, document: np.ndarray, position: np.ndarray
) -> np.ndarray:
    """64 bits by chance for each (document, position): uint64, of their shape."""
    z = _mix(np.array([seed], np.uint64)) + np.uint64(stream)
    z = _mix(z) + document.astype(np.uint64)
    return _mix(_mix(z) + position.astype(np.uint64))


def _mix(z):
    z = z + np.uint64(GOLDEN)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(FIRST)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(SECOND)
    return z ^ (z >> np.uint64(31))


def _position(document):
    """Of each token within its document: 0, 1, ..., 0, 1, ..."""
    at = np.arange(len(document))
    begins = np.append(True, document[1:] != document[:-1])[: len(document)]
    return at - np.maximum.accumulate(np.where(begins, at, 0)) if len(at) else at
