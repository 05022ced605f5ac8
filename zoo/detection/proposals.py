"""Selective search: boxes that may hold an object, from regions joined step by step.

    start   regions of `zoo.detection.graph_segmentation`
    repeat  join the two neighbours that are most alike; both and their union are
            proposals, until one region is left

    alike   s = s_colour + s_texture + s_size + s_fill
    colour  sum over bins of min(a, b): shares of 25 values in each channel
    texture likewise of 10 strengths of slopes in 8 directions in each channel
    size    1 - (|a| + |b|) / |image|: small ones first
    fill    1 - (|box around both| - |a| - |b|) / |image|: those that fit together

Regions of several k give proposals of their own. As in the paper they are ordered by
i r, where i counts a hierarchy's joins from its last one, and r is by chance. On the
host: every join depends on those before it.

Differs from the paper: colours are as given, not of several colour spaces; slopes are
differences of neighbours, not Gaussian derivatives.

Shapes: H height, W width, C channels, P proposals.

References:
    Uijlings, van de Sande, Gevers and Smeulders, "Selective search for object
    recognition", IJCV 2013, https://doi.org/10.1007/s11263-013-0620-5
"""

from typing import NamedTuple

import numpy as np

from zoo.detection.graph_segmentation import graph_segmentation, smoothed

COLOURS, STRENGTHS, DIRECTIONS = 25, 10, 8


class Regions(NamedTuple):
    """Boxes of a static number.

    Attributes:
        boxes: float32 [P, 4], (x1, y1, x2, y2) in pixels; 0 where there is none.
        present: bool [P].
    """

    boxes: np.ndarray
    present: np.ndarray


class _Region(NamedTuple):
    pixels: int
    box: tuple[int, int, int, int]
    colour: np.ndarray
    texture: np.ndarray


def propose(
    image: np.ndarray,
    count: int = 200,
    scales: tuple[float, ...] = (0.2, 0.6),
    sigma: float = 0.8,
    least: int = 20,
    side: float = 6.0,
    seed: int = 0,
) -> Regions:
    """Boxes that may hold an object, the likeliest first.

    Args:
        image: floats from 0 to 1, [H, W, C].
        count: P.
        scales: k of the segmentations.
        sigma: of their Gaussian.
        least: pixels of their regions.
        side: in pixels; boxes of a shorter side are none.
        seed: of the order.

    Returns:
        Boxes, none twice.

    Raises:
        ValueError: an image that is not [H, W, C] from 0 to 1; numbers out of range.
    """
    image = np.asarray(image, np.float64)
    if image.ndim != 3 or not (image >= 0).all() or not (image <= 1).all():
        raise ValueError(f"image must be [H, W, C] from 0 to 1, got {image.shape}")
    if count < 1 or not scales:
        raise ValueError(
            f"count must be from 1 and scales not empty, got {count} and {scales}"
        )
    rng, ranked = np.random.default_rng(seed), {}
    for k in scales:
        labels = graph_segmentation(image, k, sigma, least)
        boxes = hierarchy(image, labels)
        rank = np.arange(len(boxes), 0, -1) * rng.uniform(size=len(boxes))
        for value, box in zip(rank.tolist(), boxes, strict=True):
            if min(box[2] - box[0], box[3] - box[1]) >= side:
                ranked[box] = min(value, ranked.get(box, np.inf))
    best = sorted(ranked, key=ranked.get)[:count]
    boxes = np.zeros((count, 4), np.float32)
    boxes[: len(best)] = np.array(best, np.float32).reshape(-1, 4)
    return Regions(boxes, np.arange(count) < len(best))


