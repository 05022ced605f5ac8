"""Nuclei under a fluorescence microscope, each with its number drawn by hand.

A part is embedded, 256x256 pixels of the lower left. The whole is 512x512 pixels with
125 nuclei that can be told apart by number. It is the sample image of StarDist, whose
wheel holds stardist/data/images/ with

    img2d.tif  mask2d.tif

Get the wheel by `pip download --no-deps stardist==0.9.2`, and name the file, or a
folder that holds these two.

Shapes: H height, W width.

References:
    Schmidt, Weigert, Broaddus and Myers, "Cell detection with star-convex polygons",
    MICCAI 2018, https://arxiv.org/abs/1806.03535
"""

import io
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from zoo.data.formats import DataError, read_npz
from zoo.data.places import ASSETS

PARTS = ("img2d.tif", "mask2d.tif")


class Nuclei(NamedTuple):
    """An image and the nuclei on it.

    Attributes:
        x: counts of light, uint8 [H, W].
        instances: int32 [H, W], 0 the background, nuclei from 1 without a gap.
    """

    x: np.ndarray
    instances: np.ndarray


def nuclei(place: str | Path | None = None) -> Nuclei:
    """The embedded part, or the whole from its owner's files.

    Args:
        place: a folder that holds the two, or StarDist's wheel; None for the part.

    Returns:
        The image and its nuclei.

    Raises:
        DataError: one of the files is not there, or not what it should be.
    """
    if place is None:
        read = read_npz(ASSETS / "nuclei.npz", ["x", "instances"])
        return Nuclei(read["x"], read["instances"].astype(np.int32))
    x, mask = (_read(Path(place).expanduser(), part) for part in PARTS)
    if x.ndim != 2 or x.shape != mask.shape or x.max() > 255:
        raise DataError(
            f"{place}: expected one image of counts to 255 and one of numbers, of one "
            f"size, got {x.shape} to {x.max()} and {mask.shape}"
        )
    return Nuclei(x.astype(np.uint8), renumbered(mask))


def renumbered(instances: np.ndarray) -> np.ndarray:
    """Numbers of objects without a gap, in their order; 0 stays the background.

    Args:
        instances: integers of 0 and above, of any shape.

    Returns:
        int32 of the same shape.

    >>> renumbered(np.array([7, 0, 3, 7])).tolist()
    [2, 0, 1, 2]
    """
    # With 0 in front of all, whether or not the image has a background.
    _, at = np.unique(np.append(0, instances), return_inverse=True)
    return at[1:].reshape(np.shape(instances)).astype(np.int32)


def _read(place: Path, part: str) -> np.ndarray:
    from PIL import Image, UnidentifiedImageError  # late; matplotlib's

    try:
        if place.is_dir():
            data = (place / part).read_bytes()
        else:
            with zipfile.ZipFile(place) as wheel:
                data = wheel.read(f"stardist/data/images/{part}")
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise DataError(
            f"{place}: {part} was not found in it; it must be a folder with "
            f"{' and '.join(PARTS)}, or StarDist's wheel"
        ) from error
    try:
        with Image.open(io.BytesIO(data)) as picture:
            return np.array(picture).astype(np.int32)
    except (OSError, UnidentifiedImageError, SyntaxError) as error:
        raise DataError(f"{place}: {part} is no picture: {error}") from error
