"""Rows of networks whose cells a search found."""

from zoo.row import Row, image
from zoo.vision import nasnet
from zoo.vision_table.family import ALL, CIFAR, family

ZOPH = "Zoph et al., CVPR 2018, https://arxiv.org/abs/1707.07012"
LIU = "Liu et al., ECCV 2018, https://arxiv.org/abs/1712.00559"
CONVENTION = f"{ALL}; no auxiliary head"
MOBILE = {"blocks": (4, 4, 4), "width": 44, "stem_width": 32, "skip": False}
LARGE, SIX = image(331, 331, 3), {"blocks": (6, 6, 6)}
PLANS = {"normal": nasnet.PROGRESSIVE, "reduction": nasnet.PROGRESSIVE}
FIVE = {"blocks": (4, 3, 3), "width": 216, "skip": False, **PLANS}

SEARCHED: dict[str, Row] = {
    **family(
        nasnet.NASNet,
        {"nasnet_a_large": (88_753_150, {**SIX, "drop_path": 0.3})},
        paper=ZOPH,
        inputs=LARGE,
        tiny=nasnet.TINY,
        convention=CONVENTION,
        rules=nasnet.rules((6, 6, 6)),
        reference="timm's nasnetalarge",
        figures="ImageNet top-1 82.7 % (the paper)",
        notes="6 @ 4032. timm's strided means count the zeros of the padding.",
    ),
    **family(
        nasnet.NASNet,
        {"nasnet_a_mobile": (5_289_978, MOBILE)},
        paper=ZOPH,
        tiny=nasnet.TINY,
        convention=CONVENTION,
        rules=nasnet.rules((4, 4, 4)),
        reference="pytorchcv's nasnet_4a1056",
        figures="ImageNet top-1 74.0 % (the paper)",
        notes="4 @ 1056.",
    ),
    **family(
        nasnet.NASNet,
        {"nasnet_a_mobile_auxiliary": (7_701_218, {**MOBILE, "auxiliary": True})},
        paper=ZOPH,
        tiny=nasnet.TINY | {"auxiliary": False},
        convention=f"{ALL}; with the auxiliary head for images of 224x224",
        notes="4 @ 1056. For training; see `zoo.vision.nasnet`.",
    ),
    **family(
        nasnet.NASNet,
        {"pnasnet_5_large": (86_057_668, FIVE)},
        paper=LIU,
        inputs=LARGE,
        tiny=nasnet.TINY,
        convention=CONVENTION,
        rules=nasnet.rules((4, 3, 3), progressive=True),
        reference="timm's pnasnet5large",
        figures="ImageNet top-1 82.9 % (the paper)",
    ),
    **family(
        nasnet.NASNet,
        {
            "nasnet_a_cifar": (
                *(3_328_234,),
                {
                    **{"num_classes": 10, "stem": "cifar", "width": 32, "skip": False},
                    **{"dropout": 0.0, **SIX},
                },
            )
        },
        paper=ZOPH,
        inputs=CIFAR,
        tiny=nasnet.TINY,
        convention=CONVENTION,
        figures="CIFAR-10 error 3.41 %, with cutout 2.65 % (the paper)",
        notes="6 @ 768.",
    ),
}
