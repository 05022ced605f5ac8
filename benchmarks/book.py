"""Moby Dick, the text of the benchmarks of corpora and of word vectors."""

import os
from pathlib import Path

from zoo.data import text


def book() -> str:
    """The whole of it, where it lies as `moby_dick.txt` in $ZOO_DATA; else the half
    that is embedded."""
    own = Path(os.environ.get("ZOO_DATA", ""), "moby_dick.txt")
    return own.read_text() if own.is_file() else text("moby_dick")
