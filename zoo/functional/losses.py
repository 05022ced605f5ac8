"""Losses, as what the learner adds up: (outputs, batch) -> (sum, weight).

    cross entropy   -sum_k q_k log softmax(z)_k,  q = (1 - s) onehot(y) + s / K

Both parts of the pair are sums over the examples of the batch; `batch["weight"]`, if
it is there, weighs each example, and 0 leaves one out. The mean is their ratio, taken
once, when devices and micro-batches have been added up.

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
        The weighted sum over the batch and the sum of the weights, scalars.

    Raises:
        ValueError: logits that are not [B, K] for labels [B]; s outside [0, 1).
    """
    y = batch["y"]
    if outputs.ndim != 2 or outputs.shape[:1] != y.shape:
        raise ValueError(
            f"outputs must be logits [B, K] for labels [B], got {outputs.shape} "
            f"for labels {y.shape}"
        )
    if not 0 <= label_smoothing < 1:
        raise ValueError(f"label_smoothing must be in [0, 1), got {label_smoothing}")
    outputs = outputs.astype(jnp.promote_types(outputs.dtype, jnp.float32))
    log_p = jax.nn.log_softmax(outputs)
    true = jnp.take_along_axis(log_p, y[:, None], axis=1)[:, 0]  # [B, K] -> [B]
    loss = -(1 - label_smoothing) * true - label_smoothing * log_p.mean(1)
    return weighted(loss, batch)


def weighted(each: jax.Array, batch: dict[str, Any]) -> Pair:
    """A value for each example, as a pair.

    Args:
        each: [B].
        batch: optionally `weight`, [B].
    """
    weight = batch.get("weight")
    if weight is None:
        return each.sum(), jnp.asarray(len(each), each.dtype)
    weight = weight.astype(each.dtype)
    return (each * weight).sum(), weight.sum()
