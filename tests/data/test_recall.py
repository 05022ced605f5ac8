"""The task of memory: what its rows are, and that nothing but the first tells."""

import numpy as np
import pytest

from zoo.data import recall


def test_rows():
    batch = recall(500, delay=6, symbols=4, seed=2).at(9)
    x, y, mask = batch["x"], batch["y"], batch["mask"]
    assert x.shape == y.shape == mask.shape == (500, 8) and x.dtype == y.dtype == "i4"
    assert set(x[:, 0]) == {1, 2, 3, 4} and set(x[:, 1:7].ravel()) == {5, 6, 7, 8}
    assert not x[:, 7].any() and (mask.sum(0) == [0] * 7 + [500]).all()
    np.testing.assert_array_equal(y, np.repeat(x[:, :1], 8, 1))
    # Even, and distractors tell nothing: within five standard deviations.
    assert abs(np.bincount(x[:, 0])[1:] - 125).max() < 5 * (500 * 3 / 16) ** 0.5
    same = (x[:, 1:7] - 4 == x[:, :1]).mean(0)
    assert abs(same - 0.25).max() < 5 * (3 / 16 / 500) ** 0.5


def test_a_batch_is_a_function_of_seed_and_step():
    stream, again, other = (recall(8, 3, seed=s) for s in (1, 1, 2))
    np.testing.assert_array_equal(stream.at(5)["x"], again.at(5)["x"])
    assert (stream.at(5)["x"] != stream.at(6)["x"]).any()
    assert (stream.at(5)["x"] != other.at(5)["x"]).any()
    np.testing.assert_array_equal(stream.rows(5, 2, 4)["x"], stream.at(5)["x"][2:4])
    assert recall(2, 0).at(0)["x"].shape == (2, 2)


@pytest.mark.parametrize(
    "given, message",
    [
        ((0, 3), "batch_size must be an integer at least 1"),
        ((2, -1), "delay must be an integer at least 0"),
        ((2, 3, 1), "symbols must be an integer at least 2"),
    ],
)
def test_refuses(given, message):
    with pytest.raises(ValueError, match=message):
        recall(*given)
