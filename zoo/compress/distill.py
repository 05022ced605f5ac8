"""Distillation: a small network learns what a large one says.

    L = (1 - a) CE(z, y) + a T^2 KL(softmax(t / T) || softmax(z / T))

The teacher's logits come with the batch, as `teacher`. T^2 keeps the gradient of both
parts of one size, whatever T.

Shapes: B examples, K classes; z logits of the student, t of the teacher.

References:
    Hinton, Vinyals and Dean, "Distilling the knowledge in a neural network", 2015,
    https://arxiv.org/abs/1503.02531
"""

from typing import Any

import jax
import jax.numpy as jnp

from zoo.functional.losses import Pair, cross_entropy, weighted


def distillation(
    outputs: jax.Array,
    batch: dict[str, Any],
    temperature: float = 4.0,
    share: float = 0.9,
) -> Pair:
    """The loss of a student.

    Args:
        outputs: z, [B, K].
        batch: `y`, labels [B]; `teacher`, t, [B, K]; optionally `weight`, [B].
        temperature: T, above 0.
        share: a, in [0, 1].

    Returns:
        The sum over the batch and the sum of the weights.

    Raises:
        ValueError: a temperature or share out of range; a teacher of another shape.
    """
    if not temperature > 0 or not 0 <= share <= 1:
        raise ValueError(
            f"temperature must be above 0 and share in [0, 1], got {temperature} and "
            f"{share}"
        )
    if batch["teacher"].shape != outputs.shape:
        raise ValueError(
            f"teacher must be logits {outputs.shape}, got {batch['teacher'].shape}"
        )
    log_p = jax.nn.log_softmax(batch["teacher"] / temperature)
    log_q = jax.nn.log_softmax(outputs / temperature)
    apart = (jnp.exp(log_p) * (log_p - log_q)).sum(-1)  # [B, K] -> [B]
    soft, weight = weighted(temperature**2 * apart, batch)
    hard, _ = cross_entropy(outputs, batch)
    return (1 - share) * hard + share * soft, weight
