"""Momentum, or the heavy ball: a step along a decaying sum of past gradients.

Classical, with the rate inside the buffer (`rate="inside"`, the default):

    v = gamma*v + eta*g
    theta = theta - v

With the rate outside the buffer (`rate="outside"`; PyTorch's and optax's form):

    v = gamma*v + g
    theta = theta - eta*v

With a constant rate both walk the same path: one buffer is eta times the other. They
differ as soon as the rate changes: inside, a gradient keeps the rate of the step
in which it was seen, so a cut of the rate is felt only after 1 / (1 - gamma) steps;
outside, the rate of the day applies to the whole buffer at once.

Limit, tested: gamma = 0 is SGD.

References:
    Polyak, "Some methods of speeding up the convergence of iteration methods",
    USSR Computational Mathematics and Mathematical Physics, 1964,
    https://doi.org/10.1016/0041-5553(64)90137-5
    Rumelhart, Hinton and Williams, "Learning representations by back-propagating
    errors", Nature, 1986, https://doi.org/10.1038/323533a0
"""

from typing import NamedTuple

import jax
import optax

from optim.errors import check_range, unknown
from optim.moments import cast, constant, zeros
from optim.rate import scale_by_learning_rate

RATES = ("inside", "outside")


class MomentumState(NamedTuple):
    v: optax.Updates  # decaying sum; one leaf for each parameter, float32 or wider


def scale_by_momentum(gamma: float = 0.9) -> optax.GradientTransformationExtraArgs:
    """Replaces the updates by their decaying sum v = gamma*v + updates.

    Args:
        gamma: decay of the sum, in [0, 1).

    Raises:
        ValueError: gamma is outside [0, 1).
    """
    gamma = check_range("gamma", gamma, 0, 1)

    def init(params):
        return MomentumState(v=zeros(params))

    def update(updates, state, params=None, **extra_args):
        del extra_args
        g = cast(updates, state.v)
        v = jax.tree.map(lambda v, g: constant(gamma, v.dtype) * v + g, state.v, g)
        return cast(v, updates if params is None else params), MomentumState(v=v)

    return optax.GradientTransformationExtraArgs(init, update)


def momentum(
    learning_rate: optax.ScalarOrSchedule, gamma: float = 0.9, rate: str = "inside"
) -> optax.GradientTransformationExtraArgs:
    """Momentum, ready to use; `scale_by_momentum` is the buffer, without the rate.

    Args:
        learning_rate: eta: a number, a schedule from step to number, or a traced
            scalar.
        gamma: decay of the buffer, in [0, 1).
        rate: "inside" or "outside" the buffer; they differ under a schedule.

    Returns:
        The optimizer; its updates have the dtype of the parameters.

    Raises:
        ValueError: the rate is negative, NaN, infinite or not a real number; gamma
            is outside [0, 1); `rate` is neither word.
    """
    if rate not in RATES:
        raise unknown("rate of momentum", rate, RATES)
    buffer = scale_by_momentum(gamma)
    if rate == "outside":
        return optax.chain(buffer, scale_by_learning_rate(learning_rate))
    inside = scale_by_learning_rate(learning_rate, flip_sign=False)
    return optax.chain(inside, buffer, optax.scale(-1))
