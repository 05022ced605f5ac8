"""How well scores rank: ROC, its area, precision against recall, average precision.

Everything is a function of how many negatives n_b and positives p_b there are at each
score b. With N = sum n_b, P = sum p_b, and the threshold at b,

    TPR_b = sum_{a >= b} p_a / P        recall, too
    FPR_b = sum_{a >= b} n_a / N
    precision_b = sum_{a >= b} p_a / sum_{a >= b} (p_a + n_a)

    AUC = sum_b n_b (sum_{a > b} p_a + p_b / 2) / (N P)
    AP  = sum_b (p_b / P) precision_b

AUC is the area under the straight lines between the points (FPR, TPR), and the chance
that a positive scores above a negative, ties counted as one half (Mann-Whitney). A
ranking worse than chance is below one half; the diagonal is chance. AP is the step
function's sum, not the area under straight lines, which is too large.

There are two ways to the counts:

    score_histogram  b is one of M bins of equal width: O(B), and the counts of parts
                     add, over batches and devices. Scores in one bin are tied, so AUC
                     is within half the share of the pairs that are, and exact as soon
                     as no bin holds both a positive and a negative of other score.
    score_counts     b is a distinct score: exact, O(B log B) by one sort, and needs
                     all scores at once.

A bin is closed below and open above, but the last one, which holds the highest score
too (an index of M would be out of range).

Shapes: B examples, M bins or distinct scores.

References:
    Hanley and McNeil, "The meaning and use of the area under a receiver operating
    characteristic (ROC) curve", Radiology 1982,
    https://doi.org/10.1148/radiology.143.1.7063747
    Fawcett, "An introduction to ROC analysis", Pattern Recognition Letters 2006,
    https://doi.org/10.1016/j.patrec.2005.10.010
    Davis and Goadrich, "The relationship between precision-recall and ROC curves",
    ICML 2006, https://doi.org/10.1145/1143844.1143874 (no straight lines)
"""

import math

import jax
import jax.numpy as jnp

from zoo.metrics import checks, counts


def score_histogram(
    scores: jax.Array,
    positive: jax.Array,
    bins: int,
    weight: jax.Array | None = None,
    limits: tuple[float, float] = (0.0, 1.0),
) -> jax.Array:
    """How many negatives and positives have a score in each bin.

    Args:
        scores: floats, [B].
        positive: bool, or integers 0 and 1, [B].
        bins: M.
        weight: [B]; 0 leaves an example out, whatever its score is.
        limits: the lowest and the highest score possible.

    Returns:
        [2, M]: negatives and positives, from the lowest bin to the highest; of the
        weights' type, else of the scores' (float32 or wider). All NaN for a score
        beyond the limits that cannot be read.

    Raises:
        ValueError: arrays that are not [B]; a score that is NaN or beyond the limits,
            a label that is not 0 or 1, a weight that is negative or not finite; bins
            or limits that are none.
    """
    checks.size("bins", bins)
    low, high = limits
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError(f"limits must be finite, the lower first, got {limits}")
    scores, positive, weight, dtype, found = _checked(scores, positive, weight, low)
    bad = (scores < low) | (scores > high)
    found |= checks.refuse(
        bad,
        lambda: (
            f"scores must be from {low} to {high}, got {checks.first(scores, bad)}; "
            "give limits"
        ),
    )
    place = jnp.floor((scores - low) / (high - low) * bins).astype(jnp.int32)
    place = jnp.clip(place, 0, bins - 1)
    table = counts.tally((positive, place), (2, bins), weight, dtype)
    return jnp.where(found, jnp.nan, table)


def score_counts(
    scores: jax.Array, positive: jax.Array, weight: jax.Array | None = None
) -> jax.Array:
    """How many negatives and positives have each score, of all examples at once.

    Args:
        scores: floats, infinite ones too, [B].
        positive: bool, or integers 0 and 1, [B].
        weight: [B]; 0 leaves an example out, whatever its score is.

    Returns:
        [2, B]: negatives and positives, from the lowest score to the highest, and
        then as many zeros as scores are repeated. The tables of parts do not add:
        their columns stand for other scores.

    Raises:
        ValueError: arrays that are not [B], or empty; a score of NaN, a label that is
            not 0 or 1, a weight that is negative or not finite.
    """
    scores, positive, weight, dtype, found = _checked(scores, positive, weight, 0)
    if not len(scores):
        raise ValueError("scores must hold an example, got none")
    order = jnp.argsort(scores)
    ranked = scores[order]
    new = jnp.concatenate([jnp.zeros(1, bool), ranked[1:] != ranked[:-1]])
    place = jnp.cumsum(new.astype(jnp.int32))  # [B], the number of the distinct score
    cells = (positive[order], place)
    weight = None if weight is None else weight[order]
    table = counts.tally(cells, (2, len(scores)), weight, dtype)
    return jnp.where(found, jnp.nan, table)


