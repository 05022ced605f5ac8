"""ROC, AUC and average precision: by hand, by counting pairs, and their identities."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from zoo import metrics

# Five scores of a worked example: three positives, two negatives.
SCORES, POSITIVE = np.array([0.9, 0.8, 0.75, 0.72, 0.7]), np.array([1, 1, 0, 1, 0])

exact = jax.jit(lambda s, p, w=None: metrics.score_counts(s, p, w))
auc, average_precision = jax.jit(metrics.auc), jax.jit(metrics.average_precision)
binned = jax.jit(metrics.score_histogram, static_argnums=(2,), static_argnames="limits")


def pairs_won(scores, positive, weight=None):
    """Mann and Whitney's count: pairs in which the positive wins, ties one half."""
    weight = np.ones(len(scores)) if weight is None else weight
    wins = np.sign(scores[:, None] - scores) / 2 + 0.5
    which = np.outer(weight * positive, weight * (1 - positive))
    return (which * wins).sum() / which.sum()


def test_the_curve_of_five_scores():
    fpr, tpr = metrics.roc_curve(exact(SCORES, POSITIVE))
    np.testing.assert_allclose(fpr, [0, 0, 0, 0.5, 0.5, 1])
    # The third score is of a negative: the curve goes to the right.
    np.testing.assert_allclose(tpr, [0, 1 / 3, 2 / 3, 2 / 3, 1, 1], rtol=1e-6)
    np.testing.assert_allclose(auc(exact(SCORES, POSITIVE)), 5 / 6, rtol=1e-6)
    np.testing.assert_allclose(auc(binned(SCORES, POSITIVE, 100)), 5 / 6, rtol=1e-6)


def test_four_scores_of_a_reference():
    table = exact(np.array([0.1, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1]))
    np.testing.assert_allclose(auc(table), 0.75)
    np.testing.assert_allclose(average_precision(table), 5 / 6, rtol=1e-6)
    precision, recall = metrics.precision_recall_curve(table)
    np.testing.assert_allclose(precision, [1, 1, 1 / 2, 2 / 3, 1 / 2], rtol=1e-6)
    np.testing.assert_allclose(recall, [0, 1 / 2, 1 / 2, 1, 1])


def test_the_recall_of_the_curve_is_tpr():
    table = exact(SCORES, POSITIVE)
    _, tpr = metrics.roc_curve(table)
    np.testing.assert_array_equal(metrics.precision_recall_curve(table)[1], tpr)


def test_ties_are_one_point_and_one_half():
    scores, positive = np.array([0.5, 0.5, 0.5, 0.2]), np.array([1, 0, 0, 1])
    table = exact(scores, positive)
    np.testing.assert_array_equal(table, [[0, 2, 0, 0], [1, 1, 0, 0]])
    np.testing.assert_allclose(auc(table), 0.25)  # of four pairs: 1/2 + 1/2 + 0 + 0
    # In whatever order the tied ones come.
    swapped = exact(scores[::-1], positive[::-1])
    np.testing.assert_array_equal(swapped, table)


def test_zero_has_one_sign_and_infinity_is_a_score():
    table = exact(np.array([0.0, -0.0, np.inf, -np.inf]), np.array([0, 1, 1, 0]))
    np.testing.assert_array_equal(table[:, :3], [[1, 1, 0], [0, 1, 1]])
    np.testing.assert_allclose(auc(table), 3.5 / 4)


def test_bins_and_the_score_of_exactly_one():
    scores = np.array([0.0, 0.24, 0.25, 0.5, 0.99, 1.0, 1.0])
    positive = np.array([0, 0, 1, 0, 1, 1, 0])
    table = binned(scores, positive, 4)
    np.testing.assert_array_equal(table, [[2, 0, 1, 1], [0, 1, 0, 2]])
    other = binned(10 * scores - 5, positive, 4, limits=(-5.0, 5.0))
    np.testing.assert_array_equal(other, table)


def test_bins_are_those_of_numpy():
    rng = np.random.default_rng(0)
    scores, positive = rng.uniform(-3, 2, 500), rng.integers(0, 2, 500)
    weight = rng.uniform(size=500)
    with jax.enable_x64(True):
        ours = binned(scores, positive, 32, weight, limits=(-3.0, 2.0))
    for row, label in zip(ours, (0, 1), strict=True):
        theirs, _ = np.histogram(
            scores[positive == label], 32, (-3, 2), weights=weight[positive == label]
        )
        np.testing.assert_allclose(row, theirs, rtol=1e-12)


