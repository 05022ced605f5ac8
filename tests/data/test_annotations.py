"""Readers of objects, on files written here, and what they refuse."""

import json

import numpy as np
import pytest
from PIL import Image

from zoo.data import annotations
from zoo.data.annotations import decode_mask, read_coco, read_mask, read_voc
from zoo.data.formats import DataError

NAMES = ("cat", "dog")


def voc(tmp_path, objects, size=(20, 30)):
    made = "".join(
        f"<object><name>{name}</name><difficult>{hard}</difficult><bndbox>"
        + "".join(f"<{k}>{v}</{k}>" for k, v in zip(KEYS, box, strict=True))
        + "</bndbox></object>"
        for name, hard, box in objects
    )
    path = tmp_path / "a.xml"
    path.write_text(
        f"<annotation><filename>a.jpg</filename><size><width>{size[1]}</width>"
        f"<height>{size[0]}</height></size>{made}</annotation>"
    )
    return path


KEYS = ("xmin", "ymin", "xmax", "ymax")


def test_voc(tmp_path):
    objects = [("dog", 0, (1, 1, 30, 20)), ("cat", 1, (3, 4, 3, 6))]
    found = read_voc(voc(tmp_path, objects), NAMES)
    assert (found.name, found.size) == ("a.jpg", (20, 30))
    np.testing.assert_array_equal(found.boxes, [[0, 0, 30, 20], [2, 3, 3, 6]])
    assert found.labels.tolist() == [1, 0] and found.ignored.tolist() == [False, True]
    none = read_voc(voc(tmp_path, []), NAMES)
    assert none.boxes.shape == (0, 4) and none.labels.dtype == np.int32


@pytest.mark.parametrize(
    "objects, message",
    [
        ([("dog", 0, (5, 1, 4, 9))], r"object 0: a box must have x1 < x2 .*\[4.0, 0.0"),
        ([("dog", 0, (5, 1, 40, 9))], "not within its image of 20 rows and 30 columns"),
        ([("dgo", 0, (5, 1, 9, 9))], "unknown category 'dgo'; did you mean 'dog'"),
        ([("dog", 0, (5, 1, "x", 9))], "xmax is no number"),
        ([("", 0, (5, 1, 9, 9))], "object has no name"),
    ],
)
def test_voc_refuses(tmp_path, objects, message):
    with pytest.raises(DataError, match=message):
        read_voc(voc(tmp_path, objects), NAMES)


def test_what_is_no_file_of_its_kind(tmp_path):
    path = tmp_path / "b"
    path.write_text("neither")
    for read, message in ((read_voc, "no XML"), (read_coco, "no JSON")):
        with pytest.raises(DataError, match=message):
            read(path, NAMES)
        with pytest.raises(DataError, match="cannot be read"):
            read(tmp_path / "missing", NAMES)
    with pytest.raises(DataError, match="cannot be read as a picture"):
        read_mask(path, (2, 2))


BOX = [2, 3, 4, 5]


def coco(tmp_path, *more, **whole):
    image = {"id": 7, "file_name": "a.jpg", "height": 20, "width": 30}
    plain = {
        **{"id": 1, "image_id": 7, "category_id": 18, "bbox": BOX},
        "segmentation": [[2, 3, 6, 3, 6, 8, 2, 8]],
    }
    written = {
        "images": [image, {**image, "id": 9, "file_name": "b.jpg"}],
        "annotations": [{**plain, **a} for a in (more or [{}])],
        "categories": [{"id": 18, "name": "dog"}, {"id": 17, "name": "cat"}],
    }
    path = tmp_path / "c.json"
    path.write_text(json.dumps({**written, **whole}))
    return path


def test_coco(tmp_path):
    runs = {"size": [20, 30], "counts": [0, 2, 598]}
    crowd = {"iscrowd": 1, "category_id": 17, "segmentation": runs}
    (a, b), names = read_coco(coco(tmp_path, {}, crowd), masks=True)
    assert names == ("cat", "dog") and (a.name, b.name) == ("a.jpg", "b.jpg")
    np.testing.assert_array_equal(a.boxes, [[2, 3, 6, 8]] * 2)
    assert a.labels.tolist() == [1, 0] and a.ignored.tolist() == [False, True]
    assert a.masks.shape == (2, 20, 30) and b.masks.shape == (0, 20, 30)
    assert a.masks[0].sum() == 20 and a.masks[0, 3:8, 2:6].all()
    assert a.masks[1].sum() == 2 and a.masks[1, :2, 0].all()  # down the columns
    assert b.boxes.shape == (0, 4)
    (a, _), names = read_coco(coco(tmp_path), ("dog",))
    assert names == ("dog",) and a.labels.tolist() == [0] and a.masks is None


