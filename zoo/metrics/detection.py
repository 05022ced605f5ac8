"""How well objects are found: average precision by VOC's and by COCO's definition.

By falling score, each detection of an image takes an object of its class, if one lies
under it: a hit. What finds nothing, or what another has found already, is a miss.

    voc    the object of the largest overlap, if that is > t; a miss if it is taken
    coco   of the objects not taken yet the one of the largest overlap, if it is >= t;
           those that do not count only if there is no other, and a crowd many times

Objects that do not count (difficult ones, crowds, sizes that are not asked for) are no
loss if they are missed, and what is found there is neither hit nor miss. Then, over all
images, with detections by falling score, r recall and p precision of the first ones,

    p*(r) = max over r' >= r of p(r')
    area     AP = sum over the steps of r of (r_n - r_{n-1}) p*(r_n)      VOC 2010 on
    eleven   AP = mean of p* at 0, 0.1, ..., 1                            VOC 2007
    coco     AP = mean of p* at 0, 0.01, ..., 1

mAP is the mean over the classes that have objects, and for COCO over the thresholds
0.5, 0.55, ..., 0.95. In float64 the recalls are compared as pycocotools does, where
rounding decides whether a recall of 0.7 reaches the point 0.7; in float32 it does.

The overlap may be the IoU of boxes or of masks; with a crowd it is the part of the
detection that lies in it.

Shapes: B images, D detections and G objects of an image, both padded; K classes, T
thresholds.

References:
    Everingham et al., "The Pascal visual object classes (VOC) challenge", IJCV 2010,
    https://doi.org/10.1007/s11263-009-0275-4
    Lin et al., "Microsoft COCO: common objects in context", ECCV 2014,
    https://arxiv.org/abs/1405.0312; its evaluation: https://cocodataset.org
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from zoo.metrics import checks

RULES = ("coco", "voc")
POINTS = {"coco": 100, "eleven": 10}
KINDS = ("area", *POINTS)
COCO = tuple(np.linspace(0.5, 0.95, 10).tolist())


class Matches(NamedTuple):
    """Detections by falling score, and what they have found.

    Attributes:
        scores: [D].
        labels: int [D].
        hit: bool [T, D].
        counted: bool [T, D]; not those that are not there, nor neither hit nor miss.
        objects: int [K], how many there are of each class.
    """

    scores: jax.Array
    labels: jax.Array
    hit: jax.Array
    counted: jax.Array
    objects: jax.Array


def detection_matches(
    overlap: jax.Array,
    scores: jax.Array,
    labels: jax.Array,
    truth: jax.Array,
    classes: int,
    *,
    present: jax.Array | None = None,
    there: jax.Array | None = None,
    ignored: jax.Array | None = None,
    crowd: jax.Array | None = None,
    outside: jax.Array | None = None,
    thresholds: tuple[float, ...] = (0.5,),
    rule: str = "coco",
    most: int = 100,
) -> Matches:
    """What the detections of one image have found; `jax.vmap` it over a batch.

    Args:
        overlap: floats, [D, G].
        scores: floats, [D].
        labels: of the detections, int [D].
        truth: classes of the objects, int [G].
        classes: K.
        present: which detections there are, bool [D]; None: all.
        there: which objects there are, bool [G]; None: all.
        ignored: objects that do not count, bool [G]; None: none.
        crowd: objects that are many and do not count, bool [G]; None: none.
        outside: detections that are no miss if they find nothing, bool [D].
        thresholds: t, T of them.
        rule: "coco" or "voc".
        most: detections of each class that are looked at.

    Returns:
        The matches, detections by falling score.

    Raises:
        ValueError: shapes that do not fit; another rule; thresholds out of range.
    """
    overlap, scores = checks.floats("overlap", overlap), checks.floats("scores", scores)
    labels, truth = checks.labels("labels", labels), checks.labels("truth", truth)
    d, g = (*overlap.shape, 0, 0)[:2]
    flags = {"present": (present, d, True), "outside": (outside, d, False)}
    flags |= {"there": (there, g, True), "ignored": (ignored, g, False)}
    flags |= {"crowd": (crowd, g, False)}
    given = {"scores": (scores, d), "labels": (labels, d), "truth": (truth, g)}
    given |= {k: (v, n) for k, (v, n, _) in flags.items() if v is not None}
    for name, (value, length) in given.items():
        if overlap.ndim != 2 or value.shape != (length,):
            raise ValueError(
                f"{name} must have a value for each of {length}, overlap being [D, G], "
                f"got {value.shape} for {overlap.shape}"
            )
    if rule not in RULES:
        raise ValueError(f"rule must be one of {', '.join(RULES)}, got {rule!r}")
    if not thresholds or not 0 < min(thresholds) <= max(thresholds) <= 1:
        raise ValueError(f"thresholds must be in (0, 1], got {thresholds}")
    present, outside, there, ignored, crowd = (
        jnp.full(n, default) if value is None else jnp.asarray(value, bool)
        for value, n, default in flags.values()
    )
    ignored = ignored | crowd
    present = present & (labels >= 0) & (labels < classes)
    there = there & (truth >= 0) & (truth < classes)
    scores = jnp.where(present, scores, -jnp.inf)
    order = jnp.argsort(-scores)  # stable
    scores, labels, present, outside, overlap = (
        x[order] for x in (scores, labels, present, outside, overlap)
    )
    alike = (labels[:, None] == labels[None]) & present[None]
    present = present & (jnp.tril(alike, -1).sum(1) < most)
    fits = present[:, None] & there[None] & (labels[:, None] == truth[None])
    t = jnp.asarray([min(t, 1 - 1e-10) for t in thresholds], overlap.dtype)[:, None]
    counts = jnp.where(there & ~ignored, 1, 0)
    objects = jnp.zeros(classes, jnp.int32).at[truth].add(counts, mode="drop")
    hit = jnp.zeros((len(t), d), bool)
    miss = jnp.broadcast_to(present & ~outside, hit.shape)
    if not g or not d:
        return Matches(scores, labels, hit, miss, objects)

    def coco(taken, u, fits):
        free = fits[None] & (u[None] >= t) & (~taken | crowd[None])
        first = free & ~ignored[None]
        free = jnp.where(first.any(1, keepdims=True), first, free)
        last = jnp.where(free, u[None], -1)[:, ::-1].argmax(1)  # of equal ones
        return free.any(1), g - 1 - last

    def voc(taken, u, fits):
        best = jnp.where(fits, u, -1).argmax()
        found = fits.any() & (u[best] > t[:, 0])
        return found, jnp.broadcast_to(best, found.shape)

    choose = coco if rule == "coco" else voc

    def step(taken, detection):
        u, fits = detection
        found, which = choose(taken, u, fits)
        mine = jax.nn.one_hot(which, g, dtype=bool) & found[:, None]
        again = (mine & taken).any(1)
        left_out = (mine & ignored[None]).any(1)
        hit = found & ~left_out & (~again if rule == "voc" else True)
        return taken | mine, (hit, found, left_out)

    start = jnp.zeros((len(t), g), bool)
    _, (hit, found, left_out) = jax.lax.scan(step, start, (overlap, fits))
    hit, found, left_out = hit.T, found.T, left_out.T
    counted = present[None] & jnp.where(found, ~left_out, ~outside[None])
    return Matches(scores, labels, hit, counted, objects)


def average_precisions(matches: Matches, kind: str = "coco") -> jax.Array:
    """Average precision of each class at each threshold.

    Args:
        matches: of B images, each leaf with a leading axis [B].
        kind: "area", "eleven" or "coco".

    Returns:
        [K, T], of the scores' type; NaN for a class without objects.

    Raises:
        ValueError: another kind; matches that are not of a batch.
    """
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
    if matches.scores.ndim != 2:
        raise ValueError(
            f"matches must be of a batch, scores [B, D], got {matches.scores.shape}"
        )
    dtype = matches.scores.dtype
    order = jnp.argsort(-matches.scores.reshape(-1))  # stable
    labels = matches.labels.reshape(-1)[order]
    hit, counted = (  # [B, T, D] -> [T, B D]
        jnp.moveaxis(x, 1, 0).reshape(x.shape[1], -1)[:, order]
        for x in (matches.hit, matches.counted)
    )

    def one(number, objects):  # a class
        own = counted & (labels == number)[None]
        true = jnp.cumsum(hit & own, 1, dtype=jnp.int32).astype(dtype)
        called = jnp.cumsum(own, 1, dtype=jnp.int32).astype(dtype)
        precision = true / jnp.maximum(called, 1)
        precision = jax.lax.cummax(precision, axis=1, reverse=True)
        recall = true / jnp.maximum(objects, 1).astype(dtype)
        if kind == "area":
            steps = jnp.diff(recall, axis=1, prepend=jnp.zeros((len(hit), 1), dtype))
            value = (steps * precision).sum(1)
        else:
            points = np.linspace(0, 1, POINTS[kind] + 1)
            points = jnp.asarray(points, dtype)
            at = jax.vmap(lambda r: jnp.searchsorted(r, points))(recall)
            padded = jnp.pad(precision, ((0, 0), (0, 1)))
            value = jnp.take_along_axis(padded, at, 1).mean(1)
        return jnp.where(objects > 0, value, jnp.nan)

    objects = matches.objects.sum(0)
    return jax.vmap(one)(jnp.arange(len(objects), dtype=labels.dtype), objects)


def mean_average_precision(matches: Matches, kind: str = "coco") -> jax.Array:
    """The mean over classes with objects, and over the thresholds.

    Args:
        matches: of B images, each leaf with a leading axis [B].
        kind: "area", "eleven" or "coco".

    Returns:
        A scalar from 0 to 1; NaN without objects where that cannot be read.

    Raises:
        ValueError: as `average_precisions`; no object at all.
    """
    values = average_precisions(matches, kind)
    has = ~jnp.isnan(values)
    none = checks.refuse(
        ~has.any(), lambda: "matches must have objects that count, got none"
    )
    mean = jnp.where(has, values, 0).sum()
    mean = mean / jnp.maximum(has.sum(), 1).astype(values.dtype)
    return jnp.where(none, jnp.nan, mean)
