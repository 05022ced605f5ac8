"""NIfTI-1 volumes written here by the standard's offsets, and what is refused.

No reader of others is in the project's references; the template's own files, of the
same layout, are read by their path in `experiments.medical`.
"""

import gzip
import struct
import zipfile

import numpy as np
import pytest

from zoo.data import DataError, read_nifti, template
from zoo.data.nifti import FILES


def written(values, kind, order="<", slope=0.0, intercept=0.0, magic=b"n+1\0"):
    header = bytearray(352)
    struct.pack_into(order + "i", header, 0, 348)
    axes = [values.ndim, *values.shape, *[1] * (7 - values.ndim)]
    struct.pack_into(order + "8h", header, 40, *axes)
    struct.pack_into(order + "h", header, 70, kind)
    struct.pack_into(order + "3f", header, 108, 352.0, slope, intercept)
    header[344:348] = magic
    return bytes(header) + values.tobytes(order="F")


@pytest.mark.parametrize(
    "kind, dtype, order", [(2, "u1", "<"), (4, "i2", ">"), (16, "f4", "<")]
)
def test_values_in_their_order(tmp_path, kind, dtype, order):
    rng = np.random.default_rng(0)
    values = rng.integers(0, 200, (3, 4, 5)).astype(np.dtype(order + dtype))
    path = tmp_path / "a.nii"
    path.write_bytes(written(values, kind, order))
    found = read_nifti(path)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, values)
    path.write_bytes(gzip.compress(written(values, kind, order, 0.5, -3.0)))
    np.testing.assert_allclose(read_nifti(path), values * 0.5 - 3)


def volumes():
    """A ball of grey matter with a kernel of white and a hole, in x, y, z; the front,
    where y is large, is brighter."""
    x, y, z = np.meshgrid(*(np.linspace(-1, 1, n) for n in (40, 50, 30)), indexing="ij")
    r = np.sqrt(x**2 + y**2 + z**2)
    hole = (np.hypot(x, y) < 0.15) & (r < 0.8)
    grey = 200.0 * ((r < 0.8) & (r > 0.5) & ~hole)
    white = 200.0 * ((r <= 0.5) & ~hole)
    bright = (grey * 0.5 + white) * (1 + 0.2 * (y > 0))
    return {"t1": bright, "gm": grey, "wm": white}


def folder(place, **changed):
    for kind, values in {**volumes(), **changed}.items():
        raw = written(np.uint8(values), 2)
        (place / FILES[kind]).write_bytes(gzip.compress(raw))
    return place


def test_template(tmp_path):
    found = template(folder(tmp_path), 16)
    assert found.t1.shape == found.t2.shape == (15, 16, 16, 1)
    middle = found.tissue[6]
    assert set(np.unique(middle)) == {0, 2, 3, 4} and middle[8, 8] == 2
    assert (found.t1[6, :7].sum() > found.t1[6, 9:].sum()) and found.t1.max() <= 1
    inside = lambda x, kind: x[..., 0][found.tissue == kind].mean()
    assert inside(found.t2, 4) < inside(found.t2, 3) < inside(found.t2, 2)
    with zipfile.ZipFile(tmp_path / "a.whl", "w") as wheel:
        for name in FILES.values():
            wheel.write(tmp_path / name, f"nilearn/datasets/data/{name}")
    again = template(tmp_path / "a.whl", 16)
    np.testing.assert_array_equal(again.t1, found.t1)


def test_refuses(tmp_path):
    path, values = tmp_path / "a.nii", np.zeros((3, 4, 5), np.uint8)
    for raw, message in (
        (written(values, 2, magic=b"ni1\0"), "expected a NIfTI-1 file"),
        (written(values, 128), "values of type 128, expected one of"),
        (written(values, 2)[:-1], "truncated; 411 bytes, expected 412"),
        (b"short", "expected a NIfTI-1 file"),
    ):
        path.write_bytes(raw)
        with pytest.raises(DataError, match=message):
            read_nifti(path)
    with pytest.raises(DataError, match="was not found in it; it must be a folder"):
        template(path)
    with pytest.raises(ValueError, match="size must be"):
        template(tmp_path, 8)
    folder(tmp_path, gm=np.zeros((2, 2, 2)))
    with pytest.raises(DataError, match="volumes must be of one shape"):
        template(tmp_path)