@pytest.mark.parametrize(
    "annotation, message",
    [
        ({"bbox": [2, 3, -1, 5]}, "annotation 1: a box must have x1 < x2"),
        ({"bbox": [2, 3, 0, 5]}, "a box must have x1 < x2"),
        ({"bbox": [2, 3, 4]}, "bbox must be 4 numbers"),
        ({"bbox": [2, 3, 4, 50]}, "not within its image"),
        ({"image_id": 8}, "there is no image 8"),
        ({"category_id": 3}, "there is no category 3"),
        ({"segmentation": [[1, 2, 3, 4]]}, "three corners"),
        ({"segmentation": []}, "no polygons and no runs"),
        ({"segmentation": {"size": [2, 2], "counts": [4]}}, r"\(20, 30\), the mask"),
        ({"segmentation": {"size": [20, 30], "counts": [4]}}, "add up to 600 pixels"),
        ({"segmentation": {"size": [20, 30], "counts": "\x01"}}, "no text of runs"),
    ],
)
def test_coco_refuses(tmp_path, annotation, message):
    with pytest.raises(DataError, match=message):
        read_coco(coco(tmp_path, annotation), masks=True)


def test_coco_refuses_files_without_their_lists(tmp_path):
    with pytest.raises(DataError, match="no list of categories"):
        read_coco(coco(tmp_path, categories=None))
    with pytest.raises(DataError, match="lacks 'height'"):
        read_coco(coco(tmp_path, images=[{"id": 7}]))
    with pytest.raises(DataError, match="unknown category 'dog'"):
        read_coco(coco(tmp_path), ("cat",))


@pytest.mark.reference
def test_masks_are_those_of_pycocotools():
    from pycocotools import mask as theirs

    rng = np.random.default_rng(0)
    for share in (0.0, 0.1, 0.6, 1.0):
        x = rng.uniform(size=(37, 23)) < share
        x[5:30, 3:9] = share > 0
        text = theirs.encode(np.asfortranarray(x.astype(np.uint8)))
        np.testing.assert_array_equal(decode_mask(text, (37, 23)), x)
        again = decode_mask({**text, "counts": text["counts"].decode()}, x.shape)
        np.testing.assert_array_equal(again, x)


def test_a_polygon_holds_the_pixels_whose_centres_it_holds():
    """By half-planes; the polygon is convex, its corners clockwise as seen."""
    corners = np.array([[5.2, 3.1], [30.7, 8.4], [22.3, 31.9], [3.0, 20.5]])
    y, x = np.mgrid[:36, :40] + 0.5
    want = np.ones((36, 40), bool)
    for (x1, y1), (x2, y2) in zip(corners, np.roll(corners, -1, 0), strict=True):
        want &= (x2 - x1) * (y - y1) - (y2 - y1) * (x - x1) > 0
    got = decode_mask([corners.ravel().tolist()], (36, 40))
    np.testing.assert_array_equal(got, want)
    assert 400 < want.sum() < 700
    two = decode_mask([[0, 0, 4, 0, 4, 2, 0, 2], [1, 1, 3, 1, 3, 5, 1, 5]], (6, 5))
    assert two.sum() == 8 + 6  # polygons of one object are put together


def test_masks_of_pixels(tmp_path):
    numbers = np.array([[0, 1, 255], [2, 2, 0]], np.uint8)
    path = tmp_path / "m.png"
    Image.fromarray(numbers).save(path)
    np.testing.assert_array_equal(read_mask(path, (2, 3)), numbers)
    want = [[0, 1, -1], [2, 2, 0]]
    np.testing.assert_array_equal(read_mask(path, (2, 3), 3), want)
    for size, classes, message in (
        ((3, 2), 3, r"the image is \(3, 2\), the mask \(2, 3\)"),
        ((2, 3), 2, "classes are below 2, got 2"),
    ):
        with pytest.raises(DataError, match=message):
            read_mask(path, size, classes)
    Image.fromarray(np.zeros((2, 3, 3), np.uint8)).save(path)
    with pytest.raises(DataError, match="one number a pixel"):
        read_mask(path, (2, 3))


def test_instances_of_a_mask():
    mask = np.array([[0, 4, 4, 0], [0, 4, 0, 9], [0, 0, 0, 9]])
    found = annotations.instances(mask, 1)
    np.testing.assert_array_equal(found.boxes, [[1, 0, 3, 2], [3, 1, 4, 3]])
    assert found.labels.tolist() == [1, 1] and found.masks.sum((1, 2)).tolist() == [
        3,
        2,
    ]
    assert annotations.instances(0 * mask).boxes.shape == (0, 4)
