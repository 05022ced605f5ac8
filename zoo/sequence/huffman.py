"""Huffman's code: the binary tree in which frequent words lie near the root.

    the two rarest nodes become children of a new one, as frequent as both, until one
    is left; sum over words of count times depth is then the least of all trees

A word is told by the way down to it: at each inner node on the way, left (0) or right
(1). Of V words there are V - 1 inner nodes.

Shapes: V words, L the depth of the deepest.

References:
    Huffman, "A method for the construction of minimum-redundancy codes", Proceedings
    of the IRE 1952, https://doi.org/10.1109/JRPROC.1952.273898
"""

import heapq
from typing import NamedTuple

import numpy as np


class Tree(NamedTuple):
    """The way to each word; -1 after its end."""

    nodes: np.ndarray  # int32 [V, L]: inner nodes from the root on, 0 to V - 2
    turns: np.ndarray  # int32 [V, L]: 0 left, 1 right


class _Node(NamedTuple):
    count: int
    number: int

    def __lt__(self, other):  # of equal counts the heap's own order decides
        return self.count < other.count


def huffman(counts: np.ndarray) -> Tree:
    """The tree of words by their counts.

    Args:
        counts: [V], positive, V of at least 2.

    Returns:
        The ways. The root is node V - 2, the last that was made. Which of equally
        frequent nodes comes first is as in gensim, so that the trees are the same.

    Raises:
        ValueError: fewer than two counts, or some that are not positive.
    """
    counts = np.asarray(counts)
    if counts.ndim != 1 or len(counts) < 2 or not (counts > 0).all():
        raise ValueError(
            f"counts must be positive [V] with V >= 2, got {counts.shape} from "
            f"{counts.min(initial=0)}"
        )
    words = len(counts)
    heap = [_Node(count, i) for i, count in enumerate(counts.tolist())]
    heapq.heapify(heap)
    parent, turn = np.zeros(2 * words - 1, int), np.zeros(2 * words - 1, int)
    for new in range(words, 2 * words - 1):
        (a, left), (b, right) = heapq.heappop(heap), heapq.heappop(heap)
        parent[[left, right]], turn[right] = new, 1
        heapq.heappush(heap, _Node(a + b, new))
    node, ways = np.arange(words), []  # all words climb at once
    root = 2 * words - 2
    while (node != root).any():
        there = node != root
        ways.append((np.where(there, parent[node] - words, -1), there, turn[node]))
        node = np.where(there, parent[node], root)
    depth = sum(there.astype(int) for _, there, _ in ways)  # [V]
    nodes, turns = (np.full((words, len(ways)), -1, np.int32) for _ in range(2))
    for up, (above, there, turned) in enumerate(ways):
        rows = np.flatnonzero(there)
        nodes[rows, depth[rows] - 1 - up] = above[rows]
        turns[rows, depth[rows] - 1 - up] = turned[rows]
    return Tree(nodes, turns)
