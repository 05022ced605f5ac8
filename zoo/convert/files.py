"""Files of weights: read whichever of the known forms they have, written in one.

    .safetensors    a header in JSON and plain numbers
    .npz            NumPy's archive, of plain arrays
    .pth, .pt       PyTorch's, both forms: `zoo.convert.torch_file`

The form is told by the first bytes, never by the name of the file. None of them
executes anything: a file that carries code is refused.

References:
    Hugging Face, safetensors, https://github.com/huggingface/safetensors
"""

import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
import safetensors
import safetensors.numpy

from zoo.convert.torch_file import read_torch
from zoo.data.formats import DataError


def read(path: str | Path) -> dict[str, np.ndarray]:
    """The arrays of a file, by the names that they have there.

    Args:
        path: a safetensors, npz or PyTorch file.

    Raises:
        DataError: a file that is missing, damaged, of another form, or carries code.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            start = file.read(9)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            arrays = [n for n in archive.namelist() if n.endswith(".npy")]
        return _npz(path) if arrays else read_torch(path)
    if start[8:9] == b"{":
        try:
            return safetensors.numpy.load_file(path)
        except safetensors.SafetensorError as error:
            raise DataError(f"{path}: damaged; safetensors says: {error}") from error
    if start[:1] == b"\x80":
        return read_torch(path)
    raise DataError(
        f"{path}: begins with {start.hex(' ') or 'nothing'}, expected a safetensors, "
        "npz or PyTorch file"
    )


def save(path: str | Path, variables: Mapping[str, Any]) -> None:
    """Writes variables of a model as safetensors, whole or not at all.

    An array is named by its path, as in `params/stem/kernel`; `zoo.create(name,
    weights=path)` reads it again.

    Args:
        path: of the file; one that is there is replaced.
        variables: collections of arrays, as `init` returns them.
    """
    arrays = {k: np.asarray(v) for k, v in flat(jax.device_get(variables)).items()}
    temporary = Path(f"{path}.writing")
    safetensors.numpy.save_file(arrays, temporary)
    os.replace(temporary, path)


def flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """The leaves of nested dicts, by their paths.

    >>> flat({"params": {"head": {"bias": 1, "kernel": 2}}})
    {'params/head/bias': 1, 'params/head/kernel': 2}
    """
    leaves = {}
    for name, value in tree.items():
        if isinstance(value, Mapping):
            leaves |= flat(value, f"{prefix}{name}/")
        else:
            leaves[f"{prefix}{name}"] = value
    return leaves


def nested(leaves: Mapping[str, Any]) -> dict[str, Any]:
    """The opposite of `flat`.

    >>> nested({"params/head/bias": 1})
    {'params': {'head': {'bias': 1}}}
    """
    tree: dict[str, Any] = {}
    for path, value in leaves.items():
        *folders, name = path.split("/")
        place = tree
        for folder in folders:
            place = place.setdefault(folder, {})
        place[name] = value
    return tree


def _npz(path: Path) -> dict[str, np.ndarray]:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except Exception as error:  # a damaged archive may fail in any way
        raise DataError(
            f"{path}: not an npz archive of plain arrays, or damaged: {error}"
        ) from error
