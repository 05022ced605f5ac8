"""How well numbers are predicted: the coefficient of determination, R squared.

    R2 = 1 - sum_n w_n (y_n - p_n)^2 / sum_n w_n (y_n - m)^2,   m = sum w y / sum w

1 for exact predictions p, 0 for those that say the mean m of the truth y, below 0 for
worse. It is a function of four sums that add over batches and devices:

    w,   w (y - o),   w (y - o)^2,   w (y - p)^2

with o an origin, any number, the same for all batches: the spread about m is a
difference of these sums, of which less is lost the nearer o is to m.

Where all truths are equal there is no spread, and R2 is 0 / 0: minus infinity, or 1
where the predictions are exact. (scikit-learn says 0 for the former, so that averages
over folds stay finite.)

Shapes: B examples, [...] outputs of an example: so many numbers, with one mean m.

References:
    Wright, "Correlation and causation", Journal of Agricultural Research 1921
    Draper and Smith, "Applied regression analysis", 3rd edition, 1998, Section 1.3
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from zoo.metrics import checks


class Residuals(NamedTuple):
    """Sums over examples, weighted; they add."""

    weight: jax.Array  # 1
    truth: jax.Array  # y - o
    squares: jax.Array  # (y - o)^2
    error: jax.Array  # (y - p)^2


def residuals(
    truth: jax.Array,
    predicted: jax.Array,
    weight: jax.Array | None = None,
    origin: float = 0.0,
) -> Residuals:
    """The sums from which R2 is computed.

    Args:
        truth: y, [B, ...].
        predicted: p, of the same shape.
        weight: [B]; 0 leaves an example out, whatever its values are.
        origin: o, near the truth's mean, such as that of the training set.

    Returns:
        Scalars of float32 or wider. NaN for a value that is not finite and cannot be
        read.

    Raises:
        ValueError: arrays of different shapes; a value that is not finite; weights
            that are not [B], negative or not finite.
    """
    truth, predicted = (
        checks.floats("truth", truth),
        checks.floats("predicted", predicted),
    )
    if truth.shape != predicted.shape or not truth.ndim:
        raise ValueError(
            f"truth and predicted must be of one shape [B, ...], got {truth.shape} and "
            f"{predicted.shape}"
        )
    weight = checks.weights(weight, truth.shape[:1], truth.dtype)
    each = weight.reshape(weight.shape + (1,) * (truth.ndim - 1))
    each = jnp.broadcast_to(each, truth.shape)
    bad = ~(jnp.isfinite(truth) & jnp.isfinite(predicted)) & (each != 0)
    found = checks.refuse(bad, lambda: "truth and predicted must be finite")
    truth, predicted = (jnp.where(each == 0, 0, a) for a in (truth, predicted))
    spoil = jnp.where(found, jnp.nan, 0).astype(each.dtype)
    moved, gone = truth - origin, truth - predicted
    return Residuals(
        weight=each.sum() + spoil,
        truth=(each * moved).sum() + spoil,
        squares=(each * moved**2).sum() + spoil,
        error=(each * gone**2).sum() + spoil,
    )


def r2(sums: Residuals) -> jax.Array:
    """The share of the truth's spread that the predictions explain.

    Args:
        sums: from `residuals`.

    Returns:
        A scalar, at most 1.

    Raises:
        ValueError: sums of no example (traced: NaN).
    """
    weight, truth, squares, error = (
        checks.floats(name, value) for name, value in sums._asdict().items()
    )
    empty = checks.refuse(
        weight == 0, lambda: "sums must be of one example or more, got none"
    )
    spread = squares - truth**2 / weight
    # What rounding leaves of no spread counts as none.
    rounding = 4 * jnp.finfo(squares.dtype).eps * squares
    flat = spread <= rounding
    share = error / jnp.where(flat, 1, spread)
    of_flat = jnp.where(error <= rounding, 0, jnp.inf)
    return jnp.where(empty, jnp.nan, 1 - jnp.where(flat, of_flat, share))
