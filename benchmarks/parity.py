"""Networks of images at full size with the weights of their references: same logits.

For each model that torchvision or timm has: theirs, every parameter and buffer random;
its state dict, read by `zoo.create(name, weights=...)`; two images of the published
size; float32 on both sides. The figure is the largest difference of a logit, as a share
of the largest logit. Gradients and the outputs of stages are compared in float64 and
with fewer blocks, by tests/parity/test_vision.py.
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
    **{name: name for name in ("dpn68", "dpn92", "dpn98", "dpn107", "dpn131")},
    **{f"mobilenet_v2_{n}": f"mobilenetv2_{n}" for n in ("035", "050", "075", "140")},
    **{"mnasnet_a1": "semnasnet_100", "mnasnet_small": "mnasnet_small"},
}
TORCHVISION = {
    "alexnet_weird_trick": "alexnet",
    "googlenet_bn": "googlenet",
    **{
        name: name
        for name, row in MODELS.items()
        if row.rules
        and row.module.__module__.startswith("zoo.vision.")
        and not name.endswith(("_nobias", "_auxiliary", "_5x5"))
        and not name.startswith(("googlenet", "alexnet", "mobilenet_v1"))
        and name not in ("nasnet_a_large", "resnet200", "stn_mnist", *TIMM)
    },
}
SEGMENTATION = {  # of torchvision.models.segmentation, with both heads
    name: name for name in ("fcn_resnet50", "deeplabv3_resnet50")
}
DETECTION = {name: name for name in detectors.NAMES}
MODELS_COMPARED = {**TORCHVISION, **TIMM, **SEGMENTATION, **DETECTION}
NAMES = tuple(f"parity.{name}" for name in MODELS_COMPARED)
BOUND = 1e-4


def measure(*names: str) -> list[Figure]:
    """A figure for each model, or for each that is named."""
    return [compare(name) for name in names or MODELS_COMPARED]


def compare(name: str) -> Figure:
    """The logits of one model on both sides."""
    if name in DETECTION:
        return detectors.compare(name, BOUND)
    from tests.references import randomize, timm, torch, torchvision  # late

    their_name = MODELS_COMPARED[name]
    if name in TIMM:
        net = timm.create_model(their_name)
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
        model, variables = zoo.create(name, weights=path)
    ours = np.asarray(jax.jit(model.apply)(variables, x))
    return Figure(
        name=f"parity.{name}",
        what=f"largest difference of a logit of {name}, as a share of the largest",
        value=float(np.abs(ours - theirs).max() / np.abs(theirs).max()),
        reference=f"{'timm' if name in TIMM else 'torchvision'} {their_name}",
        claim=f"value <= {BOUND}",
        seed=0,
    )
