"""Drawn heads: what they are made of, that they differ, and refusals."""

import numpy as np
import pytest

from zoo.data.phantoms import T1, T2, TISSUES, phantoms


def test_slices_are_of_their_tissues():
    found = phantoms(6, 3, 128)  # so large that few pixels are of two tissues
    assert found.t1.shape == found.t2.shape == (6, 128, 128, 1)
    assert found.t1.dtype == np.float32 and found.tissue.dtype == np.uint8
    for image, means in ((found.t1, T1), (found.t2, T2)):
        for kind, mean in enumerate(means):
            inside = image[..., 0][found.tissue == kind]
            assert abs(inside.mean() - mean) < 0.13, (TISSUES[kind], mean)
    shares = np.bincount(found.tissue.ravel(), minlength=5) / found.tissue.size
    assert shares.min() > 0.03 and shares[0] > 0.3
    assert not found.tissue[:, [0, -1]].any()  # heads are inside the image
    middle = found.tissue[:, 48:80, 48:80]
    assert (middle == TISSUES.index("fluid")).any((1, 2)).all()  # ventricles


def test_slices_are_a_function_of_the_seed():
    assert phantoms(1).t1.shape == (1, 32, 32, 1)
    one, again, other = phantoms(3, 1), phantoms(2, 1), phantoms(3, 2)
    np.testing.assert_array_equal(one.t2[:2], again.t2)
    assert (one.tissue != other.tissue).any((1, 2)).all()
    assert (one.tissue[0] != one.tissue[1]).any()


@pytest.mark.parametrize("flags", [{"count": 0}, {"size": 8}, {"seed": -1}])
def test_refuses(flags):
    with pytest.raises(ValueError, match=f"{next(iter(flags))} must be"):
        phantoms(**{"count": 1, **flags})
