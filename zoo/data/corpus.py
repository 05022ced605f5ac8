"""A folder of text, counted: its vocabulary, and shards of all that training reads.

    count     words, how often each is met and in how many documents
    write     a folder: manifest.json, vocabulary.tsv and shards (corpus_shards), of
              tokens       documents as words of the vocabulary
              terms        document-term counts
              pairs        word-context pairs, by `window`, `sample` and `seed`
              cooccurrence words within `window` places of each other

`engine="local"` does so in this process; `engine="spark"` on many cores or machines.
Both give the same, to the byte, however many there are: a shard is made of a piece of
the input (corpus_input), whose cut depends on the files alone; what is added up are
integers; chance depends on the document and the place in it (corpus_counts).

Writing goes on in FOLDER.writing, which becomes FOLDER when all is there; so FOLDER is
whole or it is not there. Cut off and run again, it skips the shards that are complete.
Text that cannot be read is refused before anything is written.
"""

import dataclasses
import json
import os
import shutil
from pathlib import Path
from typing import NamedTuple

import numpy as np

from zoo.data.checks import whole_number
from zoo.data.corpus_files import FORMAT, MANIFEST, VOCABULARY, Corpus, read_corpus
from zoo.data.corpus_input import DOCUMENTS, pieces, text_files
from zoo.data.corpus_local import Local
from zoo.data.corpus_shards import (
    cooccurrence_piece,
    count_piece,
    finished,
    sha256,
    write_bucket,
    write_file,
    write_piece,
)
from zoo.data.corpus_spark import Spark
from zoo.data.formats import DataError
from zoo.data.words import kept, ranked
from zoo.errors import unknown

ENGINES = ("local", "spark")
KINDS = ("tokens", "terms", "pairs", "cooccurrence")
PLAN = "plan.json"
PIECES = 16  # whose co-occurrences make one shard of these


@dataclasses.dataclass(frozen=True)
class Settings:
    """What is counted.

    Attributes:
        documents: what a document is: a `line`, a `paragraph` or a `file`.
        pattern: of the names of the files that are read.
        least: words that are met less often are left out of the vocabulary.
        kinds: of shards; tokens are always written.
        window: words to each side (W).
        sample: t of `words.kept`, of pairs; 0: no word is dropped.
        seed: of the pairs, from 0 to 2**64 - 1.
        shard_bytes: of text, in a shard.

    Raises:
        ValueError: one that is none of these, or out of range.
    """

    documents: str = "paragraph"
    pattern: str = "*.txt"
    least: int = 5
    kinds: tuple[str, ...] = KINDS
    window: int = 5
    sample: float = 1e-3
    seed: int = 0
    shard_bytes: int = 1 << 20

    def __post_init__(self):
        if self.documents not in DOCUMENTS:
            raise unknown("documents", self.documents, DOCUMENTS)
        for kind in self.kinds:
            if kind not in KINDS:
                raise unknown("kind of shard", kind, KINDS)
        for name in ("least", "window", "shard_bytes"):
            whole_number(name, getattr(self, name), 1)
        whole_number("seed", self.seed, 0, 2**64 - 1)
        kept(np.ones(1), self.sample)


class Counts(NamedTuple):
    """The words of a corpus."""

    names: tuple[str, ...]  # V, the most frequent first, then by the alphabet
    counts: np.ndarray  # int64 [V], how often each is met
    document_frequency: np.ndarray  # int64 [V], in how many documents
    documents: int
    tokens: int  # words of all documents, of the vocabulary or not
    distinct: int  # different words, of the vocabulary or not


def count(
    folder: str | Path,
    settings: Settings = Settings(),  # noqa: B008 (frozen)
    engine: str = "local",
    master: str = "local[*]",
    partitions: int | None = None,
) -> Counts:
    """Counts the words of a folder of text files.

    Args:
        folder: of the text.
        settings: what a document and the vocabulary are.
        engine: `local` or `spark`.
        master: of Spark, as of `spark.context`.
        partitions: of Spark's RDDs; None: by the number of cores.

    Raises:
        DataError: no such folder, no text in it, no word that is frequent enough;
            bytes that are not UTF-8.
        SparkError: no Java, no PySpark, a master that cannot be reached.
        ValueError: an unknown engine.
    """
    with engine_of(engine, master, partitions) as runs:
        return _count(runs, folder, settings)[0]


def write(
    folder: str | Path,
    out: str | Path,
    settings: Settings = Settings(),  # noqa: B008 (frozen)
    engine: str = "local",
    master: str = "local[*]",
    partitions: int | None = None,
) -> Corpus:
    """Counts a folder of text files, and writes the counts and the shards.

    Args:
        folder, settings, engine, master, partitions: as of `count`.
        out: the folder that is made. One that holds the same already is checked and
            left as it is; what was cut off goes on.

    Returns:
        The corpus, as `read_corpus(out)` gives it.

    Raises:
        DataError, SparkError, ValueError: as `count`; and where `out` holds something
            else, or its shards are damaged.
    """
    out = Path(out).expanduser()
    writing = out.with_name(f"{out.name}.writing")
    if out.resolve().is_relative_to(Path(folder).expanduser().resolve()):
        raise DataError(f"{out}: lies within {folder}, whose files are read; move it")
    _free(out, MANIFEST)
    _free(writing, PLAN)
    with engine_of(engine, master, partitions) as runs:
        counted, files, cut, summaries = _count(runs, folder, settings)
        plan = {
            "format": FORMAT,
            "settings": {**dataclasses.asdict(settings), "kinds": list(settings.kinds)},
            "files": [list(file) for file in files],
            "documents": [documents for documents, _, _ in summaries],
            "crc32": [crc for _, _, crc in summaries],
            "tokens": counted.tokens,
            "distinct": counted.distinct,
            "vocabulary": len(counted.names),
        }
        if (out / MANIFEST).exists():
            return _same(out, plan)
        _begin(writing, plan, counted)
        records = _shards(runs, settings, writing, counted, cut, plan["documents"])
    _end(writing, out, {**plan, "shards": records})
    return read_corpus(out)


