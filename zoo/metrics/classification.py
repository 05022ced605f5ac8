"""Metrics of classification, from the confusion matrix.

    C[t, p] = sum of the weights of the examples of class t that are called p

and for one class k against the rest

    TP = C[k, k]                  positives called positive
    FN = sum_p C[k, p] - TP       positives called negative
    FP = sum_t C[t, k] - TP       negatives called positive

    precision  TP / (TP + FP)           recall  TP / (TP + FN)
    F1         2 TP / (2 TP + FP + FN)  IoU     TP / (TP + FP + FN)
    error rate 1 - sum_k C[k, k] / sum C

The matrix is a sum over examples and adds over batches and devices; every number is a
function of it. Averages over the classes:

    macro     the mean of the classes' numbers
    weighted  their mean, each weighted by its class's examples, TP + FN
    micro     the formula with TP, FP and FN summed over the classes first: for
              precision, recall and F1 that is the accuracy, 1 - error rate
    binary    the number of class 1 of two classes

0 / 0: the precision of a class that nothing was called, the recall of a class without
examples, the F1 of a class with neither. It is `zero_division`, 0 unless told
otherwise; with NaN such classes are left out of the averages. The mean IoU leaves
classes out that neither occur nor are called.

Shapes: B examples, [...] any shape of examples, K classes.

References:
    van Rijsbergen, "Information Retrieval", 2nd edition, 1979, chapter 7 (F measure),
    http://www.dcs.gla.ac.uk/Keith/Preface.html
    Sokolova and Lapalme, "A systematic analysis of performance measures for
    classification tasks", Information Processing and Management 2009,
    https://doi.org/10.1016/j.ipm.2009.03.002 (macro and micro)
    Everingham et al., "The Pascal visual object classes challenge: a retrospective",
    IJCV 2015, https://doi.org/10.1007/s11263-014-0733-5 (IoU of segmentation)
"""

import math
from typing import Any

import jax
import jax.numpy as jnp

from zoo.metrics import checks, counts

AVERAGES = (None, "binary", "macro", "micro", "weighted")


def accuracy(outputs: jax.Array, batch: dict[str, Any]) -> tuple[jax.Array, jax.Array]:
    """The share of examples whose largest output is the label's, as a pair.

    Args:
        outputs: scores, [B, K]; of equal ones the first counts as the largest.
        batch: `y`, integer labels, [B]; optionally `weight`, [B], where 0 leaves an
            example out, whatever its scores and label are.

    Returns:
        The weighted number of hits and the sum of the weights, scalars of float32 or
        wider. The first is NaN for a score of NaN or a label out of range that cannot
        be read.

    Raises:
        ValueError: scores that are not [B, K] for labels [B]; weights that are not
            [B], negative or not finite; a score of NaN; a label out of range.
    """
    y, weight = checks.labels("y", batch["y"]), batch.get("weight")
    if outputs.ndim != 2 or outputs.shape[:1] != y.shape:
        raise ValueError(
            f"outputs must be scores [B, K] for labels [B], got {outputs.shape} for "
            f"labels {y.shape}"
        )
    outputs = checks.floats("outputs", outputs)
    weight = checks.weights(weight, y.shape, outputs.dtype)
    no_score = jnp.isnan(outputs).any(1) & (weight != 0)
    no_label = ((y < 0) | (y >= outputs.shape[1])) & (weight != 0)
    found = checks.refuse(no_score, lambda: "outputs must be scores, got NaN")
    found |= checks.refuse(
        no_label,
        lambda: (
            f"y must be labels from 0 to {outputs.shape[1] - 1}, got "
            f"{checks.first(y, no_label)}"
        ),
    )
    called = outputs.argmax(1).astype(y.dtype)
    hits = jnp.where(called == y, weight, 0).sum()
    return jnp.where(found, jnp.nan, hits), weight.sum()


def confusion_matrix(
    truth: jax.Array,
    predicted: jax.Array,
    classes: int,
    weight: jax.Array | None = None,
) -> jax.Array:
    """How often each class is called what; the sums of this module's metrics.

    Args:
        truth: true classes, integers in 0..K-1, [...]; a batch of label images too.
        predicted: what they are called, [...].
        classes: K.
        weight: [...]; 0 leaves an example out, whatever its labels are.

    Returns:
        [K, K], a row for each true class; of the weights' type, else of JAX's own
        float. All NaN for a label out of range that cannot be read.

    Raises:
        ValueError: labels of unequal shapes, that are no integers or out of range;
            weights of another shape, negative or not finite.
    """
    return counts.pairs(
        ("truth", truth, "classes", classes),
        ("predicted", predicted, "classes", classes),
        weight,
    )


