"""Detectors against torchvision's modules, at a small width, in float64.

The pyramid, the heads, the proposals, the losses of samples that are given, and what is
found. At full size, with all weights converted, see `benchmarks/parity.py`.
"""

import types
from collections import OrderedDict

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.references import randomize, torch, torchvision
from zoo import convert
from zoo.detection import (
    Detections,
    Judging,
    Proposing,
    heads,
    matching,
    paste_masks,
    pyramid,
    roi,
    rois,
    rpn,
)

theirs = torchvision.models.detection
RNG = np.random.default_rng(0)
SIZE = (48, 64)
SHAPES = [(12, 16), (6, 8), (3, 4)]  # of maps, strides 4, 8, 16
C = 6


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


def tensor(x):
    return torch.from_numpy(np.array(x))


def channels_first(x):
    return tensor(np.moveaxis(np.asarray(x), -1, 1))


def variables(module, args, net, prefix, rules, own=""):
    """Ours from a module of theirs, by the rules of whole detectors."""
    given = {f"{prefix}{k}": t.numpy() for k, t in net.state_dict().items()}
    shapes = jax.eval_shape(module.init, jax.random.key(0), args)
    wide = lambda s: jax.ShapeDtypeStruct(s.shape, jnp.float64)
    nest = lambda tree: {"params": {own: tree["params"]}}
    found = convert.assign(given, nest(jax.tree.map(wide, shapes)), rules)
    return {"params": found["params"][own]}


def some_boxes(count, seed=0):
    """Within the image, 3 to 40 pixels a side."""
    rng = np.random.default_rng(seed)
    low = rng.uniform(0, 30, (count, 2))
    high = np.minimum(low + rng.uniform(3, 40, (count, 2)), SIZE[::-1])
    return np.concatenate([low, high], 1)


@pytest.mark.parametrize("extra", ["pool", "convs"])
def test_pyramid(extra):
    shapes = [(9, 12, 4), (5, 6, 5), (3, 3, 7)]  # not all are halves
    stages = [RNG.normal(size=(2, *shape)) for shape in shapes]
    ops = torchvision.ops.feature_pyramid_network
    more = ops.LastLevelMaxPool() if extra == "pool" else ops.LastLevelP6P7(C, C)
    net = ops.FeaturePyramidNetwork([4, 5, 7], C, more).double()
    randomize(net)
    named = OrderedDict((str(i), channels_first(x)) for i, x in enumerate(stages))
    want = net(named).values()
    module = pyramid.Pyramid(C, extra)
    given = variables(module, stages, net, "fpn.", pyramid.RULES, "pyramid")
    found = jax.jit(module.apply)(given, stages)
    for y, t in zip(found, want, strict=True):
        np.testing.assert_allclose(
            y, t.detach().permute(0, 2, 3, 1).numpy(), atol=1e-12, rtol=1e-9
        )


def maps(seed=1):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(2, *shape, C)) for shape in SHAPES]


