"""Every loss against PyTorch, torchvision, SciPy or scikit-learn: values, gradients.

Each row is the loss of one example by itself, [B]; sum, mean and the weighted mean
follow from it by hand, and a gradient of the weighted mean is compared with each.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.spatial.distance
import scipy.special
import sklearn.metrics

import zoo.functional as F
from tests.references import torch, torchvision

T = torch.nn.functional
WEIGHT = np.array([1.0, 0.5, 0.0, 2.0, 1.0, 0.25])
B = len(WEIGHT)


class Row(NamedTuple):
    ours: Callable  # (outputs, batch) -> (sum, weight)
    theirs: Callable  # torch: (outputs, y) -> [B]
    outputs: np.ndarray
    y: np.ndarray


def flat(each):  # [B, ...] -> [B]
    return each.reshape(B, -1).sum(1)


rng = np.random.default_rng(0)
X, Y = rng.normal(size=(2, B, 3, 2))
Z = 3 * rng.normal(size=(B, 4))
LABELS = np.array([3, 0, 1, 1, 2, 3])
Q = rng.dirichlet(np.ones(4), B)
P = rng.dirichlet(np.ones(4), B)
YES = rng.integers(0, 2, (B, 3)).astype(float)
SHARE = rng.uniform(size=(B, 3))
CHANCE = rng.uniform(0.01, 0.99, (B, 3))
LOGITS = 3 * rng.normal(size=(B, 3))
part = functools.partial


def torch_js(z, q):
    p = torch.softmax(z, 1)
    m = (p + q) / 2
    kl = lambda a: T.kl_div(m.log(), a, reduction="none").sum(1)
    return (kl(p) + kl(q)) / 2


def torch_dice(z, y, smooth, power):
    p = torch.sigmoid(z)
    both = 2 * flat(p * y) + smooth
    return 1 - both / (flat(p**power) + flat(y**power) + smooth)


def torch_focal(z, y, gamma, alpha):
    p = torch.softmax(z, 1)[torch.arange(B), y]
    return -torch.tensor(alpha, dtype=z.dtype)[y] * (1 - p) ** gamma * p.log()


ROWS = {
    "quadratic": Row(
        F.quadratic, lambda x, y: flat(T.mse_loss(x, y, reduction="none")) / 2, X, Y
    ),
    "quadratic, mean": Row(
        part(F.quadratic, components="mean"),
        lambda x, y: flat(T.mse_loss(x, y, reduction="none")) / 12,
        X,
        Y,
    ),
    "absolute": Row(
        F.absolute, lambda x, y: flat(T.l1_loss(x, y, reduction="none")), X, Y
    ),
    "smooth_l1": Row(
        part(F.smooth_l1, beta=0.7),
        lambda x, y: flat(T.smooth_l1_loss(x, y, reduction="none", beta=0.7)),
        X,
        Y,
    ),
    "smooth_l1 is Huber's over beta": Row(
        part(F.smooth_l1, beta=0.7),
        lambda x, y: flat(T.huber_loss(x, y, reduction="none", delta=0.7)) / 0.7,
        X,
        Y,
    ),
    "cross_entropy": Row(
        part(F.cross_entropy, label_smoothing=0.2),
        lambda z, y: T.cross_entropy(z, y, reduction="none", label_smoothing=0.2),
        Z,
        LABELS,
    ),
    "cross_entropy, distributions": Row(
        part(F.cross_entropy, label_smoothing=0.2),
        lambda z, y: T.cross_entropy(z, y, reduction="none", label_smoothing=0.2),
        Z,
        Q,
    ),
    "cross_entropy, probabilities": Row(
        part(F.cross_entropy, from_logits=False),
        lambda p, y: T.nll_loss(p.log(), y, reduction="none"),
        P,
        LABELS,
    ),
    "binary_cross_entropy": Row(
        F.binary_cross_entropy,
        lambda z, y: flat(T.binary_cross_entropy_with_logits(z, y, reduction="none")),
        LOGITS,
        SHARE,
    ),
    "binary_cross_entropy, smooth": Row(
        part(F.binary_cross_entropy, label_smoothing=0.2),
        lambda z, y: flat(
            T.binary_cross_entropy_with_logits(z, 0.8 * y + 0.1, reduction="none")
        ),
        LOGITS,
        YES,
    ),
    "binary_cross_entropy, probabilities": Row(
        part(F.binary_cross_entropy, from_logits=False, components="mean"),
        lambda p, y: flat(T.binary_cross_entropy(p, y, reduction="none")) / 3,
        CHANCE,
        SHARE,
    ),
    "hinge": Row(
        part(F.hinge, margin=0.8),
        lambda z, y: flat(torch.clamp(0.8 - (2 * y - 1) * z, min=0)),
        LOGITS,
        YES,
    ),
    "hinge, squared": Row(
        part(F.hinge, power=2),
        lambda z, y: flat(torch.clamp(1 - (2 * y - 1) * z, min=0) ** 2),
        LOGITS,
        YES,
    ),
    "multiclass_hinge, sum": Row(
        part(F.multiclass_hinge, margin=0.8, rivals="sum"),
        lambda z, y: 4 * T.multi_margin_loss(z, y, margin=0.8, reduction="none"),
        Z,
        LABELS,
    ),
    "kl_loss": Row(
        F.kl_loss,
        lambda z, q: T.kl_div(T.log_softmax(z, 1), q, reduction="none").sum(1),
        Z,
        Q,
    ),
    "kl_loss, probabilities": Row(
        part(F.kl_loss, from_logits=False),
        lambda p, q: T.kl_div(p.log(), q, reduction="none").sum(1),
        P,
        Q,
    ),
    "jensen_shannon_loss": Row(F.jensen_shannon_loss, torch_js, Z, Q),
    "focal": Row(
        part(F.focal, gamma=1.5, alpha=(0.5, 1.0, 0.2, 0.7)),
        part(torch_focal, gamma=1.5, alpha=(0.5, 1.0, 0.2, 0.7)),
        Z,
        LABELS,
    ),
    "binary_focal": Row(
        part(F.binary_focal, gamma=1.5, alpha=0.3),
        lambda z, y: flat(
            torchvision.ops.sigmoid_focal_loss(z, y, alpha=0.3, gamma=1.5)
        ),
        LOGITS,
        YES,
    ),
    "binary_focal, no alpha": Row(
        part(F.binary_focal, alpha=None),
        lambda z, y: flat(torchvision.ops.sigmoid_focal_loss(z, y, alpha=-1)),
        LOGITS,
        YES,
    ),
    "dice": Row(
        part(F.dice, smooth=0.5), part(torch_dice, smooth=0.5, power=1), LOGITS, SHARE
    ),
    "dice, squared": Row(
        part(F.dice, squared=True), part(torch_dice, smooth=1, power=2), LOGITS, SHARE
    ),
}


@pytest.mark.parametrize("name", ROWS)
def test_value_and_gradient(name):
    """In float64; that float32 is near it is in the roster of all functions."""
    row = ROWS[name]
    x = torch.tensor(row.outputs, requires_grad=True)
    each = row.theirs(x, torch.tensor(row.y))
    weight = torch.tensor(WEIGHT)
    ((each * weight).sum() / weight.sum()).backward()
    each = each.detach().numpy()

    def mean(x, y, w):
        value, total = row.ours(x, {"y": y, "weight": w})
        return value / total, (value, total)

    with jax.enable_x64(True), jax.numpy_dtype_promotion("strict"):
        arrays = [jnp.asarray(a) for a in (row.outputs, row.y)]

        @jax.jit
        def run(x, y, w):
            (_, pair), grad = jax.value_and_grad(mean, has_aux=True)(x, y, w)
            return pair, grad, row.ours(x, {"y": y})

        pair, grad, plain = run(*arrays, jnp.asarray(WEIGHT))
    sums = [(each * WEIGHT).sum(), WEIGHT.sum()]
    np.testing.assert_allclose(pair, sums, rtol=1e-12)
    np.testing.assert_allclose(plain, [each.sum(), B], rtol=1e-12)
    np.testing.assert_allclose(grad, x.grad, rtol=1e-12, atol=1e-14)
    assert np.any(grad) and not np.any(np.asarray(grad)[WEIGHT == 0])


def mean_of(loss, outputs, y, **settings):
    with jax.enable_x64(True):
        value, total = loss(jnp.asarray(outputs), {"y": jnp.asarray(y)}, **settings)
        return float(value / total)


def test_log_loss_of_scikit_learn():
    theirs = sklearn.metrics.log_loss(LABELS, P, labels=range(4))
    ours = mean_of(F.cross_entropy, P, LABELS, from_logits=False)
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)
    theirs = sklearn.metrics.log_loss(YES[:, 0], CHANCE[:, 0])
    ours = mean_of(F.binary_cross_entropy, CHANCE[:, 0], YES[:, 0], from_logits=False)
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)


def test_hinge_loss_of_scikit_learn():
    z, y = LOGITS.ravel(), YES.ravel()
    theirs = sklearn.metrics.hinge_loss(y, z)
    np.testing.assert_allclose(mean_of(F.hinge, z, y), theirs, rtol=1e-12)
    np.testing.assert_allclose(mean_of(F.hinge, z, 2 * y - 1), theirs, rtol=1e-12)
    theirs = sklearn.metrics.hinge_loss(LABELS, Z, labels=range(4))
    np.testing.assert_allclose(
        mean_of(F.multiclass_hinge, Z, LABELS), theirs, rtol=1e-12
    )


def test_divergences_of_scipy_where_some_probabilities_are_0():
    q = np.where(Q < 0.15, 0, Q)
    q = q / q.sum(1, keepdims=True)
    assert (q == 0).any()
    theirs = scipy.special.rel_entr(q, P).sum(1).mean()
    ours = mean_of(F.kl_loss, P, q, from_logits=False)
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)
    p = np.roll(q, 1, 1)
    theirs = np.mean(scipy.spatial.distance.jensenshannon(p, q, axis=1) ** 2)
    ours = mean_of(F.jensen_shannon_loss, p, q, from_logits=False)
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)


def test_dice_of_sets_is_scipys_and_one_minus_f1():
    a, b = (np.random.default_rng(1).random((2, B, 9)) < 0.4).astype(float)
    ours = mean_of(F.dice, a, b, smooth=0.0, from_logits=False)
    pairs = list(zip(a > 0, b > 0, strict=True))
    theirs = np.mean([scipy.spatial.distance.dice(u, v) for u, v in pairs])
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)
    theirs = np.mean([1 - sklearn.metrics.f1_score(v, u) for u, v in pairs])
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)


def test_where_libraries_cut_a_probability_of_0():
    """All agree but for the place: ours the smallest normal number, PyTorch e^-100,
    scikit-learn the epsilon of the type."""
    p, y = np.array([[0.0, 1.0]]), np.array([0])
    ours = mean_of(F.cross_entropy, p, y, from_logits=False)
    np.testing.assert_allclose(ours, -np.log(np.finfo(float).tiny))
    theirs = T.binary_cross_entropy(torch.tensor(0.0), torch.tensor(1.0))
    assert theirs.item() == 100
    theirs = sklearn.metrics.log_loss(y, p, labels=[0, 1])
    np.testing.assert_allclose(theirs, -np.log(np.finfo(float).eps))
