"""Metrics against scikit-learn, scikit-image and PyTorch."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import skimage.data
import skimage.metrics as theirs_image
import sklearn.datasets
import sklearn.metrics as theirs
from sklearn.cluster import KMeans
from sklearn.manifold import trustworthiness

from tests.references import torch
from zoo import metrics

RNG = np.random.default_rng(0)
TRUTH, WEIGHT = RNG.integers(0, 4, 300), RNG.uniform(size=300)
PREDICTED = np.where(RNG.uniform(size=300) < 0.6, TRUTH, RNG.integers(0, 3, 300))
SCORES = np.round(RNG.normal(TRUTH % 2, 1.5), 1)  # with ties
POSITIVE = TRUTH % 2
FOUND = RNG.integers(0, 6, 300) // (1 + TRUTH)


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


def assert_close(ours, expected, rtol=1e-12):
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol, 1e-14), ours, expected
    )


# Five classes, of which 3 is never called and 4 neither occurs nor is called.
@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["counted", "weighted"])
def test_classification(weight):
    labels = dict(sample_weight=weight, labels=range(5))
    confusion = metrics.confusion_matrix(TRUTH, PREDICTED, 5, weight)
    assert_close(confusion, theirs.confusion_matrix(TRUTH, PREDICTED, **labels))
    for name in ("precision", "recall", "f1"):
        score = getattr(theirs, f"{name}_score")
        for average in (None, "macro", "micro", "weighted"):
            for zero in (0.0, 1.0, np.nan):
                if zero and average == "micro":
                    continue
                options = dict(average=average, zero_division=zero, **labels)
                expected = score(TRUTH, PREDICTED, **options)
                ours = getattr(metrics, name)(confusion, average, zero)
                assert_close(ours, expected)
    accuracy = theirs.accuracy_score(TRUTH, PREDICTED, sample_weight=weight)
    assert_close(metrics.error_rate(confusion), 1 - accuracy)
    iou = dict(sample_weight=weight, labels=range(4))  # of the classes there are
    each = theirs.jaccard_score(TRUTH, PREDICTED, average=None, **iou)
    assert_close(metrics.class_iou(confusion)[:4], each)
    mean = theirs.jaccard_score(TRUTH, PREDICTED, average="macro", **iou)
    assert_close(metrics.mean_iou(confusion), mean)


def test_classification_of_two():
    truth, predicted = TRUTH % 2, PREDICTED % 2
    confusion = metrics.confusion_matrix(truth, predicted, 2)
    for name in ("precision", "recall", "f1"):
        expected = getattr(theirs, f"{name}_score")(truth, predicted)
        assert_close(getattr(metrics, name)(confusion, "binary"), expected)


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["counted", "weighted"])
def test_ranking(weight):
    given = POSITIVE, SCORES, weight
    table = jax.jit(metrics.score_counts)(SCORES, POSITIVE, weight)
    of = lambda t: (metrics.auc(t), metrics.average_precision(t), metrics.roc_curve(t),
                    metrics.precision_recall_curve(t))  # fmt: skip
    ours, our_precision, our_roc, our_curve = jax.jit(of)(table)
    auc = theirs.roc_auc_score(*given[:2], sample_weight=weight)
    assert_close(ours, auc)
    precision = theirs.average_precision_score(*given[:2], sample_weight=weight)
    assert_close(our_precision, precision)
    distinct = len(np.unique(SCORES))  # the columns behind are empty
    fpr, tpr, _ = theirs.roc_curve(
        *given[:2], sample_weight=weight, drop_intermediate=False
    )
    ours = np.stack(our_roc)[:, -distinct - 1 :]
    np.testing.assert_allclose(ours, [fpr, tpr], atol=1e-14)
    # theirs begins with the lowest threshold
    p, r, _ = theirs.precision_recall_curve(*given[:2], sample_weight=weight)
    ours = np.stack(our_curve)[:, -distinct - 1 :]
    np.testing.assert_allclose(ours[:, ::-1], [p, r], atol=1e-14)


BETAS = (0.5, 1.0, 3.0)
MEANS = ("arithmetic", "geometric", "max", "min")


@jax.jit
def clustering(table):
    nmi = metrics.normalized_mutual_information
    return {
        **{str(beta): metrics.v_measure(table, beta) for beta in BETAS},
        **{average: nmi(table, average) for average in MEANS},
        "homogeneity": metrics.homogeneity(table),
        "completeness": metrics.completeness(table),
        "ari": metrics.adjusted_rand_index(table),
    }


@pytest.mark.parametrize("seed", range(4))
def test_clustering(seed):
    rng = np.random.default_rng(seed)
    truth, found = rng.integers(0, 3, 50), rng.integers(0, 5, 50)
    found = np.where(rng.uniform(size=50) < seed / 4, truth, found)
    table = metrics.contingency(truth, found, 3, 5)
    assert_close(table, theirs.cluster.contingency_matrix(truth, found))
    ours, expected = clustering(table), {}
    for beta in BETAS:
        expected[str(beta)] = theirs.v_measure_score(truth, found, beta=beta)
    for average in MEANS:
        expected[average] = theirs.normalized_mutual_info_score(
            truth, found, average_method=average
        )
    expected["homogeneity"] = theirs.homogeneity_score(truth, found)
    expected["completeness"] = theirs.completeness_score(truth, found)
    expected["ari"] = theirs.adjusted_rand_score(truth, found)
    assert_close(ours, expected, 1e-11)  # small differences of logarithms


def test_k_means_of_digits():
    x, y = sklearn.datasets.load_digits(return_X_y=True)
    model = KMeans(10, n_init=1, random_state=2).fit(x)
    table = metrics.contingency(y, model.labels_, 10, 10)
    value, weight = jax.jit(metrics.inertia)(x, model.cluster_centers_)
    assert_close((value, weight), (model.inertia_, len(x)))
    # The best of ten starts gave 1,165,188.89, 0.738 and 0.666; this start comes near.
    np.testing.assert_allclose(value, 1_165_188.89, rtol=1e-4)
    ours = clustering(table)
    assert_close(ours["homogeneity"], theirs.homogeneity_score(y, model.labels_))
    assert_close(ours["ari"], theirs.adjusted_rand_score(y, model.labels_))
    assert abs(ours["homogeneity"] - 0.738) < 0.005 and abs(ours["ari"] - 0.666) < 0.005


@pytest.mark.parametrize("k", [1, 5, 30])
def test_trustworthiness(k):
    x = sklearn.datasets.load_digits().data[:200]
    x = x + 0.01 * np.random.default_rng(0).normal(size=x.shape)  # no ties
    u, s, _ = np.linalg.svd(x - x.mean(0), full_matrices=False)
    plane = u[:, :2] * s[:2]
    ours = jax.jit(metrics.trustworthiness, static_argnums=2)(x, plane, k)
    assert_close(ours, trustworthiness(x, plane, n_neighbors=k))


def images():
    camera = skimage.data.camera().astype(float)
    noise = np.random.default_rng(0).normal(0, 25, camera.shape)
    return {
        "noise": (np.clip(camera + noise, 0, 255), camera),
        "lighter": (np.clip(camera + 30, 0, 255), camera),
    }


THEIRS = {
    "gaussian": dict(gaussian_weights=True, sigma=1.5, use_sample_covariance=False),
    "uniform": dict(win_size=7),
}
FIGURES = {  # as scikit-image 0.26 gave them
    ("noise", "gaussian"): 0.2905277,
    ("noise", "uniform"): 0.3011098,
    ("lighter", "gaussian"): 0.9025724,
}


@pytest.mark.parametrize("window", THEIRS)
@pytest.mark.parametrize("change", ["noise", "lighter"])
def test_ssim_of_the_photograph(change, window):
    x, y = (image[:160, :200] for image in images()[change])
    expected = theirs_image.structural_similarity(
        y, x, data_range=255, **THEIRS[window]
    )
    ssim = jax.jit(metrics.ssim, static_argnums=(2, 3))
    batch = lambda image, dtype: jnp.asarray(image[None, :, :, None], dtype)
    value, _ = ssim(batch(x, float), batch(y, float), 255, window)
    assert_close(value, expected, 1e-11)
    value, _ = ssim(batch(x, "float32"), batch(y, "float32"), 255, window)
    # A variance is a difference of squares.
    np.testing.assert_allclose(value, expected, rtol=1e-5)
    if (change, window) in FIGURES:
        x, y = images()[change]
        value, _ = ssim(batch(x, float), batch(y, float), 255, window)
        assert abs(value - FIGURES[change, window]) < 6e-8


def test_ssim_of_colours():
    x = skimage.data.astronaut()[100:140, 100:150]
    noise = np.random.default_rng(1).integers(-40, 40, x.shape)
    y = np.clip(x.astype(int) + noise, 0, 255).astype(np.uint8)
    for window, options in THEIRS.items():
        expected = theirs_image.structural_similarity(
            x.astype(float), y.astype(float), data_range=255, channel_axis=2, **options
        )
        value, _ = metrics.ssim(x[None] * 1.0, y[None] * 1.0, 255, window)
        assert_close(value, expected, 1e-11)


def test_errors_of_the_photograph():
    figures = {"noise": (567.97850, 20.587485, 15.896718), "lighter": (18.623205,)}
    for change, (x, y) in images().items():
        sums = metrics.squared_error(x[None, :, :, None], y[None, :, :, None])
        mse, psnr, snr = metrics.mse(sums), metrics.psnr(sums, 255), metrics.snr(sums)
        assert_close(mse, theirs_image.mean_squared_error(y, x))
        expected = theirs_image.peak_signal_noise_ratio(y, x, data_range=255)
        assert_close(psnr, expected)
        assert_close(snr, 10 * np.log10((y**2).sum() / ((x - y) ** 2).sum()))
        ours = (mse, psnr, snr) if change == "noise" else (psnr,)
        np.testing.assert_allclose(ours, figures[change], rtol=1e-7)


def test_gradient_of_ssim_is_pytorchs():
    x, y = np.random.default_rng(1).uniform(size=(2, 2, 14, 17, 3))
    r = np.arange(-5, 6)
    taps = np.exp(-(r**2) / 4.5)
    kernel = torch.tensor(np.outer(taps, taps) / taps.sum() ** 2)[None, None]
    a, b = (torch.tensor(v).permute(0, 3, 1, 2).reshape(6, 1, 14, 17) for v in (x, y))
    a.requires_grad_()
    mean = lambda v: torch.nn.functional.conv2d(v, kernel)
    ma, mb = mean(a), mean(b)
    va, vb, cov = mean(a * a) - ma**2, mean(b * b) - mb**2, mean(a * b) - ma * mb
    top = (2 * ma * mb + 1e-4) * (2 * cov + 9e-4)
    value = (top / ((ma**2 + mb**2 + 1e-4) * (va + vb + 9e-4))).mean()
    value.backward()
    gradient = a.grad.reshape(2, 3, 14, 17).permute(0, 2, 3, 1)
    ours = lambda x: metrics.ratio(metrics.ssim(x, jnp.asarray(y), 1.0))
    ours = jax.jit(jax.value_and_grad(ours))(jnp.asarray(x))
    assert_close(ours[0], value.item(), 1e-11)
    np.testing.assert_allclose(ours[1], gradient, rtol=1e-9, atol=1e-13)
