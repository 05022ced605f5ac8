"""Components and watershed against SciPy and scikit-image, on the embedded nuclei."""

import jax
import numpy as np
from scipy import ndimage
from skimage.segmentation import watershed as reference

from zoo.data import nuclei
from zoo.segmentation import components, instance_iou, split, watershed


def test_components_are_scipys():
    rng = np.random.default_rng(0)
    for diagonal in (False, True):
        run = jax.jit(lambda m, d=diagonal: components(m, d))
        shape = np.ones((3, 3)) if diagonal else None
        for share in (0.4, 0.6):
            mask = rng.uniform(size=(40, 33)) < share
            np.testing.assert_array_equal(run(mask), ndimage.label(mask, shape)[0])


def test_watershed_is_scikit_images_where_no_heights_are_equal():
    rng = np.random.default_rng(1)
    smooth = ndimage.gaussian_filter(rng.normal(size=(30, 37)), 2.5)
    height = smooth.reshape(-1).argsort().argsort().reshape(smooth.shape)
    least = height == ndimage.minimum_filter(height, footprint=_cross())
    markers = ndimage.label(least)[0]
    mask = rng.uniform(size=height.shape) < 0.9
    markers = np.where(mask, markers, 0)
    # A level for each height there is.
    levels = int(np.ptp(height[mask])) + 1
    got = watershed(np.float32(height), markers, mask, levels)
    want = reference(height, markers, mask=mask)
    assert markers.max() > 8
    assert (np.asarray(got) == want).mean() > 0.995


def test_nuclei_of_a_perfect_mask():
    """Parted by depth alone nearly all are right, as by scikit-image from our peaks."""
    whole = nuclei()
    mask, count = whole.instances > 0, int(whole.instances.max())
    alike = lambda found: np.asarray(instance_iou(found, whole.instances, 99, count))
    ours = (alike(jax.jit(split)(mask)) > 0.5).sum()
    parts = (alike(ndimage.label(mask)[0]) > 0.5).sum()
    print(count, ours, parts)
    assert ours >= 0.9 * count > parts


def _cross():
    return np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], bool)
