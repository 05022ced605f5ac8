"""Faster R-CNN in turns: what proposes and what judges learn by themselves, then share.

    1  a network learns to propose                 backbone, pyramid, RPN head
    2  another learns to judge what that proposes  all of a Fast R-CNN, of its own
    3  a new RPN head learns on the second's maps  RPN head
    4  its heads learn on, on the same maps        box head, and mask head

The first network is left behind after the second turn. From the third on, maps do not
change any more, so that proposals and judgements come from the same ones: that network
is the outcome. A turn is `zoo.detection.learner` of some terms and some parts, so all
that a learner can do a turn can; between them `carry`.

    first = fit(lambda axis_name=None: learner(model, tx, 1, axis_name), stream, ...)
    ...   proposals of the first for all images, by `model.proposals(x, many=True)`
    second = fit(... learner(model, tx, 2, ...), the stream with proposals, ...)
    third, fourth: `fit_stages`, or `fit` again, each begun by `carry`

Differs from the paper: the networks begin at random, not from ImageNet; so the RPN head
of the third turn begins anew, as the paper's does.

References:
    Ren et al., "Faster R-CNN", NeurIPS 2015, https://arxiv.org/abs/1506.01497
    (section 3.2, 4-step alternating training)
"""

from typing import Any

import jax
import jax.numpy as jnp
import optax

from zoo.detection.faster_rcnn import FasterRCNN
from zoo.detection.learning import learner as detector
from zoo.learner import Learner, TrainState

TURNS = (1, 2, 3, 4)
PROPOSING = ("objectness", "rpn_boxes")


def learner(
    model: FasterRCNN,
    optimizer: optax.GradientTransformation,
    turn: int,
    axis_name: str | None = None,
    **options: Any,
) -> Learner:
    """What learns in one of the turns.

    Args:
        model: with an RPN head, the same in all turns.
        optimizer: any optax transformation; it begins anew in each turn.
        turn: from 1 to 4.
        axis_name: the parallel axis over which the step reduces, if it has one.
        **options: of `zoo.supervised`.

    Returns:
        A learner, as of `zoo.detection.learner`; in the second turn batches have
        `proposals` and `proposed`.

    Raises:
        ValueError: another turn; a model to which proposals are given.
    """
    if turn not in TURNS:
        raise ValueError(f"turn must be from 1 to 4, got {turn!r}")
    if model.given:
        raise ValueError("model must propose by itself, got one with given=True")
    proposes, judges = ("rpn_head",), ("box_head", *(("mask_head",) * model.masks))
    learns = {
        1: ("backbone", "pyramid", *proposes),
        2: ("backbone", "pyramid", *judges),
        3: proposes,
        4: judges,
    }
    terms = [name for name in model.terms if (name in PROPOSING) == (turn in (1, 3))]
    return detector(
        *(model.clone(given=turn == 2), optimizer),
        **dict(terms=dict.fromkeys(terms, 1.0), learns=learns[turn]),
        **dict(axis_name=axis_name, **options),
    )


def carry(last: TrainState, fresh: TrainState) -> TrainState:
    """The first state of the third and of the fourth turn, from the last one before."""
    params = {**fresh.params, **last.params}
    return fresh._replace(
        params=params,
        model_state=last.model_state,
        ema=None if fresh.ema is None else jax.tree.map(jnp.copy, params),
    )
