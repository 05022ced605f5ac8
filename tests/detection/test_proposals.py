"""Regions and proposals: what is known by hand, and objects of rendered scenes."""

import numpy as np
import pytest

from zoo.data import Shapes, scene
from zoo.detection import graph_segmentation, iou, proposals, propose
from zoo.detection.proposals import hierarchy


def quarters(noise=0.0):
    image = np.zeros((12, 16, 3))
    image[:6, 8:], image[6:, :8], image[6:, 8:] = (1, 0, 0), (0, 1, 0), (0.9, 0, 0)
    return image + noise * np.random.default_rng(0).uniform(size=image.shape)


def test_plain_regions_are_found():
    want = np.repeat(np.repeat([[0, 1], [2, 3]], 6, 0), 8, 1)
    got = graph_segmentation(quarters(), 0.5, 0.0, 1)
    np.testing.assert_array_equal(got, want)
    # 0.1 apart: one region where k over their 48 pixels is more.
    joined = graph_segmentation(quarters(), 5.0, 0.0, 1)
    assert joined.max() == 2 and joined[0, 15] == joined[11, 15]
    assert graph_segmentation(quarters(), 1e3, 0.0, 1).max() == 0
    dots = quarters()
    dots[3, 3] = 0.2  # by itself it would join, its large neighbour would not
    assert graph_segmentation(dots, 0.5, 0.0, 1).max() == 4
    np.testing.assert_array_equal(graph_segmentation(dots, 0.5, 0.0, 2), want)


def test_what_is_alike_is_joined_first():
    boxes = hierarchy(quarters(), graph_segmentation(quarters(), 0.5, 0.0, 1))
    assert len(boxes) == 7 and boxes[-1] == (0, 0, 16, 12)
    assert boxes[4] == (8, 0, 16, 12)  # both are red


def test_likeness_by_hand():
    region = lambda n, box, colour, texture: proposals._Region(
        n, box, np.array(colour), np.array(texture)
    )
    a = region(10, (0, 0, 5, 2), [1.0, 0.0], [0.75, 0.25])
    b = region(6, (7, 0, 10, 2), [0.5, 0.5], [0.0, 1.0])
    # 20 pixels are around both, of which 4 are neither's; the image has 100.
    assert proposals._alike(a, b, 100) == pytest.approx(0.5 + 0.25 + 0.84 + 0.96)
    both = proposals._joined(a, b)
    assert both.pixels == 16 and both.box == (0, 0, 10, 2)
    np.testing.assert_allclose(both.colour, [13 / 16, 3 / 16])


def test_objects_of_scenes_are_among_few_proposals():
    """Of 8 scenes with at least 3 objects each."""
    best, count = [], []
    for i in range(8):
        one = scene(Shapes(size=64), 5, i)
        found = propose(one.x, 120)
        assert found.boxes.shape == (120, 4) and found.boxes.dtype == np.float32
        real = found.boxes[found.present]
        assert len(np.unique(real, axis=0)) == len(real)
        assert (real[:, 2:] - real[:, :2] >= 6).all() and real.max() <= 64
        assert not found.boxes[~found.present].any()
        best += np.asarray(iou(one.boxes, real)).max(1).tolist()
        count.append(len(real))
    best = np.array(best)
    print(len(best), (best > 0.5).mean(), (best > 0.7).mean(), np.mean(count))
    assert (best > 0.5).mean() > 0.9 and (best > 0.7).mean() > 0.75
    again = propose(one.x, 120)
    np.testing.assert_array_equal(again.boxes, found.boxes)
    np.testing.assert_array_equal(propose(one.x, 30).boxes, found.boxes[:30])


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda x: graph_segmentation(x[0]), r"finite, \[H, W, C\], got \(16, 3\)"),
        (lambda x: graph_segmentation(x, k=0.0), "k must be positive, .* got 0.0"),
        (lambda x: propose(2 * x), r"must be \[H, W, C\] from 0 to 1"),
        (lambda x: propose(x, 0), "count must be from 1 .* got 0"),
    ],
)
def test_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call(quarters())
