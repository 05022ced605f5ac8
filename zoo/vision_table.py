"""The rows of the image classifiers, a family at a time; `zoo.catalog` has them all.

A family's rows share what is said once; each has its name, its published count and the
fields that make it. Counts are of weights, biases and the scales and shifts of
normalizations, never of running statistics.
"""

from typing import Any

from zoo.row import Row, image
from zoo.vision import (
    alexnet,
    densenet,
    efficientnet,
    googlenet,
    mobilenet_v2,
    mobilenet_v3,
    resnet,
    squeezenet,
    vgg,
)

IMAGENET, CIFAR = image(224, 224, 3), image(32, 32, 3)
HE = "He et al., CVPR 2016, https://arxiv.org/abs/1512.03385"
HE_PRE = "He et al., ECCV 2016, https://arxiv.org/abs/1603.05027"
XIE = "Xie et al., CVPR 2017, https://arxiv.org/abs/1611.05431"
ZAGORUYKO = "Zagoruyko and Komodakis, BMVC 2016, https://arxiv.org/abs/1605.07146"
HOWARD = "Howard et al., ICCV 2019, https://arxiv.org/abs/1905.02244"
HUANG = "Huang et al., CVPR 2017, https://arxiv.org/abs/1608.06993"
IANDOLA = "Iandola et al., 2016, https://arxiv.org/abs/1602.07360"
KRIZHEVSKY = (
    "Krizhevsky et al., NeurIPS 2012, https://papers.nips.cc/paper/"
    "4824-imagenet-classification-with-deep-convolutional-neural-networks"
)
KRIZHEVSKY_2014 = "Krizhevsky, 2014, https://arxiv.org/abs/1404.5997"
SANDLER = "Sandler et al., CVPR 2018, https://arxiv.org/abs/1801.04381"
SIMONYAN = "Simonyan and Zisserman, ICLR 2015, https://arxiv.org/abs/1409.1556"
SZEGEDY = "Szegedy et al., CVPR 2015, https://arxiv.org/abs/1409.4842"
TAN = "Tan and Le, ICML 2019, https://arxiv.org/abs/1905.11946"
ALL = "weights, biases, scales and shifts"


def family(
    module: type, rows: dict[str, tuple[int, dict[str, Any]]], **shared: Any
) -> dict[str, Row]:
    """Rows that share all but their count and their fields.

    Args:
        module: the linen class.
        rows: name -> (parameters, fields of the class).
        **shared: columns of `Row`.
    """
    defaults = dict(
        task="classification",
        inputs=IMAGENET,
        convention=ALL,
        published={"fast": False},
    )
    return {
        name: Row(
            module=module, parameters=count, fields=fields, **{**defaults, **shared}
        )
        for name, (count, fields) in rows.items()
    }


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


def _dense(depth: int, growth: int, bc: bool = False) -> dict[str, Any]:
    """Three stages of a DenseNet; depth counts the layers with weights."""
    layers = (depth - 4) // (6 if bc else 3)
    kind = {} if bc else {"bottleneck": False, "compression": 1.0, "stem_width": 16}
    shared = {"num_classes": 10, "stem": "cifar", "growth": growth}
    return {"blocks": (layers,) * 3, **shared, **kind}


