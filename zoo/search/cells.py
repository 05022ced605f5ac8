"""The space of cells: a few blocks, each of which adds up two operations.

    h_0, h_1 = outputs of the cell before the last and of the last one
    h_{k+2}  = a_k(h_i) + b_k(h_j),   i, j < k + 2;   y = [h_2, ..., h_{B+1}]

A block is four decisions: i, a_k, j, b_k. Its two sides may be exchanged; of the rows
that are the same cell so, the one is kept whose first side is not after its second
(`canonical`), and these are counted (`every`, `number`).

    (n_k (n_k + 1)/2) over blocks,  n_k = (k + 2)(number of operations)

A cell of fewer blocks has -1 in the place of the others'. So the cells of one block
and of two are one list, as the progressive search needs it.

Shapes: N cells, B blocks, 4 B decisions.

References:
    Zoph, Vasudevan, Shlens and Le, "Learning transferable architectures for scalable
    image recognition", CVPR 2018, https://arxiv.org/abs/1707.07012, section 3
    Liu et al., "Progressive neural architecture search", ECCV 2018,
    https://arxiv.org/abs/1712.00559, section 3.1 and its count of cells
"""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np

from zoo.search.space import Space, make_space
from zoo.vision.nasnet import OPERATIONS as KNOWN
from zoo.vision.nasnet import CellPlan

OPERATIONS = ("same", "max3", "mean3", "sep3")  # of the small cells
ABSENT = -1


def cell_space(
    blocks: int = 2,
    operations: tuple[str, ...] = OPERATIONS,
    cells: tuple[str, ...] = (),
) -> Space:
    """The decisions of a cell, or of several that are searched together.

    Args:
        blocks: B.
        operations: some of `zoo.vision.nasnet.OPERATIONS`.
        cells: names, each of a cell with decisions of its own; ("normal",
            "reduction") is NASNet's space. (): one cell, without a name.

    Raises:
        ValueError: no block, or an operation that is not known.
    """
    if blocks < 1:
        raise ValueError(f"blocks must be at least 1, got {blocks}")
    if unknown := sorted(set(operations) - set(KNOWN)):
        raise ValueError(f"operations must be of {', '.join(KNOWN)}; got {unknown}")
    decisions = {}
    for cell in cells or ("",):
        for k in range(blocks):
            read = ("previous", "last", *(f"block_{i}" for i in range(k)))
            for side in ("left", "right"):
                name = f"{cell}_block_{k}_{side}".lstrip("_")
                decisions[f"{name}_input"] = read
                decisions[f"{name}_operation"] = tuple(operations)
    return make_space(decisions)


def plan(tokens: np.ndarray, operations: tuple[str, ...] = OPERATIONS) -> CellPlan:
    """The cell as `zoo.vision.nasnet.NASNet` builds it.

    Args:
        tokens: decisions of one cell [4 B]; blocks that are absent come last.

    Raises:
        ValueError: not a whole number of blocks, or no block.
    """
    blocks = _blocks(tokens)
    blocks = blocks[blocks[:, 0, 0] != ABSENT]
    if not len(blocks):
        raise ValueError("tokens must have at least one block, got none")
    pairs = tuple(tuple((operations[op], int(i)) for i, op in pair) for pair in blocks)
    return CellPlan(pairs, tuple(range(2, len(pairs) + 2)))


def _blocks(tokens):
    if np.ndim(tokens) != 1 or len(tokens) % 4 or not len(tokens):
        raise ValueError(
            f"tokens must be four for each block, got {list(np.shape(tokens))}"
        )
    return np.asarray(tokens).reshape(-1, 2, 2)


def canonical(tokens: jax.Array) -> jax.Array:
    """The sides of each block in ascending order: [..., 4 B] -> the same."""
    sides = tokens.reshape(*tokens.shape[:-1], -1, 2, 2)  # [..., B, side, (i, a)]
    left, right = sides[..., 0, :], sides[..., 1, :]
    after = (left[..., 0] > right[..., 0]) | (
        (left[..., 0] == right[..., 0]) & (left[..., 1] > right[..., 1])
    )
    return jnp.where(after[..., None, None], sides[..., ::-1, :], sides).reshape(
        tokens.shape
    )


def every(
    blocks: int = 2, operations: int = len(OPERATIONS), first: int = 0
) -> np.ndarray:
    """All cells of exactly so many blocks, each once: int32 [N, 4 B].

    Args:
        blocks: B.
        operations: number of them.
        first: number of the first of these blocks, if others are before them.

    >>> len(every(1)), len(every(2))
    (36, 2808)
    """
    each = []
    for k in range(first, first + blocks):
        sides = list(itertools.product(range(k + 2), range(operations)))
        pairs = itertools.combinations_with_replacement(sides, 2)
        each.append([(*left, *right) for left, right in pairs])
    rows = [sum(row, ()) for row in itertools.product(*each)]
    return np.array(rows, np.int32)


def number(tokens: jax.Array, operations: int = len(OPERATIONS)) -> jax.Array:
    """The place of a cell in the list of all cells of one to B blocks.

    Args:
        tokens: decisions [..., 4 B]; a cell of fewer blocks has -1 at the end.

    Returns:
        int32 [...]: first the cells of one block, in the order of `every(1)`, then
        those of two, and so on.
    """
    blocks = canonical(tokens).reshape(*tokens.shape[:-1], -1, 4)
    there = blocks[..., 0] != ABSENT  # [..., B]
    place = jnp.zeros(tokens.shape[:-1], jnp.int32)
    for k in range(blocks.shape[-2]):
        n = (k + 2) * operations
        low = blocks[..., k, 0] * operations + blocks[..., k, 1]
        high = blocks[..., k, 2] * operations + blocks[..., k, 3]
        pair = low * n - low * (low - 1) // 2 + high - low
        more = place * (n * (n + 1) // 2) + pair
        place = jnp.where(there[..., k], more, place)
    fewer = [count(b, operations) for b in range(1, blocks.shape[-2])]
    before = np.cumsum([0, *fewer])  # cells of fewer blocks than 1, 2, ...
    return place + jnp.asarray(before)[there.sum(-1) - 1]


def count(blocks: int, operations: int = len(OPERATIONS)) -> int:
    """How many cells have exactly so many blocks.

    >>> count(2)
    2808
    """
    sides = ((k + 2) * operations for k in range(blocks))
    return math.prod(n * (n + 1) // 2 for n in sides)
