"""The embedded nuclei, and reading the whole from a folder or a wheel."""

import zipfile

import numpy as np
import pytest
from PIL import Image

from zoo.data import DataError, embed, nuclei
from zoo.data.nuclei import PARTS


def test_embedded():
    part = nuclei()
    assert part.x.shape == part.instances.shape == (256, 256)
    assert part.x.dtype == np.uint8 and part.instances.dtype == np.int32
    assert np.unique(part.instances).tolist() == list(range(41))
    inside = part.instances > 0
    assert 0.2 < inside.mean() < 0.3
    assert np.median(part.x[inside]) > 1.5 * np.median(part.x[~inside])  # they shine


@pytest.fixture
def folder(tmp_path):
    """Two small files of the kind, 8x12, with the nuclei 3 and 7."""
    x = np.arange(96, dtype=np.uint16).reshape(8, 12)
    mask = np.zeros((8, 12), np.uint16)
    mask[5:, :3], mask[:2, 4:] = 7, 3
    for part, pixels in zip(PARTS, (x, mask), strict=True):
        Image.fromarray(pixels).save(tmp_path / part)
    return tmp_path


def test_whole_from_a_folder_and_from_a_wheel(folder):
    whole = nuclei(folder)
    assert whole.x[1, 0] == 12 and whole.instances.max() == 2
    assert (whole.instances[5:, :3] == 2).all() and whole.instances[0, 4] == 1
    with zipfile.ZipFile(folder / "a.whl", "w") as wheel:
        for part in PARTS:
            wheel.write(folder / part, f"stardist/data/images/{part}")
    for a, b in zip(whole, nuclei(folder / "a.whl"), strict=True):
        np.testing.assert_array_equal(a, b)
    assert embed.main([str(folder), "--nuclei", str(folder / "a.whl")]) == 0
    with np.load(folder / "nuclei.npz") as part:  # the lower left
        np.testing.assert_array_equal(part["x"], whole.x[4:, :6])
        np.testing.assert_array_equal(part["instances"], whole.instances[4:, :6] > 0)


def test_other_places_are_refused(folder):
    with pytest.raises(DataError, match="img2d.tif was not found"):
        nuclei(folder / "nowhere")
    Image.fromarray(np.zeros((8, 11), np.uint16)).save(folder / PARTS[1])
    with pytest.raises(DataError, match="of one size, got"):
        nuclei(folder)
    (folder / PARTS[1]).write_bytes(b"no picture")
    with pytest.raises(DataError, match="mask2d.tif is no picture"):
        nuclei(folder)
