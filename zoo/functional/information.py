"""Information, in nats or bits, of distributions over finitely many values.

    self-information    I(x)    = -log p(x)
    entropy             H(p)    = -sum_x p(x) log p(x)
    cross-entropy       H(p, q) = -sum_x p(x) log q(x)
    relative entropy    D(p, q) = sum_x p(x) log(p(x) / q(x)) = H(p, q) - H(p)
    Jensen-Shannon      J(p, q) = D(p, m) / 2 + D(q, m) / 2,  m = (p + q) / 2
    mutual information  I(X; Y) = D(p(x, y), p(x) p(y)) = H(X) + H(Y) - H(X, Y)
    code                L = sum_x p(x) l(x),  sum_x b^-l(x) <= 1  (Kraft)

The base of the logarithm is an argument: e for nats, 2 for bits. 0 log 0 is 0, and its
gradient, which has no limit, is 0 too: a value that does not occur stays out. Where q
is 0 and p is not, cross-entropy and relative entropy are infinite, and so are their
gradients.

Distributions lie along the last axis and are taken as given: whoever has counts divides
them by their sum first. Cross-entropy as a loss, of logits, is `cross_entropy`.

Two identities, executed in the tests. With labels 1 for x from p and 0 for x from q,
the objective of a GAN is the log-likelihood of its discriminator,

    V(D) = sum_x p(x) log D(x) + q(x) log(1 - D(x)),

greatest at D = p / (p + q), where it is 2 J(p, q) - 2 log 2.

Shapes: K values of one variable, X and Y values of two.

References:
    Shannon, "A mathematical theory of communication", Bell System Technical Journal
    1948, https://doi.org/10.1002/j.1538-7305.1948.tb01338.x
    Kullback and Leibler, "On information and sufficiency", Annals of Mathematical
    Statistics 1951, https://doi.org/10.1214/aoms/1177729694
    Lin, "Divergence measures based on the Shannon entropy", IEEE Transactions on
    Information Theory 1991, https://doi.org/10.1109/18.61115
    Goodfellow et al., "Generative adversarial nets", NeurIPS 2014,
    https://arxiv.org/abs/1406.2661, Theorem 1
"""

import math

import jax
import jax.numpy as jnp


def self_information(p: jax.Array, base: float = math.e) -> jax.Array:
    """How surprising something of a probability is.

    Args:
        p: probabilities, [...].
        base: of the logarithm.

    Returns:
        [...], >= 0; infinity where p is 0.

    Raises:
        ValueError: a base that is not above 1.
    """
    return -jnp.log(p) / log_base(base)


def entropy(p: jax.Array, base: float = math.e) -> jax.Array:
    """The mean surprise: from 0, for one sure value, to log K, where all are alike.

    Args:
        p: distributions, [..., K].
        base: of the logarithm.

    Returns:
        [...].

    Raises:
        ValueError: a base that is not above 1.
    """
    return -times_log(p, p).sum(-1) / log_base(base)


def cross_entropy_between(
    p: jax.Array, q: jax.Array, base: float = math.e
) -> jax.Array:
    """The mean surprise at values from p of one who believes in q.

    Args:
        p: distributions from which the values are, [..., K].
        q: distributions that are believed in, [..., K].
        base: of the logarithm.

    Returns:
        [...]; infinity where a value occurs that is thought impossible.

    Raises:
        ValueError: p and q of different shapes; a base that is not above 1.
    """
    _same_shape(p, q)
    return -times_log(p, q).sum(-1) / log_base(base)


def relative_entropy(p: jax.Array, q: jax.Array, base: float = math.e) -> jax.Array:
    """The Kullback-Leibler divergence: what believing in q costs where p is right.

    Args:
        p: distributions from which the values are, [..., K].
        q: distributions that are believed in, [..., K].
        base: of the logarithm.

    Returns:
        [...], >= 0, and 0 only for p = q; not symmetric; infinity where a value occurs
        that is thought impossible.

    Raises:
        ValueError: p and q of different shapes; a base that is not above 1.
    """
    _same_shape(p, q)
    return (times_log(p, p) - times_log(p, q)).sum(-1) / log_base(base)