def error_rate(confusion: jax.Array) -> jax.Array:
    """The share of examples that are called by another class's name; 1 - accuracy.

    Args:
        confusion: [K, K], from `confusion_matrix`.

    Returns:
        A scalar in [0, 1].

    Raises:
        ValueError: a matrix that is not square, has a count that is negative or not
            finite, or counts nothing (traced: NaN).
    """
    confusion, total = _checked(confusion)
    others = jnp.where(jnp.eye(len(confusion), dtype=bool), 0, confusion)
    return others.sum() / total


def precision(
    confusion: jax.Array, average: str | None = None, zero_division: float = 0.0
) -> jax.Array:
    """Of what is called by a class's name, the share that belongs to it.

    Args:
        confusion: [K, K], from `confusion_matrix`.
        average: None for each class, or `binary`, `macro`, `micro`, `weighted`.
        zero_division: the precision of a class that nothing was called; with NaN the
            averages leave it out.

    Returns:
        In [0, 1]: [K], or with an average a scalar.

    Raises:
        ValueError: as `error_rate`; an average that is not listed, or `binary` for
            other than two classes.
    """
    confusion, total = _checked(confusion)
    return _share(confusion, confusion.sum(0), total, average, zero_division)


def recall(
    confusion: jax.Array, average: str | None = None, zero_division: float = 0.0
) -> jax.Array:
    """Of a class's examples, the share that is called by its name.

    Args:
        confusion: [K, K], from `confusion_matrix`.
        average: None for each class, or `binary`, `macro`, `micro`, `weighted`.
        zero_division: the recall of a class without examples; with NaN the averages
            leave it out.

    Returns:
        In [0, 1]: [K], or with an average a scalar.

    Raises:
        ValueError: as for `precision`.
    """
    confusion, total = _checked(confusion)
    return _share(confusion, confusion.sum(1), total, average, zero_division)


def f1(
    confusion: jax.Array, average: str | None = None, zero_division: float = 0.0
) -> jax.Array:
    """The harmonic mean of precision and recall.

    Args:
        confusion: [K, K], from `confusion_matrix`.
        average: None for each class, or `binary`, `macro`, `micro`, `weighted`.
        zero_division: the F1 of a class that neither occurs nor is called; with NaN
            the averages leave it out.

    Returns:
        In [0, 1]: [K], or with an average a scalar. The macro F1 is the mean of the
        classes' F1, not the F1 of the mean precision and recall.

    Raises:
        ValueError: as for `precision`.
    """
    confusion, total = _checked(confusion)
    half = (confusion.sum(0) + confusion.sum(1)) / 2  # TP + (FP + FN) / 2
    return _share(confusion, half, total, average, zero_division)


def class_iou(confusion: jax.Array) -> jax.Array:
    """Intersection over union of each class: of its pixels and those called it.

    Args:
        confusion: [K, K], from `confusion_matrix`.

    Returns:
        [K], in [0, 1]; NaN for a class that neither occurs nor is called.

    Raises:
        ValueError: as `error_rate`.
    """
    return _iou(confusion, None)


def mean_iou(confusion: jax.Array) -> jax.Array:
    """The mean intersection over union of the classes that occur or are called.

    Args:
        confusion: [K, K], from `confusion_matrix`: of all images, which is not the
            mean over the images of theirs.

    Returns:
        A scalar in [0, 1].

    Raises:
        ValueError: as `error_rate`.
    """
    return _iou(confusion, "macro")


def _iou(confusion, average):
    confusion, total = _checked(confusion)
    union = confusion.sum(0) + confusion.sum(1) - jnp.diagonal(confusion)
    return _share(confusion, union, total, average, math.nan)


def _checked(confusion):
    shape = jnp.shape(confusion)
    if len(shape) != 2 or shape[0] != shape[1] or not shape[0]:
        raise ValueError(f"confusion must be [K, K], got shape {list(shape)}")
    return counts.total("confusion", confusion)


def _share(confusion, wholes, total, average, zero_division):
    """TP / wholes of each class, or their average; NaN where the total is."""
    if average not in AVERAGES:
        raise ValueError(f"average must be one of {AVERAGES}, got {average!r}")
    if average == "binary" and len(confusion) != 2:
        raise ValueError(
            f"average='binary' is for 2 classes, got {len(confusion)}; use another"
        )
    spoil = jnp.where(jnp.isnan(total), total, 0)
    hits = jnp.diagonal(confusion)
    if average == "micro":
        return hits.sum() / wholes.sum() + spoil
    none = wholes == 0
    each = jnp.where(none, zero_division, hits / jnp.where(none, 1, wholes)) + spoil
    if average is None:
        return each
    if average == "binary":
        return each[1]
    share = jnp.ones_like(each) if average == "macro" else confusion.sum(1)
    if math.isnan(zero_division):
        each, share = jnp.where(none, 0, each), jnp.where(none, 0, share)
    return (each * share).sum() / share.sum()
