"""Gaussian mixtures, fitted by expectation and maximization (EM).

    p(x)  = sum_k pi_k N(x | mu_k, Sigma_k)
    E     r_nk  = pi_k N(x_n | mu_k, Sigma_k) / p(x_n)
    M     N_k, mu_k, Sigma_k from r_nk, as of `zoo.classical.gaussians`; pi_k = N_k / N

    BIC = -2 log L + p log N        AIC = -2 log L + 2 p
    p   = numbers of the covariances + K D means + K - 1 weights

Covariances are `full`, `tied` (one for all), `diagonal` or `spherical`.

An EM step never lowers the likelihood L when floor = 0. But a component that settles
on few points (or on a feature without spread) then has a variance of 0 and an infinite
likelihood; the floor, added to every variance as in scikit-learn, holds it up. What it
costs the likelihood is of its own order, so that with it steps may fall by as much. A
component without examples keeps its mean and covariance.

EM finds a maximum near its start, which is `zoo.classical.seeding`: examples far from
each other, and ten rounds of k-means. `fit` takes the best of several starts. The
likeliest is not always the one wanted: without the rounds, a start with a component on
few flowers of iris, almost flat in one direction, wins by far.

Shapes: N examples, D features, K components.

References:
    Dempster, Laird and Rubin, "Maximum likelihood from incomplete data via the EM
    algorithm", JRSS B 39(1), 1977, https://doi.org/10.1111/j.2517-6161.1977.tb01600.x
    Schwarz, "Estimating the dimension of a model", Annals of Statistics 6(2), 1978,
    https://doi.org/10.1214/aos/1176344136 (BIC)
    Akaike, "A new look at the statistical model identification", IEEE Transactions
    on Automatic Control 19(6), 1974, https://doi.org/10.1109/TAC.1974.1100705 (AIC)
"""

import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

from zoo.classical import checks, gaussians, race, seeding
from zoo.classical.gaussians import FORMS, Gaussians
from zoo.errors import unknown
from zoo.learner import Learner


class MixtureState(NamedTuple):
    step: jax.Array  # int32 scalar: steps taken
    weights: jax.Array  # pi, of sum 1, [K]
    means: jax.Array  # mu, [K, D]
    covariances: jax.Array  # full [K, D, D], tied [1, D, D], [K, D] or spherical [K, 1]
    log_likelihood: jax.Array  # before the last step, mean over examples; -inf at first
    gain: jax.Array  # the least change of it that a step has made; inf at first


def learner(
    components: int,
    *,
    form: str = "full",
    floor: float = 1e-6,
    tolerance: float = 1e-6,
    means: jax.Array | None = None,
    axis_name: str | None = None,
) -> Learner:
    """EM as a learner: each step takes all examples.

    Args:
        components: K.
        form: `spherical`, `diagonal`, `tied` or `full`.
        floor: added to each variance, >= 0, in the square of the features' unit.
        tolerance: done when a step changes the mean log-likelihood of an example by
            no more than this, in nats.
        means: first means, [K, D]; None draws examples.
        axis_name: the parallel axis over which the examples are split.

    Returns:
        A learner of batches with `x`, floats [N, D], and optionally `weight` [N], by
        which an example counts. Its metric, also of `evaluate`, is `log_likelihood`,
        in nats, before the step.

    Raises:
        ValueError: an unknown form; a floor or tolerance below 0; K no positive
            integer. When called on a batch that is not floats [N, D], or with K above
            N: the same.
    """
    _check_options(components, form, floor, tolerance)
    total = lambda tree: jax.lax.psum(tree, axis_name) if axis_name else tree

    def init(key, batch):
        x = _checked(batch["x"], components)
        weight = _weight(x, batch)
        centres = _given(means, components, x)
        if centres is None:
            chosen = seeding.plus_plus(key, x, components, trials=1, weight=weight)
            centres = seeding.settled(x, x[chosen], weight, rounds=10)
        spread = gaussians.common(form, x.var(0) + floor, components)
        weights = jnp.full(components, 1 / components, x.dtype)
        first = start(weights, centres, spread)
        return _maximized(first, x, seeding.nearest(x, centres) * weight[:, None])

    def step(state, batch):
        x, weight = batch["x"], _weight(batch["x"], batch)
        joint = _joint(state, x)  # [N, K]
        density = jax.nn.logsumexp(joint, axis=1)
        pair = total((density @ weight, weight.sum()))
        parts = jnp.exp(joint - density[:, None]) * weight[:, None]
        new = _maximized(state, x, parts, total)
        value = pair[0] / pair[1]
        new = new._replace(
            step=state.step + 1,
            log_likelihood=value,
            gain=jnp.minimum(state.gain, jnp.abs(value - state.log_likelihood)),
        )
        return new, {"log_likelihood": pair}

    def _maximized(state, x, parts, total=lambda tree: tree):
        old = Gaussians(state.weights, state.means, state.covariances)
        new = gaussians.estimate(x, parts, form, floor, old, total)
        return state._replace(
            weights=new.counts / new.counts.sum(),
            means=new.means,
            covariances=new.covariances,
        )

    def evaluate(state, batch):
        density = jax.nn.logsumexp(_joint(state, batch["x"]), axis=1)
        weight = _weight(batch["x"], batch)
        return {"log_likelihood": total((density @ weight, weight.sum()))}

    def done(state):
        return ~(state.gain > tolerance)  # also where it is NaN

    return Learner(init, step, evaluate, done)