def roc_curve(table: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The receiver operating characteristic.

    Args:
        table: counts of negatives and positives, [2, M].

    Returns:
        FPR and TPR, [M + 1] each: from (0, 0), where nothing is called positive, to
        (1, 1), one point for each column of the table, the highest score first. The
        k-th threshold of a histogram is high - k (high - low) / M. Where columns are
        empty, points are repeated.

    Raises:
        ValueError: a table that is not [2, M]; a count that is negative or not
            finite; no positives or no negatives (traced: NaN).
    """
    table = _both_classes(table)
    above = _above(table)
    fpr, tpr = above / above[:, -1:]
    return fpr, tpr


def auc(table: jax.Array) -> jax.Array:
    """The area under the ROC curve: the chance that a positive scores above a negative.

    Args:
        table: counts of negatives and positives, [2, M].

    Returns:
        A scalar in [0, 1], ties counted as one half.

    Raises:
        ValueError: as `roc_curve`.
    """
    table = _both_classes(table)
    negatives, positives = table[:, ::-1]
    below = jnp.cumsum(positives) - positives / 2  # positives above, half of the ties
    return (negatives * below).sum() / negatives.sum() / positives.sum()


def precision_recall_curve(table: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Precision against recall.

    Args:
        table: counts of negatives and positives, [2, M].

    Returns:
        Precision and recall, [M + 1] each, the highest threshold first. Where nothing
        is called positive yet, the precision is 1 and the recall 0.

    Raises:
        ValueError: as `roc_curve`, but for a table without negatives.
    """
    false, true = _above(_with_positives(table))
    return _precision(false, true), true / true[-1]


def average_precision(table: jax.Array) -> jax.Array:
    """The mean over the positives of the precision at the score of each.

    Args:
        table: counts of negatives and positives, [2, M].

    Returns:
        A scalar in (0, 1].

    Raises:
        ValueError: as `precision_recall_curve`.
    """
    table = _with_positives(table)
    false, true = _above(table)
    positives = table[1, ::-1]
    return (positives * _precision(false, true)[1:]).sum() / positives.sum()


def _precision(false, true):
    called = false + true
    none = called == 0
    return jnp.where(none, 1, true / jnp.where(none, 1, called))


def _above(table):  # [2, M] -> [2, M + 1], counts at a threshold or above
    return jnp.pad(jnp.cumsum(table[:, ::-1], axis=1), ((0, 0), (1, 0)))


def _checked(scores, positive, weight, harmless):
    """The arrays, with a harmless score where the weight is 0; the counts' type; and
    whether any is bad, which is an error where it can be read."""
    scores = checks.floats("scores", scores)
    positive = checks.labels("positive", positive)
    if scores.ndim != 1 or scores.shape != positive.shape:
        raise ValueError(
            f"scores and positive must be [B], got {list(scores.shape)} and "
            f"{list(positive.shape)}"
        )
    no_score = jnp.isnan(scores)
    no_label = (positive < 0) | (positive > 1)
    if weight is not None:
        weight = checks.weights(weight, scores.shape, scores.dtype)
        out = weight == 0
        no_score, no_label = no_score & ~out, no_label & ~out
        scores = jnp.where(out, harmless, scores)
    found = checks.refuse(no_score, lambda: "scores must be numbers, got NaN")
    found |= checks.refuse(
        no_label,
        lambda: f"positive must be 0 or 1, got {checks.first(positive, no_label)}",
    )
    return scores, positive, weight, scores.dtype, found


def _both_classes(table):
    table = _with_positives(table)
    none = checks.refuse(
        table[0].sum() == 0,
        lambda: "table must count negatives and positives, got positives only",
    )
    return jnp.where(none, jnp.nan, table)


def _with_positives(table):
    shape = jnp.shape(table)
    if len(shape) != 2 or shape[0] != 2:
        raise ValueError(
            f"table must be counts of negatives and positives, [2, M], got shape "
            f"{list(shape)}"
        )
    table, total = counts.total("table", table)
    none = checks.refuse(
        table[1].sum() == 0,
        lambda: "table must count negatives and positives, got negatives only",
    )
    return jnp.where(none | jnp.isnan(total), jnp.nan, table)