def test_rpn(monkeypatch):
    """Its head, its proposals and its losses."""
    anchors = theirs.anchor_utils.AnchorGenerator(((8,), (16,), (24,)), ((0.5, 1),) * 3)
    net = theirs.rpn.RegionProposalNetwork(
        *(anchors, theirs.rpn.RPNHead(C, 2), 0.6, 0.3, 20, 0.5),
        *(dict(training=40, testing=30), dict(training=12, testing=10), 0.6),
    ).double()
    randomize(net)
    monkeypatch.setattr(theirs.rpn.box_ops, "batched_nms", batched_nms)
    x, images = maps(), types.SimpleNamespace()
    images.tensors, images.image_sizes = torch.zeros(2, 3, *SIZE).double(), [SIZE] * 2
    features = OrderedDict((str(i), channels_first(m)) for i, m in enumerate(x))
    boxes, present = np.stack([some_boxes(4, i) for i in (5, 6)]), np.ones((2, 4), bool)
    present[1, 3:], boxes[1, 3:] = False, 0  # three objects, padded
    targets = [{"boxes": tensor(b[p])} for b, p in zip(boxes, present, strict=True)]
    drawn = []
    sampler = net.fg_bg_sampler

    def remembered(labels):
        drawn.append(sampler(labels))
        return drawn[-1]

    net.fg_bg_sampler = remembered
    with torch.no_grad():
        want = net.eval()(images, features)[0]

    head = heads.RPNHead(2)
    given = variables(head, x[0], net, "rpn.", heads.RULES, "rpn_head")
    grids = [g.numpy() for g in net.anchor_generator(images, list(features.values()))]
    cuts = np.cumsum([h * w * 2 for h, w in SHAPES])[:-1]
    split = np.split(grids[0], cuts)
    how = Proposing(0.6, 0.3, 20, 0.5, (40, 30), (12, 10), 0.6)

    @jax.jit
    def ours(given, x, picked):
        outputs = [head.apply(given, m) for m in x]
        objectness, t = ([pair[i] for pair in outputs] for i in (0, 1))
        proposed = jax.vmap(lambda o, t: rpn.propose(o, t, split, SIZE, how))(
            objectness, t
        )

        def losses(o, t, boxes, present, picked):
            matched = rpn.match_anchors(grids[0], boxes, present, 0.6, 0.3)
            values = rpn.rpn_losses(o, t, grids[0], boxes, matched, picked)
            return values, matched

        o, t = (jnp.concatenate(parts, 1) for parts in (objectness, t))
        return proposed, jax.vmap(losses)(o, t, boxes, present, picked)

    losses, picked = [], []
    for i in range(2):  # theirs of one image alone: each of ours counts the same
        one = OrderedDict((k, f[i : i + 1]) for k, f in features.items())
        alone = types.SimpleNamespace(tensors=images.tensors[:1], image_sizes=[SIZE])
        with torch.no_grad():
            losses.append(net.train()(alone, one, targets[i : i + 1])[1])
        positive, negative = (part[0].numpy().nonzero()[0] for part in drawn[-1])
        index = np.pad(np.append(positive, negative), (0, 4))  # with padding
        at = np.arange(len(index))
        picked.append((index, at < len(positive), at < len(index) - 4))
    picked = matching.Sample(*(np.stack(part) for part in zip(*picked, strict=True)))
    proposed, ((score, box), matched) = ours(given, x, picked)
    for i in range(2):
        count = len(want[i])
        assert proposed.present[i].sum() == count >= 5
        np.testing.assert_allclose(proposed.boxes[i][:count], want[i], atol=1e-9)
        names = "loss_objectness", "loss_rpn_box_reg"
        terms = [losses[i][name].item() for name in names]
        assert float(score[i]) == pytest.approx(terms[0], 1e-6)  # theirs: in float32
        assert float(box[i]) == pytest.approx(terms[1], 1e-9)
        assert (matched[i] >= 0).any() and box[i] > 0


def batched_nms(boxes, scores, labels, threshold):
    """Of each class by itself, without torchvision's compiled function."""
    order, kept = scores.argsort(descending=True, stable=True).tolist(), []
    shares = torchvision.ops.box_iou(boxes, boxes)
    for i in order:
        if all(labels[i] != labels[j] or shares[i, j] <= threshold for j in kept):
            kept.append(i)
    return torch.tensor(kept, dtype=torch.long)


