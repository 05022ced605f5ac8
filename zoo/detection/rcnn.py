"""R-CNN: proposals, each warped and seen by a network, and linear machines behind it.

    crop       a proposal with some of what is around it, made one size
    network    learns the class of crops: an object's from an IoU of 0.5, else none
    features   the network's last layer but one, scaled to norm 1 in the mean
    machines   for each class a linear SVM: the objects themselves against proposals
               that have an IoU below 0.3 with all objects of the class. There are many
               of these, so that it is fitted to the hardest, by the machine before it
    boxes      for each class a ridge regression from features to where the object is,
               of pairs with an IoU above 0.6
    at last    of boxes of one class that lie on each other the best (`nms`)

The stages follow each other, and each is given what the one before has made. Proposals
are made on the host, once for an image; all else is compiled, with a static number of
proposals. Context, thresholds, shares and the price C are the paper's (there features
have norm 20, and C = 0.001).

Differs from the paper: the network is a small LeNet that learns from nothing, where
AlexNet was pretrained; what lies outside of the image is its mean colour; regression is
from the machines' features. Where proposals fit as well as selective search's on
rendered scenes, it moves them by little.

Shapes: B images, H height, W width, G objects at most, P proposals, S side of a crop,
D features, K classes, F found at most.

References:
    Girshick, Donahue, Darrell and Malik, "Rich feature hierarchies for accurate object
    detection and semantic segmentation", CVPR 2014, https://arxiv.org/abs/1311.2524
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import optim
from zoo.classical import linear, svm
from zoo.detection.boxes import clip, iou
from zoo.detection.codec import decode, encode
from zoo.detection.proposals import Regions, propose
from zoo.detection.regions import roi_align
from zoo.detection.suppression import nms
from zoo.functional import cross_entropy
from zoo.learner import supervised
from zoo.vision.layers import features
from zoo.vision.lenet import LeNet


class RCNN(NamedTuple):
    """What was learned.

    Attributes:
        variables: of the network.
        scale: of its features.
        weights: of the machines, [K, D].
        offsets: [K].
        boxes: of the regression, weights [K, D, 4] and intercepts [K, 4].
    """

    variables: Any
    scale: jax.Array
    weights: jax.Array
    offsets: jax.Array
    boxes: linear.Linear


class Found(NamedTuple):
    """What is found, by falling score; [F] of an image, or [B, F].

    Attributes:
        boxes: [..., 4].
        scores: signed distances from the machines' planes, times |w|.
        labels: int32, from 0.
        present: bool.
    """

    boxes: jax.Array
    scores: jax.Array
    labels: jax.Array
    present: jax.Array


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How it is trained and used.

    Attributes:
        classes: K.
        proposals: P, of an image.
        crop: S.
        context: pixels of a crop of 227 that are around the proposal, on each side.
        maps: of the network's convolutions.
        features: D.
        steps: of the network.
        batch_size: crops of a step, a quarter of them objects.
        learning_rate: of Adam, at its largest.
        C: price of the machines.
        hardest: negatives that a machine is fitted to.
        rounds: how often the hardest are looked for.
        alpha: of the ridge.
        overlap: the IoU above which two boxes are one object's.
        found: F.
    """

    classes: int = 3
    proposals: int = 150
    crop: int = 32
    context: float = 16.0
    maps: tuple[int, int] = (16, 32)
    features: int = 128
    steps: int = 400
    batch_size: int = 64
    learning_rate: float = 3e-3
    C: float = 0.4
    hardest: int = 600
    rounds: int = 2
    alpha: float = 1.0
    overlap: float = 0.3
    found: int = 20

    def __post_init__(self):
        for name, least in dict(
            classes=1, proposals=1, crop=12, features=1, steps=1, batch_size=4,
            hardest=1, rounds=1, found=1,
        ).items():  # fmt: skip
            if getattr(self, name) < least:
                raise ValueError(
                    f"{name} must be from {least}, got {getattr(self, name)}"
                )
        if not 0 <= self.context < 100:
            raise ValueError(f"context must be from 0 to 100, got {self.context}")

    @property
    def network(self) -> LeNet:
        """The network, for K classes and one more, the last: no object."""
        return LeNet(self.classes + 1, self.maps, (self.features,))


