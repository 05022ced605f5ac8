"""Rows of networks that read an image as a sequence."""

from zoo.row import Row
from zoo.vision import vit
from zoo.vision_table.family import CIFAR, TORCH, family

DOSOVITSKIY = "Dosovitskiy et al., ICLR 2021, https://arxiv.org/abs/2010.11929"
LARGE = dict(features=1024, layers=24, heads=16, hidden=4096)
CONVENTION = "weights, biases, the class token and 224x224's positions"

TOKENS: dict[str, Row] = {
    **family(
        vit.VisionTransformer,
        {
            "vit_b_16": (86_567_656, {}),
            "vit_b_32": (88_224_232, {"patch": 32}),
            "vit_l_16": (304_326_632, LARGE),
            "vit_l_32": (306_535_400, {"patch": 32, **LARGE}),
        },
        paper=DOSOVITSKIY,
        tiny=vit.TINY,
        convention=CONVENTION,
        rules=vit.RULES,
        reference=f"{TORCH}.vit_b_16 and so on",
        figures="ImageNet top-1 of B/16: 81.07 % (torchvision)",
    ),
    **family(
        vit.VisionTransformer,
        {
            "vit_cifar": (
                *(810_890,),
                {
                    **dict(num_classes=10, patch=4, features=128, layers=6, heads=4),
                    **dict(hidden=256, pool="mean"),
                },
            )
        },
        paper=DOSOVITSKIY,
        inputs=CIFAR,
        tiny={**vit.TINY, "pool": "mean"},
        convention="weights, biases and 32x32's positions",
        notes="Patches of 4x4, and no class token; takes images of 28x28 as well.",
    ),
}
