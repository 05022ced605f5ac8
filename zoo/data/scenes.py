"""Rendered shapes: scenes of discs, triangles and squares before a photo, without end.

A scene is a function of its seed and number alone, so that any one can be drawn again,
and the scenes of another seed are others. Its objects are placed one after another: a
new one may cover at most a fifth of any before it. What of an object is still seen is
its mask, and the box around that its box; each object is whole inside the image.

    background   a part of the embedded photo, by chance mirrored, turned, enlarged,
                 brighter or darker, its colours exchanged
    colours      by chance, with a shade across the object, and noise over all

Masks are images of numbers: 0 the background, i + 1 the object i. `segmentation` and
`detection` are what networks are taught; a list of objects is padded to `most`.

Shapes: B scenes, S pixels of a side, G objects at most.

References:
    He et al., "Mask R-CNN", ICCV 2017, https://arxiv.org/abs/1703.06870: what is to be
    found; small rendered shapes in its place are usual in teaching
"""

import dataclasses
from typing import NamedTuple

import numpy as np

from zoo.data.checks import whole_number
from zoo.data.gather import Batch
from zoo.data.pictures import photo
from zoo.data.stream import Stream

CLASSES = ("disc", "triangle", "square")
KINDS = ("segmentation", "detection")
COVERED = 0.2  # of an object, by each later one together
TRIES = 60


class Scene(NamedTuple):
    """An image and what is on it.

    Attributes:
        x: float32 [S, S, 3], from 0 to 1.
        instances: uint8 [S, S], 0 or the number of an object from 1.
        boxes: float32 [n, 4], (x1, y1, x2, y2) in pixels.
        labels: int32 [n], from 0, of `CLASSES`.
    """

    x: np.ndarray
    instances: np.ndarray
    boxes: np.ndarray
    labels: np.ndarray


@dataclasses.dataclass(frozen=True)
class Shapes:
    """How scenes are drawn.

    Attributes:
        size: pixels of a side, at least 32.
        least: objects of a scene.
        most: objects of a scene, and places of the padded list.
        radius: the smallest and the largest, as shares of the side.
        noise: deviation of the noise of a pixel.

    Raises:
        ValueError: a field out of range.
    """

    size: int = 96
    least: int = 3
    most: int = 6
    radius: tuple[float, float] = (0.09, 0.2)
    noise: float = 0.04

    def __post_init__(self):
        whole_number("size", self.size, 32)
        whole_number("least", self.least, 0, self.most)
        whole_number("most", self.most, 1, 100)
        if not 2 / self.size <= self.radius[0] <= self.radius[1] <= 0.3:
            raise ValueError(
                f"radius must rise from two pixels to 0.3, got {self.radius}"
            )
        if not self.noise >= 0:
            raise ValueError(f"noise must not be negative, got {self.noise}")


DEFAULT = Shapes()


def scene(cfg: Shapes, seed: int, number: int) -> Scene:
    """One scene.

    Args:
        cfg: how it is drawn.
        seed: of the set of scenes.
        number: of the scene, from 0.

    Returns:
        The scene; between `least` and `most` objects.

    Raises:
        ValueError: a seed or number that is negative.
    """
    seed = whole_number("seed", seed, 0)
    rng = np.random.default_rng([seed, whole_number("number", number, 0)])
    size, instances = cfg.size, np.zeros((cfg.size, cfg.size), np.uint8)
    x = _background(rng, size)
    wanted = int(rng.integers(cfg.least, cfg.most + 1))
    labels, whole, tries = [], [], 0
    while len(labels) < wanted:
        tries += 1
        # Where there is no room left, smaller ones; the least must be reached.
        shrunk = 0.9 ** max(0, tries - TRIES)
        radius = max(2.0, size * rng.uniform(*cfg.radius) * shrunk)
        label = int(rng.integers(len(CLASSES)))
        centre = rng.uniform(radius, size - radius, 2)
        inside = _inside(
            size, CLASSES[label], centre, radius, rng.uniform(0, 2 * np.pi)
        )
        seen = [int((instances == i + 1).sum()) for i in range(len(labels))]
        left = [int(((instances == i + 1) & ~inside).sum()) for i in range(len(labels))]
        clear = all(n >= (1 - COVERED) * m for n, m in zip(left, whole, strict=True))
        if not inside.any() or (not clear and left != seen):
            continue
        instances[inside] = len(labels) + 1
        labels.append(label)
        whole.append(int(inside.sum()))
        x = np.where(inside[..., None], _colour(rng, size), x)
    x = x + rng.normal(0, cfg.noise, x.shape)
    boxes = [_around(instances == i + 1) for i in range(len(labels))]
    return Scene(
        x=np.clip(x, 0, 1).astype(np.float32),
        instances=instances,
        boxes=np.array(boxes, np.float32).reshape(-1, 4),
        labels=np.array(labels, np.int32),
    )


