"""Rendered scenes: what they promise, their padding, and refusals."""

import numpy as np
import pytest

import zoo
from zoo.data import Shapes, padded, scene, shapes


def test_scenes_are_what_they_promise():
    cfg = Shapes(size=96)
    found = [scene(cfg, 0, i) for i in range(40)]
    counts = [len(s.labels) for s in found]
    assert set(counts) == {3, 4, 5, 6}
    assert set(np.concatenate([s.labels for s in found])) == {0, 1, 2}
    for s in found:
        assert s.x.shape == (96, 96, 3) and s.x.dtype == np.float32
        assert 0 <= s.x.min() < s.x.max() <= 1
        assert s.instances.max() == len(s.labels)
        for i, (x1, y1, x2, y2) in enumerate(s.boxes.astype(int), 1):
            mask = s.instances == i
            assert mask[y1:y2, x1:x2].sum() == mask.sum() > 20
            for side in (mask[y1], mask[y2 - 1], mask[:, x1], mask[:, x2 - 1]):
                assert side.any()  # no smaller box would do


def test_overlaps_hide_a_fifth_at_most():
    """Discs, whose size is known from what is seen of them: they are round."""
    crowded = Shapes(size=64, least=8, most=8, radius=(0.15, 0.2))
    hidden = []
    for i in range(20):
        s = scene(crowded, 1, i)
        assert len(s.labels) == 8
        for k in np.flatnonzero(s.labels == 0):
            mask = s.instances == k + 1
            width, height = s.boxes[k, 2:] - s.boxes[k, :2]
            whole = np.pi * max(width, height) ** 2 / 4
            hidden.append(1 - mask.sum() / whole)
    assert max(hidden) < 0.3 and np.mean(np.array(hidden) > 0.1) > 0.1


def test_a_scene_is_a_function_of_seed_and_number():
    cfg = Shapes(size=48)
    a, b = scene(cfg, 3, 7), scene(cfg, 3, 7)
    assert all(np.array_equal(*pair) for pair in zip(a, b, strict=True))
    for other in (scene(cfg, 4, 7), scene(cfg, 3, 8)):
        assert not np.array_equal(a.x, other.x)
    stream = shapes("segmentation", 4, seed=3, cfg=cfg)
    batch = stream.at(1)
    np.testing.assert_array_equal(batch["x"][3], a.x)
    labelled = np.append(0, a.labels + 1)[a.instances]
    np.testing.assert_array_equal(batch["y"][3], labelled)
    np.testing.assert_array_equal(batch["index"], [4, 5, 6, 7])
    rows = stream.rows(1, 2, 4)
    assert all(np.array_equal(rows[name], batch[name][2:]) for name in batch)


def test_lists_of_objects_are_padded():
    cfg = Shapes(size=48, least=0, most=5)
    batch = shapes("detection", 20, seed=2, cfg=cfg, scenes=30).at(0)
    again = shapes("detection", 20, seed=2, cfg=cfg, scenes=30).at(3)  # 60 to 79
    assert batch["boxes"].shape == (20, 5, 4) and batch["labels"].shape == (20, 5)
    np.testing.assert_array_equal(batch["x"], again["x"])
    np.testing.assert_array_equal(
        batch["present"].sum(1), batch["instances"].max((1, 2))
    )
    assert 0 in batch["present"].sum(1)  # an image without objects
    assert not batch["boxes"][~batch["present"]].any()
    none = padded(np.zeros((0, 4)), np.zeros(0), 2)
    assert none["boxes"].shape == (2, 4) and not none["present"].any()


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: Shapes(size=8), "size must be an integer at least 32"),
        (lambda: Shapes(least=4, most=3), "least must be an integer from 0 to 3"),
        (lambda: Shapes(radius=(0.3, 0.2)), "radius must rise"),
        (lambda: Shapes(noise=-1.0), "noise must not be negative"),
        (lambda: scene(Shapes(), -1, 0), "seed must be"),
        (lambda: shapes("boxes", 4), "kind must be one of segmentation, detection"),
        (lambda: shapes("detection", 4, scenes=3), "scenes must be an integer at"),
        (lambda: padded(np.zeros((3, 4)), np.zeros(3), 2), "most must be"),
    ],
)
def test_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_they_are_in_the_public_face():
    assert zoo.data.shapes is shapes
