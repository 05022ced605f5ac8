"""Markov chains: their stationary distribution, and chains built to have a given one.

    stationary        pi = pi P            P[i, j]: the chance of j after i
    detailed balance  pi_i P_ij = pi_j P_ji for all i, j; then pi is stationary

Metropolis and Hastings turn proposals Q into a chain that is in detailed balance with
a wanted pi, of which only ratios are needed:

    accept   A_ij = min(1, pi_j Q_ji / (pi_i Q_ij));   Metropolis: Q_ij = Q_ji
    P_ij     = Q_ij A_ij for j != i,   P_ii = 1 - sum of the others

Gibbs sampling draws one coordinate after another from its distribution given the rest.
Of a Gaussian with precision matrix L that is

    x_i | rest ~ N(mu_i - sum over j != i of L_ij (x_j - mu_j) / L_ii, 1 / L_ii)

and in two dimensions of correlation rho each coordinate's autocorrelation is rho^2 for
each sweep.

A kernel is a function (key, x) -> x: one step of a chain. `sample` walks it; many
chains are `jax.vmap(sample, ...)` over keys and starts.

`stationary` finds pi as the left eigenvector of the eigenvalue 1, by linear equations
(one of pi (P - I) = 0 replaced by sum pi = 1), or by powers of (P + I) / 2, which has
the same pi and, unlike P, no period. It is unique when one set of states, and no other,
is entered and never left; states outside of it have pi = 0.

Shapes: S states, D dimensions, T steps.

References:
    Metropolis, Rosenbluth, Rosenbluth, Teller and Teller, "Equation of state
    calculations by fast computing machines", J. Chem. Phys. 21, 1953,
    https://doi.org/10.1063/1.1699114
    Hastings, "Monte Carlo sampling methods using Markov chains and their
    applications", Biometrika 57, 1970, https://doi.org/10.1093/biomet/57.1.97
    Geman and Geman, "Stochastic relaxation, Gibbs distributions, and the Bayesian
    restoration of images", IEEE TPAMI 6, 1984,
    https://doi.org/10.1109/TPAMI.1984.4767596
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from zoo.classical import checks
from zoo.errors import unknown

METHODS = ("eigenvector", "power")
Kernel = Callable[[jax.Array, jax.Array], jax.Array]


def stationary(
    transition: jax.Array,
    method: str = "eigenvector",
    tolerance: float = 1e-7,
    steps: int = 100_000,
) -> jax.Array:
    """The distribution that a chain keeps.

    Args:
        transition: P, rows of sum 1, [S, S].
        method: "eigenvector" (linear equations) or "power".
        tolerance: powers stop when a step changes pi by no more, in the sum of |.|.
        steps: powers, at most.

    Returns:
        pi, of sum 1, [S].

    Raises:
        ValueError: an unknown method; a transition that is not square, has a negative
            entry or a row of another sum than 1, or has several such distributions.
    """
    if method not in METHODS:
        raise unknown("method", method, METHODS)
    p = _transition("transition", transition)
    if not isinstance(p, jax.core.Tracer):
        _one_class(np.asarray(p))
    n = len(p)
    if method == "eigenvector":
        equations = (p.T - jnp.eye(n, dtype=p.dtype)).at[-1].set(1)
        found = jnp.linalg.solve(equations, jnp.zeros(n, p.dtype).at[-1].set(1))
        # Of states that are left for good, rounding may leave less than 0.
        found = jnp.maximum(found, 0)
        return found / found.sum()

    def step(carry):
        pi, _, count = carry
        new = (pi + jnp.matmul(pi, p, precision="highest")) / 2
        new = new / new.sum()
        return new, jnp.abs(new - pi).sum(), count + 1

    more = lambda carry: (carry[1] > tolerance) & (carry[2] < steps)
    start = jnp.full(n, 1 / n, p.dtype), jnp.array(jnp.inf, p.dtype), jnp.int32(0)
    return jax.lax.while_loop(more, step, start)[0]


def imbalance(transition: jax.Array, target: jax.Array) -> jax.Array:
    """How far a chain is from detailed balance: max of |pi_i P_ij - pi_j P_ji|.

    Args:
        transition: P, [S, S].
        target: pi, of sum 1, [S].

    Returns:
        A scalar; 0 for a chain that is reversible, with pi stationary.

    Raises:
        ValueError: a transition or target that is none, or of different S.
    """
    p = _transition("transition", transition)
    flow = _target(target, p, 1).reshape(-1, 1) * p
    return jnp.abs(flow - flow.T).max()


def metropolis_matrix(proposal: jax.Array, target: jax.Array) -> jax.Array:
    """The chain of Metropolis and Hastings, as a matrix.

    Args:
        proposal: Q, rows of sum 1, [S, S]; it need not be symmetric.
        target: pi, >= 0, of any sum, [S].

    Returns:
        P, [S, S]. A move whose way back is never proposed is never accepted, and from
        a state of pi = 0 every move that has a way back is.

    Raises:
        ValueError: a proposal or target that is none, or of different S.
    """
    q = _transition("proposal", proposal)
    forth = _target(target, q).reshape(-1, 1) * q  # pi_i Q_ij
    ratio = forth.T / jnp.where(forth > 0, forth, 1)
    accept = jnp.where(forth > 0, jnp.minimum(ratio, 1), (q.T > 0).astype(q.dtype))
    off = 1 - jnp.eye(len(q), dtype=q.dtype)
    moves = q * accept * off
    return moves + jnp.diag(1 - moves.sum(1))


def along(transition: jax.Array) -> Kernel:
    """The kernel of a transition matrix P [S, S]: from a state (an integer) to a next.

    Raises:
        ValueError: a transition that is none.
    """
    logits = jnp.log(_transition("transition", transition))

    def kernel(key, x):
        return jax.random.categorical(key, logits[x]).astype(x.dtype)

    return kernel


def metropolis(
    log_target: Callable[[jax.Array], jax.Array],
    propose: Kernel,
    log_proposal: Callable[[jax.Array, jax.Array], jax.Array] | None = None,
) -> Kernel:
    """Metropolis and Hastings: a proposal, and a coin whether to take it.

    Args:
        log_target: x -> log pi(x) up to a constant, a scalar; -inf where pi is 0.
        propose: (key, x) -> the proposed x.
        log_proposal: (x, y) -> log Q(y | x), up to a constant; None for proposals that
            are as likely forth as back.

    Returns:
        A kernel. A proposal whose ratio is NaN is refused.
    """

    def kernel(key, x):
        first, second = jax.random.split(key)
        y = propose(first, x)
        ratio = log_target(y) - log_target(x)
        if log_proposal is not None:
            ratio = ratio + log_proposal(y, x) - log_proposal(x, y)
        coin = jax.random.uniform(second, dtype=ratio.dtype)
        take = jnp.log(coin) < ratio
        return jax.tree.map(lambda a, b: jnp.where(take, a, b), y, x)

    return kernel


def gibbs_gaussian(mean: jax.Array, covariance: jax.Array) -> Kernel:
    """One sweep of Gibbs sampling of a Gaussian, coordinate after coordinate.

    Args:
        mean: mu, [D].
        covariance: [D, D], positive definite.

    Returns:
        A kernel on x [D].

    Raises:
        ValueError: shapes that do not fit; a covariance that is not symmetric and
            positive definite.
    """
    mean = checks.finite("mean", mean)
    covariance = checks.finite("covariance", covariance).astype(mean.dtype)
    if mean.ndim != 1 or covariance.shape != (len(mean), len(mean)):
        raise ValueError(
            "mean and covariance must be [D] and [D, D], got "
            f"{list(mean.shape)} and {list(covariance.shape)}"
        )
    if not isinstance(covariance, jax.core.Tracer):
        read = np.asarray(covariance, np.float64)
        values = np.linalg.eigvalsh(read)
        if not np.allclose(read, read.T, rtol=1e-5) or not values[0] > 0:
            raise ValueError(
                "covariance must be symmetric and positive definite, got eigenvalues "
                f"from {values[0]:.3g} to {values[-1]:.3g}"
            )
    precision = jnp.linalg.inv(covariance)
    diagonal = jnp.diagonal(precision)
    coupling = precision / diagonal.reshape(-1, 1)  # L_ij / L_ii, 1 on the diagonal

    def kernel(key, x):
        noise = jax.random.normal(key, x.shape, x.dtype) / jnp.sqrt(diagonal)

        def draw(i, x):
            others = coupling[i] @ (x - mean) - (x[i] - mean[i])
            return x.at[i].set(mean[i] - others + noise[i])

        return jax.lax.fori_loop(0, len(mean), draw, x)

    return kernel


def sample(key: jax.Array, kernel: Kernel, start: jax.Array, steps: int) -> jax.Array:
    """The path of a chain.

    Args:
        key: of the walk; step t has the key fold_in(key, t).
        kernel: (key, x) -> x.
        start: the first x, which is not part of the path.
        steps: T, from 1 on.

    Returns:
        [T, ...], the chain after each step; of x's type.

    Raises:
        ValueError: steps that are no positive integer.
    """
    checks.at_most("steps", steps, 2**31 - 1, "steps that can be counted")

    def step(x, t):
        x = kernel(jax.random.fold_in(key, t), x)
        return x, x

    return jax.lax.scan(step, start, jnp.arange(steps))[1]


def autocorrelation(path: jax.Array, lags: int) -> jax.Array:
    """sum over t of (x_t - m)(x_{t + l} - m) / sum over t of (x_t - m)^2, m the mean.

    Args:
        path: [T, ...]; each further place is a series of its own.
        lags: the largest l, below T.

    Returns:
        [lags + 1, ...], beginning with 1.

    Raises:
        ValueError: no path; lags out of range; a series that stands still (where that
            cannot be read, being traced, NaN).
    """
    path = checks.finite("path", path)
    if not path.ndim or not 0 <= lags < len(path):
        raise ValueError(
            f"lags must be from 0 to below the length of path, {list(path.shape)[:1]}, "
            f"got {lags}"
        )
    away = path - path.mean(0, keepdims=True)
    square = (away**2).sum(0)
    if not isinstance(square, jax.core.Tracer) and not (square > 0).all():
        raise ValueError("path must not stand still: its variance is 0")
    each = [(away[: len(path) - l] * away[l:]).sum(0) for l in range(lags + 1)]
    return jnp.stack(each) / square[None]


def _transition(name, values):
    p = checks.finite(name, values)
    if p.ndim != 2 or p.shape[0] != p.shape[1]:
        raise ValueError(f"{name} must be [S, S], got {list(p.shape)}")
    if not isinstance(p, jax.core.Tracer):
        read = np.asarray(p)
        if read.min() < 0:
            raise ValueError(f"{name} must be chances of 0 or more, got {read.min()}")
        off = np.abs(read.sum(1) - 1)
        if off.max() > 1e-4:
            raise ValueError(
                f"{name} must have rows of sum 1, got {read.sum(1)[off.argmax()]} in "
                f"row {off.argmax()}"
            )
    return p


def _target(values, p, total=None):
    pi = checks.finite("target", values).astype(p.dtype)
    if pi.shape != p.shape[:1]:
        raise ValueError(f"target must be [{len(p)}], got {list(pi.shape)}")
    if not isinstance(pi, jax.core.Tracer):
        if not pi.min() >= 0 or not pi.max() > 0:
            raise ValueError(f"target must be 0 or more, and not all 0, got {pi}")
        if total is not None and abs(pi.sum() - total) > 1e-4:
            raise ValueError(f"target must have the sum {total}, got {pi.sum()}")
    return pi


def _one_class(p) -> None:
    """Refuses a chain that can end in different sets of states."""
    reach = (p > 0) | np.eye(len(p), dtype=bool)
    for _ in range(len(p).bit_length()):  # paths of up to 2, 4, ... steps
        reach = reach.astype(np.float32) @ reach.astype(np.float32) > 0
    if not reach.all(0).any():  # is there a state that is reached from all?
        raise ValueError(
            "transition must have one stationary distribution; this chain can end in "
            "sets of states that it never leaves, more than one"
        )