def shapes(
    kind: str,
    batch_size: int,
    seed: int = 0,
    cfg: Shapes = DEFAULT,
    scenes: int | None = None,
) -> Stream:
    """Batches of scenes: endless, each new, or of a fixed number.

    Args:
        kind: `segmentation`: `y` is the class of each pixel, int32 [B, S, S], 0 the
            background; `detection`: `boxes` [B, G, 4], `labels` [B, G] from 0,
            `present` [B, G] and `instances` [B, S, S].
        batch_size: B.
        seed: of the scenes; another one for a test.
        cfg: how they are drawn.
        scenes: draw so many once, and batches from these in order, again and again;
            None: each batch is new.

    Returns:
        A stream of `x`, float32 [B, S, S, 3], what the kind says, and `index`.

    Raises:
        ValueError: another kind; numbers out of range.
    """
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
    batch_size = whole_number("batch_size", batch_size, 1)
    seed = whole_number("seed", seed, 0)
    if scenes is not None:
        scenes = whole_number("scenes", scenes, batch_size)
    of = segmentation if kind == "segmentation" else detection
    kept: dict[int, Scene] = {}

    def drawn(number: int) -> Scene:
        if scenes is None:
            return scene(cfg, seed, number)
        if number not in kept:
            kept[number] = scene(cfg, seed, number)
        return kept[number]

    def rows(step: int, start: int, stop: int) -> Batch:
        first = step * batch_size
        index = np.arange(first + start, first + stop) % (scenes or 2**31)
        found = [drawn(int(i)) for i in index]
        return of(found, cfg.most) | {"index": index.astype(np.int32)}

    return Stream(
        at=lambda step: rows(step, 0, batch_size),
        rows=rows,
        batch_size=batch_size,
        examples=scenes or 2**31 - 1,
    )


def segmentation(scenes: list[Scene], most: int = 0) -> Batch:
    """Scenes as images and the classes of their pixels, 0 the background."""
    del most
    y = [np.append(0, s.labels + 1)[s.instances] for s in scenes]
    return {"x": np.stack([s.x for s in scenes]), "y": np.stack(y).astype(np.int32)}


def detection(scenes: list[Scene], most: int) -> Batch:
    """Scenes as images and padded lists of objects; what is not there is all zero."""
    lists = [padded(s.boxes, s.labels, most) for s in scenes]
    names = ("boxes", "labels", "present")
    batch = {name: np.stack([one[name] for one in lists]) for name in names}
    batch["x"] = np.stack([s.x for s in scenes])
    return batch | {"instances": np.stack([s.instances for s in scenes])}


def padded(boxes: np.ndarray, labels: np.ndarray, most: int) -> Batch:
    """A list of objects of a static length.

    Args:
        boxes: [n, 4].
        labels: int [n].
        most: G.

    Returns:
        `boxes` float32 [G, 4], `labels` int32 [G], `present` bool [G].

    Raises:
        ValueError: more objects than places.
    """
    count = len(labels)
    if count > most:
        raise ValueError(
            f"most must be {count} or more for {count} objects, got {most}"
        )
    rest = most - count
    return {
        "boxes": np.pad(np.float32(boxes).reshape(-1, 4), ((0, rest), (0, 0))),
        "labels": np.pad(np.int32(labels), (0, rest)),
        "present": np.arange(most) < count,
    }


def _inside(size, kind, centre, radius, angle):
    """The pixels whose centres lie in a shape; whole inside the image."""
    y, x = np.mgrid[:size, :size] + 0.5 - centre[::-1].reshape(2, 1, 1)
    if kind == "disc":
        return x**2 + y**2 <= radius**2
    corners = 3 if kind == "triangle" else 4
    turn = angle + 2 * np.pi * np.arange(corners) / corners
    reach = radius * np.cos(np.pi / corners)  # from the centre to a side
    sides = np.cos(turn).reshape(-1, 1, 1) * x + np.sin(turn).reshape(-1, 1, 1) * y
    return (sides <= reach).all(0)


def _around(mask):
    """The box of a mask, (x1, y1, x2, y2)."""
    rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    return columns[0], rows[0], columns[-1] + 1, rows[-1] + 1


def _background(rng, size):
    """A part of the photo, [size, size, 3] from 0 to 1."""
    whole = photo().astype(np.float64) / 255
    part = int(rng.integers(48, len(whole) + 1))
    top, left = rng.integers(0, len(whole) - part + 1, 2)
    at = ((np.arange(size) + 0.5) * part / size).astype(int)
    x = whole[top + at][:, left + at][..., rng.permutation(3)]
    x = np.rot90(x[:, :: rng.choice([-1, 1])], rng.integers(4))
    return np.clip(x * rng.uniform(0.6, 1.2) + rng.uniform(-0.1, 0.2), 0, 1)


def _colour(rng, size):
    """A colour with a shade in one direction, [size, size, 3]."""
    colour, slope = rng.uniform(0, 1, 3), rng.normal(0, 0.3, 2)
    y, x = np.mgrid[:size, :size] / size - 0.5
    return colour + (slope[0] * y + slope[1] * x)[..., None]
