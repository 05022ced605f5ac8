"""idx and npz: what is right is read, and whatever is wrong is a DataError."""

import gzip
import io
import math
import os
import zipfile

import numpy as np
import pytest

from zoo.data.formats import DataError, read_idx, read_npz


def idx(array: np.ndarray, kind: int = 0x08) -> bytes:
    """The idx form of an array, written from the description of the format."""
    lengths = b"".join(n.to_bytes(4, "big") for n in array.shape)
    elements = array.astype(array.dtype.newbyteorder(">")).tobytes()
    return bytes([0, 0, kind, array.ndim]) + lengths + elements


IMAGES = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)


def test_idx_by_hand(tmp_path):
    path = tmp_path / "a-idx2-ubyte"
    path.write_bytes(bytes([0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 255]))
    array = read_idx(path)
    np.testing.assert_array_equal(
        array, np.uint8([[1, 2, 3], [4, 5, 255]]), strict=True
    )
    array[0, 0] = 9  # the caller's own


@pytest.mark.parametrize(
    "kind, dtype",
    [(8, "u1"), (9, "i1"), (0xB, "i2"), (0xC, "i4"), (0xD, "f4"), (0xE, "f8")],
)
@pytest.mark.parametrize("zipped", [False, True])
def test_idx_of_every_type(tmp_path, kind, dtype, zipped):
    array = np.array([[-3, 2], [100, 4], [5, 127]]).astype(dtype)
    raw = idx(array, kind)
    path = tmp_path / "x"
    path.write_bytes(gzip.compress(raw) if zipped else raw)
    np.testing.assert_array_equal(read_idx(path), array, strict=True)
    assert read_idx(str(path)).dtype.isnative


def test_idx_shapes(tmp_path):
    path = tmp_path / "x"
    for shape in [(), (0,), (3,), (2, 0, 4), (1, 2, 3, 4)]:
        array = np.arange(math.prod(shape), dtype=np.uint8).reshape(shape)
        path.write_bytes(idx(array))
        np.testing.assert_array_equal(read_idx(path), array, strict=True)


@pytest.mark.parametrize(
    "raw, message",
    [
        (b"", "not an idx file; it starts with nothing"),
        (b"\0\0\x08", "not an idx file"),
        (b"\x89PNG\r\n\x1a\n" + bytes(99), "not an idx file; it starts with 89 50 4e"),
        (b"\0\0\x07\x01" + bytes(99), "not an idx file; it starts with 00 00 07 01"),
        (b"\1\0\x08\x01" + bytes(99), "not an idx file"),
        (b"<html>moved</html>", "expected 00 00"),
        (idx(IMAGES)[:9], "truncated within its header of 16 bytes"),
        (idx(IMAGES)[:-1], "truncated; 23 bytes follow the header, expected 24"),
        (idx(IMAGES) + b"\0", "too long; 25 bytes follow the header, expected 24"),
        (bytes([0, 0, 8, 3] + [255] * 12) + b"x", "truncated; 1 bytes"),
    ],
)
@pytest.mark.parametrize("zipped", [False, True])
def test_wrong_idx_is_refused(tmp_path, raw, message, zipped):
    path = tmp_path / "images.gz"
    path.write_bytes(gzip.compress(raw) if zipped else raw)
    with pytest.raises(DataError, match="images.gz: ") as caught:
        read_idx(path)
    assert message in str(caught.value)
    assert isinstance(caught.value, ValueError)


def test_missing_file(tmp_path):
    with pytest.raises(DataError, match="nowhere.gz: cannot be read .No such file"):
        read_idx(tmp_path / "nowhere.gz")
    with pytest.raises(DataError, match="cannot be read"):
        read_idx(tmp_path)


def test_truncated_gzip_is_refused_at_every_length(tmp_path):
    path = tmp_path / "images.gz"
    whole = gzip.compress(idx(IMAGES))
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(DataError, match="images.gz: (truncated|not an idx)"):
            read_idx(path)


def test_damaged_gzip_is_refused(tmp_path):
    path = tmp_path / "images.gz"
    pixels = np.random.default_rng(0).integers(0, 9, (20, 20), np.uint8)
    whole = gzip.compress(idx(pixels))
    padding = len(whole) - 9  # the last bits before the checksum mean nothing
    for position in {*range(10, len(whole))} - {padding}:
        damaged = bytearray(whole)
        damaged[position] ^= 0x10
        path.write_bytes(damaged)
        with pytest.raises(DataError, match="images.gz: (damaged|truncated)"):
            read_idx(path)


def test_npz(tmp_path):
    path = tmp_path / "a.npz"
    arrays = {"x": IMAGES, "y": np.array([1, 2], np.int64)}
    np.savez(path, unwanted=np.array([object()]), **arrays)
    found = read_npz(path, (name for name in ("y", "x")))  # any iterable
    assert list(found) == ["y", "x"]
    for name in arrays:
        np.testing.assert_array_equal(found[name], arrays[name], strict=True)


def test_npz_lacking_an_array(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, x=IMAGES, z=IMAGES)
    with pytest.raises(DataError, match="a.npz: lacks y, w; it holds x, z"):
        read_npz(path, ("y", "x", "w"))


def test_npz_executes_nothing(tmp_path):
    path, witness = tmp_path / "a.npz", tmp_path / "executed"

    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(witness),)

    np.savez(path, x=np.array([Evil()]))
    with pytest.raises(DataError, match="a.npz: not an npz archive of plain arrays"):
        read_npz(path, "x")
    assert not witness.exists()


def test_wrong_npz_is_refused(tmp_path):
    path = tmp_path / "a.npz"
    with pytest.raises(DataError, match="a.npz: there is no such file"):
        read_npz(path, "x")
    np.save(tmp_path / "b.npy", IMAGES)
    for raw in (b"", b"hello", (tmp_path / "b.npy").read_bytes()):
        path.write_bytes(raw)
        with pytest.raises(DataError, match="a.npz: not an npz archive"):
            read_npz(path, "x")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", b"no array")
    with pytest.raises(DataError, match="a.npz: "):
        read_npz(path, "x")


def test_truncated_and_damaged_npz(tmp_path):
    path = tmp_path / "a.npz"
    pixels = np.random.default_rng(0).integers(0, 9, (8, 8), np.uint8)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, x=pixels)
    whole = buffer.getvalue()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(DataError, match="a.npz: "):
            read_npz(path, "x")
    for position in range(len(whole)):
        damaged = bytearray(whole)
        damaged[position] ^= 0x41
        path.write_bytes(damaged)
        try:
            found = read_npz(path, "x")["x"]
        except DataError:
            continue
        np.testing.assert_array_equal(found, pixels)  # a byte that means nothing