def test_more_bins_come_to_the_exact_area():
    rng = np.random.default_rng(1)
    positive = rng.integers(0, 2, 2000)
    scores = np.float32(1 / (1 + np.exp(-rng.normal(positive, 1.0))))
    true = float(auc(exact(scores, positive)))
    finest = binned(scores, positive, 512)
    tables = [finest.reshape(2, m, -1).sum(2) for m in (2, 8, 32, 128, 512)]
    pad = lambda table: jnp.pad(table, ((0, 0), (0, 512 - table.shape[1])))
    errors = [abs(float(auc(pad(table))) - true) for table in tables]
    for table, error in zip(tables, errors, strict=True):  # half of the pairs tied
        tied = (table[0] * table[1]).sum() / table[0].sum() / table[1].sum()
        assert error <= tied / 2 + 1e-6
    assert errors[0] > 0.05 > 0.02 > errors[1] > 0.002
    assert max(errors[2:]) < 5e-4 and errors[-1] < 1e-4
    assert auc(binned(scores, positive, 1)) == 0.5  # all are tied


def test_scores_that_lie_apart_are_exact_in_bins():
    rng = np.random.default_rng(2)
    scores = (rng.permutation(64) + 0.5) / 64  # one for each bin
    positive = rng.integers(0, 2, 64)
    table, bins = exact(scores, positive), binned(scores, positive, 64)
    np.testing.assert_array_equal(bins, table)
    np.testing.assert_allclose(auc(bins), pairs_won(scores, positive), rtol=1e-6)


# Few values, so that there are ties; ten examples, so that one trace does.
some_scores = st.lists(st.integers(-4, 4), min_size=10, max_size=10).map(np.float32)
some_labels = st.lists(st.integers(0, 1), min_size=10, max_size=10).map(
    lambda labels: np.array([0, 1, *labels[2:]])  # both classes
)
some_weights = st.lists(st.integers(0, 3), min_size=10, max_size=10).map(
    lambda weights: np.float32([1, 1, *weights[2:]])
)


@given(some_scores, some_labels, some_weights)
def test_auc_is_mann_and_whitneys_count(scores, positive, weight):
    ours = auc(exact(scores, positive, weight))
    np.testing.assert_allclose(
        ours, pairs_won(scores, positive, weight), rtol=1e-5, atol=1e-7
    )


@given(some_scores, some_labels, some_weights)
def test_the_opposite_ranking_is_the_complement(scores, positive, weight):
    one = auc(exact(scores, positive, weight))
    other = auc(exact(-scores, positive, weight))
    np.testing.assert_allclose(one + other, 1, rtol=1e-6)
    # So is exchanging the classes.
    other = auc(exact(scores, 1 - positive, weight))
    np.testing.assert_allclose(one + other, 1, rtol=1e-6)


@given(some_scores, some_labels)
def test_only_the_order_counts(scores, positive):
    one = exact(scores, positive)
    np.testing.assert_array_equal(exact(np.exp(scores), positive), one)
    np.testing.assert_array_equal(exact(scores**3 / 8 - 1, positive), one)


@given(some_scores, some_labels, some_weights)
@example(np.zeros(10, np.float32), np.arange(10) % 2, np.ones(10, np.float32))
def test_the_area_is_that_under_the_curves_lines(scores, positive, weight):
    table = exact(scores, positive, weight)
    fpr, tpr = jax.jit(metrics.roc_curve)(table)
    assert (fpr[0], tpr[0], fpr[-1], tpr[-1]) == (0, 0, 1, 1)
    assert (np.diff(fpr) >= 0).all() and (np.diff(tpr) >= 0).all()
    np.testing.assert_allclose(np.trapezoid(tpr, fpr), auc(table), atol=1e-6)
    precision, recall = jax.jit(metrics.precision_recall_curve)(table)
    steps = (np.diff(recall) * precision[1:]).sum()
    np.testing.assert_allclose(average_precision(table), steps, rtol=1e-5)


@given(some_scores, some_labels)
def test_a_weight_of_two_is_the_example_twice(scores, positive):
    weight = np.float32([1, 2, 1, 1, 2, 1, 1, 1, 1, 1])
    twice = np.repeat(np.arange(10), weight.astype(int))
    a = exact(scores, positive, weight)
    b = exact(scores[twice], positive[twice])
    np.testing.assert_allclose(auc(a), auc(b), rtol=1e-6)
    np.testing.assert_allclose(average_precision(a), average_precision(b), rtol=1e-6)


