"""LDA by variational Bayes: coordinate ascent on a lower bound of log p(w).

    q(phi_k) = Dirichlet(lambda_k), q(theta_d) = Dirichlet(gamma_d), q(z_dw) = varphi_dw

    varphi_dwk ~ exp(E log theta_dk + E log phi_kw)
    gamma_dk   = alpha + sum over w of c_dw varphi_dwk          E: these two, in turns
    lambda_kw  = beta + sum over d of c_dw varphi_dwk           M
    E log theta_dk = psi(gamma_dk) - psi(sum over k of gamma_dk)       likewise phi

    bound = sum over d, w of c_dw log sum_k exp(E log theta_dk + E log phi_kw)
          + sum over d of E log p(theta_d) / q(theta_d) + likewise of phi_k

Each step begins the E part anew, at gamma = 1. Begun where the step before has ended
(`warm`), no step lowers the bound, but documents stay with the topics that they went to
first, while these were alike: on three planted topics, where the other form ends at
-1,555 nats from each of five starts, that ended at -1,730 to -1,900 (tested).
scikit-learn begins it at draws of Gamma(100, 1 / 100). The first lambda are exp(0.1 x),
x normal, which is about that.

A document's turns end when gamma changes by less than `tolerance` in the mean over
topics, or after so many.

varphi needs only ratios between topics, so each word's largest exp(E log phi_kw) counts
as 1: those of a word that no document had are all about exp(-1 / beta). scikit-learn
adds 2e-16 to their sum instead, which leaves such words out of new documents.

Counts are dense, D V numbers.

Shapes: D documents, V words of the vocabulary, K topics.

References:
    Blei, Ng and Jordan, "Latent Dirichlet allocation", JMLR 2003,
    https://jmlr.org/papers/v3/blei03a.html
    Hoffman, Blei and Bach, "Online learning for latent Dirichlet allocation", NIPS
    2010, https://papers.nips.cc/paper/3902 (its batch form)
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import digamma, gammaln

from zoo.classical import checks
from zoo.classical.lda import priors
from zoo.classical.seeding import positive
from zoo.functional.rows import put_rows, take_rows
from zoo.learner import Learner


class VariationalState(NamedTuple):
    step: jax.Array  # int32 scalar: steps taken
    documents: jax.Array  # gamma, [D, K]
    words: jax.Array  # lambda, [K, V]
    bound: jax.Array  # before the last step, nats a token; -inf at first
    gain: jax.Array  # the least that a step has raised it by, so far; inf at first


def learner(
    topics: int,
    alpha: float | None = None,
    beta: float = 0.1,
    turns: int = 100,
    tolerance: float = 1e-3,
    gain: float = 1e-4,
    warm: bool = False,
    axis_name: str | None = None,
) -> Learner:
    """Variational Bayes, an E and an M part a step; its batch is the whole corpus.

    Args:
        topics: K.
        alpha: of the prior of a document's topics, > 0; None: 50 / K.
        beta: of the prior of a topic's words, > 0.
        turns: of the E part, at most.
        tolerance: of these, >= 0.
        gain: done when a step raises the bound by no more, in nats a token.
        warm: begin the E part at the last gamma, not at 1.
        axis_name: the axis over which the documents are split, or None.

    Returns:
        A learner, with done, of batches with `x`, counts [D, V], and `index`, the
        documents' numbers 0 to D - 1. Its metric is `bound`: before the step in nats,
        and the number of tokens.

    Raises:
        ValueError: K or turns below 1; an alpha or beta not above 0; a tolerance below
            0; at init, counts that are not [D, V], negative, or all 0.
    """
    alpha, beta = priors(topics, alpha, beta)
    positive("turns", turns)
    for name, value in (("tolerance", tolerance), ("gain", gain)):
        if not isinstance(value, jax.core.Tracer) and not value >= 0:
            raise ValueError(f"{name} must be 0 or more, got {value}")
    total = lambda tree: jax.lax.psum(tree, axis_name) if axis_name else tree

    def init(key, batch):
        x = _counts(batch["x"])
        noise = jax.random.normal(key, (topics, x.shape[1]), x.dtype)
        return VariationalState(
            step=jnp.zeros((), jnp.int32),
            documents=jnp.ones((len(x), topics), x.dtype),
            words=jnp.exp(0.1 * noise),
            bound=jnp.full((), -jnp.inf, x.dtype),
            gain=jnp.full((), jnp.inf, x.dtype),
        )

    def step(state, batch):
        x, index = _floats(batch["x"]), batch["index"]
        gamma = take_rows(state.documents, index, axis_name)
        value = total(_documents_bound(x, gamma, state.words, alpha))
        value = value + _prior_bound(state.words, beta)
        tokens = total(x.sum())
        start = gamma if warm else jnp.ones_like(gamma)
        gamma = _expectation(x, start, state.words, alpha, turns, tolerance)
        theta, _ = _scaled(_log_mean(gamma), 1)
        phi, _ = _scaled(_log_mean(state.words), 0)
        sums = jnp.matmul(theta.T, _shares(x, theta, phi), precision=HIGH)
        new = VariationalState(
            step=state.step + 1,
            documents=put_rows(state.documents, index, gamma, axis_name),
            words=beta + total(sums) * phi,
            bound=value / tokens,
            gain=jnp.minimum(state.gain, value / tokens - state.bound),
        )
        return new, {"bound": (value, tokens)}

    def done(state):
        return ~(state.gain > gain)  # also where it is NaN

    split = VariationalState(step=-1, documents=0, words=-1, bound=-1, gain=-1)
    return Learner(init=init, step=step, done=done, split=split)


def fit(
    key: jax.Array,
    x: jax.Array,
    topics: int,
    alpha: float | None = None,
    beta: float = 0.1,
    turns: int = 100,
    tolerance: float = 1e-3,
    gain: float = 1e-4,
    warm: bool = False,
    steps: int = 100,
) -> VariationalState:
    """The state when done, or after so many steps.

    Args:
        key: of the start.
        x: counts, [D, V].
        topics: K.
        alpha, beta, turns, tolerance, gain, warm: as for `learner`.
        steps: at most, from 1 on.

    Raises:
        ValueError: as `learner`; steps below 1.
    """
    x = _counts(x)
    positive("steps", steps)
    alpha, beta = priors(topics, alpha, beta)
    learner(topics, alpha, beta, turns, tolerance, gain)  # checks
    return _fit(key, x, alpha, beta, tolerance, gain, steps, topics, turns, warm)


@functools.partial(jax.jit, static_argnums=(7, 8, 9))
def _fit(key, x, alpha, beta, tolerance, gain, steps, topics, turns, warm):
    bayes = learner(topics, alpha, beta, turns, tolerance, gain, warm)
    batch = {"x": x, "index": jnp.arange(len(x), dtype=jnp.int32)}
    return jax.lax.while_loop(
        lambda state: (state.step < steps) & ~bayes.done(state),
        lambda state: bayes.step(state, batch)[0],
        bayes.init(key, batch),
    )


def infer(
    state: VariationalState,
    x: jax.Array,
    alpha: float,
    turns: int = 100,
    tolerance: float = 1e-3,
) -> jax.Array:
    """gamma of documents, known or new, given the words of the topics.

    Args:
        state: of a fit.
        x: counts, [D, V].
        alpha: of the prior, > 0.
        turns, tolerance: as for `learner`.

    Returns:
        [D, K]; a row over its sum is the expected theta.

    Raises:
        ValueError: counts of another V, negative, or all 0; an alpha not above 0.
    """
    x = _counts(x)
    k, v = state.words.shape
    if x.shape[1] != v:
        raise ValueError(f"x must be [D, {v}], got {list(x.shape)}")
    priors(k, alpha, 1)
    positive("turns", turns)
    ones = jnp.ones((len(x), k), x.dtype)
    return _infer(x, ones, state.words, alpha, turns, tolerance)


def bound(state: VariationalState, x: jax.Array, alpha: float, beta: float):
    """The lower bound of log p(w), in nats, a scalar.

    Args:
        state: with the gamma of these documents.
        x: counts, [D, V].
        alpha, beta: of the priors.
    """
    return _bound(_counts(x), state.documents, state.words, alpha, beta)


def phi(state: VariationalState) -> jax.Array:
    """The words of each topic, expected: [K, V], rows of sum 1."""
    return state.words / state.words.sum(1, keepdims=True)


def theta(state: VariationalState) -> jax.Array:
    """The topics of each document, expected: [D, K], rows of sum 1."""
    return state.documents / state.documents.sum(1, keepdims=True)


HIGH = "highest"


def _log_mean(alpha):  # [..., K] -> [..., K]
    """E log of a Dirichlet's shares."""
    return digamma(alpha) - digamma(alpha.sum(-1, keepdims=True))


