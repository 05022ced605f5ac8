"""Optical flow against OpenCV and scikit-image; the wheel against torchvision."""

import cv2
import jax
import jax.numpy as jnp
import numpy as np
import skimage.registration

import zoo.functional as F
from tests.functional.test_flow import INNER, METHODS, pair, turned
from tests.references import torch, torchvision


def test_against_opencv_and_scikit_image():
    """All are near the truth, and ours are near theirs; OpenCV takes whole bytes."""
    first, second, truth = pair(turned(2, 1.02))
    ours = {name: np.asarray(f(first, second)) for name, f in METHODS.items()}
    v, u = skimage.registration.optical_flow_ilk(
        np.asarray(first), np.asarray(second), radius=7
    )
    theirs = {"ilk": np.stack([u, v], -1)}
    y, x = np.mgrid[8:56, 8:56]
    points = np.stack([x, y], -1).reshape(-1, 1, 2).astype(np.float32)
    to_bytes = lambda a: np.round(255 * np.asarray(a)).astype(np.uint8)
    moved, found, _ = cv2.calcOpticalFlowPyrLK(
        to_bytes(first), to_bytes(second), points, None, winSize=(15, 15), maxLevel=2
    )
    assert found.all()
    sparse = (moved - points).reshape(48, 48, 2)
    error = lambda a, b: float(np.linalg.norm(a - b, axis=-1).mean())
    inner = {name: flow[INNER] for name, flow in {**ours, **theirs}.items()}
    inner["opencv"] = sparse
    errors = {
        name: error(flow, np.asarray(truth)[INNER]) for name, flow in inner.items()
    }
    assert max(errors.values()) < 0.1
    assert errors["lucas_kanade"] < errors["ilk"]
    assert errors["horn_schunck"] < errors["opencv"]
    assert error(inner["lucas_kanade"], sparse) < 0.1
    assert error(inner["lucas_kanade"], inner["ilk"]) < 0.1


def test_picture_is_that_of_torchvision():
    """Which cuts to whole bytes twice: the steps of the wheel, that fall or rise by
    them, and then what it gives."""
    flow = np.random.default_rng(0).normal(size=(20, 30, 2)).astype(np.float32)
    theirs = torchvision.utils.flow_to_image(torch.from_numpy(flow.transpose(2, 0, 1)))
    ours = 255 * np.asarray(jax.jit(F.flow_to_color)(jnp.array(flow)))
    below = ours - theirs.numpy().transpose(1, 2, 0)
    assert -1.01 < below.min() and below.max() < 2.01
