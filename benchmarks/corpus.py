"""Counting a corpus, in one process and by Spark: speed, growth and memory.

Moby Dick, repeated to 25, 50, 100 and 200 MB in one file; all kinds of shards are
written. Each run is a process of its own. Its memory is what it and all processes that
it started hold at a moment (their proportional sets, sampled), the most of a run; its
time is that of `corpus.write`, with Spark already there. What both engines write is
compared, file by file.

The text is the whole book or its embedded half, see benchmarks/book.py.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.book import book
from benchmarks.isolated import ROOT
from benchmarks.results import Figure

SIZES = (25, 50, 100, 200)  # MB
ENGINES = ("local", "spark")
MASTER = "local[2]"
PARTS = ("speed", "growth", "memory", "memory_growth")
NAMES = ("corpus.same", "corpus.killed")
NAMES = (*NAMES, *(f"corpus.{e}.{part}" for e in ENGINES for part in PARTS))


def measure() -> list[Figure]:
    """Words per second and memory by size; whether the files are the same."""
    found = {engine: [] for engine in ENGINES}
    with tempfile.TemporaryDirectory() as folder:
        for size in SIZES:
            text = Path(folder, f"text{size}")
            _repeated(text, size * 1_000_000)
            outs = [Path(folder, engine) for engine in ENGINES]
            for engine, out in zip(ENGINES, outs, strict=True):
                found[engine].append(_run(engine, text, out))
                print(f"  {engine}, {size} MB: {found[engine][-1]}", flush=True)
            files, different = _compared(*outs)
            for path in (text, *outs):
                subprocess.run(["rm", "-r", path], check=True)
    figures = [
        Figure(
            name="corpus.same",
            what=f"files of {files} that differ between the engines, {SIZES[-1]} MB",
            value=different,
            unit="files",
            claim="value == 0",
        )
    ]
    for engine in ENGINES:
        words, seconds, memory = np.array(found[engine]).T
        told = lambda values: ", ".join(
            f"{size} MB: {value:.4g}" for size, value in zip(SIZES, values, strict=True)
        )
        slope = lambda values: float(np.polyfit(np.log(SIZES), np.log(values), 1)[0])
        speed = words / seconds
        figures += [
            Figure(
                name=f"corpus.{engine}.speed",
                what=f"words counted and written in a second; {told(speed)}",
                value=float(speed[-1]),
                unit="words/s",
                reference="" if engine == "local" else "local, one process",
                reference_value=None if engine == "local" else figures[1].value,
                ratio=None if engine == "local" else speed[-1] / figures[1].value,
            ),
            Figure(
                name=f"corpus.{engine}.growth",
                what=f"exponent of the time's growth with size; s: {told(seconds)}",
                value=slope(seconds),
                claim="value <= 1.1",
            ),
            Figure(
                name=f"corpus.{engine}.memory",
                what=f"most memory of all processes together; {told(memory)}",
                value=float(memory[-1]),
                unit="MB",
                claim="value <= 2500",
            ),
            Figure(
                name=f"corpus.{engine}.memory_growth",
                what="exponent of the memory's growth with size",
                value=slope(memory),
                claim="value <= 0.25",
            ),
        ]
    return figures


def killed() -> list[Figure]:
    """Files that differ after one of two workers of a cluster was killed."""
    from tests.data import test_corpus_spark

    with tempfile.TemporaryDirectory() as folder:
        written, total, found, expected = test_corpus_spark.killed(Path(folder))
    assert 0 < written < total, "it ended before the worker was killed"
    differ = [n for n in found.keys() | expected if found.get(n) != expected.get(n)]
    return [
        Figure(
            name="corpus.killed",
            what=f"files of {len(expected)} that differ from those of one process, one "
            f"of two workers of a cluster killed at shard {written} of {total}",
            value=len(differ),
            unit="files",
            claim="value == 0",
        )
    ]


def run(engine: str, text: str, out: str) -> None:
    """The other side: prints words and seconds as JSON."""
    from zoo.data import corpus, spark

    if engine == "spark":
        spark.context(MASTER)
    began = time.perf_counter()
    made = corpus.write(text, out, corpus.Settings(), engine, MASTER)
    print(json.dumps([made.manifest["tokens"], time.perf_counter() - began]))


def _repeated(folder, size):
    written = book().encode()
    folder.mkdir()
    with open(folder / "text.txt", "wb") as file:
        for _ in range(-(-size // len(written))):
            file.write(written + b"\n\n")


def _run(engine, text, out):
    command = [sys.executable, "-m", __name__, engine, str(text), str(out)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    most = 0.0
    while process.poll() is None:
        most = max(most, sum(map(_held, _tree(process.pid))))
        time.sleep(0.3)
    said = process.communicate()[0]
    if process.returncode:
        raise RuntimeError(f"{engine} failed: {said}")
    words, seconds = json.loads(said.splitlines()[-1])
    return words, seconds, most


def _tree(root):
    """A process and all that it started, by their numbers."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:  # it has ended
            continue
        parents.setdefault(int(fields[1]), []).append(int(path.parent.name))
    found = [root]
    for process in found:  # grows
        found += parents.get(process, [])
    return found


def _held(process):
    """Its proportional set, MB."""
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def _compared(left, right):
    names = [sorted(path.name for path in out.iterdir()) for out in (left, right)]
    if names[0] != names[1]:
        return len(names[0]), len(set(names[0]) ^ set(names[1]))
    same = [(left / n).read_bytes() == (right / n).read_bytes() for n in names[0]]
    return len(same), same.count(False)


if __name__ == "__main__":
    run(*sys.argv[1:])
