"""Objects told apart: winding paths, discs that overlap, all pairs by loops."""

import jax
import numpy as np
import pytest

from zoo.segmentation import components, instance_iou, peaks, split, watershed


def discs(size, *centres, radius=7):
    y, x = np.mgrid[: size[0], : size[1]]
    inside = [(y - a) ** 2 + (x - b) ** 2 <= radius**2 for a, b in centres]
    return np.stack(inside)


def test_a_path_that_winds_is_one_part():
    mask = np.ones((9, 21), bool)
    mask[1::4, :-1] = mask[3::4, 1:] = False  # one way, back and forth
    run = jax.jit(components)
    np.testing.assert_array_equal(run(mask), mask)
    mask[4, 10] = False
    parts = np.asarray(run(mask))
    assert parts.max() == 2 and parts[0, 0] == 1 and parts[-1, -1] == 2
    assert not run(np.zeros((9, 21), bool)).any()
    corner = np.eye(3, dtype=bool)
    assert int(components(corner).max()) == 3
    assert int(components(corner, diagonal=True).max()) == 1


def test_discs_that_overlap_are_parted_between_them():
    both = discs((24, 40), (11, 12), (12, 24), radius=8)
    got = np.asarray(jax.jit(split)(both.any(0)))
    assert got.max() == 2 and ((got > 0) == both.any(0)).all()
    for number, mask in enumerate(both, 1):
        alone = mask & ~both[2 - number]
        assert (got[alone] == number).mean() > 0.95
    assert not split(np.zeros((24, 40), bool)).any()
    assert int(split(np.ones((24, 40), bool)).max()) == 1  # no end is to be seen


def test_water_rises_from_markers_only():
    height = np.array([[3, 1, 2, 5, 2, 0, 2, 9, 1]], np.float32)
    markers = np.array([[0, 7, 0, 0, 0, 4, 0, 0, 0]])
    got = watershed(height, markers, np.ones_like(height, bool), levels=10)
    # The ridge of 5 is the lower side's to take; the last basin has no marker.
    np.testing.assert_array_equal(got, [[7, 7, 7, 4, 4, 4, 4, 4, 4]])
    wall = height < 9
    got = watershed(height, markers, wall, levels=10)
    np.testing.assert_array_equal(got, [[7, 7, 7, 4, 4, 4, 4, 0, 0]])


def test_peaks_are_no_nearer_than_asked():
    x = np.zeros((5, 12), np.float32)
    x[2, 2], x[2, 5], x[1, 10] = 3, 2, 1
    assert np.argwhere(peaks(x, 2)).tolist() == [[1, 10], [2, 2], [2, 5]]
    assert np.argwhere(peaks(x, 3)).tolist() == [[1, 10], [2, 2]]
    assert np.argwhere(peaks(x, 2, 1.5)).tolist() == [[2, 2], [2, 5]]


def test_overlaps_of_all_pairs():
    rng = np.random.default_rng(0)
    found, truth = rng.integers(0, 5, (6, 7)), rng.integers(0, 4, (6, 7))
    got = np.asarray(instance_iou(found, truth, 3, 6))  # 4 of found does not count
    assert got.shape == (3, 6) and not got[:, 3:].any()
    for i in range(3):
        for j in range(3):
            a, b = found == i + 1, truth == j + 1
            assert got[i, j] == pytest.approx((a & b).sum() / (a | b).sum())


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda x: components(x[0]), r"mask must be \[H, W\] with pixels, got \(5,\)"),
        (lambda x: watershed(x, x[:3], x), "must be of one shape, and levels from 1"),
        (lambda x: watershed(x, x, x, 0), "levels from 1, got .* and 0"),
        (lambda x: peaks(x, 0), "reach must be from 1, got 0"),
        (lambda x: split(x, sigma=0.0), "sigma must be positive, got 0.0"),
        (lambda x: instance_iou(x, x, 0, 1), "d and g from 1, got .*, 0 and 1"),
    ],
)
def test_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call(np.zeros((4, 5), np.int32))