DEFAULT = Recipe()


class _Pool(NamedTuple):
    """All crops of the training: proposals, and behind them the objects themselves."""

    x: np.ndarray  # [B (P + G), S, S, 3]
    box: np.ndarray  # [B (P + G), 4]
    present: np.ndarray  # bool [B (P + G)]
    own: np.ndarray  # bool [B (P + G)]: an object's own box
    shared: np.ndarray  # largest IoU with an object of each class, [B (P + G), K]
    target: np.ndarray  # that object's box, [B (P + G), K, 4]


def train(
    batch: dict[str, np.ndarray],
    recipe: Recipe = DEFAULT,
    seed: int = 0,
    tell: Callable[[str], None] = lambda text: None,
) -> RCNN:
    """All stages, one after the other.

    Args:
        batch: `x` from 0 to 1, [B, H, W, 3]; `boxes` [B, G, 4], `labels` int [B, G] and
            `present` bool [B, G], as `zoo.data.shapes("detection", ...)` has them.
        recipe: how.
        seed: of parameters, of the order of examples, and of proposals.
        tell: is given a line now and then.

    Returns:
        What was learned.

    Raises:
        ValueError: arrays that do not fit; labels out of range; a class without
            objects, or without proposals near them.
    """
    _check(batch, recipe)
    pool = _pool(batch, recipe, seed)
    tell(f"{pool.present.sum()} crops, {pool.own.sum()} of them objects")
    variables = _network(pool, recipe, seed, tell)
    seen = _features(variables, pool.x, recipe)  # [N, D]
    norm = np.linalg.norm(seen, axis=1)[pool.present].mean()
    scale = np.float32(1 / max(norm, 1e-6))
    weights, offsets = _machines(seen * scale, pool, recipe, seed, tell)
    boxes = _regression(seen * scale, pool, recipe)
    return RCNN(variables, jnp.asarray(scale), weights, offsets, boxes)


def predict(
    model: RCNN, images: np.ndarray, recipe: Recipe = DEFAULT, seed: int = 0
) -> Found:
    """What is found in images.

    Args:
        model: from `train`.
        images: from 0 to 1, [B, H, W, 3].
        recipe: that of the training.
        seed: of the proposals' order.

    Returns:
        Boxes, scores, labels and what is present, with a leading axis [B].

    Raises:
        ValueError: images that are not [B, H, W, 3].
    """
    if images.ndim != 4 or images.shape[3] != 3 or not len(images):
        raise ValueError(f"images must be [B, H, W, 3], got {images.shape}")
    each = [
        detect(model, image, propose(image, recipe.proposals, seed=seed), recipe)
        for image in np.asarray(images, np.float32)
    ]
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *each)


@functools.partial(jax.jit, static_argnums=3)
def detect(
    model: RCNN, image: jax.Array, proposals: Regions, recipe: Recipe = DEFAULT
) -> Found:
    """What is found among the proposals of one image, [H, W, 3]; compiled."""
    proposed, present = proposals
    seen = _seen(model.variables, crops(image, proposed, recipe), recipe)
    seen = seen * model.scale
    scores = seen @ model.weights.T + model.offsets[None]  # [P, K]
    t = jnp.einsum("pd,kdt->pkt", seen, model.boxes.weights)
    t = t + model.boxes.intercept[None]
    from_ = jnp.broadcast_to(proposed[:, None], t.shape)
    boxes = clip(decode(t, from_), image.shape[:2]).reshape(-1, 4)
    scores = jnp.where(present[:, None], scores, -jnp.inf).reshape(-1)
    labels = jnp.tile(jnp.arange(recipe.classes, dtype=jnp.int32), len(proposed))
    kept = nms(boxes, scores, recipe.found, recipe.overlap, labels=labels)
    there = kept.present
    return Found(
        boxes=jnp.where(there[:, None], boxes[kept.index], 0),
        scores=kept.scores,
        labels=jnp.where(there, labels[kept.index], 0),
        present=there,
    )


