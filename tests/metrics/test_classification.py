"""Accuracy as a pair, and what follows from the confusion matrix."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from zoo import metrics
from zoo.metrics.classification import accuracy

Z = jnp.array([[1.0, 2.0, 0.0], [5.0, 1.0, 1.0], [0.0, 0.0, 9.0], [1.0, 1.0, 0.0]])
Y = jnp.array([1, 2, 2, 0])  # right, wrong, right, and a tie that goes to the first


def test_counts_hits():
    assert [float(x) for x in accuracy(Z, {"y": Y})] == [3, 4]
    assert float(accuracy(Z[3:], {"y": jnp.array([1])})[0]) == 0  # not to the second


def test_weighs_examples_and_leaves_out_padding():
    pair = accuracy(Z, {"y": Y, "weight": jnp.array([0.5, 1.0, 2.0, 0.0])})
    assert [float(x) for x in pair] == [2.5, 3.5]
    assert [x.dtype for x in pair] == [jnp.float32] * 2


def test_equals_the_share_of_a_large_batch():
    rng = np.random.default_rng(0)
    z, y = rng.normal(size=(500, 7)).astype(np.float32), rng.integers(0, 7, 500)
    hits, total = accuracy(z, {"y": y})
    assert hits / total == np.float32((z.argmax(1) == y).mean())


@pytest.mark.parametrize(
    "labels, weights, message",
    [
        ((4, 1), (4,), r"outputs must be scores \[B, K\] for labels \[B\]"),
        ((3,), (3,), "outputs must be scores"),
        ((4,), (4, 1), "weight must be one number for each of the 4 examples"),
        ((4,), (1,), "weight must be"),
    ],
)
def test_refuses_shapes_that_would_broadcast(labels, weights, message):
    batch = {"y": jnp.zeros(labels, jnp.int32), "weight": jnp.ones(weights)}
    with pytest.raises(ValueError, match=message):
        accuracy(Z, batch)


def test_accuracy_refuses_what_is_no_score_and_no_label():
    with pytest.raises(ValueError, match="outputs must be scores, got NaN"):
        accuracy(Z.at[1, 1].set(jnp.nan), {"y": Y})
    with pytest.raises(ValueError, match="y must be labels from 0 to 2, got 3"):
        accuracy(Z, {"y": Y.at[0].set(3)})
    with pytest.raises(ValueError, match="y must be integers, got float32"):
        accuracy(Z, {"y": jnp.float32(Y)})
    traced = jax.jit(lambda z, y: accuracy(z, {"y": y}))
    assert np.isnan(traced(Z, Y.at[0].set(-1))[0])
    assert np.isnan(traced(Z.at[1, 1].set(jnp.nan), Y)[0])


# 150 irises, 50 a class, as a worked example has them: a row for each true class.
IRIS = jnp.array([[43, 5, 2], [2, 45, 3], [0, 1, 49]])


def labels_of(confusion):
    """Labels that make up a confusion matrix, shuffled."""
    cells = np.repeat(np.arange(confusion.size), np.ravel(confusion))
    cells = np.random.default_rng(0).permutation(cells)
    return np.divmod(cells, len(confusion))


def test_the_confusion_of_three_classes():
    truth, predicted = labels_of(IRIS)
    found = jax.jit(metrics.confusion_matrix, static_argnums=2)(truth, predicted, 3)
    np.testing.assert_array_equal(found, IRIS)
    np.testing.assert_allclose(metrics.recall(IRIS), [0.86, 0.9, 0.98], rtol=1e-6)
    np.testing.assert_allclose(
        metrics.precision(IRIS), [43 / 45, 45 / 51, 49 / 54], rtol=1e-6
    )
    np.testing.assert_allclose(metrics.error_rate(IRIS), 13 / 150, rtol=1e-6)
    for score in (metrics.precision, metrics.recall, metrics.f1):  # the accuracy
        np.testing.assert_allclose(score(IRIS, "micro"), 137 / 150, rtol=1e-6)


def test_which_mistake_is_which():
    """A false negative is a positive that is called negative."""
    truth, predicted = np.array([1, 1, 1, 0, 0, 1]), np.array([0, 0, 1, 1, 0, 1])
    confusion = metrics.confusion_matrix(truth, predicted, 2)
    true_negative, false_positive, false_negative, true_positive = 1, 1, 2, 2
    np.testing.assert_array_equal(
        confusion, [[true_negative, false_positive], [false_negative, true_positive]]
    )
    np.testing.assert_allclose(metrics.precision(confusion, "binary"), 2 / 3, rtol=1e-6)
    np.testing.assert_allclose(metrics.recall(confusion, "binary"), 2 / 4, rtol=1e-6)
    np.testing.assert_allclose(metrics.f1(confusion, "binary"), 4 / 7, rtol=1e-6)


def test_f1_is_the_harmonic_mean():
    p, r = metrics.precision(IRIS), metrics.recall(IRIS)
    np.testing.assert_allclose(metrics.f1(IRIS), 2 * p * r / (p + r), rtol=1e-6)


def test_iou_is_f1_on_another_scale():
    """IoU = F1 / (2 - F1)."""
    each = metrics.f1(IRIS)
    np.testing.assert_allclose(metrics.class_iou(IRIS), each / (2 - each), rtol=1e-6)


def test_exchanging_truth_and_answer_exchanges_precision_and_recall():
    for average in (None, "macro", "micro"):
        np.testing.assert_allclose(
            metrics.precision(IRIS, average), metrics.recall(IRIS.T, average), rtol=1e-6
        )


def test_a_class_that_is_never_called_or_never_occurs():
    # Class 1 occurs and is never called; 2 is called and does not occur; 3 neither.
    confusion = jnp.zeros((4, 4)).at[0, 0].set(6).at[1, 0].set(2).at[0, 2].set(2)
    precision, recall = metrics.precision, metrics.recall
    np.testing.assert_allclose(precision(confusion), [0.75, 0, 0, 0])
    np.testing.assert_allclose(precision(confusion, None, 1.0), [0.75, 1, 0, 1])
    np.testing.assert_allclose(recall(confusion, None, 1.0), [0.75, 0, 1, 1])
    np.testing.assert_allclose(metrics.f1(confusion, None, 1.0), [0.75, 0, 0, 1])
    nan = float("nan")
    np.testing.assert_allclose(precision(confusion, None, nan), [0.75, nan, 0, nan])
    np.testing.assert_allclose(precision(confusion, "macro", nan), 0.375)
    np.testing.assert_allclose(precision(confusion, "macro"), 0.75 / 4)
    np.testing.assert_allclose(precision(confusion, "weighted"), 0.6)
    np.testing.assert_allclose(precision(confusion, "weighted", nan), 0.75)
    np.testing.assert_allclose(metrics.class_iou(confusion), [0.6, 0, 0, nan])
    np.testing.assert_allclose(metrics.mean_iou(confusion), 0.2, rtol=1e-6)


def test_label_images_whose_border_is_ignored():
    truth = np.array([[[0, 1], [255, 1]], [[255, 255], [0, 0]]], np.uint8)
    predicted = np.array([[[0, 0], [1, 1]], [[1, 0], [0, 1]]], np.uint8)
    confusion = metrics.confusion_matrix(truth, predicted, 2, truth != 255)
    np.testing.assert_array_equal(confusion, [[2, 1], [1, 1]])
    np.testing.assert_allclose(metrics.mean_iou(confusion), (2 / 4 + 1 / 3) / 2)


def test_small_integers_count_beyond_their_own_range():
    truth = np.arange(300, dtype=np.uint16) % 300
    confusion = metrics.confusion_matrix(truth, np.full(300, 200, np.uint8), 300)
    np.testing.assert_array_equal(confusion[:, 200], np.ones(300))
    assert confusion.sum() == 300


def test_a_count_goes_on_where_float32_stops():
    size = 2**24 + 3
    labels = jnp.zeros(size, jnp.uint8)
    count = jax.jit(lambda y: metrics.confusion_matrix(y, y, 1))(labels)
    assert count[0, 0] == np.float32(size) > 2**24


@pytest.mark.parametrize(
    "truth, predicted, classes, weight, message",
    [
        ([0, 3], [0, 0], 3, None, "truth must be labels from 0 to 2, got 3"),
        ([0, 1], [0, -1], 3, None, "predicted must be labels from 0 to 2, got -1"),
        ([0, 1], [0, 9], 3, [1, 0.5], "predicted must be labels from 0 to 2, got 9"),
        ([0.0, 1.0], [0, 1], 3, None, "truth must be integers, got float32"),
        ([0, 1], [0], 3, None, r"must be of one shape, got \[2\] and \[1\]"),
        ([0, 1], [0, 1], 0, None, "classes must be an integer >= 1, got 0"),
        ([0, 1], [0, 1], 2.0, None, "classes must be an integer >= 1, got 2.0"),
        ([0, 1], [0, 1], 2, [1, -1], "weight must be finite and >= 0, got -1"),
        ([0, 1], [0, 1], 2, [1, np.nan], "weight must be finite and >= 0, got nan"),
        ([0, 1], [0, 1], 2, [1, np.inf], "weight must be finite and >= 0, got inf"),
        ([0, 1], [0, 1], 2, [1], r"each of the 2 examples, of shape \[2\], got \[1\]"),
    ],
)
def test_confusion_refuses(truth, predicted, classes, weight, message):
    truth, predicted = jnp.array(truth), jnp.array(predicted)
    weight = None if weight is None else jnp.array(weight)
    with pytest.raises(ValueError, match=message):
        metrics.confusion_matrix(truth, predicted, classes, weight)


def test_what_cannot_be_read_makes_every_number_nan():
    confusion = jax.jit(metrics.confusion_matrix, static_argnums=2)
    bad = confusion(jnp.array([0, 1, 3]), jnp.array([0, 1, 1]), 3)
    bad_weight = confusion(jnp.array([0, 1]), jnp.array([0, 1]), 3, jnp.array([1, -1]))
    for sums in (bad, bad_weight):
        assert np.isnan(sums).all()
        for number in (metrics.error_rate, metrics.mean_iou, metrics.f1):
            assert np.isnan(jax.jit(number)(sums)).all()
        with pytest.raises(ValueError, match="confusion must be finite and >= 0"):
            metrics.error_rate(sums)
    for average in ("macro", "micro", "weighted"):
        assert np.isnan(jax.jit(lambda c, a=average: metrics.f1(c, a))(bad))


@pytest.mark.parametrize(
    "confusion, average, message",
    [
        ([[1, 2]], None, r"confusion must be \[K, K\], got shape \[1, 2\]"),
        ([1, 2], None, r"confusion must be \[K, K\], got shape \[2\]"),
        ([[0, 0], [0, 0]], None, "confusion must hold an example, got none"),
        ([[1, -1], [0, 1]], None, "confusion must be finite and >= 0, got -1"),
        ([[1, 0], [0, 1]], "mean", "average must be one of .*, got 'mean'"),
        (IRIS, "binary", "average='binary' is for 2 classes, got 3"),
    ],
)
def test_numbers_refuse(confusion, average, message):
    for number in (metrics.precision, metrics.recall, metrics.f1):
        with pytest.raises(ValueError, match=message):
            number(jnp.array(confusion), average)


def test_a_pair_and_its_ratio():
    np.testing.assert_allclose(metrics.ratio((jnp.float32(3), jnp.int32(4))), 0.75)
    with pytest.raises(ValueError, match="pair must have a weight above 0, got 0"):
        metrics.ratio((jnp.float32(0), jnp.float32(0)))
    assert np.isnan(jax.jit(metrics.ratio)((jnp.float32(1), jnp.float32(0))))
