"""The parts of detectors: transcriptions in NumPy, padding, limits, refusals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from zoo import detection
from zoo.detection import BELOW, BETWEEN


def draw(count, seed=0):
    """Boxes of which many lie on each other, scores with ties, three classes."""
    rng = np.random.default_rng(seed)
    low = np.round(rng.uniform(0, 12, (count, 2)))
    boxes = np.concatenate([low, low + np.round(rng.uniform(1, 9, (count, 2)))], 1)
    scores = np.round(rng.uniform(size=count), 2)
    return np.float32(boxes), np.float32(scores), rng.integers(0, 3, count)


def overlap(a, b):
    sides = [max(0, min(a[i + 2], b[i + 2]) - max(a[i], b[i])) for i in (0, 1)]
    both = sides[0] * sides[1]
    either = sum((c[2] - c[0]) * (c[3] - c[1]) for c in (a, b)) - both
    return both / either if either else 0.0


def suppressed(boxes, scores, labels, threshold, decay, sigma, least):
    """The paper's pseudocode: pairs of number and score."""
    left, kept = {i: float(s) for i, s in enumerate(scores) if s > least}, []
    while left:
        m = max(left, key=lambda i: (left[i], -i))
        kept.append((m, left.pop(m)))
        for i in list(left):
            u = overlap(boxes[m], boxes[i]) if labels[i] == labels[m] else 0.0
            if decay == "gaussian":
                left[i] *= np.exp(-(u**2) / sigma)
            elif u > threshold:
                left[i] *= 1 - u if decay == "linear" else 0.0
                if decay == "hard":
                    del left[i]
            if i in left and left[i] <= least:
                del left[i]
    return kept


@pytest.mark.parametrize("decay", ["hard", "linear", "gaussian"])
def test_suppression_is_the_papers(decay):
    options = dict(decay=decay, sigma=0.4, least=0.05)
    nms = jax.jit(lambda b, s, n: detection.nms(b, s, 60, 0.3, labels=n, **options))
    for seed in range(3):
        boxes, scores, labels = draw(60, seed)
        scores[50:], boxes[40:43, 2:] = -np.inf, boxes[40:43, :2]  # absent; no area
        got = nms(boxes, scores, labels)
        want = suppressed(boxes, scores, labels, 0.3, decay, 0.4, 0.05)
        count = int(got.present.sum())
        assert got.index[:count].tolist() == [i for i, _ in want]
        np.testing.assert_allclose(got.scores[:count], [s for _, s in want], rtol=1e-5)
        assert 5 < count < 50 and not np.asarray(got.present[count:]).any()
        assert not np.asarray(got.index[count:]).any()


def test_suppression_of_negative_scores_and_few_places():
    boxes = np.float32([[0, 0, 4, 4], [0, 0, 4, 4], [8, 8, 9, 9], [20, 20, 22, 22]])
    scores = np.float32([-3, -2, -5, -1])
    got = detection.nms(boxes, scores, 2)
    assert got.index.tolist() == [3, 1] and got.present.all()
    got = detection.nms(boxes, scores, 6)
    assert got.index.tolist() == [3, 1, 2, 0, 0, 0]
    assert got.present.tolist() == [True] * 3 + [False] * 3
    edge = detection.nms(boxes[:2] + np.float32([[0], [1]]), scores[:2], 2, 9 / 23)
    assert edge.present.all()  # at the threshold, not above it
    none = detection.nms(boxes[:0], scores[:0], 2)
    assert not none.present.any()
    half = np.float32([[0, 0, 2, 1], [0, 0, 1, 1]])
    for score, decay in ((0.25, "hard"), (0.5, "linear")):  # it becomes the least
        two = np.float32([1, score])
        got = detection.nms(half, two, 2, 0.3, decay=decay, least=0.25)
        assert got.present.tolist() == [True, False]
    assert not detection.nms(half, two / 4, 2, least=0.25).present.any()
    several = jax.vmap(lambda s: detection.nms(boxes, s, 3))(
        np.stack([scores, -scores])
    )
    assert several.index.tolist() == [[3, 1, 2], [2, 0, 3]]


