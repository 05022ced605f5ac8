"""Boxes, anchors, matching and regions against torchvision's, in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.references import torch, torchvision
from zoo import detection

_utils = torchvision.models.detection._utils
anchor_utils = torchvision.models.detection.anchor_utils
their_boxes, their_roi_align = torchvision.ops.boxes, torchvision.ops.roi_align
RNG = np.random.default_rng(0)


def some_boxes(count, size=40.0, seed=0):
    """Of all sizes; some share borders, some lie beyond the image."""
    rng = np.random.default_rng(seed)
    low = np.round(rng.uniform(-8, size, (count, 2)))
    return np.concatenate([low, low + np.round(rng.uniform(1, 20, (count, 2)))], 1)


AWKWARD = np.array(
    [
        *([0, 0, 10, 10], [10, 0, 20, 10], [10, 10, 20, 20]),  # touch
        *([2, 3, 4, 5], [0, 0, 10, 10], [-5, -5, 50, 50], [0, 0, 1e-3, 1e4]),
    ]
)


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


def tensor(x):
    return torch.from_numpy(np.array(x))


@pytest.mark.parametrize(
    "ours, theirs",
    [
        (detection.iou, their_boxes.box_iou),
        (detection.giou, their_boxes.generalized_box_iou),
    ],
)
def test_shares_of_boxes(ours, theirs):
    a, b = np.concatenate([AWKWARD, some_boxes(20)]), some_boxes(15, seed=1)
    for x, y in ((a, b), (a, a)):
        want = theirs(tensor(x), tensor(y)).numpy()
        np.testing.assert_allclose(jax.jit(ours)(x, y), want, rtol=1e-12, atol=1e-14)


def test_clipping_and_small_boxes():
    boxes = np.concatenate([AWKWARD, some_boxes(30)])
    clipped = jax.jit(lambda b: detection.clip(b, (30, 25)))(boxes)
    want = their_boxes.clip_boxes_to_image(tensor(boxes), (30, 25)).numpy()
    np.testing.assert_array_equal(clipped, want)
    kept = np.flatnonzero(detection.large(clipped, 2.0))
    want = their_boxes.remove_small_boxes(tensor(want), 2.0).numpy()
    np.testing.assert_array_equal(kept, want)
    np.testing.assert_array_equal(
        detection.area(boxes), their_boxes.box_area(tensor(boxes)).numpy()
    )


@pytest.mark.parametrize("weights", [(1.0, 1.0, 1.0, 1.0), (10.0, 10.0, 5.0, 5.0)])
def test_codec(weights):
    boxes, anchors = some_boxes(20), some_boxes(20, seed=2)
    coder = _utils.BoxCoder(weights)
    ours = jax.jit(lambda b, a: detection.encode(b, a, weights))(boxes, anchors)
    want = coder.encode_single(tensor(boxes), tensor(anchors)).numpy()
    np.testing.assert_allclose(ours, want, rtol=1e-12, atol=1e-14)
    t = 3 * RNG.normal(size=(20, 4)) * np.array(weights)  # beyond the limit, too
    ours = jax.jit(lambda t, a: detection.decode(t, a, weights))(t, anchors)
    want = coder.decode_single(tensor(t), tensor(anchors)).numpy()
    np.testing.assert_allclose(ours, want, rtol=1e-12)
    assert (t[:, 2:] / np.array(weights)[2:] > np.log(1000 / 16)).any()


def test_anchors():
    sizes, ratios = ((32, 40), (64, 80)), (0.5, 1.0, 2.0)
    shapes, image = [(7, 9), (4, 5)], (112, 150)
    generator = anchor_utils.AnchorGenerator(sizes, (ratios,) * 2)
    images = type("Images", (), {})()
    images.tensors = torch.zeros(1, 3, *image)
    images.image_sizes = [image]
    want = generator(images, [torch.zeros(1, 1, *shape) for shape in shapes])[0]
    ours = detection.pyramid_anchors(shapes, image, sizes, ratios)
    np.testing.assert_array_equal(ours, want.numpy())
    assert ours.dtype == np.float32


@pytest.mark.parametrize("rescue", [True, False])
def test_matcher(rescue):
    rng = np.random.default_rng(3)
    quality = np.round(rng.uniform(0.01, 1, (5, 60)) ** 2, 2)  # with ties
    quality[2] = np.minimum(quality[2], 0.25)  # only to be had by a rescue
    quality[:2, :9], quality[3:, :9], quality[2, :2] = 0.1, 0.2, 0.25
    theirs = _utils.Matcher(0.6, 0.3, allow_low_quality_matches=rescue)
    want = theirs(tensor(quality)).numpy()
    match = jax.jit(lambda q, p: detection.match(q, p, 0.6, 0.3, rescue))
    np.testing.assert_array_equal(match(quality, np.ones(5, bool)), want)
    assert (want == 2).any() == rescue and (want == -2).any() and (want == -1).any()
    padded = np.concatenate([quality, rng.uniform(size=(3, 60))])
    np.testing.assert_array_equal(match(padded, np.arange(8) < 5), want)


@pytest.mark.parametrize("aligned", [True, False])
def test_roi_align(aligned):
    """Of boxes that end less than a cell outside of the map; beyond, torchvision's form
    in Python does not do what its compiled form does."""
    x = RNG.normal(size=(11, 9, 3))
    boxes = np.concatenate(
        [AWKWARD[:5], some_boxes(30, 18.0), [[7, 7, 7, 7], [9, 9, 4, 5]]]
    )
    boxes = np.clip(boxes, -0.4 / 0.3, np.tile([9 / 0.3, 11 / 0.3], 2))
    g = RNG.normal(size=(len(boxes), 4, 3, 3))
    options = dict(scale=0.3, points=3, aligned=aligned)
    align = lambda x: detection.roi_align(x, boxes, (4, 3), **options)
    ours, back = jax.vjp(jax.jit(align), x)
    at = tensor(x.transpose(2, 0, 1)[None]).requires_grad_()
    listed = torch.cat([torch.zeros(len(boxes), 1).double(), tensor(boxes)], 1)
    theirs = their_roi_align(at, listed, (4, 3), 0.3, 3, aligned)
    want = theirs.detach().numpy().transpose(0, 2, 3, 1)
    np.testing.assert_allclose(ours, want, rtol=1e-9, atol=1e-12)
    theirs.backward(tensor(g.transpose(0, 3, 1, 2)))
    want = at.grad[0].numpy().transpose(1, 2, 0)
    np.testing.assert_allclose(back(jnp.asarray(g))[0], want, rtol=1e-9, atol=1e-12)
