"""VOC's average precision by its loops, borders by scipy's erosion, refusals."""

import jax
import numpy as np
import pytest
from scipy import ndimage

import zoo.metrics as M

B, D, G, K = 8, 10, 4, 3


def draw(seed):
    rng = np.random.default_rng(seed)
    return dict(
        overlap=np.float32(rng.uniform(size=(B, D, G)) ** 2),
        scores=np.float32(rng.permutation(B * D).reshape(B, D) / (B * D)),
        labels=rng.integers(0, K, (B, D)),
        truth=rng.integers(0, K, (B, G)),
        present=rng.uniform(size=(B, D)) < 0.9,
        there=rng.uniform(size=(B, G)) < 0.8,
        ignored=rng.uniform(size=(B, G)) < 0.3,
    )


def voc(s, k, t, eleven):
    """The development kit's VOCevaldet for one class."""
    taken, hits = set(), []
    order = sorted(np.ndindex(B, D), key=lambda at: -s["scores"][at])
    for b, d in order:
        if not s["present"][b, d] or s["labels"][b, d] != k:
            continue
        best, most = None, -np.inf
        for g in range(G):
            if s["there"][b, g] and s["truth"][b, g] == k:
                if s["overlap"][b, d, g] > most:
                    best, most = (b, g), s["overlap"][b, d, g]
        if most > t:
            if not s["ignored"][best]:
                hits.append(best not in taken)
                taken.add(best)
        else:
            hits.append(False)
    objects = (s["there"] & ~s["ignored"] & (s["truth"] == k)).sum()
    true = np.cumsum(hits)
    recall, precision = true / objects, true / np.arange(1, len(hits) + 1)
    if eleven:
        points = np.arange(11) / 10
        above = [precision[recall >= p - 1e-9] for p in points]
        return np.mean([max(p, default=0) for p in above])
    recall = np.concatenate([[0], recall, [1]])
    precision = np.concatenate([[0], precision, [0]])
    for i in range(len(precision) - 2, -1, -1):
        precision[i] = max(precision[i], precision[i + 1])
    return (np.diff(recall) * precision[1:]).sum()


@pytest.mark.parametrize("kind", ["area", "eleven"])
def test_average_precision_is_vocs(kind):
    @jax.jit
    def precisions(s):
        match = lambda s: M.detection_matches(
            **s, classes=K, thresholds=(0.3, 0.5), rule="voc"
        )
        return M.average_precisions(jax.vmap(match)(s), kind)

    for seed in range(3):
        s = draw(seed)
        want = [[voc(s, k, t, kind == "eleven") for t in (0.3, 0.5)] for k in range(K)]
        np.testing.assert_allclose(precisions(s), want, rtol=1e-5)
        assert 0.02 < np.mean(want) < 0.9


def test_a_perfect_detector_and_one_that_finds_nothing():
    s = {name: x[:1] for name, x in draw(0).items()}
    overlap = np.float32(np.eye(D, G))[None]
    s |= dict(overlap=overlap, labels=np.int32([[0, 1, 1, 2] + [0] * 6]))
    s |= dict(truth=np.int32([[0, 1, 1, 2]]), there=np.ones((1, G), bool))
    s |= dict(present=np.arange(D)[None] < G, ignored=np.zeros((1, G), bool))
    match = jax.jit(
        lambda s: jax.vmap(lambda s: M.detection_matches(**s, classes=4))(s)
    )
    for kind in ("area", "eleven", "coco"):
        found = M.average_precisions(match(s), kind)[:, 0]
        np.testing.assert_array_equal(found, [1, 1, 1, np.nan])
        assert M.mean_average_precision(match(s), kind) == 1
        none = match(s | dict(present=np.zeros((1, D), bool)))
        assert M.mean_average_precision(none, kind) == 0
    empty = match(s | dict(there=np.zeros((1, G), bool)))
    with pytest.raises(ValueError, match="objects that count, got none"):
        M.mean_average_precision(empty)
    assert np.isnan(jax.jit(M.mean_average_precision)(empty))


def test_borders_are_those_of_an_erosion():
    rng = np.random.default_rng(0)
    truth, predicted = (
        np.stack([ndimage.zoom(rng.integers(0, 3, (4, 5)), 4, order=0) for _ in "ab"])
        for _ in "ab"
    )
    got = M.boundary_overlap(truth, predicted, 3, 2)
    want = np.zeros((2, 3))
    for k in range(3):
        for t, p in zip(truth == k, predicted == k, strict=True):
            g, h = (m & ~ndimage.binary_erosion(m, np.ones((5, 5))) for m in (t, p))
            want[:, k] += (g & h).sum(), (g | h).sum()
    np.testing.assert_array_equal(got, want)
    assert M.boundary_iou(got) == pytest.approx((want[0] / want[1]).mean())
    same = M.boundary_iou(M.boundary_overlap(truth, truth, 5, 1))
    assert same == 1  # of five classes two do not occur


SQUARE = np.zeros((1, 3, 3), np.int32)
DETECTION = dict(overlap=np.ones((2, 1)), scores=np.ones(2), labels=np.zeros(2, int))
TRUTH = dict(truth=np.zeros(1, int), classes=2)
found = lambda **more: M.detection_matches(**{**DETECTION, **TRUTH, **more})


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: found(scores=np.ones(3)), "scores must have a value for each of 2"),
        (lambda: found(crowd=np.zeros(2, bool)), "crowd must have a value for each"),
        (lambda: found(rule="kitti"), "rule must be one of coco, voc, got 'kitti'"),
        (lambda: found(thresholds=(0.5, 2.0)), r"thresholds must be in \(0, 1\]"),
        (lambda: found(truth=np.zeros(1)), "truth must be integers"),
        (lambda: M.average_precisions(found()), r"of a batch, scores \[B, D\]"),
        (lambda: M.average_precisions(found(), "mean"), "kind must be one of area"),
        (lambda: M.boundary_overlap(SQUARE, SQUARE[0], 2, 1), r"must be \[B, H, W\]"),
        (lambda: M.boundary_overlap(SQUARE, SQUARE, 2, 0), "distance must be an int"),
        (lambda: M.boundary_iou((np.zeros(2), np.zeros(2))), "count borders, got none"),
    ],
)
def test_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call()
