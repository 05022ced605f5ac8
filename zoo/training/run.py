"""A run is a folder.

    config.json       what was asked for
    environment.json  versions, devices, host, commit
    metrics.jsonl     one line for each report: step, split, stage, values
    tensorboard/      the same for TensorBoard
    checkpoints/      see `zoo.training.checkpoint`
    figures/, report.html

One living process uses it at a time: the lock is the kernel's, so it ends with the
process, however that ends. A run that goes on drops the reports that are newer than
the checkpoint from which it goes on: they are written again, with the same values.
"""

import fcntl
import json
import os
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import jax

from zoo.training import checkpoint

FREE = ("steps", "epochs", "machine", "progress", "run", "data_dir")
PACKAGES = ("jax", "jaxlib", "flax", "optax", "numpy", "orbax-checkpoint")


class RunError(ValueError):
    """A run folder that cannot be used: by whom it is used, or what differs."""


class Run:
    """An open run folder; use as a context manager.

    Args:
        folder: made if it does not exist.
        config: JSON; a folder with checkpoints of another config is refused, but for
            the keys in `FREE`, which may change when a run goes on.
        tensorboard: write event files too.

    Raises:
        RunError: another living process uses the folder, its config differs, or it
            cannot be written.
    """

    def __init__(
        self, folder: str | Path, config: dict | None = None, tensorboard: bool = True
    ):
        self.folder = Path(folder)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock = open(self.folder / "lock", "a+")
        except OSError as error:
            raise RunError(f"run folder {folder} cannot be used: {error}") from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._lock.seek(0)
            owner = self._lock.read().strip() or "another process"
            self._lock.close()
            raise RunError(
                f"run folder {folder} is in use by {owner}; wait for it, or give "
                f"another folder"
            ) from error
        self._lock.truncate(0)
        self._lock.write(f"process {os.getpid()} on {platform.node()}")
        self._lock.flush()
        self._metrics = self._board = None
        try:
            self._check_config(json.loads(json.dumps(config or {}, default=str)))
        except BaseException:
            self._lock.close()
            raise
        self._tensorboard = tensorboard

    @property
    def checkpoints(self) -> Path:
        return self.folder / "checkpoints"

    def _check_config(self, config: dict) -> None:
        path = self.folder / "config.json"
        if path.exists() and checkpoint.steps(self.checkpoints):
            old = json.loads(path.read_text())
            keys = sorted((set(old) | set(config)) - set(FREE))
            differ = [k for k in keys if old.get(k) != config.get(k)]
            if differ:
                said = "; ".join(
                    f"{k} was {old.get(k)!r}, now {config.get(k)!r}" for k in differ
                )
                raise RunError(
                    f"run folder {self.folder} holds another run: {said}. Give the "
                    f"same settings to go on with it, or another folder"
                )
        write_json(path, config)
        write_json(self.folder / "environment.json", environment())

    def history(self, until: int | None = None) -> list[dict]:
        """The reports so far; those after step `until` are dropped from the file."""
        path = self.folder / "metrics.jsonl"
        rows = []
        if path.exists():
            for line in path.read_text().splitlines():
                try:
                    rows.append(json.loads(line))
                except ValueError:  # the line that a killed process was writing
                    break
        if until is not None:
            rows = [row for row in rows if row["step"] <= until]
            temporary = path.with_suffix(".writing")
            temporary.write_text("".join(json.dumps(row) + "\n" for row in rows))
            os.replace(temporary, path)
        return rows

    def report(self, row: dict[str, Any]) -> None:
        """Appends a row to metrics.jsonl and to TensorBoard."""
        if self._metrics is None:
            self._metrics = open(self.folder / "metrics.jsonl", "a", buffering=1)
        self._metrics.write(json.dumps(row) + "\n")
        if not self._tensorboard:
            return
        if self._board is None:
            from tensorboardX import SummaryWriter  # late: only runs with a folder

            self._board = SummaryWriter(str(self.folder / "tensorboard"))
        for name, value in row.items():
            if isinstance(value, float):
                self._board.add_scalar(f"{row['split']}/{name}", value, row["step"])

    def close(self) -> None:
        """Closes the files and lets the folder go."""
        if self._metrics is not None:
            self._metrics.close()
        if self._board is not None:
            self._board.close()
        self._lock.close()

    def __enter__(self) -> "Run":
        return self

    def __exit__(self, *exc) -> None:
        self.close()


def write_json(path: Path, value: Any) -> None:
    """Writes a whole file or none."""
    temporary = Path(path).with_suffix(".writing")
    temporary.write_text(json.dumps(value, indent=2, default=str) + "\n")
    os.replace(temporary, path)


def environment() -> dict:
    """Versions, devices and, in a git checkout, the commit."""
    return {
        "python": sys.version.split()[0],
        **{name: metadata.version(name) for name in PACKAGES},
        "devices": [str(d) for d in jax.devices()],
        "processes": jax.process_count(),
        "host": platform.node(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "commit": commit(),
        "argv": sys.argv,
    }


def commit() -> str:
    """The checkout's short commit, with `+` if files differ from it; or `unknown`."""
    here = Path(__file__).parent

    def git(*words):
        return subprocess.run(
            ["git", "-C", str(here), *words], capture_output=True, text=True, timeout=10
        )

    try:
        head = git("rev-parse", "--short", "HEAD")
        if head.returncode:
            return "unknown"
        dirty = git("status", "--porcelain", "--untracked-files=no").stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    return head.stdout.strip() + ("+" if dirty else "")
