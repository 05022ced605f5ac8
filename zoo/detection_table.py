"""Rows of networks that find objects."""

from typing import Any

import jax
import jax.numpy as jnp

from zoo.detection import (
    Dense,
    FasterRCNN,
    Judging,
    Proposing,
    RetinaNet,
    faster_rcnn,
    retinanet,
)
from zoo.row import Row, image

GIRSHICK = "Girshick, ICCV 2015, https://arxiv.org/abs/1504.08083"
REN = "Ren et al., NeurIPS 2015, https://arxiv.org/abs/1506.01497"
HE = "He et al., ICCV 2017, https://arxiv.org/abs/1703.06870"
LIN = "Lin et al., ICCV 2017, https://arxiv.org/abs/1708.02002"
FROZEN = "weights and biases; normalizations are frozen"
ALL = "weights, biases, scales and shifts"
TORCH = "torchvision.models.detection"
SIDE = 96
TWIN = {  # of ResNet: what is alike in the small ones
    **{"blocks": (1, 1, 1), "width": 16, "stem_width": 16, "bottleneck": False},
    **{"frozen": False, "features": 32, "ratios": (1.0,)},
}
TWO_STAGES = {
    **TWIN,
    **{"num_classes": 4, "extra": "none", "sizes": ((14, 20), (28, 36), (36, 44))},
    **{"hidden": 128, "mask_layers": 2, "mask_bins": 7, "canonical": 96},
    "proposing": Proposing(samples=64, before=(64, 32), after=(48, 24)),
    "judging": Judging(samples=32, share=0.5, most=16),
}
TINY = {**faster_rcnn.TINY, "masks": True}


def _given(batch: int) -> dict[str, Any]:
    """Images with proposals."""
    shape = jax.ShapeDtypeStruct
    return {
        "x": image(SIDE, SIDE, 3)(batch),
        "proposals": shape((batch, 24, 4), jnp.float32),
        "proposed": shape((batch, 24), jnp.bool_),
    }


def _row(module: type, count: int, fields: dict[str, Any], **columns: Any) -> Row:
    shared = dict(
        task="detection",
        inputs=image(800, 800, 3),
        convention=FROZEN,
        published={"fast": False},
    )
    return Row(module=module, parameters=count, fields=fields, **{**shared, **columns})


DETECTION: dict[str, Row] = {
    "maskrcnn_resnet50_fpn": _row(
        *(FasterRCNN, 44_401_393, {"masks": True}),
        **dict(paper=HE, tiny=TINY, rules=faster_rcnn.RULES),
        figures="COCO val: AP of boxes 37.9 %, of masks 34.6 % (torchvision)",
        reference=f"{TORCH}.maskrcnn_resnet50_fpn",
    ),
    "fasterrcnn_resnet50_fpn": _row(
        *(FasterRCNN, 41_755_286, {}),
        **dict(paper=REN, tiny=TINY, rules=faster_rcnn.RULES),
        figures="COCO val: AP 37.0 % (torchvision)",
        reference=f"{TORCH}.fasterrcnn_resnet50_fpn",
        notes="Class 0 is the background; labels are numbered without it.",
    ),
    "retinanet_resnet50_fpn": _row(
        *(RetinaNet, 34_014_999, {}),
        **dict(paper=LIN, tiny=retinanet.TINY, rules=retinanet.RULES),
        figures="COCO val: AP 36.4 % (torchvision)",
        reference=f"{TORCH}.retinanet_resnet50_fpn",
    ),
    "mask_rcnn_small": _row(
        *(FasterRCNN, 362_994, {**TWO_STAGES, "masks": True}),
        **dict(paper=HE, tiny=TINY, convention=ALL, inputs=image(SIDE, SIDE, 3)),
    ),
    "faster_rcnn_small": _row(
        *(FasterRCNN, 340_238, TWO_STAGES),
        **dict(paper=REN, tiny=TINY, convention=ALL, inputs=image(SIDE, SIDE, 3)),
    ),
    "fast_rcnn_small": _row(
        *(FasterRCNN, 330_660, {**TWO_STAGES, "given": True}),
        **dict(paper=GIRSHICK, convention=ALL, inputs=_given),
        tiny={**faster_rcnn.TINY, "given": True},
    ),
    "retinanet_small": _row(
        RetinaNet,
        141_982,
        {
            **{**TWIN, "num_classes": 3, "layers": 2, "extra": "none"},
            **{"sizes": ((16, 22), (30, 42)), "dense": Dense(before=100, most=16)},
        },
        **dict(paper=LIN, tiny=retinanet.TINY, convention=ALL),
        inputs=image(SIDE, SIDE, 3),
    ),
}
