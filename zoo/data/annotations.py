"""Readers of objects in pictures: VOC's XML, COCO's JSON, folders of masks.

    VOC    one file an image: size, and objects by name with bndbox; corners are
           counted from 1 and both belong to the box, so xmin = 1, xmax = 3 is 0 to 3
    COCO   one file for all: images, categories, annotations with bbox (x, y, w, h) and
           a segmentation: polygons, or run lengths, down the columns, of outside and
           inside by turns: plain numbers, or COCO's text of them
    masks  a folder of PNG files: classes of pixels, or numbers of instances

Whatever cannot be right is refused by a DataError with the file and the object: a box
that is inverted, without area or outside of its image, an unknown category, a mask of
another size, numbers that do not add up. So nothing behind has to look again.

COCO's text holds each run in groups of five bits, the lowest first, with a sixth that
says that more follow; from the third run on it is the difference to the last but one.

Shapes: H height, W width of an image, n objects.

References:
    Everingham et al., "The Pascal visual object classes (VOC) challenge", IJCV 2010,
    https://doi.org/10.1007/s11263-009-0275-4
    Lin et al., "Microsoft COCO: common objects in context", ECCV 2014,
    https://arxiv.org/abs/1405.0312; its format: https://cocodataset.org
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

import numpy as np

from zoo.data.formats import DataError, read_bytes
from zoo.errors import unknown

CORNERS = ("xmin", "ymin", "xmax", "ymax")


class Objects(NamedTuple):
    """An image's objects.

    Attributes:
        name: the image's file.
        size: (H, W).
        boxes: float32 [n, 4], (x1, y1, x2, y2) in pixels.
        labels: int32 [n], from 0, numbers in the list of names.
        ignored: bool [n], difficult ones and crowds, which do not count.
        masks: bool [n, H, W], or None.
    """

    name: str
    size: tuple[int, int]
    boxes: np.ndarray
    labels: np.ndarray
    ignored: np.ndarray
    masks: np.ndarray | None = None


def read_voc(path: str | Path, names: Sequence[str]) -> Objects:
    """The objects of one VOC file.

    Args:
        path: an XML file.
        names: of the classes, in order.

    Returns:
        The objects, without masks.

    Raises:
        DataError: a file that is missing, no XML, or has not what it should; a box or
            a name that cannot be.
    """
    try:
        root = ElementTree.fromstring(read_bytes(path))
    except ElementTree.ParseError as error:
        raise DataError(f"{path}: no XML: {error}") from error

    def text(node, place):
        found = node.find(place)
        if found is None or not (found.text or "").strip():
            raise DataError(f"{path}: {node.tag} has no {place}")
        return found.text.strip()

    def number(node, place):
        try:
            return float(text(node, place))
        except ValueError as error:
            raise DataError(f"{path}: {place} is no number: {error}") from error

    size = int(number(root, "size/height")), int(number(root, "size/width"))
    boxes, labels, ignored = [], [], []
    for i, node in enumerate(root.iter("object")):
        corners = [
            number(node, f"bndbox/{k}") for k in ("xmin", "ymin", "xmax", "ymax")
        ]
        corners = np.array(corners) - [1, 1, 0, 0]
        boxes.append(checked_box(corners, size, f"{path}: object {i}"))
        labels.append(_class(text(node, "name"), names, path))
        difficult = node.find("difficult")
        ignored.append(difficult is not None and (difficult.text or "").strip() == "1")
    name = root.findtext("filename") or Path(path).stem
    return _objects(name, size, boxes, labels, ignored)


def read_coco(
    path: str | Path, names: Sequence[str] | None = None, masks: bool = False
) -> tuple[list[Objects], tuple[str, ...]]:
    """All images of one COCO file, those without objects too.

    Args:
        path: a JSON file.
        names: of the categories that are wanted, in order; others are an error. None:
            all of the file, by their numbers.
        masks: read the segmentations as well.

    Returns:
        An entry for each image, in the file's order, and the names of the classes.

    Raises:
        DataError: a file that is missing, no JSON, or has not what it should; a box,
            a category, an image or a mask that cannot be.
    """
    try:
        whole = json.loads(read_bytes(path))
    except ValueError as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path}: no JSON: {error}") from error
    for key in ("images", "annotations", "categories"):
        if not isinstance(whole, Mapping) or not isinstance(whole.get(key), list):
            raise DataError(f"{path}: it has no list of {key}")
    try:
        by_number = {c["id"]: c["name"] for c in whole["categories"]}
        images = {i["id"]: i for i in whole["images"]}
        sizes = {k: (int(i["height"]), int(i["width"])) for k, i in images.items()}
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path}: an image or category lacks {error}") from error
    if names is None:
        names = tuple(by_number[k] for k in sorted(by_number))
    found: dict[Any, list] = {number: [] for number in images}
    for a in whole["annotations"]:
        who = f"{path}: annotation {a.get('id')}"
        if a.get("image_id") not in images:
            raise DataError(f"{who}: there is no image {a.get('image_id')!r}")
        if a.get("category_id") not in by_number:
            raise DataError(f"{who}: there is no category {a.get('category_id')!r}")
        size = sizes[a["image_id"]]
        box = np.asarray(a.get("bbox", ()), np.float64)
        if box.shape != (4,):
            raise DataError(f"{who}: bbox must be 4 numbers, got {a.get('bbox')!r}")
        box = checked_box(np.concatenate([box[:2], box[:2] + box[2:]]), size, who)
        label = _class(by_number[a["category_id"]], names, path)
        mask = decode_mask(a.get("segmentation"), size, who) if masks else None
        found[a["image_id"]].append((box, label, bool(a.get("iscrowd")), mask))
    made = []
    for number, image in images.items():
        columns = list(zip(*found[number], strict=True)) or [[], [], [], []]
        one = _objects(str(image.get("file_name", number)), sizes[number], *columns[:3])
        if masks:
            pile = np.array(columns[3], bool).reshape(-1, *sizes[number])
            one = one._replace(masks=pile)
        made.append(one)
    return made, tuple(names)


def read_mask(
    path: str | Path, size: tuple[int, int], classes: int | None = None
) -> np.ndarray:
    """Numbers of pixels from a picture.

    Args:
        path: a PNG file, of grey values or of a palette, whose numbers count.
        size: (H, W) of its image.
        classes: K; numbers must be below, or 255 for those of no class. None: any.

    Returns:
        int32 [H, W]; -1 for those of no class.

    Raises:
        DataError: a file that is missing or no picture, of colours, of another size,
            or with a number that is no class.
    """
    from PIL import Image, UnidentifiedImageError  # late; matplotlib's

    try:
        with Image.open(path) as picture:
            mask = np.array(picture)
    except (OSError, UnidentifiedImageError, SyntaxError) as error:
        raise DataError(f"{path}: cannot be read as a picture: {error}") from error
    if mask.ndim != 2:
        raise DataError(f"{path}: a mask has one number a pixel, got {mask.shape}")
    if mask.shape != tuple(size):
        raise DataError(f"{path}: the image is {tuple(size)}, the mask {mask.shape}")
    mask = mask.astype(np.int32)
    if classes is None:
        return mask
    none = mask == 255
    if (bad := mask[~none & (mask >= classes)]).size:
        raise DataError(f"{path}: classes are below {classes}, got {bad[0]}")
    return np.where(none, -1, mask)


def instances(mask: np.ndarray, label: int = 0, name: str = "mask") -> Objects:
    """The objects of an image of numbers, 0 the background.

    Args:
        mask: int [H, W].
        label: the class of all of them.
        name: of the image.

    Returns:
        The objects in the order of their numbers, with masks and boxes around them.
    """
    numbers = np.unique(mask[mask > 0])
    masks = mask[None] == numbers[:, None, None]
    boxes = []
    for one in masks:
        rows, columns = (np.flatnonzero(one.any(axis)) for axis in (1, 0))
        boxes.append((columns[0], rows[0], columns[-1] + 1, rows[-1] + 1))
    labels, ignored = [label] * len(boxes), [False] * len(boxes)
    return _objects(name, mask.shape, boxes, labels, ignored)._replace(masks=masks)


def decode_mask(
    segmentation: Any, size: tuple[int, int], who: str = "mask"
) -> np.ndarray:
    """A mask from COCO's polygons or run lengths.

    Args:
        segmentation: a list of polygons, each x, y, x, y, ...; or a dict of `size` and
            `counts`.
        size: (H, W) of the image.
        who: whose it is, for the error.

    Returns:
        bool [H, W]. Of a polygon: the pixels whose centres lie inside.

    Raises:
        DataError: runs that do not add up, another size, a polygon without three
            corners, or none of these.
    """
    if isinstance(segmentation, Mapping):
        counts = segmentation.get("counts")
        if tuple(segmentation.get("size", ())) != tuple(size):
            raise DataError(
                f"{who}: the image is {tuple(size)}, the mask "
                f"{segmentation.get('size')}"
            )
        if isinstance(counts, str | bytes):
            counts = _runs(counts, who)
        runs = np.asarray(counts)
        if runs.ndim != 1 or runs.dtype.kind not in "iu" or (runs < 0).any():
            raise DataError(
                f"{who}: counts must be lengths of runs, got {counts!r:.60}"
            )
        if runs.sum() != size[0] * size[1]:
            raise DataError(
                f"{who}: runs must add up to {size[0] * size[1]} pixels, got "
                f"{runs.sum()}"
            )
        inside = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
        return inside.reshape(size[1], size[0]).T
    if not isinstance(segmentation, list) or not segmentation:
        raise DataError(f"{who}: no polygons and no runs: {segmentation!r:.60}")
    mask = np.zeros(size, bool)
    for polygon in segmentation:
        corners = np.asarray(polygon, np.float64)
        if corners.ndim != 1 or len(corners) % 2 or len(corners) < 6:
            raise DataError(f"{who}: a polygon has three corners or more")
        mask |= _filled(corners.reshape(-1, 2), size)
    return mask


def checked_box(box: np.ndarray, size: tuple[int, int], who: str) -> np.ndarray:
    """A box that lies in its image; what is beyond by less than a pixel is cut off.

    Raises:
        DataError: one that is inverted, without area, outside or not finite.
    """
    box = np.asarray(box, np.float64)
    x1, y1, x2, y2 = box
    if not np.isfinite(box).all() or not (x1 < x2 and y1 < y2):
        raise DataError(
            f"{who}: a box must have x1 < x2 and y1 < y2, got {box.tolist()}"
        )
    height, width = size
    if min(x1, y1) <= -1 or x2 >= width + 1 or y2 >= height + 1:
        raise DataError(
            f"{who}: the box {box.tolist()} is not within its image of {height} rows "
            f"and {width} columns"
        )
    return np.clip(box, 0, [width, height, width, height])


def _objects(name, size, boxes, labels, ignored):
    return Objects(
        name=name,
        size=tuple(size),
        boxes=np.array(boxes, np.float32).reshape(-1, 4),
        labels=np.array(labels, np.int32),
        ignored=np.array(ignored, bool),
    )


def _class(name, names, path):
    if name not in names:
        raise DataError(f"{path}: {unknown('category', name, names)}")
    return list(names).index(name)


def _runs(text, who):
    """The numbers of COCO's text."""
    raw = text.encode("ascii") if isinstance(text, str) else text
    runs, at = [], 0
    while at < len(raw):
        value = shift = 0
        while True:
            if at == len(raw) or not 48 <= raw[at] < 112:
                raise DataError(f"{who}: counts are no text of runs: {text!r:.60}")
            bits = raw[at] - 48
            value |= (bits & 31) << shift
            at, shift = at + 1, shift + 5
            if not bits & 32:
                break
        if bits & 16:  # negative
            value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
    return runs


def _filled(corners, size):
    """The pixels whose centres lie in a polygon, by counting crossings to the left."""
    y, x = np.mgrid[: size[0], : size[1]] + 0.5
    inside = np.zeros(size, bool)
    for (x1, y1), (x2, y2) in zip(corners, np.roll(corners, -1, 0), strict=True):
        if y1 == y2:
            continue
        crosses = (y1 > y) != (y2 > y)
        inside ^= crosses & (x < x1 + (y - y1) * (x2 - x1) / (y2 - y1))
    return inside
