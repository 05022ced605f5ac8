"""Few numbers among many zeros, each told by how far it is from the one before.

    codes   0 0 0 5 0 7 0 0 0 ... 0 2        gap = zeros since the last one that is told
    gaps    3 1 15 ...                       of `bits` bits, at most 2^bits - 1
    values  5 7 0  ...                       where a gap is too long, a 0 is told too

On the host, in NumPy.

References:
    Han, Mao and Dally, "Deep Compression", ICLR 2016, https://arxiv.org/abs/1510.00149,
    figure 2
"""

from typing import NamedTuple

import numpy as np


class Sparse(NamedTuple):
    """Numbers by relative index; M of them are told."""

    gaps: np.ndarray  # uint16 [M], from 0 to 2^bits - 1
    values: np.ndarray  # [M], of the dtype of the codes; 0 where a gap was too long


def to_sparse(codes: np.ndarray, bits: int = 5) -> Sparse:
    """The numbers that are not 0, and the gaps between them.

    Args:
        codes: [...], read row by row; mostly 0.
        bits: of a gap, from 1 to 16.

    Raises:
        ValueError: bits out of range.
    """
    if not 1 <= bits <= 16:
        raise ValueError(f"bits must be an integer from 1 to 16, got {bits}")
    codes, most = np.asarray(codes).ravel(), 2**bits - 1
    at = np.flatnonzero(codes)
    gaps = np.diff(at, prepend=-1) - 1
    filled = gaps // (most + 1)  # zeros that are told before each
    ends = np.cumsum(filled + 1) - 1
    told = np.full(len(at) + filled.sum(), most, np.uint16)
    values = np.zeros(len(told), codes.dtype)
    told[ends], values[ends] = gaps - filled * (most + 1), codes[at]
    return Sparse(told, values)


def from_sparse(sparse: Sparse, size: int) -> np.ndarray:
    """The codes, [size].

    Raises:
        ValueError: gaps that lead beyond the size.
    """
    at = np.cumsum(sparse.gaps.astype(np.int64) + 1) - 1
    if len(at) and at[-1] >= size:
        raise ValueError(f"size must be above {at[-1]}, where a value is, got {size}")
    codes = np.zeros(size, sparse.values.dtype)
    codes[at] = sparse.values
    return codes