def hierarchy(image: np.ndarray, labels: np.ndarray) -> list[tuple[int, int, int, int]]:
    """Boxes of all regions and of what they are joined to, the whole image last.

    Args:
        image: floats from 0 to 1, [H, W, C].
        labels: regions from 0, int [H, W].

    Returns:
        2 R - 1 boxes for R regions that hang together.
    """
    regions = dict(enumerate(_regions(image, labels)))
    boxes = [region.box for region in regions.values()]
    total = labels.size
    near: dict[int, dict[int, float]] = {i: {} for i in regions}

    def meet(i, j):
        near[i][j] = near[j][i] = _alike(regions[i], regions[j], total)

    for i, j in _neighbours(labels):
        meet(i, j)
    while len(regions) > 1 and any(near.values()):
        _, i, j = max((s, i, j) for i in near for j, s in near[i].items() if i < j)
        others = (near.pop(i).keys() | near.pop(j).keys()) - {i, j}
        new = len(boxes)
        regions[new] = _joined(regions.pop(i), regions.pop(j))
        boxes.append(regions[new].box)
        near[new] = {}
        for other in sorted(others):
            near[other].pop(i, None)
            near[other].pop(j, None)
            meet(other, new)
    return boxes


def _regions(image, labels):
    count = int(labels.max()) + 1
    at = labels.reshape(-1)
    pixels = np.bincount(at, minlength=count)
    colour = np.floor(image * COLOURS).clip(0, COLOURS - 1).astype(int)
    y, x = np.gradient(smoothed(image, 1.0), axis=(0, 1))
    turn = 2 * np.pi * np.arange(DIRECTIONS) / DIRECTIONS
    slopes = np.cos(turn) * x[..., None] + np.sin(turn) * y[..., None]
    slopes = slopes.clip(0).reshape(*labels.shape, -1)  # [H, W, C 8]
    most = max(float(slopes.max()), 1e-12)
    strength = (slopes / most * STRENGTHS).clip(0, STRENGTHS - 1).astype(int)

    def shares(bins, number):  # of all channels together 1; [R, channels number]
        flat = bins.reshape(len(at), -1)
        channels = flat.shape[1]
        place = (at[:, None] * channels + np.arange(channels)) * number + flat
        table = np.bincount(place.reshape(-1), minlength=count * channels * number)
        return table.reshape(count, -1) / (pixels[:, None] * channels)

    colours, textures = shares(colour, COLOURS), shares(strength, STRENGTHS)
    rows, columns = np.indices(labels.shape).reshape(2, -1)
    box = np.empty((count, 4), int)
    box[:, :2] = labels.size
    box[:, 2:] = 0
    for axis, where in ((0, columns), (1, rows)):
        np.minimum.at(box[:, axis], at, where)
        np.maximum.at(box[:, axis + 2], at, where + 1)
    return [
        _Region(int(pixels[i]), tuple(box[i].tolist()), colours[i], textures[i])
        for i in range(count)
    ]


def _neighbours(labels):
    """Pairs of regions that share a side of a pixel, each once."""
    beside = (labels[:, 1:], labels[:, :-1]), (labels[1:], labels[:-1])
    pairs = np.concatenate(
        [np.stack([a.reshape(-1), b.reshape(-1)], 1) for a, b in beside]
    )
    pairs = np.unique(np.sort(pairs, 1), axis=0)
    return pairs[pairs[:, 0] != pairs[:, 1]].tolist()


def _around(a, b):
    return (*map(min, a[:2], b[:2]), *map(max, a[2:], b[2:]))


def _alike(a, b, total):
    x1, y1, x2, y2 = _around(a.box, b.box)
    both = a.pixels + b.pixels
    fill = 1 - ((x2 - x1) * (y2 - y1) - both) / total
    colour = np.minimum(a.colour, b.colour).sum()
    texture = np.minimum(a.texture, b.texture).sum()
    return float(colour + texture + (1 - both / total) + fill)


def _joined(a, b):
    both = a.pixels + b.pixels
    mean = lambda p, q: (a.pixels * p + b.pixels * q) / both
    return _Region(
        pixels=both,
        box=_around(a.box, b.box),
        colour=mean(a.colour, b.colour),
        texture=mean(a.texture, b.texture),
    )
