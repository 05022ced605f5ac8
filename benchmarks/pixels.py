"""Pixels and boxes: U-Net, the dense CRF, suppression and RoIAlign, side by side.

    pixels.unet.step    a step of gradient descent, 8 images of 96x96x3, width 16,
    pixels.unet         depth 3; and what it makes of them in use: PyTorch eager
    pixels.nms          1,000 of 10,000 boxes: NumPy, in which what is left gets shorter
    pixels.roi_align    512 boxes of a map of 64x64x256, 7x7 bins of 2x2 points: PyTorch
    pixels.crf          256x256 pixels, 4 classes, 5 steps: pydensecrf2's permutohedral
                        lattice, in C++ on one thread, if it is installed

torchvision's compiled operators do not load beside a PyTorch without CUDA, so that its
own suppression is not to be had. Both sides start from the same numbers, and what they
find is compared before anything is timed. Of the CRF both forms are approximate: their
classes must be the same on 99 % of the pixels.

pydensecrf2 is built from its source, by `pip install cython && pip install --no-deps
--no-build-isolation pydensecrf2==1.1`.
"""

import jax
import jax.numpy as jnp
import numpy as np

import zoo
from benchmarks.results import Figure
from benchmarks.timing import interleaved, seconds
from zoo import detection
from zoo.data import Shapes, scene
from zoo.segmentation import Pairwise, filtered_mean_field

PAIRS, RATE = 9, 0.01
BATCH, SIDE = 8, 96
BOXES, KEPT, THRESHOLD = 10_000, 1_000, 0.5
REGIONS, BINS, POINTS = 512, 7, 2
TIES = Pairwise(appearance=0.2, smoothness=0.1, place=8.0, colour=0.15, near=2.0)
PIXELS, ROUNDS, COLOURS, PLACES = 256, 5, 64, 48
SAME = 0.99
NAMES = tuple(f"pixels.{n}" for n in ("unet", "unet.step", "nms", "roi_align", "crf"))


def measure(*names: str) -> list[Figure]:
    """The figures of the parts that are named, or of all."""
    return [figure for name in names or PARTS for figure in PARTS[name]()]


def _unet() -> list[Figure]:
    import torch

    from benchmarks import torch_pixels as theirs  # late: a reference

    rng = np.random.default_rng(0)
    x = rng.normal(size=(BATCH, SIDE, SIDE, 3)).astype(np.float32)
    y = rng.integers(0, 4, x.shape[:3])
    model = zoo.create("unet_small", norm=False)
    params = jax.jit(model.init)(jax.random.key(0), x)["params"]
    infer = jax.jit(lambda p, x: model.apply({"params": p}, x))

    @jax.jit
    def step(p):
        def loss(p):
            z = jax.nn.log_softmax(model.apply({"params": p}, x))
            return -jnp.take_along_axis(z, y[..., None], -1).mean()

        return jax.tree.map(lambda p, g: p - RATE * g, p, jax.grad(loss)(p))

    net = theirs.with_weights(theirs.UNet(3, 4, 16, 3), params)
    images = torch.from_numpy(x.transpose(0, 3, 1, 2).copy())
    labels = torch.from_numpy(y)
    descent = torch.optim.SGD(net.parameters(), RATE)

    def torch_infer():
        with torch.no_grad():
            return net(images)

    def torch_step():
        descent.zero_grad()
        torch.nn.functional.cross_entropy(net(images), labels).backward()
        descent.step()

    apart = lambda p: _apart(infer(p, x), torch_infer().numpy().transpose(0, 2, 3, 1))
    assert apart(params) < 1e-4, apart(params)
    torch_step()
    assert apart(step(params)) < 1e-4, apart(step(params))
    small = f"U-Net of width 16 and depth 3, {BATCH} images of {SIDE}x{SIDE}x3"
    return [
        _figure("unet", f"{small}, in use", lambda: infer(params, x), torch_infer),
        _figure("unet.step", f"step of {small}", lambda: step(params), torch_step),
    ]


def _nms() -> list[Figure]:
    from benchmarks import torch_pixels as theirs  # late: a reference

    rng = np.random.default_rng(0)
    low = rng.uniform(0, 900, (BOXES, 2))
    boxes = np.concatenate([low, low + rng.uniform(10, 120, low.shape)], 1)
    boxes = boxes.astype(np.float32)
    scores = rng.permutation(BOXES).astype(np.float32) / BOXES
    nms = jax.jit(lambda b, s: detection.nms(b, s, KEPT, THRESHOLD))
    ours = nms(boxes, scores)
    want = theirs.nms(boxes, scores, KEPT, THRESHOLD)
    assert ours.present.all() and (np.asarray(ours.index) == want).all()
    what = f"{KEPT:,} of {BOXES:,} boxes are kept"
    other = lambda: theirs.nms(boxes, scores, KEPT, THRESHOLD)
    return [_figure("nms", what, lambda: nms(boxes, scores), other, "NumPy")]


