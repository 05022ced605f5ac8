"""The embedded digits against scikit-learn's own."""

import numpy as np
import pytest

pytestmark = pytest.mark.reference


def test_digits_are_those_of_scikit_learn():
    from sklearn.datasets import load_digits

    from zoo import data

    ours, theirs = data.load("digits"), load_digits()
    x = np.concatenate([ours.train["x"], ours.test["x"]])
    y = np.concatenate([ours.train["y"], ours.test["y"]])
    np.testing.assert_array_equal(x[..., 0], theirs.images)
    np.testing.assert_array_equal(y, theirs.target)
    assert ours.classes == tuple(map(str, theirs.target_names))
    assert ours.scale == theirs.images.max()
