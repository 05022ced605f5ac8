"""Why the Lagrangian: the two objectives of a support vector machine, and their gap.

    primal   min over w, b    P = |w|^2 / 2 + sum_n C_n xi_n
                              xi_n = max(0, 1 - s_n f(x_n))
    dual     max over alpha   D = sum_n alpha_n - |w|^2 / 2,   w = sum_n beta_n phi(x_n)
             0 <= alpha_n <= C_n,   sum_n beta_n = 0,   beta_n = s_n alpha_n

With alpha_n the price of s_n f(x_n) >= 1 - xi_n, the Lagrangian minimized over w, b and
xi is D, which is below P for any alpha and any w, b. So P - D, the gap, tells how far
either is from its optimum at most, and at the optimum it is 0. There each of its terms
is 0 (complementary slackness):

    alpha_n (1 - xi_n - s_n f(x_n)) = 0      no support vector is beyond the margin
    (C_n - alpha_n) xi_n = 0                 whoever is inside it is at the bound

The margin, the strip |f| < 1, is 2 / |w| wide. b is the mean of s_n - <w, phi(x_n)>
over those with 0 < alpha_n < C_n, which lie on its edge, or the middle of what is
allowed where there are none. For an indefinite kernel (the sigmoid) |w|^2 may be
negative: there is no primal, and P - D bounds nothing.

Shapes: N examples, D features, K classes, P problems. For two classes there is no axis
P.

References:
    Cortes and Vapnik, "Support-vector networks", Machine Learning 1995,
    https://doi.org/10.1007/BF00994018
    Boyd and Vandenberghe, "Convex optimization", 2004, Section 5.5,
    https://web.stanford.edu/~boyd/cvxbook/
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from zoo.classical import kernels, smo


class SVM(NamedTuple):
    """A fitted machine; `fit` and the learner have the same."""

    x: jax.Array  # [N, D]
    kernel: kernels.Kernel
    codes: jax.Array  # int32 [P, K]: 1 where f > 0 calls the class, -1 where f < 0 does
    signs: jax.Array  # s, [P, N]; 0 where an example is none of the problem's
    upper: jax.Array  # C_n, [P, N]
    beta: jax.Array  # [P, N]
    slopes: jax.Array  # v = s - K beta, [P, N]; 0 where s is
    intercept: jax.Array  # b, [P]
    steps: jax.Array  # int32 [P]: pairs of examples that were changed
    violation: jax.Array  # of the conditions of optimality, [P]; done at the tolerance
    gap: jax.Array  # P - D, [P]


def weights(state: SVM) -> jax.Array:
    """w of a linear machine: f(x) = x w + b.

    Returns:
        [D], or [P, D].

    Raises:
        ValueError: the kernel is not linear.
    """
    if state.kernel.name != "linear":
        raise ValueError(f"kernel must be 'linear', got {state.kernel.name!r}")
    return state.beta @ state.x


def support(state: SVM) -> jax.Array:
    """Which examples the machine is made of, those with alpha_n > 0: bool [P, N]."""
    return state.beta != 0


@jax.jit
def margin(state: SVM) -> jax.Array:
    """2 / |w|, the width of the strip |f| < 1 in the space of phi: [P]."""
    return 2 / jnp.sqrt(_square(state))


@jax.jit
def slack(state: SVM) -> jax.Array:
    """xi_n, what an example lacks to its side of the margin: [P, N], >= 0."""
    return jnp.maximum(-_beyond(state), 0)


@jax.jit
def objectives(state: SVM) -> tuple[jax.Array, jax.Array]:
    """The primal and the dual objective, P and D: [P] and [P]."""
    half = _square(state) / 2
    primal = half + (state.upper * slack(state)).sum(-1)
    return primal, (state.signs * state.beta).sum(-1) - half


@jax.jit
def duality_gap(state: SVM) -> jax.Array:
    """P - D, [P], as a sum of terms >= 0, in which no digits cancel.

        sum_n (C_n - alpha_n) xi_n + alpha_n max(0, s_n f(x_n) - 1)

    It is 0 if and only if all is optimal, so its terms are complementary slackness.
    """
    return sum(complementary(state)).sum(-1)


@jax.jit
def complementary(state: SVM) -> tuple[jax.Array, jax.Array]:
    """The terms of the gap: those of the multipliers of xi_n >= 0 and of the margin.

    Returns:
        (C_n - alpha_n) xi_n and alpha_n (s_n f(x_n) - 1 + xi_n), [P, N], each >= 0.
    """
    low, high = smo.bounds(state.signs, state.upper)
    b = state.intercept[..., None]
    return smo.terms(state.beta, state.slopes, b, state.signs, low, high)


def _square(state):  # |w|^2 = beta^T K beta
    return (state.beta * (state.signs - state.slopes)).sum(-1)


def _beyond(state):  # s f - 1 = s (s - v + b) - 1 = s (b - v)
    return state.signs * (state.intercept[..., None] - state.slopes)


def machine(x, kernel, codes, signs, upper, beta, slopes, steps) -> SVM:
    """A machine of what was solved: with its intercept, violation and gap."""
    upper = jnp.broadcast_to(upper, signs.shape) * jnp.abs(signs)  # [P, N]
    low, high = smo.bounds(signs, upper)
    slopes = jnp.where(signs == 0, 0, slopes)
    state = SVM(
        x=x,
        kernel=kernel,
        codes=jnp.asarray(codes, jnp.int32),
        signs=signs,
        upper=upper,
        beta=beta,
        slopes=slopes,
        intercept=jnp.zeros(signs.shape[:-1], x.dtype),
        steps=steps,
        violation=jnp.zeros(signs.shape[:-1], x.dtype),
        gap=jnp.zeros(signs.shape[:-1], x.dtype),
    )

    each, differ = smo.intercept, smo.violation
    if signs.ndim > 1:
        each, differ = jax.vmap(each), jax.vmap(differ)
    state = state._replace(
        intercept=each(beta, slopes, low, high),
        violation=differ(beta, slopes, low, high),
    )
    return state._replace(gap=duality_gap(state))
