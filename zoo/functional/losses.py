"""Losses, as what the learner adds up: (outputs, batch) -> (sum, weight).

    cross entropy   -sum_k q_k log softmax(z)_k,  q = (1 - s) onehot(y) + s / K

Both parts of the pair are sums over the examples of the batch; `batch["weight"]`, if
it is there, weighs each example, and 0 leaves one out, whatever its value. The mean
is their ratio, taken once, when devices and micro-batches have been added up.

Shapes: B examples, K classes, s smoothing.

References:
    Szegedy et al., "Rethinking the Inception architecture for computer vision",
    CVPR 2016, https://arxiv.org/abs/1512.00567 (label smoothing, section 7)
"""

from typing import Any

import jax
import jax.numpy as jnp

Pair = tuple[jax.Array, jax.Array]


def cross_entropy(
    outputs: jax.Array, batch: dict[str, Any], label_smoothing: float = 0.0
) -> Pair:
    """Cross-entropy of logits against labels, in nats.

    Args:
        outputs: logits, [B, K].
        batch: `y`, integer labels in 0..K-1, [B]; optionally `weight`, [B].
        label_smoothing: s, the share of the target that is spread over all classes.

    Returns:
        The weighted sum over the batch and the sum of the weights, scalars of float32
        or wider. A label of K or more makes the sum NaN, unless its weight is 0.

    Raises:
        ValueError: logits that are not [B, K] for labels [B]; weights that are not
            [B]; s outside [0, 1).
    """
    if not 0 <= label_smoothing < 1:
        raise ValueError(f"label_smoothing must be in [0, 1), got {label_smoothing}")
    log_p = jax.nn.log_softmax(_wide(outputs))
    loss = -at_labels(log_p, batch["y"])
    if label_smoothing:  # else 0 times a log p of minus infinity would be NaN
        loss = (1 - label_smoothing) * loss - label_smoothing * log_p.mean(1)
    return weighted(loss, batch)


def at_labels(outputs: jax.Array, y: jax.Array) -> jax.Array:
    """Each example's output of its own class.

    Args:
        outputs: [B, K].
        y: integer labels, [B].

    Returns:
        [B]; NaN at a label of K or more.

    Raises:
        ValueError: outputs that are not [B, K] for labels [B].
    """
    if outputs.ndim != 2 or outputs.shape[:1] != y.shape:
        raise ValueError(
            f"outputs must be logits [B, K] for labels [B], got {outputs.shape} "
            f"for labels {y.shape}"
        )
    return jnp.take_along_axis(outputs, y[:, None], axis=1)[:, 0]  # [B, K] -> [B]


def weighted(each: jax.Array, batch: dict[str, Any]) -> Pair:
    """A value for each example, as a pair.

    Args:
        each: [B].
        batch: optionally `weight`, [B].

    Returns:
        The weighted sum and the sum of the weights (without them, B), scalars of
        float32 or wider.

    Raises:
        ValueError: values or weights that are not [B].
    """
    each, weight = _wide(each), batch.get("weight")
    if each.ndim != 1:
        raise ValueError(f"each must be one value an example, [B], got {each.shape}")
    if weight is None:
        return each.sum(), jnp.asarray(len(each), each.dtype)
    if weight.shape != each.shape:
        raise ValueError(
            f"weight must be one number for each of the {len(each)} examples, got "
            f"shape {weight.shape}"
        )
    weight = weight.astype(each.dtype)
    return jnp.where(weight == 0, 0, each * weight).sum(), weight.sum()


def _wide(x):  # bfloat16 counts to 256 only
    wide = jnp.issubdtype(x.dtype, jnp.floating) and jnp.finfo(x.dtype).bits >= 32
    return x if wide else x.astype(jnp.float32)
