"""R-CNN: crops by hand, and a small training on scenes."""

import jax
import numpy as np
import pytest

import zoo.metrics as M
from zoo.data import Shapes, scene
from zoo.data.scenes import detection as batched
from zoo.detection import Recipe, decode, iou, rcnn

SHAPES = Shapes(size=48, least=1, most=3, radius=(0.12, 0.22))
SMALL = Recipe(
    proposals=60, crop=16, maps=(8, 12), features=32, steps=150, hardest=150, rounds=1,
    found=8, learning_rate=0.01,
)  # fmt: skip


def scenes(count, seed):
    return batched([scene(SHAPES, seed, i) for i in range(count)], SHAPES.most)


@pytest.fixture(scope="module")
def trained():
    told = []
    model = rcnn.train(scenes(30, 0), SMALL, 0, told.append)
    return model, told


def test_it_finds_objects(trained):
    """AP at 0.5 of objects of whatever class, from the crops of 30 scenes: 0.40."""
    model, told = trained
    test = scenes(20, 1000)
    found = rcnn.predict(model, test["x"], SMALL)
    assert found.boxes.shape == (20, 8, 4) and found.labels.dtype == np.int32

    @jax.jit
    @jax.vmap
    def matches(found, boxes, there):  # of whatever class
        none = 0 * found.labels
        return M.detection_matches(
            *(iou(found.boxes, boxes), found.scores, none, none[: len(there)], 1),
            **dict(present=found.present, there=there),
        )

    ap = float(
        M.mean_average_precision(matches(found, test["boxes"], test["present"]), "area")
    )
    print(ap, told)
    assert ap > 0.3
    wrong = [line.split("[")[1] for line in told if "round" in line]
    assert len(wrong) == 2  # one before the hardest were looked for


def test_its_regression_learns_where_objects_are():
    """Offsets that are linear in the features; pairs too far apart do not count."""
    rng = np.random.default_rng(0)
    seen, w = rng.normal(size=(240, 6)), 0.05 * rng.normal(size=(6, 4))
    low = rng.uniform(0, 20, (240, 2))
    box = np.concatenate([low, low + rng.uniform(5, 20, low.shape)], 1)
    seen, w, box = np.float32(seen), np.float32(w), np.float32(box)
    target = np.asarray(decode(np.float32(seen @ w + 0.1), box))
    shared = np.where(np.arange(240) < 200, 0.8, 0.5)
    target = np.where(shared[:, None] > 0.6, target, box + 9)
    flags = np.ones(240, bool)
    pool = rcnn._Pool(None, box, flags, ~flags, shared[:, None], target[:, None])
    got = rcnn._regression(seen, pool, Recipe(classes=1, alpha=1e-4))
    np.testing.assert_allclose(got.weights[0], w, atol=1e-4)
    np.testing.assert_allclose(got.intercept[0], 0.1, atol=1e-4)


def test_crops_are_the_box_with_its_context():
    """A ramp is warped to a ramp: twelve pixels, a third of them on each side more."""
    ramp = np.broadcast_to(np.arange(48.0)[None, :, None], (48, 48, 3)).astype(
        "float32"
    )
    recipe = Recipe(crop=12, context=227 / 6)
    box = np.float32([[12, 12, 24, 24]])  # with its context from 9 to 27
    got = np.asarray(rcnn.crops(ramp, box, recipe))[0]
    # A third of the crop is context: 12 pixels are two thirds of 18.
    want = 9 + (np.arange(12) + 0.5) * 18 / 12 - 0.5 - ramp.mean()
    np.testing.assert_allclose(
        got, np.broadcast_to(want[None, :, None], got.shape), atol=1e-4
    )


def test_refuses():
    batch = scenes(2, 0)
    with pytest.raises(ValueError, match=r"x must be \[B, H, W, 3\] with boxes"):
        rcnn.train({**batch, "labels": batch["labels"][:1]}, SMALL)
    with pytest.raises(ValueError, match="labels must be from 0 to 2"):
        rcnn.train({**batch, "labels": batch["labels"] + 9}, SMALL)
    with pytest.raises(ValueError, match="objects of each class, got"):
        rcnn.train({**batch, "labels": 0 * batch["labels"]}, SMALL)
    with pytest.raises(ValueError, match="crop must be from 12, got 8"):
        Recipe(crop=8)
