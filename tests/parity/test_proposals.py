"""Graph-based segmentation against scikit-image's, pixel by pixel."""

import pytest
from skimage.segmentation import felzenszwalb

from zoo.data import photo
from zoo.detection import graph_segmentation


@pytest.mark.parametrize(
    "k, sigma, least", [(0.4, 0.8, 20), (2.0, 0.5, 5), (0.1, 0, 1)]
)
def test_regions_are_scikit_images(k, sigma, least):
    image = photo()[30:70, 20:75] / 255
    got = graph_segmentation(image, k, sigma, least)
    want = felzenszwalb(image, scale=255 * k, sigma=sigma, min_size=least)
    pairs = set(zip(got.reshape(-1), want.reshape(-1), strict=True))
    assert len(pairs) == got.max() + 1 == want.max() + 1 > 5  # but for the numbers
