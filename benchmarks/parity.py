"""Networks of images at full size with the weights of their references: same logits.

For each model that torchvision, timm or pytorchcv has: theirs, every parameter and
buffer random; its state dict, read by `zoo.create(name, weights=...)`; two images of
the published size; float32 on both sides. The figure is the largest difference of a
logit, as a share of the largest logit. Where pytorchcv's network is a variant of ours,
ours has the fields that make it the same (`FIELDS`). Gradients and the outputs of
stages are compared in float64 and with fewer blocks, by tests/parity/test_vision.py.
"""

import tempfile
from pathlib import Path

import jax
import numpy as np

import zoo
from benchmarks import detectors
from benchmarks.results import Figure
from zoo.catalog import MODELS

TIMM = {  # ours -> theirs
    "resnext101_32x4d": "resnext101_32x4d",
    "mobilenet_v1": "mobilenetv1_100",
    "pnasnet_5_large": "pnasnet5large",
    "efficientnet_lite0": "efficientnet_lite0",
    **{name: name for name in ("dpn68", "dpn92", "dpn98", "dpn107", "dpn131")},
    **{f"mobilenet_v2_{n}": f"mobilenetv2_{n}" for n in ("035", "050", "075", "140")},
    **{"mnasnet_a1": "semnasnet_100", "mnasnet_small": "mnasnet_small"},
}
# Ours -> the module of pytorchcv.models whose get_MODULE makes theirs, and for what.
PYTORCHCV = {
    **{
        f"resnet{depth}{ending}_cifar": (
            "resnet_cifar",
            {"num_classes": 10, "blocks": depth, "bottleneck": depth == 164},
        )
        for depth, ending in (
            *((20, "b"), (32, "b"), (44, "b"), (56, "b"), (110, "b"), (164, "")),
        )
    },
    **{
        f"preresnet{depth}_cifar": (
            "preresnet_cifar",
            {"num_classes": 10, "blocks": depth, "bottleneck": depth == 164},
        )
        for depth in (20, 110, 164)
    },
    **{
        f"wrn{depth}_{times}_cifar": (
            "wrn_cifar",
            {"num_classes": 10, "blocks": depth, "width_factor": times},
        )
        for depth, widths in ((16, (4, 8, 10)), (22, (8,)), (28, (2, 10)))
        + ((40, (1, 2, 4, 8)),)
        for times in widths
    },
    **{
        f"resnext29_{groups}x{width}d_cifar": (
            "resnext_cifar",
            {
                **{"num_classes": 10, "blocks": 29},
                **{"cardinality": groups, "bottleneck_width": width},
            },
        )
        for groups, width in ((2, 64), (4, 64), (8, 64), (16, 64), (32, 4))
    },
    **{
        f"densenet_bc{depth}_{growth}_cifar": (
            "densenet_cifar",
            {
                **{"num_classes": 10, "blocks": depth},
                **{"growth_rate": growth, "bottleneck": True},
            },
        )
        for depth, growth in ((40, 12), (100, 12), (250, 24), (190, 40))
    },
    **{
        f"nin_cifar{classes}": ("nin_cifar", {"num_classes": classes})
        for classes in (10, 100)
    },
    **{
        f"shufflenet_v1_g{groups}{ending}": (
            "shufflenet",
            {"groups": groups, "width_scale": scale},
        )
        for groups, ending, scale in (
            *((1, "", 1.0), (2, "", 1.0), (3, "", 1.0), (4, "", 1.0), (8, "", 1.0)),
            *((3, "_075", 0.75), (3, "_050", 0.5), (3, "_025", 0.25)),
        )
    },
    **{
        f"diracnet{depth}_folded": ("diracnetv2", {"blocks": depth})
        for depth in (18, 34)
    },
    **{
        f"preresnet{depth}": ("preresnet", {"blocks": depth, "conv1_stride": False})
        for depth in (18, 50, 152)
    },
    "resnet200": ("resnet", {"blocks": 200, "conv1_stride": False}),
    **{
        f"vgg{depth}_bn_nobias": (
            "vgg",
            {"blocks": depth, "bias": False, "use_bn": True},
        )
        for depth in (11, 13, 16, 19)
    },
    "nasnet_a_mobile": (
        "nasnet",
        {
            **{"repeat": 4, "penultimate_filters": 1056, "init_block_channels": 32},
            **{"final_pool_size": 7, "extra_padding": True, "in_size": (224, 224)},
            "skip_reduction_layer_input": False,
        },
    ),
}
FIELDS = {  # of ours, where theirs is not the form in our table
    **{name: {"given_first": False} for name in PYTORCHCV if "shuffle" in name},
    **{name: {"pool_padding": 1} for name in PYTORCHCV if "nin" in name},
}
TORCHVISION = {
    "alexnet_weird_trick": "alexnet",
    "googlenet_bn": "googlenet",
    **{
        name: name
        for name, row in MODELS.items()
        if row.rules
        and row.module.__module__.startswith("zoo.vision.")
        and not name.endswith(("_auxiliary", "_5x5"))
        and not name.startswith(("googlenet", "alexnet", "mobilenet_v1"))
        and name not in ("nasnet_a_large", "stn_mnist", *TIMM, *PYTORCHCV)
    },
}
SEGMENTATION = {  # of torchvision.models.segmentation, with both heads
    name: name for name in ("fcn_resnet50", "deeplabv3_resnet50")
}
DETECTION = {name: name for name in detectors.NAMES}
MODELS_COMPARED = {**TORCHVISION, **TIMM, **PYTORCHCV, **SEGMENTATION, **DETECTION}
NAMES = tuple(f"parity.{name}" for name in MODELS_COMPARED)
BOUND = 1e-4


def measure(*names: str) -> list[Figure]:
    """A figure for each model, or for each that is named."""
    return [compare(name) for name in names or MODELS_COMPARED]


def compare(name: str) -> Figure:
    """The logits of one model on both sides."""
    if name in DETECTION:
        return detectors.compare(name, BOUND)
    from tests.references import pytorchcv, randomize, timm, torch, torchvision  # late

    their_name, package = MODELS_COMPARED[name], "torchvision"
    if name in TIMM:
        net, package = timm.create_model(their_name), "timm"
    elif name in PYTORCHCV:
        module, options = their_name
        net, package = pytorchcv(module, **options), "pytorchcv"
        their_name = f"get_{module}"
    elif name in SEGMENTATION:
        make = getattr(torchvision.models.segmentation, their_name)
        net = make(weights=None, weights_backbone=None, aux_loss=True)
    else:
        options = {"init_weights": False} if their_name == "googlenet" else {}
        if their_name == "googlenet":
            options["aux_logits"] = False
        net = getattr(torchvision.models, their_name)(**options)
    randomize(net.eval())
    shape = MODELS[name].inputs(2).shape
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    with torch.no_grad():
        theirs = net(torch.from_numpy(x.transpose(0, 3, 1, 2).copy()))
    if name in SEGMENTATION:
        theirs = theirs["out"].permute(0, 2, 3, 1)
    theirs = theirs.numpy()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "weights.pth"
        torch.save(net.state_dict(), path)
        model, variables = zoo.create(name, weights=path, **FIELDS.get(name, {}))
    ours = np.asarray(jax.jit(model.apply)(variables, x))
    return Figure(
        name=f"parity.{name}",
        what=f"largest difference of a logit of {name}, as a share of the largest",
        value=float(np.abs(ours - theirs).max() / np.abs(theirs).max()),
        reference=f"{package} {their_name}",
        claim=f"value <= {BOUND}",
        seed=0,
    )