def fit(
    key: jax.Array,
    x: jax.Array,
    components: int,
    *,
    form: str = "full",
    floor: float = 1e-6,
    tolerance: float = 1e-6,
    means: jax.Array | None = None,
    starts: int = 1,
    steps: int = 500,
) -> MixtureState:
    """The likeliest mixture of several starts.

    Args:
        key: of the starts.
        x: examples, floats [N, D].
        components: K, at most N.
        form, floor, tolerance, means: as for `learner`. With means given there is no
            chance, and one start.
        starts: how many; they run side by side.
        steps: of each start, at most.

    Returns:
        The last state of the best start.

    Raises:
        ValueError: as `learner`; starts or steps below 1; a covariance that lost its
            positive definiteness, where it can be read (traced: NaN).
    """
    x = _checked(x, components)
    if min(starts, steps) < 1:
        raise ValueError(f"starts and steps must be positive, got {starts} and {steps}")
    _check_options(components, form, floor, tolerance)
    means = _given(means, components, x)
    state = _best(key, x, means, floor, tolerance, steps, components, form, starts)
    found = jax.tree.map(lambda leaf: jnp.isfinite(leaf).all(), state)
    if not isinstance(found.means, jax.core.Tracer):
        if not all(found._replace(gain=True)):
            raise ValueError(
                f"floor must be larger: with {floor} a covariance became singular in "
                f"{x.dtype}"
            )
    return state


@functools.partial(jax.jit, static_argnums=(6, 7, 8))
def _best(key, x, means, floor, tolerance, steps, components, form, starts):
    options = dict(form=form, floor=floor, tolerance=tolerance, means=means)
    em = learner(components, **options)
    batch = {"x": x}

    keys = jax.random.split(key, starts) if starts > 1 and means is None else key[None]
    first = jax.vmap(lambda key: em.init(key, batch))(keys)
    states = race.run(em, first, batch, steps)
    values = states.log_likelihood
    best = jnp.argmax(jnp.where(jnp.isnan(values), -jnp.inf, values))
    return jax.tree.map(lambda leaf: leaf[best], states)


def start(weights: jax.Array, means: jax.Array, covariances: jax.Array) -> MixtureState:
    """The state of a mixture that is known.

    Args:
        weights: [K], of sum 1.
        means: [K, D].
        covariances: [K, D, D] (full), [1, D, D] (tied), [K, D] (diagonal) or [K, 1]
            (spherical).

    Raises:
        ValueError: shapes that do not fit together.
    """
    k, d = means.shape if means.ndim == 2 else (0, 0)
    allowed = {(k, d, d), (1, d, d), (k, d), (k, 1)}
    if weights.shape != (k,) or covariances.shape not in allowed:
        raise ValueError(
            "weights, means and covariances must be [K], [K, D] and [K, D, D], "
            f"[1, D, D], [K, D] or [K, 1], got {list(weights.shape)}, "
            f"{list(means.shape)} and {list(covariances.shape)}"
        )
    dtype = means.dtype
    return MixtureState(
        step=jnp.int32(0),
        weights=jnp.array(weights),
        means=jnp.array(means),
        covariances=jnp.array(covariances),
        log_likelihood=jnp.full((), -jnp.inf, dtype),
        gain=jnp.full((), jnp.inf, dtype),
    )


