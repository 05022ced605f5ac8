"""A counted corpus, read: whole, by shards, or example by example.

    manifest.json     settings, files, documents of each shard; of each file its name,
                      rows and SHA-256
    vocabulary.tsv    word, times, documents; a line each, the most frequent first

A file is compared with its checksum when it is first opened, and mapped into memory.
`zoo.data.corpus` writes these folders, `zoo.data.bags` and `zoo.data.text` take them by
their path, and `zoo.data.grain_batches` takes the two sources below.
"""

import bisect
import dataclasses
import functools
import itertools
import json
from pathlib import Path

import numpy as np

from zoo.data.checks import whole_number
from zoo.data.corpus_shards import sha256
from zoo.data.formats import DataError
from zoo.errors import unknown

FORMAT, MANIFEST, VOCABULARY = 1, "manifest.json", "vocabulary.tsv"


@dataclasses.dataclass(frozen=True)
class Corpus:
    """A folder that `corpus.write` made.

    Attributes:
        folder: where it is.
        manifest: as in the file.
        names: of the words, [V].
        counts: how often each is met, int64 [V].
        document_frequency: in how many documents, int64 [V].
    """

    folder: Path
    manifest: dict
    names: tuple[str, ...]
    counts: np.ndarray
    document_frequency: np.ndarray

    @property
    def documents(self) -> int:
        """How many there are, empty ones too."""
        return sum(self.manifest["documents"])

    def shards(self, kind: str) -> list[dict]:
        """The records of a kind's files, in order.

        Raises:
            ValueError: a kind that was not written.
        """
        held = self.manifest["shards"]
        if kind not in held:
            raise unknown(f"kind of shard in {self.folder}", kind, held)
        return held[kind]

    def array(self, kind: str, number: int) -> np.ndarray:
        """A shard, mapped into memory and read-only.

        Raises:
            DataError: it is missing, or is not as it was written.
        """
        record = self.shards(kind)[number]
        _check(self.folder, record)
        return np.load(self.folder / record["name"], mmap_mode="r")

    def check(self) -> None:
        """Compares all files with their checksums.

        Raises:
            DataError: one is missing, or is not as it was written.
        """
        for records in self.manifest["shards"].values():
            for record in records:
                _check(self.folder, record)


def is_corpus(folder: str | Path) -> bool:
    """Whether a path is a folder with a manifest."""
    return (Path(folder) / MANIFEST).is_file()


def read_corpus(folder: str | Path) -> Corpus:
    """A counted corpus; its shards are read when they are asked for.

    Raises:
        DataError: a folder without a manifest, or of another format; a vocabulary that
            is not as it was written.
    """
    folder = Path(folder).expanduser()
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        version = manifest["format"]
        (words,) = manifest["shards"]["vocabulary"]
    except OSError as error:
        unfinished = folder.with_name(f"{folder.name}.writing").exists()
        more = "; it is being written, or was cut off: run it again" * unfinished
        raise DataError(f"{folder}: no counted corpus, no {MANIFEST}{more}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{folder}: {MANIFEST} is damaged: {error!r}") from error
    if version != FORMAT:
        raise DataError(f"{folder}: must be of format {FORMAT}, got {version}")
    _check(folder, words)
    with open(folder / VOCABULARY, encoding="utf-8", newline="\n") as file:
        names, times, within = zip(*(line.split("\t") for line in file), strict=True)
    numbers = lambda column: np.array(column, np.int64)
    return Corpus(folder, manifest, names, numbers(times), numbers(within))


class PairsSource:
    """The training pairs of a corpus, one by one: x [1] and y, as `words.contexts`.

    `zoo.data.grain_batches(PairsSource(corpus), batch_size)` is a stream for
    `zoo.sequence.word2vec`, and holds none of them.
    """

    def __init__(self, corpus: Corpus):
        self._array = functools.cache(functools.partial(corpus.array, "pairs"))
        rows = (record["rows"] for record in corpus.shards("pairs"))
        self._starts = list(itertools.accumulate(rows, initial=0))

    def __len__(self) -> int:
        return self._starts[-1]

    def __getitem__(self, i: int) -> dict[str, np.ndarray]:
        i = whole_number("i", i, 0, len(self) - 1)
        shard = bisect.bisect_right(self._starts, i) - 1
        x, y = self._array(shard)[i - self._starts[shard]]
        return {"x": np.array([x]), "y": y}


class CountsSource:
    """The documents of a corpus, one by one: x, counts [V], as LDA takes them."""

    def __init__(self, corpus: Corpus):
        self._array = functools.cache(functools.partial(corpus.array, "terms"))
        corpus.shards("terms")
        each = corpus.manifest["documents"]
        self._starts = list(itertools.accumulate(each, initial=0))
        self._words = len(corpus.names)

    def __len__(self) -> int:
        return self._starts[-1]

    def __getitem__(self, i: int) -> dict[str, np.ndarray]:
        i = whole_number("i", i, 0, len(self) - 1)
        rows = self._array(bisect.bisect_right(self._starts, i) - 1)
        start, stop = np.searchsorted(rows[:, 0], [i, i + 1])
        counts = np.zeros(self._words, np.int32)
        counts[rows[start:stop, 1]] = rows[start:stop, 2]
        return {"x": counts}


def tokens(corpus: Corpus) -> np.ndarray:
    """All tokens, in memory: int32 [T, 2], (document, word)."""
    shards = range(len(corpus.shards("tokens")))
    return np.concatenate([corpus.array("tokens", k) for k in shards])


def _check(folder, record):
    path = folder / record["name"]
    try:
        found = sha256(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    if found != record["sha256"]:
        raise DataError(
            f"{path}: damaged; its SHA-256 is {found[:12]}..., and the manifest has "
            f"{record['sha256'][:12]}...; delete the folder and count again"
        )
