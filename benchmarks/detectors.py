"""Detectors at full size with torchvision's weights: what is found is the same.

For each: torchvision's, every parameter and buffer random, but outputs scaled to what a
taught network's are (scores that differ, boxes near their anchors); its state dict,
read by `zoo.create(name, weights=...)`; one image; float32 on both sides. Compared are
the pyramid's maps, the outputs of the heads (those of the second stage at the very
proposals of torchvision), and, from the image alone, proposals and detections with
their masks. Two things that torchvision has compiled are written out here: suppression,
and in its RoIAlign in Python that points beyond the map count as 0.
"""

import sys
import tempfile
from pathlib import Path

import jax
import numpy as np

import zoo
from benchmarks.results import Figure
from zoo.detection import paste_masks

NAMES = (
    *("fasterrcnn_resnet50_fpn", "maskrcnn_resnet50_fpn"),
    "retinanet_resnet50_fpn",
)
SIZE = (192, 256)  # whole strides, so that neither side pads
SCALES = (  # part of a name of theirs -> factor
    ("bn3.weight", 0.2),  # else sixteen blocks' sums grow
    ("rpn.head.cls_logits.weight", 0.3),
    ("rpn.head.bbox_pred.weight", 0.1),
    ("box_predictor.bbox_pred.weight", 0.3),
    ("cls_logits.weight", 0.03),  # of logistic values near 1 many are equal
    ("bbox_reg.weight", 0.1),
    ("mask_fcn_logits.weight", 0.1),
)


def compare(name: str, bound: float) -> Figure:
    """The largest difference of all that is compared, as a share of the largest value
    of its kind."""
    from tests.references import torch  # late

    net = _theirs(name)
    x = np.random.default_rng(0).normal(size=(1, *SIZE, 3)).astype(np.float32)
    seen = {}
    parts = {"maps": net.backbone, "head": getattr(net, "head", None)}
    if hasattr(net, "rpn"):
        parts |= {"head": net.rpn.head, "rpn": net.rpn}
        parts["boxes"] = net.roi_heads.box_predictor
    for key, part in parts.items():
        part.register_forward_hook(lambda m, i, y, key=key: seen.update({key: y}))
    with torch.no_grad():
        result = net(list(torch.from_numpy(x.transpose(0, 3, 1, 2).copy())))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "weights.pth"
        torch.save(net.state_dict(), path)
        model, variables = zoo.create(name, weights=path)
    of = lambda model, method: jax.jit(lambda v, x: model.apply(v, x, method=method))
    apart = {}
    for ours, map_ in zip(
        of(model, "maps")(variables, x), seen["maps"].values(), strict=True
    ):
        value = _apart(ours, map_.permute(0, 2, 3, 1))
        apart["maps"] = max(value, apart.get("maps", 0))
    found = jax.device_get(of(model, "detect")(variables, x))
    if name.startswith("retinanet"):
        ours = of(model, "__call__")(variables, x)
        apart["logits"] = _apart(ours["classes"], seen["head"]["cls_logits"])
        apart["boxes"] = _apart(ours["boxes"], seen["head"]["bbox_regression"])
    else:
        apart |= _two_stages(model, variables, x, seen, of)
    shift = 0 if name.startswith("retinanet") else 1
    apart["found"], count = _apart_found(found, result, shift)
    told = ", ".join(f"{key} {value:.0e}" for key, value in apart.items())
    return Figure(
        name=f"parity.{name}",
        what=f"largest difference of {name}, as a share of the largest value of its "
        f"kind; {told}; {count} detections",
        value=max(apart.values()),
        reference=f"torchvision {name}",
        claim=f"value <= {bound}",
        seed=0,
    )


def _theirs(name):
    from tests.references import randomize, torch, torchvision

    torchvision.ops.boxes.batched_nms = _suppressed
    align = sys.modules["torchvision.ops.roi_align"]
    if align._bilinear_interpolate.__module__ != __name__:
        align._bilinear_interpolate = _with_zeros(align._bilinear_interpolate)
    net = getattr(torchvision.models.detection, name)(
        **dict(weights=None, weights_backbone=None, min_size=SIZE[0], max_size=SIZE[1]),
        **dict(image_mean=[0.0] * 3, image_std=[1.0] * 3),
    ).eval()
    randomize(net)
    with torch.no_grad():
        for key, tensor in net.state_dict().items():
            for part, factor in SCALES:
                if part in key:
                    tensor.mul_(factor)
                    break
    return net


