"""Words and how they are spoken: the CMU pronouncing dictionary.

    a line    word PHONEME PHONEME ...  # a comment

Phonemes are ARPAbet's 39; vowels carry their stress, 0 none, 1 the main one, 2 another.
A further pronunciation of a word, on a line with `word(2)`, is left out, as are words
with anything but letters in them.

The embedded part has 10,000 words, drawn evenly from the 117,493 of the whole.

Shapes: N words, S and T tokens of the longest source and target.

References:
    Carnegie Mellon University, "The CMU pronouncing dictionary",
    http://www.speech.cs.cmu.edu/cgi-bin/cmudict
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from zoo.data.formats import DataError, read_bytes
from zoo.data.places import ASSETS
from zoo.data.tasks import END, LETTERS, filled, told
from zoo.errors import unknown

NAMES = ("cmudict",)
VOWELS = "AA AE AH AO AW AY EH ER EY IH IY OW OY UH UW".split()
CONSONANTS = "B CH D DH F G HH JH K L M N NG P R S SH T TH V W Y Z ZH".split()


class Spellings(NamedTuple):
    """Words as tokens of letters, and of phonemes; all arrays int32."""

    source: np.ndarray  # [N, S], NONE after the end
    target: np.ndarray  # [N, T], START and the phonemes
    y: np.ndarray  # [N, T], the phonemes and END
    symbols: tuple[str, ...]  # of tokens 3 on: letters, then phonemes

    @property
    def vocabulary(self) -> int:
        """How many tokens there are."""
        return len(self.symbols) + 3

    def data(self) -> dict[str, np.ndarray]:
        """The arrays by name, for `zoo.data.batches` with `teach`."""
        return {"source": self.source, "target": self.target, "y": self.y}

    def spell(self, tokens: np.ndarray) -> list[str]:
        """A row of tokens as letters or phonemes, up to END."""
        row = np.asarray(tokens).tolist()
        row = row[: row.index(END)] if END in row else row
        return [self.symbols[t - 3] for t in row if t > END]


def pronunciations(source: str | Path = "cmudict") -> dict[str, tuple[str, ...]]:
    """Words and their first pronunciation, in the order of the file.

    Args:
        source: `cmudict`, the embedded part; or the path of cmudict.dict, or of a file
            like it, which may be gzipped.

    Raises:
        ValueError: an unknown name.
        DataError: a file that is missing, has other phonemes, or no word.

    >>> pronunciations()["whaley"]
    ('W', 'EY1', 'L', 'IY0')
    """
    if source in NAMES:
        path = ASSETS / f"{source}.txt.gz"
    else:
        path = Path(source).expanduser()
        if not path.suffix:
            raise unknown("dictionary", source, [*NAMES, "a path like cmudict.dict"])
    try:
        lines = read_bytes(path).decode("utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: no text: {error}") from error
    known = {*CONSONANTS, *(f"{v}{s}" for v in VOWELS for s in "012")}
    found = {}
    for number, line in enumerate(lines, 1):
        word, *phonemes = line.partition("#")[0].split() or [""]
        strange = set(phonemes) - known
        if strange or (word and not phonemes):
            got = min(strange) if strange else "none"
            raise DataError(f"{path}, line {number}: no phonemes of ARPAbet: {got}")
        if word and all(letter in LETTERS for letter in word):
            found.setdefault(word, tuple(phonemes))
    if not found:
        raise DataError(f"{path}: no word of letters")
    return found


def spellings(entries: dict[str, tuple[str, ...]], stress: bool = True) -> Spellings:
    """Words as tokens, to be told from letters to phonemes.

    Args:
        entries: as `pronunciations` gives them.
        stress: whether vowels carry their stress.

    Returns:
        The arrays. Letters and phonemes are tokens of one vocabulary.

    Raises:
        ValueError: no entries.
    """
    if not entries:
        raise ValueError("entries must have a word, got none")
    kinds = [f"{v}{s}" for v in VOWELS for s in ("012" if stress else ("",))]
    symbols = (*LETTERS, *sorted((*CONSONANTS, *kinds)))
    number = {symbol: i + 3 for i, symbol in enumerate(symbols)}
    plain = lambda phoneme: phoneme if stress else phoneme.rstrip("012")
    spoken = [[number[plain(p)] for p in phonemes] for phonemes in entries.values()]
    written = [[number[letter] for letter in word] for word in entries]
    return Spellings(filled(written), *told(filled(spoken)), symbols)
