"""The embedded digits and photo against scikit-learn's, the pair against skimage's."""

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


def test_photo_is_that_of_scikit_learn():
    from sklearn.datasets import load_sample_image

    from zoo import data

    flower = load_sample_image("flower.jpg")[77:365, 164:452].astype(float)
    half = flower.reshape(144, 2, 144, 2, 3).mean((1, 3))
    # Decoders of JPEG may round otherwise, by one.
    assert np.abs(data.photo() - half).max() <= 1.5


def test_motorcycle_is_that_of_scikit_image():
    from pathlib import Path

    import skimage.data

    from zoo import data

    left, right, disparity = skimage.data.stereo_motorcycle()
    pair = data.motorcycle(Path(skimage.data.__file__).parent)
    np.testing.assert_allclose(255 * pair.first, left, atol=1e-4)
    np.testing.assert_allclose(255 * pair.second, right, atol=1e-4)
    np.testing.assert_array_equal(-pair.flow[..., 0], disparity)
    known = np.isfinite(disparity)
    assert 0.9 < known.mean() < 1 and not pair.flow[known][:, 1].any()
