"""CIFAR-10 in its published forms; no pickle is executed."""

import gzip
import io
import os
import pickle
import struct
import tarfile

import numpy as np
import pytest

from zoo.data.cifar import BATCHES, read_cifar10
from zoo.data.formats import DataError
from zoo.data.unpickle import read_pickled_dict

N = 3  # images a batch
RNG = np.random.default_rng(0)
PLANES = {stem: RNG.integers(0, 256, (N, 3, 32, 32), np.uint8) for stem in BATCHES}
LABELS = {stem: RNG.integers(0, 10, N).tolist() for stem in BATCHES}


def binary(stem):
    """Records of a label and three planes, from the description of the format."""
    return b"".join(
        bytes([y]) + image.tobytes()
        for y, image in zip(LABELS[stem], PLANES[stem], strict=True)
    )


def python2(planes, labels, name=b"numpy.core.multiarray"):
    """The opcodes that Python 2 wrote into the owner's batches."""
    data = planes.tobytes()

    def text(s):
        return b"U" + bytes([len(s)]) + s

    dtype = b"cnumpy\ndtype\n" + text(b"u1") + b"K\x00K\x01\x87R"
    dtype += b"(K\x03" + text(b"|") + b"NNN" + b"J\xff\xff\xff\xff" * 2 + b"K\x00tb"
    array = b"c" + name + b"\n_reconstruct\ncnumpy\nndarray\nK\x00\x85" + text(b"b")
    array += b"\x87R(K\x01M" + struct.pack("<H", len(planes)) + b"M\x00\x0c\x86" + dtype
    array += b"\x89T" + struct.pack("<I", len(data)) + data + b"tb"
    label_list = b"](" + b"".join(b"K" + bytes([y]) for y in labels) + b"e"
    batch = text(b"batch_label") + text(b"training batch 1 of 5")
    batch += text(b"labels") + label_list + text(b"data") + array
    return b"\x80\x02}(" + batch + b"u."


def python3(stem, protocol, keys=str):
    batch = {"data": PLANES[stem].reshape(N, 3072), "labels": LABELS[stem]}
    if keys is bytes:
        batch = {key.encode(): value for key, value in batch.items()}
    return pickle.dumps(batch, protocol)


FORMS = {
    "binary": (".bin", binary),
    "python2": ("", lambda stem: python2(PLANES[stem], LABELS[stem])),
    **{
        f"python3-{protocol}": ("", lambda stem, p=protocol: python3(stem, p))
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1)
    },
    "bytes keys": ("", lambda stem: python3(stem, 4, bytes)),
}


def write(folder, form, but=None):
    """The six batches of a form; `but` replaces or drops some."""
    suffix, make = FORMS[form]
    files = {stem + suffix: make(stem) for stem in BATCHES} | (but or {})
    folder.mkdir(exist_ok=True)
    (folder / "readme.html").write_text("not data")
    for name, raw in files.items():
        if raw is not None:
            (folder / name).write_bytes(raw)
    return folder


def pack(folder, path):
    with tarfile.open(path, "w:gz") as archive:
        archive.add(folder, arcname="cifar-10-batches")
    return path


def check(train, test):
    x = np.concatenate([PLANES[stem] for stem in BATCHES[:-1]]).transpose(0, 2, 3, 1)
    y = np.array(sum((LABELS[stem] for stem in BATCHES[:-1]), []), np.int32)
    np.testing.assert_array_equal(train["x"], x, strict=True)
    np.testing.assert_array_equal(train["y"], y, strict=True)
    x = PLANES["test_batch"].transpose(0, 2, 3, 1)
    np.testing.assert_array_equal(test["x"], x, strict=True)
    np.testing.assert_array_equal(test["y"], LABELS["test_batch"])
    assert test["y"].dtype == np.int32
    # Row 3, column 7, green: the plane 1, 3 rows of 32 further on, and 7 more.
    assert train["x"][0, 3, 7, 1] == PLANES["data_batch_1"].ravel()[1024 + 3 * 32 + 7]


@pytest.mark.parametrize("form", FORMS)
def test_every_form_from_folder_and_archive(tmp_path, form):
    folder = write(tmp_path / "batches", form)
    check(*read_cifar10(folder))
    check(*read_cifar10(pack(folder, tmp_path / "cifar.tar.gz")))
    check(*read_cifar10(str(folder)))


def test_the_python2_form_is_what_pickle_itself_reads():
    planes, labels = PLANES["test_batch"], LABELS["test_batch"]
    batch = pickle.loads(python2(planes, labels), encoding="bytes")
    np.testing.assert_array_equal(batch[b"data"], planes.reshape(N, 3072), strict=True)
    assert batch[b"labels"] == labels