def log_likelihood(state: MixtureState, x: jax.Array) -> jax.Array:
    """log p(x_n) in nats, [N, D] -> [N]; the sum is that of the examples together."""
    return jax.nn.logsumexp(_joint(state, _examples(state, x)), axis=1)


def predict_probability(state: MixtureState, x: jax.Array) -> jax.Array:
    """The probability of each component, given an example: [N, D] -> [N, K]."""
    return jax.nn.softmax(_joint(state, _examples(state, x)), axis=1)


def predict(state: MixtureState, x: jax.Array) -> jax.Array:
    """The likeliest component of each example: [N, D] -> int32 [N]."""
    return _joint(state, _examples(state, x)).argmax(1).astype(jnp.int32)


def sample(
    key: jax.Array, state: MixtureState, count: int
) -> tuple[jax.Array, jax.Array]:
    """Examples drawn from the mixture.

    Args:
        key: of the draws.
        state: the mixture.
        count: N, how many.

    Returns:
        The examples, [N, D], and the component of each, int32 [N].
    """
    which, normal = jax.random.split(key)
    part = jax.random.categorical(which, jnp.log(state.weights), shape=(count,))
    x = gaussians.draw(normal, state.means, state.covariances, part)
    return x, part.astype(jnp.int32)


def free_parameters(state: MixtureState) -> int:
    """p, the numbers that a fit determines."""
    k, d = state.means.shape
    return gaussians.numbers(state.covariances) + k * d + k - 1


def bic(state: MixtureState, x: jax.Array) -> jax.Array:
    """Schwarz's criterion on the examples [N, D], a scalar; the smaller the better."""
    penalty = free_parameters(state) * math.log(len(x))
    return penalty - 2 * log_likelihood(state, x).sum()


def aic(state: MixtureState, x: jax.Array) -> jax.Array:
    """Akaike's criterion on the examples [N, D], a scalar; the smaller the better."""
    return 2 * free_parameters(state) - 2 * log_likelihood(state, x).sum()


def _joint(state, x):  # [N, D] -> [N, K]
    """log pi_k N(x_n | mu_k, Sigma_k)."""
    densities = gaussians.log_densities(x, state.means, state.covariances)
    return densities + jnp.log(state.weights)[None]


def _weight(x, batch):  # [N]
    weight = batch.get("weight")
    return jnp.ones(len(x), x.dtype) if weight is None else weight.astype(x.dtype)


def _checked(x, components):
    x = checks.finite("x", x)
    if x.ndim != 2:
        raise ValueError(f"x must be [N, D], got {list(x.shape)}")
    checks.at_most("components", components, len(x), "examples")
    return x


def _examples(state, x):
    x = checks.finite("x", x)
    d = state.means.shape[1]
    if x.ndim != 2 or x.shape[1] != d:
        raise ValueError(f"x must be [N, {d}], got {list(x.shape)}")
    return x


def _given(means, components, x):
    """The first means, if there are any."""
    if means is None:
        return None
    means = checks.finite("means", means)
    if means.shape != (components, x.shape[1]):
        raise ValueError(
            f"means must be [{components}, {x.shape[1]}], got {list(means.shape)}"
        )
    return means.astype(x.dtype)


def _check_options(components, form, floor, tolerance):
    if form not in FORMS:
        raise unknown("form of covariances", form, FORMS)
    checks.at_most("components", components, 2**31 - 1, "components")
    for name, value in {"floor": floor, "tolerance": tolerance}.items():
        if not isinstance(value, jax.core.Tracer) and not value >= 0:
            raise ValueError(f"{name} must be 0 or more, got {value}")