def test_boxes_without_area_do_no_harm():
    boxes = np.float32([[0, 0, 4, 4], [2, 2, 2, 2], [3, 3, 1, 1], [2, 2, 2, 2]])
    for share in (detection.iou, detection.giou):
        got = np.asarray(share(boxes, boxes))
        assert np.isfinite(got).all() and (got >= -1).all() and (got <= 1).all()
        assert got[0, 0] == 1
    assert not np.asarray(detection.iou(boxes, boxes))[1:].any()
    assert detection.area(boxes).tolist() == [16, 0, 0, 0]
    slope = jax.grad(lambda b: detection.giou(b, boxes).sum())(boxes)
    assert np.isfinite(slope).all()
    t = detection.encode(boxes, boxes[::-1])
    assert np.isfinite(t).all()


def test_giou_pulls_boxes_together_that_iou_does_not():
    apart, target = np.float32([[0, 0, 1, 1]]), np.float32([[5, 0, 6, 1]])
    of = lambda share: jax.grad(lambda b: share(b, target)[0, 0])(apart)
    assert not np.asarray(of(detection.iou)).any()
    assert of(detection.giou)[0, 2] > 0
    assert detection.giou(apart, target)[0, 0] == pytest.approx(-4 / 6)


def test_decode_undoes_encode():
    boxes, _, _ = draw(30)
    anchors, _, _ = draw(30, 1)
    weights = (10.0, 10.0, 5.0, 5.0)
    again = detection.decode(
        detection.encode(boxes, anchors, weights), anchors, weights
    )
    np.testing.assert_allclose(again, boxes, atol=1e-4)
    assert not np.asarray(detection.encode(boxes, boxes)).any()
    thin, one = np.float32([[0, 0, 0.5, 0.25]]), np.float32([[0, 0, 1, 1]])
    want = [[-0.25, -0.375, np.log(0.5), np.log(0.25)]]  # not as if it had a pixel
    np.testing.assert_allclose(detection.encode(thin, one), want, rtol=1e-6)


def test_match_without_objects():
    quality = np.float32([[0.9, 0.5, 0.1, 0.0]])
    match = lambda present, rescue=True: detection.match(
        quality, np.array([present]), 0.7, 0.3, rescue
    ).tolist()
    assert match(True) == [0, BETWEEN, BELOW, BELOW]
    assert match(False) == [BELOW] * 4
    assert detection.match(quality[:0], np.ones(0, bool), 0.7, 0.3).tolist() == [-1] * 4
    apart = detection.match(0 * quality, np.array([True]), 0.7, 0.3, True)
    assert apart.tolist() == [BELOW] * 4  # nothing to rescue


def test_samples_are_balanced_and_fair():
    matched = np.array([3] * 6 + [BELOW] * 20 + [BETWEEN] * 4)
    draws = jax.jit(jax.vmap(lambda key: detection.sample(key, matched, 8, 0.25)))(
        jax.random.split(jax.random.key(0), 2000)
    )
    index, positive = np.asarray(draws.index), np.asarray(draws.positive)
    assert draws.present.all() and (positive == (np.arange(8) < 2)).all()
    assert (matched[index[:, :2]] == 3).all() and (matched[index[:, 2:]] == -1).all()
    assert all(len(set(row)) == 8 for row in index.tolist())
    often = np.bincount(index.ravel(), minlength=30) / 2000
    np.testing.assert_allclose(often[:6], 2 / 6, atol=0.05)
    np.testing.assert_allclose(often[6:26], 6 / 20, atol=0.05)