A, B = "padding", "projection"
TORCH = "torchvision.models"
# Rows of a family differ in sizes and in a few choices. What is tiny of them has all
# choices between them, in as few networks as that takes: each is compiled by tests.
BASIC = {**resnet.TINY, "stem": "imagenet"}
GROUPED = {**resnet.TINY, "stem": "cifar", "groups": 2, "base_width": 64}
VISION: dict[str, Row] = {
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
        reference=f"{TORCH}.resnet50 to resnet152",
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
    **family(
        mobilenet_v2.MobileNetV2,
        {
            "mobilenet_v2": (3_504_872, {}),
            "mobilenet_v2_075": (2_636_424, {"width": 0.75}),
            "mobilenet_v2_050": (1_968_680, {"width": 0.5}),
            "mobilenet_v2_035": (1_677_128, {"width": 0.35}),
            "mobilenet_v2_140": (6_108_776, {"width": 1.4}),
        },
        paper=SANDLER,
        tiny=mobilenet_v2.TINY,
        rules=mobilenet_v2.rules(),
        reference=f"{TORCH}.mobilenet_v2; timm's mobilenetv2_140 and so on",
        figures="ImageNet top-1 of width 1: 71.88 % (torchvision)",
    ),
    **family(
        mobilenet_v2.MobileNetV2,
        {
            "mobilenet_v2_cifar": (
                *(2_236_682,),
                {
                    "num_classes": 10,
                    "stages": mobilenet_v2.CIFAR,
                    "stem_stride": 1,
                    "dropout": 0.0,
                },
            ),
        },
        paper=SANDLER,
        inputs=CIFAR,
        tiny={**mobilenet_v2.TINY, "stem_stride": 2, "dropout": 0.2},
        notes="Two strides fewer, so that 32x32 ends as 4x4.",
    ),
    **{
        name: row
        for depth, plain, normed, unbiased in (
            (11, 132_863_336, 132_868_840, 132_866_088),
            (13, 133_047_848, 133_053_736, 133_050_792),
            (16, 138_357_544, 138_365_992, 138_361_768),
            (19, 143_667_240, 143_678_248, 143_672_744),
        )
        for ending, count, norm, fields, convention in (
            ("", plain, False, {}, "weights and biases"),
            ("_bn", normed, True, {}, f"{ALL}; convolutions have biases"),
            (
                *("_bn_nobias", unbiased, True, {"bias": False}),
                f"{ALL}; convolutions have no biases",
            ),
        )
        for name, row in family(
            vgg.VGG,
            {
                f"vgg{depth}{ending}": (
                    *(count,),
                    {"blocks": vgg.DEPTHS[depth], "norm": norm, **fields},
                )
            },
            paper=SIMONYAN,
            tiny=vgg.TINY | ({"bias": False} if norm else {}),
            convention=convention,
            rules=vgg.rules(vgg.DEPTHS[depth], norm),
            reference=f"{TORCH}.vgg{depth}{ending}" if not fields else "",
            figures="ImageNet top-1 71.59 % (torchvision)" if depth == 16 else "",
        ).items()
    },
    **family(
        vgg.VGG,
        {
            "vgg16_cifar": (
                *(14_728_266,),
                {"num_classes": 10, "norm": True, "widths": (), "size": 1},
            )
        },
        paper=SIMONYAN,
        inputs=CIFAR,
        tiny={**vgg.TINY, "bias": False},
        convention=f"{ALL}; convolutions have biases",
        figures="CIFAR-10 accuracy 92.64 % (kuangliu/pytorch-cifar)",
    ),
    **family(
        alexnet.AlexNet,
        {
            "alexnet": (
                *(60_965_224,),
                {"maps": alexnet.PRINTED, "towers": 2, "normalized": True},
            ),
            "alexnet_one_tower": (
                *(62_378_344,),
                {"maps": alexnet.PRINTED, "normalized": True},
            ),
        },
        paper=KRIZHEVSKY,
        tiny={**alexnet.TINY, "towers": 2},
        convention="weights and biases",
        notes="As printed: with local response normalization; `alexnet` in two towers.",
    ),
    **family(
        alexnet.AlexNet,
        {"alexnet_weird_trick": (61_100_840, {})},
        paper=KRIZHEVSKY_2014,
        tiny=alexnet.TINY,
        rules=alexnet.RULES,
        convention="weights and biases",
        reference=f"{TORCH}.alexnet",
        figures="ImageNet top-1 56.52 % (torchvision)",
    ),
    **family(
        squeezenet.SqueezeNet,
        {"squeezenet1_0": (1_248_424, {})},
        paper=IANDOLA,
        tiny=squeezenet.TINY,
        rules=squeezenet.rules((0, 3, 7)),
        convention="weights and biases",
        reference=f"{TORCH}.squeezenet1_0",
    ),
    **family(
        squeezenet.SqueezeNet,
        {"squeezenet1_1": (1_235_496, {"stem": 64, "kernel": 3, "pools": (0, 2, 4)})},
        paper=IANDOLA,
        tiny=squeezenet.TINY,
        rules=squeezenet.rules((0, 2, 4)),
        convention="weights and biases",
        reference=f"{TORCH}.squeezenet1_1",
    ),
    **family(
        squeezenet.SqueezeNet,
        {
            "squeezenet_cifar": (
                *(727_626,),
                {
                    **{"num_classes": 10, "stem": 64, "kernel": 3, "padding": 1},
                    **{"stem_stride": 1, "pools": (0, 2, 4), "dropout": 0.0},
                },
            )
        },
        paper=IANDOLA,
        inputs=CIFAR,
        tiny=squeezenet.TINY,
        convention="weights and biases",
        notes="1.1 with a first convolution that keeps all pixels.",
    ),
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
        figures="CIFAR-10 error of 100-12: 4.51 % (the paper)",
    ),
    **family(
        googlenet.GoogLeNet,
        {
            "googlenet": (6_998_552, {}),
            "googlenet_auxiliary": (13_378_280, {"auxiliary": True}),
        },
        paper=SZEGEDY,
        tiny={**googlenet.TINY, "auxiliary": False},
        convention="weights and biases",
        notes="As printed. With `auxiliary`: `zoo.vision.googlenet.auxiliary_loss`.",
    ),
    **family(
        googlenet.GoogLeNet,
        {
            "googlenet_bn": (6_624_904, {"norm": True, "wide": 3, "dropout": 0.2}),
            "googlenet_bn_auxiliary": (
                *(13_004_888,),
                {"norm": True, "wide": 3, "dropout": 0.2, "auxiliary": True},
            ),
            "googlenet_bn_5x5": (7_005_832, {"norm": True, "dropout": 0.2}),
        },
        paper=SZEGEDY,
        tiny={**googlenet.TINY, "wide": 3, "auxiliary": False},
        rules=googlenet.RULES,
        reference=f"{TORCH}.googlenet",
        figures="ImageNet top-1 69.78 % (torchvision)",
    ),
    **family(
        mobilenet_v3.MobileNetV3,
        {"mobilenet_v3_large": (5_483_032, {})},
        paper=HOWARD,
        tiny=mobilenet_v3.TINY,
        rules=mobilenet_v3.rules(mobilenet_v3.LARGE),
        reference=f"{TORCH}.mobilenet_v3_large",
    ),
    **family(
        mobilenet_v3.MobileNetV3,
        {
            "mobilenet_v3_small": (
                *(2_542_856,),
                {"blocks": mobilenet_v3.SMALL, "last": 1024},
            )
        },
        paper=HOWARD,
        tiny=mobilenet_v3.TINY,
        rules=mobilenet_v3.rules(mobilenet_v3.SMALL),
        reference=f"{TORCH}.mobilenet_v3_small",
    ),
    **family(
        mobilenet_v3.MobileNetV3,
        {
            "mobilenet_v3_small_cifar": (
                *(1_528_106,),
                {
                    **{"num_classes": 10, "blocks": mobilenet_v3.SMALL, "last": 1024},
                    **{"stem_stride": 1, "dropout": 0.0},
                },
            )
        },
        paper=HOWARD,
        inputs=CIFAR,
        tiny={**mobilenet_v3.TINY, "stem_stride": 2, "dropout": 0.2},
        notes="The first convolution keeps all pixels, so that 32x32 ends as 2x2.",
    ),
    **family(
        efficientnet.EfficientNet,
        {"efficientnet_b0": (5_288_548, {})},
        paper=TAN,
        tiny=efficientnet.TINY,
        rules=efficientnet.RULES,
        reference=f"{TORCH}.efficientnet_b0",
        figures="ImageNet top-1 77.1 % (the paper)",
    ),
    **family(
        efficientnet.EfficientNet,
        {"efficientnet_lite0": (4_652_008, {"lite": True})},
        paper=TAN,
        tiny={**efficientnet.TINY, "lite": True},
        reference="timm's efficientnet_lite0",
    ),
    **family(
        efficientnet.EfficientNet,
        {
            "efficientnet_b0_cifar": (
                *(4_020_358,),
                {
                    **{"num_classes": 10, "stages": efficientnet.CIFAR},
                    **{"stem_stride": 1, "dropout": 0.0},
                },
            )
        },
        paper=TAN,
        inputs=CIFAR,
        tiny={**efficientnet.TINY, "dropout": 0.2},
        notes="Two strides fewer, so that 32x32 ends as 4x4.",
    ),
}