def test_second_stage(monkeypatch):
    """Levels, RoIAlign, heads, losses, what is found, and masks laid on the image."""
    monkeypatch.setattr(theirs.roi_heads.box_ops, "batched_nms", batched_nms)
    pooler = torchvision.ops.MultiScaleRoIAlign
    align = lambda bins: pooler(["0", "1", "2"], bins, 2, canonical_scale=20)
    two = theirs.faster_rcnn
    net = theirs.roi_heads.RoIHeads(
        *(align(7), two.TwoMLPHead(C * 49, 10), two.FastRCNNPredictor(10, 4)),
        *(0.5, 0.5, 8, 0.25, None, 0.25, 0.4, 5),
        *(align(4), theirs.mask_rcnn.MaskRCNNHeads(C, (C, C), 1)),
        theirs.mask_rcnn.MaskRCNNPredictor(C, C, 4),
    ).double()
    randomize(net)
    x, how = maps(2), Judging(samples=8, score=0.25, threshold=0.4, most=5)
    features = OrderedDict((str(i), channels_first(m)) for i, m in enumerate(x))
    boxes = np.stack([some_boxes(12, i) for i in (7, 8)])
    with torch.no_grad():
        want = net.eval()(features, list(tensor(boxes)), [SIZE] * 2)[0]
    first = align(7)(features, list(tensor(boxes)), [SIZE] * 2)

    box_head, mask_head = heads.BoxHead(4, 10), heads.MaskHead(4, C, 2)
    parts = {"box_head": net.box_head, "box_predictor": net.box_predictor}
    both = torch.nn.ModuleDict(parts)
    shape = np.zeros((1, 12, 7, 7, C))
    dense = variables(box_head, shape, both, "roi_heads.", heads.RULES, "box_head")
    parts = {"mask_head": net.mask_head, "mask_predictor": net.mask_predictor}
    both = torch.nn.ModuleDict(parts)
    shape = np.zeros((1, 12, 4, 4, C))
    conv = variables(mask_head, shape, both, "roi_heads.", heads.RULES, "mask_head")

    # What is learned from is given: two positives, two of the background, padding.
    objects = some_boxes(3, 9)
    label, own = np.array([2, 1, 0, 0, 0]), np.array([2, 0, 0, 0, 0])
    sampled = np.concatenate([objects[own[:2]] + [1, 0, -1, 1], boxes[0, :3]])
    at = np.arange(5)
    chosen = roi.Chosen(sampled, own, label, at < 2, at < 4)
    instances = (RNG.uniform(size=SIZE) * 4).astype(np.int32)

    @jax.jit
    def ours(x, boxes):
        got = {}
        of = lambda bins, form=None: jax.vmap(
            lambda m, b: rois.pyramid_align(m, b, bins, 2, 20, form=form)
        )
        for form in rois.FORMS:
            got[form] = of(7, form)(x, boxes)
        logits, t = box_head.apply(dense, got["products"])
        found = jax.vmap(
            lambda y, t, b: roi.detections(y, t, b, np.ones(12, bool), SIZE, how)
        )(logits, t, boxes)
        masks = mask_head.apply(conv, of(4)(x, found.boxes))
        masks = jax.nn.sigmoid(jax.vmap(roi.mask_of)(masks, found.labels + 1))
        pasted = jax.vmap(lambda m, b: paste_masks(m, b, SIZE))(masks, found.boxes)
        one = [m[:1] for m in x]
        logits, t = box_head.apply(dense, of(7)(one, sampled[None]))
        learned = mask_head.apply(conv, of(4)(one, sampled[None, :3]))
        losses = (
            *roi.roi_losses(logits[0], t[0], chosen, objects, how),
            roi.mask_loss(learned[0], chosen, instances, 3),
        )
        return got, found._replace(masks=masks), pasted, losses, (logits, t, learned)

    got, found, pasted, losses, outputs = ours(x, boxes)
    flat = np.moveaxis(first.detach().numpy(), 1, -1).reshape(2, 12, 7, 7, C)
    for form in rois.FORMS:
        np.testing.assert_allclose(got[form], flat, atol=1e-10)
    level = rois.roi_levels(boxes, 2, 4, 20)
    assert set(level.ravel().tolist()) == {2, 3, 4}
    for i in range(2):
        count = len(want[i]["scores"])
        assert int(found.present[i].sum()) == count >= 2
        one = Detections(*(part[i][:count] for part in found))
        np.testing.assert_allclose(one.scores, want[i]["scores"], atol=1e-10)
        np.testing.assert_allclose(one.boxes, want[i]["boxes"], atol=1e-9)
        assert one.labels.tolist() == (want[i]["labels"] - 1).tolist()
        np.testing.assert_allclose(one.masks, want[i]["masks"][:, 0], atol=1e-10)
        laid = theirs.roi_heads.paste_masks_in_image(
            *(want[i]["masks"], want[i]["boxes"], SIZE)
        )
        np.testing.assert_allclose(pasted[i][:count], laid[:, 0], atol=1e-9)

    logits, t, learned = (tensor(part)[0] for part in outputs)
    coded = net.box_coder.encode([tensor(objects[own[:4]])], [tensor(sampled[:4])])
    terms = theirs.roi_heads.fastrcnn_loss(
        *(logits[:4], t[:4].flatten(1), [tensor(label[:4])], coded)
    )
    assert [float(v) for v in losses[:2]] == pytest.approx(
        [v.item() for v in terms], 1e-9
    )
    masks = tensor(np.stack([instances == n + 1 for n in own[:2]]))[:, None].double()
    listed = torch.cat([torch.arange(2)[:, None].double(), tensor(sampled[:2])], 1)
    target = torchvision.ops.roi_align(masks, listed, 8, 1.0, 2)[:, 0]
    mine = torch.stack([learned[i, :, :, label[i]] for i in range(2)])
    term = torch.nn.functional.binary_cross_entropy_with_logits(mine, target)
    assert float(losses[2]) == pytest.approx(term.item(), 1e-9)


