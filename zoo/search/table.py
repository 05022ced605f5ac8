"""What every cell of one and two blocks is worth, trained once and for all.

2,844 small networks of three cells (`SmallNet`), each trained with three seeds for 500
steps on half of the digits (`trainer`): 36 cells of one block, then 2,808 of two. By
this table a method of search is judged in seconds, and many hundred times over.

    python -m experiments.cell_table

makes it anew.

Shapes: N = 2,844 cells, 8 decisions, 3 seeds.

Reference:
    Ying et al., "NAS-Bench-101: towards reproducible neural architecture search", ICML
    2019, https://arxiv.org/abs/1902.09635 (the idea)
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from zoo.search.cells import ABSENT, every, number

FILE = Path(__file__).parent / "assets" / "cells.npz"
FIELDS = ("valid", "test", "seconds")


class CellTable(NamedTuple):
    """Every cell with what it is worth.

    Attributes:
        tokens: int32 [N, 8]; cells of one block end in -1.
        valid: accuracy by which a search may choose, float32 [N, 3].
        test: accuracy for the report, float32 [N, 3].
        seconds: that the network takes for 64 images, float32 [N].
    """

    tokens: np.ndarray
    valid: np.ndarray
    test: np.ndarray
    seconds: np.ndarray


def all_cells() -> np.ndarray:
    """The cells in the order of the table, int32 [N, 8]."""
    one, two = every(1), every(2)
    return np.concatenate([np.pad(one, ((0, 0), (0, 4)), constant_values=ABSENT), two])


def read_table(file: str | Path = FILE) -> CellTable:
    """The table that comes with the project, or another of its form.

    Raises:
        ValueError: the file has not one row for each cell.
    """
    tokens = all_cells()
    with np.load(file) as stored:
        columns = {name: stored[name] for name in FIELDS if name in stored}
    if set(columns) != set(FIELDS) or any(
        len(of) != len(tokens) for of in columns.values()
    ):
        shapes = {name: list(of.shape) for name, of in columns.items()}
        raise ValueError(
            f"{file} must hold {', '.join(FIELDS)} of {len(tokens)} cells, got {shapes}"
        )
    return CellTable(tokens, **columns)


def look_up(column: np.ndarray) -> Callable[[jax.Array], jax.Array]:
    """A reward: tokens [m, 8] -> the column's values [m].

    Args:
        column: a number for each cell of the table [N].
    """
    column = jnp.asarray(column)
    return lambda tokens: column[number(tokens)]