def _scaled(logs, axis):
    """exp of them with the largest along the topics as 1, and that largest."""
    top = logs.max(axis, keepdims=True)
    return jnp.exp(logs - top), top


def _shares(x, theta, phi):  # [D, V]
    """c_dw / sum_k theta_dk phi_kw."""
    norm = jnp.matmul(theta, phi, precision=HIGH)
    return x / (norm + jnp.finfo(x.dtype).tiny)


def _expectation(x, gamma, words, alpha, turns, tolerance):
    """gamma [D, K] after the turns of the E part."""
    phi, _ = _scaled(_log_mean(words), 0)

    def turn(carry):
        i, gamma, moving = carry
        theta, _ = _scaled(_log_mean(gamma), 1)
        new = jnp.matmul(_shares(x, theta, phi), phi.T, precision=HIGH)
        new = jnp.where(moving.reshape(-1, 1), alpha + theta * new, gamma)
        change = jnp.abs(new - gamma).mean(1)
        return i + 1, new, moving & ~(change < tolerance)

    start = jnp.int32(0), gamma, jnp.ones(len(x), bool)
    more = lambda carry: (carry[0] < turns) & carry[2].any()
    return jax.lax.while_loop(more, turn, start)[1]


_infer = jax.jit(_expectation)


def _documents_bound(x, gamma, words, alpha):
    theta, of_document = _scaled(_log_mean(gamma), 1)
    phi, of_word = _scaled(_log_mean(words), 0)
    norm = jnp.matmul(theta, phi, precision=HIGH) + jnp.finfo(x.dtype).tiny
    told = (x * (jnp.log(norm) + of_document + of_word)).sum()
    return told + _prior_bound(gamma, alpha)


@jax.jit
def _bound(x, gamma, words, alpha, beta):
    return _documents_bound(x, gamma, words, alpha) + _prior_bound(words, beta)


def _prior_bound(q, prior):
    """sum over rows of E log p / q, p Dirichlet(prior) and q Dirichlet(row)."""
    k = q.shape[-1]
    prior = jnp.asarray(prior, q.dtype)
    value = ((prior - q) * _log_mean(q)).sum()
    value = value + (gammaln(q) - gammaln(prior)).sum()
    return value + (gammaln(prior * k) - gammaln(q.sum(-1))).sum()


def _floats(x):
    floats = jnp.issubdtype(x.dtype, jnp.floating)
    return x if floats else x.astype(jnp.result_type(float))


def _counts(x):
    x = checks.finite("x", x)
    if x.ndim != 2:
        raise ValueError(f"x must be counts [D, V], got {list(x.shape)}")
    if not isinstance(x, jax.core.Tracer):
        read = np.asarray(x)
        if read.min() < 0:
            raise ValueError(f"x must be counts of 0 or more, got {read.min()}")
        if not read.max() > 0:
            raise ValueError("x must hold at least one token, got 0 only")
    return x
