"""Words of a text as numbers, and streams of a word with the words around it.

    words     the most frequent first; those met fewer than `least` times are left out
    kept      p(w) = min(1, (sqrt(f / t) + 1) t / f),  f the share of w, t `sample`:
              frequent words are dropped by chance, anew in each epoch
    window    to each side of a word b words, b drawn evenly from 1 .. W

    skip-gram   x = a word, y = one word of its window, for each of them
    cbow        x = all words of the window, y = the word in its midst

A text is one long sentence: windows do not end where its sentences do.

Shapes: N words of a text, V different ones, B rows of a batch, W words to each side, C
words that x holds: 1 of skip-gram, 2 W of cbow.
Differs from the paper: its p(w) is sqrt(t / f); this one is of the authors' program.

References:
    Mikolov, Chen, Corrado and Dean, "Efficient estimation of word representations in
    vector space", 2013, https://arxiv.org/abs/1301.3781
    Mikolov, Sutskever, Chen, Corrado and Dean, "Distributed representations of words
    and phrases and their compositionality", NeurIPS 2013,
    https://arxiv.org/abs/1310.4546 (section 2.3: frequent words are dropped)
"""

import functools
import re
from typing import NamedTuple

import numpy as np

from zoo.data.checks import whole_number
from zoo.data.gather import Batch
from zoo.data.stream import Stream
from zoo.errors import unknown

FORMS = ("skip-gram", "cbow")
WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")


class Words(NamedTuple):
    """A text as numbers of words."""

    numbers: np.ndarray  # int32 [N], from 0 to V - 1
    names: tuple[str, ...]  # V, the most frequent first
    counts: np.ndarray  # int64 [V], how often each is in the text


def tokenise(written: str) -> list[str]:
    """The words of a text, in lower case: runs of letters, with apostrophes within.

    >>> tokenise("Call me Ishmael. Don't!")
    ['call', 'me', 'ishmael', "don't"]
    """
    return WORD.findall(written.lower())


def words(written: str, least: int = 5) -> Words:
    """The words of a text as numbers.

    Args:
        written: the text.
        least: words that are met less often are left out of it.

    Returns:
        Numbers, names and counts; of equally frequent words the first in the alphabet
        comes first.

    Raises:
        ValueError: no word that is frequent enough.

    >>> words("a rose is a rose is a tulip", least=2)
    Words(numbers=array([0, 2, 1, 0, 2, 1, 0], dtype=int32), names=('a', 'is', 'rose'),
    counts=array([3, 2, 2]))
    """
    found = np.array(tokenise(written), str)
    names, numbers, counts = np.unique(found, return_inverse=True, return_counts=True)
    order = ranked(counts, least)
    place = np.full(len(names), -1, np.int32)
    place[order] = np.arange(len(order))
    numbers = place[numbers]
    return Words(numbers[numbers >= 0], tuple(names[order].tolist()), counts[order])


def ranked(counts: np.ndarray, least: int = 5) -> np.ndarray:
    """The order of a vocabulary: the most frequent words first.

    Args:
        counts: how often each word is met, [V], the words in alphabetical order.
        least: words that are met less often are left out.

    Returns:
        Places in `counts`; of equally frequent words the first in the alphabet first.

    Raises:
        ValueError: no word that is frequent enough.

    >>> ranked(np.array([2, 7, 1, 2]), least=2)
    array([1, 0, 3])
    """
    least = whole_number("least", least, 1)
    order = np.argsort(-counts, kind="stable")
    order = order[counts[order] >= least]
    if not len(order):
        raise ValueError(
            f"written must have words that are met {least} times, got "
            f"{counts.max(initial=0)} times at most"
        )
    return order


