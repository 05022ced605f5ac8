"""The learner of networks that tell the next token of a target, or a masked one.

    loss = - sum over tokens that count of log p(y) / their number
    tokens = the share of them that are the likeliest

References are those of `zoo.sequence.language` and `zoo.sequence.seq2seq`.
"""

import flax.linen as nn
import optax

from zoo.learner import Learner, supervised
from zoo.sequence.language import token_accuracy, token_cross_entropy


def token_learner(
    model: nn.Module,
    optimizer: optax.GradientTransformation,
    axis_name: str | None = None,
) -> Learner:
    """A supervised learner of tokens.

    Args:
        model: gives logits, [B, T, V].
        optimizer: any optax transformation.
        axis_name: the axis over which a batch is split, or None.

    Returns:
        A learner of batches of `x`, what the model is called with, `y`, int [B, T],
        `index`, [B], and optionally `mask`, bool [B, T], and `weight`, [B]; it reports
        `loss`, in nats, and `tokens`.
    """
    return supervised(
        model,
        token_cross_entropy,
        optimizer,
        metrics={"tokens": token_accuracy},
        axis_name=axis_name,
    )
