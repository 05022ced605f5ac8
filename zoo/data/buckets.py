"""Batches of sequences of about one length, so that little is padding.

    length n_i   of an example: the tokens of its longest sequence
    bucket k     the N_k examples of lengths after h_{k-1} and up to h_k; the limits are
                 those of the least sum_k N_k h_k, with N_k >= B
    width        of each array in a bucket, what its longest row there needs
    round        S = N // B steps; bucket k has about N_k / B of them, in an order drawn
                 anew from (seed, round)
    padding      share of a round's places that hold no token

All batches of a bucket have one shape, so a step is compiled K times. Within a bucket
examples come as in `zoo.data.batches`: each once before any comes again.

Shapes: N examples, T places of the widest, B examples of a batch, K buckets.

References:
    Khomenko, Shyshkov, Radyvonenko and Bokhan, "Accelerating recurrent neural network
    training using sequence bucketing and multi-GPU data parallelization", DSMP 2016,
    https://doi.org/10.1109/DSMP.2016.7583516
"""

import dataclasses
import functools
from collections.abc import Mapping

import numpy as np

from zoo.data.checks import arrays_of, whole_number
from zoo.data.gather import Batch, Transform, gathered
from zoo.data.stream import Stream


@dataclasses.dataclass(frozen=True)
class Bucketed(Stream):
    """A stream of batches of several shapes.

    Attributes:
        widths: by bucket, the width of each array.
        padding: share of a round's places that hold no token.
    """

    widths: tuple[dict[str, int], ...] = ()
    padding: float = 0.0


def bucketed(
    data: Mapping[str, np.ndarray],
    batch_size: int,
    buckets: int = 4,
    seed: int = 0,
    transform: Transform | None = None,
) -> Bucketed:
    """An endless stream of shuffled batches, each cut to what its bucket needs.

    Args:
        data: tokens by name, int [N, T] of any T, with 0 after the end of each row;
            an array [N] goes along as it is.
        batch_size: examples of a global batch (B), from 1 to N.
        buckets: K at most; examples of one length are never parted, and B of them are
            in each, so there may be fewer.
        seed: from 0 to 2**64 - 1; with the step it decides the batch.
        transform: as in `zoo.data.batches`.

    Returns:
        The stream; its batches carry what `data` carries, and `index` [B] (int32).

    Raises:
        ValueError: as `zoo.data.batches`; an array of more than two axes, or none of
            two.
    """
    data, examples = arrays_of(data)
    batch_size = whole_number("batch_size", batch_size, 1, examples)
    buckets = whole_number("buckets", buckets, 1, examples)
    seed = whole_number("seed", seed, 0, 2**64 - 1)
    lengths = {name: _lengths(name, a) for name, a in data.items() if a.ndim != 1}
    if not lengths:
        raise ValueError("data must have an array of tokens, [N, T], but has none")
    longest = np.max(list(lengths.values()), axis=0)  # [N]
    own = _parted(longest, batch_size, buckets)
    members = [np.flatnonzero(own == k) for k in range(own.max() + 1)]
    widths = tuple(
        {name: max(1, int(n[rows].max())) for name, n in lengths.items()}
        for rows in members
    )
    steps = _shares([len(rows) for rows in members], examples // batch_size)

    def generator(epoch: int, place: int) -> np.random.Generator:
        key = np.array([seed, epoch], np.uint64)
        return np.random.Generator(np.random.Philox(key=key, counter=[0, 0, place, 0]))

    @functools.lru_cache(maxsize=2)
    def order(number: int) -> np.ndarray:  # the buckets of a round's steps
        return generator(number, 0).permutation(np.repeat(range(len(steps)), steps))

    @functools.lru_cache(maxsize=2 * len(members))
    def permutation(bucket: int, epoch: int) -> np.ndarray:
        return generator(epoch, 1 + bucket).permutation(members[bucket])

    def numbers(step: int, start: int, stop: int) -> np.ndarray:
        number, part = divmod(step, sum(steps))
        bucket = order(number)[part]
        before = number * steps[bucket] + (order(number)[:part] == bucket).sum()
        size = len(members[bucket])
        epoch, first = divmod(int(before) * batch_size + start, size)
        last = first + stop - start
        head = permutation(bucket, epoch)[first:last]
        if last <= size:
            return head
        return np.concatenate([head, permutation(bucket, epoch + 1)[: last - size]])

    def gather(index: np.ndarray) -> Batch:
        width = widths[own[index[0]]] if len(index) else widths[0]
        cut = lambda name, a: a[index, : width[name]] if name in width else a[index]
        return {name: cut(name, array) for name, array in data.items()}

    at, rows = gathered(gather, numbers, batch_size, None, seed, transform)
    tokens = sum(
        n * sum(length[rows].mean() for length in lengths.values())
        for n, rows in zip(steps, members, strict=True)
    )
    places = sum(n * sum(w.values()) for n, w in zip(steps, widths, strict=True))
    return Bucketed(
        at=at,
        rows=rows,
        batch_size=batch_size,
        examples=sum(steps) * batch_size,
        widths=widths,
        padding=float(1 - tokens / places),
    )


def _lengths(name: str, array: np.ndarray) -> np.ndarray:
    """Places of each row up to its last token, [N]."""
    if array.ndim != 2:
        raise ValueError(f"data[{name!r}] must be [N, T] or [N], but is {array.shape}")
    there = array != 0
    return np.where(there.any(1), array.shape[1] - there[:, ::-1].argmax(1), 0)


def _parted(longest: np.ndarray, least: int, buckets: int) -> np.ndarray:
    """The bucket of each length, [N], by dynamic programming over the upper limits.

    c_k(j) = min over i < j of c_{k-1}(i) + h_j N_ij, with N_ij >= least examples of
    lengths after the i-th and up to the j-th.
    """
    high, place, counts = np.unique(longest, return_inverse=True, return_counts=True)
    before = np.append(0, np.cumsum(counts))  # [lengths + 1]
    n = before[None, :] - before[:, None]  # [i, j]
    cost = np.where(n >= least, n * np.append(0, high), np.inf)
    best, parents = [np.append(0, np.full(len(high), np.inf))], []
    for _ in range(min(buckets, len(high))):
        through = best[-1][:, None] + cost
        parents.append(through.argmin(0))
        best.append(through.min(0))
    used, j = int(np.argmin([b[-1] for b in best])), len(high)
    own = np.zeros(len(high), int)
    for k in reversed(range(used)):
        i = parents[k][j]
        own[i:j], j = k, i
    return own[place]


def _shares(sizes: list[int], steps: int) -> list[int]:
    """Whole shares of the steps, as the sizes: of the largest remainders one more."""
    exact = np.array(sizes) * steps / sum(sizes)
    whole = np.floor(exact).astype(int)
    rest = np.argsort(whole - exact, kind="stable")[: steps - whole.sum()]
    whole[rest] += 1
    return whole.tolist()