@pytest.mark.parametrize(
    "form, but, message",
    [
        ("binary", {"data_batch_3.bin": None}, "lacks data_batch_3.bin"),
        ("python2", {"test_batch": None}, "lacks test_batch"),
        ("binary", {"data_batch_2.bin": b""}, "data_batch_2.bin: 0 bytes, expected"),
        (
            "binary",
            {"data_batch_2.bin": binary("data_batch_2")[:-1]},
            "data_batch_2.bin: 9218 bytes, expected records of 3073",
        ),
        (
            "binary",
            {"data_batch_2.bin": binary("data_batch_2")[:-3073]},
            r"hold \[3, 2, 3, 3, 3, 3\] images, expected equal",
        ),
        (
            "binary",
            {"test_batch.bin": bytes([10]) + bytes(3072)},
            "test_batch.bin: labels from 10 to 10, expected 0 to 9",
        ),
        (
            "python2",
            {"test_batch": python2(PLANES["test_batch"], [1, 10, 2])},
            "test_batch: labels from 1 to 10, expected 0 to 9",
        ),
        (
            "python2",
            {"test_batch": python2(PLANES["test_batch"], [1, 2])},
            "test_batch: labels is not a list of 3 integers",
        ),
        (
            "python2",
            {"test_batch": pickle.dumps({"data": 1})},
            "test_batch: lacks labels; it holds data",
        ),
        (
            "python2",
            {"test_batch": pickle.dumps({"data": np.zeros((2, 9)), "labels": [0, 0]})},
            r"test_batch: data is not uint8 \[n, 3072\]",
        ),
        (
            "python2",
            {
                "test_batch": pickle.dumps(
                    {"data": np.zeros((1, 3072), np.uint8), "labels": [-1]}
                )
            },
            "labels from -1 to -1",
        ),
        (
            "python2",
            {
                "test_batch": pickle.dumps(
                    {"data": np.zeros((1, 3072), np.uint8), "labels": [True]}
                )
            },
            "labels is not a list",
        ),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path, form, but, message):
    folder = write(tmp_path / "batches", form, but)
    with pytest.raises(DataError, match=message):
        read_cifar10(folder)
    with pytest.raises(DataError, match=message):
        read_cifar10(pack(folder, tmp_path / "cifar.tar.gz"))


def test_wrong_archives_are_refused(tmp_path):
    path = tmp_path / "cifar.tar.gz"
    with pytest.raises(DataError, match="cifar.tar.gz: cannot be read"):
        read_cifar10(path)
    pack(write(tmp_path / "batches", "binary"), path)
    whole = path.read_bytes()
    for length in (5, 1000, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(DataError, match="cifar.tar.gz: truncated"):
            read_cifar10(path)
    tar = gzip.decompress(whole)
    path.write_bytes(tar[: len(tar) // 2])  # truncated before it was zipped
    with pytest.raises(DataError, match="cifar.tar.gz"):
        read_cifar10(path)
    for foreign in (b"", b"<html>", gzip.compress(b"no tar" * 1000)):
        path.write_bytes(foreign)
        with pytest.raises(DataError, match="cifar.tar.gz"):
            read_cifar10(path)


def test_links_in_an_archive_are_not_followed(tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(binary("test_batch"))
    folder = write(tmp_path / "batches", "binary", {"test_batch.bin": None})
    (folder / "test_batch.bin").symlink_to(secret)
    with pytest.raises(DataError, match="lacks test_batch.bin"):
        read_cifar10(pack(folder, tmp_path / "cifar.tar.gz"))


# The unpickler itself.


class Evil:
    def __init__(self, *call):
        self.call = call

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    "call, name",
    [
        ((os.mkdir,), "posix.mkdir"),
        ((os.system,), "posix.system"),
        ((eval,), "builtins.eval"),
        ((getattr,), "builtins.getattr"),
        ((np.load,), "numpy.load"),
        ((np.frombuffer,), "numpy.frombuffer"),
    ],
)
def test_other_names_are_refused_and_not_executed(tmp_path, call, name, protocol):
    witness = tmp_path / "executed"
    raw = pickle.dumps({"data": Evil(*call, (str(witness),))}, protocol)
    module, attribute = name.split(".")
    if protocol < 3 and module == "builtins":
        name = f"__builtin__.{attribute}"
    if protocol < 3 and module == "nt":
        name = f"{module}.{attribute}"
    with pytest.raises(
        DataError, match="data_batch_1: refused; this pickle wants"
    ) as e:
        read_pickled_dict(raw, "data_batch_1")
    assert attribute in str(e.value)
    assert not witness.exists()


def test_the_example_would_have_executed(tmp_path):
    witness = tmp_path / "executed"
    pickle.loads(pickle.dumps({"data": Evil(os.mkdir, (str(witness),))}))
    assert witness.exists()


def test_executing_by_way_of_permitted_names_is_refused(tmp_path):
    witness = str(tmp_path / "executed").encode()
    mkdir = b"cposix\nmkdir\n"
    call = b"(S'" + witness + b"'\ntR"
    for raw in (
        b"(dS'a'\n" + mkdir + call + b"s.",
        b"(S'" + witness + b"'\niposix\nmkdir\n.",  # INST
        b"(" + mkdir + b"S'" + witness + b"'\no.",  # OBJ
        b"(dS'a'\ncnumpy\nndarray.__reduce__\n" + call + b"s.",
        b"(dS'a'\nc_codecs\nencode\n(S'x'\nS'rot13'\ntRs.",
        b"(dS'a'\nS'id'\nQs.",  # a persistent id
        b"(dS'a'\n\x82\x01s.",  # an extension code
        b"\x80\x02}U\x01acnumpy\ndtype\n)\x81s.",  # NEWOBJ of what is no class
        b"(dS'a'\ncnumpy\ndtype\n(dS'_name'\nS'bytes'\nsbs.",  # BUILD on a name
        b"(dS'a'\ncnumpy\ndtype\n(N(dS'_name'\nS'bytes'\nstbs.",  # by its slots
    ):
        with pytest.raises(DataError, match="^file: "):
            read_pickled_dict(raw, "file")
    assert not os.path.exists(witness)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype=np.uint8).reshape(2, 3),
        np.asfortranarray(np.arange(6, dtype=np.int16).reshape(2, 3)),
        np.arange(6, dtype=">i4"),
        np.linspace(0, 1, 5, dtype=np.float32),
        np.array([True, False]),
        np.array(2.5),
    ],
)
def test_arrays_of_every_plain_type(array, protocol):
    raw = pickle.dumps(
        {"a": array, "n": 3, "s": "text", "l": [1, (2.0, None)]}, protocol
    )
    found = read_pickled_dict(raw, "file")
    np.testing.assert_array_equal(found["a"], array)
    assert found["a"].dtype == array.dtype and found["a"].shape == array.shape
    assert (found["n"], found["s"], found["l"]) == (3, "text", [1, (2.0, None)])


@pytest.mark.parametrize(
    "value, message",
    [
        ([1], "file: holds a list, expected a dict"),
        ({1: 2}, "a key is 1, expected a string"),
        ({"a": np.array([object], object)}, "refused|expected numbers"),
        ({"a": np.array(["x"])}, "expected numbers"),
        ({"a": np.dtype("u1")}, "a lone dtype"),
        ({"a": np.zeros(2, "M8[s]")}, "expected numbers"),
        ({"a": np.zeros(2, [("f", "u1")])}, "expected numbers"),
    ],
)
def test_other_contents_are_refused(value, message):
    with pytest.raises(DataError, match=message):
        read_pickled_dict(pickle.dumps(value), "file")


def test_truncated_and_damaged_pickles():
    array = np.arange(8, dtype=np.uint8)
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        whole = pickle.dumps({"a": array, "b": [1, 2]}, protocol)
        assert len(whole) < 1000
        for length in range(len(whole)):
            with pytest.raises(DataError, match="^file: "):
                read_pickled_dict(whole[:length], "file")
        for position in range(len(whole)):
            damaged = bytearray(whole)
            damaged[position] ^= 0x04
            try:
                found = read_pickled_dict(bytes(damaged), "file")
            except DataError:
                continue
            assert isinstance(found, dict)  # a digit or a letter that has changed


def test_an_array_with_too_few_bytes_is_refused():
    raw = python2(np.zeros((2, 3072), np.uint8), [1, 2])
    raw = raw.replace(b"M\x02\x00M\x00\x0c", b"M\x03\x00M\x00\x0c")
    with pytest.raises(DataError, match=r"shape \(3, 3072\) has 6144 bytes"):
        read_pickled_dict(raw, "file")


def test_archives_are_read_in_place(tmp_path):
    path = pack(write(tmp_path / "batches", "binary"), tmp_path / "cifar.tar.gz")
    before = sorted(tmp_path.rglob("*"))
    read_cifar10(path)
    assert sorted(tmp_path.rglob("*")) == before
    with tarfile.open(fileobj=io.BytesIO(path.read_bytes())) as archive:
        assert len(archive.getnames()) == 8  # folder, six batches, the read-me
