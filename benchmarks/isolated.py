"""A measurement in a process of its own, with so many CPU devices.

    python -m benchmarks.isolated MODULE FUNCTION CPU_DEVICES [ARGUMENT ...]

Calls the function, which returns figures, and prints them as JSON in the last line.
"""

import dataclasses
import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

from benchmarks.results import Figure, here

ROOT = Path(__file__).parents[1]
# Virtual devices share the cores: one that is kept waiting is not yet stuck.
PATIENCE = (
    "--xla_cpu_collective_call_warn_stuck_timeout_seconds=120 "
    "--xla_cpu_collective_call_terminate_timeout_seconds=600"
)


def figures(
    module: str, function: str, devices: int, *words: str, threads: int | None = None
) -> list[Figure]:
    """What a function of a module measures, in a new process.

    Args:
        module: to import, such as `benchmarks.sweep`.
        function: of it; takes `words`, returns a list of figures.
        devices: into which the CPU is split.
        *words: its arguments.
        threads: of XLA on the CPU; None for as many as there are cores.

    Raises:
        RuntimeError: it failed; the message is what it printed.
    """
    command = [sys.executable, "-m", __name__, module, function, str(devices), *words]
    flags = f"{os.environ.get('XLA_FLAGS', '')} {PATIENCE}".strip()
    pool = {"NPROC": str(threads)} if threads else {}  # which XLA reads
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "XLA_FLAGS": flags, **pool},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(f"{module}.{function} failed:\n{done.stdout}{done.stderr}")
    return [Figure(**fields) for fields in json.loads(done.stdout.splitlines()[-1])]


def main(module: str, function: str, devices: str, *words: str) -> None:
    """The other side."""
    from zoo.training.cli import Machine

    Machine(cpu_devices=int(devices)).start()
    found = getattr(importlib.import_module(module), function)(*words)
    rows = [dataclasses.replace(figure, device=here()) for figure in found]
    print(json.dumps([dataclasses.asdict(row) for row in rows]))


if __name__ == "__main__":
    main(*sys.argv[1:])
