"""Average precision against pycocotools, in float64, to the last digit."""

import contextlib
import io

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from pycocotools.mask import iou as their_iou

import zoo.metrics as M
from zoo.metrics.detection import COCO as THRESHOLDS

IMAGES, D, G, CLASSES = 12, 14, 6, 3


def scenes(seed):
    """Objects, some of them crowds, and detections near them, both padded."""
    rng = np.random.default_rng(seed)
    low = np.round(rng.uniform(0, 60, (IMAGES, G, 2)))
    truth = np.concatenate([low, np.round(rng.uniform(3, 60, low.shape))], 2)  # x y w h
    labels = rng.integers(0, CLASSES, (IMAGES, G))
    there = np.arange(G) < rng.integers(0, G + 1, (IMAGES, 1))
    near = rng.integers(0, G, (IMAGES, D))
    boxes = np.take_along_axis(truth, near[..., None], 1)
    boxes = np.maximum(boxes + np.round(rng.normal(0, 3, boxes.shape)), 1)
    found = np.take_along_axis(labels, near, 1)
    found = np.where(rng.uniform(size=found.shape) < 0.2, rng.integers(0, 3), found)
    scores = np.round(rng.uniform(size=(IMAGES, D)), 1)  # many are equal
    present = np.arange(D) < rng.integers(0, D + 1, (IMAGES, 1))
    crowd = rng.uniform(size=(IMAGES, G)) < 0.2
    return dict(
        **dict(truth=truth, labels=labels, there=there, crowd=crowd),
        **dict(boxes=boxes, found=found, scores=scores, present=present),
    )


def theirs(s, most, area):
    """pycocotools' precisions, mean over recalls: [K, T] and its own mean."""
    truth = [
        dict(
            **dict(id=i * G + j + 1, image_id=i, category_id=int(s["labels"][i, j])),
            **dict(bbox=s["truth"][i, j].tolist(), iscrowd=int(s["crowd"][i, j])),
            area=float(s["truth"][i, j, 2:].prod()),
        )
        for i, j in zip(*np.nonzero(s["there"]), strict=True)
    ]
    found = [
        dict(
            **dict(image_id=i, category_id=int(s["found"][i, j])),
            **dict(bbox=s["boxes"][i, j].tolist(), score=float(s["scores"][i, j])),
        )
        for i, j in zip(*np.nonzero(s["present"]), strict=True)
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = {
            **{"info": {}, "images": [{"id": i} for i in range(IMAGES)]},
            **{"annotations": truth, "categories": [{"id": k} for k in range(CLASSES)]},
        }
        coco.createIndex()
        run = COCOeval(coco, coco.loadRes(found), "bbox")
        run.params.maxDets, run.params.areaRng = [1, 1, most], [[0, 1e10]] * 3 + [area]
        run.params.areaRngLbl = ["all", "small", "medium", "asked"]
        run.evaluate()
        run.accumulate()
    precision = run.eval["precision"][:, :, :, 3, 2]  # [T, R, K]
    return np.where(precision[:, 0] < 0, np.nan, precision.mean(1)).T


@pytest.mark.parametrize("most, area", [(100, [0, 1e10]), (2, [100, 2500])])
def test_average_precision_is_pycocotools(most, area):
    sized = lambda boxes: (
        (boxes[..., 2:].prod(-1) < area[0]) | (boxes[..., 2:].prod(-1) > area[1])
    )

    def one(overlap, scores, found, labels, present, there, ignored, crowd, outside):
        return M.detection_matches(
            *(overlap, scores, found, labels, CLASSES),
            **dict(present=present, there=there, ignored=ignored, crowd=crowd),
            **dict(outside=outside, thresholds=THRESHOLDS, most=most),
        )

    @jax.jit
    def precisions(*args):
        matches = jax.vmap(one)(*args)
        return M.average_precisions(matches), M.mean_average_precision(matches)

    for seed in range(3):
        s = scenes(seed)
        triples = zip(s["boxes"], s["truth"], s["crowd"].astype(np.uint8), strict=True)
        overlap = np.stack([their_iou(*triple) for triple in triples])
        with jax.enable_x64(True):
            ours, mean = precisions(
                *(overlap, s["scores"], s["found"], s["labels"], s["present"]),
                *(s["there"], sized(s["truth"]), s["crowd"], sized(s["boxes"])),
            )
            assert ours.dtype == jnp.float64
        want = theirs(s, most, area)
        np.testing.assert_allclose(ours, want, rtol=1e-12)
        assert float(mean) == pytest.approx(np.nanmean(want), rel=1e-12)
        assert 0.01 < np.nanmean(want) < 0.95
