"""Corpora on one machine: pieces, counts by loops, shards, resuming, bad input.

That Spark gives the same is in test_corpus_spark.py.
"""

import collections
import hashlib
import shutil

import numpy as np
import pytest

from zoo.data import (
    CountsSource,
    DataError,
    PairsSource,
    bags,
    corpus,
    grain_batches,
    read_corpus,
    spark,
    text,
    words,
)
from zoo.data.corpus_counts import (
    _mix,
    cooccurrence,
    draws,
    encode,
    pairs,
    terms,
    word_counts,
)
from zoo.data.corpus_input import pieces, read, text_files
from zoo.data.corpus_shards import write_piece
from zoo.data.words import kept, tokenise

FILES = {
    "b.txt": b"\xef\xbb\xbfThe whale,\nthe SHIP.\r\n\r\n \nA whale\n\n\nthe sea\nsaid",
    "in/a.txt": "Über dem Meer\n\n".encode() + b"the sea the sea the whale\n" * 5,
    "empty.txt": b"",
    "z.txt": b"\n\n3 4\n\nthe end\n",
    "not.md": b"unread",
}
SETTINGS = corpus.Settings(least=2, window=2, sample=0.05, shard_bytes=40)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "text" / "in").mkdir(parents=True)
    for name, content in FILES.items():
        (tmp_path / "text" / name).write_bytes(content)
    return tmp_path / "text"


def digests(folder):
    return {
        p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.iterdir()
    }


def naive(kind):
    """Documents, read at once."""
    names = sorted(name for name in FILES if name.endswith(".txt"))
    found = []
    for name in names:
        whole = FILES[name].decode("utf-8-sig").replace("\r\n", "\n")
        lines = whole.removesuffix("\n").split("\n") if whole else []
        blocks, held = [], []
        for line in [*lines, ""]:
            held = [*held, line] if line.strip() else held
            if not line.strip() and held:
                blocks, held = [*blocks, "\n".join(held)], []
        found += {"line": lines, "paragraph": blocks, "file": [whole]}[kind]
    return found


@pytest.mark.parametrize("kind, number", [("line", 21), ("paragraph", 7), ("file", 4)])
def test_pieces_of_any_size_are_the_same_documents(folder, kind, number):
    files = text_files(folder)
    assert [name for name, _ in files] == ["b.txt", "empty.txt", "in/a.txt", "z.txt"]
    expected = naive(kind)
    assert len(expected) == number
    plain = lambda written: written.replace("\r\n", "\n").removesuffix("\n")
    for size in (*range(1, 60), 1000):
        cut = pieces(folder, files, kind, size)
        found = [plain(d) for piece in cut for d in read(piece, kind)]
        assert found == [plain(d) for d in expected], size
    assert len(pieces(folder, files, kind, 1000)) == 1


def test_counts_by_a_loop(folder):
    found = corpus.count(folder, SETTINGS)
    documents = [tokenise(d) for d in naive("paragraph")]
    times = collections.Counter(w for d in documents for w in d)
    within = collections.Counter(w for d in documents for w in set(d))
    order = sorted((w for w in times if times[w] >= 2), key=lambda w: (-times[w], w))
    assert found.names == tuple(order)
    assert found.counts.tolist() == [times[w] for w in order]
    assert found.document_frequency.tolist() == [within[w] for w in order]
    assert found.documents == 7 and found.tokens == sum(times.values())
    assert found.distinct == len(times) > len(order)
    once = word_counts(["", "a b", "a a"])
    assert once == ({"a": (3, 2), "b": (1, 1)}, 3)


def test_chance_is_splitmix64():
    """The first numbers of the generator from 1234567, as its users print them."""
    state = np.uint64(1234567) + np.arange(3, dtype=np.uint64) * np.uint64(
        0x9E3779B97F4A7C15
    )
    printed = [6457827717110365317, 3203168211198807973, 9817491932198370423]
    assert _mix(state).tolist() == printed


def mixed(z):
    """The same, in Python's whole numbers."""
    low = 2**64 - 1
    z = (z + 0x9E3779B97F4A7C15) & low
    z = ((z ^ z >> 30) * 0xBF58476D1CE4E5B9) & low
    z = ((z ^ z >> 27) * 0x94D049BB133111EB) & low
    return z ^ z >> 31