def _two_stages(model, variables, x, seen, of):
    """Outputs of both stages, and the proposals."""
    apart = {}
    theirs = [
        np.concatenate([_rows(t, k) for t in part], 1)
        for part, k in zip(seen["head"], (1, 4), strict=True)
    ]
    ours = of(model, "__call__")(variables, x)
    apart["objectness"] = _apart(ours["objectness"], theirs[0][..., 0])
    apart["rpn boxes"] = _apart(ours["rpn_boxes"], theirs[1])
    wanted = [p.numpy() for p in seen["rpn"][0]]
    got = jax.device_get(of(model, "proposals")(variables, x))
    apart["proposals"] = max(
        _nearest(got.boxes[i][got.present[i]], wanted[i]) for i in range(len(x))
    )
    most = max(map(len, wanted))
    given = {
        "x": x,
        "proposals": np.stack(
            [np.pad(p, ((0, most - len(p)), (0, 0))) for p in wanted]
        ),
        "proposed": np.stack([np.arange(most) < len(p) for p in wanted]),
    }
    params = {k: v for k, v in variables["params"].items() if k != "rpn_head"}
    ours = of(model.clone(given=True), "__call__")(
        {**variables, "params": params}, given
    )
    there, (logits, t) = given["proposed"], seen["boxes"]
    apart["classes"] = _apart(ours["classes"][there], logits)
    apart["boxes"] = _apart(ours["boxes"][there].reshape(len(t), -1), t)
    return apart


def _rows(t, k):
    """[B, A k, H, W] -> [B, H W A, k]."""
    b, _, h, w = t.shape
    return t.reshape(b, -1, k, h, w).permute(0, 3, 4, 1, 2).reshape(b, -1, k).numpy()


def _apart(ours, theirs):
    theirs = np.asarray(theirs)
    return float(np.abs(np.asarray(ours) - theirs).max() / np.abs(theirs).max())


def _nearest(ours, theirs):
    """How far theirs are from the nearest of ours, where all are as many."""
    assert len(ours) == len(theirs), f"{len(ours)} and not {len(theirs)}"
    far = np.abs(ours[None] - theirs[:, None]).max(-1).min(1)
    return float(far.max() / np.abs(theirs).max())


def _apart_found(found, result, shift):
    """The same for what is found: boxes with score and class; masks of the nearest."""
    worst = count = 0
    for i, theirs in enumerate(result):
        here = found.present[i]
        boxes, scores = theirs["boxes"].numpy(), theirs["scores"].numpy()
        label = theirs["labels"].numpy() - shift
        scale = np.abs(boxes).max()  # of a class and of a score as of a box
        a = np.column_stack(
            [found.boxes[i], scale * found.scores[i], scale * found.labels[i]]
        )[here]
        b = np.column_stack([boxes, scale * scores, scale * label])
        assert len(a) == len(b), f"{len(a)} found, and not {len(b)}"
        far = np.abs(a[None] - b[:, None]).max(-1)
        worst, count = max(worst, far.min(1).max() / scale), count + len(b)
        if found.masks is not None:
            worst = max(worst, _masks(found, i, theirs, far.argmin(1)))
    return float(worst), count


def _masks(found, i, theirs, nearest):
    """Masks as they lie on the image."""
    here = found.present[i]
    laid = paste_masks(found.masks[i][here][nearest], theirs["boxes"].numpy(), SIZE)
    return np.abs(np.asarray(laid) - theirs["masks"][:, 0].numpy()).max()


def _with_zeros(interpolate):
    """The function with 0 for points that are further than a cell outside."""

    def of(input, roi_batch_ind, y, x, ymask, xmask):
        value = interpolate(input, roi_batch_ind, y, x, ymask, xmask)
        rows, columns = (
            (p >= -1) & (p <= n) for p, n in zip((y, x), input.shape[2:], strict=True)
        )
        there = rows[:, :, None, :, None] & columns[:, None, :, None]
        return value * there[:, None]  # [K, C, P, Q, n, n]

    return of


def _suppressed(boxes, scores, labels, threshold):
    """What torchvision.ops.batched_nms gives."""
    from tests.references import torch, torchvision

    order = scores.argsort(descending=True, stable=True)
    boxes, labels, kept = boxes[order], labels[order], []
    left = torch.ones(len(order), dtype=torch.bool)
    for i in range(len(order)):
        if left[i]:
            kept.append(i)
            shares = torchvision.ops.box_iou(boxes[i : i + 1], boxes)[0]
            left &= ~((shares > threshold) & (labels == labels[i]))
    return order[kept]
