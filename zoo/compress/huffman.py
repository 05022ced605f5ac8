"""Huffman's code in its canonical form: the lengths of the words alone say it all.

    entropy <= mean length < entropy + 1             Kraft: sum of 2^-length = 1
    words of one length are consecutive numbers, symbols in order; a longer word begins
    where the shorter ones end: next = (last + 1) 2^(longer - shorter)

So a decoder needs one length for each symbol. Words that are aligned on the left are in
order too: which one begins at a bit is a binary search among their firsts. That is done
for all bits of a message at once; only the walk from word to word is a loop.

On the host, in NumPy. `zoo.sequence.huffman` is the tree of words of word2vec.

Shapes: S symbols, N symbols of a message.

References:
    Huffman, "A method for the construction of minimum-redundancy codes", Proceedings
    of the IRE 1952, https://doi.org/10.1109/JRPROC.1952.273898
    Schwartz and Kallick, "Generating a canonical prefix encoding", Communications of
    the ACM 1964, https://doi.org/10.1145/363958.363991
"""

import heapq

import numpy as np

LONGEST = 48  # bits of a word; 2^33 symbols of the most unequal counts reach it


def entropy(counts: np.ndarray) -> float:
    """Bits of a symbol that no code is below."""
    p = np.asarray(counts, float)
    p = p[p > 0] / p.sum()
    return float(-(p * np.log2(p)).sum())


def code_lengths(counts: np.ndarray) -> np.ndarray:
    """The length of each symbol's word, [S]; 0 for symbols that do not occur.

    Args:
        counts: how often each occurs, [S], from 0.

    Raises:
        ValueError: counts that are not one axis, are negative, or are all 0.
    """
    counts = np.asarray(counts)
    if counts.ndim != 1 or not counts.size or counts.min() < 0 or counts.max() == 0:
        raise ValueError(f"counts must be [S], from 0 and not all 0, got {counts}")
    lengths = np.zeros(len(counts), np.uint8)
    heap = [(int(n), i, [i]) for i, n in enumerate(counts) if n]
    if len(heap) == 1:  # one symbol needs a bit, to be counted
        lengths[heap[0][1]] = 1
    heapq.heapify(heap)
    while len(heap) > 1:
        (a, _, left), (b, second, right) = heapq.heappop(heap), heapq.heappop(heap)
        lengths[left + right] += 1
        heapq.heappush(heap, (a + b, second, left + right))
    return lengths


def mean_length(counts: np.ndarray) -> float:
    """Bits of a symbol, with its code."""
    counts = np.asarray(counts)
    return float((counts * code_lengths(counts)).sum() / counts.sum())


def encode(symbols: np.ndarray, lengths: np.ndarray) -> bytes:
    """A message in bits, the first at the top of the first byte; padded with zeros.

    Args:
        symbols: integers from 0 to S - 1, [N].
        lengths: of `code_lengths`, [S].

    Raises:
        ValueError: lengths of no code, or a symbol without a word.
    """
    symbols, lengths = np.asarray(symbols).ravel(), _checked(lengths)
    if symbols.size and (symbols.min() < 0 or symbols.max() >= len(lengths)):
        raise ValueError(
            f"symbols must be from 0 to {len(lengths) - 1}, got {symbols.min()} to "
            f"{symbols.max()}"
        )
    sizes = lengths[symbols].astype(np.int64)
    if symbols.size and sizes.min() == 0:
        missing = np.unique(symbols[sizes == 0])
        raise ValueError(f"symbols must have words, got {missing} without")
    order, words = _canonical(lengths)
    word = np.zeros(len(lengths), np.uint64)
    word[order] = words
    ends = np.cumsum(sizes)
    bit = np.arange(ends[-1] if symbols.size else 0)
    of = np.repeat(np.arange(len(symbols)), sizes)
    down = (ends[of] - 1 - bit).astype(np.uint64)  # 0 for a word's last bit
    return np.packbits(
        ((word[symbols[of]] >> down) & np.uint64(1)).astype(bool)
    ).tobytes()


def decode(message: bytes, lengths: np.ndarray, count: int) -> np.ndarray:
    """The symbols of a message, int64 [count].

    Args:
        message: of `encode`.
        lengths: the same that it was encoded with.
        count: how many symbols it has.

    Raises:
        ValueError: lengths of no code, a message that is too short, or bits that are
            the start of no word.
    """
    lengths = _checked(lengths)
    order, words = _canonical(lengths)
    sizes = lengths[order].astype(np.int64)
    deepest = int(sizes.max())
    bits = np.unpackbits(np.frombuffer(message, np.uint8)).astype(np.uint64)
    total = len(bits)
    bits = np.concatenate([bits, np.zeros(deepest, np.uint64)])
    window = np.zeros(total, np.uint64)
    for i in range(deepest):
        window = (window << np.uint64(1)) | bits[i : i + total]
    firsts = words << (deepest - sizes).astype(np.uint64)
    at = np.searchsorted(firsts, window, side="right") - 1
    begins = (window >> (deepest - sizes[at]).astype(np.uint64)) == words[at]
    steps = np.where(begins, sizes[at], 0).tolist()
    places, here = [], 0
    for _ in range(count):
        if here >= total or not steps[here] or here + steps[here] > total:
            raise ValueError(
                f"message must be {count} words, got {len(places)} in {total} bits"
            )
        places.append(here)
        here += steps[here]
    return order[at[np.array(places, int)]]


def _canonical(lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Symbols in the order of their words, and the words."""
    order = np.lexsort((np.arange(len(lengths)), lengths))
    order = order[lengths[order] > 0]
    words, word, before = [], 0, int(lengths[order[0]])
    for size in lengths[order].tolist():
        word <<= size - before
        words.append(word)
        word, before = word + 1, size
    return order, np.array(words, np.uint64)


def _checked(lengths: np.ndarray) -> np.ndarray:
    lengths = np.asarray(lengths)
    used = lengths[lengths > 0].astype(int)
    if not used.size or used.max() > LONGEST or (0.5**used).sum() > 1:
        raise ValueError(
            f"lengths must be of a prefix code of at most {LONGEST} bits, got "
            f"{np.unique(used)[-5:]}"
        )
    return lengths
