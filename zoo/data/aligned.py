"""Sentences and their translations, line by line, as tokens of words.

    two files    line i of the one is line i of the other; words stand between spaces
    numerals     made: "4 7 0 5" and "four thousand seven hundred five"
    tokens       0 none, 1 begins a target, 2 ends one, 3 a word that is not known, then
                 the words of the sources, then those of the targets

Words are told apart as they are written: whoever wants them in small letters, or signs
apart from words, writes the files so.

Shapes: N pairs, S and T tokens of the longest source and target.
"""

from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np

from zoo.data.checks import whole_number
from zoo.data.formats import DataError, read_bytes
from zoo.data.sword import read_sword
from zoo.data.tasks import END, filled, told

UNKNOWN = 3
ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen "
    "fourteen fifteen sixteen seventeen eighteen nineteen"
).split()
TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()


class Aligned(NamedTuple):
    """Sentences, as they are written, and what they are in another language."""

    sources: tuple[str, ...]  # N
    targets: tuple[str, ...]  # N


class Sentences(NamedTuple):
    """Pairs as tokens; all arrays int32."""

    source: np.ndarray  # [N, S], NONE after the end
    target: np.ndarray  # [N, T], START and the target
    y: np.ndarray  # [N, T], the target and END
    symbols: tuple[str, ...]  # of tokens 3 on

    @property
    def vocabulary(self) -> int:
        """How many tokens there are."""
        return len(self.symbols) + 3

    def data(self) -> dict[str, np.ndarray]:
        """The arrays by name, for `zoo.data.bucketed` with `teach`."""
        return {"source": self.source, "target": self.target, "y": self.y}

    def spell(self, tokens: np.ndarray) -> list[str]:
        """The words of a row of tokens, up to END."""
        row = np.asarray(tokens).tolist()
        row = row[: row.index(END)] if END in row else row
        return [self.symbols[t - 3] for t in row if t > END]


def aligned(source: str | Path, target: str | Path) -> Aligned:
    """Two text files, of which the lines are translations of each other.

    Args:
        source: path of a text file in UTF-8, a sentence a line; it may be gzipped. Or
            the folder of a SWORD module, whose verses are aligned by their numbers.
        target: likewise, as many lines; or a folder.

    Raises:
        DataError: a file that is missing, is no text or is empty; unequal numbers of
            lines; a line without a word; modules without a verse in common.
    """
    if all(Path(path).expanduser().is_dir() for path in (source, target)):
        return _verses(source, target)
    sides = [_lines(path) for path in (source, target)]
    counts = [len(lines) for lines in sides]
    if counts[0] != counts[1]:
        raise DataError(
            f"{source} has {counts[0]:,} lines and {target} {counts[1]:,}: they must "
            "be as many, each the translation of the other"
        )
    return Aligned(*map(tuple, sides))


def numerals(examples: int, digits: int = 6, seed: int = 0) -> Aligned:
    """Different numbers, digit by digit, and in words.

    Args:
        examples: N, at most half of the numbers that there are.
        digits: of the longest, from 1 to 6; shorter ones are as frequent, as far as
            there are enough.
        seed: from 0 to 2**64 - 1.

    Raises:
        ValueError: a number out of range.

    >>> numerals(1, seed=1)
    Aligned(sources=('5 1 1',), targets=('five hundred eleven',))
    """
    digits = whole_number("digits", digits, 1, 6)
    examples = whole_number("examples", examples, 1, 10**digits // 2)
    rng = np.random.default_rng(whole_number("seed", seed, 0, 2**64 - 1))
    found: dict[int, None] = {}
    while len(found) < examples:
        longest = 10 ** int(rng.integers(1, digits + 1))
        found.setdefault(int(rng.integers(0, longest)))
    return Aligned(
        tuple(" ".join(str(n)) for n in found), tuple(in_words(n) for n in found)
    )


def in_words(number: int) -> str:
    """A number below a million in English words.

    >>> in_words(12045)
    'twelve thousand forty five'
    """
    number = whole_number("number", number, 0, 999_999)
    thousands, rest = divmod(number, 1000)
    said = [*_below(thousands), "thousand"] if thousands else []
    return " ".join([*said, *_below(rest)] or [ONES[0]])


def sentences(pairs: Aligned, least: int = 1, longest: int | None = None) -> Sentences:
    """Pairs as tokens of their words, in their order.

    Args:
        pairs: as `aligned` or `numerals` give them.
        least: words that are met less often, on their side, are not known.
        longest: words of a sentence; pairs with a longer one are left out. None: no
            limit.

    Returns:
        The arrays. A word of both sides has two tokens.

    Raises:
        ValueError: a number out of range; no pair that is short enough.
    """
    least = whole_number("least", least, 1)
    both = [(a.split(), b.split()) for a, b in zip(*pairs, strict=True)]
    if longest is not None:
        longest = whole_number("longest", longest, 1)
        both = [pair for pair in both if max(map(len, pair)) <= longest]
    if not both:
        raise ValueError(
            f"pairs must have sentences of at most {longest} words, got none of "
            f"{len(pairs.sources):,}"
        )
    symbols, rows = ["<unknown>"], []
    for side in zip(*both, strict=True):
        words = _frequent(side, least)
        number = {word: len(symbols) + 3 + i for i, word in enumerate(words)}
        symbols += words
        rows.append([[number.get(word, UNKNOWN) for word in line] for line in side])
    source, target = map(filled, rows)
    return Sentences(source, *told(target), tuple(symbols))


def _frequent(side, least: int) -> list[str]:
    """Words that are met often enough, the most frequent first."""
    counts = Counter(word for line in side for word in line)
    often = [(word, n) for word, n in counts.items() if n >= least]
    return [word for word, _ in sorted(often, key=lambda pair: (-pair[1], pair[0]))]


def _below(number: int) -> list[str]:
    """The words of a number below a thousand; none of 0."""
    hundreds, rest = divmod(number, 100)
    said = [ONES[hundreds], "hundred"] if hundreds else []
    if rest >= 20:
        said.append(TENS[rest // 10 - 2])
        rest %= 10
    return [*said, ONES[rest]] if rest else said


def _verses(source, target) -> Aligned:
    sides = [read_sword(folder) for folder in (source, target)]
    shared = [place for place in sides[1] if place in sides[0]]
    if not shared:
        raise DataError(f"{source} and {target} have no verse in common")
    return Aligned(*(tuple(side[place] for place in shared) for side in sides))


def _lines(path: str | Path) -> list[str]:
    path = Path(path).expanduser()
    try:
        written = read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = 1 + error.object[: error.start].count(b"\n")
        raise DataError(f"{path}, line {line}: no text in UTF-8: {error}") from error
    lines = written.replace("\r\n", "\n").split("\n")
    if not lines[-1]:  # after the last end of line
        lines.pop()
    if not lines:
        raise DataError(f"{path}: empty")
    for number, line in enumerate(lines, 1):
        if not line.split():
            raise DataError(f"{path}, line {number}: no word; leave out both lines")
    return lines