def crops(image: jax.Array, boxes: jax.Array, recipe: Recipe = DEFAULT) -> jax.Array:
    """Boxes with what is around them, warped to one size, less the mean colour.

    Args:
        image: [H, W, 3].
        boxes: [P, 4].
        recipe: its `crop` and `context`.

    Returns:
        [P, S, S, 3].
    """
    image = jnp.asarray(image)
    image = image - image.mean((0, 1), keepdims=True)
    inside = 1 - 2 * recipe.context / 227  # of a crop's side
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = (boxes[:, 2:] - boxes[:, :2]) / 2 / inside
    wide = jnp.concatenate([centre - half, centre + half], 1)
    return roi_align(image, wide, (recipe.crop, recipe.crop))


def _check(batch, recipe):
    x, boxes = batch["x"], batch["boxes"]
    shape = boxes.shape[:2]
    if (
        x.ndim != 4
        or x.shape[3] != 3
        or boxes.shape != (len(x), *shape[1:], 4)
        or batch["labels"].shape != shape
        or batch["present"].shape != shape
    ):
        shapes = {
            name: np.shape(batch[name]) for name in ("boxes", "labels", "present")
        }
        raise ValueError(
            f"x must be [B, H, W, 3] with boxes [B, G, 4], labels and present [B, G], "
            f"got {x.shape} with {shapes}"
        )
    there = batch["labels"][batch["present"]]
    count = np.bincount(there[there >= 0], minlength=recipe.classes)
    if len(there) != count[: recipe.classes].sum():
        raise ValueError(f"labels must be from 0 to {recipe.classes - 1}")
    if not count.all():
        raise ValueError(f"there must be objects of each class, got {count.tolist()}")


def _pool(batch, recipe, seed):
    """Crops of all images, and how they lie to their objects."""

    @jax.jit
    def one(image, boxes, objects, labels, there):
        every = jnp.concatenate([boxes, objects])
        kinds = jnp.arange(recipe.classes, dtype=labels.dtype)
        of = there[:, None] & (labels[:, None] == kinds[None])  # [G, K]
        q = jnp.where(of[None], iou(every, objects)[..., None], 0)  # [N, G, K]
        return crops(image, every, recipe), every, q.max(1), objects[q.argmax(1)]

    made, flags = [], []
    for i, image in enumerate(batch["x"]):
        found = propose(image, recipe.proposals, seed=seed)
        there = np.asarray(batch["present"][i])
        objects = np.float32(batch["boxes"][i]), np.int32(batch["labels"][i]), there
        made.append(jax.device_get(one(np.float32(image), found.boxes, *objects)))
        own = np.append(np.zeros(len(found.present), bool), there)
        flags.append((np.append(found.present, there), own))
    x, box, shared, target = (np.concatenate(part) for part in zip(*made, strict=True))
    present, own = (np.concatenate(part) for part in zip(*flags, strict=True))
    return _Pool(x, box, present, own, shared, target)


