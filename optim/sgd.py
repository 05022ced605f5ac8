"""Stochastic gradient descent (SGD): a step against the gradient.

    theta = theta - eta*g

There is no `scale_by_sgd`: the direction is the gradient itself, so the whole
optimizer is the learning rate's link.

References:
    Robbins and Monro, "A stochastic approximation method", Annals of Mathematical
    Statistics, 1951, https://doi.org/10.1214/aoms/1177729586
"""

import optax

from optim.rate import scale_by_learning_rate


def sgd(learning_rate: optax.ScalarOrSchedule) -> optax.GradientTransformationExtraArgs:
    """SGD, ready to use.

    Args:
        learning_rate: eta: a number, a schedule from step to number, or a traced
            scalar.

    Returns:
        The optimizer; its updates have the dtype of the parameters.

    Raises:
        ValueError: the rate is negative, NaN, infinite or not a real number.
    """
    return scale_by_learning_rate(learning_rate)
