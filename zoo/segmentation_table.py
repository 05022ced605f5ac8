"""Rows of networks that give each pixel a class."""

from typing import Any

from zoo.row import Row, image
from zoo.segmentation import deeplab, fcn, fcn_resnet, unet

RONNEBERGER = "Ronneberger et al., MICCAI 2015, https://arxiv.org/abs/1505.04597"
LONG = "Long et al., CVPR 2015, https://arxiv.org/abs/1411.4038"
CHEN = "Chen et al., ICLR 2015, https://arxiv.org/abs/1412.7062"
CHEN_V3 = "Chen et al., 2017, https://arxiv.org/abs/1706.05587"
YU = "Yu and Koltun, ICLR 2016, https://arxiv.org/abs/1511.07122"
ALL = "weights, biases, scales and shifts"
TWO_HEADS = f"{ALL}; with the auxiliary head"
TORCH = "torchvision.models.segmentation"
VOC, SMALL = image(224, 224, 3), image(96, 96, 3)
DEEP = {"blocks": (3, 4, 23, 3)}
TWIN = {"num_classes": 4, "blocks": (2, 2, 2), "width": 16, "stem_width": 16}


def _row(module: type, count: int, fields: dict[str, Any], **columns: Any) -> Row:
    shared = dict(
        task="segmentation",
        inputs=VOC,
        convention="weights and biases",
        published={"fast": False},
    )
    return Row(module=module, parameters=count, fields=fields, **{**shared, **columns})


SEGMENTATION: dict[str, Row] = {
    "unet_bn": _row(
        *(unet.UNet, 31_037_698, {"norm": True}),
        **dict(paper=RONNEBERGER, convention=ALL, tiny=unet.TINY),
        inputs=image(512, 512, 3),
        notes="Convolutions that are normalized have no bias.",
    ),
    "unet": _row(
        *(unet.UNet, 31_030_658, {}),
        **dict(paper=RONNEBERGER, tiny={**unet.TINY, "norm": False}),
        inputs=image(512, 512, 1),
        notes="Padded, so that image and output are of one size; printed is `valid`.",
    ),
    "unet_small": _row(
        *(
            unet.UNet,
            482_788,
            {"num_classes": 4, "width": 16, "depth": 3, "norm": True},
        ),
        **dict(paper=RONNEBERGER, convention=ALL, tiny=unet.TINY, inputs=SMALL),
    ),
    "fcn32s": _row(
        *(fcn.FCN, 134_346_581, {"stride": 32, "learned": False}),
        **dict(paper=LONG, tiny=fcn.TINY),
        figures="mean IoU on VOC 2011 val 59.4 % (the paper)",
        notes="Enlarged by bilinear interpolation for good.",
    ),
    "fcn32s_learned": _row(
        *(fcn.FCN, 136_152_917, {"stride": 32}),
        **dict(paper=LONG, tiny=fcn.TINY),
    ),
    "fcn16s": _row(
        *(fcn.FCN, 134_815_994, {"stride": 16}),
        **dict(paper=LONG, tiny=fcn.TINY),
        figures="mean IoU on VOC 2011 val 62.4 % (the paper)",
    ),
    "fcn8s": _row(
        *(fcn.FCN, 134_489_759, {}),
        **dict(paper=LONG, tiny=fcn.TINY),
        figures="mean IoU on VOC 2011 val 62.7 % (the paper)",
    ),
    "fcn32s_small": _row(
        fcn.FCN,
        650_916,
        {
            **{"num_classes": 4, "stride": 32, "learned": False, "hidden": 64},
            **{"blocks": (1, 1, 1, 1, 1), "width": 16, "dropout": 0.0},
        },
        **dict(paper=LONG, tiny=fcn.TINY, inputs=SMALL),
    ),
    "fcn8s_small": _row(
        fcn.FCN,
        656_300,
        {
            **{"num_classes": 4, "blocks": (1, 1, 1, 1, 1), "width": 16},
            **{"hidden": 64, "dropout": 0.0},
        },
        **dict(paper=LONG, tiny=fcn.TINY, inputs=SMALL),
    ),
    "deeplab_largefov": _row(
        *(fcn.DilatedVGG, 20_505_429, {}),
        **dict(paper=CHEN, tiny=fcn.TINY),
        figures="mean IoU on VOC 2012 val 62.3 %, with a CRF 67.6 % (the paper)",
        notes="The dense CRF is `zoo.segmentation.crf`.",
    ),
    "dilated_context": _row(
        fcn.DilatedVGG,
        134_374_973,
        {
            **{"pooled": False, "kernel": 7, "dilation": 4, "hidden": 4096},
            **{"context": fcn.CONTEXT},
        },
        **dict(paper=YU, tiny=fcn.TINY_CONTEXT),
        notes="The front end, and the basic context module.",
    ),
    "fcn_resnet50": _row(
        *(fcn_resnet.FCNResNet, 35_322_218, {}),
        **dict(paper=LONG, convention=TWO_HEADS, tiny=fcn_resnet.TINY),
        **dict(rules=fcn_resnet.RULES, reference=f"{TORCH}.fcn_resnet50"),
        figures="mean IoU on COCO val, VOC labels: 60.5 % (torchvision)",
        notes="Loss: `zoo.segmentation.fcn_resnet.auxiliary_loss`.",
    ),
    "fcn_resnet_small": _row(
        *(fcn_resnet.FCNResNet, 367_572, {**TWIN, "auxiliary": False}),
        **dict(paper=LONG, convention=ALL, tiny=fcn_resnet.TINY, inputs=SMALL),
    ),
    "fcn_resnet101": _row(
        *(fcn_resnet.FCNResNet, 54_314_346, DEEP),
        **dict(paper=LONG, convention=TWO_HEADS, tiny=fcn_resnet.TINY),
        **dict(rules=fcn_resnet.RULES, reference=f"{TORCH}.fcn_resnet101"),
    ),
    "deeplabv3_resnet50": _row(
        *(deeplab.DeepLabV3, 42_004_074, {}),
        **dict(paper=CHEN_V3, convention=TWO_HEADS, tiny=deeplab.TINY),
        **dict(rules=deeplab.rules(), reference=f"{TORCH}.deeplabv3_resnet50"),
        figures="mean IoU on COCO val, VOC labels: 66.4 % (torchvision)",
        notes="Loss: `zoo.segmentation.fcn_resnet.auxiliary_loss`.",
    ),
    "deeplabv3_resnet101": _row(
        *(deeplab.DeepLabV3, 60_996_202, DEEP),
        **dict(paper=CHEN_V3, convention=TWO_HEADS, tiny=deeplab.TINY),
        **dict(rules=deeplab.rules(), reference=f"{TORCH}.deeplabv3_resnet101"),
    ),
    "deeplabv3_small": _row(
        deeplab.DeepLabV3,
        472_212,
        {
            **{**TWIN, "features": 32, "rates": (2, 4, 6)},
            **{"auxiliary": False, "dropout": 0.1},
        },
        **dict(paper=CHEN_V3, convention=ALL, tiny=deeplab.TINY, inputs=SMALL),
    ),
}
