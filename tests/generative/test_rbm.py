"""The Boltzmann machine against sums over all of its states, and scikit-learn."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import logsumexp

import optim
from zoo.functional import example_keys
from zoo.generative import dbn, rbm

D, H = 4, 3


def machine(d=D, h=H, seed=0):
    rng = np.random.default_rng(seed)
    return rbm.RBM(rng.normal(size=(d, h)), rng.normal(size=d), rng.normal(size=h))


def states(n):
    return np.array(list(itertools.product([0.0, 1.0], repeat=n)))


def energies(p, v, h):
    """E(v, h) of every pair: [V, H]."""
    return -(v @ p.b)[:, None] - (h @ p.c)[None] - v @ p.W @ h.T


V, HIDDEN, P = states(D), states(H), machine()
JOINT = -energies(P, V, HIDDEN)
LOG_Z = logsumexp(JOINT)
LOG_P = logsumexp(JOINT, axis=1) - LOG_Z


def test_free_energy_partition_and_likelihood_are_sums_over_states():
    with jax.enable_x64(True):
        f, z, p = jax.jit(
            lambda p, v: (
                rbm.free_energy(p, v),
                rbm.log_partition(p),
                rbm.log_likelihood(p, v),
            )
        )(P, V)
        wide = machine(3, 5)  # now the visible units are the fewer
        z_wide = jax.jit(rbm.log_partition)(wide)
    np.testing.assert_allclose(f, -logsumexp(JOINT, axis=1), rtol=1e-12)
    np.testing.assert_allclose(z, LOG_Z, rtol=1e-12)
    np.testing.assert_allclose(p, LOG_P, rtol=1e-12)
    expected = logsumexp(-energies(wide, states(3), states(5)))
    np.testing.assert_allclose(z_wide, expected, rtol=1e-12)


def test_gaussian_units_are_integrals():
    p = machine(2, 3)
    t = np.linspace(-9, 9, 361)
    v = np.stack(np.meshgrid(t, t), -1).reshape(-1, 2)
    h = states(3)
    e = 0.5 * ((v - p.b) ** 2).sum(1)[:, None] - (h @ p.c)[None] - v @ p.W @ h.T
    with jax.enable_x64(True):
        f = jax.jit(lambda v: rbm.free_energy(p, v, "gaussian"))(v)
        z = rbm.log_partition(jax.tree.map(jnp.array, p), "gaussian")
    np.testing.assert_allclose(f, -logsumexp(-e, axis=1), rtol=1e-10)
    np.testing.assert_allclose(z, logsumexp(-e) + 2 * np.log(t[1] - t[0]), rtol=1e-8)


def test_gradient_is_positive_minus_model():
    x = V[[1, 6, 6, 11, 13]]
    joint = np.exp(JOINT - LOG_Z)
    with jax.enable_x64(True):
        grads = jax.jit(jax.grad(lambda p: rbm.log_likelihood(p, x).mean()))(P)
        h = np.asarray(rbm.hidden_mean(jax.tree.map(jnp.array, P), x))
        ours = rbm.statistics(jnp.array(x), jnp.array(h), jnp.full(5, 0.2))
    model = rbm.RBM(
        np.einsum("vi,vh,hj->ij", V, joint, HIDDEN),
        np.einsum("vi,vh->i", V, joint),
        np.einsum("vh,hj->j", joint, HIDDEN),
    )
    positive = rbm.RBM(x.T @ h / 5, x.mean(0), h.mean(0))
    for name in rbm.RBM._fields:
        a, b = getattr(positive, name), getattr(model, name)
        np.testing.assert_allclose(getattr(grads, name), a - b, rtol=1e-10)
        np.testing.assert_allclose(getattr(ours, name), a, rtol=1e-10)


def test_chains_come_to_the_models_distribution():
    n = 20_000
    keys = example_keys(jax.random.key(0), np.arange(n))
    p = jax.tree.map(jnp.float32, P)
    v, h = jax.jit(lambda keys: rbm.gibbs(p, keys, jnp.zeros((n, H)), 50))(keys)
    assert set(np.unique(v)) == set(np.unique(h)) == {0, 1}
    which = lambda bits: (bits @ 2.0 ** np.arange(bits.shape[1])).astype(int)
    at = which(np.asarray(v)) * 8 + which(np.asarray(h))
    found = np.bincount(at, minlength=128) / n
    order = which(V)[:, None] * 8 + which(HIDDEN)[None]
    expected = np.zeros(128)
    expected[order] = np.exp(JOINT - LOG_Z)
    distance = np.abs(found - expected).sum() / 2
    print("total variation", distance)  # by chance about 0.02, of 128 states
    assert distance < 0.03


def test_pseudo_likelihood_is_the_conditionals():
    by_state = {tuple(v): p for v, p in zip(V, LOG_P, strict=True)}
    each = np.zeros((len(V), D))  # log p(v_i | the others)
    for n, v in enumerate(V):
        for i in range(D):
            other = v.copy()
            other[i] = 1 - v[i]
            each[n, i] = by_state[tuple(v)] - np.logaddexp(
                by_state[tuple(v)], by_state[tuple(other)]
            )
    bit = np.arange(len(V)) % D
    with jax.enable_x64(True):
        p = jax.tree.map(jnp.array, P)
        whole = jax.jit(rbm.pseudo_log_likelihood)(p, V)
        one = jax.jit(rbm.pseudo_log_likelihood)(p, V, bit)
    np.testing.assert_allclose(whole, each.sum(1), rtol=1e-10)
    np.testing.assert_allclose(one, D * each[np.arange(len(V)), bit], rtol=1e-10)


@pytest.mark.reference
def test_scikit_learn_agrees():
    from sklearn.neural_network import BernoulliRBM

    p, rng = machine(12, 7), np.random.default_rng(1)
    x = (rng.uniform(size=(9, 12)) < 0.4).astype(float)
    theirs = BernoulliRBM(random_state=3)
    theirs.components_, theirs.intercept_visible_ = p.W.T, p.b
    theirs.intercept_hidden_ = p.c
    bit = np.random.RandomState(3).randint(0, 12, 9)  # the bits that it draws
    with jax.enable_x64(True):
        p = jax.tree.map(jnp.array, p)
        pseudo, h = jax.jit(
            lambda p, x: (rbm.pseudo_log_likelihood(p, x, bit), rbm.hidden_mean(p, x))
        )(p, x)
    np.testing.assert_allclose(pseudo, theirs.score_samples(x), rtol=1e-10)
    np.testing.assert_allclose(h, theirs.transform(x), rtol=1e-10)


@pytest.mark.parametrize("chains", [None, 6])
@pytest.mark.parametrize("visible", rbm.VISIBLE)
def test_a_step_is_positive_minus_negative(chains, visible):
    rng, rate = np.random.default_rng(0), 0.3
    x = (rng.uniform(size=(5, D)) < 0.5).astype(float)
    index, weight = np.array([3, 1, 7, 0, 2]), np.array([1.0, 2, 0, 1, 1])
    with jax.enable_x64(True):
        batch = {"x": jnp.array(x), "index": index, "weight": jnp.array(weight)}
        fit = rbm.learner(H, optim.sgd(rate), 2, chains, visible)
        state = fit.init(jax.random.key(0), batch)
        state = state._replace(params=jax.tree.map(jnp.array, P))
        new, _ = jax.jit(fit.step)(state, batch)
        key = jax.random.fold_in(state.key, 0)
        keys = example_keys(key, index)
        up = lambda v: 1 / (1 + np.exp(-(v @ P.W + P.c)))
        if chains:
            keys = example_keys(jax.random.fold_in(key, chains), jnp.arange(chains))
            h = state.chains
        else:
            uniform = jax.vmap(lambda key: jax.random.uniform(key, (H,), jnp.float64))
            h = (uniform(keys) < up(x)).astype(float)
        v, h = (np.asarray(a) for a in rbm.gibbs(state.params, keys, h, 2, visible))
        if chains:
            np.testing.assert_array_equal(new.chains, h)
        new = jax.device_get(new.params)
    w = np.ones(chains) if chains else weight
    mean = lambda a, w: np.tensordot(w / w.sum(), a, 1)
    both = lambda v: v[:, :, None] * up(v)[:, None]
    for name, of in (("W", both), ("b", lambda v: v), ("c", up)):
        step = rate * (mean(of(x), weight) - mean(of(v), w))
        np.testing.assert_allclose(getattr(new, name) - getattr(P, name), step,
                                   rtol=1e-9, atol=1e-12)  # fmt: skip


@pytest.mark.parametrize("chains", [None, 64])
def test_exact_likelihood_rises(chains):
    """Of bars, five seeds: far above the independent bits that it starts from."""
    bars = np.zeros((6, 9), np.float32)
    for i in range(3):
        bars[i, 3 * i : 3 * i + 3] = bars[3 + i, i::3] = 1
    batch = {"x": jnp.tile(bars, (4, 1)), "index": jnp.arange(24)}
    fit = rbm.learner(8, optim.sgd(0.2), k=2, chains=chains)

    def run(seed):
        state = fit.init(jax.random.key(seed), batch)
        body = lambda _, state: fit.step(state, batch)[0]
        after = jax.lax.fori_loop(0, 1500, body, state)
        of = lambda state: rbm.log_likelihood(state.params, jnp.array(bars)).mean()
        return of(state), of(after)

    first, last = jax.jit(jax.vmap(run))(jnp.arange(5))
    print("log p", first, last, "at best", -np.log(6))
    np.testing.assert_allclose(first, -9 * np.log(2), atol=0.05)
    assert (np.asarray(last) > -3.5).sum() >= 4


def test_the_published_size():
    p = jax.eval_shape(lambda key: rbm.start(key, 784, 500), jax.random.key(0))
    assert sum(leaf.size for leaf in p) == 393_284


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: rbm.learner(0, optim.sgd(1.0)), "hidden must be a positive integer"),
        (lambda: rbm.learner(3, optim.sgd(1.0), k=0), "k must be a positive integer"),
        (lambda: rbm.learner(3, optim.sgd(1.0), chains=1.5), "chains must be a pos"),
        (
            lambda: rbm.learner(3, optim.sgd(1.0), visible="gausian"),
            "unknown kind of visible units 'gausian'; did you mean 'gaussian'",
        ),
        (
            lambda: rbm.log_partition(rbm.start(jax.random.key(0), 21, 22)),
            "params must have at most 20 units to enumerate, got 21 x 22",
        ),
        (
            lambda: dbn.level((3, 2), 2, optim.sgd(1.0)),
            "number must be from 0 to 1, got 2",
        ),
    ],
)
def test_refuses(make, message):
    with pytest.raises(ValueError, match=message):
        make()
