"""Single pictures: an embedded photo, and a pair of images with its true motion.

The pair is the motorcycle of the Middlebury stereo benchmark, taken by two cameras side
by side. A point of the left image lies `disparity` pixels further left in the right
one, so that the flow from left to right is (-disparity, 0); where the scanner saw no
point, disparity and flow are not finite.

It is not embedded. scikit-image ships it: its wheel holds skimage/data/ with

    motorcycle_left.png  motorcycle_right.png  motorcycle_disp.npz

Get the wheel by `pip download --no-deps scikit-image==0.26.0`, and name the file, or a
folder that holds these three.

References:
    Scharstein et al., "High-resolution stereo datasets with subpixel-accurate ground
    truth", GCPR 2014, https://vision.middlebury.edu/stereo/data/scenes2014/
"""

import io
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from zoo.data.formats import DataError, read_npz
from zoo.data.places import ASSETS

PARTS = ("motorcycle_left.png", "motorcycle_right.png", "motorcycle_disp.npz")


class Pair(NamedTuple):
    """Two images and the motion from the first to the second."""

    first: np.ndarray  # float32 from 0 to 1, [H, W, 3]
    second: np.ndarray  # likewise
    flow: np.ndarray  # float32 (u, v) in pixels, [H, W, 2]; not finite if unknown


def photo() -> np.ndarray:
    """A photo of a flower, for whatever needs a real image.

    Returns:
        uint8 [144, 144, 3].
    """
    return read_npz(ASSETS / "photo.npz", ["photo"])["photo"]


def motorcycle(place: str | Path) -> Pair:
    """The motorcycle pair, at half the size of the benchmark's.

    Args:
        place: a folder that holds its three files, or scikit-image's wheel.

    Returns:
        The pair, 500 x 741 pixels.

    Raises:
        DataError: one of the files is not there, or not what it should be.
    """
    from matplotlib.image import imread  # late: it takes a while to import

    left, right, disparity = (_read(Path(place).expanduser(), part) for part in PARTS)
    try:
        first, second = (imread(io.BytesIO(part)) for part in (left, right))
        with np.load(io.BytesIO(disparity), allow_pickle=False) as archive:
            horizontal = -archive[archive.files[0]].astype(np.float32)
    except (OSError, ValueError, SyntaxError, zipfile.BadZipFile) as error:
        raise DataError(f"{place}: damaged, or no images: {error}") from error
    if first.shape != second.shape or first.shape != (*horizontal.shape, 3):
        raise DataError(
            f"{place}: expected two colour images and a disparity of one size, got "
            f"{first.shape}, {second.shape} and {horizontal.shape}"
        )
    vertical = np.where(np.isfinite(horizontal), np.float32(0), horizontal)
    return Pair(first, second, np.stack([horizontal, vertical], axis=-1))


def _read(place: Path, part: str) -> bytes:
    try:
        if place.is_dir():
            return (place / part).read_bytes()
        with zipfile.ZipFile(place) as wheel:
            return wheel.read(f"skimage/data/{part}")
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise DataError(
            f"{place}: {part} was not found in it; it must be a folder with "
            f"{', '.join(PARTS)}, or scikit-image's wheel"
        ) from error