def _roi_align() -> list[Figure]:
    from benchmarks import torch_pixels as theirs  # late: a reference

    rng = np.random.default_rng(0)
    x = rng.normal(size=(64, 64, 256)).astype(np.float32)
    low = rng.uniform(1, 40, (REGIONS, 2))
    boxes = np.concatenate([low, low + rng.uniform(2, 20, low.shape)], 1)
    boxes = boxes.astype(np.float32)
    align = jax.jit(lambda x, b: detection.roi_align(x, b, (BINS, BINS), 1.0, POINTS))
    first = np.ascontiguousarray(x.transpose(2, 0, 1))
    other = lambda: theirs.roi_align(first, boxes, BINS, POINTS)
    apart = _apart(align(x, boxes), other().numpy().transpose(0, 2, 3, 1))
    assert apart < 1e-4, apart
    what = f"{REGIONS} boxes of a map of 64x64x256, {BINS}x{BINS} bins"
    ours = lambda: align(x, boxes)
    return [_figure("roi_align", what, ours, other, "PyTorch, by gathering")]


def _crf() -> list[Figure]:
    one = scene(Shapes(size=PIXELS), 0, 0)
    y = np.append(0, one.labels + 1)[one.instances]
    noise = np.random.default_rng(0).normal(size=(*y.shape, 4))
    u = np.float32(noise - 2 * np.eye(4)[y])
    ours = jax.jit(
        lambda u, x: filtered_mean_field(u, x, TIES, ROUNDS, True, COLOURS, PLACES)
    )
    what = f"dense CRF of {PIXELS}x{PIXELS} pixels, 4 classes, {ROUNDS} steps"
    try:
        from pydensecrf import densecrf
    except ImportError:
        jax.block_until_ready(ours(u, one.x))
        alone = min(seconds(lambda: ours(u, one.x)) for _ in range(3))
        told = f"{what}; pydensecrf2 is not installed, see pixels.py"
        return [Figure(name="pixels.crf", what=told, value=1e3 * alone, unit="ms")]
    levels = np.ascontiguousarray(np.round(255 * one.x).astype(np.uint8))
    costs = np.ascontiguousarray(u.reshape(-1, 4).T)

    def other():
        field = densecrf.DenseCRF2D(PIXELS, PIXELS, 4)
        field.setUnaryEnergy(costs)
        plain = densecrf.NormalizationType.NO_NORMALIZATION
        near = dict(sxy=TIES.near, compat=TIES.smoothness, normalization=plain)
        field.addPairwiseGaussian(**near)
        field.addPairwiseBilateral(
            sxy=TIES.place, srgb=255 * TIES.colour, rgbim=levels,
            compat=TIES.appearance, normalization=plain,
        )  # fmt: skip
        return np.array(field.inference(ROUNDS))

    mine = ours(u, levels.astype(np.float32) / 255)
    called = other().reshape(4, PIXELS, PIXELS).argmax(0)
    same = float((np.asarray(mine.q).argmax(-1) == called).mean())
    assert same > SAME, f"the same class on {same:.4f} of the pixels"
    told = f"{what}; the same class on {same:.4f} of the pixels"
    name = "pydensecrf2, C++, one thread"
    return [_figure("crf", told, lambda: ours(u, one.x), other, name)]


PARTS = {"unet": _unet, "nms": _nms, "roi_align": _roi_align, "crf": _crf}


def _figure(name, what, ours, other, reference="PyTorch eager, 2 threads"):
    for side in (ours, other):
        jax.block_until_ready(side())
    pairs = interleaved(lambda: seconds(ours), lambda: seconds(other), PAIRS)
    return Figure(
        name=f"pixels.{name}",
        what=what,
        value=1e3 * pairs.ours,
        unit="ms",
        reference=reference,
        reference_value=1e3 * pairs.theirs,
        ratio=pairs.ratio,
        seed=0,
    )


def _apart(a, b) -> float:
    """The largest difference, as a share of the largest number."""
    return float(np.abs(np.asarray(a) - b).max() / np.abs(b).max())