def test_retinanet(monkeypatch):
    """Head, losses, and what is found; the second image has no objects."""
    from zoo.detection import retinanet

    part = theirs.retinanet
    monkeypatch.setattr(part.box_ops, "batched_nms", batched_nms)
    sizes = (8, 12), (16, 20), (24, 28)
    anchors = theirs.anchor_utils.AnchorGenerator(sizes, ((1,),) * 3)
    backbone = torch.nn.Identity()
    backbone.out_channels = C
    net = part.RetinaNet(
        *(backbone, 3, 48, 64),
        **dict(anchor_generator=anchors, score_thresh=0.3, detections_per_img=6),
        **dict(topk_candidates=20),
    ).double()
    randomize(net)
    x = maps(3)
    features = [channels_first(m) for m in x]
    boxes = np.stack([some_boxes(3, 11), np.zeros((3, 4))])
    labels, present = np.array([[0, 2, 1], [0, 0, 0]]), np.array([[True], [False]])
    images = types.SimpleNamespace()
    images.tensors, images.image_sizes = torch.zeros(2, 3, *SIZE).double(), [SIZE] * 2
    with torch.no_grad():
        outputs = net.head(features)
        grids = net.anchor_generator(images, features)
        targets = [
            {"boxes": tensor(b[:n]), "labels": tensor(y[:n])}
            for b, y, n in zip(boxes, labels, (3, 0), strict=True)
        ]
        losses = net.compute_loss(targets, outputs, grids)
        counts = [h * w * 2 for h, w in SHAPES]
        split = {k: list(v.split(counts, 1)) for k, v in outputs.items()}
        levels = [list(g.split(counts)) for g in grids]
        want = net.postprocess_detections(split, levels, [SIZE] * 2)
    head = heads.DenseHead(2, 3)
    given = variables(head, x[0], net.head, "head.", heads.RULES, "head")
    grid = grids[0].numpy()
    cut = np.split(grid, np.cumsum(counts)[:-1])
    how = retinanet.Dense(score=0.3, before=20, most=6)

    @jax.jit
    def ours(x):
        outputs = [head.apply(given, m) for m in x]
        logits, t = ([pair[i] for pair in outputs] for i in (0, 1))
        found = jax.vmap(lambda y, t: retinanet.found(y, t, cut, SIZE, how))(logits, t)

        def one(y, t, boxes, labels, present):
            matched = rpn.match_anchors(grid, boxes, present, 0.5, 0.4)
            return retinanet.dense_losses(y, t, grid, boxes, labels, matched)

        y, t = (jnp.concatenate(parts, 1) for parts in (logits, t))
        there = np.broadcast_to(present, (2, 3))
        return y, t, found, jax.vmap(one)(y, t, boxes, labels, there)

    y, t, found, (score, box) = ours(x)
    np.testing.assert_allclose(y, outputs["cls_logits"], atol=1e-10)
    np.testing.assert_allclose(t, outputs["bbox_regression"], atol=1e-10)
    assert float(score.mean()) == pytest.approx(losses["classification"].item(), 1e-9)
    assert float(box.mean()) == pytest.approx(losses["bbox_regression"].item(), 1e-9)
    for i in range(2):
        count = len(want[i]["scores"])
        assert int(found.present[i].sum()) == count >= 3
        np.testing.assert_allclose(found.scores[i][:count], want[i]["scores"])
        np.testing.assert_allclose(found.boxes[i][:count], want[i]["boxes"], atol=1e-9)
        assert found.labels[i][:count].tolist() == want[i]["labels"].tolist()
