"""Rows of networks that add to what they are given."""

from typing import Any

from zoo.row import Row
from zoo.vision import resnet
from zoo.vision_table.family import ALL, CIFAR, TORCH, family

HE = "He et al., CVPR 2016, https://arxiv.org/abs/1512.03385"
HE_PRE = "He et al., ECCV 2016, https://arxiv.org/abs/1603.05027"
XIE = "Xie et al., CVPR 2017, https://arxiv.org/abs/1611.05431"
ZAGORUYKO = "Zagoruyko and Komodakis, BMVC 2016, https://arxiv.org/abs/1605.07146"
BASIC = {**resnet.TINY, "stem": "imagenet"}
GROUPED = {**resnet.TINY, "stem": "cifar", "groups": 2, "base_width": 64}
A = "padding"  # a shortcut


def _large(*blocks: int, bottleneck: bool = True, **fields: Any) -> dict[str, Any]:
    return {"blocks": blocks, "bottleneck": bottleneck, **fields}


def _grouped(depth: int, groups: int, width: int) -> dict[str, Any]:
    third = {50: 6, 101: 23}[depth]
    return _large(3, 4, third, 3, groups=groups, base_width=width)


def _small(depth: int, **fields: Any) -> dict[str, Any]:
    """Of the CIFAR family: three stages; depth counts the layers with weights."""
    each = 9 if fields.get("bottleneck") else 6
    width = {"num_classes": 10, "stem": "cifar", "width": 16, "stem_width": 16}
    return {"blocks": (depth // each,) * 3, **width, **fields}


def _wide(depth: int, times: int) -> dict[str, Any]:
    return _small(depth - 4, width=16 * times, preactivated=True)


def _resnext(groups: int, width: int) -> dict[str, Any]:
    more = {"groups": groups, "base_width": width, "width": 64, "stem_width": 64}
    return _small(29 - 2, bottleneck=True, **more)


RESIDUAL: dict[str, Row] = {
    **family(
        resnet.ResNet,
        {
            "resnet18": (11_689_512, _large(2, 2, 2, 2, bottleneck=False)),
            "resnet34": (21_797_672, _large(3, 4, 6, 3, bottleneck=False)),
        },
        paper=HE,
        tiny=BASIC,
        rules=resnet.RULES,
        reference=f"{TORCH}.resnet18 and resnet34",
        figures="ImageNet top-1 of 18: 69.76 % (torchvision)",
    ),
    **family(
        resnet.ResNet,
        {
            "resnet50": (25_557_032, _large(3, 4, 6, 3)),
            "resnet101": (44_549_160, _large(3, 4, 23, 3)),
            "resnet152": (60_192_808, _large(3, 8, 36, 3)),
            "resnet200": (64_673_832, _large(3, 24, 36, 3)),
        },
        paper=HE,
        tiny=GROUPED,
        rules=resnet.RULES,
        reference=f"{TORCH}.resnet50 to resnet152; pytorchcv's resnet200b",
        figures="ImageNet top-1 of 50, 152: 76.13, 78.31 % (torchvision)",
    ),
    **family(
        resnet.ResNet,
        {
            "resnext50_32x4d": (25_028_904, _grouped(50, 32, 4)),
            "resnext101_32x4d": (44_177_704, _grouped(101, 32, 4)),
            "resnext101_32x8d": (88_791_336, _grouped(101, 32, 8)),
            "resnext101_64x4d": (83_455_272, _grouped(101, 64, 4)),
        },
        paper=XIE,
        tiny=GROUPED,
        rules=resnet.RULES,
        reference=f"{TORCH}.resnext50_32x4d and so on",
        figures="ImageNet top-1 of 50 32x4d: 77.62 % (torchvision)",
    ),
    **family(
        resnet.ResNet,
        {
            "wide_resnet50_2": (68_883_240, _large(3, 4, 6, 3, base_width=128)),
            "wide_resnet101_2": (126_886_696, _large(3, 4, 23, 3, base_width=128)),
        },
        paper=ZAGORUYKO,
        tiny=GROUPED,
        rules=resnet.RULES,
        reference=f"{TORCH}.wide_resnet50_2 and so on",
        figures="ImageNet top-1 of 50-2: 78.47 % (torchvision)",
    ),
    **family(
        resnet.ResNet,
        {
            "preresnet18": (
                *(11_687_848,),
                _large(2, 2, 2, 2, bottleneck=False, preactivated=True),
            ),
            "preresnet50": (25_549_480, _large(3, 4, 6, 3, preactivated=True)),
            "preresnet152": (60_185_256, _large(3, 8, 36, 3, preactivated=True)),
        },
        paper=HE_PRE,
        tiny={**resnet.TINY, "bottleneck": True},
        rules=resnet.RULES,
        reference="pytorchcv's preresnet18, preresnet50b and preresnet152b",
        notes="The stem has its normalization, and a last one stands before the head.",
    ),
    **family(
        resnet.ResNet,
        {
            "resnet20_cifar": (269_722, _small(20, shortcut=A)),
            "resnet32_cifar": (464_154, _small(32, shortcut=A)),
            "resnet44_cifar": (658_586, _small(44, shortcut=A)),
            "resnet56_cifar": (853_018, _small(56, shortcut=A)),
            "resnet110_cifar": (1_727_962, _small(110, shortcut=A)),
        },
        paper=HE,
        inputs=CIFAR,
        tiny=resnet.TINY,
        convention=f"{ALL}; shortcuts without parameters (option A)",
        figures="CIFAR-10 error of 20, 56, 110: 8.75, 6.97, 6.43 % (the paper)",
    ),
    **family(
        resnet.ResNet,
        {
            "resnet20b_cifar": (272_474, _small(20)),
            "resnet32b_cifar": (466_906, _small(32)),
            "resnet44b_cifar": (661_338, _small(44)),
            "resnet56b_cifar": (855_770, _small(56)),
            "resnet110b_cifar": (1_730_714, _small(110)),
            "resnet164_cifar": (1_704_154, _small(164, bottleneck=True)),
        },
        paper=HE,
        inputs=CIFAR,
        tiny={**BASIC, "bottleneck": False},
        rules=resnet.RULES,
        reference="pytorchcv's resnet20_cifar10 and so on",
        convention=f"{ALL}; projections where shapes change (option B)",
    ),
    **family(
        resnet.ResNet,
        {
            "plain20_cifar": (269_722, _small(20, shortcut="none")),
            "plain56_cifar": (853_018, _small(56, shortcut="none")),
        },
        paper=HE,
        inputs=CIFAR,
        tiny=resnet.TINY,
        convention=f"{ALL}; those of the twin with shortcuts A",
        notes="Without shortcuts: deeper is worse, also on the training set.",
    ),
    **family(
        resnet.ResNet,
        {
            "preresnet20_cifar": (272_282, _small(20, preactivated=True)),
            "preresnet110_cifar": (1_730_522, _small(110, preactivated=True)),
            "preresnet164_cifar": (
                *(1_703_258,),
                _small(164, preactivated=True, bottleneck=True),
            ),
        },
        paper=HE_PRE,
        inputs=CIFAR,
        tiny={**resnet.TINY, "bottleneck": False},
        rules=resnet.RULES,
        reference="pytorchcv's preresnet20_cifar10 and so on",
        figures="CIFAR-10 error of 110, 164: 6.37, 5.46 % (the paper)",
    ),
    **family(
        resnet.ResNet,
        {
            "wrn16_4_cifar": (2_748_890, _wide(16, 4)),
            "wrn16_8_cifar": (10_961_370, _wide(16, 8)),
            "wrn16_10_cifar": (17_116_634, _wide(16, 10)),
            "wrn22_8_cifar": (17_158_106, _wide(22, 8)),
            "wrn28_2_cifar": (1_467_610, _wide(28, 2)),
            "wrn28_10_cifar": (36_479_194, _wide(28, 10)),
            "wrn40_1_cifar": (563_930, _wide(40, 1)),
            "wrn40_2_cifar": (2_243_546, _wide(40, 2)),
            "wrn40_4_cifar": (8_949_210, _wide(40, 4)),
            "wrn40_8_cifar": (35_748_314, _wide(40, 8)),
        },
        paper=ZAGORUYKO,
        inputs=CIFAR,
        tiny={**resnet.TINY, "bottleneck": False},
        rules=resnet.RULES,
        reference="pytorchcv's wrn16_10_cifar10 and so on",
        figures="CIFAR-10 error of 28-10: 4.00 %, with dropout 3.89 % (the paper)",
    ),
    **family(
        resnet.ResNet,
        {
            "resnext29_2x64d_cifar": (9_130_314, _resnext(2, 64)),
            "resnext29_4x64d_cifar": (17_562_442, _resnext(4, 64)),
            "resnext29_8x64d_cifar": (34_426_698, _resnext(8, 64)),
            "resnext29_16x64d_cifar": (68_155_210, _resnext(16, 64)),
            "resnext29_32x4d_cifar": (4_775_754, _resnext(32, 4)),
        },
        paper=XIE,
        inputs=CIFAR,
        tiny=GROUPED,
        rules=resnet.RULES,
        reference="pytorchcv's resnext29_32x4d_cifar10 and so on",
        figures="CIFAR-10 error of 8x64d: 3.65 % (the paper)",
    ),
    **family(
        resnet.ResNet,
        {
            f"resnet{depth}_cifar_wide": (count, {**fields, **more})
            for depth, count, fields in (
                (18, 11_173_962, _large(2, 2, 2, 2, bottleneck=False)),
                (34, 21_282_122, _large(3, 4, 6, 3, bottleneck=False)),
                (50, 23_520_842, _large(3, 4, 6, 3)),
            )
            for more in [{"num_classes": 10, "stem": "cifar"}]
        },
        paper=HE,
        inputs=CIFAR,
        tiny={**BASIC, "bottleneck": False},
        notes="The ImageNet network with a stem of 3x3 that keeps all pixels.",
    ),
}