def kept(counts: np.ndarray, sample: float = 1e-3) -> np.ndarray:
    """The probability at which each word stays in the text.

    Args:
        counts: [V].
        sample: t, positive; 0: all words stay.

    Returns:
        float64 [V].

    Raises:
        ValueError: a negative t; no counts, or some that are not positive.
    """
    counts = np.asarray(counts)
    if counts.ndim != 1 or not len(counts) or (counts <= 0).any():
        raise ValueError(f"counts must be positive [V], got {counts!r}")
    if not 0 <= sample < np.inf:
        raise ValueError(f"sample must be 0 or positive, got {sample}")
    if sample == 0:
        return np.ones(len(counts))
    share = counts / counts.sum() / sample
    return np.minimum(1, (np.sqrt(share) + 1) / share)


def contexts(
    found: Words,
    batch_size: int,
    form: str = "skip-gram",
    window: int = 5,
    sample: float = 1e-3,
    seed: int = 0,
    shuffle: bool = True,
) -> Stream:
    """Words and those around them, in an order drawn anew in each epoch.

    Args:
        found: as `words` gives it.
        batch_size: rows (B).
        form: `skip-gram` or `cbow`.
        window: words to each side, at most (W).
        sample: t of `kept`; 0: no word is dropped.
        seed: from 0 to 2**64 - 1; with the step it decides the batch.
        shuffle: False: in the order of the text, as the authors' program.

    Returns:
        An endless stream of `x`, int32 [B, C], -1 where there is no word, `y`, int32
        [B], and `index`, int32 [B], the rows' numbers within the epoch. An epoch is
        as many steps as the first one's rows fill; of a later one, which chance makes
        longer or shorter, some rows are left out or come twice.

    Raises:
        ValueError: an unknown form; a number out of range; fewer than two words.
    """
    if form not in FORMS:
        raise unknown("form", form, FORMS)
    batch_size = whole_number("batch_size", batch_size, 1)
    window = whole_number("window", window, 1)
    seed = whole_number("seed", seed, 0, 2**64 - 1)
    if len(found.numbers) < 2:
        raise ValueError(f"found must have two words, got {len(found.numbers)}")
    stay = kept(found.counts, sample)[found.numbers]

    @functools.lru_cache(maxsize=2)  # the epoch at hand, and where two meet
    def epoch(number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        bits = np.random.Philox(key=np.array([seed, number], np.uint64))
        rng = np.random.Generator(bits)
        text = found.numbers[rng.random(len(stay)) < stay]
        if len(text) < 2:
            text = found.numbers
        x, y = around(text, rng.integers(1, window + 1, len(text)), window, form)
        order = rng.permutation(len(y)) if shuffle else np.arange(len(y))
        return x, y, order.astype(np.int32)

    rows = len(epoch(0)[1])
    steps = max(1, rows // batch_size)

    def at(step: int) -> Batch:
        number, part = divmod(whole_number("step", step, 0), steps)
        x, y, order = epoch(number)
        places = (part * batch_size + np.arange(batch_size)) % len(order)
        index = order[places]
        return {"x": x[index], "y": y[index], "index": index}

    return Stream(at=at, batch_size=batch_size, examples=steps * batch_size)


def around(
    text: np.ndarray,
    reach: np.ndarray,
    window: int,
    form: str = "skip-gram",
    document: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Every word of a text with those around it, in the order of the text.

    Args:
        text: int [N].
        reach: words to each side that each word sees, from 1 to W, [N].
        window: W.
        form: `skip-gram` or `cbow`.
        document: of each word, [N]; a window ends where a document does. None: one.

    Returns:
        x, int32 [rows, C], -1 where there is no word, and y, int32 [rows].
    """
    offsets = np.delete(np.arange(-window, window + 1), window)  # [2 W]
    places = np.arange(len(text))[:, None] + offsets
    there = (places >= 0) & (places < len(text)) & (abs(offsets) <= reach[:, None])
    places = np.clip(places, 0, len(text) - 1)
    if document is not None:
        there &= document[places] == document[:, None]
    beside = np.where(there, text[places], -1)
    if form == "cbow":
        return beside.astype(np.int32), text.astype(np.int32)
    own = np.broadcast_to(text[:, None], beside.shape)[there]
    return own[:, None].astype(np.int32), beside[there].astype(np.int32)
