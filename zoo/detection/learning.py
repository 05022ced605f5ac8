"""A detector as a learner: batches of images and padded lists of objects.

    loss = mean over images of  sum over terms of  weight_term term

The terms are the detector's own, each of one image, with the image's own key for what
is drawn there. So one device equals eight, and an image without objects is learned from
as any other.

References:
    Ren et al., "Faster R-CNN", NeurIPS 2015, https://arxiv.org/abs/1506.01497
    (section 3.2: approximate joint training is all terms at once; alternating training,
    some of them and some parts at a time, is `zoo.detection.alternating`)
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

from zoo.errors import unknown
from zoo.functional.dropout import example_keys
from zoo.learner import Batch, Learner, supervised

OBJECTS = {"boxes": (4,), "labels": (), "present": ()}


def learner(
    model: nn.Module,
    optimizer: optax.GradientTransformation,
    *,
    terms: Mapping[str, float] | None = None,
    learns: Sequence[str] | None = None,
    axis_name: str | None = None,
    **options: Any,
) -> Learner:
    """A detector that learns.

    Evaluation draws from a key of its own, the same each time.

    Args:
        model: such as `FasterRCNN` or `RetinaNet`, with `losses` and `terms`.
        optimizer: any optax transformation.
        terms: weights of terms by name; those not named are left out. None: all, 1.
        learns: parts of the model, such as `rpn_head`, whose parameters learn; None:
            all. The others stay as they are, to the last bit; without `backbone` so do
            the statistics of its normalizations, which it then normalizes by.
        axis_name: the parallel axis over which the step reduces, if it has one.
        **options: of `zoo.supervised`: `ema`, `accumulate`.

    Returns:
        A learner of the batches of `model.losses`, with `index`. Metrics: `loss`, and
        each term.

    Raises:
        ValueError: an unknown term; in `init`, an unknown part, objects that
            `check_objects` refuses; as `zoo.supervised`.
    """
    for name in terms or ():
        if name not in model.terms:
            raise unknown("term", name, model.terms)
    weights = dict.fromkeys(model.terms, 1.0) if terms is None else dict(terms)
    count = lambda outputs: jnp.float32(len(next(iter(outputs.values()))))

    def loss(outputs, batch):
        del batch
        total = sum(w * outputs[name].sum() for name, w in weights.items())
        return total, count(outputs)

    reported = {
        name: lambda outputs, batch, name=name: (outputs[name].sum(), count(outputs))
        for name in model.terms
    }
    fixed = learns is not None and "backbone" not in learns
    inner = supervised(
        *(_Told(model, fixed), loss, _only(optimizer, learns)),
        **dict(metrics=reported, axis_name=axis_name),
        **options,
    )

    def init(key, batch):
        check_objects(model, batch)
        return inner.init(key, _packed(batch))

    return Learner(
        init=init,
        step=lambda state, batch: inner.step(state, _packed(batch)),
        evaluate=lambda state, batch: inner.evaluate(state, _packed(batch)),
    )


def check_objects(model: nn.Module, batch: Batch) -> None:
    """Refuses batches that a detector cannot learn from; values only if concrete.

    Args:
        model: the detector.
        batch: as for its `losses`.

    Raises:
        ValueError: images that are none; lists of other lengths; instances of another
            size than the images, or without them; boxes that are inverted, without
            area or outside of the image; classes that there are not.
    """
    x = batch["x"]
    if x.ndim != 4 or 0 in x.shape:
        raise ValueError(f"x must be images [B, H, W, C] with pixels, got {x.shape}")
    for name, rest in OBJECTS.items():
        wanted = (len(x), *batch["present"].shape[1:2], *rest)
        if name not in batch or batch[name].shape != wanted:
            found = batch[name].shape if name in batch else None
            raise ValueError(
                f"{name} must be {wanted} for {len(x)} images, got {found}"
            )
    if getattr(model, "masks", False):
        found = batch["instances"].shape if "instances" in batch else None
        if found != x.shape[:3]:
            raise ValueError(f"instances must be {x.shape[:3]}, as x, got {found}")
    given = [batch[name] for name in OBJECTS]
    if any(isinstance(a, jax.core.Tracer) for a in given):
        return
    boxes, labels, present = map(np.asarray, given)
    boxes, labels = boxes[present], labels[present]
    limit = np.tile([x.shape[2], x.shape[1]], 2)
    wrong = ~((boxes[:, :2] < boxes[:, 2:]).all(1) & np.isfinite(boxes).all(1))
    wrong |= (boxes < 0).any(1) | (boxes > limit).any(1)
    if wrong.any():
        raise ValueError(
            f"boxes must have x1 < x2 and y1 < y2 within {x.shape[1]} rows and "
            f"{x.shape[2]} columns, got {boxes[wrong][0].tolist()}"
        )
    classes = model.num_classes - hasattr(model, "judging")  # without the background
    if ((labels < 0) | (labels >= classes)).any():
        bad = labels[(labels < 0) | (labels >= classes)][0]
        raise ValueError(f"labels must be from 0 to {classes - 1}, got {bad}")


def _only(optimizer, learns):
    """The optimizer for these parts of the parameters, no step for the others."""
    if learns is None:
        return optimizer

    def which(params):
        for name in learns:
            if name not in params:
                raise unknown("part", name, params)
        return {name: name in learns for name in params}

    return optax.multi_transform({True: optimizer, False: optax.set_to_zero()}, which)


def _packed(batch):
    """The batch as `supervised` takes it: all that the model sees is x."""
    index = batch["index"]
    return {"x": {k: v for k, v in batch.items() if k != "index"}, "index": index}


@dataclasses.dataclass(frozen=True)
class _Told:
    """A detector's losses as the output of a model, as `supervised` calls one."""

    model: nn.Module
    fixed: bool  # normalizations are by their statistics, and do not change these

    def init(self, key, x, train):
        given = getattr(self.model, "given", False)
        names = ("x", "proposals", "proposed")
        shown = {name: x[name] for name in names} if given else x["x"]
        return self.model.init(key, shown, train=train)

    def __call__(self, variables, x, *, train, index, mutable, rngs):
        images = len(x["x"])
        index = jnp.arange(images) if index is None else index
        key = rngs.get("dropout", None)
        keys = example_keys(jax.random.key(0) if key is None else key, index)
        train = train and not self.fixed
        return self.model.apply(
            variables, x, keys, train=train, mutable=mutable, method="losses"
        )

    apply = __call__