def drawn(seed, stream, document, position):
    z = mixed(mixed(seed) + stream & 2**64 - 1)
    return mixed(mixed(z + document & 2**64 - 1) + position & 2**64 - 1)


@pytest.fixture(scope="module")
def some():
    """Tokens of 40 documents, of which some are empty."""
    rng = np.random.default_rng(0)
    document = np.repeat(np.arange(5, 45), rng.integers(0, 9, 40))
    return np.stack([document, rng.integers(0, 7, len(document))], 1).astype(np.int32)


def test_pairs_by_a_loop(some):
    stay, window, seed = np.linspace(0.2, 1, 7), 3, 2**63 + 5
    place = collections.Counter()
    held = collections.defaultdict(list)
    for d, w in some.tolist():
        if (drawn(seed, 0, d, place[d]) >> 11) / 2**53 < stay[w]:
            held[d].append((w, 1 + drawn(seed, 1, d, place[d]) % window))
        place[d] += 1
    expected = [
        [w, left[j][0]]
        for left in held.values()
        for i, (w, reach) in enumerate(left)
        for j in range(max(0, i - reach), min(len(left), i + reach + 1))
        if j != i
    ]
    found = pairs(some, stay, window, seed)
    assert found.tolist() == expected and found.dtype == np.int32
    assert pairs(some, stay, window, seed + 1).tolist() != expected
    assert pairs(some, 0 * stay, window).shape == pairs(some[:0], stay).shape == (0, 2)


def test_chance_is_even():
    """Streams, documents and places are drawn apart, and words stay as they should."""
    document, place = (a.ravel() for a in np.meshgrid(np.arange(200), np.arange(200)))
    u = (draws(3, 0, document, place) >> np.uint64(11)) * 2.0**-53
    v = (draws(3, 1, document, place) >> np.uint64(11)) * 2.0**-53
    assert len(np.unique(u)) == len(u) == 40_000
    counts = np.bincount((u * 20).astype(int), minlength=20)
    assert ((counts - 2000) ** 2 / 2000).sum() < 43.8  # chi-squared, 19, 0.001
    others = (v, np.roll(u, 1), np.roll(u.reshape(200, 200), 1, 0).ravel())
    assert all(abs(np.corrcoef(u, w)[0, 1]) < 0.02 for w in others)  # 4 sigma


def test_terms_and_cooccurrence_by_a_loop(some):
    dense = np.zeros((45, 7), int)
    np.add.at(dense, tuple(some.T), 1)
    found = terms(some)
    assert (np.diff(found[:, 0] * 7 + found[:, 1]) > 0).all()
    again = np.zeros_like(dense)
    again[found[:, 0], found[:, 1]] = found[:, 2]
    np.testing.assert_array_equal(again, dense)
    near = np.zeros((7, 7), int)
    for i, (d, w) in enumerate(some.tolist()):
        for j, (e, c) in enumerate(some.tolist()):
            near[w, c] += d == e and 0 < abs(i - j) <= 3
    keys, counts = cooccurrence(some, 7, 3)
    assert (np.diff(keys) > 0).all()
    again = np.zeros(49, int)
    again[keys] = counts
    np.testing.assert_array_equal(again.reshape(7, 7), near)
    assert len(cooccurrence(some[:1], 7)[0]) == len(cooccurrence(some[:0], 7)[0]) == 0
    assert encode(["b x a", "", "a"], {"a": 0, "b": 1}, 4).tolist() == [
        [4, 1], [4, 0], [6, 0]
    ]  # fmt: skip
    assert encode([], {}).shape == (0, 2)


def test_shards_of_any_size_hold_the_same(folder, tmp_path):
    found = {}
    for size in (1, 40, 10_000):
        out = tmp_path / f"out{size}"
        settings = corpus.Settings(least=2, window=2, sample=0.05, shard_bytes=size)
        made = corpus.write(folder, out, settings)
        arrays = {
            kind: np.concatenate([made.array(kind, k) for k in range(len(records))])
            for kind, records in made.manifest["shards"].items()
            if kind != "vocabulary"
        }
        near = arrays["cooccurrence"]
        arrays["cooccurrence"] = near[np.lexsort(near.T[1::-1])]
        found[size] = {k: a.tolist() for k, a in arrays.items()}
        found[size]["words"] = made.names, made.counts.tolist(), made.documents
        names = {r["name"] for rs in made.manifest["shards"].values() for r in rs}
        assert {p.name for p in out.iterdir()} == names | {"manifest.json"}
        assert not (tmp_path / f"out{size}.writing").exists()
        if size == 40:
            assert len(made.shards("tokens")) > 4
    assert found[1] == found[40] == found[10_000]
    held = found[40]
    stay = kept(np.array(held["words"][1]), 0.05)
    assert held["pairs"] == pairs(np.array(held["tokens"]), stay, 2).tolist()
    assert held["terms"] == terms(np.array(held["tokens"])).tolist()