def engine_of(engine: str, master: str = "local[*]", partitions: int | None = None):
    """An engine by name, as a context manager.

    Raises:
        ValueError: an unknown name.
    """
    if engine not in ENGINES:
        raise unknown("engine", engine, ENGINES)
    return Local() if engine == "local" else Spark(master, partitions)


def _count(runs, folder, settings):
    files = text_files(folder, settings.pattern)
    cut = pieces(folder, files, settings.documents, settings.shard_bytes)
    tasks, shared = list(enumerate(cut)), {"documents": settings.documents}
    summaries, found, distinct = runs.count(count_piece, tasks, shared, settings.least)
    documents, tokens = (sum(s[i] for s in summaries) for i in (0, 1))
    if not found:
        what = f"{tokens} words, none {settings.least} times" if tokens else "no word"
        raise DataError(f"{folder}: {what} in {len(files)} files, so no vocabulary")
    names = sorted(found)
    counts, within = np.array([found[name] for name in names], np.int64).T
    order = ranked(counts, settings.least)
    names = tuple(names[i] for i in order)
    counted = Counts(names, counts[order], within[order], documents, tokens, distinct)
    return counted, files, cut, summaries


def _free(folder, ours):
    """Refuses a folder of somebody else's."""
    if folder.exists() and not (folder / ours).exists():
        if not folder.is_dir() or any(folder.iterdir()):
            raise DataError(f"{folder}: holds something else; name another folder")


def _same(out, plan):
    there = read_corpus(out)
    held = {name: there.manifest.get(name) for name in plan}
    if held != plan:
        other = ", ".join(name for name in plan if held[name] != plan[name])
        raise DataError(
            f"{out}: holds another corpus, with other {other}; name another folder, or "
            "delete it"
        )
    there.check()
    return there


def _begin(writing, plan, counted):
    """A folder with this plan: of one that was cut off, all shards are kept."""
    content = json.dumps(plan).encode()
    if (writing / PLAN).exists() and (writing / PLAN).read_bytes() != content:
        shutil.rmtree(writing)
    writing.mkdir(parents=True, exist_ok=True)
    write_file(writing / PLAN, content)
    columns = counted.names, counted.counts, counted.document_frequency
    lines = ("\t".join(map(str, row)) + "\n" for row in zip(*columns, strict=True))
    write_file(writing / VOCABULARY, "".join(lines).encode())


def _shards(runs, settings, writing, counted, cut, documents) -> dict[str, list]:
    shared = {
        "folder": str(writing.resolve()),
        "documents": settings.documents,
        "kinds": settings.kinds,
        "place": {name: i for i, name in enumerate(counted.names)},
        "stay": kept(counted.counts, settings.sample),
        "window": settings.window,
        "seed": settings.seed,
    }
    first = np.cumsum([0, *documents]).tolist()
    if first[-1] >= 2**31:
        raise DataError(f"documents must be fewer than 2^31, got {first[-1]}")
    tasks = [(i, piece, first[i]) for i, piece in enumerate(cut)]
    found = runs.map(write_piece, tasks, shared)
    records = {kind: [record[kind] for record in found] for kind in found[0]}
    if "cooccurrence" not in settings.kinds:
        return records
    buckets = -(-len(cut) // PIECES)
    done = {b: finished(shared["folder"], "bucket", b) for b in range(buckets)}
    missing = [b for b, record in done.items() if record is None]
    shared = {k: shared[k] for k in ("folder", "window")}
    shared |= {"vocabulary": len(counted.names), "buckets": buckets, "missing": missing}
    if missing:
        tasks = range(len(cut))
        new = runs.merge(cooccurrence_piece, tasks, write_bucket, shared)
        done |= dict(zip(missing, new, strict=True))
    records["cooccurrence"] = [done[b]["cooccurrence"] for b in range(buckets)]
    return records


def _end(writing, out, manifest):
    words = writing / VOCABULARY
    manifest["shards"]["vocabulary"] = [
        {"name": VOCABULARY, "rows": manifest["vocabulary"], "sha256": sha256(words)}
    ]
    content = json.dumps(manifest, indent=1).encode()
    write_file(writing / MANIFEST, content)
    names = {r["name"] for records in manifest["shards"].values() for r in records}
    for path in writing.iterdir():  # notes on the way, and what killed workers left
        if path.name not in names | {MANIFEST}:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    out.parent.mkdir(parents=True, exist_ok=True)
    os.replace(writing, out)
