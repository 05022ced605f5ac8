"""One piece of a corpus at a time: what is counted of it, and the files it becomes.

These functions are what a worker runs, of `corpus_spark` another process or another
machine. They take and give plain values, and a file is written under another name and
renamed: if two workers write one shard, both write the same.

    tokens-00003.npy  terms-00003.npy  pairs-00003.npy    of piece 3; see corpus_counts
    cooccurrence-00001.npy    rows (w, c, count) of words w with w mod R = 1
    shard-00003.json          last: rows and SHA-256 of these files; they are complete
"""

import contextlib
import hashlib
import json
import os
import uuid
import zlib
from pathlib import Path

import numpy as np

from zoo.data.corpus_counts import cooccurrence, encode, pairs, terms, word_counts
from zoo.data.corpus_input import read

Shared = dict  # what all tasks of a job have in common, plain values and arrays
Keyed = tuple[np.ndarray, np.ndarray]  # keys and counts


def count_piece(task, shared: Shared):
    """(number, piece) -> ((documents, tokens, CRC-32 of its text), words' counts)."""
    _, piece = task
    crc = 0

    def documents():
        nonlocal crc
        for written in read(piece, shared["documents"]):
            crc = zlib.crc32(b"\0", zlib.crc32(written.encode(), crc))
            yield written

    found, number = word_counts(documents())
    tokens = sum(times for times, _ in found.values())
    return (number, tokens, crc), list(found.items())


def write_piece(task, shared: Shared) -> dict[str, dict]:
    """(number, piece, first document) -> records of the shard's files."""
    number, piece, first = task
    folder, kinds = shared["folder"], shared["kinds"]
    done = finished(folder, "shard", number)
    if done is not None:
        return done
    found = {"tokens": encode(read(piece, shared["documents"]), shared["place"], first)}
    if "terms" in kinds:
        found["terms"] = terms(found["tokens"])
    if "pairs" in kinds:
        options = shared["window"], shared["seed"]
        found["pairs"] = pairs(found["tokens"], shared["stay"], *options)
    records = {kind: save(folder, kind, number, a) for kind, a in found.items()}
    write_file(
        Path(folder, _name("shard", number, "json")), json.dumps(records).encode()
    )
    return records


def cooccurrence_piece(number: int, shared: Shared) -> list[tuple[int, Keyed]]:
    """The counts of a piece whose tokens are written: for each bucket that is missing
    its keys and counts."""
    tokens = np.load(Path(shared["folder"], _name("tokens", number)))
    size = shared["vocabulary"]
    keys, counts = cooccurrence(tokens, size, shared["window"])
    bucket = keys // size % shared["buckets"]
    choose = lambda b: (keys[bucket == b], counts[bucket == b])
    return [(b, choose(b)) for b in shared["missing"]]


def write_bucket(number: int, found: Keyed, shared: Shared) -> dict[str, dict]:
    """The file of a bucket, from what all pieces have counted."""
    keys, counts = found
    size = shared["vocabulary"]
    rows = np.stack([keys // size, keys % size, counts], axis=1)
    folder = shared["folder"]
    records = {"cooccurrence": save(folder, "cooccurrence", number, rows)}
    write_file(
        Path(folder, _name("bucket", number, "json")), json.dumps(records).encode()
    )
    return records


def save(folder: str, kind: str, number: int, array: np.ndarray) -> dict:
    """Writes an array, and says what is written: name, rows, SHA-256."""
    path = Path(folder, _name(kind, number))
    with _temporary(path) as temporary:
        with open(temporary, "wb") as file:
            np.save(file, array, allow_pickle=False)
        digest = sha256(temporary)
    return {"name": path.name, "rows": len(array), "sha256": digest}


def finished(folder: str, what: str, number: int) -> dict[str, dict] | None:
    """The records of a shard that is there and whole; None otherwise."""
    try:
        records = json.loads(Path(folder, _name(what, number, "json")).read_text())
        whole = (
            sha256(Path(folder, r["name"])) == r["sha256"] for r in records.values()
        )
        return records if all(whole) else None
    except (OSError, ValueError):
        return None


def sha256(path: Path) -> str:
    """Of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _name(kind, number, ending="npy"):
    return f"{kind}-{number:05d}.{ending}"


@contextlib.contextmanager
def _temporary(path: Path):
    """A name beside that of a file; renamed to it at the end, or nothing is left."""
    beside = path.with_name(f"{path.name}.{uuid.uuid4().hex}.writing")
    try:
        yield beside
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def write_file(path: Path, content: bytes) -> None:
    """A file that is there whole or not at all."""
    with _temporary(path) as temporary:
        temporary.write_bytes(content)
