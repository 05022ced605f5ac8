"""Checkpoints: written whole or not at all, checked before they are believed.

    checkpoints/000001000/arrays/        the leaves of the state, by name (Orbax)
                         /manifest.json  step, stage, shapes and types, SHA-256 of files

A checkpoint is written under a temporary name and renamed when it is complete, so a
process killed at any moment leaves the one before. Leaves are saved in their global
shapes: a checkpoint knows nothing of the devices that it came from. Nothing in it is
ever executed.
"""

import hashlib
import json
import logging
import os
import shutil
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jax
import numpy as np

from zoo.training.keys import raw, raw_spec, typed

log = logging.getLogger("zoo")


class CheckpointError(ValueError):
    """A checkpoint that cannot be written, or cannot be believed; names the folder."""


def save(folder: Path, step: int, state: Any, info: dict, keep: int = 3) -> Path:
    """Writes `folder/STEP`, then removes all but the newest `keep`.

    Args:
        folder: the run's `checkpoints` folder.
        step: steps taken, over all stages.
        state: a pytree of arrays on the host, in global shapes.
        info: what else the manifest says; JSON.
        keep: how many checkpoints to leave.

    Raises:
        CheckpointError: it could not be written (a full disk, a folder without
            permission); nothing is left of it, and those before it are untouched.
    """
    folder = Path(folder)
    final = folder / f"{step:09d}"
    temporary = folder / f".writing-{step:09d}"
    leaves = _named(state)
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        _orbax().save(temporary.absolute() / "arrays", args=_save_args(leaves))
        manifest = {
            "step": step,
            "info": info,
            "leaves": {n: [list(x.shape), str(x.dtype)] for n, x in leaves.items()},
            "files": {
                str(p.relative_to(temporary)): _sha(p) for p in _files(temporary)
            },
        }
        with open(temporary / "manifest.json", "w") as file:
            json.dump(manifest, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        if final.exists():  # a damaged one of the same step is being replaced
            shutil.rmtree(final)
        os.replace(temporary, final)
    except (OSError, ValueError, RuntimeError) as error:
        shutil.rmtree(temporary, ignore_errors=True)
        raise CheckpointError(
            f"could not write checkpoint {final}: {str(error).splitlines()[0]}. "
            f"Nothing of it is left; newest before it: {_newest_name(folder)}"
        ) from error
    for old in steps(folder)[:-keep]:
        shutil.rmtree(folder / f"{old:09d}", ignore_errors=True)
    return final


def restore(path: Path, like: Any) -> tuple[Any, dict]:
    """Reads one checkpoint into the structure of `like`.

    Args:
        path: the checkpoint's folder.
        like: a pytree of arrays or ShapeDtypeStructs with the state's global shapes.

    Returns:
        The state, on the host, and the manifest's `info` (with `step`).

    Raises:
        CheckpointError: damaged (which file), or of another model (which leaf).
    """
    path = Path(path)
    manifest = verify(path)
    wanted = jax.tree_util.tree_flatten_with_path(like)[0]
    names = [jax.tree_util.keystr(p) for p, _ in wanted]
    saved = manifest["leaves"]
    for name, (_, leaf) in zip(names, wanted, strict=True):
        spec = raw_spec(leaf)
        expected = [list(spec.shape), str(spec.dtype)]
        if name not in saved:
            raise CheckpointError(
                f"{path} is a checkpoint of something else: it has no leaf {name}; "
                f"it has {_some(saved)}"
            )
        if expected != saved[name]:
            raise CheckpointError(
                f"{path} is a checkpoint of something else: leaf {name} is "
                f"{saved[name][1]}{saved[name][0]}, expected {expected[1]}{expected[0]}"
            )
    if extra := sorted(set(saved) - set(names)):
        raise CheckpointError(
            f"{path} is a checkpoint of something else: nothing takes its leaf "
            f"{extra[0]}"
        )
    arrays = _orbax().restore(path.absolute() / "arrays")
    leaves = [
        typed(arrays[n], x.dtype) for n, (_, x) in zip(names, wanted, strict=True)
    ]
    state = jax.tree.unflatten(jax.tree.structure(like), leaves)
    return state, {**manifest["info"], "step": manifest["step"]}


def verify(path: Path) -> dict:
    """The manifest, after every file was compared with it.

    Raises:
        CheckpointError: the first file that is missing or differs.
    """
    path = Path(path)
    try:
        manifest = json.loads((path / "manifest.json").read_text())
        files = manifest["files"]
    except (OSError, ValueError, KeyError) as error:
        raise CheckpointError(f"{path} is damaged: manifest.json: {error}") from error
    for name, digest in files.items():
        if not (path / name).is_file():
            raise CheckpointError(f"{path} is damaged: {name} is missing")
        if _sha(path / name) != digest:
            raise CheckpointError(f"{path} is damaged: {name} is not as it was written")
    return manifest


def steps(folder: Path) -> list[int]:
    """The steps of the complete checkpoints in a folder, in order."""
    if not Path(folder).is_dir():
        return []
    return sorted(int(p.name) for p in Path(folder).iterdir() if p.name.isdigit())


def newest(folder: Path) -> tuple[Path, dict] | None:
    """The newest checkpoint that is whole, and its manifest; older ones if it is not.

    A damaged one is named in a warning. None if the folder holds no checkpoint.

    Raises:
        CheckpointError: there are checkpoints, and all of them are damaged.
    """
    found = steps(folder)
    for step in reversed(found):
        path = Path(folder) / f"{step:09d}"
        try:
            return path, verify(path)
        except CheckpointError as error:
            log.warning("%s; trying the one before", error)
    if found:
        raise CheckpointError(
            f"every checkpoint in {folder} is damaged: {found}; "
            f"remove the folder to begin anew"
        )
    return None


class Saver:
    """Saves in the background, one at a time; errors come out of `wait`."""

    def __init__(self, folder: Path, keep: int = 3):
        self.folder, self.keep = Path(folder), keep
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="zoo-checkpoint")
        self._pending: Future | None = None

    def save(self, step: int, state: Any, info: dict) -> None:
        """Begins to write; waits for the one before."""
        self.wait()
        self._pending = self._pool.submit(
            save, self.folder, step, state, info, self.keep
        )

    def wait(self) -> None:
        """Returns when the last save is complete, or raises its CheckpointError."""
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.result()

    def close(self) -> None:
        """Waits and ends the thread."""
        try:
            self.wait()
        finally:
            self._pool.shutdown()


def _orbax():
    import orbax.checkpoint as ocp  # imported late: it takes a third of a second

    alone = ocp.options.MultiprocessingOptions(
        primary_host=jax.process_index(), active_processes={jax.process_index()}
    )
    return ocp.Checkpointer(
        ocp.StandardCheckpointHandler(multiprocessing_options=alone),
        multiprocessing_options=alone,
    )


def _save_args(leaves):
    import orbax.checkpoint as ocp

    return ocp.args.StandardSave(leaves)


def _named(state) -> dict[str, np.ndarray]:
    leaves = jax.tree_util.tree_flatten_with_path(state)[0]
    return {jax.tree_util.keystr(path): np.asarray(raw(x)) for path, x in leaves}


def _files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.is_file())


def _sha(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _some(names) -> str:
    names = sorted(names)
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if names[3:] else "")


def _newest_name(folder: Path) -> str:
    found = steps(folder)
    return f"{found[-1]:09d}" if found else "none"
