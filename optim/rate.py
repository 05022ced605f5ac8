"""The learning rate: the last link of most optimizers' chains.

    updates = -eta_t*updates          eta_t: a number, or the schedule at step t

Differs from optax's link of the same name: the rate may be traced, the product is
in the dtype of the parameters whatever the dtype of the rate, and strict promotion
is enough.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from optim.errors import check_rate
from optim.moments import cast


class LearningRateState(NamedTuple):
    count: jax.Array  # int32 scalar: updates made so far, the schedule's argument


def scale_by_learning_rate(
    learning_rate: optax.ScalarOrSchedule, flip_sign: bool = True
) -> optax.GradientTransformationExtraArgs:
    """Multiplies the updates by minus the learning rate.

    Args:
        learning_rate: a number, a schedule from step (0 first) to number, or a
            traced scalar.
        flip_sign: False multiplies by plus the rate.

    Returns:
        The transformation. Its state is empty when the rate is not a schedule.

    Raises:
        ValueError: the rate is negative, NaN, infinite or not a real number.
    """
    learning_rate = check_rate(learning_rate)
    scheduled = callable(learning_rate)
    sign = -1 if flip_sign else 1

    def init(params):
        del params
        if scheduled:
            return LearningRateState(count=jnp.zeros((), jnp.int32))
        return optax.EmptyState()

    def update(updates, state, params=None, **extra_args):
        del extra_args
        rate = learning_rate(state.count) if scheduled else learning_rate
        rate = sign * rate

        def leaf(u):
            u = jnp.asarray(u)
            return jnp.asarray(rate).astype(u.dtype) * u

        updates = cast(updates, updates if params is None else params)
        updates = jax.tree.map(leaf, updates)
        if scheduled:
            state = LearningRateState(count=optax.safe_increment(state.count))
        return updates, state

    return optax.GradientTransformationExtraArgs(init, update)
