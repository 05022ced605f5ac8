"""The restricted Boltzmann machine: units that are seen, units that are not, no others.

    E(v, h) = -b v - c h - v W h        p(v, h) = exp(-E(v, h)) / Z        bernoulli
    E(v, h) = |v - b|^2 / 2 - c h - v W h                                  gaussian

    p(h_j = 1 | v) = s(c_j + v W_j)     s(x) = 1 / (1 + e^-x)
    p(v_i = 1 | h) = s(b_i + W_i h)     gaussian: v ~ N(b + W h, I)

    F(v) = -log sum over h of exp(-E(v, h))
         = -b v - sum over j of log(1 + exp(c_j + v W_j));    log p(v) = -F(v) - log Z

A step of learning has three parts:

    positive phase   v_0 of the data: the statistics v_0 p(h | v_0)^T
    negative phase   v_k, h_k from k rounds of Gibbs sampling: the same of the model
    update           W += rate * (positive - negative);  b and c with v and p(h | v)

The gradient of log p(v) is exactly the positive part minus its expectation under the
model, which the second part estimates. Contrastive divergence (CD-k) starts its rounds
at the data. Persistent CD (PCD) goes on where the last step's chains stopped: they are
part of the state, and stay on the device, a share of them on each.

Z can be computed where the units of one kind are few. The pseudo-likelihood needs none:
each value given all others, sum over i of log p(v_i | the others), each of which is
log s(F(v with bit i flipped) - F(v)); one bit that is drawn, times D, estimates it.

Values of bernoulli units may be shares from 0 to 1, as grey values are.

Shapes: B examples, D visible units, H hidden units, C chains.

References:
    Hinton, "Training products of experts by minimizing contrastive divergence", Neural
    Computation 2002, https://doi.org/10.1162/089976602760128018
    Tieleman, "Training restricted Boltzmann machines using approximations to the
    likelihood gradient", ICML 2008, https://doi.org/10.1145/1390156.1390290 (PCD)
    Hinton, "A practical guide to training restricted Boltzmann machines", 2010,
    https://www.cs.toronto.edu/~hinton/absps/guideTR.pdf (Gaussian units, the start)
"""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from zoo.errors import unknown
from zoo.functional.dropout import example_keys
from zoo.functional.losses import weighted
from zoo.learner import Learner

VISIBLE = ("bernoulli", "gaussian")
FEW = 20  # units that are enumerated, at most


class RBM(NamedTuple):
    """The parameters."""

    W: jax.Array  # [D, H]
    b: jax.Array  # of visible units, [D]
    c: jax.Array  # of hidden units, [H]


class RBMState(NamedTuple):
    step: jax.Array  # int32 scalar: steps taken
    key: jax.Array  # never advanced; a step's own key is fold_in(key, step)
    params: RBM
    opt_state: Any
    chains: jax.Array | None  # hidden units of the persistent chains, [C, H]


def start(key: jax.Array, visible: int, hidden: int, dtype: Any = None) -> RBM:
    """Small normal weights of deviation 0.01, and biases of 0."""
    w = 0.01 * jax.random.normal(key, (visible, hidden), dtype or jnp.float32)
    return RBM(W=w, b=jnp.zeros(visible, w.dtype), c=jnp.zeros(hidden, w.dtype))


