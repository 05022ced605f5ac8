"""Reader of NIfTI-1 volumes, and slices of the MRI template in two contrasts.

A volume is one file, gzipped or not: a header of 348 bytes, of which are read

    offset   0   int32       348, by which the order of bytes is known
            40   8 x int16   the number of axes, and the length of each
            70   int16       the type of the values
           108   float32     where the values begin
           112   float32     slope, 0 for none
           116   float32     intercept
           344   4 bytes     "n+1" and a zero

and then the values, the first axis fastest; each times the slope plus the intercept.

`template` reads the ICBM 152 template: a brightness, t1, and the shares of grey and of
white matter of each place. The second contrast is no measured one: it is drawn from the
shares with the brightnesses of `zoo.data.phantoms`.

References:
    Cox et al., "A (sort of) new image data format standard: NIfTI-1", Human Brain
    Mapping 2004, https://nifti.nimh.nih.gov/nifti-1
    Fonov et al., "Unbiased average age-appropriate atlases for pediatric studies",
    NeuroImage 2011, https://doi.org/10.1016/j.neuroimage.2010.07.033 (the template)
"""

import gzip
import math
import zipfile
from pathlib import Path

import numpy as np

from zoo.data.checks import whole_number
from zoo.data.formats import DataError, read_bytes
from zoo.data.phantoms import T2, Phantoms

TYPES = {2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2"}
HEADER = 348
FILES = {
    kind: f"mni_icbm152_{kind}_tal_nlin_sym_09a_converted.nii.gz"
    for kind in ("t1", "gm", "wm")
}
LOW, HIGH = 0.3, 0.8  # of the height: the slices between have grey and white matter


def read_nifti(path: str | Path) -> np.ndarray:
    """The values of a volume, float32, in the order of its axes.

    Raises:
        DataError: no NIfTI-1 file, a type that is not read, or a damaged one.
    """
    return _volume(read_bytes(path), path)


def template(place: str | Path, size: int = 32) -> Phantoms:
    """Slices of the template from below upwards, as `phantoms` draws them.

    Args:
        place: a folder that holds the three files, or nilearn's wheel.
        size: pixels of a side, from 16 to 128; each is the mean of what it covers.

    Returns:
        t1 from 0 to 1; t2 drawn from the shares; the tissue that most of a pixel is.

    Raises:
        DataError: one of the files is not there, or not what it should be.
        ValueError: a size out of range.
    """
    whole_number("size", size, 16, 128)
    volumes = {
        kind: _file(Path(place).expanduser(), name) for kind, name in FILES.items()
    }
    shapes = {volume.shape for volume in volumes.values()}
    if len(shapes) > 1 or len(volumes["t1"].shape) != 3:
        raise DataError(
            f"{place}: volumes must be of one shape [X, Y, Z], got {shapes}"
        )
    depth = volumes["t1"].shape[2]
    rows = slice(int(LOW * depth), int(HIGH * depth))
    top = {kind: max(float(volume.max()), 1e-6) for kind, volume in volumes.items()}
    t1, grey, white = (
        _small(volumes[kind][:, ::-1, rows].transpose(2, 1, 0) / top[kind], size)
        for kind in FILES
    )
    grey, white = np.clip(grey, 0, 1), np.clip(white, 0, 1 - np.clip(grey, 0, 1))
    brain = _filled(grey + white > 0.1)
    fluid = np.where(brain, 1 - grey - white, 0)
    scalp = np.where(brain, 0, t1 > 0.15)
    shares = np.stack([1 - scalp - fluid - grey - white, scalp, fluid, grey, white])
    t2 = np.tensordot(np.array(T2), shares, 1)
    tissue = shares.argmax(0).astype(np.uint8)
    cast = lambda x: np.clip(x, 0, 1).astype(np.float32)[..., None]
    return Phantoms(cast(t1), cast(t2), tissue)


def _file(place, name):
    if place.is_dir():
        return read_nifti(place / name)
    try:
        with zipfile.ZipFile(place) as wheel:
            raw = gzip.decompress(wheel.read(f"nilearn/datasets/data/{name}"))
    except (OSError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise DataError(
            f"{place}: {name} was not found in it; it must be a folder with "
            f"{', '.join(FILES.values())}, or nilearn's wheel"
        ) from error
    return _volume(raw, f"{place}: {name}")


def _volume(raw: bytes, place) -> np.ndarray:
    if len(raw) < HEADER or raw[344:348] != b"n+1\0":
        raise DataError(f"{place}: expected a NIfTI-1 file, whose header ends in 'n+1'")
    order = "<" if int.from_bytes(raw[:4], "little") == HEADER else ">"
    field = lambda kind, at, count=1: np.frombuffer(raw, order + kind, count, at)
    axes = field("i2", 40, 8)
    kind = int(field("i2", 70)[0])
    if kind not in TYPES:
        raise DataError(
            f"{place}: values of type {kind}, expected one of {list(TYPES)}"
        )
    shape = tuple(int(n) for n in axes[1 : 1 + axes[0]])
    begin, slope, intercept = (float(v) for v in field("f4", 108, 3))
    dtype = np.dtype(order + TYPES[kind])
    count = math.prod(shape)
    if not 1 <= axes[0] <= 7 or min(shape) < 1 or not begin >= HEADER:
        raise DataError(f"{place}: damaged; axes {axes.tolist()}, values at {begin}")
    if len(raw) < int(begin) + count * dtype.itemsize:
        raise DataError(
            f"{place}: truncated; {len(raw)} bytes, expected "
            f"{int(begin) + count * dtype.itemsize}"
        )
    values = np.frombuffer(raw, dtype, count, int(begin)).reshape(shape, order="F")
    values = values.astype(np.float32)
    return values if slope == 0 else values * np.float32(slope) + np.float32(intercept)


def _small(x, size):
    """The middle square of images [N, H, W], of `size` pixels, each a mean."""
    n, (height, width) = len(x), x.shape[1:]
    side = max(height, width)
    by = -(-side // size)
    whole = by * size
    top, left = (whole - height) // 2, (whole - width) // 2
    pads = ((0, 0), (top, whole - height - top), (left, whole - width - left))
    return np.pad(x, pads).reshape(n, size, by, size, by).mean((2, 4))


def _filled(inside):
    """Masks [N, S, S] with what they enclose, along both axes."""
    ahead = lambda axis: np.logical_or.accumulate(inside, axis)
    behind = lambda axis: np.flip(
        np.logical_or.accumulate(np.flip(inside, axis), axis), axis
    )
    return ahead(1) & behind(1) & ahead(2) & behind(2)