def _network(pool, recipe, seed, tell):
    """Learns the class of crops; a quarter of each batch are objects."""
    y = np.where(pool.shared.max(1) >= 0.5, pool.shared.argmax(1), recipe.classes)
    kinds = [np.flatnonzero(pool.present & (y < recipe.classes))]
    kinds += [np.flatnonzero(pool.present & (y == recipe.classes))]
    few = recipe.batch_size // 4
    sizes = few, recipe.batch_size - few
    rate = optim.one_cycle_schedule(recipe.learning_rate, recipe.steps)
    learner = supervised(recipe.network, cross_entropy, optim.adam(rate))
    rng = np.random.default_rng(seed)

    def drawn(step):
        at = [
            rng.choice(kind if len(kind) else kinds[0], size)
            for kind, size in zip(kinds, sizes, strict=True)
        ]
        at = np.concatenate(at)
        index = np.arange(len(at), dtype=np.int32) + step * len(at)
        return {"x": pool.x[at], "y": y[at].astype(np.int32), "index": index}

    state = jax.jit(learner.init)(jax.random.key(seed), drawn(0))
    step = jax.jit(learner.step, donate_argnums=0)
    for i in range(recipe.steps):
        state, metrics = step(state, drawn(i))
        if not (i + 1) % 100:
            value, weight = metrics["loss"]
            tell(f"step {i + 1}: loss {float(value / weight):.3f}")
    return {"params": state.params, **state.model_state}


def _seen(variables, x, recipe):
    named = "dense_0"
    return jax.nn.relu(features(recipe.network, variables, x, [named])[named])


def _features(variables, x, recipe, rows=512):
    of = jax.jit(lambda v, x: _seen(v, x, recipe))
    whole = np.concatenate([x, np.zeros((-len(x) % rows, *x.shape[1:]), x.dtype)])
    parts = whole.reshape(-1, rows, *x.shape[1:])
    return np.concatenate([np.asarray(of(variables, part)) for part in parts])[: len(x)]


def _machines(seen, pool, recipe, seed, tell):
    """A machine for each class, [K, D] and [K], fitted to the hardest negatives."""
    rng = np.random.default_rng(seed)
    kinds = range(recipe.classes)
    positives = [np.flatnonzero(pool.own & (pool.shared[:, k] == 1)) for k in kinds]
    negatives = [
        np.flatnonzero(pool.present & (pool.shared[:, k] < 0.3)) for k in kinds
    ]
    if not all(map(len, negatives)):
        raise ValueError("there must be proposals beside the objects of each class")
    most, hardest = max(map(len, positives)), recipe.hardest
    y = np.repeat(np.int32([1, 0]), (most, hardest))

    @jax.jit
    @jax.vmap
    def fitted(x, weight):
        machine = svm.fit(
            *(x, jnp.asarray(y)),
            **dict(kernel="linear", C=recipe.C, weight=weight, classes=2),
        )
        w = svm.weights(machine)
        return w, svm.decision(machine, jnp.zeros_like(x[:1]))[0]

    scores = [rng.uniform(size=len(seen)) for _ in kinds]
    for i in range(recipe.rounds + 1):
        x = np.zeros((recipe.classes, most + hardest, seen.shape[1]), np.float32)
        weight = np.zeros(x.shape[:2], np.float32)
        for k in kinds:
            order = negatives[k][np.argsort(-scores[k][negatives[k]], kind="stable")]
            for at, start in ((positives[k], 0), (order[:hardest], most)):
                x[k, start : start + len(at)] = seen[at]
                weight[k, start : start + len(at)] = 1
        w, b = fitted(x, weight)
        scores = np.asarray(w) @ seen.T + np.asarray(b)[:, None]
        wrong = [int((scores[k][negatives[k]] > 0).sum()) for k in kinds]
        tell(f"machines, round {i}: negatives taken for an object {wrong}")
    return w, b


def _regression(seen, pool, recipe):
    """Ridge from features to the offsets of the object, for each class."""
    near = [
        np.flatnonzero(pool.present & (pool.shared[:, k] > 0.6))
        for k in range(recipe.classes)
    ]
    # Repeated in turn to one length, so that all are solved at once.
    at = np.stack([np.resize(one, max(map(len, near))) for one in near])  # [K, N]
    target = np.stack([pool.target[one, k] for k, one in enumerate(at)])
    t = encode(jnp.asarray(target), jnp.asarray(pool.box[at]))
    fit = lambda x, t: linear.ridge(x, t, recipe.alpha, method="normal")
    return jax.jit(jax.vmap(fit))(jnp.asarray(seen[at]), t)
