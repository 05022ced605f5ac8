"""The embedded photo, and reading the motorcycle pair from a folder or a wheel."""

import zipfile

import numpy as np
import pytest
from PIL import Image

from zoo.data import DataError, embed, motorcycle, photo
from zoo.data.pictures import PARTS


def test_photo_is_colourful_and_whole():
    image = photo()
    assert image.shape == (144, 144, 3) and image.dtype == np.uint8
    assert image.min() < 20 and image.max() > 240
    middle = image[40:104, 40:104].mean((0, 1))
    assert middle[0] > middle[1] > middle[2]  # an orange flower


def test_photo_is_the_middle_at_half_its_size(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (427, 640, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    with pytest.raises(DataError, match="expected 427x640 pixels of three bytes"):
        embed.photo(tmp_path / "photo.png")  # floats, as matplotlib reads PNG
    Image.fromarray(pixels).save(tmp_path / "photo.bmp")
    small = embed.photo(tmp_path / "photo.bmp")["photo"]
    assert small.shape == (144, 144, 3)
    for i, j in ((0, 0), (143, 5), (77, 143)):
        block = pixels[77 + 2 * i : 79 + 2 * i, 164 + 2 * j : 166 + 2 * j]
        np.testing.assert_array_equal(small[i, j], np.round(block.mean((0, 1))))


@pytest.fixture
def folder(tmp_path):
    """Three small files of the kind."""
    rng = np.random.default_rng(0)
    for part in PARTS[:2]:
        pixels = rng.integers(0, 256, (4, 5, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / part)
    disparity = np.full((4, 5), 2.5, np.float32)
    disparity[1, 2] = np.inf
    np.savez(tmp_path / PARTS[2], disparity)
    return tmp_path


def test_motorcycle_from_a_folder_and_from_a_wheel(folder):
    pair = motorcycle(folder)
    assert pair.first.shape == pair.second.shape == (4, 5, 3)
    assert 0 <= pair.first.min() and pair.first.max() <= 1
    known = np.isfinite(pair.flow).all(-1)
    assert not known[1, 2] and known.sum() == 19
    np.testing.assert_array_equal(pair.flow[known], [[-2.5, 0]] * 19)
    with zipfile.ZipFile(folder / "a.whl", "w") as wheel:
        for part in PARTS:
            wheel.write(folder / part, f"skimage/data/{part}")
    for a, b in zip(pair, motorcycle(folder / "a.whl"), strict=True):
        np.testing.assert_array_equal(a, b)


def test_other_places_are_refused(folder):
    with pytest.raises(DataError, match="motorcycle_left.png was not found"):
        motorcycle(folder / "nowhere")
    np.savez(folder / PARTS[2], np.ones((4, 6)))
    with pytest.raises(DataError, match="a disparity of one size"):
        motorcycle(folder)
    (folder / PARTS[2]).write_bytes(b"no archive")
    with pytest.raises(DataError, match="damaged, or no images"):
        motorcycle(folder)
    (folder / PARTS[1]).unlink()
    with pytest.raises(DataError, match="motorcycle_right.png was not found"):
        motorcycle(folder)
