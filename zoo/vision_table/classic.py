"""Rows of networks from before the residual ones."""

from zoo.row import Row
from zoo.vision import alexnet, googlenet, nin, vgg
from zoo.vision_table.family import ALL, CIFAR, TORCH, family

KRIZHEVSKY = (
    "Krizhevsky et al., NeurIPS 2012, https://papers.nips.cc/paper/"
    "4824-imagenet-classification-with-deep-convolutional-neural-networks"
)
KRIZHEVSKY_2014 = "Krizhevsky, 2014, https://arxiv.org/abs/1404.5997"
LIN = "Lin et al., ICLR 2014, https://arxiv.org/abs/1312.4400"
SIMONYAN = "Simonyan and Zisserman, ICLR 2015, https://arxiv.org/abs/1409.1556"
SZEGEDY = "Szegedy et al., CVPR 2015, https://arxiv.org/abs/1409.4842"


CLASSIC: dict[str, Row] = {
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
            reference=(
                f"pytorchcv's bn_vgg{depth}"
                if fields
                else f"{TORCH}.vgg{depth}{ending}"
            ),
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
        nin.NiN,
        {
            "nin_cifar10": (966_986, {}),
            "nin_cifar100": (984_356, {"num_classes": 100}),
        },
        paper=LIN,
        inputs=CIFAR,
        tiny=nin.TINY,
        convention="weights and biases",
        rules=nin.RULES,
        reference="pytorchcv's nin_cifar10, with pool_padding=1",
        figures="CIFAR-10 error 10.41 %, with augmentation 8.81 % (the paper)",
    ),
    **family(
        nin.NiN,
        {
            "nin": (
                *(7_595_176,),
                {
                    **dict(num_classes=1000, stages=nin.IMAGENET, dropped=(3,)),
                    **dict(pools=("max",) * 3),
                },
            )
        },
        paper=LIN,
        tiny=nin.TINY,
        convention="weights and biases",
        reference="Caffe's model zoo",
    ),
}