def jensen_shannon(p: jax.Array, q: jax.Array, base: float = math.e) -> jax.Array:
    """The mean divergence from the middle of two distributions.

    Args:
        p: distributions, [..., K].
        q: distributions, [..., K].
        base: of the logarithm.

    Returns:
        [...], from 0 to log 2, symmetric, never infinite. Its root is a distance.

    Raises:
        ValueError: p and q of different shapes; a base that is not above 1.
    """
    _same_shape(p, q)
    m = jnp.asarray((p + q) / 2)
    m = jnp.maximum(m, jnp.finfo(m.dtype).tiny)  # of which the half would be 0
    each = times_log(p, p) - times_log(p, m) + times_log(q, q) - times_log(q, m)
    return each.sum(-1) / (2 * log_base(base))


def mutual_information(joint: jax.Array, base: float = math.e) -> jax.Array:
    """What one of two variables tells of the other.

    Args:
        joint: the probability of each pair of values, [..., X, Y].
        base: of the logarithm.

    Returns:
        [...], from 0, for independent variables, to the smaller entropy.

    Raises:
        ValueError: no table of two variables; a base that is not above 1.
    """
    if joint.ndim < 2:
        raise ValueError(f"joint must be [..., X, Y], got shape {joint.shape}")
    x, y = joint.sum(-1, keepdims=True), joint.sum(-2, keepdims=True)
    # Not of the product: of two rare values it may be 0 where the pair is not.
    each = times_log(joint, joint) - times_log(joint, jnp.broadcast_to(x, joint.shape))
    each = each - times_log(joint, jnp.broadcast_to(y, joint.shape))
    return each.sum((-2, -1)) / log_base(base)


def average_code_length(p: jax.Array, lengths: jax.Array) -> jax.Array:
    """Letters that a message takes for each value, in the long run.

    No code that can be read has less than `entropy`, in the base of its alphabet;
    with the lengths `self_information(q)` it is `cross_entropy_between(p, q)`.

    Args:
        p: distributions, [..., K].
        lengths: of each value's word, [..., K]; of one that does not occur, anything.

    Returns:
        [...].

    Raises:
        ValueError: p and lengths of different shapes.
    """
    if p.shape != lengths.shape:
        raise ValueError(
            f"p and lengths must have one shape, got {p.shape} and {lengths.shape}"
        )
    p = jnp.asarray(p)
    lengths = jnp.where(p == 0, 0, jnp.asarray(lengths).astype(p.dtype))
    return (p * lengths).sum(-1)


def shannon_code_lengths(p: jax.Array) -> jax.Array:
    """Lengths of a binary code that is within one bit of the entropy: ceil(-log2 p).

    Args:
        p: distributions, [..., K].

    Returns:
        [..., K], whole numbers as floats; infinity where p is 0.
    """
    # p = m 2^exponent, 1/2 <= m < 1: exact, unlike log2.
    m, exponent = jnp.frexp(p)
    return jnp.where(p == 0, jnp.inf, (1 - exponent).astype(m.dtype))


def kraft_sum(lengths: jax.Array, base: float = 2.0) -> jax.Array:
    """At most 1 for a code of which no word begins another; else there is none.

    Args:
        lengths: of the words, [..., K]; infinity for a value without one.
        base: letters of the alphabet.

    Returns:
        [...].

    Raises:
        ValueError: a base that is not above 1.
    """
    return jnp.exp(-lengths * log_base(base)).sum(-1)


def times_log(p: jax.Array, q: jax.Array) -> jax.Array:
    """p log q, and 0 where p is 0, also in its gradient; elementwise."""
    none = p == 0
    return jnp.where(none, 0, p * jnp.log(jnp.where(none, 1, q)))


def log_base(base: float) -> float:
    """The divisor that turns nats into the units of a base."""
    if not base > 1:
        raise ValueError(f"base must be above 1, such as 2 or e, got {base}")
    return math.log(base)


def _same_shape(p, q):
    if p.shape != q.shape or not p.ndim:
        raise ValueError(
            f"p and q must have one shape, [..., K], got {p.shape} and {q.shape}"
        )
