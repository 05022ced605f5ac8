"""How far predicted distributions are from given ones, in nats.

    Kullback-Leibler  sum_k q_k (log q_k - log p_k)
    Jensen-Shannon    KL(q, m) / 2 + KL(p, m) / 2,  m = (p + q) / 2

q = y is the target and p = softmax(z) the prediction. In p, the first has the gradient
of the cross-entropy, which is larger by the entropy of q: it is the choice where the
value 0 should mean perfect. The second is symmetric and at most log 2.

Both keep the protocol of `zoo.functional.losses`: (outputs, batch) -> (sum, weight);
what holds there for p = 0 holds here. The divergences themselves, of two given
distributions, are `relative_entropy` and `jensen_shannon`.

Shapes: B examples, K classes.

References:
    Kullback and Leibler, "On information and sufficiency", Annals of Mathematical
    Statistics 1951, https://doi.org/10.1214/aoms/1177729694
    Lin, "Divergence measures based on the Shannon entropy", IEEE Transactions on
    Information Theory 1991, https://doi.org/10.1109/18.61115
"""

from typing import Any

import jax
import jax.numpy as jnp

from zoo.functional.information import jensen_shannon, times_log
from zoo.functional.losses import (
    Pair,
    distributions,
    log_probabilities,
    share,
    weighted,
)


def kl_loss(
    outputs: jax.Array, batch: dict[str, Any], from_logits: bool = True
) -> Pair:
    """Relative entropy of given distributions with respect to predicted ones.

    Args:
        outputs: logits, [B, K].
        batch: `y`, floats, a distribution over the classes for each example, [B, K];
            optionally `weight`, [B].
        from_logits: if not, the outputs are probabilities that add up to 1.

    Returns:
        The weighted sum over the batch and the sum of the weights.

    Raises:
        ValueError: outputs and `y` that are not both [B, K]; `y` not of floats;
            weights that are not [B].
    """
    log_p = log_probabilities(outputs, batch, from_logits)
    q = distributions(log_p, batch)
    each = times_log(q, q) - share(q, log_p)
    return weighted(each.sum(1), batch)


def jensen_shannon_loss(
    outputs: jax.Array, batch: dict[str, Any], from_logits: bool = True
) -> Pair:
    """Jensen-Shannon divergence of given distributions and predicted ones.

    Args:
        outputs: logits, [B, K].
        batch: `y`, floats, a distribution over the classes for each example, [B, K];
            optionally `weight`, [B].
        from_logits: if not, the outputs are probabilities that add up to 1.

    Returns:
        The weighted sum over the batch and the sum of the weights.

    Raises:
        ValueError: outputs and `y` that are not both [B, K]; `y` not of floats;
            weights that are not [B].
    """
    log_p = log_probabilities(outputs, batch, from_logits)
    q = distributions(log_p, batch)
    return weighted(jensen_shannon(jnp.exp(log_p), q), batch)