def learner(
    hidden: int,
    optimizer: optax.GradientTransformation,
    k: int = 1,
    chains: int | None = None,
    visible: str = "bernoulli",
    axis_name: str | None = None,
) -> Learner:
    """A machine that learns by contrastive divergence.

    Args:
        hidden: H.
        optimizer: any optax transformation; of plain `optim.sgd` the step is the
            formula's.
        k: rounds of Gibbs sampling in a step.
        chains: C, of persistent CD, a multiple of the devices; None: CD, from the data.
        visible: "bernoulli" or "gaussian".
        axis_name: the axis over which a batch and the chains are split, or None.

    Returns:
        A learner of batches with `x`, floats [B, ...], and `index`, and perhaps
        `weight`. Metrics: `error`, the squared error of the mean of v given a draw of h
        given x; in evaluation, and of bernoulli units, also `pseudo`, the
        pseudo-likelihood by one bit of each example, in nats.

    Raises:
        ValueError: a hidden, k or chains that is no positive integer, unknown units.
    """
    for name, value in (("hidden", hidden), ("k", k), ("chains", chains or 1)):
        if not isinstance(value, int) or value < 1:
            raise ValueError(f"{name} must be a positive integer, got {value!r}")
    if visible not in VISIBLE:
        raise unknown("kind of visible units", visible, VISIBLE)

    def total(tree):
        return jax.lax.psum(tree, axis_name) if axis_name else tree

    def init(key, batch):
        v = _flat(batch["x"])
        there, key = jax.random.split(key)
        params = start(there, v.shape[1], hidden, v.dtype)
        return RBMState(
            step=jnp.zeros((), jnp.int32),
            key=key,
            params=params,
            opt_state=optimizer.init(params),
            chains=None if chains is None else jnp.zeros((chains, hidden), v.dtype),
        )

    def step(state, batch):
        p, v = state.params, _flat(batch["x"])
        key = jax.random.fold_in(state.key, state.step)
        keys = example_keys(key, batch["index"])
        given = hidden_mean(p, v)
        first = _bernoulli(keys, given)
        weight = batch.get("weight", jnp.ones(len(v), v.dtype)).astype(v.dtype)
        positive = statistics(v, given, weight)
        if chains is None:
            new_v, last = gibbs(p, keys, first, k, visible)
            negative, there = statistics(new_v, hidden_mean(p, new_v), weight), None
        else:
            rows = jnp.arange(len(state.chains))
            if axis_name:
                rows = rows + jax.lax.axis_index(axis_name) * len(rows)
            keys = example_keys(jax.random.fold_in(key, chains), rows)
            new_v, there = gibbs(p, keys, state.chains, k, visible)
            ones = jnp.ones(len(rows), v.dtype)
            negative = statistics(new_v, hidden_mean(p, new_v), ones)
        off = jnp.square(v - visible_mean(p, first, visible)).sum(1)
        sums = positive, weight.sum(), negative, {"error": weighted(off, batch)}
        positive, count, negative, metrics = total(sums)
        count = jnp.where(count == 0, 1, count)
        others = count if chains is None else chains
        grads = jax.tree.map(lambda a, b: b / others - a / count, positive, negative)
        updates, opt_state = optimizer.update(grads, state.opt_state, p)
        new = RBMState(
            step=state.step + 1,
            key=state.key,
            params=optax.apply_updates(p, updates),
            opt_state=opt_state,
            chains=there,
        )
        return new, metrics

    def evaluate(state, batch):
        p, v = state.params, _flat(batch["x"])
        keys = example_keys(jax.random.key(0), batch["index"])
        back = visible_mean(p, _bernoulli(keys, hidden_mean(p, v)), visible)
        metrics = {"error": weighted(jnp.square(v - back).sum(1), batch)}
        if visible == "bernoulli":
            bit = jax.vmap(lambda key: jax.random.randint(key, (), 0, v.shape[1]))(keys)
            pseudo = pseudo_log_likelihood(p, jnp.round(v), bit)
            metrics["pseudo"] = weighted(pseudo, batch)
        return total(metrics)

    split = RBMState(step=-1, key=-1, params=-1, opt_state=-1, chains=0)
    return Learner(init, step, evaluate, split=None if chains is None else split)


def statistics(v: jax.Array, h: jax.Array, weight: jax.Array) -> RBM:
    """Sums over the examples of v h^T, v and h."""
    weighed = weight[:, None] * v
    return RBM(W=weighed.T @ h, b=weighed.sum(0), c=weight @ h)


def hidden_mean(params: RBM, v: jax.Array) -> jax.Array:
    """p(h_j = 1 | v): [B, D] -> [B, H]."""
    return jax.nn.sigmoid(v @ params.W + params.c[None])


def visible_mean(params: RBM, h: jax.Array, visible: str = "bernoulli") -> jax.Array:
    """The mean of v given h: [B, H] -> [B, D]."""
    mean = h @ params.W.T + params.b[None]
    return jax.nn.sigmoid(mean) if visible == "bernoulli" else mean