def test_others_read_it(folder, tmp_path):
    made = corpus.write(folder, tmp_path / "out", SETTINGS)
    whole = bags(tmp_path / "out")
    assert whole.vocabulary == made.names and len(whole.titles) == made.documents == 7
    documents = text(tmp_path / "out").splitlines()
    assert [len(d.split()) for d in documents] == [
        int((whole.document == i).sum()) for i in range(7)
    ]
    assert documents[5] == ""  # "3 4": a document without words
    again = words(text(tmp_path / "out"), least=2)
    assert again.names == made.names
    np.testing.assert_array_equal(again.counts, made.counts)
    np.testing.assert_array_equal(again.numbers, whole.word)


def test_streams_over_the_shards(folder, tmp_path):
    made = corpus.write(folder, tmp_path / "out", SETTINGS)
    source = PairsSource(made)
    stream = grain_batches(source, batch_size=4, seed=1)
    batches = [stream.at(i) for i in range(len(source) // 4)]
    rows = np.concatenate([np.append(b["x"], b["y"][:, None], 1) for b in batches])
    index = np.concatenate([b["index"] for b in batches])
    shards = range(len(made.shards("pairs")))
    every = np.concatenate([made.array("pairs", k) for k in shards])
    np.testing.assert_array_equal(rows, every[index])
    assert len(set(index.tolist())) == len(index) and batches[0]["x"].shape == (4, 1)
    counts = CountsSource(made)
    dense = np.zeros((7, len(made.names)), int)
    np.add.at(dense, tuple(np.array(bags(tmp_path / "out")[1::-1])), 1)
    np.testing.assert_array_equal([counts[i]["x"] for i in range(len(counts))], dense)


def test_cut_off_it_goes_on(folder, tmp_path, monkeypatch):
    corpus.write(folder, tmp_path / "whole", SETTINGS)
    calls = []

    def dies(task, shared):
        if len(calls) == 3:
            raise KeyboardInterrupt
        calls.append(task)
        return write_piece(task, shared)

    monkeypatch.setattr(corpus, "write_piece", dies)
    out, writing = tmp_path / "out", tmp_path / "out.writing"
    with pytest.raises(KeyboardInterrupt):
        corpus.write(folder, out, SETTINGS)
    assert not out.exists() and (writing / "shard-00002.json").exists()
    with pytest.raises(DataError, match="it is being written, or was cut off"):
        read_corpus(out)
    monkeypatch.undo()
    (writing / "pairs-00001.npy").write_bytes(b"damaged")
    (writing / "tokens-00009.npy.0.writing").write_bytes(b"half")
    before = (writing / "tokens-00000.npy").stat().st_mtime_ns
    made = corpus.write(folder, out, SETTINGS)
    assert (out / "tokens-00000.npy").stat().st_mtime_ns == before
    assert digests(out) == digests(tmp_path / "whole")
    assert corpus.write(folder, out, SETTINGS).manifest == made.manifest  # it is there
    with pytest.raises(DataError, match="holds another corpus, with other settings"):
        corpus.write(folder, out, corpus.Settings(shard_bytes=40))
    # What was cut off with other settings is begun anew.
    shutil.move(out, writing)
    (writing / "plan.json").write_text("{}")
    other = corpus.Settings(least=3, shard_bytes=40, kinds=("tokens", "terms"))
    made = corpus.write(folder, out, other)
    assert set(made.manifest["shards"]) == {"tokens", "terms", "vocabulary"}
    assert not list(out.glob("pairs*"))
    with pytest.raises(ValueError, match="unknown kind of shard .* 'pairs'"):
        PairsSource(made)


def test_damage_is_told(folder, tmp_path):
    out = tmp_path / "out"
    made = corpus.write(folder, out, SETTINGS)
    raw = bytearray((out / "pairs-00001.npy").read_bytes())
    raw[-1] ^= 1
    (out / "pairs-00001.npy").write_bytes(raw)
    made.array("pairs", 0)
    for use in (lambda: made.array("pairs", 1), made.check,
                lambda: corpus.write(folder, out, SETTINGS)):  # fmt: skip
        with pytest.raises(DataError, match="pairs-00001.npy: damaged; its SHA-256"):
            use()
    (out / "terms-00000.npy").unlink()
    with pytest.raises(DataError, match="terms-00000.npy: cannot be read"):
        CountsSource(made)[0]
    (out / "vocabulary.tsv").write_text("the\t1\t1\n")
    with pytest.raises(DataError, match="vocabulary.tsv: damaged"):
        read_corpus(out)
    for content in ("{", "{}", '{"format": 2, "shards": {"vocabulary": [1]}}'):
        (out / "manifest.json").write_text(content)
        with pytest.raises(DataError, match="manifest.json is damaged|format 1, got 2"):
            read_corpus(out)


def test_text_that_cannot_be_read(folder, tmp_path):
    """Nothing is written."""
    (folder / "in" / "a.txt").write_bytes(b"the sea\n" * 30 + b"the s\xe9a\n")
    with pytest.raises(DataError, match=r"a\.txt: byte 245 is not UTF-8 .*iconv"):
        corpus.write(folder, tmp_path / "out", SETTINGS)
    assert [p.name for p in tmp_path.iterdir()] == ["text"]


@pytest.mark.parametrize(
    "files, message",
    [
        ({}, "no file of the name"),
        ({"a.txt": ""}, "only empty files of the name"),
        ({"a.md": "words"}, "no file of the name"),
        ({"a.txt": "1 2\n\n3"}, "no word in 1 files"),
        ({"a.txt": "one two"}, "2 words, none 5 times in 1 files"),
    ],
)
def test_folders_without_text(files, message, tmp_path):
    (tmp_path / "in").mkdir()
    for name, content in files.items():
        (tmp_path / "in" / name).write_text(content)
    with pytest.raises(DataError, match=message):
        corpus.write(tmp_path / "in", tmp_path / "out")
    assert [p.name for p in tmp_path.iterdir()] == ["in"]


def test_folders_of_others_are_left_alone(folder, tmp_path):
    for name in ("out", "out.writing"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "mine").write_text("")
        with pytest.raises(DataError, match=f"{name}: holds something else"):
            corpus.write(folder, tmp_path / "out", SETTINGS)
        shutil.rmtree(tmp_path / name)
    with pytest.raises(DataError, match="lies within .* whose files are read"):
        corpus.write(folder, folder / "out", SETTINGS)
    with pytest.raises(DataError, match="no such folder"):
        corpus.count(tmp_path / "none")


@pytest.mark.parametrize(
    "fields, message",
    [
        ({"documents": "lines"}, "unknown documents 'lines'; did you mean 'line'"),
        ({"kinds": ("pair",)}, "unknown kind of shard 'pair'; did you mean 'pairs'"),
        ({"least": 0}, "least must be an integer at least 1"),
        ({"window": 0}, "window must be"),
        ({"shard_bytes": 0}, "shard_bytes must be"),
        ({"seed": -1}, "seed must be"),
        ({"sample": -1.0}, "sample must be 0 or positive"),
    ],
)
def test_settings(fields, message):
    with pytest.raises(ValueError, match=message):
        corpus.Settings(**fields)


def test_without_spark(folder, tmp_path, monkeypatch):
    """What to install is said, and where a master is not."""
    with pytest.raises(
        ValueError, match="unknown engine 'sparc'; did you mean 'spark'"
    ):
        corpus.count(folder, SETTINGS, engine="sparc")
    with pytest.raises(ValueError, match="partitions must be an integer at least 1"):
        corpus.count(folder, SETTINGS, engine="spark", partitions=0)
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setattr(spark.shutil, "which", lambda name: None)
    with pytest.raises(spark.SparkError, match="needs Java 17 or newer.*install one"):
        corpus.write(folder, tmp_path / "out", SETTINGS, engine="spark")
    monkeypatch.setattr(spark.shutil, "which", lambda name: "java")
    monkeypatch.setattr(spark.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(spark.SparkError, match=r"pip install 'zoo-jax\[spark\]'"):
        corpus.write(folder, tmp_path / "out", SETTINGS, engine="spark")
    assert [p.name for p in tmp_path.iterdir()] == ["text"]
