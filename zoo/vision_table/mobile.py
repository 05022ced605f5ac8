"""Rows of networks with few parameters and operations, made for small devices."""

from zoo.row import Row
from zoo.vision import (
    efficientnet,
    mnasnet,
    mobile_shuffle,
    mobilenet_v1,
    mobilenet_v2,
    mobilenet_v3,
    shufflenet_v1,
    shufflenet_v2,
    squeezenet,
)
from zoo.vision_table.family import CIFAR, TORCH, family

HOWARD_2017 = "Howard et al., 2017, https://arxiv.org/abs/1704.04861"
HOWARD = "Howard et al., ICCV 2019, https://arxiv.org/abs/1905.02244"
IANDOLA = "Iandola et al., 2016, https://arxiv.org/abs/1602.07360"
MA = "Ma et al., ECCV 2018, https://arxiv.org/abs/1807.11164"
SANDLER = "Sandler et al., CVPR 2018, https://arxiv.org/abs/1801.04381"
TAN = "Tan and Le, ICML 2019, https://arxiv.org/abs/1905.11946"
TAN_MNAS = "Tan et al., CVPR 2019, https://arxiv.org/abs/1807.11626"
ZHANG = "Zhang et al., CVPR 2018, https://arxiv.org/abs/1707.01083"

MOBILE: dict[str, Row] = {
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
        mobilenet_v1.MobileNetV1,
        {
            "mobilenet_v1": (4_231_976, {}),
            "mobilenet_v1_075": (2_585_560, {"width": 0.75}),
            "mobilenet_v1_050": (1_331_592, {"width": 0.5}),
            "mobilenet_v1_025": (470_072, {"width": 0.25}),
        },
        paper=HOWARD_2017,
        tiny=mobilenet_v1.TINY,
        rules=mobilenet_v1.RULES,
        reference="timm's mobilenetv1_100",
        figures="ImageNet top-1 of width 1, 0.5: 70.6, 63.7 % (the paper)",
    ),
    **family(
        mobilenet_v1.MobileNetV1,
        {"mobilenet_v1_cifar": (3_217_226, {"num_classes": 10, "stem_stride": 1})},
        paper=HOWARD_2017,
        inputs=CIFAR,
        tiny=mobilenet_v1.TINY,
        notes="The first convolution keeps all pixels, so that 32x32 ends as 2x2.",
    ),
    **family(
        mobile_shuffle.MobileShuffleNet,
        {"mobile_shuffle": (2_989_544, {})},
        paper=MA,
        tiny=mobile_shuffle.TINY,
        notes="MobileNet V1 with units of ShuffleNet V2 where shapes agree.",
    ),
    **family(
        mobile_shuffle.MobileShuffleNet,
        {
            "mobile_shuffle_cifar": (
                *(1_974_794,),
                {
                    **{"num_classes": 10, "stem_stride": 1},
                    **{"stages": mobile_shuffle.CIFAR},
                },
            )
        },
        paper=MA,
        inputs=CIFAR,
        tiny=mobile_shuffle.TINY,
        notes="Two strides fewer, so that 32x32 ends as 4x4.",
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
        mnasnet.MnasNet,
        {
            "mnasnet1_0": (4_383_312, {}),
            "mnasnet0_5": (2_218_512, {"width": 0.5}),
            "mnasnet0_75": (3_170_208, {"width": 0.75}),
            "mnasnet1_3": (6_282_256, {"width": 1.3}),
        },
        paper=TAN_MNAS,
        tiny=mnasnet.TINY,
        rules=mnasnet.rules(mnasnet.B1),
        reference=f"{TORCH}.mnasnet1_0 and so on",
        figures="ImageNet top-1 of width 1, 0.5: 73.46, 67.73 % (torchvision)",
        notes="B1: searched for without squeeze-excite.",
    ),
    **{
        name: row
        for name, count, stages, stem, theirs in (
            ("mnasnet_a1", 3_887_038, mnasnet.A1, 32, "semnasnet_100"),
            ("mnasnet_small", 2_030_264, mnasnet.SMALL, 8, "mnasnet_small"),
        )
        for row in family(
            mnasnet.MnasNet,
            {name: (count, {"stages": stages, "stem": stem})},
            paper=TAN_MNAS,
            tiny=mnasnet.TINY,
            rules=mnasnet.rules(stages),
            reference=f"timm's {theirs}",
            figures="ImageNet top-1 75.2 % (the paper)" if stem == 32 else "",
        ).values()
    },
    **family(
        mnasnet.MnasNet,
        {
            "mnasnet_cifar": (
                *(3_115_122,),
                {
                    **{"num_classes": 10, "stages": mnasnet.CIFAR},
                    **{"stem_stride": 1, "dropout": 0.0},
                },
            )
        },
        paper=TAN_MNAS,
        inputs=CIFAR,
        tiny=mnasnet.TINY,
        notes="B1 with two strides fewer, so that 32x32 ends as 4x4.",
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
        rules=efficientnet.RULES,
        reference="timm's efficientnet_lite0",
    ),
    **family(
        efficientnet.EfficientNet,
        {
            "efficientnet_b0_cifar": (
                *(4_020_358,),
                {
                    **{"num_classes": 10, "stages": efficientnet.CIFAR},
                    **{"stem_stride": 1, "dropout": 0.0, "drop_path": 0.0},
                },
            )
        },
        paper=TAN,
        inputs=CIFAR,
        tiny={**efficientnet.TINY, "dropout": 0.2},
        notes="Two strides fewer, so that 32x32 ends as 4x4.",
    ),
    **family(
        shufflenet_v1.ShuffleNetV1,
        {
            **{
                f"shufflenet_v1_g{groups}": (count, {"groups": groups})
                for groups, count in (
                    *((1, 1_531_936), (2, 1_733_848), (3, 1_865_728)),
                    *((4, 1_968_344), (8, 2_434_768)),
                )
            },
            "shufflenet_v1_g3_075": (1_238_266, {"width": 0.75}),
            "shufflenet_v1_g3_050": (718_324, {"width": 0.5}),
            "shufflenet_v1_g3_025": (305_902, {"width": 0.25}),
        },
        paper=ZHANG,
        tiny=shufflenet_v1.TINY,
        rules=shufflenet_v1.RULES,
        reference="pytorchcv's shufflenet_g3_w1 and so on, with given_first=False",
        figures="ImageNet top-1 error of g3, g8: 32.6, 32.4 % (the paper)",
    ),
    **family(
        shufflenet_v2.ShuffleNetV2,
        {
            "shufflenet_v2_x0_5": (1_366_792, {"widths": (48, 96, 192)}),
            "shufflenet_v2_x1_0": (2_278_604, {}),
            "shufflenet_v2_x1_5": (3_503_624, {"widths": (176, 352, 704)}),
            "shufflenet_v2_x2_0": (
                *(7_393_996,),
                {"widths": (244, 488, 976), "last": 2048},
            ),
        },
        paper=MA,
        tiny=shufflenet_v2.TINY,
        rules=shufflenet_v2.RULES,
        reference=f"{TORCH}.shufflenet_v2_x1_0 and so on",
        figures="ImageNet top-1 of x1, x0.5: 69.36, 60.55 % (torchvision)",
    ),
    **family(
        shufflenet_v2.ShuffleNetV2,
        {"shufflenet_v2_cifar": (1_263_854, {"num_classes": 10, "stem": "cifar"})},
        paper=MA,
        inputs=CIFAR,
        tiny={**shufflenet_v2.TINY, "stem": "imagenet"},
        notes="Two strides fewer, so that 32x32 ends as 4x4.",
    ),
}
