"""What the experiment of detectors does, with small scenes and few steps."""

import numpy as np
import pytest

from experiments import detect
from experiments.detect import Config, Found, grid, main, measured, overlay
from zoo.data import scenes
from zoo.training import Machine

SMALL = dict(model="retinanet", size=32, steps=8, batch_size=2, scenes=4, test=3)


def test_it_trains_and_reports(tmp_path, capsys):
    single = Machine(parallel="single")
    cfg = Config(**SMALL, progress=False, run=str(tmp_path), machine=single)
    numbers = main(cfg)
    assert 0 <= numbers["ap"] <= 1 and numbers["ms"] > 0
    assert f"{numbers['ms']:.4g}" in capsys.readouterr().out
    page = (tmp_path / "report.html").read_text()
    assert page.count("<figure") == 2 and page.count("<table") == 1


def test_regions_and_the_comparison(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(detect, "EVERY", ("rcnn",))
    small = dict(size=64, steps=5, batch_size=1, scenes=4, test=2, progress=False)
    numbers = main(Config(**small, model="all", run=str(tmp_path)))
    assert 0 <= numbers["rcnn/ap"] <= 1 and numbers["rcnn/ms"] > 0
    assert f"{numbers['rcnn/ap']:.3g}" in capsys.readouterr().out
    assert (tmp_path / "rcnn" / "report.html").is_file()


@pytest.mark.slow  # four networks to compile; a row of benchmarks.detection
def test_in_turns(tmp_path):
    small = dict(size=32, steps=4, batch_size=2, scenes=4, test=2, progress=False)
    single = Machine(parallel="single")
    cfg = Config(**small, model="alternating", run=str(tmp_path), machine=single)
    assert 0 <= main(cfg)["ap"] <= 1
    assert (tmp_path / "report.html").is_file()
    assert main(cfg)["ms"] > 0  # from what is there


def test_proposals_are_made_once_for_a_scene():
    asked = []

    def propose(x):
        asked.append(x)
        return np.full((2, 4), x.sum()), np.array([True, False])

    stream = scenes.shapes("detection", 2, 0, scenes.Shapes(size=32), 3)
    with_them = detect.with_proposals(stream, propose)
    for step in range(3):  # scenes 0 1, 2 0, 1 2
        batch = with_them.at(step)
        want = np.broadcast_to(batch["x"].sum((1, 2, 3))[:, None, None], (2, 2, 4))
        np.testing.assert_allclose(batch["proposals"], want, rtol=1e-5)
        assert batch["proposed"].tolist() == [[True, False]] * 2
    assert len(asked) == 3
    half = with_them.rows(1, 1, 2)  # a process's share
    assert half["index"].tolist() == [0] and half["proposals"].shape == (1, 2, 4)
    assert detect.with_proposals(stream, None) is stream
    found = detect.proposer(Config(proposals="search"))(with_them.at(0)["x"][0])
    assert found.boxes.shape == (150, 4) and found.present.any()


def truth(count=3):
    """A test and what is perfectly found, with square masks of 14 pixels."""
    drawn = [scenes.scene(scenes.DEFAULT, 5, i) for i in range(count)]
    test = scenes.detection(drawn, 6)
    for i in range(count):  # as if all objects were boxes that do not overlap
        test["instances"][i] = 0
        for g in np.flatnonzero(test["present"][i]):
            x1, y1, x2, y2 = np.int32(test["boxes"][i, g])
            test["instances"][i, y1:y2, x1:x2] = g + 1
    found = Found(
        boxes=test["boxes"],
        scores=test["present"].astype(np.float32),
        labels=test["labels"],
        present=test["present"],
        masks=np.ones((count, 6, 14, 14), np.float32),
    )
    return test, found


def test_numbers_of_what_is_known():
    test, found = truth()
    numbers = measured(test, found)
    assert numbers["ap"] == numbers["ap/coco"] == numbers["ap/disc"] == 1
    assert numbers["mask_ap"] > 0.9
    moved = found._replace(boxes=found.boxes + 40, labels=(found.labels + 1) % 3)
    assert measured(test, moved)["ap"] < 0.1


def test_pictures_and_proposals():
    test, found = truth(1)
    x, one = test["x"][0], Found(*(part[0] for part in found))
    shown = overlay(x, one._replace(masks=None))
    x1, y1, x2, _ = np.int32(one.boxes[0])
    assert (shown[y1, x1:x2] == shown[y1, x1]).all() and (shown != x).any()
    np.testing.assert_array_equal(overlay(x, one._replace(present=~one.present)), x)
    boxes = grid(96)
    assert len(boxes) == 12 * 12 * 3 and (boxes[:, 2:] > boxes[:, :2]).all()
    assert boxes.min() == 0 and boxes.max() == 96


@pytest.mark.parametrize(
    "flags, message",
    [
        (dict(model="mask_rcn"), "unknown model 'mask_rcn'; did you mean 'mask_rcnn'"),
        (dict(proposals="net"), "unknown kind of proposals 'net'"),
        (dict(steps=0), "steps must be positive, got 0"),
        (dict(size=20), "size must be an integer at least 32"),
    ],
)
def test_flags(tmp_path, flags, message):
    with pytest.raises(ValueError, match=message):
        main(Config(**flags, run=str(tmp_path)))
    assert not list(tmp_path.iterdir())
