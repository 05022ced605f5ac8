"""Where a data set lies: the search through the folders, in their order.

The folder that the caller names, $ZOO_DATA, the system's folder of data sets, the
cache; in each, the data set is NAME/, NAME.npz, NAME_*.npz or the owner's archive.
"""

import os
from pathlib import Path

from zoo.data.formats import DataError
from zoo.data.table import SOURCES, Source

ASSETS = Path(__file__).parent / "assets"
SYSTEM = Path("/usr/share/datasets")  # where Debian's packages put theirs


def cache_dir() -> Path:
    """The folder of fetched data sets: zoo in $XDG_CACHE_HOME, or in ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "zoo"


def search(
    name: str, data_dir: str | Path | None = None
) -> tuple[Path | None, list[str]]:
    """The path of a data set.

    Args:
        name: a name in the table.
        data_dir: where to look first: the folder of the data set, a folder that holds
            it, or its file.

    Returns:
        The path, or None; and the places that were looked at, in words.

    Raises:
        DataError: if `data_dir` does not exist.
    """
    source = SOURCES[name]
    if not source.folders:
        return ASSETS / f"{name}.npz", ["embedded"]
    places = [(SYSTEM, "the system's"), (cache_dir(), "the cache")]
    if os.environ.get("ZOO_DATA"):
        places.insert(0, (Path(os.environ["ZOO_DATA"]).expanduser(), "$ZOO_DATA"))
    looked = [] if os.environ.get("ZOO_DATA") else ["$ZOO_DATA (not set)"]
    if data_dir is not None:
        given = Path(data_dir).expanduser()
        if given.is_file():
            return given, [f"{given} (data_dir)"]
        if not given.is_dir():
            raise DataError(f"data_dir: {given} does not exist")
        places.insert(0, (given, "data_dir"))
    for place, why in places:
        looked.append(f"{place} ({why})")
        found = _find(name, source, place, itself=why == "data_dir")
        if found:
            return found, looked
    return None, looked


def _find(name: str, source: Source, place: Path, itself: bool) -> Path | None:
    folders = [place / folder for folder in source.folders]
    candidates = [*folders, *(folder / "raw" for folder in folders)]
    # The place itself may be meant, unless its name is another data set's: MNIST and
    # Fashion-MNIST have files of the same names, shapes and lengths.
    others = {f for n, s in SOURCES.items() if n != name for f in s.folders}
    if itself and place.name not in others:
        candidates.append(place)
    for folder in candidates:
        found = source.find(folder)
        if found:
            return found
    for folder in (place, *folders):
        for pattern in (f"{name}.npz", f"{name}_*.npz", *source.archives):
            for found in sorted(folder.glob(pattern)):
                if found.stem == name or found.stem not in SOURCES:
                    return found
    return None