def gibbs(
    params: RBM, keys: jax.Array, h: jax.Array, rounds: int, visible: str = "bernoulli"
) -> tuple[jax.Array, jax.Array]:
    """Chains, each a round of v given h and h given v, as often as said.

    Args:
        params: of the machine.
        keys: one for each chain, [C].
        h: hidden units, [C, H].
        rounds: from 1 on.
        visible: "bernoulli" or "gaussian".

    Returns:
        v, [C, D], and h, [C, H], both drawn.
    """
    d = params.b.shape[0]

    def turn(i, carry):
        _, h = carry
        both = jax.vmap(lambda key: jax.random.split(jax.random.fold_in(key, i + 1)))
        pairs = both(keys)
        mean = visible_mean(params, h, visible)
        if visible == "bernoulli":
            v = _bernoulli(pairs[:, 0], mean)
        else:
            draw = lambda key: jax.random.normal(key, (d,), h.dtype)
            v = mean + jax.vmap(draw)(pairs[:, 0])
        return v, _bernoulli(pairs[:, 1], hidden_mean(params, v))

    return jax.lax.fori_loop(0, rounds, turn, (jnp.zeros((len(h), d), h.dtype), h))


def free_energy(
    params: RBM, v: jax.Array, visible: str = "bernoulli"
) -> jax.Array:  # [B, D] -> [B]
    """F(v), in nats."""
    if visible == "bernoulli":
        alone = -v @ params.b
    else:
        alone = 0.5 * jnp.square(v - params.b[None]).sum(1)
    return alone - jax.nn.softplus(v @ params.W + params.c[None]).sum(1)


def log_partition(params: RBM, visible: str = "bernoulli") -> jax.Array:
    """log Z, exactly: the states of the fewer units are enumerated.

    Args:
        params: of a machine with at most 20 hidden, or bernoulli visible, units.
        visible: "bernoulli" or "gaussian".

    Returns:
        A scalar, in nats.

    Raises:
        ValueError: too many units of either kind.
    """
    d, h = params.W.shape
    few = min(d, h) if visible == "bernoulli" else h
    if few > FEW:
        raise ValueError(
            f"params must have at most {FEW} units to enumerate, got {d} x {h}"
        )
    every = jnp.arange(2**few)[:, None] >> jnp.arange(few)[None] & 1
    every = every.astype(params.W.dtype)  # [2^few, few]
    if visible == "gaussian":
        lift = every @ params.W.T  # [2^H, D]; the integral over v of exp(-E)
        inner = every @ params.c + lift @ params.b + 0.5 * jnp.square(lift).sum(1)
        return jax.nn.logsumexp(inner) + 0.5 * d * math.log(2 * math.pi)
    if few == d and d < h:
        return jax.nn.logsumexp(-free_energy(params, every))
    turned = RBM(W=params.W.T, b=params.c, c=params.b)  # the two kinds are alike
    return jax.nn.logsumexp(-free_energy(turned, every))


def log_likelihood(
    params: RBM, v: jax.Array, visible: str = "bernoulli"
) -> jax.Array:  # [B, D] -> [B]
    """log p(v) in nats, exactly.

    Raises:
        ValueError: as `log_partition`.
    """
    return -free_energy(params, v, visible) - log_partition(params, visible)


def pseudo_log_likelihood(
    params: RBM, v: jax.Array, bit: jax.Array | None = None
) -> jax.Array:
    """sum over i of log p(v_i | the others), of bernoulli units, in nats.

    Args:
        params: of the machine.
        v: zeros and ones, [B, D].
        bit: int [B]: which bit of each example stands for all, D times; None: all are
            computed, which takes D times as long.

    Returns:
        [B].
    """
    d = params.b.shape[0]
    active = v @ params.W + params.c[None]  # [B, H]

    def one(row, active, i):
        """log p(v_i | the others) of an example."""
        change = 1 - 2 * row[i]
        flipped = jax.nn.softplus(active + change * params.W[i]).sum()
        more = -change * params.b[i] - flipped + jax.nn.softplus(active).sum()
        return jax.nn.log_sigmoid(more)  # F(flipped) - F(v)

    if bit is not None:
        return d * jax.vmap(one)(v, active, bit)
    every = jax.vmap(one, (None, None, 0))
    row = lambda pair: every(*pair, jnp.arange(d)).sum()
    return jax.lax.map(row, (v, active))


def _bernoulli(keys, mean):  # keys [B], [B, N] -> zeros and ones
    draw = lambda key, p: jax.random.uniform(key, p.shape, p.dtype) < p
    return jax.vmap(draw)(keys, mean).astype(mean.dtype)


def _flat(x):  # [B, ...] -> [B, D]
    return x.reshape(len(x), -1)