def test_a_random_ranking_is_one_half_and_its_precision_the_share_of_positives():
    rng = np.random.default_rng(3)
    scores, positive = rng.uniform(size=20_000), rng.uniform(size=20_000) < 0.3
    table = exact(scores, positive)
    assert abs(auc(table) - 0.5) < 0.01  # its standard deviation is 0.004
    assert abs(average_precision(table) - 0.3) < 0.01
    assert auc(exact(positive.astype(float), positive)) == 1
    assert auc(exact(-positive.astype(float), positive)) == 0  # worse than chance


@pytest.mark.parametrize(
    "scores, positive, message",
    [
        ([0.1, np.nan], [0, 1], "scores must be numbers, got NaN"),
        ([0.1, 0.2], [0, 2], "positive must be 0 or 1, got 2"),
        ([0.1, 0.2], [-1, 1], "positive must be 0 or 1, got -1"),
        ([0.1, 0.2], [0.0, 1.0], "positive must be integers, got float32"),
        ([0.1, 0.2], [0], r"scores and positive must be \[B\], got \[2\] and \[1\]"),
        ([[0.1]], [[0]], r"must be \[B\], got \[1, 1\] and \[1, 1\]"),
    ],
)
def test_scores_and_labels_are_checked(scores, positive, message):
    scores, positive = jnp.array(scores), jnp.array(positive)
    with pytest.raises(ValueError, match=message):
        metrics.score_counts(scores, positive)
    with pytest.raises(ValueError, match=message):
        metrics.score_histogram(scores, positive, 4)


@pytest.mark.parametrize(
    "scores, bins, limits, message",
    [
        ([0.1, 1.1], 4, (0.0, 1.0), "scores must be from 0.0 to 1.0, got 1.1; give"),
        ([0.1, -0.1], 4, (0.0, 1.0), "scores must be from 0.0 to 1.0, got -0.1"),
        ([0.1, np.inf], 4, (0.0, 1.0), "scores must be from 0.0 to 1.0, got inf"),
        ([0.1, 0.2], 0, (0.0, 1.0), "bins must be an integer >= 1, got 0"),
        ([0.1, 0.2], 4, (1.0, 0.0), "limits must be finite, the lower first, got"),
        ([0.1, 0.2], 4, (0.0, np.inf), "limits must be finite"),
    ],
)
def test_histogram_refuses(scores, bins, limits, message):
    with pytest.raises(ValueError, match=message):
        metrics.score_histogram(
            jnp.array(scores), jnp.array([0, 1]), bins, limits=limits
        )


def test_one_class_only_has_no_curve():
    for positive, numbers, message in (
        ([1, 1], (metrics.auc, metrics.roc_curve), "got positives only"),
        (
            [0, 0],
            (metrics.auc, metrics.average_precision, metrics.precision_recall_curve),
            "got negatives only",
        ),
    ):
        table = exact(np.array([0.2, 0.7]), np.array(positive))
        for number in numbers:
            with pytest.raises(ValueError, match=message):
                number(table)
            assert all(
                np.isnan(x).any() for x in jax.tree.leaves(jax.jit(number)(table))
            )
    # Without negatives every precision is 1.
    assert average_precision(exact(np.array([0.2, 0.7]), np.array([1, 1]))) == 1


def test_a_table_is_two_rows():
    with pytest.raises(ValueError, match=r"\[2, M\], got shape \[3, 4\]"):
        metrics.auc(jnp.ones((3, 4)))
    with pytest.raises(ValueError, match="table must be finite and >= 0, got -1"):
        metrics.average_precision(jnp.array([[1.0, 1], [-1, 2]]))


def test_what_cannot_be_read_is_nan():
    label = np.array([0, 1])
    for scores in ([0.1, np.nan], [0.1, 1.5]):
        table = binned(np.array(scores), label, 4)
        assert np.isnan(table).all() and np.isnan(auc(table))
    table = exact(np.array([0.1, np.nan]), label)
    assert np.isnan(table).all() and np.isnan(average_precision(table))
    assert np.isnan(exact(np.array([0.1, 0.2]), np.array([0, 2]))).all()
