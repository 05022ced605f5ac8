"""Steepest descent: along the negative gradient, as far as a line search allows.

    a = alpha
    while f(theta - a*g) > f(theta) - c1*a*(g @ g): a = a/2
    theta = theta - a*g

That is Armijo's search. "wolfe" asks besides that the slope be used up, and may go
farther than alpha; "exact" goes to the least point of the parabola through the start,
which is Cauchy's method for a quadratic (see `optim/line_search.py`). Behind another
transformation the line is that one's direction, as in `optax.chain(
optim.scale_by_rmsprop(), optim.steepest_descent(1.0))`; where it does not lead downhill
the step is 0.

The loss along the line is `value_fn`, which learners hand over: the mean over all
devices, on the batch of the step.

Limits, tested: with "none" it is `optim.sgd`; with "exact" a step along an axis of a
quadratic ends at its least point.

References:
    Cauchy, "Methode generale pour la resolution des systemes d'equations simultanees",
    Comptes rendus, 1847
    Armijo, "Minimization of functions having Lipschitz continuous first partial
    derivatives", Pacific Journal of Mathematics, 1966
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from optim.errors import check_range, check_rate
from optim.line_search import check_search, search_along
from optim.moments import cast, constant, zeros


class SteepestDescentState(NamedTuple):
    count: jax.Array  # int32 scalar: steps taken


def steepest_descent(
    learning_rate: optax.ScalarOrSchedule,
    line_search: str = "armijo",
    c1: float = 1e-4,
    c2: float = 0.9,
) -> optax.GradientTransformationExtraArgs:
    """Gradient descent with a line search; `value_fn` comes from the learner.

    Args:
        learning_rate: alpha, the first length to try: a number, a schedule from step
            to number, or a traced scalar; 0 stays.
        line_search: "armijo", "wolfe", "exact" or "none".
        c1: share of the gain that the slope promises, in (0, 1/2).
        c2: share of the slope that may be left ("wolfe"), in (0, 1).

    Returns:
        The optimizer; its updates have the dtype of the parameters.

    Raises:
        ValueError: the rate is negative, NaN, infinite or not a real number; c1 or c2
            is out of its range; the search is not known; and, from update, params or
            value_fn were not given.
    """
    rate = check_rate(learning_rate)
    search = check_search(line_search)
    c1 = check_range("c1", c1, 0, 0.5, "()")
    c2 = check_range("c2", c2, 0, 1, "()")

    def init(params):
        zeros(params)  # refuses what is not real floating point
        return SteepestDescentState(count=jnp.zeros((), jnp.int32))

    def update(updates, state, params=None, **extra_args):
        value_fn = extra_args.get("value_fn")
        if params is None:
            raise ValueError("steepest_descent needs params: its line starts there")
        if value_fn is None:
            raise ValueError(
                "steepest_descent needs value_fn: the loss as a function of params"
            )
        wide = zeros(params)
        x, p = cast(params, wide), jax.tree.map(jnp.negative, cast(updates, wide))

        def along(a):
            point = jax.tree.map(lambda x, p: x + a.astype(p.dtype) * p, x, p)
            return value_fn(cast(point, params)).astype(a.dtype)

        def phi(a):
            return jax.jvp(along, (a,), (jnp.ones_like(a),))

        alpha = rate(state.count) if callable(rate) else rate
        dtype = jax.eval_shape(value_fn, params).dtype
        alpha = jnp.asarray(alpha).astype(dtype)
        numbers = [constant(c, dtype) for c in (c1, c2)]
        a = search_along(search, phi, alpha, *numbers)
        a = jnp.where(alpha == 0, 0, a)
        step = jax.tree.map(lambda p: a.astype(p.dtype) * p, p)
        count = optax.safe_increment(state.count)
        return cast(step, params), SteepestDescentState(count=count)

    return optax.GradientTransformationExtraArgs(init, update)