@pytest.mark.parametrize(
    "positives, negatives, count, want",
    [
        (1, 3, 8, (1, 3)),
        (0, 5, 8, (0, 5)),
        (0, 5, 4, (0, 4)),
        (5, 0, 4, (2, 0)),
        (1, 9, 4, (1, 3)),
        (0, 0, 4, (0, 0)),
        (5, 5, 5, (2, 3)),
    ],
)
def test_samples_of_few(positives, negatives, count, want):
    matched = np.array([0] * positives + [BELOW] * negatives + [BETWEEN], np.int32)
    got = detection.sample(jax.random.key(1), matched, count, 0.5)
    assert got.index.shape == (count,)
    first = int(got.positive.sum())
    assert (first, int(got.present.sum()) - first) == want
    present = np.asarray(got.present)
    assert not np.asarray(got.index)[~present].any()
    chosen = np.asarray(got.index)[present]
    assert len(set(chosen.tolist())) == sum(want)


def pooled(x, boxes, size, scale):
    """Caffe's loops."""
    height, width, _ = x.shape
    out = np.zeros((len(boxes), *size, x.shape[2]))
    away = lambda v: int(np.sign(v) * np.floor(abs(v) + 0.5))
    for n, box in enumerate(boxes):
        x1, y1, x2, y2 = (away(v * scale) for v in box)
        high, wide = max(y2 - y1 + 1, 1), max(x2 - x1 + 1, 1)
        for p in range(size[0]):
            for q in range(size[1]):
                rows = slice(
                    min(max(int(np.floor(p * high / size[0])) + y1, 0), height),
                    min(max(int(np.ceil((p + 1) * high / size[0])) + y1, 0), height),
                )
                columns = slice(
                    min(max(int(np.floor(q * wide / size[1])) + x1, 0), width),
                    min(max(int(np.ceil((q + 1) * wide / size[1])) + x1, 0), width),
                )
                part = x[rows, columns]
                if part.size:
                    out[n, p, q] = part.max((0, 1))
    return out


def test_roi_pool_is_caffes_loops():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(9, 7, 2))
    boxes, _, _ = draw(20)
    boxes = np.concatenate(
        [2 * boxes - 5, [[40, 40, 50, 50], [4, 4, 4, 4], [3, 5, 9, 7], [9, 9, 3, 2]]]
    )
    with jax.enable_x64(True):
        pool = jax.jit(lambda x: detection.roi_pool(x, boxes, (3, 2), 0.5))
        y, back = jax.vjp(pool, x)
        np.testing.assert_array_equal(y, pooled(x, boxes, (3, 2), 0.5))
        g, towards = rng.normal(size=y.shape), rng.normal(size=x.shape)
        slope = (back(jnp.asarray(g))[0] * towards).sum()
        step = 1e-6 * towards
        rise = pooled(x + step, boxes, (3, 2), 0.5) - pooled(
            x - step, boxes, (3, 2), 0.5
        )
        assert slope == pytest.approx((rise * g).sum() / 2e-6, rel=1e-6)


def aligned_by_loops(x, boxes, size, scale, points, aligned):
    """Points one after another; what is more than a cell outside counts as 0."""
    height, width, channels = x.shape
    out = np.zeros((len(boxes), *size, channels))

    def at(y, z):
        if not (-1 <= y <= height and -1 <= z <= width):
            return np.zeros(channels)
        y, z = np.clip(y, 0, height - 1), np.clip(z, 0, width - 1)
        i, j = int(y), int(z)
        k, m = min(i + 1, height - 1), min(j + 1, width - 1)
        top = (1 - z + j) * x[i, j] + (z - j) * x[i, m]
        return (1 - y + i) * top + (y - i) * ((1 - z + j) * x[k, j] + (z - j) * x[k, m])

    for n, box in enumerate(boxes):
        x1, y1, x2, y2 = box * scale - (0.5 if aligned else 0)
        sides = np.array([y2 - y1, x2 - x1])
        sides = sides if aligned else np.maximum(sides, 1)
        each = sides / size
        for p, q, i, j in np.ndindex(*size, points, points):
            y = y1 + each[0] * (p + (i + 0.5) / points)
            z = x1 + each[1] * (q + (j + 0.5) / points)
            out[n, p, q] += at(y, z) / points**2
    return out


