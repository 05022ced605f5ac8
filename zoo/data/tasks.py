"""Generated tasks of sequences: copy, sort, addition and dates.

    copy      qhzd -> qhzd
    sort      qhzd -> dhqz
    addition  47+805 -> 852
    dates     march 7, 1998 -> 1998-03-07    (or 7 mar 1998, 03/07/98 ...)

Tokens are characters: 0 stands for no token, 1 begins a target, 2 ends one, and 3 on
are the alphabet. A target is written as the end and what is before it; the network is
told `target`, which begins with 1, and tells `y`, which ends with 2.

Shapes: N examples, S and T tokens of the longest source and target.
"""

import datetime
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from zoo.data.checks import whole_number
from zoo.data.gather import Batch
from zoo.errors import unknown

NONE, START, END = 0, 1, 2
LETTERS = "abcdefghijklmnopqrstuvwxyz"
MONTHS = (
    *("january", "february", "march", "april", "may", "june", "july", "august"),
    *("september", "october", "november", "december"),
)


class Task(NamedTuple):
    """Pairs of a source and a target; all int32."""

    source: np.ndarray  # [N, S], NONE after the end
    target: np.ndarray  # [N, T], START and the target
    y: np.ndarray  # [N, T], the target and END
    alphabet: str  # of tokens 3 on

    @property
    def vocabulary(self) -> int:
        """How many tokens there are."""
        return len(self.alphabet) + 3

    def data(self) -> dict[str, np.ndarray]:
        """The arrays by name, for `zoo.data.batches`."""
        return {"source": self.source, "target": self.target, "y": self.y}

    def spell(self, tokens: np.ndarray) -> str:
        """A row of tokens as text, up to END."""
        row = np.asarray(tokens).tolist()
        row = row[: row.index(END)] if END in row else row
        return "".join(self.alphabet[t - 3] for t in row if t > END)


def task(name: str, examples: int, seed: int = 0, length: int = 8) -> Task:
    """Examples of a task.

    Args:
        name: `copy`, `sort`, `addition` or `dates`.
        examples: N.
        seed: from 0 to 2**64 - 1.
        length: letters of the longest source of copy and sort (from 1 on), and digits
            of the longest summand; of no effect on dates.

    Returns:
        The task. Lengths are drawn evenly; examples may be alike.

    Raises:
        ValueError: an unknown name; a number out of range.
    """
    makers = {"copy": _copy, "sort": _sort, "addition": _addition, "dates": _dates}
    if name not in makers:
        raise unknown("task", name, makers)
    examples = whole_number("examples", examples, 1)
    length = whole_number("length", length, 1, 18)
    rng = np.random.default_rng(whole_number("seed", seed, 0, 2**64 - 1))
    pairs = [makers[name](rng, length) for _ in range(examples)]
    alphabet = ALPHABETS[name]
    longest = LONGEST[name](length)
    source, target = (
        _array([pair[i] for pair in pairs], alphabet, longest[i]) for i in (0, 1)
    )
    return Task(source, *told(target), alphabet)


def filled(rows: Sequence[Sequence[int]]) -> np.ndarray:
    """Rows of tokens as one array, int32 [N, T], NONE after the end of each."""
    width = max(map(len, rows))
    return np.array([[*row, *[NONE] * (width - len(row))] for row in rows], np.int32)


def told(target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What a network is told of targets, [N, T], and what it is to tell: [N, T + 1]."""
    y = np.pad(target, ((0, 0), (0, 1)))
    y[np.arange(len(y)), (target != NONE).sum(1)] = END
    before = np.pad(target, ((0, 0), (1, 0)))
    before[:, 0] = START
    return before, y


class teach:  # used as a function, as `zoo.data.to_float`
    """The transform of a task's batch into what a network is taught by.

    `x`: a dict of source, source_mask and target; `y`; and `mask`, bool [B, T], True
    for the tokens of the target and its end.
    """

    rowwise = True

    def __call__(self, batch: Batch, rng: np.random.Generator | None) -> Batch:
        del rng
        rest = dict(batch)
        source, target, y = (rest.pop(name) for name in ("source", "target", "y"))
        x = {"source": source, "source_mask": source != NONE, "target": target}
        return {**rest, "x": x, "y": y, "mask": y != NONE}


def _letters(rng, length):
    count = rng.integers(1, length + 1)
    return "".join(LETTERS[i] for i in rng.integers(0, 26, count))


def _copy(rng, length):
    source = _letters(rng, length)
    return source, source


def _sort(rng, length):
    source = _letters(rng, length)
    return source, "".join(sorted(source))


def _addition(rng, length):
    a, b = (int(rng.integers(0, 10 ** rng.integers(1, length + 1))) for _ in range(2))
    return f"{a}+{b}", str(a + b)


def _dates(rng, length):
    del length
    first = datetime.date(1950, 1, 1).toordinal()
    last = datetime.date(2049, 12, 31).toordinal()
    day = datetime.date.fromordinal(int(rng.integers(first, last + 1)))
    month = MONTHS[day.month - 1]
    forms = (
        f"{month} {day.day}, {day.year}",
        f"{day.day} {month} {day.year}",
        f"{day.day} {month[:3]} {day.year}",
        f"{day.month}/{day.day}/{day.year}",
        f"{day.day}.{day.month}.{day.year}",
    )
    return forms[rng.integers(0, len(forms))], day.isoformat()


DIGITS = "0123456789"
ALPHABETS = {
    "copy": LETTERS,
    "sort": LETTERS,
    "addition": f"{DIGITS}+",
    "dates": f"{LETTERS}{DIGITS} ,./-",
}
LONGEST = {  # length -> characters of the longest source and target
    "copy": lambda n: (n, n),
    "sort": lambda n: (n, n),
    "addition": lambda n: (2 * n + 1, n + 1),
    "dates": lambda n: (18, 10),
}


def _array(texts, alphabet, longest):  # [N, longest], NONE after the end
    number = {c: i + 3 for i, c in enumerate(alphabet)}
    rows = [
        [number[c] for c in text] + [NONE] * (longest - len(text)) for text in texts
    ]
    return np.array(rows, np.int32)
