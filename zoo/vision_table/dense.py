"""Rows of networks that keep what they are given beside what they make, or within."""

from typing import Any

from zoo.row import Row
from zoo.vision import densenet, diracnet, dpn
from zoo.vision_table.family import ALL, CIFAR, TORCH, family

CHEN = "Chen et al., NeurIPS 2017, https://arxiv.org/abs/1707.01629"
HUANG = "Huang et al., CVPR 2017, https://arxiv.org/abs/1608.06993"
ZAGORUYKO = "Zagoruyko and Komodakis, 2017, https://arxiv.org/abs/1706.00388"


def _dense(depth: int, growth: int, bc: bool = False) -> dict[str, Any]:
    """Three stages of a DenseNet; depth counts the layers with weights."""
    layers = (depth - 4) // (6 if bc else 3)
    kind = {} if bc else {"bottleneck": False, "compression": 1.0, "stem_width": 16}
    shared = {"num_classes": 10, "stem": "cifar", "growth": growth}
    return {"blocks": (layers,) * 3, **shared, **kind}


def _dual(blocks: tuple[int, ...], stem_width: int, **fields: Any) -> dict[str, Any]:
    """Of 40 or 50 groups, for ImageNet."""
    shared = {"inner": 160, "groups": 40, "growth": (16, 32, 32, 128)}
    return {**shared, "blocks": blocks, "stem_width": stem_width, **fields}


DENSE: dict[str, Row] = {
    **family(
        densenet.DenseNet,
        {
            "densenet121": (7_978_856, {}),
            "densenet161": (
                *(28_681_000,),
                {"blocks": (6, 12, 36, 24), "growth": 48},
            ),
            "densenet169": (14_149_480, {"blocks": (6, 12, 32, 32)}),
            "densenet201": (20_013_928, {"blocks": (6, 12, 48, 32)}),
        },
        paper=HUANG,
        tiny=densenet.TINY,
        rules=densenet.RULES,
        reference=f"{TORCH}.densenet121 and so on",
        figures="ImageNet top-1 of 121: 74.43 % (torchvision)",
    ),
    **family(
        densenet.DenseNet,
        {
            "densenet40_12_cifar": (1_019_722, _dense(40, 12)),
            "densenet100_12_cifar": (6_979_642, _dense(100, 12)),
            "densenet100_24_cifar": (27_249_082, _dense(100, 24)),
        },
        paper=HUANG,
        inputs=CIFAR,
        tiny=densenet.TINY,
        convention=f"{ALL}; without bottlenecks and compression",
        figures="CIFAR-10 error of 100-12: 4.10 % (the paper)",
    ),
    **family(
        densenet.DenseNet,
        {
            "densenet_bc40_12_cifar": (176_122, _dense(40, 12, bc=True)),
            "densenet_bc100_12_cifar": (769_162, _dense(100, 12, bc=True)),
            "densenet_bc250_24_cifar": (15_324_406, _dense(250, 24, bc=True)),
            "densenet_bc190_40_cifar": (25_624_430, _dense(190, 40, bc=True)),
        },
        paper=HUANG,
        inputs=CIFAR,
        tiny={**densenet.TINY, "stem": "imagenet"},
        rules=densenet.RULES,
        reference="pytorchcv's densenet100_k12_bc_cifar10 and so on",
        figures="CIFAR-10 error of 100-12: 4.51 % (the paper)",
    ),
    **family(
        dpn.DPN,
        {
            "dpn68": (
                *(12_611_602,),
                {
                    **dict(blocks=(3, 4, 12, 3), growth=(16, 32, 32, 64)),
                    **dict(width=64, inner=128, stem_width=10, stem_kernel=3),
                },
            ),
            "dpn92": (37_668_392, {}),
            "dpn98": (61_570_728, _dual((3, 6, 20, 3), 96)),
            "dpn107": (
                *(86_917_800,),
                _dual(
                    *((4, 8, 20, 3), 128),
                    **dict(inner=200, groups=50, growth=(20, 64, 64, 128)),
                ),
            ),
            "dpn131": (79_254_504, _dual((4, 8, 28, 3), 128)),
        },
        paper=CHEN,
        tiny=dpn.TINY,
        rules=dpn.RULES,
        reference="timm's dpn92 and so on",
        figures="ImageNet top-1 error of 92, 98: 20.7, 20.2 % (the paper)",
    ),
    **family(
        dpn.DPN,
        {
            "dpn_cifar": (
                *(199_210,),
                {
                    **dict(num_classes=10, stem="cifar", stem_width=16, stem_kernel=3),
                    **dict(blocks=(2, 2, 2), growth=(8, 16, 32)),
                    **dict(width=32, inner=32, groups=8),
                },
            )
        },
        paper=CHEN,
        inputs=CIFAR,
        tiny=dpn.TINY,
        notes="Three stages, which end as 8x8.",
    ),
    **{
        name: row
        for depth, blocks, training, use in (
            (18, (4, 4, 4, 4), 11_523_368, 11_511_784),
            (34, (6, 8, 12, 6), 21_638_952, 21_616_232),
        )
        for ending, count, fields in (
            ("", training, {}),
            ("_folded", use, {"folded": True}),
        )
        for name, row in family(
            diracnet.DiracNet,
            {f"diracnet{depth}{ending}": (count, {"blocks": blocks, **fields})},
            paper=ZAGORUYKO,
            tiny=diracnet.TINY,
            convention="weights and biases" if fields else f"{ALL}, alpha and beta",
            rules=diracnet.RULES if fields else (),
            reference=f"pytorchcv's diracnet{depth}v2" if fields else "",
            notes="`zoo.vision.diracnet.folded` makes its variables." if fields else "",
        ).items()
    },
    **family(
        diracnet.DiracNet,
        {
            f"diracnet28_{times}_cifar": (
                *(count,),
                {
                    **{"num_classes": 10, "stem": "cifar", "stem_width": 16},
                    **{"blocks": (8, 8, 8), "width": 16 * times},
                },
            )
            for times, count in ((5, 9_076_314), (10, 36_238_554))
        },
        paper=ZAGORUYKO,
        inputs=CIFAR,
        tiny=diracnet.TINY,
        convention=f"{ALL}, alpha and beta",
        notes="Width and depth as those of a Wide ResNet, without a shortcut.",
    ),
}