@pytest.mark.parametrize("aligned", [True, False])
def test_roi_align_beyond_the_map_is_the_loops(aligned):
    x = np.random.default_rng(0).normal(size=(6, 5, 2))
    boxes = np.array(
        [[-9, -3, 3, 20], [30, 30, 40, 40], [2, 2, 2, 2], [9, 8, 3, 4], [1, 1, 60, 9.5]]
    )
    with jax.enable_x64(True):
        y = detection.roi_align(x, boxes, (3, 4), 0.4, 2, aligned)
    want = aligned_by_loops(x, boxes, (3, 4), 0.4, 2, aligned)
    np.testing.assert_allclose(y, want, rtol=1e-9, atol=1e-12)
    assert not want[1].any() and want[0].any()


def test_roi_align_of_whole_cells_is_the_map():
    x = np.random.default_rng(0).normal(size=(6, 5, 2)).astype(np.float32)
    whole = np.float32([[0, 0, 5, 6]])
    y = detection.roi_align(x, whole, (6, 5), points=1)
    np.testing.assert_allclose(y[0], x, atol=1e-6)
    mirrored = detection.roi_align(x[:, ::-1], whole, (3, 5))
    same = detection.roi_align(x, whole, (3, 5))[:, :, ::-1]
    np.testing.assert_allclose(mirrored, same, atol=1e-5)
    doubled = detection.roi_align(x, 2 * whole, (3, 5), scale=0.5)
    np.testing.assert_allclose(doubled, same[:, :, ::-1], atol=1e-5)


BOX = np.zeros((2, 4), np.float32)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: detection.iou(BOX[0], BOX), r"a must be boxes \[N, 4\], got \(4,\)"),
        (lambda: detection.clip(BOX[:, :3], (2, 2)), r"boxes must be boxes"),
        (lambda: detection.encode(BOX, BOX[:1]), "an anchor for each box"),
        (lambda: detection.encode(BOX, BOX, (1, 1, 1, 0)), "four positive numbers"),
        (lambda: detection.cell_anchors([], [1]), "sizes must be positive"),
        (lambda: detection.grid_anchors(BOX, (0, 3), (1, 1)), "from 1, got"),
        (lambda: detection.grid_anchors(BOX[0], (1, 3), (1, 1)), "cells must be boxes"),
        (lambda: detection.pyramid_anchors([(2, 2)], (4, 4), [], [1]), "for 1 maps"),
        (lambda: detection.match(BOX, BOX[0] > 0, 0.7, 0.3), r"quality must be \[G"),
        (lambda: detection.match(BOX, BOX[:, 0] > 0, 0.3, 0.7), "0 <= low <= high"),
        (lambda: detection.sample(jax.random.key(0), BOX, 3, 0.5), "matched must be"),
        (
            lambda: detection.sample(jax.random.key(0), np.zeros(3, int), 0, 0.5),
            "count must be from 1",
        ),
        (lambda: detection.nms(BOX, BOX[0], 3), r"scores and labels must be \[N\]"),
        (lambda: detection.nms(BOX, BOX[:, 0], 3, 1.5), "threshold from 0 to 1"),
        (lambda: detection.nms(BOX, BOX[:, 0], 3, decay="soft"), "decay must be one"),
        (lambda: detection.roi_align(BOX, BOX, (2, 2)), r"a map \[H, W, C\]"),
        (lambda: detection.roi_align(BOX[None], BOX, (0, 2)), "size must be"),
        (lambda: detection.roi_align(BOX[None], BOX, (2, 2), points=0), "points must"),
        (lambda: detection.roi_pool(BOX[None], BOX, (2, 2), 0.0), "scale above 0"),
    ],
)
def test_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call()
