"""Anchors: the boxes from which a detector starts, the same at each place of a map.

    W = s / sqrt(r),  H = s sqrt(r)        s size, r ratio of height to width

They are centred at the corners of cells, (i stride, j stride), as torchvision's and
Detectron's are, and their own corners are rounded to whole pixels. All is known from
shapes alone: plain NumPy, constants of the compiled step.

Shapes: A anchors of a cell, h and w cells of a map.

References:
    Ren et al., "Faster R-CNN", NeurIPS 2015, https://arxiv.org/abs/1506.01497
    Lin et al., "Feature pyramid networks for object detection", CVPR 2017,
    https://arxiv.org/abs/1612.03144 (one size a level)
"""

from collections.abc import Sequence

import numpy as np


def cell_anchors(sizes: Sequence[float], ratios: Sequence[float]) -> np.ndarray:
    """The anchors around (0, 0).

    Args:
        sizes: square roots of their areas, in pixels.
        ratios: heights over widths.

    Returns:
        float32 [A, 4], A = sizes times ratios; sizes change fastest.

    Raises:
        ValueError: sizes or ratios that are not positive, or none.

    >>> cell_anchors([32], [0.5, 1]).tolist()
    [[-23.0, -11.0, 23.0, 11.0], [-16.0, -16.0, 16.0, 16.0]]
    """
    for name, values in (("sizes", sizes), ("ratios", ratios)):
        if not len(values) or not min(values) > 0:
            raise ValueError(f"{name} must be positive numbers, got {values!r}")
    root = np.sqrt(np.asarray(ratios, np.float32))
    size = np.asarray(sizes, np.float32)
    width, height = np.outer(1 / root, size).ravel(), np.outer(root, size).ravel()
    return np.round(np.stack([-width, -height, width, height], 1) / 2)


def grid_anchors(
    cells: np.ndarray, shape: tuple[int, int], stride: tuple[int, int]
) -> np.ndarray:
    """The anchors of a whole map.

    Args:
        cells: of `cell_anchors`, [A, 4].
        shape: (h, w) of the map.
        stride: pixels of the image from one cell to the next, down and right.

    Returns:
        float32 [h w A, 4]: rows, then columns, then a cell's own.

    Raises:
        ValueError: cells that are no boxes, a shape or stride below 1.
    """
    if cells.ndim != 2 or cells.shape[1] != 4:
        raise ValueError(f"cells must be boxes [A, 4], got {cells.shape}")
    if min(*shape, *stride) < 1:
        raise ValueError(f"shape and stride must be from 1, got {shape} and {stride}")
    y, x = (
        np.arange(n, dtype=np.float32) * s for n, s in zip(shape, stride, strict=True)
    )
    y, x = np.meshgrid(y, x, indexing="ij")
    at = np.stack([x, y, x, y], -1)[:, :, None]  # [h, w, 1, 4]
    return (at + cells).reshape(-1, 4)


def pyramid_anchors(
    shapes: Sequence[tuple[int, int]],
    size: tuple[int, int],
    sizes: Sequence[Sequence[float]],
    ratios: Sequence[float],
) -> np.ndarray:
    """The anchors of several maps of one image, one after another.

    Args:
        shapes: (h, w) of each map.
        size: (H, W) of the image; a stride is H // h and W // w.
        sizes: those of each map.
        ratios: heights over widths, of all maps.

    Returns:
        float32 [N, 4].

    Raises:
        ValueError: another number of sizes than of maps; as the functions above.
    """
    if len(shapes) != len(sizes):
        raise ValueError(f"there must be sizes for {len(shapes)} maps, got {sizes!r}")
    made = [
        grid_anchors(
            cell_anchors(s, ratios), shape, (size[0] // shape[0], size[1] // shape[1])
        )
        for shape, s in zip(shapes, sizes, strict=True)
    ]
    return np.concatenate(made)
