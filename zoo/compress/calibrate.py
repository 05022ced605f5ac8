"""Where to cut a range off before it is quantized, from some examples.

    minmax       the least and the largest number that were seen
    percentile   the same after the rarest of them are left out
    entropy      the width T whose quantized histogram tells most of the whole one:
                 argmin_T KL(P_T || Q_T)

P_T is the histogram of |x| up to T, what is beyond being added to its last bin. Q_T is
P_T before that, its bins merged into as many levels as there are codes, and the count
of each level spread evenly over those of its bins that are not empty. Zeros are left
out: they have a code of their own and lose nothing, and behind a ReLU, where most
numbers are 0, spreading them would count for more than all that is cut off.

On the host, in NumPy; a range is symmetric by `entropy`, and begins at 0 if no number
was below it.

References:
    Migacz, "8-bit inference with TensorRT", GPU Technology Conference 2017
"""

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from zoo.compress.quantize import limits
from zoo.compress.reparameterise import layers
from zoo.errors import unknown

METHODS = ("minmax", "percentile", "entropy")
BINS = 2048


def calibrated(
    x: np.ndarray, method: str = "minmax", bits: int = 8, percentile: float = 99.99
) -> tuple[float, float]:
    """The range to quantize.

    Args:
        x: numbers that were seen, [...].
        method: of `METHODS`.
        bits: of a code, for `entropy`.
        percentile: of the numbers, how many are within; in (50, 100].

    Returns:
        Where it begins and ends.

    Raises:
        ValueError: an unknown method, a percentile or bits out of range, no numbers, or
            some that are not finite.
    """
    if method not in METHODS:
        raise unknown("method", method, METHODS)
    if not 50 < percentile <= 100:
        raise ValueError(f"percentile must be in (50, 100], got {percentile}")
    limits(bits)
    x = np.asarray(x, np.float64).ravel()
    if not x.size or not np.isfinite(x).all():
        raise ValueError(f"x must be finite numbers, got {x.size} of them")
    if method == "minmax":
        return float(x.min()), float(x.max())
    if method == "percentile":
        low, high = np.percentile(x, [100 - percentile, percentile])
        return float(low), float(high)
    most = _entropy_width(np.abs(x), 2 ** (bits - 1))
    return (-most if x.min() < 0 else 0.0), most


def _entropy_width(x: np.ndarray, levels: int) -> float:
    counts, edges = np.histogram(x[x > 0], BINS, (0, x.max() or 1.0))
    if levels >= BINS:
        return float(edges[-1])
    widths = np.arange(levels, BINS + 1)
    found = [divergence(counts, width, levels) for width in widths]
    return float(edges[widths[int(np.argmin(found))]])


def divergence(counts: np.ndarray, width: int, levels: int) -> float:
    """KL(P || Q) in nats if a histogram is cut off after `width` bins.

    Args:
        counts: of |x|, [bins].
        width: bins that are kept, at least `levels`.
        levels: into which they are merged.
    """
    kept = counts[:width].astype(np.float64)
    p = kept.copy()
    p[-1] += counts[width:].sum()
    level = np.arange(width) * levels // width
    full = (kept > 0).astype(np.float64)
    many = np.bincount(level, full, levels)
    q = np.bincount(level, kept, levels) / np.maximum(many, 1)
    q = q[level] * full
    p, q = p / p.sum(), q / max(q.sum(), 1)
    some = p > 0
    # What only Q does not have is the last bin, if all its mass came from beyond.
    return float((p[some] * np.log(p[some] / np.maximum(q[some], 1e-12))).sum())


def input_ranges(
    model: Any,
    variables: Mapping[str, Any],
    x: jax.Array,
    method: str = "minmax",
    **options: Any,
) -> dict[str, tuple[float, float]]:
    """By convolution and dense layer, the range of what it is given.

    Args:
        model: a linen module.
        variables: its own.
        x: examples to calibrate on, some hundreds.
        method: see `calibrated`.
        **options: likewise.
    """
    seen = jax.device_get(jax.jit(lambda v, x: layers(model, v, x))(variables, x))
    return {path: calibrated(y, method, **options) for path, y in seen.items()}
