"""Sparse coding against scikit-learn's codes, its optimality, and its limits."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import optim
from zoo.generative import predictive_sparse, sparse_coding

B, P, K, W = 9, 8, 12, 0.3


def data(seed=0):
    rng = np.random.default_rng(seed)
    d = rng.normal(size=(K, P)) * rng.uniform(0.3, 1, (K, 1)) / np.sqrt(P)
    return d, rng.normal(size=(B, P))


def optimality(d, x, a):
    """How far the slopes of the smooth part are from what a minimum asks for."""
    slope = (a @ d - x) @ d.T
    at_zero = np.maximum(np.abs(slope) - W, 0)
    return np.abs(np.where(a == 0, at_zero, slope + W * np.sign(a))).max()


@pytest.mark.reference
@pytest.mark.parametrize("algorithm", ["lasso_cd", "lasso_lars"])
def test_codes_are_scikit_learns(algorithm):
    from sklearn.decomposition import sparse_encode

    d, x = data()
    d = d / np.linalg.norm(d, axis=1, keepdims=True)  # lars asks for it
    theirs = sparse_encode(x, d, algorithm=algorithm, alpha=W, max_iter=100_000)
    with jax.enable_x64(True):
        ours = jax.jit(
            lambda d, x: sparse_coding.encode(d, x, W, 5000, tolerance=1e-10)
        )(d, x)
    ours = np.asarray(ours)
    assert 0 < (ours == 0).mean() < 1
    slack = 2e-3 if algorithm == "lasso_cd" else 1e-8  # cd stops at a duality gap
    np.testing.assert_allclose(ours, theirs, atol=slack)
    value = lambda a: 0.5 * ((x - a @ d) ** 2).sum(1) + W * np.abs(a).sum(1)
    assert (value(ours) <= value(theirs) + 1e-12).all()


def test_codes_are_a_minimum_each_for_itself():
    d, x = data()
    with jax.enable_x64(True):
        codes = jax.jit(
            lambda d, x: sparse_coding.encode(d, x, W, 5000, tolerance=1e-10)
        )
        a, some = np.asarray(codes(d, x)), np.asarray(codes(d, x[3:5]))
        none = codes(d, 1e-3 * x)
        value = sparse_coding.objective(jnp.array(d), jnp.array(x), jnp.array(a), W)
    assert optimality(d, x, a) < 1e-9
    np.testing.assert_allclose(some, a[3:5], rtol=1e-12)
    assert not np.asarray(none).any()  # where |x D^T| < w
    expected = [0.5 * np.sum((r - c @ d) ** 2) + W * sum(map(abs, c))
                for r, c in zip(x, a, strict=True)]  # fmt: skip
    np.testing.assert_allclose(value, expected)


def test_a_step_is_the_papers():
    """Algorithm 2 atom by atom, from the sums of two batches; one atom is unused."""
    weight = np.array([1.0, 2, 1, 0, 1, 1, 3, 1, 1])
    with jax.enable_x64(True):
        fit = sparse_coding.learner(K, W, power=2.0, steps=3000)
        batches = [{"x": jnp.array(data(i)[1]), "weight": weight} for i in (1, 2)]
        state = fit.init(jax.random.key(0), batches[0])
        state = state._replace(dictionary=state.dictionary.at[4].set(0.0))
        step, kept = jax.jit(fit.step), [jax.device_get(state)]
        encode = jax.jit(lambda d, x: sparse_coding.encode(d, x, W, 3000))
        codes = []
        for batch in batches:
            codes.append(np.asarray(encode(state.dictionary, batch["x"])))
            state, metrics = step(state, batch)
            kept.append(jax.device_get(state))
        metrics = jax.device_get(metrics)
    d, a, c = kept[0].dictionary.copy(), np.zeros((K, K)), np.zeros((K, P))
    for t, (batch, code) in enumerate(zip(batches, codes, strict=True), 1):
        x, f = np.asarray(batch["x"]), 1 - 1 / t**2
        a = f * a + code.T @ np.diag(weight) @ code / weight.sum()
        c = f * c + code.T @ np.diag(weight) @ x / weight.sum()
        for k in range(K):
            if a[k, k] > 0:
                u = d[k] + (c[k] - a[k] @ d) / a[k, k]
                d[k] = u / max(np.linalg.norm(u), 1)
        np.testing.assert_allclose(kept[t].dictionary, d, rtol=1e-9, atol=1e-12)
    assert not kept[-1].dictionary[4].any() and int(kept[-1].step) == 2
    active = (weight * (codes[1] != 0).sum(1)).sum()
    np.testing.assert_allclose(metrics["active"], (active, weight.sum()))


def test_it_finds_the_atoms_that_made_the_examples():
    rng = np.random.default_rng(0)
    atoms = np.linalg.qr(rng.normal(size=(10, 10)))[0][:6]
    codes = rng.normal(size=(256, 6)) * (rng.uniform(size=(256, 6)) < 0.2)
    batch = {"x": jnp.float32(codes @ atoms)}
    fit = sparse_coding.learner(9, 0.1, power=0.0, steps=50)  # three to spare

    def run(seed):
        state = fit.init(jax.random.key(seed), batch)
        body = lambda _, state: fit.step(state, batch)[0]
        return jax.lax.fori_loop(0, 100, body, state).dictionary

    found = np.asarray(jax.jit(jax.vmap(run))(jnp.arange(5)))
    cosines = np.abs(found @ atoms.T).max(1).min(1)  # of the one found worst
    print(cosines)
    assert (cosines > 0.99).sum() >= 4


def predictor(seed=0):
    rng = np.random.default_rng(seed)
    return predictive_sparse.Predictor(
        dictionary=data(seed)[0],
        W=rng.normal(size=(P, K)),
        b=rng.normal(size=K),
        gain=rng.normal(size=K),
    )


def test_predictive_codes_and_their_limits():
    p, (_, x) = predictor(), data()
    with jax.enable_x64(True):
        p, x = jax.tree.map(jnp.array, (p, x))
        guess = predictive_sparse.predict(p, x)

        @jax.jit
        def codes(pull, weight):
            return predictive_sparse.encode(p, x, weight, pull, 3000)

        free, held, some = codes(0.0, W), codes(1e6, W), np.asarray(codes(0.5, W))
        plain = jax.jit(lambda: sparse_coding.encode(p.dictionary, x, W, 3000))()
        value = predictive_sparse.energy(p, x, jnp.array(some), W, 0.5)
        at = jax.jit(lambda a: sparse_coding.objective(p.dictionary, x, a, W))
        np.testing.assert_allclose(at(free), at(plain), rtol=1e-6)
        assert (np.asarray(at(held)) > 1.1 * np.asarray(at(plain))).all()
    np.testing.assert_allclose(held, guess, atol=1e-5)
    d, x, guess = np.asarray(p.dictionary), np.asarray(x), np.asarray(guess)
    expected = np.tanh(x @ np.asarray(p.W) + np.asarray(p.b)) * np.asarray(p.gain)
    np.testing.assert_allclose(guess, expected)
    slope = (some @ d - x) @ d.T + 0.5 * (some - guess)
    off = np.where(some == 0, np.maximum(abs(slope) - W, 0), slope + W * np.sign(some))
    assert np.abs(off).max() < 2e-4
    e = 0.5 * ((x - some @ d) ** 2).sum(1) + W * np.abs(some).sum(1)
    np.testing.assert_allclose(value, e + 0.25 * ((some - guess) ** 2).sum(1))


def test_a_predictive_step_goes_down_with_its_codes_fixed():
    p, (_, x), rate, g = predictor(), data(), 0.05, 0.5
    with jax.enable_x64(True):
        batch = {"x": jnp.array(x)}
        fit = predictive_sparse.learner(K, W, optim.sgd(rate), g)
        state = fit.init(jax.random.key(0), batch)
        state = state._replace(params=jax.tree.map(jnp.array, p))
        a = np.asarray(jax.jit(
            lambda p: predictive_sparse.encode(p, batch["x"], W, g))(state.params)
        )  # fmt: skip
        new, metrics = jax.device_get(jax.jit(fit.step)(state, batch))
    t = np.tanh(x @ p.W + p.b)
    off = t * p.gain - a  # of the guess
    back = g * off * p.gain * (1 - t**2)
    d = p.dictionary - rate * a.T @ (a @ p.dictionary - x) / B
    d = d / np.maximum(np.linalg.norm(d, axis=1, keepdims=True), 1)
    np.testing.assert_allclose(new.params.dictionary, d, rtol=1e-10)
    np.testing.assert_allclose(new.params.W, p.W - rate * x.T @ back / B, rtol=1e-9)
    np.testing.assert_allclose(new.params.b, p.b - rate * back.mean(0), rtol=1e-9)
    gain = p.gain - rate * g * (off * t).mean(0)
    np.testing.assert_allclose(new.params.gain, gain, rtol=1e-9)
    np.testing.assert_allclose(metrics["guess"], ((off**2).sum(), B), rtol=1e-10)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: sparse_coding.learner(0, 1.0), "atoms must be a positive integer"),
        (lambda: sparse_coding.learner(2, -1.0), "weight must be >= 0, got -1.0"),
        (lambda: sparse_coding.learner(2, 1.0, power=-1), "power must be >= 0, got -1"),
        (
            lambda: sparse_coding.encode(jnp.ones((3, 4)), jnp.ones((2, 5)), 0.1),
            r"x must be \[B, P\] with the P of a dictionary \[K, P\], got \[2, 5\]",
        ),
        (
            lambda: predictive_sparse.learner(2, 1.0, optim.sgd(0.1), pull=-1.0),
            "pull must be >= 0, got -1.0",
        ),
    ],
)
def test_refuses(make, message):
    with pytest.raises(ValueError, match=message):
        make()
