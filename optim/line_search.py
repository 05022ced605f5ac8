"""Line searches: how far to go along a direction p in which f falls.

With phi(a) = f(x + a*p), a step length a is accepted when

    phi(a) <= phi(0) + c1*a*phi'(0)        Armijo: enough is gained
    |phi'(a)| <= c2*|phi'(0)|              strong Wolfe: and the slope is used up

    armijo   halves a until the first line holds
    wolfe    brackets, then interpolates by cubics, until both hold
    exact    one Newton step on phi: a = -phi'(0) / phi''(0), the least point of a
             quadratic
    none     takes a as it is

Where the values differ by no more than their rounding, the gain is read off the slopes,
as Hager and Zhang do: (phi(a) - phi(0))/a is near (phi'(a) + phi'(0))/2, so that there

    phi'(a) <= (2*c1 - 1)*phi'(0)          stands for Armijo's condition

Else no step would be found where f is flat to its last digits but its gradient is not
yet small.

References:
    Armijo, "Minimization of functions having Lipschitz continuous first partial
    derivatives", Pacific Journal of Mathematics, 1966
    Nocedal and Wright, "Numerical optimization", 2nd edition, 2006, Algorithms 3.1,
    3.5 and 3.6
    Hager and Zhang, "A new conjugate gradient method with guaranteed descent and an
    efficient line search", SIAM Journal on Optimization, 2005,
    https://doi.org/10.1137/030601880
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from optim.errors import unknown

SEARCHES = ("armijo", "exact", "none", "wolfe")
LIMIT = 30  # evaluations
ROUNDING = 1000  # of values, in units of their last digit


def check_search(name: str) -> str:
    """The name, if it is a line search's."""
    if name not in SEARCHES:
        raise unknown("line_search", name, SEARCHES)
    return name


def step_length(
    name: str,
    f: Callable[[jax.Array], jax.Array],
    x: jax.Array,
    p: jax.Array,
    alpha: float | jax.Array = 1.0,
    c1: float = 1e-4,
    c2: float = 0.9,
) -> jax.Array:
    """The step length along p.

    Args:
        name: one of `SEARCHES`.
        f: the objective, [n] -> scalar.
        x: the point, [n].
        p: the direction, [n].
        alpha: the first length to try.
        c1: share of the gain that the slope promises, in (0, 1/2).
        c2: share of the slope that may be left, in (c1, 1).

    Returns:
        The length, a scalar; 0 if none was found, as where p does not point downhill.
    """

    def phi(a):
        return jax.jvp(lambda a: f(x + a * p), (a,), (jnp.ones_like(a),))

    return search_along(name, phi, jnp.asarray(alpha, x.dtype), c1, c2)


def search_along(
    name: str,
    phi: Callable[[jax.Array], tuple[jax.Array, jax.Array]],
    alpha: jax.Array,
    c1: float | jax.Array = 1e-4,
    c2: float | jax.Array = 0.9,
) -> jax.Array:
    """The step length, where phi gives the value and the slope at a length."""
    zero = jnp.zeros_like(alpha)
    value, slope = phi(zero)
    if name == "armijo":
        found = armijo(phi, value, slope, alpha, c1)
    elif name == "wolfe":
        found = wolfe(phi, value, slope, alpha, c1, c2)
    elif name == "exact":
        curvature = jax.jvp(lambda a: phi(a)[1], (zero,), (jnp.ones_like(zero),))[1]
        bowl = curvature > 0
        found = jnp.where(bowl, -slope / jnp.where(bowl, curvature, 1), 0)
    else:
        return alpha
    return jnp.where(slope < 0, found, 0)


def armijo(
    phi: Callable[[jax.Array], tuple[jax.Array, jax.Array]],
    value: jax.Array,
    slope: jax.Array,
    alpha: jax.Array,
    c1: float,
) -> jax.Array:
    """The first of alpha, alpha/2, alpha/4, ... that gains enough; 0 if none does."""

    def enough(a):
        return _gains(a, *phi(a), value, slope, c1)

    def more(carry):
        _, tries, found = carry
        return ~found & (tries < LIMIT)

    def body(carry):
        a, tries, _ = carry
        return a / 2, tries + 1, enough(a / 2)

    carry = (alpha, jnp.ones((), jnp.int32), enough(alpha))
    a, _, found = jax.lax.while_loop(more, body, carry)
    return jnp.where(found, a, 0)


def wolfe(
    phi: Callable[[jax.Array], tuple[jax.Array, jax.Array]],
    value: jax.Array,
    slope: jax.Array,
    alpha: jax.Array,
    c1: float,
    c2: float,
) -> jax.Array:
    """A length that satisfies the strong Wolfe conditions.

    The interval between `low` and `high` holds such lengths as soon as it is
    bracketed; `low` is the best length so far that gains enough, and is what is
    returned when the evaluations run out.
    """

    def more(carry):
        *_, tries, found = carry
        return ~found & (tries < LIMIT)

    def body(carry):
        a, low, high, bracketed, tries, _ = carry
        v, s = phi(a)
        gains = _gains(a, v, s, value, slope, c1, low[1])
        found = gains & (jnp.abs(s) <= -c2 * slope)
        ahead = ~bracketed | (high[0] > low[0])
        past = jnp.where(ahead, s >= 0, s <= 0)  # the least point lies behind a
        here, end = (a, v, s), jax.tree.map(_pick(past), low, high)
        low, high = (
            jax.tree.map(_pick(gains), here, low),
            jax.tree.map(_pick(gains), end, here),
        )
        bracketed = bracketed | ~gains | past
        following = jnp.where(bracketed, _between(low, high), 2 * a)
        return jnp.where(found, a, following), low, high, bracketed, tries + 1, found

    start = (jnp.zeros_like(alpha), value, slope)
    no = jnp.zeros((), bool)
    carry = (alpha, start, start, no, jnp.zeros((), jnp.int32), no)
    _, low, *_ = jax.lax.while_loop(more, body, carry)
    return low[0]  # where found, low is what was found


def _gains(a, v, s, value, slope, c1, best=jnp.inf):
    """Armijo's condition, and v <= best; by the slopes where values are rounding."""
    plain = (v <= value + c1 * a * slope) & (v <= best)  # False for NaN
    rounding = ROUNDING * jnp.finfo(value.dtype).eps * jnp.abs(value)
    near = jnp.abs(v - value) <= rounding
    return jnp.where(near, s <= (2 * c1 - 1) * slope, plain)


def _pick(first: jax.Array) -> Callable:
    return lambda a, b: jnp.where(first, a, b)


def _between(low: tuple, high: tuple) -> jax.Array:
    """The least point of the cubic through both ends, or the middle if that is near
    an end or does not exist."""
    (a, v, s), (b, w, t) = low, high
    width = jnp.where(b == a, 1, b - a)
    d1 = s + t + 3 * (v - w) / width
    root = jnp.sign(width) * jnp.sqrt(jnp.maximum(d1**2 - s * t, 0))
    share = t - s + 2 * root
    cubic = b - width * (t + root - d1) / jnp.where(share == 0, 1, share)
    inside = jnp.abs(cubic - (a + b) / 2) <= 0.4 * jnp.abs(b - a)  # False for NaN
    return jnp.where(inside, cubic, (a + b) / 2)
