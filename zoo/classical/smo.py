"""Sequential minimal optimization: the dual of a support vector machine, by pairs.

    max over beta   D = <s, beta> - beta^T K beta / 2
    where           lo <= beta <= hi,   sum beta = 0

beta_n = s_n alpha_n for the classes s_n = 1, where 0 <= beta_n <= C_n, and s_n = -1,
where -C_n <= beta_n <= 0. Let v = s - K beta, the slope of D. One beta can rise only
where another falls; a pair is chosen by what it gains when no bound is in the way:

    i = argmax of v over beta < hi
    j = argmax of (v_i - v_j)^2 / a_ij over beta > lo, v_j < v_i
                                       a_ij = K_ii + K_jj - 2 K_ij
    t = min((v_i - v_j) / a_ij,  hi_i - beta_i,  beta_j - lo_j)
    beta_i = beta_i + t,   beta_j = beta_j - t,   v = v - t (K_i - K_j)

beta is optimal when max v (over beta < hi) - min v (over beta > lo), the violation, is
at most 0; it is done when it is at most the tolerance, as in LIBSVM. Of a beta with
sum 0 the primal objective P is known too, so that it may go on until P - D is at most a
share of P: then D is as near to its maximum, whatever the scale of K, C and N.

An indefinite kernel has pairs with a_ij <= 0, along which D has no maximum: there
a_ij = 1e-12, so that the step ends at a bound, as in LIBSVM. What is found is then a
point where no pair gains, not the maximum.

A pair costs little, and starting the kernels of a loop costs as much. So of many
examples a block is solved at a time, that of the B / 2 largest v that may rise and the
B / 2 smallest that may fall: pairs among these see B numbers, and v as a whole is
brought up to date when the block is done. Of few examples the block is all. From time
to time v is computed anew from beta, so that rounding does not pile up; the violation
that counts is measured there. Where rounding hides it (in float32, beyond some 1e-6 of
max |K beta|), D ceases to rise, and the loop ends without having met the tolerance.

Shapes: N examples, B of a block.

References:
    Platt, "Fast training of support vector machines using sequential minimal
    optimization", in Advances in kernel methods, 1998
    Keerthi, Shevade, Bhattacharyya and Murthy, "Improvements to Platt's SMO algorithm
    for SVM classifier design", Neural Computation 2001,
    https://doi.org/10.1162/089976601300014493 (the violation)
    Fan, Chen and Lin, "Working set selection using second order information for
    training support vector machines", JMLR 2005,
    https://www.jmlr.org/papers/v6/fan05a.html (the pair)
    Joachims, "Making large-scale SVM learning practical", in Advances in kernel
    methods, 1998 (the block)
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from zoo.classical.kernels import Kernel, gram

TAU = 1e-12  # in place of a curvature that is not positive
WHOLE = 512  # of so many examples the block is all
BLOCK = 64  # of more
HELD = 8192  # of so many examples the Gram matrix is held, 256 MiB in float32
CYCLE = 4096  # pairs between two computations of v
STALE = 10  # such cycles in a row in which D may fail to rise
FINER = 4  # by this the violation to be reached falls while P - D is too wide
SHARE = 0.3  # of the violation, which a block's own is brought below


class Dual(NamedTuple):
    """A problem, without its solution; vectors are [N]."""

    signs: jax.Array  # s: 1, -1, or 0 where an example is none of the problem's
    low: jax.Array  # lo
    high: jax.Array  # hi
    times: Callable  # beta -> K beta
    improve: Callable  # (beta, v, tolerance, pairs) -> (beta, pairs taken)


def dual(
    kernel: Kernel, x: jax.Array, signs: jax.Array, upper: jax.Array, block: int | None
) -> Dual:
    """The problem of two classes.

    Args:
        kernel: K.
        x: [N, D].
        signs: s, [N]: 1, -1, or 0 for an example that is left out.
        upper: C_n, [N], >= 0.
        block: B, a static integer >= 2; None chooses.
    """
    n = len(x)
    low, high = bounds(signs, upper)
    block = block or (n if n <= WHOLE else BLOCK)
    if n <= HELD:
        K = gram(kernel, x, x)
        rows, times = lambda at: K[at], lambda beta: K @ beta
    else:
        block = min(block, HELD)
        rows = lambda at: gram(kernel, x[at], x)
        one = lambda point, beta: gram(kernel, point[None], x)[0] @ beta
        times = lambda beta: jax.lax.map(lambda p: one(p, beta), x, batch_size=BLOCK)

    def improve(beta, v, tolerance, pairs):
        if block >= n:
            beta, _, count = improve_pairs(K, beta, v, low, high, tolerance, pairs)
            return beta, count
        return improve_blocks(rows, beta, v, low, high, tolerance, pairs, block)

    return Dual(signs=signs, low=low, high=high, times=times, improve=improve)


def bounds(signs: jax.Array, upper: jax.Array) -> tuple[jax.Array, jax.Array]:
    """lo and hi of beta, each like `signs`."""
    return jnp.where(signs < 0, -upper, 0), jnp.where(signs > 0, upper, 0)


def solve(
    problem: Dual,
    tolerance: jax.Array,
    pairs: int | jax.Array,
    share: float | jax.Array = jnp.inf,
):
    """From beta = 0 until the violation is at most the tolerance, or D ceases to rise.

    Args:
        problem: of `dual`.
        tolerance: > 0.
        pairs: at most so many.
        share: of P that P - D may be at most, > 0.

    Returns:
        beta and v, [N], and the number of pairs, int32.
    """
    signs, low, high = problem.signs, problem.low, problem.high

    def more(carry):
        _, _, met, _, count, _, stale = carry
        return ~met & (count < pairs) & (stale < STALE)

    def cycle(carry):
        beta, v, _, aim, count, best, stale = carry
        few = jnp.minimum(CYCLE, pairs - count)
        beta, taken = problem.improve(beta, v, aim, few)
        v = signs - problem.times(beta)
        value = beta @ (signs + v) / 2  # D
        stale = jnp.where(value > best, 0, stale + 1)
        rest, wide = violation(beta, v, low, high), gap(beta, v, signs, low, high)
        met = (rest <= tolerance) & (wide <= share * (value + wide))
        aim = jnp.where(
            rest <= aim, aim / FINER, aim
        )  # where the gap is still too wide
        return beta, v, met, aim, count + taken, jnp.maximum(value, best), stale

    zero, nothing = jnp.zeros((), jnp.int32), jnp.zeros((), signs.dtype)
    begun = (tolerance + nothing, zero, nothing, zero)
    start = (jnp.zeros_like(signs), signs, jnp.zeros((), bool), *begun)
    beta, v, *_, count, _, _ = jax.lax.while_loop(more, cycle, start)
    return beta, v, count


def violation(
    beta: jax.Array, v: jax.Array, low: jax.Array, high: jax.Array
) -> jax.Array:
    """By how much the best pair's slopes differ; -inf where no pair can move.

    Args:
        beta: [N].
        v: s - K beta, [N].
        low: lo, [N].
        high: hi, [N].
    """
    most, least = extremes(beta, v, low, high)
    return most - least


def extremes(beta, v, low, high):
    """The largest v that may rise, and the smallest that may fall."""
    most = jnp.where(beta < high, v, -jnp.inf).max()
    return most, jnp.where(beta > low, v, jnp.inf).min()


def intercept(beta, v, low, high):
    """b: the mean v of those inside their bounds, or the middle of what is allowed."""
    free = (low < beta) & (beta < high)
    count = free.sum().astype(v.dtype)
    mean = jnp.where(free, v, 0).sum() / jnp.where(count > 0, count, 1)
    most, least = extremes(beta, v, low, high)
    # Where a class is missing, one end is infinite: all are of the other.
    most, least = (
        jnp.where(jnp.isfinite(a), a, jnp.where(jnp.isfinite(b), b, 0))
        for a, b in ((most, least), (least, most))
    )
    return jnp.where(count > 0, mean, (most + least) / 2)


def terms(beta, v, b, signs, low, high):
    """P - D = sum_n (C_n - alpha_n) xi_n + alpha_n max(0, s_n f_n - 1), by its terms.

    Each is >= 0, so no digits cancel, and 0 at the optimum: complementary slackness.

    Args:
        beta, v, signs, low, high: [N].
        b: the intercept, a scalar, or something that broadcasts.

    Returns:
        The two of each example, [N] and [N].
    """
    alpha, beyond = jnp.abs(beta), signs * (b - v)  # s f - 1 = s (s - v + b) - 1
    inside = (high - low - alpha) * jnp.maximum(-beyond, 0)
    return inside, alpha * jnp.maximum(beyond, 0)


def gap(beta, v, signs, low, high):
    """P - D, with the intercept that `intercept` finds."""
    b = intercept(beta, v, low, high)
    return sum(part.sum() for part in terms(beta, v, b, signs, low, high))


def improve_pairs(K, beta, v, low, high, tolerance, pairs):
    """Pairs among all of a few examples, until the tolerance is met.

    Args:
        K: [N, N].
        beta, v, low, high: [N].
        tolerance: a scalar.
        pairs: at most so many.

    Returns:
        beta, v and the number of pairs taken.
    """
    diagonal, index = jnp.diagonal(K), jnp.arange(len(v))

    def more(carry):
        _, _, gap, count = carry
        return (gap > tolerance) & (count < pairs)

    def pair(carry):
        beta, v, _, count = carry
        rising = jnp.where(beta < high, v, -jnp.inf)
        i = jnp.argmax(rising)
        gap = rising[i] - jnp.where(beta > low, v, jnp.inf).min()
        more = gap > tolerance  # else this pair is none, and the loop ends
        drop = v[i] - v
        curve = diagonal[i] + diagonal - 2 * K[i]
        curve = jnp.where(curve > 0, curve, TAU)
        falls = (beta > low) & (drop > 0)
        j = jnp.argmax(jnp.where(falls, drop * drop / curve, -1))
        room_i, room_j = high[i] - beta[i], beta[j] - low[j]
        t = jnp.minimum(drop[j] / curve[j], jnp.minimum(room_i, room_j))
        t = jnp.where(more, t, 0)
        end_i = jnp.where(t >= room_i, high[i], beta[i] + t)  # a bound is met exactly
        end_j = jnp.where(t >= room_j, low[j], beta[j] - t)
        beta = jnp.where(index == i, end_i, jnp.where(index == j, end_j, beta))
        v = v - t * (K[i] - K[j])
        return beta, v, gap, count + more.astype(jnp.int32)

    start = (beta, v, jnp.full_like(v[0], jnp.inf), jnp.zeros((), jnp.int32))
    beta, v, _, count = jax.lax.while_loop(more, pair, start)
    return beta, v, count


def improve_blocks(rows, beta, v, low, high, tolerance, pairs, block):
    """Blocks of examples in turn, until the tolerance is met.

    Args:
        rows: indices [B] -> these rows of K, [B, N].
        beta, v, low, high: [N].
        tolerance: a scalar.
        pairs: at most so many.
        block: B.

    Returns:
        beta and the number of pairs taken.
    """

    def more(carry):
        _, _, gap, count = carry
        return (gap > tolerance) & (count < pairs)

    def solve_block(carry):
        beta, v, _, count = carry
        gap = violation(beta, v, low, high)
        at = working_set(beta, v, low, high, block)
        some = rows(at)  # [B, N]
        old = beta[at]
        # Of the whole problem's violation a share is enough: the rest changes anyway.
        enough = jnp.maximum(tolerance, SHARE * gap)
        new, _, taken = improve_pairs(
            some[:, at], old, v[at], low[at], high[at], enough, pairs - count
        )
        beta = beta.at[at].set(new)
        return beta, v - (new - old) @ some, gap, count + taken

    start = (beta, v, jnp.full_like(v[0], jnp.inf), jnp.zeros((), jnp.int32))
    beta, _, _, count = jax.lax.while_loop(more, solve_block, start)
    return beta, count


def working_set(beta, v, low, high, block):
    """Different indices, [B]: the largest v that may rise, the smallest that may fall.

    Where too few of them may, others fill the block. Whoever is in the first half for
    its v is not in the second, but it is in the block: so it holds the best pair.
    """
    half = block // 2
    rising = jnp.where(beta < high, v, -jnp.inf)
    _, first = jax.lax.top_k(rising, half)
    none = -jnp.finfo(v.dtype).max  # above -inf, which those of the first half have
    falling = jnp.where(beta > low, -v, none).at[first].set(-jnp.inf)
    _, second = jax.lax.top_k(falling, block - half)
    return jnp.concatenate([first, second])
